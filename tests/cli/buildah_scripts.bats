# Scripts as Buildah's users write them, run with buildah as a name of cooper and nothing else changed.
load lib/common

setup_file() {
	common_setup_file
	use_busybox
	mkdir -p "$BATS_FILE_TMPDIR/bin"
	printf '#!/bin/sh\nexec cooper "$@"\n' >"$BATS_FILE_TMPDIR/bin/buildah"
	chmod 755 "$BATS_FILE_TMPDIR/bin/buildah"
	export PATH=$BATS_FILE_TMPDIR/bin:$PATH
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return
}

# What many scripts pass with every call.
store_options() {
	printf -- '--root %s --runroot %s --storage-driver vfs' "$COOPER_ROOT" "$COOPER_RUNROOT"
}

@test "a program on a base: from, copy, run, config, commit, from again" {
	printf '#!/bin/sh\necho "hello from $(cat /etc/greeting)"\n' >hello
	cat >build.sh <<-'EOF'
		set -eu
		container=$(buildah from --pull=never busybox)
		buildah copy -q --chmod 755 "$container" hello /usr/bin/hello
		buildah run "$container" -- sh -c 'echo here >/etc/greeting'
		buildah config --entrypoint '["/usr/bin/hello"]' --author tester --label stage=test "$container"
		buildah commit -q --rm "$container" greeter
	EOF
	id=$(sh build.sh)
	[[ $id =~ ^[0-9a-f]{64}$ ]]
	again=$(buildah from greeter)
	[ "$again" = greeter-working-container ]
	run buildah run "$again" hello
	assert_output_is "hello from here"
	run buildah inspect --type image --format '{{.OCIv1.Author}} {{index .OCIv1.Config.Labels "stage"}}' greeter
	assert_output_is "tester test"
}

@test "an image from nothing, filled through its mount in a session" {
	cat >build.sh <<-'EOF'
		set -eu
		container=$(buildah from scratch)
		mountpoint=$(buildah mount "$container")
		mkdir -p "$mountpoint/bin" "$mountpoint/etc"
		cp "$(command -v busybox)" "$mountpoint/bin/busybox"
		buildah umount "$container" >/dev/null
		buildah config --cmd '["/bin/busybox", "true"]' --port 8080 --env MODE=small "$container"
		buildah commit -q "$container" tiny
		buildah rm "$container" >/dev/null
	EOF
	id=$(buildah unshare sh build.sh)
	run buildah images -q --no-trunc tiny
	assert_output_is "sha256:$id"
	container=$(buildah from tiny)
	run buildah run "$container" -- /bin/busybox sh -c 'echo $MODE'
	assert_output_is small
}

@test "mounts of a session hold with another --root than the session has" {
	cat >build.sh <<-'EOF'
		set -eu
		b="buildah --root $PWD/root --runroot $PWD/runroot --storage-driver vfs"
		$b pull -q "$archive" >/dev/null
		id=$($b images -q)
		container=$($b from --name work "$id")
		path=$($b mount work)
		echo text >"$path/file"
		[ "$($b mount)" = "work $path" ]
		$b commit -q work one >/dev/null
		[ "$(cat "$path/file")" = text ]
		$b umount work >/dev/null
		[ -z "$($b mount)" ]
		$b mount work >/dev/null
		# A container that is still mounted here is unmounted and removed.
		$b rm work >/dev/null
		[ -z "$($b containers -q)" ]
	EOF
	archive=oci-archive:$(busybox_archive) run buildah unshare sh -x build.sh
	assert_succeeds
	remove_store "$PWD/root" "$PWD/runroot"
}

@test "info in a session leaves the session's files alone" {
	run buildah unshare sh -c 'buildah info >/dev/null && test -d /usr && ls -d /etc'
	assert_output_is /etc
}

@test "unshare --mount gives a path in a variable" {
	container=$(buildah from busybox)
	run buildah unshare --mount "ROOT=$container" sh -c 'cat "$ROOT/etc/group" | head -n 1'
	assert_output_is root:x:0:
}

@test "options for the store before the command, for policies behind it" {
	read -ra options <<<"$(store_options)"
	container=$(buildah "${options[@]}" from --quiet --signature-policy /nowhere/policy.json --pull=false busybox)
	run buildah "${options[@]}" run "$container" -- sh -c 'exit 42'
	[ "$status" -eq 42 ]
	run buildah "${options[@]}" --registries-conf-dir /nowhere rm "$container"
	assert_succeeds
}

@test "each way to remove: names, ids, all" {
	first=$(buildah from busybox)
	second=$(buildah from --name other busybox)
	buildah rm "$first" >/dev/null
	run buildah rm nosuch "$second" nobody
	[ "$status" -eq 125 ]
	# What was there is gone in spite of the others, and each of them has a line.
	[ "$(grep -c 'container not known' <<<"$output")" -eq 2 ]
	[[ $output =~ [0-9a-f]{64} ]]
	run buildah containers --format '{{.ContainerName}}' --filter name=other
	assert_output_is ""
	buildah from busybox >/dev/null
	buildah rm --all >/dev/null
	run buildah containers -q
	assert_output_is ""
}

@test "several images that are not there are told one by one" {
	run buildah rmi nosuch1 nosuch2
	[ "$status" -eq 125 ]
	[[ ${lines[1]} == *" nosuch1: image not known" ]]
	[[ ${lines[2]} == *" nosuch2: image not known" ]]
}

@test "tag, push to a layout and an archive, pull, and the id stays" {
	id=$(buildah pull -q "oci-archive:$(busybox_archive)")
	buildah tag "$id" carried:1
	buildah push -q carried:1 oci:layout:1
	buildah push -q carried:1 docker-archive:carried.tar
	buildah rmi -f carried:1 >/dev/null
	run buildah pull -q oci:layout:1
	assert_output_is "$id"
	# An archive without a name of its own holds the image's.
	buildah pull -q docker-archive:carried.tar >/dev/null
	run buildah images --format '{{.Name}}:{{.Tag}}' carried:1
	assert_output_has localhost/carried:1
}

@test "onbuild and healthcheck are kept, and history says what was done" {
	container=$(buildah from --format docker --name hc scratch)
	buildah config --add-history --healthcheck 'CMD /check' --healthcheck-interval 20s --healthcheck-retries 7 hc
	buildah config --onbuild 'RUN true' hc
	buildah commit -q "$container" checked >/dev/null
	run buildah inspect --type image --format '{{range .Docker.History}}{{println .CreatedBy}}{{end}}' checked
	assert_output_has "HEALTHCHECK --interval=20s --retries=7 CMD /check"
	run buildah inspect --type image --format '{{index .Docker.Config.OnBuild 0}}' checked
	assert_output_is "RUN true"
}

@test "run --add-history in the form of a shell's command" {
	container=$(buildah from busybox)
	buildah run --add-history "$container" -- uname -a >/dev/null
	buildah commit -q "$container" historical >/dev/null
	run buildah inspect --type image --format '{{range .OCIv1.History}}{{println .CreatedBy}}{{end}}' historical
	assert_output_has "/bin/sh -c uname -a"
}
