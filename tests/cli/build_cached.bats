# What a build does in which nothing has changed: it asks for the state of files and looks up keys, and no more.
load lib/common
load lib/build

setup_file() {
	common_setup_file
	use_busybox
}

setup() {
	make_context
	dockerfile <<-'EOF'
		FROM busybox AS tools
		RUN mkdir /t && echo tool >/t/tool
		FROM busybox
		COPY one /
		COPY dir /d
		ADD two /a/
		COPY --from=tools /t /t
		WORKDIR /w
		RUN echo made >made
		ENV A=1
		LABEL b=2
	EOF
	find "$context" -exec touch -h -d 2020-01-01 {} +
	sleep 0.05
}

# calls COMMAND...: the system calls of a command and all that it starts, one a line, in the file `calls`.
calls() {
	command -v strace >/dev/null || skip "no strace"
	strace -f -qq -o "$BATS_TEST_TMPDIR/calls" true 2>/dev/null || skip "strace may not trace here"
	# Who is traced cannot look for leaks.
	ASAN_OPTIONS=detect_leaks=0${ASAN_OPTIONS:+:$ASAN_OPTIONS} LSAN_OPTIONS=detect_leaks=0 \
		strace -f -qq -s 4096 -o "$BATS_TEST_TMPDIR/calls" "$@" >"$BATS_TEST_TMPDIR/out" 2>&1 ||
		fail "$*: $(cat "$BATS_TEST_TMPDIR/out")"
}

# has_no_calls WHAT PATTERN: WHAT is said when there are some.
has_no_calls() {
	! grep -nE -m 3 "$2" "$BATS_TEST_TMPDIR/calls" >"$BATS_TEST_TMPDIR/found" ||
		fail "$1: $(cat "$BATS_TEST_TMPDIR/found")"
}

@test "a cached build reads no file, opens no layer, starts nothing and talks to nobody" {
	build
	local id=$output
	build
	calls cooper build -q -t made "$context"
	[ "$(tail -n 1 "$BATS_TEST_TMPDIR/out")" = "$id" ] || fail "another image: $(cat "$BATS_TEST_TMPDIR/out")"
	[ "$(grep -c ' execve(' "$BATS_TEST_TMPDIR/calls")" -eq 1 ] || fail "it has executed something"
	# A thread of the walk is one of ours.
	! grep -E ' (fork|vfork|clone|clone3)\(' "$BATS_TEST_TMPDIR/calls" | grep -v CLONE_THREAD || fail "it has forked"
	has_no_calls "it has gone into a namespace" ' (unshare|setns|mount|fsopen|open_tree)\('
	has_no_calls "it has opened a connection" ' (socket|connect|sendto|sendmsg)\('
	# Files of the context by their names, for anything but their state.
	grep -E ' open(at|at2)?\(' "$BATS_TEST_TMPDIR/calls" | grep -vE 'O_PATH|O_DIRECTORY|ENOENT' |
		grep -E '"(/?([^"]*/)?)(one|two|flat|deep)"' >"$BATS_TEST_TMPDIR/found" && fail "it has read: $(cat "$BATS_TEST_TMPDIR/found")"
	has_no_calls "it has opened a layer" ' open(at|at2)?\(.*"[^"]*[0-9a-f]{64}[^"]*/fs'
	has_no_calls "it has changed a layer" ' (rename|renameat|renameat2)\(.*layers'
}

# The same instruction again and again: what each step asks for more is seen here and not in a time.
@test "a cached step costs a few calls, among hundreds as among ten" {
	local count few many
	for count in 20 220; do
		{
			echo 'FROM scratch'
			for ((n = 0; n < count; n++)); do echo "COPY one /$n"; done
		} | dockerfile
		build
		build
		calls cooper build -q -t made "$context"
		[ "$count" -eq 20 ] && few=$(wc -l <"$BATS_TEST_TMPDIR/calls") || many=$(wc -l <"$BATS_TEST_TMPDIR/calls")
	done
	[ $((many - few)) -lt $((200 * 25)) ] || fail "$(((many - few) / 200)) calls for each step"
}

@test "of a context in which a file has changed each is looked at once before it is copied" {
	dockerfile <<-'EOF'
		FROM scratch
		COPY . /all
	EOF
	build
	command -v strace >/dev/null || skip "no strace"
	strace -f -qq -o "$BATS_TEST_TMPDIR/calls" true 2>/dev/null || skip "strace may not trace here"
	echo changed >"$context/one"
	# In a session, as newuidmap has no privileges where it is traced.
	cooper unshare env ASAN_OPTIONS="detect_leaks=0${ASAN_OPTIONS:+:$ASAN_OPTIONS}" LSAN_OPTIONS=detect_leaks=0 \
		strace -f -qq -o "$BATS_TEST_TMPDIR/calls" cooper build -q -t made "$context" >"$BATS_TEST_TMPDIR/out" 2>&1 ||
		fail "$(cat "$BATS_TEST_TMPDIR/out")"
	[ "$(grep -cE ' (statx|newfstatat|fstatat64)\([0-9]+, "two"' "$BATS_TEST_TMPDIR/calls")" -eq 2 ] ||
		fail "$(grep '"two"' "$BATS_TEST_TMPDIR/calls")"
}
