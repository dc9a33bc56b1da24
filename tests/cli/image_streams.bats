# image copy into a registry: layers are sent while they come, through faults at both ends, and whatever the source says.
load lib/common
load lib/double

SIZE=9000000

setup_file() {
	common_setup_file
	make_image big "$SIZE"
	start_double
	double_does '{}'
	cooper push -q --tls-verify=false big "docker://$DOUBLE/from:1"
	cooper push -q big "oci-archive:$BATS_FILE_TMPDIR/big.tar:x"
	cooper push -q big "oci:$BATS_FILE_TMPDIR/big:x"
	# Else its blobs would come from there.
	fresh_store empty
	export COOPER_ROOT COOPER_RUNROOT
}

export COOPER_STALL_TIMEOUT=500ms
copy=(timeout 60 cooper image copy --tls-verify=false --retry-delay 1ms)

# The double as it is told, without mounts.
does() {
	double_does "{\"mount\": \"no\", \"faults\": [$1]}"
}

patched() {
	double_log 'map(select(.method == "PATCH") | .received) | add // 0'
}

same_as_source() {
	[ "$(skopeo inspect --raw --tls-verify=false "docker://$DOUBLE/$1")" = \
		"$(skopeo inspect --raw --tls-verify=false "docker://$DOUBLE/from:1")" ] || fail "another manifest" || return
	fresh_store "check$RANDOM"
	cooper pull -q --tls-verify=false "$DOUBLE/$1" >/dev/null || return
	remove_store "$COOPER_ROOT" "$COOPER_RUNROOT"
}

nothing_left() {
	[ -z "$(find "$COOPER_ROOT/tmp" -type f -size +0)" ]
}

@test "each byte moves once, and each blob is told of once" {
	does ''
	run "${copy[@]}" "docker://$DOUBLE/from:1" "docker://$DOUBLE/to/once:1"
	assert_succeeds
	[ "$(grep -c "^Copying blob" <<<"$output")" -eq "$(grep "^Copying blob" <<<"$output" | sort -u | wc -l)" ]
	[ "$(double_received)" -lt $((SIZE + 100000)) ]
	[ "$(double_sent)" -lt $((SIZE + 100000)) ]
	same_as_source to/once:1
	nothing_left
}

# under_way CONFIG: the most layers that were on their way at the same time, from the first request for one to the
# answer that made it visible elsewhere. The configuration is asked for before them.
under_way() {
	double_log '. as $log | [$log[] | select(.method == "GET" and (.path | test("/blobs/sha256:")) and .status == 200 and
			(.path | endswith("'"$1"'") | not))] |
		group_by(.path | split("/") | last) | map((.[0].path | split("/") | last) as $digest |
			{time: (map(.time) | min), end: ($log | map(select(.method == "PUT" and
				(.query | gsub("%3A"; ":"; "i") | test($digest))) | .end) | max)}) |
		. as $blobs | map(.time as $now | [$blobs[] | select(.time <= $now and $now < .end)] | length) | max'
}

@test "what comes and what goes are one number of blobs, which --image-parallel-copies limits" {
	local n config
	COOPER_ROOT=$BATS_FILE_TMPDIR/root COOPER_RUNROOT=$BATS_FILE_TMPDIR/runroot make_layers many 6 1000000
	double_does '{}'
	COOPER_ROOT=$BATS_FILE_TMPDIR/root COOPER_RUNROOT=$BATS_FILE_TMPDIR/runroot cooper push -q --tls-verify=false many "docker://$DOUBLE/many:1"
	config=$(cooper image inspect --tls-verify=false --raw "docker://$DOUBLE/many:1" | jq -r .config.digest)
	for n in 1 2 6; do
		double_does '{"mount": "no", "rate": 8000000}'
		"${copy[@]}" -q --image-parallel-copies "$n" "docker://$DOUBLE/many:1" "docker://$DOUBLE/to/n$n:1"
		[ "$(double_log '[.[] | select(.method == "PUT" and (.query | test("digest")))] | length')" -ge 6 ]
		[ "$(under_way "$config")" -le "$n" ] || fail "$(under_way "$config") under way, and no more than $n may be" || return
		[ "$n" -eq 1 ] || [ "$(under_way "$config")" -ge 2 ] || fail "one after the other" || return
	done
}

@test "cut at both ends at the same time: only the rest is moved again" {
	local there here
	for there in 65537 3000000 8999999; do
		for here in 65537 3000000 8999999; do
			does "{\"method\": \"GET\", \"path\": \"from/blobs/sha256\", \"do\": \"reset\", \"at\": $there},
				{\"method\": \"PATCH\", \"path\": \"uploads/\", \"do\": \"reset\", \"at\": $here}"
			run "${copy[@]}" -q "docker://$DOUBLE/from:1" "docker://$DOUBLE/to/x$RANDOM:1"
			[ "$status" -eq 0 ] || fail "$there, $here" || return
			[ "$(double_log 'map(select(.fault != null)) | length')" -ge 2 ] || fail "$there, $here: no fault" || return
			[ "$(double_sent)" -le $((SIZE * 120 / 100)) ] || fail "$there, $here: $(double_sent) sent" || return
			[ "$(double_received)" -le $((SIZE * 135 / 100)) ] || fail "$there, $here: $(double_received) taken" || return
		done
	done
	nothing_left
}

@test "what a registry has lost is sent again, and not fetched again" {
	# As docker-registry 2 does: of a PATCH that was cut nothing is kept.
	double_does '{"mount": "no", "keep_partial": false, "faults": [
		{"method": "PATCH", "path": "uploads/", "do": "reset", "at": 8900000, "count": 2}]}'
	"${copy[@]}" -q "docker://$DOUBLE/from:1" "docker://$DOUBLE/to/lost:1"
	[ "$(double_log 'map(select(.fault != null)) | length')" -ge 1 ]
	[ "$(double_sent)" -lt $((SIZE + 100000)) ]
	same_as_source to/lost:1
}

@test "a source that stands still, or has no more ranges, meanwhile" {
	does '{"method": "GET", "path": "from/blobs/sha256", "do": "stall", "at": 4000000, "seconds": 1.5}'
	"${copy[@]}" -q "docker://$DOUBLE/from:1" "docker://$DOUBLE/to/stalled:1"
	same_as_source to/stalled:1
	# Who forgets ranges sends everything again, from the start.
	double_does '{"mount": "no", "ranges": false, "faults": [{"method": "GET", "path": "from/blobs/sha256", "do": "reset", "at": 4000000}]}'
	"${copy[@]}" -q "docker://$DOUBLE/from:1" "docker://$DOUBLE/to/restarted:1"
	same_as_source to/restarted:1
}

@test "a wrong byte on the way is found, and what arrives is right; one that stays wrong arrives nowhere" {
	does '{"method": "GET", "path": "from/blobs/sha256", "do": "flip"}'
	"${copy[@]}" -q "docker://$DOUBLE/from:1" "docker://$DOUBLE/to/flipped:1"
	same_as_source to/flipped:1
	does '{"method": "GET", "path": "from/blobs/sha256", "do": "flip", "count": 0}'
	run "${copy[@]}" -q "docker://$DOUBLE/from:1" "docker://$DOUBLE/to/wrong:1"
	[ "$status" -eq 1 ]
	assert_output_has "what came has the digest"
	[ "$(double_log 'map(select(.method == "PUT" and .status == 201)) | length')" -eq 0 ]
	nothing_left
}

@test "archives and layouts, several places" {
	local place
	for place in "oci-archive:$BATS_FILE_TMPDIR/big.tar:x" "oci:$BATS_FILE_TMPDIR/big:x"; do
		does ''
		"${copy[@]}" -q "$place" "docker://$DOUBLE/place$RANDOM/x:1"
		[ "$(double_received)" -lt $((SIZE + 100000)) ]
		[ "$(patched)" -ge "$SIZE" ]
	done
	does ''
	"${copy[@]}" -q "docker://$DOUBLE/from:1" "docker://$DOUBLE/several/a:1" "docker://$DOUBLE/several/b:1" \
		"oci:$BATS_TEST_TMPDIR/c:x"
	# Read once, written three times.
	[ "$(double_sent)" -lt $((SIZE + 100000)) ]
	[ "$(double_received)" -gt $((SIZE * 2)) ]
	same_as_source several/b:1
	nothing_left
}

@test "a registry that refuses ends the fetching; so does a signal, and the upload is given up" {
	does '{"method": "POST", "path": "to/refused/blobs/uploads", "do": "status", "status": 403, "count": 0}'
	run "${copy[@]}" -q "docker://$DOUBLE/from:1" "docker://$DOUBLE/to/refused:1"
	assert_fails_with 1 "HTTP 403"
	nothing_left
	# Half of it comes, and that is on its way already.
	does '{"method": "GET", "path": "from/blobs/sha256", "do": "stall", "at": 4000000, "seconds": 20, "count": 0}'
	COOPER_STALL_TIMEOUT=30s cooper image copy -q --tls-verify=false "docker://$DOUBLE/from:1" "docker://$DOUBLE/to/ended:1" 3>&- &
	local pid=$! i
	for i in $(seq 150); do
		[ "$(double_log 'map(select(.method == "POST" and .status == 202)) | length')" -eq 0 ] || break
		sleep 0.1
	done
	[ "$(double_log 'map(select(.method == "POST" and .status == 202)) | length')" -gt 0 ] || fail "no POST after $i looks"
	kill -TERM "$pid"
	status=0
	wait "$pid" || status=$?
	[ "$status" -eq 143 ]
	[ "$(double_log 'map(select(.method == "DELETE" and .status == 204)) | length')" -gt 0 ]
}
