# What cooper writes unpacks to the same tree everywhere: every path with its type, mode, owner, target, attributes and
# content, hard links as links. The image (tests/tools/consumer-image) has all that a layer can hold, in two layers.
# shellcheck shell=bash disable=SC2154

load lib/common

setup_file() {
	common_setup_file
	export consumers=${COOPER_TEST_CACHE:-$BATS_FILE_TMPDIR}/consumers
	"$BATS_TEST_DIRNAME/../tools/consumer-image" "$consumers"
}

teardown_file() {
	cooper --root "$consumers/root" --runroot "$consumers/runroot" rm --all >/dev/null
	common_teardown_file
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return
}

# is_the_tree LIST: it has something, and is what cooper has.
is_the_tree() {
	[ "$(wc -l <"$1")" -gt 30 ]
	diff "$consumers/tree.list" "$1"
}

@test "skopeo and umoci" {
	skip_unless umoci
	skopeo --insecure-policy copy -q "oci-archive:$consumers/image.tar" oci:layout:kinds
	cooper unshare umoci raw unpack --image layout:kinds tree
	cooper unshare python3 "$BATS_TEST_DIRNAME/../tools/tree-list" tree >umoci.list
	cooper unshare rm -rf tree
	is_the_tree umoci.list
}

@test "podman" {
	skip_unless podman
	own=$(mktemp -d /tmp/p.XXXXXX) # podman takes no runroot past 50 characters
	podman="podman --root $own/root --runroot $own/run --storage-driver vfs"
	$podman load -q -i "$consumers/image.tar"
	$podman unshare sh -c "python3 '$BATS_TEST_DIRNAME/../tools/tree-list' \"\$($podman image mount example.org/kinds:1)\"" >podman.list
	cooper unshare rm -rf "$own"
	is_the_tree podman.list
}

@test "containerd" {
	[ -e "$consumers/containerd.list" ] || skip "containerd unpacks as root only: run the tests as root"
	is_the_tree "$consumers/containerd.list"
}

@test "cooper itself, from the archive and as a plain tree" {
	fresh_store again
	ctr=$(cooper from --quiet "oci-archive:$consumers/image.tar")
	cooper unshare sh -c "python3 '$BATS_TEST_DIRNAME/../tools/tree-list' \"\$(cooper mount $ctr)\"" >cooper.list
	is_the_tree cooper.list
	remove_store "$COOPER_ROOT"
}
