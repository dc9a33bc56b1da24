# A real installation: what real root gets by chroot, an unprivileged user gets by cooper.
#
# Takes long.
# Not under sanitizers: what it adds is the work of apt and a comparison; run.bats, build_run.bats and commit.bats take the same ways
load lib/common
load lib/debian

setup_file() {
	common_setup_file
}

@test "apt-get install of postfix, dbus, cron, sudo and man-db equals an installation by real root" {
	need_reference
	install_packages cooper
	cooper commit -q --rm "$ctr" installed
	start_registry
	cooper push -q --tls-verify=false installed "$REGISTRY/installed:1"
	fresh_store pulled
	ctr=$(cooper from --quiet --tls-verify=false "$REGISTRY/installed:1")
	list_tree "$ctr"
	same_trees metadata
	same_trees unlike
	remove_store "$COOPER_ROOT"
}
