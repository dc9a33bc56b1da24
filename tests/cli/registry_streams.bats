# A layer that is packed while it is sent: in one body without a length where it is no large part of all that is sent,
# else in pieces as they come, and through every fault without packing it again or sending much twice.
load lib/common
load lib/double

SIZE=60000000
LARGE=70000000

setup_file() {
	common_setup_file
	make_layers stream 3 $((SIZE / 3))
	make_image large "$LARGE"
	start_double
}

export COOPER_STALL_TIMEOUT=500ms
push=(timeout 60 cooper push --tls-verify=false --retry-delay 1ms)

# From now on no layer has a packed blob, as after a build.
forget_blobs() {
	find "$COOPER_ROOT/oci/blobs" -type f -size +4M -delete
}

# push_survives IMAGE BYTES OPTIONS [OPTION...]: with the double as OPTIONS say; at most 1.35 times BYTES are sent
push_survives() {
	local image=$1 bytes=$2 does=$3 moved
	double_does "$does"
	forget_blobs
	run "${push[@]}" "${@:4}" "$image" "$DOUBLE/s$RANDOM/x$RANDOM:1"
	[ "$status" -eq 0 ] || fail "$does" || return
	[[ $output == *"while it is packed"* ]] || fail "$does: not sent while it was packed" || return
	[[ $does != *'"do"'* || $(double_log 'map(select(.fault != null)) | length') -gt 0 ]] ||
		fail "$does: no such request" || return
	moved=$(double_received)
	[ "$moved" -le $((bytes * 135 / 100)) ] || fail "$does: $moved bytes" || return
	assert_no_leak
}

chunked_patches() {
	double_log 'map(select(.method == "PATCH" and .chunked)) | length'
}

fault_on() {
	printf '{"faults": [{"method": "%s", "path": "uploads/", %s}]}' "$1" "$2"
}

@test "one body without a length for each layer, and the digest behind it" {
	push_survives stream "$SIZE" '{}'
	[ "$(chunked_patches)" -eq 3 ]
	[ "$(double_log 'map(select(.method == "PATCH")) | .[0] | [.received > 20000000, .length, .content_range] | @json')" = \
		'[true,null,null]' ]
	[ "$(double_log 'map(select(.method == "PATCH") | .path) as $all |
		map(select(.method == "PUT" and (.path | IN($all[]))) | .received) | [length, add] | @json')" = '[3,0]' ]
	# What was pushed is what is there.
	fresh_store pulled
	cooper pull -q --tls-verify=false "$DOUBLE/$(double_log 'map(select(.method == "PUT")) | last | .path' |
		sed -E 's,^/v2/(.*)/manifests/1$,\1,'):1"
	remove_store "$COOPER_ROOT" "$COOPER_RUNROOT"
}

@test "what may become large goes in pieces that are there" {
	push_survives large "$LARGE" '{}'
	[ "$(chunked_patches)" -eq 0 ]
	[ "$(double_log 'map(select(.method == "PATCH" and .status == 202)) | length')" -ge 5 ]
}

@test "any fault of the body: what is there is not sent again" {
	local fault counted=0
	while read -r fault; do
		push_survives stream "$SIZE" "$(fault_on PATCH "$fault")" || return
		counted=$((counted + 1))
	done <<-'END'
		"do": "status", "status": 408, "read": false
		"do": "status", "status": 429, "read": false
		"do": "status", "status": 500, "read": false
		"do": "status", "status": 503, "read": false, "count": 3
		"do": "status", "status": 404, "read": false
		"do": "reset", "at": 0
		"do": "reset", "at": 1
		"do": "reset", "at": 65537
		"do": "reset", "at": 10000000
		"do": "reset", "at": 19999999
		"do": "reset", "at": 10000000, "count": 2
		"do": "lost"
		"do": "stall", "at": 5000000, "seconds": 1.5
	END
	[ "$counted" -eq 13 ]
}

@test "any fault around the body" {
	local method counted=0
	for method in POST PUT; do
		for fault in '"do": "status", "status": 503, "read": false' '"do": "reset", "at": 0' '"do": "lost"'; do
			push_survives stream "$SIZE" "$(fault_on "$method" "$fault")" || return
			counted=$((counted + 1))
		done
	done
	[ "$counted" -eq 6 ]
}

@test "any fault of any piece" {
	local nth fault counted=0
	for nth in 1 3 6; do
		for fault in '"do": "status", "status": 503, "read": false' '"do": "reset", "at": 700000' '"do": "lost"'; do
			push_survives large "$LARGE" "$(fault_on PATCH "$fault, \"nth\": $nth")" || return
			counted=$((counted + 1))
		done
	done
	[ "$counted" -eq 9 ]
	push_survives large "$LARGE" \
		'{"keep_partial": false, "faults": [{"method": "PATCH", "path": "uploads/", "do": "reset", "at": 900000, "nth": 4}]}'
}

@test "who takes no body without a length gets it with one" {
	local status
	push_survives stream "$SIZE" '{"stream": false}'
	# Once; each of the three layers may have been under way by then.
	[[ $(double_log 'map(select(.status == 411)) | length') == [123] ]]
	[ "$(double_log 'map(select(.method == "PATCH" and .status == 202)) | length')" -ge 1 ]
	for status in 400 413 501; do
		push_survives stream "$SIZE" "$(fault_on PATCH "\"do\": \"status\", \"status\": $status, \"read\": false")"
	done
	push_survives stream "$SIZE" '{"max_body": 4000000}'
	push_survives large "$LARGE" '{"max_body": 4000000}'
}

@test "chunks that get lost, small chunks, odd addresses" {
	push_survives stream "$SIZE" '{"drop_chunks": true}'
	push_survives large "$LARGE" '{"drop_chunks": true}'
	push_survives large "$LARGE" '{"chunk_min": 5000000}'
	push_survives stream "$SIZE" '{"location": "queried"}'
	push_survives large "$LARGE" '{"location": "queried"}'
	push_survives stream "$SIZE" \
		'{"keep_partial": false, "faults": [{"method": "PATCH", "path": "uploads/", "do": "reset", "at": 5000000}]}'
}

@test "a token that ends while the body is under way" {
	local fault='{"method": "PATCH", "path": "uploads/", "do": "expire"}' image
	for image in stream large; do
		push_survives "$image" $((image == large ? LARGE : SIZE)) "{\"auth\": \"token\", \"faults\": [$fault]}" \
			--creds "tester:s3cret pass"
		# The token is that of all layers that are under way.
		[ "$(double_log 'map(select(.method == "PATCH" and .status == 401)) | length')" -ge 1 ]
	done
}

@test "what is known to be there is not packed at all" {
	double_does '{}'
	forget_blobs
	"${push[@]}" -q stream "$DOUBLE/known:1"
	forget_blobs
	double_does '{}'
	run "${push[@]}" stream "$DOUBLE/known:2"
	assert_succeeds
	[ "$(double_log 'map(select(.method == "POST" or .method == "PATCH")) | length')" -eq 0 ] ||
		fail "$(cat "$DOUBLE_DIRECTORY/log")" || return
	[ "$(find "$COOPER_ROOT/oci/blobs" -type f -size +4M | wc -l)" -eq 0 ]
}

@test "several layers at once; build --push and commit as well" {
	mkdir -p "$BATS_TEST_TMPDIR/context"
	head -c 20000000 /dev/urandom >"$BATS_TEST_TMPDIR/context/a"
	head -c 20000000 /dev/urandom >"$BATS_TEST_TMPDIR/context/b"
	head -c 20000000 /dev/urandom >"$BATS_TEST_TMPDIR/context/c"
	printf 'FROM scratch\nCOPY a /a\nCOPY b /b\nCOPY c /c\n' >"$BATS_TEST_TMPDIR/context/Dockerfile"
	double_does '{}'
	cooper build -q --tls-verify=false -t "$DOUBLE/layers:1" --push "$BATS_TEST_TMPDIR/context"
	[ "$(chunked_patches)" -eq 3 ] || fail "$(double_log 'map([.method, .path, .received, .chunked]|@json)')"
	ctr=$(cooper from "$DOUBLE/layers:1")
	head -c 20000000 /dev/urandom >"$BATS_TEST_TMPDIR/c"
	cooper copy "$ctr" "$BATS_TEST_TMPDIR/c" /c >/dev/null
	double_does '{}'
	cooper commit -q --tls-verify=false "$ctr" "docker://$DOUBLE/layers:2"
	# This is all that is to be sent.
	[ "$(chunked_patches)" -eq 0 ]
	[ "$(double_log 'map(select(.method == "PATCH" and .status == 202)) | length')" -ge 4 ]
	[ "$(double_received)" -lt 21000000 ]
}

@test "a push that is refused stops the packing, and leaves nothing behind" {
	forget_blobs
	double_does '{"faults": [{"method": "PATCH", "path": "uploads/", "do": "status", "status": 403, "read": false, "count": 0}]}'
	run "${push[@]}" large "$DOUBLE/refused:1"
	assert_fails_with 120 "HTTP 403"
	[ "$(double_log 'map(select(.method == "DELETE" and .status == 204)) | length')" -eq 1 ]
	[ -z "$(find "$COOPER_ROOT/tmp" -type f -size +0)" ]
}

@test "what the packing fails at is what the push fails at; the upload is given up, and no blob is left" {
	forget_blobs
	double_does '{}'
	# 30 MB of a file are all that it may write.
	run bash -c 'ulimit -f 30000 && exec "$@"' - "${push[@]}" large "$DOUBLE/full:1"
	assert_fails_with 120 "file too large"
	[ "$(double_log 'map(select(.method == "PUT")) | map(select(.path | test("manifests"))) | length')" -eq 0 ]
	[ "$(double_log 'map(select(.method == "DELETE" and .status == 204)) | length')" -eq 1 ]
	[ -z "$(find "$COOPER_ROOT/oci/blobs" -type f -size +4M)" ]
	push_survives large "$LARGE" '{}'
}

@test "^C gives the upload up at the registry, too, and ends as ^C does" {
	forget_blobs
	double_does '{"faults": [{"method": "PATCH", "path": "uploads/", "do": "stall", "at": 1000000, "seconds": 20, "count": 0}]}'
	COOPER_STALL_TIMEOUT=30s cooper push --tls-verify=false stream "$DOUBLE/interrupted:1" 3>&- &
	local pid=$! i
	for i in $(seq 150); do
		[ "$(double_log 'map(select(.method == "PATCH")) | length')" -eq 0 ] || break
		sleep 0.1
	done
	[ "$(double_log 'map(select(.method == "PATCH")) | length')" -ge 1 ] || fail "no PATCH after $i looks"
	kill -TERM "$pid"
	status=0
	wait "$pid" || status=$?
	[ "$status" -eq 143 ]
	[ "$(double_log 'map(select(.method == "DELETE" and .status == 204)) | length')" -ge 1 ]
}
