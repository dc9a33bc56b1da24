# Images for two platforms, for the tests of lists and copies:  load lib/multiarch
# shellcheck shell=bash

# app-amd64 and app-arm64 in the store: two layers each, of which the first is the same, and /platform in the second.
make_platform_images() {
	local arch ctr base
	mkdir -p "$BATS_FILE_TMPDIR/shared"
	head -c 300000 /dev/urandom >"$BATS_FILE_TMPDIR/shared/data"
	ctr=$(cooper from scratch) && cooper copy "$ctr" "$BATS_FILE_TMPDIR/shared" /shared >/dev/null &&
		base=$(cooper commit -q --rm "$ctr") || return
	for arch in amd64 arm64; do
		ctr=$(cooper from "$base") && echo "$arch" >"$BATS_FILE_TMPDIR/platform" &&
			cooper copy "$ctr" "$BATS_FILE_TMPDIR/platform" /platform >/dev/null &&
			cooper config --os linux --arch "$arch" --env "ARCH=$arch" --label "arch=$arch" "$ctr" &&
			cooper commit -q --rm "$ctr" "app-$arch" >/dev/null || return
	done
}

# The list "app" of the two, in the registry as $REGISTRY/REPOSITORY:1:  push_list REPOSITORY
push_list() {
	cooper manifest create --replace app app-amd64 app-arm64 >/dev/null &&
		cooper manifest push -q --tls-verify=false app "$REGISTRY/$1:1"
}

# For a file that has these images and a double (lib/double) that is spoken to by TLS, with CERTS for --cert-dir.
platform_double_setup_file() {
	common_setup_file
	make_platform_images
	start_double tls
	export CERTS=$DOUBLE_CERTS
	cooper manifest create --replace app app-amd64 app-arm64
	cooper manifest push -q --cert-dir "$CERTS" app "docker://$DOUBLE/list:1"
}

# A field of a JSON document on stdin:  json_get 'document["manifests"][0]["digest"]'
json_get() {
	python3 -c 'import json, sys
document = json.load(sys.stdin)
print(eval(sys.argv[1]))' "$1"
}

# The digest of a list's image for an architecture:  digest_for arm64 <index
digest_for() {
	json_get "[m['digest'] for m in document['manifests'] if m['platform']['architecture'] == '$1'][0]"
}

platform_of() {
	local ctr
	ctr=$(cooper from "$@") && cooper unshare sh -c "cat \$(cooper mount $ctr)/platform" && cooper rm "$ctr" >/dev/null
}

# ---- Programs for arm64 ----

# The list "base" in the store: busybox for amd64, and for arm64 nothing but one program. In both, /hello FILE writes the
# machine's name into FILE (lib/arm64.py).
make_base_list() {
	local directory=$BATS_FILE_TMPDIR/arm64 ctr
	# Once for all stores of a file: the layers are to be the same.
	[ -e "$directory/script" ] || make_arch_programs "$directory" || return
	ctr=$(cooper from scratch) && cooper copy "$ctr" "$directory/hello" /hello >/dev/null &&
		cooper config --arch arm64 "$ctr" && cooper commit -q --rm "$ctr" base-arm64 >/dev/null &&
		ctr=$(cooper from busybox) && cooper copy "$ctr" "$directory/script" /hello >/dev/null &&
		cooper config --arch amd64 "$ctr" && cooper commit -q --rm "$ctr" base-amd64 >/dev/null &&
		cooper manifest create --replace base base-amd64 base-arm64 >/dev/null
}

make_arch_programs() {
	# shellcheck disable=SC2016 # $1 is the script's
	mkdir -p "$1" && python3 "$LIB_DIRECTORY/arm64.py" "$1/hello" &&
		printf '#!/bin/sh\nuname -m >"$1"\n' >"$1/script" && chmod 755 "$1/script"
}

# Where programs for arm64 cannot be run in a user namespace, what is missing is said.
need_emulation() {
	local release
	[ "$(uname -m)" = x86_64 ] || skip "these images are for amd64 and arm64, and amd64 must be native"
	command -v qemu-aarch64-static >/dev/null || command -v qemu-aarch64 >/dev/null || skip "qemu-user-static is not installed"
	release=$(uname -r)
	printf '6.7\n%s\n' "$release" | sort -V -C || skip "binfmt_misc in a user namespace needs Linux 6.7, this is $release"
}

# A file of a list's image:  file_of PLATFORM LIST PATH
file_of() {
	local ctr
	ctr=$(cooper from --platform "$1" "$2") && cooper unshare sh -c "cat \$(cooper mount $ctr)$3" && cooper rm "$ctr" >/dev/null
}
