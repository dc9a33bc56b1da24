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
