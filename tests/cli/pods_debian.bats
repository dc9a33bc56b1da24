# An installation of 39 Debian packages in a pod without capabilities (row "c": Pod Security restricted with cooper's
# seccomp profile) equals the one that real root makes by chroot.
#
# Not under sanitizers: pods run the bundle, which is always of the release
load lib/common
load lib/debian

@test "apt-get install of 39 packages in a restricted pod equals an installation by real root" {
	made=${COOPER_TEST_CACHE:-/nowhere}/pods/installation/c
	[ -s "$reference/tree.list" ] && [ -d "$made" ] || skip "no pod was run, or there is no reference installation (root makes both)"
	[ "$(cat "$made/status")" = 0 ] || fail "$(tail -n 20 "$made/log" "$made/install.log")"
	id=$(cooper pull -q "oci-archive:$made/installed.tar")
	ctr=$(cooper from "$id")
	list_tree "$ctr"
	same_trees metadata
}
