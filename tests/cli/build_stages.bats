# cooper build: stages, what they are made from and what they take from each other.
load lib/common
load lib/build

@test "COPY --from a stage by name in any case, by number, by image" {
	dockerfile <<-'EOF'
		FROM busybox AS First
		RUN echo 1 >/file && mkdir /d && echo x >/d/x
		FROM scratch AS second
		COPY --from=first /file /two
		FROM busybox
		COPY --from=FIRST /file /a
		COPY --from=0 file /b
		COPY --from=1 /two /c
		COPY --from=busybox /etc/passwd /d/
		COPY --from=first /d /e
		RUN test "$(cat /a /b /c /e/x)" = "$(printf '1\n1\n1\nx')" && grep -q app /d/passwd
	EOF
	build
}

@test "the source's owner is kept from a stage, and is root's from the context" {
	dockerfile <<-'EOF'
		FROM busybox AS one
		RUN echo 1 >/file && chown 1000:2000 /file
		FROM busybox
		USER app
		COPY --from=one /file /kept
		COPY --from=one --chown=3:4 /file /given
		COPY one /context
		RUN test "$(stat -c %u:%g /kept /given /context | tr '\n' ' ')" = "1000:2000 3:4 0:0 "
	EOF
	build
}

@test "only what the target needs is built" {
	dockerfile <<-'EOF'
		FROM busybox AS broken
		RUN false
		FROM busybox AS good
		RUN true
		FROM broken
	EOF
	build --target good
	build --target 1
	refuses "exit code: 1"
}

@test "an unknown target is refused with a suggestion" {
	dockerfile <<-'EOF'
		FROM busybox AS release
	EOF
	refuses "did you mean release" --target relaese
}

@test "a stage's name hides an image's" {
	dockerfile <<-'EOF'
		FROM scratch AS empty
		COPY one /one
		FROM busybox AS busybox
		RUN echo mine >/mine
		FROM busybox
		RUN test -e /mine
		COPY --from=empty /one /
	EOF
	build
}

@test "later, own and unknown stages" {
	dockerfile <<-'EOF'
		FROM busybox AS a
		COPY --from=b /x /
		FROM busybox AS b
	EOF
	refuses "b" --target a
	dockerfile <<-'EOF'
		FROM busybox AS a
		COPY --from=a /x /
	EOF
	refuses "Dockerfile:2"
	dockerfile <<-'EOF'
		FROM busybox AS a
		COPY --from=7 /x /
	EOF
	refuses "7"
}

@test "--from= and --mount=from= with variables" {
	dockerfile <<-'EOF'
		FROM busybox AS v1
		RUN echo one >/which
		FROM busybox AS v2
		RUN echo two >/which
		FROM busybox
		ARG N=2
		COPY --from=v$N /which /
		RUN --mount=from=v${N},source=/which,target=/w test "$(cat /w /which)" = "$(printf '%s\n' $WANT $WANT)"
	EOF
	sed -i 's/^ARG N=2/ARG N=2\nARG WANT=two/' Dockerfile
	build
	build --build-arg N=1 --build-arg WANT=one
}

@test "--build-context: a directory, an image, in the place of a stage" {
	mkdir other && echo other >other/file
	printf 'skipped\n' >other/.dockerignore && echo no >other/skipped
	dockerfile <<-'EOF'
		FROM busybox AS base
		RUN false
		FROM base
		COPY --from=extra /file /
		COPY --from=image /etc/group /
		RUN test "$(cat /file)" = other && grep -q extra /group
		COPY --from=extra . /all
		RUN test ! -e /all/skipped
		RUN --mount=from=extra,target=/m test "$(cat /m/file)" = other
	EOF
	build --build-context extra=other --build-context base=docker-image://localhost/busybox:latest \
		--build-context image=docker-image://localhost/busybox:latest
}

@test "FROM a directory of --build-context" {
	mkdir other && echo other >other/file
	dockerfile <<-'EOF'
		FROM files AS here
		WORKDIR /w
		FROM busybox
		COPY --from=here / /copied
		RUN test "$(cat /copied/file)" = other && test -d /copied/w
	EOF
	build --build-context files=other
}

@test "a stage begins before those that it only copies from are done" {
	dockerfile <<-'EOF'
		FROM busybox AS early
		RUN --mount=type=cache,id=late,target=/m for i in $(seq 600); do [ -e /m/begun ] && exit 0; sleep 0.1; done; exit 1
		FROM busybox
		RUN --mount=type=cache,id=late,target=/m touch /m/begun
		COPY --from=early /etc/passwd /early
	EOF
	build --jobs 2
	has_config 'len(image["rootfs"]["diff_ids"]) == 3'
}

@test "a stage that fails ends the others" {
	dockerfile <<-'EOF'
		FROM busybox AS slow
		RUN sleep 600
		FROM busybox AS bad
		RUN echo the log; exit 3
		FROM scratch
		COPY --from=slow / /
		COPY --from=bad / /
	EOF
	cooper rm -a >/dev/null
	run timeout 120 cooper build --jobs 2 "$context"
	[ "$status" -eq 3 ]
	assert_output_has "the log"
	assert_output_has "exit code: 3"
	# Only the failed one's container is left.
	[ "$(cooper containers -q | wc -l)" -eq 1 ]
	cooper rm -a >/dev/null
}

@test "FROM with blanks, comments and a platform" {
	dockerfile <<-'EOF'
		# syntax=docker/dockerfile:1
		FROM  --platform=$TARGETPLATFORM   busybox   AS   x.y-z_1
		# nothing
		RUN true
	EOF
	build
}

@test "a file in one layer is as old as it was, and the image the same when nothing has changed" {
	dockerfile <<-'EOF'
		FROM busybox
		RUN echo 1 >/a && touch -d '2001-02-03 04:05:06' /a
	EOF
	build --squash
	run inside 'date -r /a +%Y'
	assert_output_has 2001
	first=$(cooper inspect --type image --format '{{.FromImageID}}' made)
	build --squash
	[ "$(cooper inspect --type image --format '{{.FromImageID}}' made)" = "$first" ]
}

@test "--squash is one layer, --layers=false one more than the base's" {
	dockerfile <<-'EOF'
		FROM busybox
		RUN echo 1 >/a
		RUN echo 2 >/b && rm /a
	EOF
	build --squash
	has_config 'len(image["rootfs"]["diff_ids"]) == 1'
	run inside 'cat /b; ls /a'
	assert_output_has 2
	build --layers=false
	has_config 'len(image["rootfs"]["diff_ids"]) == 2'
	run inside 'cat /b; ls /a'
	assert_output_has 2
}
