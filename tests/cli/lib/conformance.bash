# The same small programs under several kinds of roots, and what they say.   load lib/conformance
# shellcheck shell=bash

# compile_conformance: tests/programs/conformance as $BATS_FILE_TMPDIR/conformance.
compile_conformance() {
	[ -e "$BATS_FILE_TMPDIR/conformance" ] ||
		gcc -std=gnu17 -D_GNU_SOURCE -O1 -static -pthread -o "$BATS_FILE_TMPDIR/conformance" \
			"$BATS_TEST_DIRNAME"/../programs/conformance/*.c || skip "no static C library"
}

# conform OUTPUT COMMAND [FAMILY...]: runs it by COMMAND (cooper, or what stands for it) in a new container "$ctr" of
# busybox.
conform() {
	local output=$1 command=$2
	shift 2
	ctr=$($command from busybox)
	$command run -v "$BATS_FILE_TMPDIR/conformance:/conformance:ro" "$ctr" -- \
		sh -c 'mkdir /t; exec timeout 120 /conformance /t "$@"' sh "$@" >"$output"
	[ "$(grep -c '^---- ' "$output")" -ge 1 ]
}

# The families that are the same wherever a step believes to be root.
conformance_families() {
	"$BATS_FILE_TMPDIR/conformance" --list | grep -vxE 'devices|borders|other-abi'
}
