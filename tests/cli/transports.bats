# Layouts, archives and directories, written for others and read from others.
load lib/common

setup_file() {
	common_setup_file
	use_busybox
}

works() {
	run cooper run "$1" -- sh -c 'stat -c "%a" /tmp; cat /etc/passwd | wc -l'
	assert_output_is $'1777\n2'
}

@test "each transport there and back" {
	cd "$BATS_TEST_TMPDIR"
	for place in oci:layout:v1 oci-archive:a.tar:v1 docker-archive:d.tar:example.org/x:1 dir:plain; do
		cooper push -q busybox "$place"
		ctr=$(cooper from --quiet "$place")
		works "$ctr"
		cooper rm "$ctr" >/dev/null
	done
}

@test "commit straight to a place, and the id is printed" {
	cd "$BATS_TEST_TMPDIR"
	ctr=$(cooper from busybox)
	run --separate-stderr cooper commit "$ctr" oci:out:tag
	[[ $output =~ ^[0-9a-f]{64}$ ]]
	[ "$(skopeo inspect --format '{{.Name}}' oci:out:tag | wc -l)" -eq 1 ]
}

@test "skopeo, umoci and podman read what cooper wrote, to the same tree" {
	cd "$BATS_TEST_TMPDIR"
	ctr=$(cooper from busybox)
	cooper run "$ctr" sh -ec 'mkdir -p /t/sub; echo x >/t/f; ln /t/f /t/hard; ln -s f /t/soft; chown 12:34 /t/f; chmod 6755 /t/sub; rm -r /home; mkfifo /t/fifo; touch "/t/$(printf "long%0200d" 1)"'
	cooper commit -q "$ctr" tree
	cooper push -q tree oci:layout:tree
	cooper push -q tree docker-archive:tree.tar:tree:latest
	skopeo --insecure-policy copy -q oci:layout:tree dir:copied
	cooper unshare sh -c "python3 $BATS_TEST_DIRNAME/../tools/tree-list \$(cooper mount $ctr)" | grep -v '^dev|' >ours
	skip_unless umoci
	cooper unshare umoci raw unpack --image layout:tree theirs-umoci
	cooper unshare python3 "$BATS_TEST_DIRNAME/../tools/tree-list" theirs-umoci | grep -v '^dev|' >umoci.list || cooper unshare python3 "$BATS_TEST_DIRNAME/../tools/tree-list" theirs-umoci/rootfs >umoci.list
	cooper unshare rm -rf theirs-umoci
	diff ours umoci.list
}

@test "podman runs what cooper wrote" {
	skip_unless podman
	cd "$BATS_TEST_TMPDIR"
	cooper push -q busybox oci-archive:p.tar:p
	own=$(mktemp -d /tmp/p.XXXXXX) # podman takes no runroot past 50 characters
	podman="podman --root $own/root --runroot $own/run --storage-driver vfs"
	$podman load -q -i p.tar >load.out 2>load.err || { cat load.err; false; }
	run $podman images -q
	assert_succeeds
	[ -n "$output" ]
	cooper unshare rm -rf "$own"
}

@test "what skopeo wrote is read: dir, docker-archive, compressed layouts" {
	cd "$BATS_TEST_TMPDIR"
	cooper push -q busybox oci:layout:b
	skopeo --insecure-policy copy -q oci:layout:b dir:sk-dir
	skopeo --insecure-policy copy -q oci:layout:b docker-archive:sk.tar:sk:1
	skopeo --insecure-policy copy -q oci:layout:b oci-archive:sk-oci.tar:x
	for place in dir:sk-dir docker-archive:sk.tar docker-archive:sk.tar:sk:1 docker-archive:sk.tar:@0 oci-archive:sk-oci.tar:x; do
		ctr=$(cooper from --quiet "$place")
		works "$ctr"
	done
}

@test "skopeo reads a pulled image from the store itself" {
	skopeo inspect "oci:$COOPER_ROOT/oci:localhost/busybox:latest" >/dev/null
}

@test "places that are missing or wrong are named" {
	cd "$BATS_TEST_TMPDIR"
	run cooper from oci:nosuch:v1
	assert_fails_with 125 nosuch
	cooper push -q busybox oci:layout:v1
	run cooper from oci:layout:v2
	assert_fails_with 125 v2
	run cooper from bogus-transport:x
	[ "$status" -eq 125 ]
	echo junk >junk.tar
	run cooper from docker-archive:junk.tar
	assert_fails_with 125 junk.tar
	run cooper push busybox oci:/proc/nosuch/x
	[ "$status" -eq 125 ]
}

@test "a layout whose blob lies is refused, with nothing left behind" {
	cd "$BATS_TEST_TMPDIR"
	cooper push -q --compression-format none busybox oci:layout:v1
	blob=$(find layout/blobs -size +100k | head -n 1)
	printf X | dd of="$blob" bs=1 seek=2000 conv=notrunc status=none
	fresh_store lies
	run cooper pull oci:layout:v1
	[ "$status" -eq 125 ]
	assert_output_has sha256:
	run cooper images -q
	assert_output_is ""
	remove_store "$COOPER_ROOT"
}
