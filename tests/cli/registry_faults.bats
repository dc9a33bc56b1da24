# Every fault at every request, and at several bytes of each body, of a push, a pull and a copy: survived, without moving
# much twice. tests/double/matrix.py finds out which requests there are and spoils each in turn; here is what is pushed,
# and what a registry can make impossible.
#
# Takes long.
load lib/common
load lib/double

SIZE=6000000

setup_file() {
	common_setup_file
	# Half of the images in use are one large layer; the others are many.
	make_image big "$SIZE"
	make_layers layered 6 1000000
	# What all of them send is packed once.
	cooper push -q --compression-format gzip big "oci:$BATS_FILE_TMPDIR/packed"
	cooper push -q --compression-format gzip layered "oci:$BATS_FILE_TMPDIR/packed"
}

# survives COUNT ARGUMENT…: at least COUNT faults, with sanitizers half as many, all of them survived
survives() {
	local least=$1
	[ "${COOPER_TEST_MODE:-}" != asan ] || least=$((least / 2))
	shift
	run timeout 300 python3 "$LIB_DIRECTORY/../../double/matrix.py" "$@"
	echo "# ${lines[-1]}" >&3
	assert_succeeds
	[[ ${lines[-1]} =~ ^([0-9]+)\ faults ]] || fail "no end" || return
	[ "${BASH_REMATCH[1]}" -ge "$least" ] || fail "fewer than $least faults"
}

@test "push of one large layer: at most 1.35 times the bytes" {
	survives 150 push big
}

@test "push of many layers: at most 1.35 times the bytes" {
	survives 150 push layered
}

@test "push of one large layer through a front that keeps nothing of what is cut" {
	survives 150 push big '"answered"'
}

# docker-registry 2 itself does not go on with a session of which a request was cut: what was sent before is lost, and
# nothing that a client does brings it back. So this is the one thing that costs more.
@test "push to a registry that forgets a session with a cut: survived, with everything sent again" {
	survives 150 push big false 2.1
}

@test "pull of many layers: at most 1.2 times the bytes, also where one comes with a wrong byte" {
	survives 100 pull layered
}

# A wrong byte is seen at the end of a blob only: then all of that blob comes again, and nothing else.
@test "pull of one large layer: at most 1.2 times the bytes, but for a wrong byte" {
	survives 40 pull big
}

@test "copy from repository to repository: at most 1.2 times the bytes there and 1.35 here" {
	survives 200 copy big
}

# ---- What does not pass ----

export COOPER_STALL_TIMEOUT=1s
quick=(--tls-verify=false --retry-delay 1ms)

# never METHOD PATH FAULT WORDS: a push that meets it always ends with 120, says so, and leaves no name
never() {
	double_does "{\"faults\": [{\"method\": \"$1\", \"path\": \"$2\", $3, \"count\": 0}]}"
	run timeout 60 cooper push "${quick[@]}" --retry 2 big "$DOUBLE/never/x$RANDOM:1"
	assert_fails_with 120 "$4" || return
	[ "$(double_log 'map(select(.method == "PUT" and (.path | test("/manifests/1$")) and .status == 201)) | length')" -eq 0 ]
}

@test "a fault that does not pass ends a push with 120, at whatever request, and no tag is there" {
	local request
	start_double
	for request in 'GET ^/v2/$' 'POST blobs/uploads/$' 'PATCH uploads/upload' 'PUT uploads/.*digest' 'PUT manifests/'; do
		never "${request% *}" "${request#* }" '"do": "status", "status": 503, "read": false' "HTTP 503"
		never "${request% *}" "${request#* }" '"do": "status", "status": 403, "read": false' "HTTP 403"
		never "${request% *}" "${request#* }" '"do": "reset", "at": 0' ""
		[[ $request == GET* ]] ||
			never "${request% *}" "${request#* }" '"do": "body", "text": "<html>log in</html>"' "HTTP 200 (<html>log in"
	done
	# To find out what is there is worth something, but no failure.
	double_does '{"faults": [{"method": "HEAD", "path": "blobs/", "do": "status", "status": 503, "count": 0}]}'
	cooper push -q "${quick[@]}" --retry 2 big "$DOUBLE/unasked:1"
}

# waits METHOD PATH FIELDS SECONDS: between the answer and the next request of any kind
waits() {
	double_does "{\"faults\": [{\"method\": \"$1\", \"path\": \"$2\", \"do\": \"status\", \"read\": false, $3}]}"
	cooper "${@:5}" || return
	[ "$(double_log 'map(select(.fault != null)) | length')" -eq 1 ] || fail "$1 $2: no such request" || return
	python3 -c 'import sys; sys.exit(float(sys.argv[1]) < float(sys.argv[2]))' \
		"$(double_log 'map(select(.fault != null))[0] as $f |
			[.[] | select(.time > $f.end + (if .method == "POST" then 0.2 else 0 end) and .method == $f.method and .path == $f.path)] | (.[0].time - $f.end) + 0.005')" "$4" ||
		fail "$1 $2: less than $4 s were waited"
}

push_waits() {
	waits "$1" "$2" "$3" "$4" push -q "${quick[@]}" big "$DOUBLE/waits/x$RANDOM:1"
}

pull_waits() {
	local -x COOPER_ROOT COOPER_RUNROOT # the other store is wanted again
	fresh_store "waits$RANDOM"
	waits "$1" "$2" "$3" "$4" pull -q "${quick[@]}" "$DOUBLE/waits/there:1" || return
	remove_store "$COOPER_ROOT" "$COOPER_RUNROOT"
}

@test "Retry-After is waited for at whatever request, in seconds and as a date" {
	local request after
	start_double
	double_does '{}'
	cooper push -q "${quick[@]}" big "$DOUBLE/waits/there:1"
	for after in '"status": 503, "retry_after": 1' '"status": 429, "date": 1'; do
		for request in 'GET ^/v2/$' 'HEAD blobs/sha256' 'POST blobs/uploads/$' 'PATCH uploads/upload' 'PUT uploads/.*digest' \
			'PUT manifests/'; do
			# Others of its kind need not wait, but for a 429; and what was under way with it may still arrive.
			[[ $request != POST* ]] || after=${after/503/429}
			push_waits "${request% *}" "${request#* }" "$after" 1
		done
		for request in 'GET manifests/' 'GET blobs/sha256'; do
			pull_waits "${request% *}" "${request#* }" "$after" 1
		done
	done
}

# ---- What is asked besides ----

# asks_survives CONFIGURATION FAULT: a push with "@" in the configuration being the fault
asks_survives() {
	# shellcheck disable=SC2034 # double_sums sets all of them
	local config=${1//@/$2} faults sent received leaks
	double_does "{$config}"
	run timeout 60 cooper push "${quick[@]}" --creds "tester:s3cret pass" big "$DOUBLE/q$RANDOM/x$RANDOM:1"
	[ "$status" -eq 0 ] || fail "$config" || return
	double_sums
	[ "$faults" -gt 0 ] || fail "$config: no such request" || return
	[ "$received" -le $((SIZE * 135 / 100)) ] || fail "$config: $received bytes" || return
	[ "$leaks" -eq 0 ] || fail "$config: another origin saw an Authorization header"
}

@test "the token server, and the questions after a fault, fail as well" {
	local config fault counted=0 cut='{"method": "PATCH", "path": "uploads/", "nth": 3, "do": "reset", "at": 1000000}'
	start_double
	for config in '"auth": "token", "faults": [{"method": "GET", "path": "^/token", @}]' \
		"\"faults\": [$cut, {\"method\": \"GET\", \"path\": \"uploads/\", @}]" \
		'"keep_partial": false, "faults": [{"method": "PUT", "path": "digest", "do": "lost"},
			{"method": "HEAD", "path": "blobs/", "nth": 4, @}]'; do
		while read -r fault; do
			asks_survives "$config" "$fault" || return
			counted=$((counted + 1))
		done <<-'END'
			"do": "status", "status": 408
			"do": "status", "status": 500
			"do": "status", "status": 502, "count": 3
			"do": "status", "status": 429
			"do": "body", "text": ""
			"do": "reset", "at": 0
			"do": "lost"
			"do": "halved"
			"do": "stall", "at": 0, "seconds": 1.3
		END
	done
	[ "$counted" -eq 27 ]
}
