# The Dockerfile language: single rules of BuildKit's that the other files have no place for.
load lib/common
load lib/build
load lib/language

@test "three escape characters do not continue" {
	printf 'FROM busybox\nENV A=x\\\\\\\nENV B=1\n' | dockerfile
	build
	has_config '"A=x\\" in c["Env"] and "B=1" in c["Env"]'
}

@test "a comment in a continuation cannot go on itself, and blanks before it mean nothing" {
	printf 'FROM busybox\nENV A=1 \\\n  # not \\\n  B=2 \\\n\t#\n  C=3\n' | dockerfile
	build
	has_config 'c["Env"][1:] == ["A=1", "B=2", "C=3"]'
}

@test "the name of a here-document may be quoted in part, and then nothing is expanded" {
	dockerfile <<-'EOF'
		FROM busybox
		ENV V=x
		COPY <<E"O"T <<'A'B /d/
		$V
		EOT
		$V \
		AB
		RUN test "$(cat /d/EOT)" = '$V' && test "$(cat /d/AB)" = '$V \'
	EOF
	build
}

@test "<<< is no here-document, and blanks may stand between << and its name" {
	dockerfile <<-'EOF'
		FROM busybox
		RUN echo $((1<<3)) >/out
		RUN cat << EOT >>/out
		text
		EOT
		RUN test "$(cat /out)" = "$(printf '8\ntext')"
	EOF
	build
	printf 'FROM busybox\nCOPY <<<x /\n' | dockerfile
	refuses '"/<<<x": not found'
}

@test "arguments for the builder alone are in no step" {
	dockerfile <<-'EOF'
		FROM busybox
		ARG BUILDKIT_SBOM_SCAN_CONTEXT=true BUILDKIT_SBOM_SCAN_STAGE=true OTHER=1
		RUN test -z "$BUILDKIT_SBOM_SCAN_CONTEXT$BUILDKIT_SBOM_SCAN_STAGE" && test "$OTHER" = 1
	EOF
	build
	run cooper build --check "$context"
	[ "$status" -eq 0 ]
}

@test "BUILDKIT_SANDBOX_HOSTNAME names the machine that RUN sees" {
	printf 'FROM busybox\nRUN test "$(hostname)" = chosen && grep -q chosen /etc/hosts\n' | dockerfile
	build --build-arg BUILDKIT_SANDBOX_HOSTNAME=chosen
}

@test "limits and shared memory of the command line are those of RUN" {
	printf 'FROM busybox\nRUN test "$(ulimit -n)" = 123 && ! dd if=/dev/zero of=/dev/shm/f bs=1k count=2000 2>/dev/null\n' | dockerfile
	build --ulimit nofile=123:123 --shm-size 1m
}

@test "control groups limit RUN, or the error names the way out" {
	printf 'FROM busybox\nRUN true\n' | dockerfile
	run --separate-stderr cooper build --memory 64m --cpu-shares 512 "$context"
	[ "$status" -eq 0 ] || [[ $stderr == *Delegate=yes* ]] || fail "no way out"
	refuses "start cooper in the one you want" --cgroup-parent /elsewhere
}

@test "--network=host has to be allowed where the build has another network" {
	printf 'FROM busybox\nRUN --network=host true\n' | dockerfile
	refuses "allow it with --allow network.host" --network=none
	build --network=none --allow network.host
	build
}

@test "COPY --chmod: the mode of the source counts all the same" {
	printf 'FROM busybox\nCOPY --chmod=600 dir /d\n' | dockerfile
	chmod 644 dir/flat
	build
	build
	cached 1
	chmod 640 dir/flat
	build
	cached 0
}

@test "directories that are made on the way are as --chown and --chmod say" {
	dockerfile <<-'EOF'
		FROM busybox
		COPY one /plain/e/x
		COPY --chmod=700 one /n/e/x
		COPY --chmod=750 --chown=5:6 one /m/e/
		RUN test "$(stat -c %a:%u:%g /plain /plain/e | uniq)" = 755:0:0
		RUN test "$(stat -c %a:%u:%g /n /n/e | uniq)" = 700:0:0 && test "$(stat -c %a:%u:%g /m /m/e | uniq)" = 750:5:6
	EOF
	build
}

@test "COPY keeps attributes of the user's" {
	skip_unless python3
	python3 -c 'import os; os.setxattr("one", "user.note", b"kept")' 2>/dev/null || skip "no user attributes here"
	printf 'FROM scratch\nCOPY one /\nCOPY dir /dir\n' | dockerfile
	build
	cooper push -q made "oci-archive:$BATS_TEST_TMPDIR/made.tar"
	python3 - "$BATS_TEST_TMPDIR/made.tar" <<-'EOF'
		import io, json, sys, tarfile
		outer = tarfile.open(sys.argv[1])
		read = lambda d: outer.extractfile("blobs/" + d.replace(":", "/")).read()
		index = json.load(outer.extractfile("index.json"))
		manifest = json.loads(read(index["manifests"][0]["digest"]))
		layer = tarfile.open(fileobj=io.BytesIO(read(manifest["layers"][0]["digest"])))
		assert layer.getmember("one").pax_headers["SCHILY.xattr.user.note"] == "kept"
	EOF
}

@test "the source of a cache mount is in the cache, wherever its links lead" {
	dockerfile <<-'EOF'
		FROM busybox
		RUN --mount=type=cache,id=links,target=/c ln -s /etc /c/out && ln -s ../../../../../../etc /c/up && mkdir /c/in && touch /c/in/f
		RUN --mount=type=cache,id=links,target=/m,source=in test -e /m/f
	EOF
	build
	local link
	for link in out up; do
		printf 'FROM busybox\nRUN --mount=type=cache,id=links,target=/m,source=%s test ! -e /m/passwd -a ! -e /m/hostname\n' "$link" | dockerfile
		run --separate-stderr cooper build "$context"
		[ "$status" -eq 0 ] || [ "$status" -eq 125 ] || fail "exit status $status"
	done
}

@test "a seed of a cache mount stays in the stage, wherever its links lead" {
	dockerfile <<-'EOF'
		FROM busybox AS seed
		RUN mkdir /s && echo mine >/s/mark && ln -s ../../../../s /s/up && ln -s /s/up /link
		FROM busybox
		RUN --mount=type=cache,id=seed-links,target=/c,from=seed,source=/link test "$(cat /c/mark)" = mine
	EOF
	build
}

@test "ssh: the socket is its user's alone unless it is said" {
	skip_unless ssh-agent
	eval "$(ssh-agent -a "$BATS_TEST_TMPDIR/agent")" >/dev/null
	printf 'FROM busybox\nRUN --mount=type=ssh test "$(stat -c %%a:%%u:%%g "$SSH_AUTH_SOCK")" = 600:0:0\n' | dockerfile
	build --ssh default
	ssh-agent -k >/dev/null
}

@test "a base of another platform is built on, with a warning" {
	printf 'FROM scratch\nCOPY one /\n' | dockerfile
	run --separate-stderr cooper build -t foreign --platform linux/s390x "$context"
	assert_succeeds
	printf 'FROM foreign\nLABEL a=b\n' | dockerfile
	build --pull=never
	[[ $stderr == *"checks found"* ]]
	run cooper build --check "$context"
	assert_output_has InvalidBaseImagePlatform
}

@test "each context of --build-context has its own ignore file" {
	mkdir "$BATS_TEST_TMPDIR/other" && touch "$BATS_TEST_TMPDIR/other"/{left,kept}
	echo left >"$BATS_TEST_TMPDIR/other/.dockerignore"
	echo one >.dockerignore
	printf 'FROM busybox\nCOPY --from=more . /m\nCOPY . /c\nRUN test -e /m/kept -a ! -e /m/left -a ! -e /c/one -a -e /c/two\n' | dockerfile
	build --build-context more="$BATS_TEST_TMPDIR/other"
}

@test "a stage that is a context of --build-context needs nothing that is written in it" {
	mkdir "$BATS_TEST_TMPDIR/other" && echo given >"$BATS_TEST_TMPDIR/other/f"
	printf 'FROM nowhere.invalid/x AS src\nRUN false\nFROM busybox\nCOPY --from=src /f /f\nRUN test "$(cat /f)" = given\n' | dockerfile
	build --pull=never --build-context src="$BATS_TEST_TMPDIR/other"
}

@test "--exclude is not expanded" {
	printf 'FROM busybox\nENV X=one\nCOPY --exclude=$X one two /d/\nRUN test -e /d/one -a -e /d/two\n' | dockerfile
	build
}

@test "the history's times are the epoch's, and of base layers they are not" {
	printf 'FROM scratch\nCOPY one /\n' | dockerfile
	run --separate-stderr cooper build -t base "$context"
	printf 'FROM base\nENV A=1\nCOPY two /\n' | dockerfile
	build --build-arg SOURCE_DATE_EPOCH=1000000000
	has_config '[h["created"][:4] for h in image["history"][-2:]] == ["2001", "2001"] and image["history"][0]["created"][:4] != "2001"'
}
