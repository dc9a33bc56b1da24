# How long is waited before a request is made again, and what a user is told meanwhile.
load lib/common
load lib/double

# push_small DESTINATION [OPTION...]
push_small() {
	cooper push --tls-verify=false --retry-delay 1ms "${@:2}" small "$1"
}

# The shortest time between an answer of the fault and the next request of any kind.
shortest_silence() {
	double_log '[range(length - 1) as $i | select(.[$i].fault != null) | .[$i + 1].time - .[$i].end] | min'
}

is_at_least() {
	python3 -c 'import sys; sys.exit(float(sys.argv[1]) < float(sys.argv[2]))' "$1" "$2" || fail "$1 s, not $2 s"
}

# Of what was under way when the answer came each may still arrive, and what follows on an answer that came with it;
# nothing else is begun before its two seconds are over. A push that goes on has ten requests more.
is_silent() {
	local begun
	begun=$(double_log '(map(select(.fault != null)) | .[0].end) as $t | map(select(.time > $t and .time < $t + 1.9)) | length')
	[ "$begun" -le 4 ] || fail "$begun requests"
}

@test "Retry-After in seconds is obeyed, and said" {
	double_does '{"faults": [{"method": "PUT", "path": "manifests/", "do": "status", "status": 503, "retry_after": 2}]}'
	run push_small "$DOUBLE/seconds:1"
	assert_succeeds
	assert_output_has "HTTP 503, trying again in 2.0 s"
	is_at_least "$(shortest_silence)" 2
}

@test "Retry-After as a date is obeyed" {
	double_does '{"faults": [{"method": "PUT", "path": "manifests/", "do": "status", "status": 429, "date": 2}]}'
	push_small "$DOUBLE/date:1"
	is_at_least "$(shortest_silence)" 2
}

@test "429 silences everything that goes to the host" {
	double_does '{"faults": [{"method": "HEAD", "path": "blobs/", "do": "status", "status": 429, "retry_after": 2}]}'
	push_small "$DOUBLE/host:1"
	is_silent
}

@test "429 for bytes of an upload silences the host, too" {
	make_image bytes 6000000
	double_does '{"faults": [{"method": "PATCH", "path": "uploads/", "do": "status", "status": 429, "retry_after": 2, "read": false}]}'
	cooper push -q --tls-verify=false bytes "$DOUBLE/bytes:1"
	is_silent
}

@test "429 without a Retry-After is asked again after our own time" {
	double_does '{"faults": [{"path": "manifests/", "do": "status", "status": 429, "count": 3}]}'
	run push_small "$DOUBLE/nothing:1"
	assert_succeeds
	[ "$(double_log 'map(select(.status == 429)) | length')" -eq 3 ]
}

@test "a wait that is too long is not waited; --max-wait says what is" {
	double_does '{"faults": [{"method": "PUT", "path": "manifests/", "do": "status", "status": 503, "retry_after": 900}]}'
	run push_small "$DOUBLE/long:1"
	assert_fails_with 120 "it asks to be left alone for 900 s; --max-wait says how long is waited"
	double_does '{"faults": [{"method": "PUT", "path": "manifests/", "do": "status", "status": 503, "retry_after": 3}]}'
	run push_small "$DOUBLE/long:1" --max-wait 2s
	assert_fails_with 120 "--max-wait"
	double_does '{"faults": [{"method": "PUT", "path": "manifests/", "do": "status", "status": 503, "retry_after": 3}]}'
	run push_small "$DOUBLE/long:1" --max-wait 4s
	assert_succeeds
}

@test "--retry counts repetitions, 0 is none, and a failed push ends with 120" {
	double_does '{"faults": [{"method": "PUT", "path": "manifests/", "do": "status", "status": 502, "count": 0}]}'
	run push_small "$DOUBLE/count:1" --retry 2
	assert_fails_with 120 "HTTP 502"
	[ "$(double_log 'map(select(.method == "PUT" and .status == 502)) | length')" -eq 3 ]
	double_does '{"faults": [{"method": "PUT", "path": "manifests/", "do": "status", "status": 502, "count": 0}]}'
	run push_small "$DOUBLE/count:1" --retry 0
	assert_fails_with 120 "HTTP 502"
	[ "$(double_log 'map(select(.method == "PUT" and .status == 502)) | length')" -eq 1 ]
	run cooper push --retry 101 small "$DOUBLE/count:1"
	assert_fails_with 125 "--retry"
	run cooper push --max-wait long small "$DOUBLE/count:1"
	assert_fails_with 125 "--max-wait 'long'"
}

@test "--retry-deadline: what is lost to waits and failed attempts has an end, by whatever request" {
	double_does '{"faults": [{"method": "PUT", "path": "manifests/", "do": "status", "status": 503, "count": 0}]}'
	run cooper push --tls-verify=false --retry 100 --retry-delay 500ms --retry-deadline 2s small "$DOUBLE/end:1"
	assert_fails_with 120 "PUT http"
	assert_output_has "HTTP 503"
	assert_output_has "would pass --retry-deadline"
	[ "$(double_log 'map(select(.fault != null)) | length')" -lt 30 ]
	double_does '{"faults": [{"method": "PATCH", "path": "uploads/", "do": "status", "status": 502, "count": 0}, {"method": "PUT", "path": "uploads/", "do": "status", "status": 502, "count": 0}]}'
	run cooper push --tls-verify=false --retry 100 --retry-delay 500ms --retry-deadline 2s small "$DOUBLE/upload:1"
	assert_fails_with 120 "HTTP 502"
	assert_output_has "would pass --retry-deadline"
	double_does '{}'
	cooper push -q --tls-verify=false small "$DOUBLE/read:1"
	double_does '{"faults": [{"method": "GET", "path": "manifests/", "do": "reset", "count": 0}]}'
	run cooper pull --tls-verify=false --retry 100 --retry-delay 500ms --retry-deadline 2s "$DOUBLE/read:1"
	assert_fails_with 125 "would pass --retry-deadline"
	run cooper push --retry-deadline soon small "$DOUBLE/end:1"
	assert_fails_with 125 "--retry-deadline 'soon'"
}

@test "--retry-deadline: a Retry-After beyond it ends the push at once, one within it is waited" {
	double_does '{"faults": [{"method": "PUT", "path": "manifests/", "do": "status", "status": 503, "retry_after": 60, "count": 0}]}'
	run push_small "$DOUBLE/beyond:1" --retry-deadline 10s
	assert_fails_with 120 "waiting 60.0 s more would pass --retry-deadline"
	assert_output_has "of 10.0 s are lost"
	[ "$(double_log 'map(select(.fault != null)) | length')" -eq 1 ]
	double_does '{"faults": [{"method": "PUT", "path": "manifests/", "do": "status", "status": 503, "retry_after": 1}]}'
	push_small "$DOUBLE/within:1" --retry-deadline 10s
}

@test "what will not pass is not asked again" {
	local no
	for no in 400 403 410 422; do
		double_does "{\"faults\": [{\"method\": \"PUT\", \"path\": \"manifests/\", \"do\": \"status\", \"status\": $no, \"count\": 0}]}"
		run push_small "$DOUBLE/never:1"
		assert_fails_with 120 "HTTP $no"
		[ "$(double_log 'map(select(.method == "PUT" and .fault != null)) | length')" -eq 1 ]
	done
}

@test "commit and build --push end with 120, too, and the image of a build is there" {
	double_does '{"faults": [{"method": "PUT", "path": "manifests/", "do": "status", "status": 403, "count": 0}]}'
	ctr=$(cooper from small)
	run cooper commit --tls-verify=false "$ctr" "docker://$DOUBLE/commit:1"
	assert_fails_with 120 "HTTP 403"
	mkdir -p "$BATS_TEST_TMPDIR/context"
	printf 'FROM scratch\nCOPY x /x\n' >"$BATS_TEST_TMPDIR/context/Dockerfile"
	echo x >"$BATS_TEST_TMPDIR/context/x"
	run cooper build --tls-verify=false -t built --output "type=registry,name=$DOUBLE/build:1" "$BATS_TEST_TMPDIR/context"
	assert_fails_with 120 "HTTP 403"
	cooper inspect --type image built >/dev/null
}

@test "a transfer that creeps is as broken as one that stands" {
	make_image creeping 200000
	double_does '{}'
	cooper push -q --tls-verify=false creeping "$DOUBLE/creep:1"
	double_does '{"faults": [{"method": "GET", "path": "blobs/", "do": "stall", "at": 5, "seconds": 8}]}'
	fresh_store creep
	COOPER_STALL_TIMEOUT=2s run timeout 30 cooper pull --tls-verify=false --retry-delay 1ms "$DOUBLE/creep:1"
	assert_succeeds
	assert_output_has "nothing moved for 2 s, trying again"
	COOPER_STALL_TIMEOUT=soon run cooper pull --tls-verify=false "$DOUBLE/creep:1"
	assert_fails_with 125 "COOPER_STALL_TIMEOUT 'soon'"
	remove_store "$COOPER_ROOT"
}

@test "a host that does not take the connection is tried again, and found when it does" {
	local place=$BATS_TEST_TMPDIR/place address
	mkdir "$place"
	timeout 120 python3 "$LIB_DIRECTORY/full_backlog.py" "$place" 2>/dev/null 3>&- &
	echo $! >"$BATS_TEST_TMPDIR/pid"
	until [ -e "$place/address" ] || ! kill -0 $! 2>/dev/null; do sleep 0.05; done
	address=$(cat "$place/address")
	export COOPER_CONNECT_TIMEOUT=100ms
	run timeout 60 cooper pull --retry 2 --retry-delay 1ms --tls-verify=false "$address/x:1"
	assert_fails_with 125 "$address/v2/"
	[ "$(grep -c "trying again" <<<"$output")" -eq 2 ]
	# The answer is that of a host without a registry: it has come through.
	timeout 60 cooper pull --retry 100 --retry-delay 10ms --tls-verify=false "$address/x:1" >"$place/said" 2>&1 3>&- &
	until grep -q "trying again" "$place/said" || ! kill -0 $! 2>/dev/null; do sleep 0.05; done
	touch "$place/go"
	wait $! || [ $? -eq 125 ]
	stop_process "$BATS_TEST_TMPDIR/pid"
	run cat "$place/said"
	assert_output_has "trying again"
	assert_output_has 404
	COOPER_CONNECT_TIMEOUT=soon run cooper pull --tls-verify=false "$address/x:1"
	assert_fails_with 125 COOPER_CONNECT_TIMEOUT
}
