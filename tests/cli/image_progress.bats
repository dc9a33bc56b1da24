# What is told of blobs on their way: bars on a terminal, lines elsewhere.
load lib/common
load lib/double

setup_file() {
	common_setup_file
	use_busybox
	make_image big 6300000 # more than what goes in one PUT
	start_double
	export TLS=--tls-verify=false
	double_does '{}'
	cooper push -q "$TLS" big "docker://$DOUBLE/from:1"
	# Slow enough for a few redraws.
	export SLOW='{"mount": "no", "rate": 5000000}'
}

# on_terminal COMMAND...: what a terminal gets to see
on_terminal() {
	TERM=xterm script -qec "$*" /dev/null </dev/null
}

@test "on a terminal a blob is a bar with a rate, and the result stands alone" {
	double_does "$SLOW"
	fresh_store pulls
	run on_terminal cooper pull "$TLS" "docker://$DOUBLE/from:1"
	assert_succeeds
	[[ $output =~ pull\ [0-9a-f]{12}\ \[=*\ *\]\ [0-9.]+\ [kKM]?B\ /\ 6\.3\ MB\ +[0-9.]+\ [kKM]?B/s ]]
	# Taken away again (ECMA-48: up, erase to the end) before the id is printed.
	[[ $output == *$'\e['*$'A\e[J'* ]]
	[[ ${lines[-1]} =~ ^$'\e'?.*[0-9a-f]{64} ]]
	id=$(cooper images -q --no-trunc | head -n 1)
	[[ ${lines[-1]} == *"${id#sha256:}"* ]]
	remove_store "$COOPER_ROOT"
}

@test "so they are for push, image copy and manifest push" {
	double_does "$SLOW"
	fresh_store copies
	run on_terminal cooper image copy "$TLS" "docker://$DOUBLE/from:1" "docker://$DOUBLE/to/copied:1"
	assert_succeeds
	# What comes and goes is one thing.
	[[ $output =~ push\ [0-9a-f]{12}\ \[ ]]
	[[ ! $output =~ pull\ [0-9a-f]{12}\ \[ ]]
	cooper pull -q "$TLS" "docker://$DOUBLE/from:1" >/dev/null
	cooper manifest create list "$DOUBLE/from:1" >/dev/null
	for command in "push $TLS $DOUBLE/from:1 docker://$DOUBLE/to/pushed:1" "manifest push $TLS list docker://$DOUBLE/to/listed:1" \
		"image sync $TLS --src docker --dest docker $DOUBLE/from:1 $DOUBLE/to/synced"; do
		run on_terminal cooper "$command"
		[ "$status" -eq 0 ] || fail "$command: $output"
		[[ $output =~ push\ [0-9a-f]{12}\ \[ ]] || fail "$command: no bar: $output"
	done
	remove_store "$COOPER_ROOT"
}

@test "a layer that is packed on the way has a bar as well, which ends when it has arrived" {
	double_does "$SLOW"
	COOPER_ROOT=$BATS_FILE_TMPDIR/root run on_terminal cooper push "$TLS" big "docker://$DOUBLE/to/packed:1"
	assert_succeeds
	[[ $output =~ push\ [0-9a-f]{12}\ \[=*\ *\]\ [0-9.]+\ [kKM]?B\ /\ 6\.3\ MB ]]
	[[ ${lines[-1]} != *"push "*"["* ]]
}

@test "an error is the last word" {
	double_does '{"faults": [{"method": "GET", "path": "blobs/", "do": "status", "status": 403, "count": 0}]}'
	fresh_store fails
	run on_terminal cooper pull "$TLS" "docker://$DOUBLE/from:1"
	[ "$status" -eq 125 ]
	[[ ${lines[-1]} == *"cooper: "*"403"* ]]
	remove_store "$COOPER_ROOT"
}

@test "--quiet and a terminal that cannot move its cursor have no bars" {
	double_does "$SLOW"
	fresh_store quiet
	run on_terminal cooper pull -q "$TLS" "docker://$DOUBLE/from:1"
	assert_succeeds
	[[ $output != *$'\e['* && $output != *"pull "* ]]
	fresh_store dumb
	run env TERM=dumb script -qec "cooper pull $TLS docker://$DOUBLE/from:1" /dev/null
	assert_succeeds
	[[ $output != *$'\e['* ]]
	assert_output_has "Copying blob sha256:"
	remove_store "$COOPER_ROOT"
}

@test "in a log there is a line for each blob" {
	double_does "$SLOW"
	fresh_store lines
	run --separate-stderr -0 cooper pull "$TLS" "docker://$DOUBLE/from:1"
	[[ $output =~ ^[0-9a-f]{64}$ ]]
	# shellcheck disable=SC2154 # bats' own
	[ "$(grep -c '^Copying blob sha256:[0-9a-f]\{64\} ([0-9.]* [kM]\?B)$' <<<"$stderr")" -ge 2 ]
	[[ $stderr != *$'\e['* ]]
	remove_store "$COOPER_ROOT"
}

@test "and a sign of life, so that nobody takes it for dead" {
	double_does '{"mount": "no", "rate": 2000000}'
	fresh_store slow
	COOPER_PROGRESS_INTERVAL=300ms run --separate-stderr -0 cooper pull "$TLS" "docker://$DOUBLE/from:1"
	grep -qx 'Still copying: [0-9.]* [kM]\?B so far, [0-9]* under way' <<<"$stderr"
	COOPER_PROGRESS_INTERVAL=often run -125 cooper pull "$TLS" "docker://$DOUBLE/from:1"
	assert_output_has "COOPER_PROGRESS_INTERVAL"
	fresh_store quick
	double_does '{}'
	run --separate-stderr -0 cooper pull "$TLS" "docker://$DOUBLE/from:1"
	[[ $stderr != *"Still copying"* ]]
	remove_store "$COOPER_ROOT"
}

@test "a question is asked where it can be seen, and answered without an echo" {
	double_does '{"auth": "basic"}'
	fresh_store asks
	run python3 - "$DOUBLE" <<-'END'
		import os, pty, sys
		pid, terminal = pty.fork()
		if pid == 0:
		    os.environ["TERM"] = "xterm"
		    place = "docker://" + sys.argv[1] + "/from:1"
		    os.execvp("cooper", ["cooper", "pull", "--tls-verify=false", "--creds", "tester", place])
		shown = b""
		while b"Password: " not in shown:
		    shown += os.read(terminal, 1000)
		os.write(terminal, b"s3cret pass\n")
		try:
		    while block := os.read(terminal, 1000):
		        shown += block
		except OSError:
		    pass
		_, status = os.waitpid(pid, 0)
		assert status == 0, (status, shown)
		assert b"s3cret" not in shown
	END
	assert_succeeds
	cooper images -q "$DOUBLE/from:1"
	remove_store "$COOPER_ROOT"
}
