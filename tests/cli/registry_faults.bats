# Every kind of fault at every kind of request, push and pull: survived, without moving much twice.
load lib/common
load lib/double

SIZE=6000000

setup_file() {
	common_setup_file
	make_image big "$SIZE"
	# What all of them send is packed once.
	cooper push -q --compression-format gzip big "oci:$BATS_FILE_TMPDIR/packed"
}

teardown_file() {
	stop_doubles
	common_teardown_file
}

# Quick repetitions; a registry that stands still is given up soon.
export COOPER_STALL_TIMEOUT=500ms
quick=(--tls-verify=false --retry-delay 1ms)

# More bytes than these would be waste. The manifests and configurations are in the margin.
push_budget() { echo $((SIZE * 135 / 100)); }
pull_budget() { echo $((SIZE * 120 / 100)); }

# Each kind of request of a push, and what can go wrong there. "@" stands for a place in the body.
push_requests() {
	printf '%s\n' \
		'GET ^/v2/$' 'HEAD blobs/sha256' 'POST blobs/uploads/$' 'PATCH uploads/upload' 'PUT uploads/.*digest' \
		'PUT manifests/'
}

pull_requests() {
	printf '%s\n' 'GET ^/v2/$' 'GET manifests/' 'GET blobs/sha256'
}

# One line for each fault: its JSON without method and path.
faults() {
	local status
	for status in 408 425 429 499 500 502 503 504 520; do
		printf '"do": "status", "status": %s, "read": false\n' "$status"
	done
	printf '%s\n' \
		'"do": "status", "status": 503, "read": false, "count": 3' \
		'"do": "reset", "at": 0' \
		'"do": "reset", "at": 1' \
		'"do": "lost"' \
		'"do": "stall", "at": 0, "seconds": 1.2'
}

faults_in_bodies() {
	printf '%s\n' \
		'"do": "reset", "at": 65537' '"do": "reset", "at": 5999999' '"do": "reset", "at": 3000000' \
		'"do": "reset", "at": 3000000, "count": 2'
}

faults_in_answers() {
	printf '%s\n' \
		'"do": "truncate", "at": 3000000' '"do": "truncate", "at": 1' '"do": "flip"' \
		'"do": "stall", "at": 5000000, "seconds": 1.2' '"do": "body", "text": "<html>what?</html>"' \
		'"do": "redirect", "to": "http://127.0.0.1:1/"'
}

fault_at() {
	local request=$1 fault=$2
	printf '{"method": "%s", "path": "%s", %s}' "${request%% *}" "${request#* }" "$fault"
}

# push_survives REQUEST FAULT [BUDGET]
push_survives() {
	local name=f$RANDOM/x$RANDOM moved
	double_does "{\"faults\": [$(fault_at "$1" "$2")]}"
	run timeout 60 cooper push "${quick[@]}" big "$DOUBLE/$name:1"
	[ "$status" -eq 0 ] || fail "push: $1: $2" || return
	[ "$(double_log 'map(select(.fault != null)) | length')" -gt 0 ] || fail "push: $1: $2: no such request" || return
	moved=$(double_received)
	[ "$moved" -le "${3:-$(push_budget)}" ] || fail "push: $1: $2: $moved bytes" || return
	assert_no_leak
}

pull_survives() {
	local moved
	double_does "{\"faults\": [$(fault_at "$1" "$2")]}"
	fresh_store "pull-$RANDOM$RANDOM"
	run timeout 60 cooper pull "${quick[@]}" "$DOUBLE/to/pull:1"
	[ "$status" -eq 0 ] || fail "pull: $1: $2" || return
	[ "$(double_log 'map(select(.fault != null)) | length')" -gt 0 ] || fail "pull: $1: $2: no such request" || return
	moved=$(double_sent)
	[ "$moved" -le "${3:-$(pull_budget)}" ] || fail "pull: $1: $2: $moved bytes" || return
	assert_no_leak || return
	remove_store "$COOPER_ROOT" "$COOPER_RUNROOT"
}

# ---- Several at once: each with a double of its own ----

prepare_push() {
	start_double
}

prepare_pull() {
	start_double && cooper push -q "${quick[@]}" big "$DOUBLE/to/pull:1"
}

# each FUNCTION ARGUMENT... < FAULTS: with each fault behind the first of the arguments
each() {
	local function=$1 request=$2 fault
	shift 2
	while read -r fault; do
		"$function" "$request" "$fault" "$@" || return
		echo x >>"$counter"
	done
}

# in_background PREPARE FUNCTION ARGUMENT... < FAULTS
in_background() {
	local prepare=$1
	counter=$BATS_TEST_TMPDIR/count.${#workers[@]}
	shift
	# What a background job reads is /dev/null unless it is told otherwise.
	{ "$prepare" && each "$@"; } <&0 >"$BATS_TEST_TMPDIR/output.${#workers[@]}" 2>&1 3>&- &
	workers+=($!)
}

# all_survive COUNT: how many faults there were, so that none of the loops is empty
all_survive() {
	local worker failed=0 counted
	for worker in "${workers[@]}"; do
		wait "$worker" || failed=1
	done
	[ "$failed" -eq 0 ] || cat "$BATS_TEST_TMPDIR"/output.* || return
	[ "$failed" -eq 0 ] || return
	counted=$(cat "$BATS_TEST_TMPDIR"/count.* | wc -l)
	[ "$counted" -eq "$1" ] || fail "$counted faults, not $1"
}

workers=()

@test "push: any answer that may pass, at any request" {
	while read -r request; do
		in_background prepare_push push_survives "$request" < <(faults)
	done < <(push_requests)
	# Who reads everything before he says no, and keeps none of it, gets it twice.
	in_background prepare_push push_survives 'PATCH uploads/upload' $((SIZE * 205 / 100)) <<<'"do": "status", "status": 503'
	all_survive 85
}

@test "push: cut anywhere in the bytes, what is there is not sent again" {
	in_background prepare_push push_survives 'PATCH uploads/upload' < <(faults_in_bodies)
	all_survive 4
}

@test "pull: any answer that may pass, at any request" {
	while read -r request; do
		in_background prepare_pull pull_survives "$request" < <(faults)
	done < <(pull_requests)
	all_survive 42
}

@test "pull: cut, stopped or spoiled anywhere in the bytes" {
	in_background prepare_pull pull_survives 'GET blobs/sha256' < <(faults_in_bodies)
	# A wrong byte is seen at the end only: everything comes twice, and the second time is right.
	in_background prepare_pull pull_survives 'GET blobs/sha256' $((SIZE * 2 + SIZE / 5)) \
		< <(faults_in_answers | grep -v redirect)
	in_background prepare_pull pull_survives 'GET manifests/' < <(faults_in_answers | grep -v redirect)
	all_survive 14
}

# asks_survives CONFIGURATION FAULT: a push with "@" in the configuration being the fault
asks_survives() {
	local config=${1//@/$2} moved
	double_does "{$config}"
	run timeout 60 cooper push "${quick[@]}" --creds "tester:s3cret pass" big "$DOUBLE/q$RANDOM/x$RANDOM:1"
	[ "$status" -eq 0 ] || fail "$config" || return
	[ "$(double_log 'map(select(.fault != null)) | length')" -gt 0 ] || fail "$config: no such request" || return
	moved=$(double_received)
	[ "$moved" -le "$(push_budget)" ] || fail "$config: $moved bytes"
}

@test "the token server, and the questions after a fault, fail as well" {
	local config cut='{"method": "PATCH", "path": "uploads/", "do": "reset", "at": 3000000}'
	for config in '"auth": "token", "faults": [{"method": "GET", "path": "^/token", @}]' \
		"\"faults\": [$cut, {\"method\": \"GET\", \"path\": \"uploads/\", @}]" \
		'"keep_partial": false, "faults": [{"method": "PUT", "path": "digest", "do": "lost"},
			{"method": "HEAD", "path": "blobs/", "nth": 4, @}]'; do
		in_background prepare_push asks_survives "$config" < <(faults | grep -v 'status": 4[029]')
	done
	all_survive 30
}
