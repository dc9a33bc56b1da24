# A registry that lies: what is wrong is refused, in time, and nothing of it stays.
load lib/common
load lib/double

setup_file() {
	common_setup_file
	start_double
	double_does '{"strict": false}'
	python3 "$LIB_DIRECTORY/../../double/hostile.py" "$DOUBLE" >"$BATS_FILE_TMPDIR/cases"
	export pull="cooper pull --tls-verify=false --retry 1 --retry-delay 1ms"
}

teardown_file() {
	stop_doubles
	common_teardown_file
}

setup() {
	fresh_store "hostile-$BATS_TEST_NUMBER"
	double_does '{"strict": false}'
}

teardown() {
	remove_store "$COOPER_ROOT" "$COOPER_RUNROOT"
}

# No image, no layer, nothing half done.
assert_nothing_is_left() {
	run cooper images -q
	[ -z "$output" ] || fail "$1: an image is there" || return
	[ -z "$(ls -A "$COOPER_ROOT/tmp" 2>/dev/null)" ] || fail "$1: something is left in tmp/" || return
	[ -z "$(ls -A "$COOPER_ROOT/layers" 2>/dev/null)" ] || fail "$1: a layer is there"
}

@test "the honest image is pulled" {
	$pull "$DOUBLE/hostile/honest:1"
}

@test "each lie about sizes, digests, counts, types and documents is refused" {
	local count=0 name words
	while IFS=$'\t' read -r name words; do
		[ "$name" != honest ] || continue
		run timeout 60 $pull "$DOUBLE/hostile/$name:1"
		[ "$status" -eq 125 ] || fail "$name: not refused" || return
		[[ $output == *"$words"* ]] || fail "$name: the output lacks '$words'" || return
		assert_nothing_is_left "$name" || return
		count=$((count + 1))
	done <"$BATS_FILE_TMPDIR/cases"
	[ "$count" -ge 28 ]
}

# refuses METHOD PATH FAULT
refuses() {
	local sent
	double_does "{\"strict\": false, \"faults\": [{\"path\": \"$1\", \"count\": 0, $2}]}"
	run timeout 60 $pull "$DOUBLE/hostile/honest:1"
	[ "$status" -eq 125 ] || fail "$1: $2: not refused" || return
	sent=$(double_sent)
	# Two attempts and what was in the pipes: no more is listened to.
	[ "$sent" -lt $((64 << 20)) ] || fail "$1: $2: $sent bytes were taken" || return
	assert_nothing_is_left "$1 $2"
}

@test "endless answers are cut off, with and without chunks" {
	for path in 'v2/$' 'manifests/' 'blobs/'; do
		for kind in chunked plain; do
			[ "$path" != 'v2/$' ] || continue
			refuses "$path" "\"do\": \"body\", \"endless\": \"$kind\", \"headers\": {\"Content-Type\": \"application/vnd.oci.image.manifest.v1+json\"}"
			refuses "$path" "\"do\": \"body\", \"endless\": \"$kind\", \"status\": 403"
		done
	done
}

@test "an endless token, an endless list of tags, a list that never ends" {
	double_does '{"strict": false, "auth": "token", "faults": [{"path": "token", "do": "body", "endless": "chunked", "count": 0}]}'
	run timeout 60 $pull --creds "tester:s3cret pass" "$DOUBLE/hostile/honest:1"
	assert_fails_with 125 "larger than"
	double_does '{"strict": false, "faults": [{"path": "tags/list", "do": "body", "endless": "plain", "count": 0}]}'
	run timeout 60 cooper pull --all-tags --tls-verify=false --retry 0 "$DOUBLE/hostile/honest"
	assert_fails_with 125 "larger than"
	double_does '{"strict": false, "faults": [{"path": "tags/list", "do": "body", "count": 0,
		"text": "{\"name\":\"hostile/honest\",\"tags\":[\"1\"]}", "headers": {"Link": "</v2/hostile/honest/tags/list?last=1>; rel=\"next\""}}]}'
	run timeout 60 cooper pull --all-tags --tls-verify=false "$DOUBLE/hostile/honest"
	assert_succeeds
	[ "$(double_log 'map(select(.path | test("tags/list"))) | length')" -eq 2 ]
}

@test "wrong bytes, wrong claims, wrong documents" {
	refuses 'manifests/' '"do": "flip"'
	refuses 'blobs/' '"do": "flip", "at": 20'
	refuses 'manifests/' '"do": "body", "text": "<html>please log in</html>", "headers": {"Content-Type": "text/html"}'
	refuses 'blobs/' '"do": "body", "text": "<html>please log in</html>"'
	refuses 'manifests/' '"do": "body", "text": "{}"'
	refuses 'blobs/' '"do": "size", "length": 99999999999'
	refuses 'blobs/' '"do": "body", "text": ""'
	refuses 'manifests/' '"do": "redirect", "to": "file:///etc/passwd"'
	refuses 'blobs/' '"do": "redirect", "to": "gopher://127.0.0.1/"'
	refuses 'v2/$' '"do": "body", "text": "not a registry", "status": 404'
}

@test "what a registry says is not obeyed by the terminal" {
	double_does '{"faults": [{"path": "manifests", "do": "status", "status": 403, "count": 0, "text": "\u001b]0;owned\u0007\u001b[2Jhello"}]}'
	run $pull "$DOUBLE/hostile/honest:1"
	assert_fails_with 125 hello
	[[ $output != *$'\e'* ]]
	[[ $output != *$'\a'* ]]
}
