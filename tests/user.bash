# The unprivileged user of tests and demonstration. Sourced by tests/run and tests/demo.
# shellcheck shell=bash

test_user=cooper-test

has_subordinate_ids() {
	local uid
	uid=$(id -u "$1")
	grep -qsE "^($1|$uid):" /etc/subuid && grep -qsE "^($1|$uid):" /etc/subgid
}

# The first 65536 ids above all that are given to somebody.
free_range() {
	local first
	first=$(awk -F: 'BEGIN { top = 100000 } $2 + $3 > top { top = $2 + $3 } END { print top }' "$1" 2>/dev/null || echo 100000)
	printf '%s-%s' "$first" $((first + 65535))
}

# Sets user and home: as root the user that is made for this, else the caller, who must have subordinate ids.
choose_user() {
	if [ "$(id -u)" = 0 ]; then
		user=$test_user
		id "$user" >/dev/null 2>&1 || useradd --create-home --shell /bin/bash "$user"
		has_subordinate_ids "$user" || usermod --add-subuids "$(free_range /etc/subuid)" \
			--add-subgids "$(free_range /etc/subgid)" "$user"
	else
		user=$(id -un)
		if ! has_subordinate_ids "$user"; then
			printf "'%s' has no subordinate ids; as root:\n\nusermod --add-subuids %s --add-subgids %s %s\n" \
				"$user" "$(free_range /etc/subuid)" "$(free_range /etc/subgid)" "$user" >&2
			return 1
		fi
	fi
	home=$(getent passwd "$user" | cut -d: -f6)
}

# become_user NAME=VALUE... COMMAND...: runs it as the user, with this environment and no other.
become_user() {
	local common=(HOME="$home" USER="$user" LOGNAME="$user" SHELL=/bin/bash LANG=C.UTF-8)
	if [ "$(id -u)" = 0 ]; then
		setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups env -i "${common[@]}" "$@"
	else
		env -i "${common[@]}" "$@"
	fi
}

# Ubuntu 24.04 gives user namespaces to programs by their path. allow_user_namespaces DIRECTORY lets all programs below
# it have them until forbid_user_namespaces.
allow_user_namespaces() {
	[ "$(cat /proc/sys/kernel/apparmor_restrict_unprivileged_userns 2>/dev/null)" = 1 ] || return 0
	if [ "$(id -u)" != 0 ]; then
		printf 'AppArmor restricts user namespaces here: run this once as root, or sysctl %s=0\n' \
			kernel.apparmor_restrict_unprivileged_userns >&2
		return 0
	fi
	apparmor_profile=$1/apparmor
	sed -e "s,^profile cooper [^ ]*,profile cooper-tests $1/**," contrib/apparmor/cooper >"$apparmor_profile"
	apparmor_parser -r "$apparmor_profile"
}

forbid_user_namespaces() {
	[ -z "${apparmor_profile:-}" ] || apparmor_parser -R "$apparmor_profile" || true
}
