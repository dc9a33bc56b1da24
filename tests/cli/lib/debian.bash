# Shared by the tests of a Debian installation: the reference that real root has made, and how trees are compared.
# shellcheck shell=bash
# shellcheck disable=SC2034 # used by who loads this

reference=/var/tmp/cooper-reference

# What differs between two installations by real root too.
unlike() {
	grep -v -E '^(var/log/|var/cache/|var/lib/dpkg/(status|available|lock|triggers|diversions|statoverride|alternatives)|var/lib/apt/|etc/(machine-id|hostname|hosts|resolv.conf|mailname|aliases.db|shadow|shadow-|gshadow-|group-|passwd-|ld.so.cache|subuid|subgid)|etc/ssl/|etc/postfix/(main.cf|dynamicmaps.cf)|var/lib/dbus/machine-id|var/lib/systemd|dev/|proc/|sys/|run/|tmp/|debs|root/\.)' "$1" | cut -d'|' -f1-6
}

# The same without contents, for the paths above: owner, mode, type and link are equal everywhere. A certificate's hash is
# another in each installation; netbase makes no /etc/hosts where a step has one.
metadata() {
	grep -v -E '^(etc/ssl/certs/[0-9a-f]{8}\.0\||etc/hosts\||var/cache/(apt|man|ldconfig)/|var/lib/apt/lists|var/log/(apt|dpkg|alternatives)|dev/|proc/|sys/|run/|tmp/|debs)' "$1" | cut -d'|' -f1-5
}

need_reference() {
	[ -s "$reference/tree.list" ] || skip "no reference installation (made by root: tests/tools/reference-install $reference)"
}

# Installs the packages on the base, from primitives. The container is $ctr:  install_packages COOPER...
install_packages() {
	ctr=$("$@" from scratch)
	"$@" add -q "$ctr" "$reference/base.tar" /
	"$@" config --env PATH=/usr/sbin:/usr/bin:/sbin:/bin "$ctr"
	"$@" commit -q --rm "$ctr" debian
	ctr=$("$@" from debian)
	"$@" run -v "$reference/debs:/debs:ro" --env DEBIAN_FRONTEND=noninteractive "$ctr" -- \
		sh -c 'apt-get install -q=2 -y --no-install-recommends /debs/*.deb' >"$BATS_TEST_TMPDIR/log" 2>&1 || {
		tail -n 30 "$BATS_TEST_TMPDIR/log"
		return 1
	}
}

# Both trees, each through the same filter, are equal and not empty:  same_trees FILTER
same_trees() {
	"$1" "$reference/tree.list" >"$BATS_TEST_TMPDIR/want"
	"$1" "$BATS_TEST_TMPDIR/tree.list" >"$BATS_TEST_TMPDIR/have"
	diff "$BATS_TEST_TMPDIR/want" "$BATS_TEST_TMPDIR/have" || return
	[ "$(wc -l <"$BATS_TEST_TMPDIR/have")" -gt 5000 ]
}

# Lists the tree of a container, from which the two above read it:  list_tree CONTAINER
list_tree() {
	cooper unshare sh -c "python3 $BATS_TEST_DIRNAME/../tools/tree-list \$(cooper mount $1)" >"$BATS_TEST_TMPDIR/tree.list"
}
