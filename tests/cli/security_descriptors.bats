# What a step is given to read and write leads to nothing but itself.
load lib/common

setup_file() {
	common_setup_file
	use_busybox
	cooper from --name c busybox
}

@test "the file that is a step's input cannot be written" {
	echo mine >"$BATS_TEST_TMPDIR/in"
	run cooper run c -- sh -c 'cat; echo owned >/proc/self/fd/0; echo owned >/dev/stdin' <"$BATS_TEST_TMPDIR/in"
	assert_output_has mine
	[ "$(cat "$BATS_TEST_TMPDIR/in")" = mine ]
}

@test "the file that is a step's output cannot be read, cut or overwritten" {
	echo history >"$BATS_TEST_TMPDIR/log"
	cooper run c -- sh -c 'timeout 1 head -n 1 /proc/self/fd/1 >&2; : >/proc/self/fd/1; echo new' \
		>>"$BATS_TEST_TMPDIR/log" 2>"$BATS_TEST_TMPDIR/err"
	[ "$(cat "$BATS_TEST_TMPDIR/log")" = $'history\nnew' ]
	run ! grep -q history "$BATS_TEST_TMPDIR/err"
}

@test "a directory as input is no way to the host" {
	run cooper run c -- sh -c 'cd /proc/self/fd/0 && ls' <"$HOME"
	[ "$status" -ne 0 ]
}

@test "a step without a terminal of its own cannot open the user's" {
	skip_unless script
	run script -qec "cooper run --tty=false c -- sh -c 'readlink /proc/self/fd/0 /proc/self/fd/1; : </dev/tty'" /dev/null
	assert_output_lacks /dev/pts
	assert_output_has "/dev/tty"
}

@test "output and errors into one file keep their order" {
	cooper run c -- sh -c 'for i in 1 2 3; do echo o$i; echo e$i >&2; done' >"$BATS_TEST_TMPDIR/both" 2>&1
	[ "$(tr '\n' ' ' <"$BATS_TEST_TMPDIR/both")" = "o1 e1 o2 e2 o3 e3 " ]
}

@test "a step takes no more of its input than it reads" {
	seq 4 >"$BATS_TEST_TMPDIR/lines"
	while read -r line; do
		cooper run c -- echo "got $line" >>"$BATS_TEST_TMPDIR/got"
	done <"$BATS_TEST_TMPDIR/lines"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/got")" -eq 4 ]
}

@test "large input and output come through whole" {
	seq 200000 >"$BATS_TEST_TMPDIR/large"
	cooper run c -- cat <"$BATS_TEST_TMPDIR/large" >"$BATS_TEST_TMPDIR/copy"
	cmp "$BATS_TEST_TMPDIR/large" "$BATS_TEST_TMPDIR/copy"
}

@test "closed descriptors do no harm" {
	# Closed by a shell of its own: bats' own pipe would take the number.
	run timeout 60 sh -c 'exec cooper run c -- sh -c "cat; exit 3" <&-'
	[ "$status" -eq 3 ]
	seq 200000 >"$BATS_TEST_TMPDIR/unread"
	run cooper run c -- sh -c 'exec <&-; exit 4' <"$BATS_TEST_TMPDIR/unread"
	[ "$status" -eq 4 ]
	status=0
	cooper run c -- sh -c 'exec >&-; exit 5' >"$BATS_TEST_TMPDIR/out" || status=$?
	[ "$status" -eq 5 ]
}

@test "the disk limit holds for a step that never stops talking" {
	status=0
	timeout 60 cooper run --disk-limit 20m c -- \
		sh -c 'while :; do echo x; head -c 300000 /dev/zero >>/tmp/fill; done' \
		>"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" || status=$?
	[ "$status" -eq 137 ]
	grep -q "disk limit" "$BATS_TEST_TMPDIR/err"
}

@test "host sockets, keys, cgroups and kernel switches are out of reach" {
	python3 -c '
import socket, time
s = socket.socket(socket.AF_UNIX); s.bind("\0cooper-check"); s.listen(); print("listens", flush=True); time.sleep(600)' \
		>"$BATS_TEST_TMPDIR/server" 3>&- &
	server=$!
	cat >"$BATS_TEST_TMPDIR/reach.py" <<-'END'
	import ctypes, os, socket
	libc = ctypes.CDLL(None, use_errno=True)
	def reached(name, act):
	    try:
	        act()
	        print("reached", name)
	    except (OSError, PermissionError):
	        pass
	def call(number, *args):
	    if libc.syscall(number, *args) < 0:
	        raise OSError(ctypes.get_errno(), "")
	reached("socket", lambda: socket.socket(socket.AF_UNIX).connect("\0cooper-check"))
	if os.uname().machine == "x86_64":
	    reached("keyctl", lambda: call(250, 0, -3, 0))
	    reached("add_key", lambda: call(248, b"user", b"x", b"y", 1, -3))
	    reached("bpf", lambda: call(321, 0, 0, 0))
	    reached("userfaultfd", lambda: call(323, 0))
	    reached("io_uring", lambda: call(425, 1, 0))
	    reached("tiocsti", lambda: call(16, 1, 0x5412, b"x"))
	    reached("tiocsti in the high half", lambda: call(16, 1, 0x100005412, b"x"))
	for path in ("/sys/fs/cgroup/cgroup.procs", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger",
	             "/proc/sys/user/max_user_namespaces", "/sys/kernel/uevent_helper"):
	    reached(path, lambda: os.open(path, os.O_WRONLY))
	reached("cgroup", lambda: os.mkdir("/sys/fs/cgroup/x"))
	# mknod is recorded for the layer (docs/rootless.md): what is there is an empty file, whatever stat says.
	def read_device(mode, major, minor):
	    os.mknod("/tmp/node", mode, os.makedev(major, minor))
	    try:
	        with open("/tmp/node", "rb") as node:
	            if not node.read(1):
	                raise OSError("an empty file")
	    finally:
	        os.unlink("/tmp/node")
	for mode, major, minor in ((0o60666, 8, 0), (0o20666, 1, 1), (0o20666, 1, 5)):
	    reached("a device of mknod's", lambda: read_device(mode, major, minor))
	END
	eventually [ -s "$BATS_TEST_TMPDIR/server" ]
	cooper from --name py busybox
	cooper run py sh -c 'for d in lib lib64; do test -e /$d || ln -s usr/$d /$d; done'
	run cooper run -v /usr:/usr:ro -v "$BATS_TEST_TMPDIR/reach.py:/reach.py:ro" py /usr/bin/python3 /reach.py
	kill "$server"
	[ "$status" -eq 0 ]
	# Landlock's scopes are of Linux 6.12; before that the documentation says what can be reached.
	[ "$(uname -r | awk -F. '{ print ($1 * 100 + $2 >= 612) }')" = 1 ] || output=${output//reached socket/}
	assert_output_is ""
}

# The files of a process that is not dumpable belong to root (proc(5)).
belongs_to_root() {
	[ "$(stat -c %u "$1")" = 0 ]
}

@test "nobody of our user can attach to cooper while a step runs" {
	cooper run c -- sh -c 'echo ready >/ready; sleep 600' 3>&- &
	pid=$!
	eventually belongs_to_root "/proc/$pid/environ"
	kill "$pid"
	wait "$pid" || true
}
