# What a hostile image or step must not reach: one test for each mechanism of known CVEs that concerns running.
load lib/common

setup_file() {
	common_setup_file
	use_busybox
	cooper from --name c busybox
}

# A container whose root is made by the shell commands given, in a mounted scratch container.
hostile() {
	local name=$1
	shift
	cooper from --name "$name" busybox >/dev/null
	cooper unshare --mount ROOT="$name" sh -c "cd \$ROOT && $*"
}

@test "CVE-2019-5736: the builder's program cannot be opened for writing" {
	before=$(sha256sum <"$(command -v cooper)")
	run cooper run c -- sh -c 'echo x >/proc/1/exe; echo x >/proc/self/exe; for p in /proc/[0-9]*/exe; do echo x >$p; done; exit 0'
	[ "$(sha256sum <"$(command -v cooper)")" = "$before" ]
	run cooper run c -- sh -c 'cat /proc/1/exe >/dev/null 2>&1 && echo x >>/proc/1/exe && echo written'
	assert_output_lacks written
}

@test "CVE-2016-9962, CVE-2024-21626: no descriptor of ours is open inside, no cwd leads out" {
	run cooper run c -- sh -c 'for fd in /proc/self/fd/*; do readlink $fd; done | grep -v -e pipe: -e /dev/null -e /proc -e socket: -e /dev/pts -e bats'
	assert_output_is ""
	for fd in 3 4 5 6 7 8 9 10 11 12; do
		run cooper run --workingdir "/proc/self/fd/$fd" c -- sh -c 'ls ../../../.. 2>/dev/null; pwd'
		assert_output_lacks unreachable
		assert_output_lacks cooper-check
	done
}

@test "CVE-2019-19921, CVE-2021-30465: /proc, /sys, /dev as links mount inside the root only" {
	target=$BATS_TEST_TMPDIR/host
	mkdir -p "$target"
	hostile links "rm -rf proc sys dev && ln -s $target proc && ln -s ../../../..$target sys && ln -s /tmp/x dev"
	run cooper run links true
	[ -z "$(ls -A "$target")" ]
	hostile etc-link "rm -rf etc && ln -s $target etc"
	run cooper run etc-link true
	[ -z "$(ls -A "$target")" ]
}

@test "CVE-2025-24965: files that cooper provides are not written through links" {
	echo untouched >"$BATS_TEST_TMPDIR/victim"
	hostile victim "rm -f etc/resolv.conf etc/hosts && ln -s $BATS_TEST_TMPDIR/victim etc/resolv.conf && ln -s $BATS_TEST_TMPDIR/victim etc/hosts"
	run cooper run victim true
	[ "$(cat "$BATS_TEST_TMPDIR/victim")" = untouched ]
}

@test "CVE-2022-29162: inheritable and ambient capabilities are empty" {
	run cooper run c -- grep -E 'Cap(Inh|Amb)' /proc/self/status
	[ "$(grep -c 0000000000000000 <<<"$output")" -eq 2 ]
}

@test "CVE-2022-2989: supplementary groups are the image's" {
	run cooper run --user 1234 c -- id -G
	assert_output_is 0 || [ "$output" = 1234 ]
	run cooper run --user app c -- id -G
	assert_output_is "1000 2000"
}

@test "CVE-2024-40635: a user past 2^31 is itself or an error, never root" {
	run cooper run --user 2147483648 c id -u
	[ "$output" != 0 ]
	[ "$status" -eq 125 ]
	run cooper run --user 4294967296 c id -u
	[ "$status" -eq 125 ]
}

@test "CVE-2026-47262: a passwd that is a FIFO, a link out or endless does no harm" {
	hostile fifo "rm etc/passwd && mkfifo etc/passwd"
	run timeout 60 cooper run --user app fifo true
	[ "$status" -eq 125 ]
	hostile out "rm etc/passwd && ln -s /../../../../../../etc/passwd etc/passwd"
	run cooper run --user "$(id -un)" out true
	[ "$status" -eq 125 ]
	hostile big "rm etc/passwd && truncate -s 20G etc/passwd"
	run timeout 60 cooper run --user app big true
	[ "$status" -eq 125 ]
}

@test "CVE-2017-5226: a step cannot push input to our terminal" {
	skip_unless script
	run script -qec "cooper run --tty=false c -- sh -c 'printf x' " /dev/null
	assert_output_has x
	run cooper run c -- sh -c 'ps -o pid,sid | grep -q . && echo ok'
	assert_output_has ok
}

@test "CVE-2022-0492, CVE-2022-0185: no new user namespace, no mount" {
	run cooper run c -- unshare -Ur true
	[ "$status" -ne 0 ]
	run cooper run c -- unshare -m true
	[ "$status" -ne 0 ]
	run cooper run c -- mount -t tmpfs none /tmp
	[ "$status" -ne 0 ]
}

@test "CVE-2023-25809: /sys and /sys/fs/cgroup are read-only, /proc/sys too" {
	run cooper run c -- sh -c 'awk "\$2 ~ /^\/sys/ && \$4 !~ /^ro/" /proc/mounts'
	assert_output_is ""
	run cooper run c -- sh -c 'echo 1 >/proc/sys/kernel/core_pattern'
	[ "$status" -ne 0 ]
	run cooper run c -- sh -c 'echo b >/proc/sysrq-trigger'
	[ "$status" -ne 0 ]
}

@test "masked files are empty" {
	run cooper run c -- sh -c 'for f in kcore keys timer_list interrupts; do test ! -e /proc/$f || head -c 1 /proc/$f; done'
	assert_output_is ""
}

@test "/dev has the usual nodes and no others" {
	run cooper run c -- sh -c 'ls /dev | tr "\n" " "'
	for node in null zero full random urandom tty ptmx pts shm fd stdin stdout stderr; do assert_output_has "$node"; done
	assert_output_lacks sda
	assert_output_lacks vda
	assert_output_lacks mem
}

@test "other processes of the user cannot be seen or killed" {
	sleep 300 3>&- &
	pid=$!
	run cooper run c -- sh -c "ls -d /proc/$pid 2>/dev/null; ps | wc -l"
	assert_output_lacks "/proc/$pid"
	kill "$pid"
}

@test "the store cannot be seen" {
	run cooper run c -- ls "$COOPER_ROOT"
	[ "$status" -ne 0 ]
}

@test "WORKDIR through a link or .. stays in the root" {
	mkdir -p "$BATS_TEST_TMPDIR/out"
	hostile wd "ln -s $BATS_TEST_TMPDIR/out link"
	run cooper run --workingdir /link/made wd pwd
	[ -z "$(ls -A "$BATS_TEST_TMPDIR/out")" ]
	run cooper run --workingdir /a/../../../made c pwd
	assert_output_is /made
}

@test "a mount's target is resolved inside the root" {
	mkdir -p "$BATS_TEST_TMPDIR/out2" "$BATS_TEST_TMPDIR/src"
	hostile target "ln -s $BATS_TEST_TMPDIR/out2 data"
	cooper run -v "$BATS_TEST_TMPDIR/src:/data/sub" target true || true
	[ -z "$(ls -A "$BATS_TEST_TMPDIR/out2")" ]
}

@test "CVE-2024-1753: the source of a mount from an image is resolved in that image" {
	ctr=$(cooper from busybox)
	cooper run "$ctr" ln -s / /sym
	cooper commit -q "$ctr" sym-image
	run cooper run --mount type=bind,from=sym-image,source=/sym,target=/m c -- ls /m
	assert_output_has bin
	assert_output_lacks "$(basename "$HOME")"
}

@test "CVE-2024-9407: options of mounts are those that are known" {
	run cooper run --mount type=bind,src=/tmp,target=/m,bind-propagation=rshared,bogus=1 c true
	assert_fails_with 125 bogus
	run cooper run -v /tmp:/m:ro,suid=1 c true
	assert_fails_with 125 "suid=1"
}
