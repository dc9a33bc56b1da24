# A layer that is kept unpacked, and was changed in the store behind cooper's back: whoever sends it finds out.
load lib/common
load lib/double

setup_file() {
	common_setup_file
	make_image large 5000000
	start_double
}

# The directory of the image's last layer:  layer_of IMAGE
layer_of() {
	local diff_id
	diff_id=$(cooper inspect --type image "$1" | jq -r '.OCIv1.rootfs.diff_ids[-1]')
	echo "$COOPER_ROOT/layers/${diff_id#sha256:}"
}

# Other bytes in a file of random ones; size and time stay:  change FILE
change() {
	cooper unshare touch -r "$1" "$BATS_TEST_TMPDIR/time" &&
		printf 'changed by accident' | cooper unshare dd of="$1" bs=1 seek=2500000 conv=notrunc status=none &&
		cooper unshare touch -r "$BATS_TEST_TMPDIR/time" "$1"
}

push=(cooper push --tls-verify=false --retry-delay 1ms --format oci)

# To a layout, an archive and a registry, in each format:  assert_not_sent IMAGE WHY
assert_not_sent() {
	local format
	for format in gzip zstd none; do
		for to in "oci:$BATS_TEST_TMPDIR/layout:v1" "oci-archive:$BATS_TEST_TMPDIR/a.tar" "$DOUBLE/changed:1"; do
			run "${push[@]}" --compression-format "$format" "$1" "$to"
			assert_fails_with 125 "has changed on disk: it now packs to" || return
			assert_output_has "$2" || return
		done
	done
	[ "$(manifests_put)" -eq 0 ] || fail "a manifest was sent" || return
	[ ! -e "$BATS_TEST_TMPDIR/a.tar" ] || fail "an archive was written" || return
	run cooper pull "oci:$BATS_TEST_TMPDIR/layout:v1"
	[ "$status" -ne 0 ]
}

@test "a large layer is packed again and known by its CRC, and comes out as the layer that was committed" {
	layer=$(layer_of large)
	jq -e '.crc32 >= 0 and .recipe == 1' "$layer/record"
	before=$(sha256sum <"$layer/fs/data")
	for format in gzip zstd none; do
		run cooper push -q --compression-format "$format" large "oci:$BATS_TEST_TMPDIR/layout:$format"
		assert_succeeds
	done
	fresh_store taken
	for format in gzip zstd none; do
		cooper rmi -a -f
		# The diff_id is compared here.
		run cooper pull -q "oci:$BATS_TEST_TMPDIR/layout:$format"
		assert_succeeds
		ctr=$(cooper from "$output")
		# shellcheck disable=SC2016 # $1 is of the inner shell
		[ "$(cooper unshare sh -c 'sha256sum <"$(cooper mount "$1")/data"' sh "$ctr")" = "$before" ]
	done
	# What somebody else has packed is not packed from its tree, and has none.
	run jq -s 'map(has("crc32")) | any' "$COOPER_ROOT"/layers/*/record
	assert_output_is false
}

@test "other bytes in a large layer's file are noticed" {
	make_image changed 5000000
	layer=$(layer_of changed)
	change "$layer/fs/data"
	assert_not_sent changed "CRC-32"
}

@test "a large layer's file that is cut is noticed" {
	make_image cut 5000000
	layer=$(layer_of cut)
	cooper unshare truncate -s 4000000 "$layer/fs/data"
	assert_not_sent cut "bytes, not"
}

@test "a small layer, and one of a store that says no CRC, is hashed" {
	make_image small 5000
	run jq 'has("crc32")' "$(layer_of small)/record"
	assert_output_is false
	cooper unshare truncate -s 4000 "$(layer_of small)/fs/data"
	assert_not_sent small "it now packs to sha256:"
	make_image older 5000000
	layer=$(layer_of older)
	jq -c 'del(.crc32)' "$layer/record" >"$BATS_TEST_TMPDIR/record"
	cat "$BATS_TEST_TMPDIR/record" >"$layer/record"
	run cooper push -q older "oci:$BATS_TEST_TMPDIR/older:v1"
	assert_succeeds
	cooper unshare truncate -s 4000000 "$layer/fs/data"
	for format in zstd none; do
		run cooper push --compression-format "$format" older "oci:$BATS_TEST_TMPDIR/layout:v2"
		assert_fails_with 125 "it now packs to sha256:"
	done
}
