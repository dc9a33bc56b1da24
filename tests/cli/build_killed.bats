# What builds have made, when prune or a limit is killed at any change that it makes: the next command uses the store.
#
# Takes long.
load lib/common
load lib/build

setup_file() {
	common_setup_file
	cc -shared -fPIC -O1 -o "$BATS_FILE_TMPDIR/killed_at.so" "$BATS_TEST_DIRNAME/../programs/killed_at.c" ||
		skip "no C compiler"
	export SOURCE_DATE_EPOCH=1700000000
	use_busybox
}

setup() {
	make_context
	dockerfile <<-'EOF'
		FROM busybox AS large
		RUN mkdir /d && head -c 10000 /dev/zero >/d/one
		RUN --mount=type=cache,id=packages,target=/cache head -c 10000 /dev/zero >/two; echo 1 >/cache/file
		FROM busybox
		COPY --from=large /d /copied
		RUN echo 1 >/own
	EOF
	build
	id=$output
}

# killed_at NUMBER COMMAND...: false when the command ended by itself.
killed_at() {
	local number=$1 status=0
	shift
	# shellcheck disable=SC2059 # an int of four bytes
	printf "$(printf '\\x%02x' $((number & 255)) $((number >> 8)) 0 0)" >"$PWD/left"
	KILLED_AT_FILE=$PWD/left LD_PRELOAD=$BATS_FILE_TMPDIR/killed_at.so ASAN_OPTIONS=verify_asan_link_order=0 \
		setsid --wait "$@" >/dev/null 2>"$PWD/errors" || status=$?
	[ "$status" -eq 0 ] || [ "$status" -eq 137 ] || fail "$* at $number: status $status: $(cat "$PWD/errors")"
	[ "$status" -eq 137 ]
}

# The image is whole, and what is missing of the cache is made again to the same.
is_well() {
	local ctr
	ctr=$(cooper from made)
	[ "$(cooper run "$ctr" sh -c 'cat /own; wc -c </copied/one')" = $'1\n10000' ] || fail "$1: the image is broken"
	cooper rm "$ctr" >/dev/null
	cooper du >/dev/null
	build
	[ "$output" = "$id" ] || fail "$1: the next build gave another image"
}

# What the command finds to take away, where is_well has not made it.
refill() {
	:
}

# dies COMMAND...: at each of its changes, before and behind it by turns. With sanitizers, under which all of this takes
# four times as long, at every other one and once: what is on disk is the same as without them.
dies() {
	local number=0 after='' further=1
	[ "${COOPER_TEST_MODE:-}" != asan ] || further=2
	refill
	while KILLED_AT_AFTER=$after killed_at "$number" "$@"; do
		is_well "$* killed at change $number"
		[ -z "$after" ] && [ "$further" = 1 ] || number=$((number + further))
		[ -n "$after" ] && after='' || after=1
		refill
	done
	[ "$number" -gt 3 ] || fail "$* makes no changes"
	is_well "$*"
	cooper prune >/dev/null
	run find "$COOPER_ROOT/tmp" "$COOPER_ROOT/containers/by-name" -mindepth 1 -maxdepth 1
	assert_output_is ""
	run cooper containers -q
	assert_output_is ""
	run find "$COOPER_ROOT/locks" -name 'container-*' -o -name 'step-*'
	assert_output_is ""
}

@test "prune of the build cache" {
	dies cooper prune --build-cache --all
}

@test "prune to a size" {
	dies cooper prune --max-used-space 1
}

@test "a limit behind a build" {
	# All but the stage's layers are the image's, too.
	refill() {
		cooper prune --build-cache --all >/dev/null 2>&1
		build
	}
	dies env COOPER_CACHE_MAX_USED_SPACE=1 cooper build -q -t made "$context"
}

@test "prune of everything that nothing refers to" {
	refill() {
		cooper build -q --label "other=$RANDOM" "$context" >/dev/null
	}
	dies cooper prune
}

@test "a build that copies what nobody has looked at" {
	printf 'FROM scratch\nCOPY dir one /d/\n' | dockerfile
	# Neither the cache nor the layer is there.
	refill() {
		rm -rf "$COOPER_ROOT"/cache
		cooper rmi -f made >/dev/null 2>&1 || true
	}
	# What was asked and has no record is looked for and made, what was not asked is made; then it is known.
	is_well() {
		build
		[ "$output" = "$id" ] || fail "$1: the next build gave another image"
		rm -rf out
		build -o out
		[[ $stderr == *"Using cache"* ]] || fail "$1: what was made is not known: $stderr"
		[ "$(cd out/d && cat flat sub/deep one)" = $'flat\ndeep\none' ] || fail "$1: it has other files"
	}
	build
	id=$output
	dies cooper build -q -t made "$context"
}

@test "a build that makes all of its stages" {
	build
	dies cooper build -q -t made --no-cache "$context"
}

@test "the container of a build that was killed is for rm and prune alone" {
	dockerfile <<-'EOF'
		FROM busybox
		RUN printf "%ss\\n" run; sleep 60
	EOF
	# Those that the tests before have left.
	cooper containers --format '{{.ContainerName}}' | sort >before
	setsid cooper build --no-cache . >/dev/null 2>log &
	local builder=$! ctr
	eventually is_said_in log 'runs$'
	kill -9 -- "-$builder"
	wait "$builder" || true
	ctr=$(cooper containers --format '{{.ContainerName}}' | sort | comm -13 before -)
	[[ $ctr == build-* ]]
	for command in "run $ctr true" "commit $ctr less" "config --env A=b $ctr" "copy $ctr log /"; do
		# shellcheck disable=SC2086 # words of a command
		run cooper $command
		assert_fails_with 125 "'$ctr' is a stage's of a build that did not end"
	done
	cooper rm "$ctr"
	cooper containers --format '{{.ContainerName}}' | sort | cmp - before
}
