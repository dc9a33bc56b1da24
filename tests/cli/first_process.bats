# cooper as process 1 of a pid namespace, which it is in a pod: signals that it does not handle would not reach it.
load lib/common

setup() {
	fresh_store "first-$BATS_TEST_NUMBER"
	unshare --user --map-root-user --pid --mount-proc --fork true 2>/dev/null || skip "no pid namespaces for users here"
	command -v busybox >/dev/null || skip "busybox is not installed"
	mkdir "$BATS_TEST_TMPDIR/context"
	cd "$BATS_TEST_TMPDIR/context"
	cp "$(command -v busybox)" busybox
	cat >Dockerfile <<-'END'
		FROM scratch
		COPY busybox /bin/
		SHELL ["/bin/busybox", "sh", "-c"]
		RUN echo "waiting for" nothing; exec /bin/busybox sleep 60
	END
}

# begin WORD...: what stands before the command; sets first to the first process of the namespace, once the build waits.
begin() {
	unshare --user --map-root-user --pid --mount-proc --fork --kill-child "$@" cooper build --progress=plain . >said 2>&1 3>&- &
	outside=$!
	eventually is_said_in said 'waiting for nothing' || fail "$(cat said)" || return
	first=$(pgrep -P "$outside")
}

@test "SIGTERM, SIGINT and SIGHUP end it, with what they ended" {
	for signal in TERM INT HUP; do
		# A shell's background processes ignore SIGINT; and what is ignored stays so.
		begin env --default-signal=INT
		members=$(pgrep -P "$first")
		kill -s "$signal" "$first"
		status=0
		wait "$outside" || status=$?
		[ "$status" -eq $((128 + $(kill -l "$signal"))) ] || fail "status $status"
		grep -qx "cooper: ended by SIG$signal" said
		[ -n "$members" ]
		for member in $members; do
			! kill -0 "$member" 2>/dev/null || fail "process $member lives"
		done
	done
}

@test "a signal that is ignored does not end it" {
	begin sh -c 'trap "" HUP; exec "$@"' sh
	kill -s HUP "$first"
	sleep 0.3
	kill -0 "$first"
	kill -s TERM "$first"
	status=0
	wait "$outside" || status=$?
	[ "$status" -eq 143 ]
}
