# The same steps at every level of the ladder that one machine can show: 1, 2, 2p, and without namespaces. What they may
# ask for they get, the image is the same, and nothing of a step or of its secrets is left behind.
load lib/common

setup_file() {
	common_setup_file
	busybox_archive >/dev/null
}

setup() {
	levels=(full alone translated)
	[ ! -d /proc/acpi ] || levels+=(masked)
}

teardown() {
	chmod -R u+rwX "$BATS_FILE_TMPDIR"/root-* 2>/dev/null || true
}

at() {
	local level=$1
	shift
	case $level in
	full) "$@" ;;
	alone) unshare --map-root-user "$@" ;;
	translated) COOPER_ISOLATION=translated "$@" ;;
	masked) unshare --map-root-user --mount sh -c 'mount -t tmpfs none /proc/acpi && exec "$@"' sh "$@" 2> >(grep -v 'refuses a new /proc' >&2) ;;
	esac
}

enter() {
	fresh_store "$BATS_TEST_NUMBER-$1"
	at "$1" bash -c 'cooper tag "$(cooper pull -q "oci-archive:$1")" busybox' bash "$(busybox_archive)"
}

@test "RUN --mount of every type, USER, WORKDIR, VOLUME and no network: the image is the same" {
	skip_unless ssh-agent
	mkdir "$BATS_TEST_TMPDIR/context"
	echo data >"$BATS_TEST_TMPDIR/context/file"
	printf hush >"$BATS_TEST_TMPDIR/token"
	eval "$(ssh-agent -s)" >/dev/null
	cat >"$BATS_TEST_TMPDIR/context/Dockerfile" <<-'END'
		FROM busybox AS other
		RUN mkdir -p /from/here && echo other >/from/here/f && chown -R 5:6 /from
		FROM busybox
		RUN --mount=type=bind,target=/b cat /b/file >/seen && ! touch /b/no 2>/dev/null
		RUN --mount=type=bind,from=other,source=/from,target=/o stat -c '%n %u:%g' /o/here/f >>/seen
		RUN --mount=type=bind,rw,target=/w echo w >/w/file && cat /w/file >>/seen
		RUN --mount=type=bind,source=file,target=/one,rw echo w >/one && cat /one >>/seen
		RUN --mount=type=tmpfs,target=/t echo t >/t/f && cat /t/f >>/seen
		RUN --mount=type=cache,target=/c,uid=7,gid=8,mode=0750 stat -c '%u:%g %a' /c >>/seen && echo c >/c/f
		RUN --mount=type=cache,target=/c,uid=7,gid=8,mode=0750 cat /c/f >>/seen
		RUN --mount=type=secret,id=token,mode=0440,uid=9,gid=10 stat -c '%u:%g %a' /run/secrets/token >>/seen && cat /run/secrets/token | wc -c >>/seen
		RUN --mount=type=secret,id=token,env=TOKEN test "$TOKEN" = hush && echo env >>/seen
		RUN --mount=type=ssh test -S "$SSH_AUTH_SOCK" && echo ssh >>/seen
		RUN --network=none (nc -w 1 127.0.0.1 1 2>/dev/null || echo closed) >>/seen && chmod 666 /seen
		RUN mkdir /data && chown app /data && echo v >/data/v
		VOLUME /data
		USER app:extra
		WORKDIR /work/deep
		RUN id -u >>/seen; id -g >>/seen; pwd >>/seen; cat /data/v >>/seen; umask >>/seen; touch /tmp/mine
	END
	for level in "${levels[@]}"; do
		enter "$level"
		SOURCE_DATE_EPOCH=1700000000 at "$level" cooper build -q --rewrite-timestamp --ssh default \
			--secret "id=token,src=$BATS_TEST_TMPDIR/token" -t made "$BATS_TEST_TMPDIR/context" >"$BATS_TEST_TMPDIR/$level.id"
		run -0 at "$level" cooper run "$(at "$level" cooper from made)" cat /seen
		[ "$output" = $'data\n/o/here/f 5:6\nw\nw\nt\n7:8 750\nc\n9:10 440\n4\nenv\nssh\nclosed\n1000\n2000\n/work/deep\nv\n0022' ] || fail "$level"
		diff "$BATS_TEST_TMPDIR/full.id" "$BATS_TEST_TMPDIR/$level.id"
	done
	ssh-agent -k >/dev/null
}

@test "a daemon that a step leaves behind is gone before its layer is taken" {
	for level in "${levels[@]}"; do
		enter "$level"
		ctr=$(at "$level" cooper from busybox)
		# One in a session of its own, one whose parents have ended, one that ignores what it can.
		at "$level" cooper run "$ctr" sh -c '
			setsid sleep 4401 & (sleep 4402 & (sleep 4403 &)); sh -c "trap : TERM HUP INT; while :; do echo >>/alive; sleep 0.05; done" & 
			until [ -s /alive ]; do sleep 0.05; done'
		run ! pgrep -u "$(id -u)" -f 'sleep 440[123]'
		at "$level" cooper commit -q "$ctr" first >/dev/null
		at "$level" cooper commit -q "$ctr" second >/dev/null
		[ "$(at "$level" cooper inspect --type image --format '{{.FromImageDigest}}' first | wc -c)" -gt 1 ]
		# Nobody writes to the layer any more.
		beats=$(at "$level" cooper run "$ctr" sh -c 'wc -l </alive')
		sleep 0.3
		[ "$(at "$level" cooper run "$ctr" sh -c 'wc -l </alive')" = "$beats" ] || fail "$level: it lives"
	done
}

@test "a secret is nowhere when its step has ended" {
	printf 'word-that-nobody-knows' >"$BATS_TEST_TMPDIR/token"
	printf 'FROM busybox\nRUN --mount=type=secret,id=token grep -c nobody /run/secrets/token >/n; cp /proc/self/mountinfo /m\nRUN ! cat /run/secrets/token 2>/dev/null\n' \
		>"$BATS_TEST_TMPDIR/Dockerfile"
	for level in "${levels[@]}"; do
		enter "$level"
		at "$level" cooper build -q --secret "id=token,src=$BATS_TEST_TMPDIR/token" -t made "$BATS_TEST_TMPDIR" >/dev/null
		at "$level" cooper push -q made "dir:$BATS_TEST_TMPDIR/$level"
		# What is found is the control alone: as root of the store's ids where there is one.
		reader=(at "$level" cooper unshare)
		[ "$level" != translated ] || reader=()
		echo word-that-nobody-knows >"$COOPER_ROOT/control"
		run "${reader[@]}" grep -rls word-that-nobody-knows "$COOPER_ROOT" "$COOPER_RUNROOT" /dev/shm
		[ "$output" = "$COOPER_ROOT/control" ] || fail "$level: in the store"
		rm "$COOPER_ROOT/control"
		for blob in "$BATS_TEST_TMPDIR/$level"/*; do
			run ! grep -q word-that-nobody-knows <(zcat -f "$blob")
		done
	done
}

@test "what no filter sees is refused at every level" {
	gcc -x c -static -o "$BATS_TEST_TMPDIR/ring" - <<-'END' || skip "no static C library"
		#include <errno.h>
		#include <sys/syscall.h>
		#include <unistd.h>
		int main(void)
		{
			char parameters[4096] = "";
			if (syscall(SYS_io_uring_setup, 4, parameters) >= 0 || (errno != ENOSYS && errno != EPERM))
				return 1;
			return syscall(SYS_io_uring_enter, 0, 0, 0, 0, 0, 0) >= 0 || syscall(SYS_io_uring_register, 0, 0, 0, 0) >= 0;
		}
	END
	for level in "${levels[@]}"; do
		enter "$level"
		run -0 at "$level" cooper run -v "$BATS_TEST_TMPDIR/ring:/ring:ro" "$(at "$level" cooper from busybox)" /ring
	done
}

@test "the disk limit holds, also where the root is mounted or a copy" {
	for level in "${levels[@]}"; do
		enter "$level"
		ctr=$(at "$level" cooper from busybox)
		run at "$level" cooper run --disk-limit 5m "$ctr" dd if=/dev/zero of=/f bs=1M count=60
		[ "$status" -ne 0 ] || fail "$level"
		assert_output_has "disk limit"
		run -0 at "$level" cooper run --disk-limit 5m "$ctr" sh -c 'rm -f /f; dd if=/dev/zero of=/g bs=1M count=2 2>/dev/null'
	done
	run full_session
	[ "$status" -ne 0 ]
	assert_output_has "disk limit"
}

full_session() {
	enter full
	at full cooper unshare sh -c 'cooper mount "$1" >/dev/null && cooper run --disk-limit 5m "$1" dd if=/dev/zero of=/f bs=1M count=60' \
		sh "$(at full cooper from busybox)"
}

@test "stages side by side, and commands on several containers, without namespaces" {
	{
		for i in 1 2 3 4; do
			printf 'FROM busybox AS s%s\nRUN --mount=type=cache,target=/c for i in $(seq 40); do mkdir -p /d/$i && echo %s >/d/$i/f && chown $i:%s /d/$i/f && echo x >>/c/f%s; done\n' \
				"$i" "$i" "$i" "$i"
		done
		printf 'FROM busybox\nCOPY --from=s1 /d /1\nCOPY --from=s2 /d /2\nCOPY --from=s3 /d /3\nCOPY --from=s4 /d /4\n'
	} >"$BATS_TEST_TMPDIR/Dockerfile"
	for level in full translated; do
		enter "$level"
		SOURCE_DATE_EPOCH=1700000000 at "$level" cooper build -q --jobs 4 --rewrite-timestamp "$BATS_TEST_TMPDIR" >"$BATS_TEST_TMPDIR/$level.id"
	done
	diff "$BATS_TEST_TMPDIR/full.id" "$BATS_TEST_TMPDIR/translated.id"
	export COOPER_ISOLATION=translated
	for side in 1 2 3 4; do
		cooper from --name "side-$side" busybox >/dev/null
		cooper run "side-$side" sh -c "for n in \$(seq 50); do echo $side >>/etc/group; mkdir /n\$n; chown \$n /n\$n; done; sleep 0.2" 3>&- &
	done
	wait
	for side in 1 2 3 4; do
		run -0 cooper run "side-$side" sh -c 'grep -cx "[0-9]" /etc/group; sort -u /etc/group | grep -x "[0-9]"; stat -c %u /n50'
		[ "$output" = $'50\n'"$side"$'\n50' ] || fail "$side"
	done
}

@test "thousands of calls leave nothing open in the supervisor" {
	gcc -x c -static -o "$BATS_TEST_TMPDIR/many" - <<-'END' || skip "no static C library"
		#define _GNU_SOURCE
		#include <errno.h>
		#include <fcntl.h>
		#include <stdio.h>
		#include <string.h>
		#include <sys/stat.h>
		#include <sys/sysmacros.h>
		#include <sys/un.h>
		#include <sys/socket.h>
		#include <sys/xattr.h>
		#include <unistd.h>
		#define MUST(call)                                                                   \
			if ((call) < 0) {                                                            \
				printf("%d: %s: %s\n", i, #call, strerror(errno));                   \
				return 1;                                                            \
			}
		int main(void)
		{
			struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/tmp/s"};
			struct stat st;
			char text[64];
			for (int i = 0; i < 1500; i++) {
				/* Every second time as a user, whose files the supervisor makes. */
				MUST(setresuid(-1, i % 2 ? 77 : 0, 0));
				int fd = open("/tmp/f", O_CREAT | O_RDWR | O_TRUNC, 0644);
				MUST(fd);
				MUST(fstat(fd, &st));
				MUST(setresuid(-1, 0, 0));
				MUST(fchown(fd, i, i));
				MUST(fchmod(fd, 0400));
				MUST(stat("/tmp/f", &st));
				MUST(setxattr("/tmp/f", "user.x", "y", 1, 0));
				MUST(listxattr("/tmp/f", text, sizeof(text)));
				MUST(open("/nosuch", O_RDONLY) < 0 ? 0 : -1);
				MUST(mkdir("/tmp/d", 0700));
				MUST(mknod("/tmp/d/n", S_IFCHR | 0600, makedev(1, 3)));
				MUST(symlink("n", "/tmp/d/l"));
				MUST(lchown("/tmp/d/l", i, i));
				MUST(rename("/tmp/d/l", "/tmp/d/m"));
				MUST(unlink("/tmp/d/m"));
				MUST(unlink("/tmp/d/n"));
				MUST(rmdir("/tmp/d"));
				int named = open("/tmp", O_PATH);
				MUST(named);
				int s = socket(AF_UNIX, SOCK_STREAM, 0);
				MUST(bind(s, (void *)&address, sizeof(address)));
				MUST(unlink("/tmp/s"));
				MUST(unlink("/tmp/f"));
				close(s), close(named), close(fd);
			}
			return 0;
		}
	END
	for level in "${levels[@]}"; do
		enter "$level"
		ctr=$(at "$level" cooper from busybox)
		run at "$level" sh -c 'ulimit -Sn 128 && exec cooper run -v "$1:/many:ro" "$2" /many' sh "$BATS_TEST_TMPDIR/many" "$ctr"
		[ "$status" -eq 0 ] || fail "$level"
	done
}

@test "COPY --chmod that shuts directories: what lies in them is there, and the image is the same" {
	mkdir -p "$BATS_TEST_TMPDIR/context/d/sub"
	echo f >"$BATS_TEST_TMPDIR/context/d/f" && echo g >"$BATS_TEST_TMPDIR/context/d/sub/g"
	printf '%s\n' 'FROM busybox' 'COPY --chmod=600 d /made' 'COPY --chmod=0 --chown=5:6 d /shut/deep' \
		"RUN find /made /shut -exec stat -c '%n %a %u:%g' {} + | sort >/seen; cat /made/sub/g /shut/deep/f >>/seen" \
		>"$BATS_TEST_TMPDIR/context/Dockerfile"
	for level in "${levels[@]}"; do
		enter "$level"
		SOURCE_DATE_EPOCH=1700000000 at "$level" cooper build -q --rewrite-timestamp -t made \
			"$BATS_TEST_TMPDIR/context" >"$BATS_TEST_TMPDIR/$level.id"
		run -0 at "$level" cooper run "$(at "$level" cooper from made)" cat /seen
		[ "$output" = "/made 600 0:0
/made/f 600 0:0
/made/sub 600 0:0
/made/sub/g 600 0:0
/shut 0 5:6
/shut/deep 0 5:6
/shut/deep/f 0 5:6
/shut/deep/sub 0 5:6
/shut/deep/sub/g 0 5:6
g
f" ] || fail "$level: $output"
		diff "$BATS_TEST_TMPDIR/full.id" "$BATS_TEST_TMPDIR/$level.id"
	done
}
