# cooper build: stages that are only copied from are not built when what they lead to is known.
load lib/common
load lib/build

setup_file() {
	common_setup_file
	use_busybox
}

setup() {
	make_context
	cache=$BATS_TEST_TMPDIR/cache
}

teardown() {
	[ "$COOPER_ROOT" = "$BATS_FILE_TMPDIR/root" ] || remove_store "$COOPER_ROOT"
}

# A store that has the base image and nothing else.
other_machine() {
	fresh_store "other-$BATS_TEST_NUMBER"
	use_busybox
}

# The stage says so when it works; the test's number keeps the tests apart.
two_stages() {
	dockerfile <<-EOF
		FROM busybox AS work
		COPY one /in
		RUN echo working; cat /in /proc/sys/kernel/random/uuid >/out-$BATS_TEST_NUMBER
		FROM busybox
		COPY --from=work /out-$BATS_TEST_NUMBER /out
		RUN cat /out >/both
	EOF
}
worked() {
	[[ $stderr == *$'\n'"working"* || $stderr == *"] working"* ]] || fail "the stage did not work: $stderr"
}
did_not_work() {
	[[ $stderr != *$'\n'"working"* && $stderr != *"] working"* ]] || fail "the stage worked: $stderr"
}

@test "a cache of the image's layers alone is enough" {
	two_stages
	build --cache-to "type=local,dest=$cache,mode=min"
	worked
	first=$output
	other_machine
	build --cache-from "type=local,src=$cache"
	did_not_work
	assert_output_is "$first"
	[[ $stderr == *"2 of 2 steps from the cache"* ]]
	# And now from this store, where the stage never was.
	build
	did_not_work
	assert_output_is "$first"
}

@test "also when the cache is written by a build that found everything" {
	two_stages
	build
	build --cache-to "type=local,dest=$cache,mode=min"
	did_not_work
	other_machine
	build --cache-from "type=local,src=$cache"
	did_not_work
}

@test "what the stage reads counts: its files, its instructions, its arguments" {
	two_stages
	build --cache-to "type=local,dest=$cache,mode=min"
	other_machine
	echo changed >one
	build --cache-from "type=local,src=$cache"
	worked
	run inside 'head -n 1 /both'
	assert_output_is changed
	echo one >one
	sed -i 's/echo working;/echo working; : more;/' Dockerfile
	build --cache-from "type=local,src=$cache"
	worked
}

@test "a stage that is not to be taken from the cache is built" {
	two_stages
	build
	first=$output
	build --no-cache-filter work
	worked
	[ "$output" != "$first" ]
	second=$output
	build
	did_not_work
	assert_output_is "$second"
}

@test "stages of stages, and mounts from a stage" {
	dockerfile <<-EOF
		FROM busybox AS first
		RUN echo working >&2; cat /proc/sys/kernel/random/uuid >/a-$BATS_TEST_NUMBER
		FROM first AS second
		COPY --from=first /a-$BATS_TEST_NUMBER /b
		FROM busybox
		RUN --mount=type=bind,from=second,target=/m cp /m/b /c
	EOF
	build --cache-to "type=local,dest=$cache,mode=min"
	worked
	first=$output
	other_machine
	build --cache-from "type=local,src=$cache"
	did_not_work
	assert_output_is "$first"
}

@test "when only the last step is new the stage is built for it, if it reads it" {
	two_stages
	build --cache-to "type=local,dest=$cache,mode=min"
	other_machine
	echo 'RUN echo new >/new' >>Dockerfile
	build --cache-from "type=local,src=$cache"
	did_not_work
	run inside 'cat /new'
	assert_output_is new
	echo "COPY --from=work /in /in" >>Dockerfile
	build --cache-from "type=local,src=$cache"
	worked
}

@test "a file that changes while an earlier step runs is known as it was copied" {
	dockerfile <<-EOF
		FROM busybox AS work
		RUN touch /go/begun; until [ -e /go/on ]; do sleep 0.1; done; echo $BATS_TEST_NUMBER >/early
		COPY two /two
		FROM busybox
		COPY --from=work /two /
	EOF
	echo before >two
	mkdir "$BATS_TEST_TMPDIR/go"
	cooper build -v "$BATS_TEST_TMPDIR/go:/go" -t made "$context" >/dev/null 3>&- &
	eventually [ -e "$BATS_TEST_TMPDIR/go/begun" ]
	echo during >two
	touch "$BATS_TEST_TMPDIR/go/on"
	wait $!
	run inside 'cat /two'
	assert_output_is during
	echo before >two
	build -v "$BATS_TEST_TMPDIR/go:/go"
	run inside 'cat /two'
	assert_output_is before
}
