# Every kind of fault at every kind of request while images are copied between registries, and while signatures are
# looked for, taken along and made.
load lib/common
load lib/signing
load lib/double

SIZE=4500000 # larger than what goes in one PUT

setup_file() {
	common_setup_file
	signing_setup_file
	make_image big "$SIZE"
	make_sigstore_keys good
	start_double
	export KEY="$BATS_FILE_TMPDIR/good.key"
	double_does '{}'
	cooper push -q --tls-verify=false --sign-by-sigstore-private-key "$KEY" big "docker://$DOUBLE/from:1"
	# Else its blobs would come from there.
	fresh_store empty
	export COOPER_ROOT COOPER_RUNROOT
}

teardown() {
	no_policy
}

teardown_file() {
	stop_doubles
	signing_teardown_file
	common_teardown_file
}

export COOPER_STALL_TIMEOUT=500ms
quick=(--tls-verify=false --retry-delay 1ms)

faults() {
	printf '%s\n' \
		'"do": "status", "status": 429, "read": false' '"do": "status", "status": 503, "read": false, "count": 2' \
		'"do": "reset", "at": 1' '"do": "lost"' '"do": "stall", "at": 0, "seconds": 1.5'
}

fault_at() {
	local request=$1 fault=$2
	printf '{"method": "%s", "path": "%s", %s}' "${request%% *}" "${request#* }" "$fault"
}

counted=0

# survives REQUEST FAULT COMMAND…: with "TO" in the command as a fresh repository
survives() {
	local request=$1 fault=$2 name=to$RANDOM/x$RANDOM faults sent received leaks
	shift 2
	double_does "{$options \"faults\": [$(fault_at "$request" "$fault")]}"
	run timeout 60 cooper "${@//TO/$name}"
	[ "$status" -eq 0 ] || fail "$request: $fault" || return
	double_sums
	[ "$faults" -gt 0 ] || fail "$request: $fault: no such request" || return
	[ "$sent" -le $((SIZE * 120 / 100)) ] || fail "$request: $fault: $sent bytes sent" || return
	[ "$received" -le $((SIZE * 135 / 100)) ] || fail "$request: $fault: $received bytes taken" || return
	[ "$leaks" -eq 0 ] || fail "$request: $fault: another origin saw an Authorization header" || return
	grep -qE "\"method\": \"PUT\".*\"path\": \"/v2/$name/manifests/1\"" "$DOUBLE_DIRECTORY/log" ||
		fail "$request: $fault: no tag" || return
	counted=$((counted + 1))
}

each_fault() {
	local request=$1 fault
	shift
	while read -r fault; do
		survives "$request" "$fault" "$@" || return
	done < <(faults)
}

@test "a copy from registry to registry, by mount and by hand" {
	local options='' request copy=(image copy -q "${quick[@]}" --remove-signatures "docker://$DOUBLE/from:1" "docker://$DOUBLE/TO:1")
	each_fault 'POST mount=' "${copy[@]}"
	options='"mount": "no",'
	while read -r request; do
		each_fault "$request" "${copy[@]}" || return
	done < <(printf '%s\n' 'GET ^/v2/$' 'GET from/manifests/1$' 'HEAD to.*blobs/sha256' 'POST blobs/uploads/$' \
		'GET from/blobs/sha256' 'PATCH uploads/upload' 'PUT uploads/.*digest' 'PUT manifests/1$')
	[ "$counted" -eq 45 ]
}

@test "cut in the middle of the bytes on either side, only the rest is moved again" {
	local options='"mount": "no",' at
	for at in 65537 1500000 4499999; do
		survives 'GET from/blobs/sha256' "\"do\": \"reset\", \"at\": $at" image copy -q "${quick[@]}" "docker://$DOUBLE/from:1" "docker://$DOUBLE/TO:1" || return
		survives 'PATCH uploads/upload' "\"do\": \"reset\", \"at\": $at" image copy -q "${quick[@]}" "docker://$DOUBLE/from:1" "docker://$DOUBLE/TO:1" || return
	done
	[ "$counted" -eq 6 ]
}

@test "signatures that are taken along, at each request for them" {
	local options='' request
	while read -r request; do
		each_fault "$request" image copy -q "${quick[@]}" "docker://$DOUBLE/from:1" "docker://$DOUBLE/TO:1" || return
		[ "$(double_log 'map(select(.method == "PUT" and (.path | endswith(".sig")) and .status == 201)) | length')" -ge 1 ]
	done < <(printf '%s\n' 'GET from/manifests/sha256-.*sig' 'GET from/referrers/' 'GET to.*manifests/sha256-.*sig' \
		'PUT to.*manifests/sha256-.*sig' 'PUT to.*manifests/sha256:')
	[ "$counted" -eq 25 ]
}

@test "signatures that are made" {
	local options='' request
	while read -r request; do
		each_fault "$request" image copy -q "${quick[@]}" --remove-signatures --sign-by-sigstore-private-key "$KEY" \
			"docker://$DOUBLE/from:1" "docker://$DOUBLE/TO:1" || return
	done < <(printf '%s\n' 'GET to.*manifests/sha256-.*sig' 'GET to.*referrers/' 'PUT to.*manifests/sha256-.*sig' \
		'PUT to.*manifests/sha256:')
	[ "$counted" -eq 20 ]
}

@test "what trust needs to know: a fault is survived, a lasting one is no consent" {
	local request fault policy
	policy="{\"default\": [{\"type\": \"sigstoreSigned\", \"keyPath\": \"$BATS_FILE_TMPDIR/good.pub\"}]}"
	for request in 'GET from/manifests/sha256-.*sig' 'GET from/blobs/sha256'; do
		while read -r fault; do
			write_policy <<<"$policy"
			double_does "{\"faults\": [$(fault_at "$request" "$fault")]}"
			run timeout 60 cooper image copy -q "${quick[@]}" "docker://$DOUBLE/from:1" "dir:$BATS_TEST_TMPDIR/d$counted"
			[ "$status" -eq 0 ] || fail "$request: $fault" || return
			counted=$((counted + 1))
		done < <(faults)
	done
	[ "$counted" -eq 10 ]
	for fault in '"do": "status", "status": 503' '"do": "status", "status": 403' '"do": "status", "status": 404' \
		'"do": "body", "text": "{}"' '"do": "body", "text": "[[[["' '"do": "flip"'; do
		double_does "{\"faults\": [$(fault_at 'GET (manifests/sha256-|referrers/)' "$fault, \"count\": 0")]}"
		run timeout 60 cooper image copy -q "${quick[@]}" --retry 2 "docker://$DOUBLE/from:1" "dir:$BATS_TEST_TMPDIR/none"
		[ "$status" -eq 1 ] || fail "$fault: accepted" || return
		[ ! -e "$BATS_TEST_TMPDIR/none/manifest.json" ]
	done
}

@test "sync goes on through faults, and tells which image did not come" {
	local fault
	double_does '{}'
	for tag in 2 3; do
		cooper image copy -q "${quick[@]}" --remove-signatures "docker://$DOUBLE/from:1" "docker://$DOUBLE/many/app:$tag"
	done
	while read -r fault; do
		double_does "{\"mount\": \"no\", \"faults\": [$(fault_at 'GET tags/list' "$fault"), $(fault_at 'GET many/app/manifests/3' "$fault"), $(fault_at 'PUT to.*manifests' "$fault")]}"
		run timeout 60 cooper image sync -q "${quick[@]}" --src docker --dest docker "$DOUBLE/many/app" "$DOUBLE/to$RANDOM"
		[ "$status" -eq 0 ] || fail "$fault" || return
		[ "$(double_log 'map(select(.fault != null)) | length')" -ge 3 ] || fail "$fault: no such request" || return
	done < <(faults)
	double_does "{\"faults\": [$(fault_at 'GET many/app/manifests/2' '"do": "status", "status": 403, "count": 0')]}"
	run cooper image sync -q "${quick[@]}" --keep-going --src docker --dest dir "$DOUBLE/many/app" "$BATS_TEST_TMPDIR/kept"
	assert_fails_with 1 "1 of 2 images could not be copied"
	assert_output_has "403"
	[ -e "$BATS_TEST_TMPDIR/kept/app:3/manifest.json" ]
	[ ! -e "$BATS_TEST_TMPDIR/kept/app:2/manifest.json" ]
}
