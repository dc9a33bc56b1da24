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
