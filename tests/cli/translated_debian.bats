# A real installation in a root without namespaces: what real root gets by chroot.
#
# Takes long.
# Not under sanitizers: what it adds is the work of apt and a comparison; translated*.bats ask for every family of calls
load lib/common
load lib/debian

setup_file() {
	common_setup_file
}

@test "apt-get install of postfix, dbus, cron, sudo and man-db in a translated root equals an installation by real root" {
	need_reference
	export COOPER_ISOLATION=translated
	install_packages cooper
	cooper commit -q --rm "$ctr" installed
	cooper push -q installed "oci-archive:$BATS_TEST_TMPDIR/installed.tar:installed"
	unset COOPER_ISOLATION
	fresh_store pulled
	ctr=$(cooper from --quiet "oci-archive:$BATS_TEST_TMPDIR/installed.tar")
	list_tree "$ctr"
	same_trees metadata
	same_trees unlike
	remove_store "$COOPER_ROOT"
}
