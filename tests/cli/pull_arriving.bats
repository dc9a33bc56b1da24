# A layer is unpacked while it comes: it is there when its blob is, and never before; and whatever happens to the blob
# on its way, what is unpacked is what the image says.
load lib/common
load lib/double

setup_file() {
	common_setup_file
	make_image large 6000000
	start_double
	cooper push -q --tls-verify=false large "$DOUBLE/app/large:1"
	mounted_sum localhost/large >"$BATS_FILE_TMPDIR/want"
}

setup() {
	double_does '{}'
	fresh_store "arriving-$BATS_TEST_NUMBER"
}

teardown() {
	[ -z "${pull_pid:-}" ] || kill -9 "$pull_pid" 2>/dev/null || true
	remove_store "$COOPER_ROOT" "$COOPER_RUNROOT"
}

pull=(timeout 60 cooper pull -q --tls-verify=false --retry-delay 1ms)

# The digest of the large file in the image.
mounted_sum() {
	local ctr
	ctr=$(cooper from --pull=never "$1")
	cooper unshare sh -c 'sha256sum <"$(cooper mount "$1")/data"' - "$ctr"
}

large_fault() {
	printf '{"faults": [{"method": "GET", "path": "blobs/", "count": 0, %s}]}' "$1"
}

@test "it is unpacked before all of it has come, and has no name until then" {
	double_does "$(large_fault '"do": "stall", "at": 4000000, "seconds": 50')"
	cooper pull -q --tls-verify=false "$DOUBLE/app/large:1" >/dev/null 2>&1 3>&- &
	pull_pid=$!
	for _ in $(seq 400); do
		[ -z "$(find "$COOPER_ROOT/tmp" -name data -size +1M 2>/dev/null)" ] || break
		sleep 0.05
	done
	[ -n "$(find "$COOPER_ROOT/tmp" -name data -size +1M)" ]
	[ -z "$(find "$COOPER_ROOT/oci/blobs" -size +1M)" ]
	[ -z "$(find "$COOPER_ROOT/layers" -name data 2>/dev/null)" ]
	# Killed, it leaves nothing that the next one would take for whole.
	kill -9 "$pull_pid"
	wait "$pull_pid" || true
	pull_pid=
	double_does '{}'
	id=$("${pull[@]}" "$DOUBLE/app/large:1")
	mounted_sum "$id" | cmp - "$BATS_FILE_TMPDIR/want"
	[ -z "$(find "$COOPER_ROOT/tmp" -name data)" ]
}

@test "faults on its way do not show in it" {
	for fault in '"do": "truncate", "at": 3000000, "count": 2' '"do": "reset", "at": 2500000, "count": 2' \
		'"do": "flip", "count": 1, "nth": 1' '"do": "flip", "count": 1, "nth": 2' \
		'"do": "flip", "count": 1, "nth": 3' '"do": "status", "status": 503, "count": 3'; do
		double_does "{\"faults\": [{\"method\": \"GET\", \"path\": \"blobs/\", $fault}]}"
		id=$("${pull[@]}" "$DOUBLE/app/large:1") || fail "$fault" || return
		mounted_sum "$id" | cmp - "$BATS_FILE_TMPDIR/want" || fail "$fault" || return
		[ -z "$(find "$COOPER_ROOT/tmp" -name data)" ] || fail "$fault: something is left" || return
		cooper rm --all >/dev/null && cooper rmi "$id" >/dev/null && cooper prune --force >/dev/null
		[ -z "$(find "$COOPER_ROOT/layers" -name data)" ] || fail "$fault: the layer was not removed" || return
	done
}

@test "one that is never right leaves no layer" {
	double_does "$(large_fault '"do": "flip"')"
	run "${pull[@]}" "$DOUBLE/app/large:1"
	[ "$status" -eq 125 ]
	[ -z "$(find "$COOPER_ROOT" -name data)" ]
	[ "$(cooper images -q | wc -l)" -eq 0 ]
}

@test "two at once make it once" {
	"${pull[@]}" "$DOUBLE/app/large:1" >"$BATS_TEST_TMPDIR/first" 3>&- &
	pull_pid=$!
	"${pull[@]}" "$DOUBLE/app/large:1" >"$BATS_TEST_TMPDIR/second"
	wait "$pull_pid"
	pull_pid=
	cmp "$BATS_TEST_TMPDIR/first" "$BATS_TEST_TMPDIR/second"
	[ "$(double_log 'map(select(.path | test("blobs/"))) | length')" -eq 3 ]
	mounted_sum "$(cat "$BATS_TEST_TMPDIR/first")" | cmp - "$BATS_FILE_TMPDIR/want"
}
