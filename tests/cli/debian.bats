# A real installation: what real root gets by chroot, an unprivileged user gets by cooper.
load lib/common

reference=/var/tmp/cooper-reference

setup_file() {
	common_setup_file
}

# What differs between two installations by real root too.
unlike() {
	grep -v -E '^(var/log/|var/cache/|var/lib/dpkg/(status|available|lock|triggers|diversions|statoverride|alternatives)|var/lib/apt/|etc/(machine-id|hostname|hosts|resolv.conf|mailname|aliases.db|shadow|shadow-|gshadow-|group-|passwd-|ld.so.cache|subuid|subgid)|etc/ssl/|etc/postfix/(main.cf|dynamicmaps.cf)|var/lib/dbus/machine-id|var/lib/systemd|dev/|proc/|sys/|run/|tmp/|debs|root/\.)' "$1" | cut -d'|' -f1-6
}

# The same without contents, for the paths above: owner, mode, type and link are equal everywhere. A certificate's hash is
# another in each installation; netbase makes no /etc/hosts where a step has one.
metadata() {
	grep -v -E '^(etc/ssl/certs/[0-9a-f]{8}\.0\||etc/hosts\||var/cache/(apt|man|ldconfig)/|var/lib/apt/lists|var/log/(apt|dpkg|alternatives)|dev/|proc/|sys/|run/|tmp/|debs)' "$1" | cut -d'|' -f1-5
}

@test "apt-get install of postfix, dbus, cron, sudo and man-db equals an installation by real root" {
	[ -s "$reference/tree.list" ] || skip "no reference installation (made by root: tests/tools/reference-install $reference)"
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
	start_registry
	cooper push -q --tls-verify=false installed "$REGISTRY/installed:1"
	fresh_store pulled
	ctr=$(cooper from --quiet --tls-verify=false "$REGISTRY/installed:1")
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
