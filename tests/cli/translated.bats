# Steps in a root without namespaces (--isolation translated): what they see, what they leave behind.
load lib/common

setup_file() {
	common_setup_file
	export COOPER_ISOLATION=translated
	use_busybox
}

setup() {
	ctr=$(cooper from busybox)
}

teardown() {
	cooper rm "$ctr" >/dev/null
}

step() {
	cooper run "$ctr" -- sh -c "$1"
}

@test "a step is root in its own root" {
	run -0 step 'id -u; pwd; ls /; echo $0'
	[ "${lines[0]}" = 0 ]
	[ "${lines[1]}" = / ]
	[[ $output == *busybox* || $output == *bin* ]]
	[[ $output != *root*boot* ]]
}

@test "what a step makes is in the next one, with owner and mode" {
	step 'mkdir -p /d/e; echo x >/d/e/f; chown -R 12:13 /d; chmod 4755 /d/e/f; chmod 0 /d/e; ln -s f /d/l; mknod /d/dev c 5 1'
	run -0 step 'stat -c "%u:%g %a %F" /d /d/e /d/e/f /d/dev; readlink /d/l; cat /d/e/f'
	[ "${lines[0]}" = "12:13 755 directory" ]
	[ "${lines[1]}" = "12:13 0 directory" ]
	[ "${lines[2]}" = "12:13 4755 regular file" ]
	[ "${lines[3]}" = "0:0 644 character special file" ]
	[ "${lines[4]}" = f ]
	[ "${lines[5]}" = x ]
}

@test "the exit status is the command's, and a signal's" {
	run -7 step 'exit 7'
	run -143 step 'kill -TERM $$'
	run -127 cooper run "$ctr" -- nosuch
	run -126 cooper run "$ctr" -- /etc/passwd
}

@test "the working directory, the umask and the user are the step's" {
	run -0 cooper run --user app --workingdir /tmp/deep/dir "$ctr" -- sh -c 'id -u; pwd; umask 027; (umask 0); >/tmp/made; stat -c "%a %u" /tmp/made'
	[ "${lines[0]}" = 1000 ]
	[ "${lines[1]}" = /tmp/deep/dir ]
	[ "${lines[2]}" = "640 1000" ]
}

@test "scripts run by their first line, also of another script" {
	step 'printf "#!/bin/sh\necho \$0 \$@\n" >/one; printf "#!/one two\n" >/three; chmod 755 /one /three'
	run -0 step '/three four'
	[ "$output" = "/one two /three four" ]
	run -126 cooper run "$ctr" -- /tmp
}

@test "/proc shows the step's own processes, and nothing of the host's files" {
	run -0 step 'readlink /proc/self/exe; readlink /proc/self/cwd; cat /proc/self/maps'
	[ "${lines[0]}" = /bin/busybox ]
	[ "${lines[1]}" = / ]
	[[ $output != *"$COOPER_ROOT"* ]]
	run -0 step 'for p in /proc/[0-9]*; do cat $p/cmdline | tr "\0" " "; echo; done'
	[[ $output != *"cooper run"* ]]
}

@test "devices are there, and only those that harm nobody" {
	run -0 step 'head -c 3 /dev/zero | od -An -tx1; echo x >/dev/null; ls /dev; echo out >/dev/stdout; [ ! -e /dev/sda ] && echo y >/dev/shm/z && cat /dev/shm/z'
	[[ ${lines[0]} == *"00 00 00"* ]]
	[[ $output == *null* && $output == *out* && $output == *y* ]]
	run -0 step 'stat -c "%a %F" /dev/shm /dev/mqueue'
	[ "$output" = $'1777 directory\n1777 directory' ]
}

@test "what a step leaves running is gone before its layer is taken" {
	step '(sleep 1000 & sleep 1001 &) ; setsid sleep 1002 & echo started'
	run ! pgrep -u "$(id -u)" -f 'sleep 100[012]'
}

@test "volumes, memory, caches and read-only binds are shown at their places" {
	mkdir -p "$BATS_TEST_TMPDIR/v" && echo there >"$BATS_TEST_TMPDIR/v/f"
	run -0 cooper run -v "$BATS_TEST_TMPDIR/v:/vol" -v "$BATS_TEST_TMPDIR/v:/ro:ro" --mount type=tmpfs,target=/mem "$ctr" -- \
		sh -c 'cat /vol/f; echo more >/vol/g; echo no >/ro/h; echo in >/mem/m && cat /mem/m; cd /vol/../ro && pwd && ls'
	[ "${lines[0]}" = there ]
	[[ $output == *"Read-only file system"* && $output == *in* && $output == */ro* ]]
	[ "$(cat "$BATS_TEST_TMPDIR/v/g")" = more ]
	[ ! -e "$BATS_TEST_TMPDIR/v/h" ]
	run -0 step 'ls /'
	[[ $output != *vol* && $output != *mem* ]]
}

@test "without a network there are no sockets but the step's own" {
	run -0 cooper run --network none "$ctr" -- sh -c 'nc -w 1 127.0.0.1 1 2>&1; echo done'
	[[ $output == *"ddress family not supported"* && $output == *done* ]]
	run -125 cooper run --network private "$ctr" -- true
	[[ $output == *"--network private cannot be had in a root without namespaces"* ]]
}

@test "a fifo joins two processes of the step" {
	run -0 step 'mkfifo /f; echo through >/f & cat /f; wait'
	[ "$output" = through ]
}

@test "a script with primitives works on the root as a directory" {
	mnt=$(cooper mount "$ctr")
	echo from outside >"$mnt/etc/outside"
	cooper umount "$ctr" >/dev/null
	run -0 step 'cat /etc/outside; rm /etc/outside /bin/wget'
	[ "$output" = "from outside" ]
	cooper commit -q "$ctr" without
	other=$(cooper from without)
	run -0 cooper run "$other" -- sh -c 'ls /bin/wget /etc/outside 2>&1; stat -c %u:%g /etc; [ -x /bin/ls ]'
	[[ $output == *"/bin/wget: No such file"*"0:0" ]]
	cooper rm "$other" >/dev/null
}

@test "what ends before its first program says why" {
	run cooper run --user nobody-there "$ctr" -- true
	assert_fails_with 125 "unknown user 'nobody-there'"
	run cooper run --mount type=tmpfs,dst=/etc/passwd "$ctr" -- true
	assert_fails_with 125 "'/etc/passwd' in the image is not a directory"
	run cooper build - <<<$'FROM busybox\nUSER nobody-there\nRUN true'
	assert_fails_with 125 "unknown user 'nobody-there'"
}

@test "cooper info names the level that was chosen, and who has chosen it" {
	[[ $(cooper info --format '{{.isolation.rung}}') == [34] ]]
	run -0 cooper info --format '{{.isolation.remedy}}'
	[[ $output == *COOPER_ISOLATION* || $(COOPER_ISOLATION='' cooper info --format '{{.isolation.rung}}') == [34] ]]
}

@test "the owners of links and FIFOs that a step of a build has made are in its layer, without a warning" {
	mkdir "$BATS_TEST_TMPDIR/context"
	printf 'FROM busybox\nRUN ln -s x /link && chown -h 5:6 /link && mkfifo /fifo && chown 7:8 /fifo\n' \
		>"$BATS_TEST_TMPDIR/context/Dockerfile"
	run --separate-stderr cooper build -q -o "type=tar,dest=$BATS_TEST_TMPDIR/out.tar" "$BATS_TEST_TMPDIR/context"
	[ "$status" -eq 0 ]
	[ "$stderr" = "" ]
	tar --numeric-owner -tvf "$BATS_TEST_TMPDIR/out.tar" >"$BATS_TEST_TMPDIR/list"
	grep -q '5/6 .* link -> x' "$BATS_TEST_TMPDIR/list"
	grep -q '7/8 .* fifo' "$BATS_TEST_TMPDIR/list"
}

@test "so are those that a later step gives them" {
	mkdir "$BATS_TEST_TMPDIR/context"
	printf 'FROM busybox\nRUN mkdir /d && ln -s x /d/link && mkfifo /d/fifo\nRUN chown -h 5:6 /d/link && chown 7:8 /d/fifo\n' \
		>"$BATS_TEST_TMPDIR/context/Dockerfile"
	cooper build -q --layers -o "type=tar,dest=$BATS_TEST_TMPDIR/out.tar" "$BATS_TEST_TMPDIR/context"
	tar --numeric-owner -tvf "$BATS_TEST_TMPDIR/out.tar" >"$BATS_TEST_TMPDIR/list"
	grep -q '5/6 .* d/link -> x' "$BATS_TEST_TMPDIR/list"
	grep -q '7/8 .* d/fifo' "$BATS_TEST_TMPDIR/list"
}

@test "what was not there is seen when it has come, whichever way" {
	run -0 step 'look() { cat /a/b/c/f 2>/dev/null || echo none; }
		look; mkdir /a; look; mkdir -p /a/b/c; echo made >/a/b/c/f; look
		mv /a/b /a/away; look; mv /a/away /a/b; look
		rm -r /a/b; look; mkdir -p /else/c; echo linked >/else/c/f; look; ln -s ../else /a/b; look
		rm /a/b; look; ln -s nowhere /a/b; look; mkdir -p /a/nowhere/c; echo late >/a/nowhere/c/f; look'
	[ "${lines[*]}" = "none none made none made none none linked none none late" ]
}

@test "a record that comes with a copy is seen, and that of a file that is gone is not" {
	step 'mkdir /r; cd /r; for i in 1 2 3 4 5 6 7 8 9; do echo $i >$i; done; chown 5:6 *; chmod 400 1 2 3'
	cooper commit -q "$ctr" made >/dev/null
	other=$(cooper from made)
	run -0 cooper run "$other" sh -c 'cd /r; stat -c %u:%g:%a 1 4 >/dev/null; for i in *; do echo more >>$i; done
		stat -c %u:%g:%a * | sort | uniq -c | tr -s " "
		for i in 1 2 3 4 5; do rm $i; touch $i; done; stat -c %u:%g:%a * | sort | uniq -c | tr -s " "'
	[ "${lines[*]}" = " 3 5:6:400  6 5:6:644  5 0:0:644  4 5:6:644" ]
	cooper rm "$other" >/dev/null
}
