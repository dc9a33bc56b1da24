# For the rules of the Dockerfile language, many to a test:  load lib/common; load lib/build; load lib/language
# shellcheck shell=bash

# Lines of stdin "WORD => VALUE": as the value of ENV each WORD must become VALUE. What they refer to is set first:
#
#	expands "SHELL=bash" "NULL=" <<-'EOF'
#		he${SHELL}xx => hebashxx
#	EOF
expands() {
	local line number=0
	cat >"$BATS_TEST_TMPDIR/table"
	{
		[ -z "${escape_directive:-}" ] || printf '%s\n' "$escape_directive"
		printf 'FROM busybox\n'
		[ $# -eq 0 ] || printf 'ENV %s\n' "$@"
		while IFS= read -r line; do
			printf 'ENV T%s=%s\n' $((number++)) "${line%% => *}"
		done <"$BATS_TEST_TMPDIR/table"
	} | dockerfile
	build
	config_of made | python3 -c '
import json, sys
env = dict(e.split("=", 1) for e in json.load(sys.stdin)["config"]["Env"])
bad = 0
for number, line in enumerate(open(sys.argv[1]).read().splitlines()):
    word, expected = line.split(" => ", 1)
    if env["T%d" % number] != expected:
        print("%s became %r instead of %r" % (word, env["T%d" % number], expected))
        bad = 1
sys.exit(bad)' "$BATS_TEST_TMPDIR/table"
}

# Lines of stdin "INSTRUCTION => TEXT": as the only one behind FROM it must be refused, with the text in the message and
# the place of the instruction. \n in an INSTRUCTION is a new line.
refuses_each() {
	local line
	while IFS= read -r line; do
		printf 'FROM busybox\n%b\n' "${line%% => *}" | dockerfile
		run --separate-stderr cooper build "$context" </dev/null
		[ "$status" -eq 125 ] || fail "exit status $status for: ${line%% => *}"
		[[ $stderr == *"${line#* => }"* ]] || fail "no '${line#* => }' for: ${line%% => *}"
		[[ $stderr == *Dockerfile:[2-9]* ]] || fail "no place for: ${line%% => *}"
	done
}

# Lines of stdin, each a whole Dockerfile (with \n for new lines) that builds.
accepts_each() {
	local line
	while IFS= read -r line; do
		printf '%b\n' "$line" | dockerfile
		run --separate-stderr cooper build "$context" </dev/null
		[ "$status" -eq 0 ] || fail "refused: $line"
	done
}

# The number of steps that the last build took from the cache.
cached() {
	local count
	count=$(grep -c "Using cache" <<<"$stderr") || true
	[ "$count" -eq "$1" ] || fail "$count steps instead of $1 came from the cache"
}

# For a file that also downloads: an HTTP server on loopback for what lies in $BATS_FILE_TMPDIR/web. Exports WEB (its URL),
# and WEB_LOG, a line for each request.
web_setup_file() {
	local port
	common_setup_file
	use_busybox
	mkdir "$BATS_FILE_TMPDIR/web"
	port=$(free_port)
	export WEB=http://127.0.0.1:$port WEB_LOG=$BATS_FILE_TMPDIR/web.log
	python3 -u -m http.server --bind 127.0.0.1 --directory "$BATS_FILE_TMPDIR/web" "$port" >"$WEB_LOG" 2>&1 3>&- &
	printf '%s\n' "$!" >"$BATS_FILE_TMPDIR/web.pid"
	wait_for_port "127.0.0.1:$port" "$BATS_FILE_TMPDIR/web.pid"
}

web_teardown_file() {
	[ ! -e "$BATS_FILE_TMPDIR/web.pid" ] || stop_process "$BATS_FILE_TMPDIR/web.pid"
	common_teardown_file
}
