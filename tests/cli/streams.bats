# stdin, stdout and stderr that are closed, full or nobody's.
load lib/common

setup_file() {
	common_setup_file
	use_busybox
	cooper from --name c busybox
}

# What the step's descriptors 0 to 2 are, when the caller has closed some:  descriptors_with '<&-'
descriptors_with() {
	local list=$BATS_TEST_TMPDIR/list
	mkdir -p "$list"
	: >"$list/out"
	sh -c "cooper run --volume $list:/list c -- sh -c 'for fd in 0 1 2; do readlink /proc/self/fd/\$fd; done >/list/out' $1" || true
	cat "$list/out"
}

@test "a closed stdin is empty for a step, and no descriptor of the store" {
	run sh -c 'cooper run c -- cat <&-'
	assert_succeeds
	assert_output_is ""
	run sh -c 'cooper run c -- ls /proc/self/fd/0/ <&-'
	[ "$status" -ne 0 ]
}

@test "whatever the caller has closed, a step gets nothing of cooper's in its place" {
	for closed in '<&-' '>&-' '2>&-' '<&- 2>&-' '<&- >&- 2>&-'; do
		run descriptors_with "$closed"
		assert_output_lacks "$COOPER_ROOT"
	done
	run sh -c 'cooper unshare readlink /proc/self/fd/0 <&-'
	assert_output_is /dev/null
}

@test "a result that nobody can read is an error, and is written into nothing else" {
	run sh -c 'cooper images >&-'
	assert_fails_with 125 "write to standard output"
	run sh -c 'cooper images >/dev/full'
	assert_fails_with 125 "no space left"
	run sh -c 'cooper from --name lost busybox >&-'
	assert_fails_with 125 "write to standard output"
	run cooper inspect --format '{{.Container}}' lost
	assert_output_is lost
}

@test "a closed stderr changes neither result nor status" {
	run sh -c 'cooper images -q <&- 2>&-'
	assert_succeeds
	[[ $output =~ ^[0-9a-f]{12}$ ]]
	run sh -c 'cooper from nosuch:/ 2>&-'
	[ "$status" -eq 125 ]
	assert_output_is ""
}

@test "a reader who has had enough ends it quietly" {
	for i in $(seq 40); do cooper tag busybox "many:tag$i"; done
	run --separate-stderr bash -c 'set -o pipefail; cooper images | true'
	[ "$stderr" = "" ]
	[ "$status" -eq 0 ] || [ "$status" -eq 141 ]
	run --separate-stderr bash -c '{ sleep 0.3; cooper images; echo "$?" >&2; } | true'
	[ "$stderr" = 141 ]
}

# at_prompt DEFAULT|IGNORED: what SIGINT is to the command when ^C is typed at its password prompt.
at_prompt() {
	run python3 -c '
import os, pty, signal, sys, termios, time
is_ignored = sys.argv[1] == "IGNORED"
pid, terminal = pty.fork()
if pid == 0:
    signal.signal(signal.SIGINT, signal.SIG_IGN if is_ignored else signal.SIG_DFL)
    os.execvp("cooper", ["cooper", "login", "-u", "me", "127.0.0.1:1"])
shown = b""
while b"Password" not in shown:
    shown += os.read(terminal, 100)
echo = lambda: bool(termios.tcgetattr(terminal)[3] & termios.ECHO)
while echo():
    time.sleep(0.01)
keep = os.open(os.readlink("/proc/%d/fd/0" % pid), os.O_RDWR | os.O_NOCTTY)
os.write(terminal, b"sec\x03")
_, status = os.waitpid(pid, 0)
assert status == (125 << 8 if is_ignored else signal.SIGINT), status
assert echo()
os.set_blocking(terminal, False)
said = b""
try:
    while True:
        said += os.read(terminal, 4096)
except BlockingIOError:
    pass
assert (b"read the Password" in said) == is_ignored, said' "$1"
	assert_succeeds
}

@test "^C at the password prompt leaves the terminal as it was" {
	at_prompt DEFAULT
}

@test "^C at the password prompt is no empty password where it is ignored" {
	at_prompt IGNORED
}
