# cooper build: a RUN that failed is entered, at once or later.
load lib/common
load lib/build

setup_file() {
	common_setup_file
	use_busybox
}

setup() {
	make_context
	printf 'top secret' >"$BATS_TEST_TMPDIR/secret"
}

terminal() {
	python3 "$BATS_TEST_DIRNAME/lib/terminal.py" "$@"
}

# The name that a failed build's error has.
kept_name() {
	sed -n 's/.*`cooper run -t \(build-[0-9a-f]*\) .*/\1/p' <<<"$1"
}

# A step that has all kinds of mounts and fails.
failing_step() {
	dockerfile <<-'EOF'
		FROM busybox AS other
		RUN echo of-stage >/file
		FROM busybox
		ENV E=environment
		ARG A=argument
		WORKDIR /work
		USER app
		RUN --mount=type=cache,target=/cache,uid=1000 --mount=from=other,source=/file,target=/stage \
			--mount=target=/ctx,source=dir --mount=type=tmpfs,target=/tmpfs,size=1m \
			--mount=type=secret,id=key,uid=1000 --mount=type=secret,id=key,env=KEY \
			echo kept >/cache/note && echo left >/tmp/left && exit 7
	EOF
}

look='echo "<$E $A $PWD $(id -un) $(cat /stage /cache/note /tmp/left | tr "\n" " ")$(ls /ctx | head -n 1) $(cat /run/secrets/key 2>&1) $KEY>"'

@test "--debug opens a shell in the step that failed, with its mounts, secrets, environment and user" {
	failing_step
	run -7 terminal 'leave it' "$look" 'secret>' 'exit 3' -- \
		cooper build --debug --secret "id=key,src=$BATS_TEST_TMPDIR/secret" "$context"
	assert_output_has "<environment argument /work app of-stage kept left "
	assert_output_has "top secret top secret>"
	assert_output_has "exit code: 7"
	cooper rm "$(kept_name "$output")"
}

@test "--debug without a terminal says so and fails as ever" {
	failing_step
	run --separate-stderr -7 setsid -w cooper build --debug --secret "id=key,src=$BATS_TEST_TMPDIR/secret" "$context"
	[[ $stderr == *"there is no terminal to open a shell on"* ]]
	cooper rm "$(kept_name "$stderr")"
}

@test "--debug is refused where there is nobody to type" {
	for flags in -q --progress=json "--logfile $BATS_TEST_TMPDIR/log"; do
		# shellcheck disable=SC2086
		run cooper build --debug $flags "$context"
		assert_fails_with 125 "--debug is for somebody at a terminal"
	done
}

@test "the kept container has the step's mounts, too, and its secrets when they are given again" {
	failing_step
	run --separate-stderr -7 cooper build --secret "id=key,src=$BATS_TEST_TMPDIR/secret" "$context"
	name=$(kept_name "$stderr")
	run --separate-stderr -0 cooper run --secret "id=key,src=$BATS_TEST_TMPDIR/secret" "$name" -- /bin/sh -c "$look"
	assert_output_has "<environment argument /work app of-stage kept left "
	assert_output_has "top secret top secret>"
	run --separate-stderr -0 cooper run "$name" -- /bin/sh -c 'df -k /tmpfs | tail -n 1; ! touch /ctx/new 2>/dev/null'
	run grep -r "top secret" "$COOPER_ROOT/containers"
	[ "$status" -eq 1 ]
	cooper rm "$name"
}

@test "what only the build had unpacked is kept in the container: ignored files, a tar context, a script" {
	echo 'dir/*' >"$context/.dockerignore"
	echo '!dir/flat' >>"$context/.dockerignore"
	dockerfile <<-'EOF'
		FROM busybox
		RUN --mount=target=/ctx <<SCRIPT
		#!/bin/sh
		ls /ctx/dir >/listed
		exit 4
		SCRIPT
	EOF
	run --separate-stderr -4 cooper build "$context"
	name=$(kept_name "$stderr")
	run --separate-stderr -0 cooper run "$name" -- sh -c 'ls /ctx/dir; cat /listed; tail -n 1 /dev/pipes/*'
	assert_output_is $'flat\nflat\nexit 4'
	cooper rm "$name"
	rm "$context/.dockerignore"
	tar -C "$context" -cf "$BATS_TEST_TMPDIR/context.tar" .
	run --separate-stderr -4 cooper build - <"$BATS_TEST_TMPDIR/context.tar"
	name=$(kept_name "$stderr")
	run --separate-stderr -0 cooper run "$name" -- sh -c 'cat /ctx/dir/flat'
	cooper rm "$name"
}
