# Shared by tests that build on this machine's own packages: no network and no mirror is asked.
# shellcheck shell=bash

# pack_packages ARCHIVE PACKAGE...: the files of these and of all that they depend on, as they are installed here.
pack_packages() {
	local archive=$1 package path directory
	shift
	for package in $(apt-cache depends --recurse --installed --no-recommends --no-suggests --no-conflicts --no-breaks \
		--no-replaces --no-enhances "$@" | grep '^[a-z0-9]' | sort -u); do
		dpkg -L "$package" 2>/dev/null || true
	done | sed -E 's,^/(bin|sbin|lib|lib64)/,/usr/\1/,' | grep -vE '^/usr/(share/(doc|man|locale|info|lintian|perl)|lib/gcc/.*/(lto1|cc1plus))' |
		sort -u | while read -r path; do
		[ -d "$path" ] && [ ! -L "$path" ] || [ ! -r "$path" ] || printf '%s\n' "${path#/}"
	done >"$BATS_FILE_TMPDIR/files"
	# Alternatives are nobody's files.
	find /etc/alternatives -type l -printf '%P\n' | sed 's,^,etc/alternatives/,' >>"$BATS_FILE_TMPDIR/files"
	local base=$BATS_FILE_TMPDIR/base
	mkdir -p "$base"/{dev,etc,proc,root,sys}
	for directory in bin sbin lib lib64; do ln -s "usr/$directory" "$base/$directory"; done
	printf '%s\n' root:x:0:0:root:/root:/bin/bash www-data:x:33:33::/:/bin/sh >"$base/etc/passwd"
	printf '%s\n' root:x:0: >"$base/etc/group"
	tar -C "$base" --owner=0 --group=0 -cf "$archive" .
	tar -C / --owner=0 --group=0 --no-recursion --exclude=etc/passwd --exclude=etc/group -rf "$archive" \
		-T "$BATS_FILE_TMPDIR/files"
}
