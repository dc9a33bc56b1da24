# A real installation in a root without namespaces: what real root gets by chroot.
load lib/common
load lib/debian

setup_file() {
	common_setup_file
}

@test "apt-get install of postfix, dbus, cron, sudo and man-db in a translated root equals an installation by real root" {
	[ -s "$reference/tree.list" ] || skip "no reference installation (made by root: tests/tools/reference-install $reference)"
	export COOPER_ISOLATION=translated
	ctr=$(cooper from scratch)
	cooper add -q "$ctr" "$reference/base.tar" /
	cooper config --env PATH=/usr/sbin:/usr/bin:/sbin:/bin "$ctr"
	cooper commit -q --rm "$ctr" debian
	ctr=$(cooper from debian)
	cooper run -v "$reference/debs:/debs:ro" --env DEBIAN_FRONTEND=noninteractive "$ctr" -- \
		sh -c 'apt-get install -q=2 -y --no-install-recommends /debs/*.deb' >"$BATS_TEST_TMPDIR/log" 2>&1 || {
		tail -n 30 "$BATS_TEST_TMPDIR/log"
		false
	}
	cooper commit -q --rm "$ctr" installed
	cooper push -q installed "oci-archive:$BATS_TEST_TMPDIR/installed.tar:installed"
	unset COOPER_ISOLATION
	fresh_store pulled
	ctr=$(cooper from --quiet "oci-archive:$BATS_TEST_TMPDIR/installed.tar")
	cooper unshare sh -c "python3 $BATS_TEST_DIRNAME/../tools/tree-list \$(cooper mount $ctr)" >"$BATS_TEST_TMPDIR/tree.list"
	metadata "$reference/tree.list" >"$BATS_TEST_TMPDIR/want"
	metadata "$BATS_TEST_TMPDIR/tree.list" >"$BATS_TEST_TMPDIR/have"
	diff "$BATS_TEST_TMPDIR/want" "$BATS_TEST_TMPDIR/have"
	unlike "$reference/tree.list" >"$BATS_TEST_TMPDIR/want"
	unlike "$BATS_TEST_TMPDIR/tree.list" >"$BATS_TEST_TMPDIR/have"
	diff "$BATS_TEST_TMPDIR/want" "$BATS_TEST_TMPDIR/have"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/have")" -gt 5000 ]
	remove_store "$COOPER_ROOT"
}
