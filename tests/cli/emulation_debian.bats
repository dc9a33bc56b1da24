# A real installation with one id: what real root gets by chroot, a user without subordinate ids gets, path by path.
#
# Takes long.
# Not under sanitizers: what it adds is the work of apt and a comparison; emulation*.bats ask for every family of calls
load lib/common
load lib/debian

setup_file() {
	common_setup_file
}

# metadata without what adding and removing a user leaves behind.
without_accounts() {
	metadata "$1" | grep -v -E '^(etc/(sub[ug]id|passwd|group|shadow|gshadow)-?\||var/(mail|log|lib/sudo))'
}

# One id, wherever the test runs.
alone() {
	COOPER_ROOT=$BATS_FILE_TMPDIR/alone/root COOPER_RUNROOT=$BATS_FILE_TMPDIR/alone/runroot unshare --map-root-user cooper "$@"
}

teardown_file() {
	unshare --map-root-user rm -rf "$BATS_FILE_TMPDIR/alone"
	common_teardown_file
}

@test "with one id apt-get install of postfix, dbus, cron, sudo and man-db equals an installation by real root" {
	need_reference
	mkdir -p "$BATS_FILE_TMPDIR/alone/root"
	install_packages alone
	# The owners that packages have given are those that the next step sees.
	[ "$(alone run "$ctr" stat -c '%U:%G %a' /etc/shadow /usr/bin/crontab /var/spool/postfix/public | tr '\n' ' ')" = \
		'root:shadow 640 root:crontab 2755 postfix:postdrop 2710 ' ]
	# set-user-id: sudo and su make a user root, and a user is not root without them.
	alone run "$ctr" sh -c 'useradd -m worker && echo "worker ALL=(ALL) NOPASSWD: ALL" >/etc/sudoers.d/worker'
	[ "$(alone run --user worker "$ctr" sudo id -u)" = 0 ]
	[ "$(alone run "$ctr" su worker -c 'id -un; touch ~/x; stat -c %U ~/x' | tr '\n' ' ')" = 'worker worker ' ]
	[ "$(alone run "$ctr" runuser -u worker -- sudo -u postfix id -un)" = postfix ]
	alone run "$ctr" userdel -r worker 2>/dev/null
	alone run "$ctr" rm /etc/sudoers.d/worker
	alone commit -q --rm "$ctr" installed
	start_registry
	alone push -q --tls-verify=false installed "$REGISTRY/installed:1"
	fresh_store pulled
	ctr=$(cooper from --quiet --tls-verify=false "$REGISTRY/installed:1")
	list_tree "$ctr"
	same_trees without_accounts
	remove_store "$COOPER_ROOT"
}
