# A session of `cooper unshare` with one id: the program, `copy`, `run`, `commit` and what is mounted agree about who
# owns what.
load lib/common

setup_file() {
	common_setup_file
	export COOPER_ROOT=$BATS_FILE_TMPDIR/alone/root COOPER_RUNROOT=$BATS_FILE_TMPDIR/alone/runroot
	mkdir -p "$COOPER_ROOT"
	local id
	id=$(alone pull -q "oci-archive:$(busybox_archive)") && alone tag "$id" busybox
}

teardown_file() {
	chmod -R u+rwX "$BATS_FILE_TMPDIR/alone" 2>/dev/null || true
	rm -rf "$BATS_FILE_TMPDIR/alone"
	common_teardown_file
}

alone() {
	unshare --map-root-user cooper "$@"
}

# session < script: runs it with sh in a session of one id, in the test's own directory.
session() {
	cat >"$BATS_TEST_TMPDIR/script"
	cd "$BATS_TEST_TMPDIR" || return
	alone unshare bash -eu script "$@"
}

entries() {
	alone push -q "$1" "dir:$BATS_TEST_TMPDIR/dir"
	python3 - "$BATS_TEST_TMPDIR/dir" <<-'END'
		import json, sys, tarfile
		layers = json.load(open(sys.argv[1] + '/manifest.json'))['layers']
		for e in tarfile.open(sys.argv[1] + '/' + layers[-1]['digest'].split(':')[1]):
		    print(e.name, e.type.decode(), '%o' % e.mode, e.uid, e.gid, e.devmajor, e.devminor)
	END
}

@test "what a script does to a mounted container is what a step sees and what is committed" {
	run session <<-'END'
		ctr=$(cooper from busybox)
		mnt=$(cooper mount "$ctr")
		touch "$mnt/f"; chown 33:44 "$mnt/f"; chmod 4755 "$mnt/f"
		ln -s f "$mnt/link"; chown -h 5:6 "$mnt/link"
		mkfifo "$mnt/fifo"; chown 7:8 "$mnt/fifo"
		mknod -m 640 "$mnt/null" c 1 3
		install -o 12 -g 13 script "$mnt/installed"
		stat -c '%u:%g %a' "$mnt/f" "$mnt/link" | tr '\n' ' '
		cooper run "$ctr" stat -c '%n %u:%g' /f /link /fifo /installed
		cooper commit -q "$ctr" mounted >/dev/null
	END
	[ "$status" -eq 0 ]
	[ "$output" = $'33:44 4755 5:6 777 /f 33:44\n/link 5:6\n/fifo 7:8\n/installed 12:13' ]
	run entries mounted
	assert_output_has "f 0 4755 33 44 0 0"
	assert_output_has "link 2 777 5 6 0 0"
	assert_output_has "fifo 6 644 7 8 0 0"
	assert_output_has "null 3 640 0 0 1 3"
	assert_output_has "installed 0 755 12 13 0 0"
}

@test "what an image, copy and a step have made is seen in the mount, and a rename there keeps it" {
	run session <<-'END'
		ctr=$(cooper from busybox)
		cooper run "$ctr" sh -c 'ln -s a /link; chown -h 5:6 /link; mkfifo /fifo; chown 7:8 /fifo; mknod /disk b 8 1'
		cooper commit -q "$ctr" below >/dev/null
		ctr=$(cooper from below)
		mnt=$(cooper mount "$ctr")
		cooper copy -q --chown 9:10 "$ctr" script /script
		cd "$mnt"
		stat -c '%n %u:%g %F' link fifo disk script
		mv link moved; chown 1 script
		tar --numeric-owner -cf - moved script disk | tar --numeric-owner -tvf - | awk '{print $1, $2, $NF}'
		cooper run "$ctr" sh -c 'ln -s b /later; chown -h 3:4 /later'
		stat -c '%n %u:%g' later
		cd /
		cooper commit -q "$ctr" above >/dev/null
	END
	[ "$status" -eq 0 ]
	[ "$output" = "link 5:6 symbolic link
fifo 7:8 fifo
disk 0:0 block special file
script 9:10 regular file
lrwxrwxrwx 5/6 a
-rw-r--r-- 1/10 script
brw-r--r-- 0/0 disk
later 3:4" ]
	run entries above
	assert_output_has "moved 2 777 5 6 0 0"
	assert_output_has "later 2 777 3 4 0 0"
	assert_output_has "script 0 644 1 10 0 0"
}

@test "a container of scratch and one whose layers are copied are the same" {
	run session <<-'END'
		ctr=$(cooper from scratch)
		mnt=$(cooper mount "$ctr")
		ln -s f "$mnt/link"; chown -h 5:6 "$mnt/link"; mkdir "$mnt/d"; chown 7:8 "$mnt/d"
		cooper commit -q "$ctr" scratched >/dev/null
	END
	[ "$status" -eq 0 ]
	run entries scratched
	assert_output_has "link 2 777 5 6 0 0"
	assert_output_has "d 5 755 7 8 0 0"
}

@test "commands in a session get its descriptors, directory and environment, and give their status" {
	run --separate-stderr session <<-'END'
		ctr=$(cooper from busybox)
		echo input | cooper run "$ctr" cat
		mkdir sub; cd sub; echo here >file
		cooper copy -q "$ctr" file /file
		cooper copy -q "$ctr" <(echo gone) /never 2>/dev/null || echo "no pipe"
		VALUE=passed cooper run --env VALUE "$ctr" sh -c 'cat /file; echo $VALUE; echo to-stderr >&2; exit 9' || echo "status $?"
		cooper run --secret id=s,src=<(printf hidden) --mount type=secret,id=s "$ctr" cat /run/secrets/s
		cooper nonsense 2>/dev/null || echo "status $?"
		cooper rm "$ctr" | cat >/dev/null
		exit 5
	END
	[ "$status" -eq 5 ]
	[ "$output" = $'input\nno pipe\nhere\npassed\nstatus 9\nhiddenstatus 125' ]
	[ "$stderr" = to-stderr ]
}

@test "unshare in a session, a program in the background, and a command that is killed" {
	run session <<-'END'
		cooper unshare sh -c 'touch x; chown 3:4 x; stat -c %u:%g x'
		(sleep 1; stat -c 'late %u:%g' x >late 2>&1) >/dev/null 2>&1 &
		ctr=$(cooper from busybox)
		cooper run -v "$PWD:/here" "$ctr" sh -c 'trap "exit 0" TERM; echo started; touch /here/begun; sleep 60 & wait' &
		until [ -e begun ] || ! kill -0 $!; do sleep 0.1; done
		kill -KILL $!
		wait $! || echo "status $?"
		cooper rm "$ctr" >/dev/null && echo removed
	END
	[ "$status" -eq 0 ]
	assert_output_has "3:4"
	assert_output_has "started"
	assert_output_has "status 137"
	assert_output_has "removed"
	eventually [ -s "$BATS_TEST_TMPDIR/late" ]
	[ "$(cat "$BATS_TEST_TMPDIR/late")" = "late 3:4" ]
	eventually no_socket
}

no_socket() {
	! compgen -G "$COOPER_RUNROOT/session-*.sock" >/dev/null
}

@test "owners that a session has given to files of a context are not the image's" {
	run session <<-'END'
		mkdir context; echo x >context/f; chown 3:4 context/f
		ctr=$(cooper from busybox)
		cooper copy -q "$ctr" context /c
		cooper run "$ctr" stat -c %u:%g /c/f
	END
	[ "$status" -eq 0 ]
	[ "$output" = 0:0 ]
}

@test "with many ids a session is the program alone" {
	unset COOPER_ROOT COOPER_RUNROOT
	export COOPER_ROOT=$BATS_TEST_TMPDIR/root COOPER_RUNROOT=$BATS_TEST_TMPDIR/runroot
	# shellcheck disable=SC2016 # for the inner shell
	run cooper unshare sh -c 'echo ${_COOPER_SESSION_SOCKET-none}; ps -o comm= -p $PPID'
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = none ]
	[ "${lines[1]}" != cooper ]
}

# listener COMMAND...: under a filter that has a listener and traps nothing; 99 when there can be none.
compile_listener() {
	gcc -x c -static -o "$BATS_TEST_TMPDIR/listener" - <<-'END' || skip "no static C library"
		#include <errno.h>
		#include <fcntl.h>
		#include <linux/filter.h>
		#include <linux/seccomp.h>
		#include <sys/prctl.h>
		#include <sys/syscall.h>
		#include <unistd.h>
		int main(int argc, char **argv)
		{
			struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
			struct sock_fprog program = {.len = 1, .filter = &allow};
			prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
			int fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
			if (fd < 0)
				return errno == EBUSY ? 99 : 98;
			fcntl(fd, F_SETFD, 0); /* while it is open there is one */
			return execvp(argv[1], argv + 1);
		}
	END
}

@test "there is one listener only: a program in a session gets none, and a session under another says so" {
	compile_listener
	run session "$BATS_TEST_TMPDIR/listener" <<-'END'
		"$1" true
	END
	[ "$status" -eq 99 ]
	# shellcheck disable=SC2016 # for the inner shell
	run --separate-stderr unshare --map-root-user "$BATS_TEST_TMPDIR/listener" cooper unshare \
		sh -c 'cd "$1" && touch f && stat -c %u:%g f && ! chown 3:4 f 2>/dev/null && echo refused' sh "$BATS_TEST_TMPDIR"
	[ "$status" -eq 0 ]
	[ "$output" = $'0:0\nrefused' ]
	[[ $stderr == *"has a listener already"*"all files show the one id that there is"* ]]
	# A step cannot do without: it is refused, not run as somebody else.
	ctr=$(alone from busybox)
	run unshare --map-root-user "$BATS_TEST_TMPDIR/listener" cooper run "$ctr" id -u
	assert_fails_with 125 "has a listener already"
}
