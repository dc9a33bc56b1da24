# The Dockerfile language: FROM, stages, and what they take from each other.
load lib/common
load lib/build
load lib/language

@test "scratch: nothing in it, PATH, the root as its directory" {
	printf 'FROM scratch\nLABEL a=b\n' | dockerfile
	build
	has_config 'image["rootfs"]["diff_ids"] == [] and c["WorkingDir"] == "/"'
	has_config 'c["Env"] == ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]'
	printf 'FROM scratch\nRUN true\n' | dockerfile
	refuses "/bin/sh"
}

@test "scratch is that word exactly" {
	printf 'FROM scratch AS Scratched\nFROM scratched\nLABEL a=b\n' | dockerfile
	build
	printf 'FROM SCRATCH\n' | dockerfile
	refuses "SCRATCH"
}

@test "names of stages: what they may be" {
	accepts_each <<-'EOF'
		FROM busybox AS a
		FROM busybox as a1-b_c.d
		FROM busybox aS UPPER
	EOF
	refuses_each <<-'EOF'
		FROM busybox AS 1a => invalid name for build stage
		FROM busybox AS a/b => invalid name for build stage
		FROM busybox AS -a => invalid name for build stage
		FROM busybox AS a:b => invalid name for build stage
		FROM busybox IS a => FROM requires either one or three arguments
	EOF
}

@test "names compare in any case, in FROM, COPY, mounts and --target" {
	dockerfile <<-'EOF'
		FROM busybox AS MixedCase
		RUN echo 1 >/f
		FROM mixedCASE AS second
		COPY --from=MIXEDcase /f /g
		RUN --mount=from=mixedcase,target=/m cat /m/f /g
		FROM nowhere.invalid/image
	EOF
	build --target SECOND
	build --target mIxEdCaSe
}

@test "a stage keeps what its base stage has configured" {
	dockerfile <<-'EOF'
		FROM busybox AS base
		ENV A=1
		LABEL l=1
		WORKDIR /w
		USER app
		EXPOSE 80
		VOLUME /v
		STOPSIGNAL SIGINT
		HEALTHCHECK CMD x
		SHELL ["/bin/sh", "-ec"]
		CMD ["c"]
		FROM base
		ENV B=$A
		EXPOSE 81
	EOF
	build
	has_config 'c["Env"][1:] == ["A=1", "B=1"] and c["Labels"] == {"l": "1"} and c["WorkingDir"] == "/w" and c["User"] == "app"'
	has_config 'sorted(c["ExposedPorts"]) == ["80/tcp", "81/tcp"] and list(c["Volumes"]) == ["/v"] and c["StopSignal"] == "SIGINT"'
	has_config 'c["Shell"] == ["/bin/sh", "-ec"] and c["Cmd"] == ["c"] and c["Healthcheck"]["Test"] == ["CMD-SHELL", "x"]'
}

@test "of two stages with one name the later wins, FROM sees the one before it" {
	dockerfile <<-'EOF'
		FROM busybox AS x
		ENV WHICH=first
		FROM x AS x
		ENV ALSO=second
		FROM x
		ENV DONE=1
	EOF
	build
	has_config '"WHICH=first" in c["Env"] and "ALSO=second" in c["Env"]'
	build --target x
	has_config '"ALSO=second" in c["Env"]'
}

@test "COPY --from by number" {
	dockerfile <<-'EOF'
		FROM busybox AS zero
		RUN echo 0 >/f
		FROM busybox
		RUN echo 1 >/f
		FROM busybox
		COPY --from=0 /f /0
		COPY --from=1 /f /1
		RUN test "$(cat /0 /1)" = "$(printf '0\n1')"
	EOF
	build
	printf 'FROM busybox\nCOPY --from=0 /f /\n' | dockerfile
	refuses "circular dependency detected on stage"
	printf 'FROM busybox\nCOPY --from=9 /f /\nFROM busybox\n' | dockerfile
	refuses "invalid stage index 9" --target 0
	printf 'FROM busybox\nCOPY --from=1 /f /\nFROM busybox\n' | dockerfile
	refuses "needs to be defined before" --target 0
}

@test "own and later stages by name" {
	printf 'FROM busybox AS a\nCOPY --from=a /f /\n' | dockerfile
	refuses "circular dependency detected on stage"
	printf 'FROM busybox AS a\nCOPY --from=b /f /\nFROM busybox AS b\n' | dockerfile
	refuses "needs to be defined before" --target a
	printf 'FROM busybox AS a\nRUN --mount=from=a,target=/m true\n' | dockerfile
	refuses "circular dependency detected on stage"
}

@test "COPY --from: the source is below the root, whatever WORKDIR is; an image as source" {
	dockerfile <<-'EOF'
		FROM busybox AS a
		WORKDIR /w
		RUN echo 1 >f && echo root >/f
		FROM busybox
		WORKDIR /x
		COPY --from=a f /f
		COPY --from=a w/f ./
		COPY --from=busybox /etc/group .
		RUN test "$(cat /f /x/f)" = "$(printf 'root\n1')" && test -e /x/group
	EOF
	build
}

@test "a missing source in a stage is named" {
	printf 'FROM busybox AS a\nFROM busybox\nCOPY --from=a /nothing/here /\n' | dockerfile
	refuses '"/nothing/here"'
	[[ $stderr == *Dockerfile:3* ]]
}

@test "what the target does not need is neither built nor resolved" {
	dockerfile <<-'EOF'
		FROM nowhere.invalid/image AS unused
		RUN false
		FROM busybox AS broken
		RUN false
		FROM busybox AS used
		ENV U=1
		FROM used AS last
	EOF
	build
	[[ $stderr != *nowhere* ]]
	build --target used
	build --target 2
	refuses "exit code: 1" --target broken
}

@test "a stage that only a mount needs is built" {
	dockerfile <<-'EOF'
		FROM busybox AS needed
		RUN echo by-mount >/f
		FROM busybox AS needed-by-cache
		RUN mkdir /seed && echo seed >/seed/f
		FROM busybox
		RUN --mount=from=needed,target=/m --mount=type=cache,id=seed-$$,target=/c,from=needed-by-cache,source=/seed cat /m/f /c/f >/out
	EOF
	build
	run inside 'cat /out'
	assert_output_is $'by-mount\nseed'
}

@test "unknown targets: an error, with what was meant" {
	printf 'FROM busybox AS builder\nFROM busybox AS final\n' | dockerfile
	refuses "target stage 'bulder' could not be found (did you mean builder?)" --target bulder
	refuses "target stage 'zzzzzz' could not be found" --target zzzzzz
	refuses '7' --target 7
}

@test "a base that is nothing" {
	printf 'ARG E=\nFROM ${E}\n' | dockerfile
	refuses 'base name (${E}) should not be blank'
	printf 'ARG BASE_IMAGE=busybox\nFROM ${BASEIMAGE}\n' | dockerfile
	refuses 'base name (${BASEIMAGE}) should not be blank (did you mean BASE_IMAGE?)'
	printf 'FROM busybox:\n' | dockerfile
	refuses "busybox:"
	printf 'FROM Upper/Case\n' | dockerfile
	refuses "Upper/Case"
}

@test "a mistyped stage is suggested when its image is not found" {
	printf 'FROM busybox AS builder\nFROM nowhere.invalid/x\nCOPY --from=bilder /f /\n' | dockerfile
	refuses "Dockerfile:"
}

@test "platforms: the wanted one, of a base that has another, and nonsense" {
	local other=arm64
	[ "$(uname -m)" != aarch64 ] || other=amd64
	printf 'FROM --platform=linux/%s scratch\nLABEL a=b\n' "$other" | dockerfile
	build
	printf 'FROM scratch\nLABEL a=b\n' | dockerfile
	build --platform "linux/$other"
	has_config "image['architecture'] == '$other'"
	printf 'FROM --platform=not/a/real/plat/form busybox\n' | dockerfile
	refuses "platform"
	printf 'FROM --platform=$BULIDPLATFORM busybox\n' | dockerfile
	refuses 'empty platform value from expression $BULIDPLATFORM (did you mean BUILDPLATFORM?)'
	printf 'ARG MY_ARCH=amd64\nFROM --platform=linux/${MYARCH} busybox\n' | dockerfile
	refuses "did you mean MY_ARCH?"
	[[ $stderr == *"Dockerfile:2"* ]]
}

@test "--build-context takes the place of a stage, of an image, and of --from" {
	mkdir "$BATS_TEST_TMPDIR/other"
	echo other >"$BATS_TEST_TMPDIR/other/f"
	dockerfile <<-'EOF'
		FROM busybox AS stage
		RUN false
		FROM nowhere.invalid/base:1 AS renamed
		COPY --from=files /f /f
		COPY --from=STAGE /f /g
		RUN --mount=from=files,target=/m test "$(cat /m/f /f /g)" = "$(printf 'other\nother\nother')"
	EOF
	build --target renamed --build-context nowhere.invalid/base:1=docker-image://localhost/busybox \
		--build-context files="$BATS_TEST_TMPDIR/other" --build-context stage="$BATS_TEST_TMPDIR/other"
}

@test "--build-context for a platform is before the one for all" {
	local here other platform
	mkdir "$BATS_TEST_TMPDIR"/{mine,all}
	echo mine >"$BATS_TEST_TMPDIR/mine/f" && echo all >"$BATS_TEST_TMPDIR/all/f"
	here=$(cooper inspect --type image --format '{{.OCIv1.Architecture}}' busybox)
	for platform in "$here mine" "s390x all"; do
		other=${platform#* }
		printf 'FROM busybox\nCOPY --from=files /f /f\nRUN test "$(cat /f)" = %s\n' "$other" | dockerfile
		build --build-context files="$BATS_TEST_TMPDIR/all" --build-context "files::linux/${platform% *}=$BATS_TEST_TMPDIR/mine"
	done
}

@test "--build-context: names are those of images, and scratch is never one" {
	local name
	mkdir "$BATS_TEST_TMPDIR/other" && echo other >"$BATS_TEST_TMPDIR/other/f"
	for name in base docker.io/library/base base:latest library/base:latest; do
		printf 'FROM docker.io/library/base\nCOPY one /\nFROM busybox\nCOPY --from=0 /f /f\nRUN test "$(cat /f)" = other\n' | dockerfile
		build --pull=never --build-context "$name=$BATS_TEST_TMPDIR/other"
	done
	printf 'FROM docker.io/library/base:1\n' | dockerfile
	refuses "base" --pull=never --build-context base="$BATS_TEST_TMPDIR/other"
	printf 'FROM scratch\nLABEL a=b\n' | dockerfile
	build --build-context scratch="$BATS_TEST_TMPDIR/other"
	has_config 'image["rootfs"]["diff_ids"] == []'
}

@test "PATH of a base that has none is in the image" {
	printf 'FROM scratch AS s\nENV PATH=\nFROM s\nLABEL a=b\n' | dockerfile
	build
	has_config 'len([e for e in c["Env"] if e.startswith("PATH=")]) == 1'
}

@test "a stage of nothing but FROM is its base" {
	printf 'FROM busybox AS a\nFROM a AS b\nFROM b\n' | dockerfile
	build
	has_config 'len(image["rootfs"]["diff_ids"]) == 1 and c["Cmd"] == ["/bin/sh"]'
}

@test "independent stages run at once" {
	dockerfile <<-'EOF'
		FROM busybox AS a
		RUN --mount=type=cache,id=tryst,target=/m touch /m/a; for i in $(seq 600); do [ -e /m/b ] && exit 0; sleep 0.1; done; exit 1
		FROM busybox AS b
		RUN --mount=type=cache,id=tryst,target=/m touch /m/b; for i in $(seq 600); do [ -e /m/a ] && exit 0; sleep 0.1; done; exit 1
		FROM scratch
		COPY --from=a /etc/passwd /a
		COPY --from=b /etc/passwd /b
	EOF
	build --jobs 2 --no-cache
}
