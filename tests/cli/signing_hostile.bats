# Signatures that are made to hurt whoever checks them.
load lib/common
load lib/signing
load lib/double

setup_file() {
	common_setup_file
	signing_setup_file
	make_image small 20000
	start_double
	export REGISTRY=$DOUBLE TLS=--tls-verify=false
	make_sigstore_keys good
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return
}

teardown() {
	no_configuration
	double_does '{}'
}

teardown_file() {
	stop_doubles
	signing_teardown_file
	common_teardown_file
}

# An image, with rubbish beside it, that is refused:  refused_with NAME KIND COUNT SIZE
refused_with() {
	cooper push -q "$TLS" small "$DOUBLE/$1:1"
	python3 "$LIB_DIRECTORY/many_signatures.py" "$DOUBLE" "$1" 1 "${@:2}"
	sigstore_policy good
	double_does '{}'
	run cooper pull "$TLS" "docker://$DOUBLE/$1:1"
	assert_fails_with 125 "does not accept the image"
}

# How often something of the repository was fetched:  fetched blobs
fetched() {
	double_log "[.[] | select(.method == \"GET\" and (.path | contains(\"/$1/\")))] | length"
}

@test "of a thousand bundles in one manifest no more are read than a list may hold" {
	refused_with layers layers 1000 100
	[ "$(fetched blobs)" -eq 128 ]
}

@test "of hundreds of referrers without a signature some are looked at" {
	refused_with referrers referrers 200 100
	[ "$(fetched manifests)" -lt 140 ]
}

@test "signatures of any size take no more memory than a few" {
	refused_with bundles layers 128 1000000
	[ "$(fetched blobs)" -lt 20 ]
	refused_with cosign cosign 128 1000000
	[ "$(fetched blobs)" -lt 20 ]
}

@test "a signed message of gigabytes is not read to its end" {
	make_gpg_keys good
	cooper push -q "$TLS" small "$DOUBLE/bomb:1"
	local place real
	place=$LOOKASIDE/bomb@$(registry_digest bomb:1 | tr : =)
	mkdir -p "$place" bin
	head -c 200M /dev/zero | gpg --batch --quiet --local-user "$KEY_good" --output "$place/signature-1" --sign
	[ "$(stat -c %s "$place/signature-1")" -lt 1000000 ]
	real=$(command -v gpg)
	cat >bin/gpg <<-END
		#!/bin/bash
		set -o pipefail
		"$real" "\$@" | tee >(wc -c >>"$PWD/counts")
	END
	chmod +x bin/gpg
	gpg_policy good
	PATH=$PWD/bin:$PATH run cooper pull "$TLS" "docker://$DOUBLE/bomb:1"
	assert_fails_with 125 "does not accept the image"
	[ "$(sort -n counts | tail -n 1)" -lt 8000000 ]
}
