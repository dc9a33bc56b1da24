# cooper run: the command, its status, its surroundings.
load lib/common

setup_file() {
	common_setup_file
	use_busybox
	cooper from --name c busybox
	cooper from --name empty scratch
}

@test "the exit status is the command's" {
	run cooper run c -- sh -c 'exit 7'
	[ "$status" -eq 7 ]
	run cooper run c true
	[ "$status" -eq 0 ]
	run cooper run c -- sh -c 'kill -TERM $$'
	[ "$status" -eq 143 ]
}

@test "127 for a command that is not there, 126 for one that cannot be executed" {
	run cooper run c nosuch
	assert_fails_with 127 "nosuch"
	run cooper run c -- /etc/passwd
	assert_fails_with 126 "/etc/passwd"
	run cooper run empty true
	assert_fails_with 127 "true"
}

@test "without a command: Buildah's words" {
	run cooper run c
	assert_fails_with 125 "command must be specified"
	run cooper run nosuch true
	assert_fails_with 125 "container not known"
}

@test "stdout, stderr and stdin are the command's" {
	run --separate-stderr cooper run c -- sh -c 'echo out; echo err >&2'
	[ "$output" = out ]
	[ "$stderr" = err ]
	run bash -c 'echo in | cooper run c cat'
	assert_output_is in
}

@test "the first word behind the container starts the command" {
	run cooper run c echo --help -x
	assert_output_is "--help -x"
}

@test "the environment is exact" {
	cooper config --env A=1 --env 'B=two words' c
	SECRET=leak run cooper run --env C=3 --env HOST_SET c -- env
	assert_succeeds
	assert_output_has A=1
	assert_output_has "B=two words"
	assert_output_has C=3
	assert_output_has HOME=/root
	assert_output_lacks SECRET
	assert_output_lacks COOPER
	run cooper run c -- sh -c 'echo "[$C]"'
	assert_output_is "[]"
}

@test "proxies are passed, and can be held back" {
	http_proxy=http://proxy:1 run cooper run c -- sh -c 'echo $http_proxy'
	assert_output_is http://proxy:1
	http_proxy=http://proxy:1 run cooper run --http-proxy=false c -- sh -c 'echo [$http_proxy]'
	assert_output_is "[]"
}

@test "--user by name, number and group" {
	run cooper run --user app c -- sh -c 'id -u; id -g; id -G; echo $HOME'
	assert_output_is $'1000\n1000\n1000 2000\n/home/app'
	run cooper run --user 1234:5678 c -- sh -c 'id -u; id -g; id -G'
	assert_output_is $'1234\n5678\n5678'
	run cooper run --user :extra c -- sh -c 'id -u; id -g'
	assert_output_is $'0\n2000'
	for user in nosuch 4294967295 4294967296 -1 app:nosuch; do
		run cooper run --user="$user" c true
		[ "$status" -eq 125 ] || fail "user $user was taken"
		assert_output_has "${user##*:}"
	done
}

@test "the working directory is made when it is missing" {
	run cooper run --workingdir /made/here c pwd
	assert_output_is /made/here
	cooper config --workingdir /tmp c
	run cooper run c pwd
	assert_output_is /tmp
	cooper config --workingdir / c
}

@test "files stay in the container and in no other" {
	cooper run c -- sh -c 'echo kept >/kept'
	run cooper run c cat /kept
	assert_output_is kept
	other=$(cooper from busybox)
	run cooper run "$other" cat /kept
	[ "$status" -ne 0 ]
}

@test "hosts, resolv.conf, hostname and containerenv are there, and not in the container's files" {
	run cooper run --hostname box --add-host me:10.0.0.1 c -- sh -c 'cat /etc/hostname; grep me /etc/hosts; cat /run/.containerenv >/dev/null && test -e /etc/resolv.conf && hostname'
	assert_succeeds
	assert_output_has box
	assert_output_has 10.0.0.1
	run cooper unshare sh -c 'ls -A "$(cooper mount c)"/run "$(cooper mount c)"/etc'
	assert_output_lacks resolv.conf
	assert_output_lacks hosts
	assert_output_lacks .containerenv
}

@test "an image with nothing to mount on is run without a trace" {
	bare=$(cooper from scratch)
	cooper copy --quiet "$bare" "$(command -v busybox)" /busybox
	cooper commit --quiet "$bare" bare
	bare=$(cooper from bare)
	run cooper run "$bare" /busybox ls /etc/hosts /etc/resolv.conf /etc/hostname /run/.containerenv /proc/self /sys/kernel /dev/null
	assert_succeeds
	run cooper run --no-hosts "$bare" /busybox ls -A /etc
	assert_output_lacks hosts
	run cooper unshare sh -c "ls -A \"\$(cooper mount $bare)\""
	assert_output_is busybox
}

@test "rm removes also what belongs to other users of the container" {
	other=$(cooper from busybox)
	run cooper run "$other" -- sh -c 'mkdir -p /d/e && touch /d/e/f && chown -R 1000:1000 /d && chmod 700 /d'
	assert_succeeds
	run cooper rm "$other"
	assert_succeeds
	run find "$COOPER_ROOT/tmp" -mindepth 1
	assert_output_is ""
}

# has NAME: whether a step has made it at the top of its container
has() {
	compgen -G "$COOPER_ROOT/containers/*/upper/$1" >/dev/null
}

@test "a step that was killed is no hindrance for the next" {
	cooper run c true
	cooper run c sh -c 'echo >/begun; exec sleep 60' 3>&- &
	pid=$!
	eventually has begun
	kill -9 $pid
	wait $pid || true
	run cooper run c -- sh -c 'echo works'
	assert_output_is works
	run cooper run c true
	assert_succeeds
}

@test "--no-hosts and --no-hostname leave the image's" {
	run cooper run --no-hosts --no-hostname c -- sh -c 'ls /etc/hosts /etc/hostname'
	[ "$status" -ne 0 ]
}

@test "--read-only: the root cannot be written" {
	run cooper run --read-only c -- sh -c 'echo x >/x'
	assert_fails_with 1 "Read-only"
	run cooper run --read-only c -- sh -c 'echo x >/dev/shm/x && cat /dev/shm/x'
	assert_output_is x
}

@test "a volume can be read, written and held read-only" {
	mkdir -p "$BATS_TEST_TMPDIR/v"
	run cooper run -v "$BATS_TEST_TMPDIR/v:/v" c -- sh -c 'echo w >/v/w'
	[ "$(cat "$BATS_TEST_TMPDIR/v/w")" = w ]
	run cooper run -v "$BATS_TEST_TMPDIR/v:/v:ro" c -- sh -c 'cat /v/w; echo no >/v/no'
	assert_fails_with 1 "Read-only"
	run cooper run -v "$BATS_TEST_TMPDIR/v:/v:O" c -- sh -c 'echo no >/v/no; cat /v/w'
	assert_output_is w
	[ ! -e "$BATS_TEST_TMPDIR/v/no" ]
	run cooper run -v /nosuch/path:/v c true
	assert_fails_with 125 "/nosuch/path"
	run cooper run c -- ls -d /v
	[ "$status" -ne 0 ] || fail "the place to mount on is left behind"
}

@test "--mount: tmpfs, bind and cache" {
	mkdir -p "$BATS_TEST_TMPDIR/b" && echo b >"$BATS_TEST_TMPDIR/b/f"
	run cooper run --mount type=tmpfs,target=/t c -- sh -c 'grep " /t tmpfs" /proc/mounts | wc -l'
	assert_output_is 1
	run cooper run --mount "type=bind,src=$BATS_TEST_TMPDIR/b,target=/b" c cat /b/f
	assert_output_is b
	cooper run --mount type=cache,target=/cache c -- sh -c 'echo 1 >/cache/f'
	other=$(cooper from busybox)
	run cooper run --mount type=cache,target=/cache "$other" cat /cache/f
	assert_output_is 1
	run cooper run --mount type=nosuch,target=/x c true
	assert_fails_with 125 nosuch
}

@test "a cache's id is a name, never a path" {
	run cooper run --mount type=cache,id=../../../evil,target=/cache c -- touch /cache/x
	assert_succeeds
	run find "$COOPER_ROOT" -maxdepth 1
	assert_output_lacks evil
}

@test "--network none has only a loopback" {
	run cooper run --network none c -- sh -c 'ls /sys/class/net'
	assert_output_is lo
	run cooper run --network none c -- sh -c 'ip addr show lo | grep -c 127.0.0.1'
	assert_output_is 1
}

@test "--network private by pasta or slirp4netns" {
	command -v pasta >/dev/null || command -v slirp4netns >/dev/null || skip "neither pasta nor slirp4netns"
	[ -r /dev/net/tun ] && [ -w /dev/net/tun ] || skip "/dev/net/tun cannot be used by $(id -un)"
	run cooper run --network private c -- sh -c 'ls /sys/class/net | wc -l'
	assert_succeeds
	[ "${lines[-1]}" -ge 2 ]
}

@test "host names of networks that do not exist are refused" {
	run cooper run --network bridge:x c true
	[ "$status" -eq 125 ]
	run cooper run --isolation chroot --network none c true
	assert_fails_with 125 "cannot set --network other than host with --isolation chroot"
}

@test "capabilities are the eleven, and can be changed" {
	run cooper run c -- sh -c 'grep Cap /proc/self/status'
	[[ $output =~ CapInh:[[:space:]]+0000000000000000 ]]
	[[ $output =~ CapAmb:[[:space:]]+0000000000000000 ]]
	[[ $output =~ CapEff:[[:space:]]+00000000800405fb ]] || fail "effective set"
	run cooper run --cap-drop all c -- sh -c 'grep CapEff /proc/self/status'
	[[ $output =~ 0000000000000000 ]]
	run cooper run --cap-drop all --cap-add net_raw c -- sh -c 'grep CapEff /proc/self/status'
	[[ $output =~ 0000000000002000 ]]
}

@test "limits: --ulimit, --shm-size" {
	run cooper run --ulimit nofile=100:200 c -- sh -c 'ulimit -n; ulimit -Hn'
	assert_output_is $'100\n200'
	run cooper run --shm-size 1m c -- sh -c 'dd if=/dev/zero of=/dev/shm/f bs=1k count=2000'
	[ "$status" -ne 0 ]
	run cooper run --ulimit bogus=1 c true
	assert_fails_with 125 bogus
}

@test "--memory works, or the error names the way out" {
	run cooper run --memory 64m c true
	[ "$status" -eq 0 ] || assert_fails_with 125 "Delegate=yes"
}

@test "--disk-limit stops a step that writes without end" {
	run cooper run --disk-limit 10m c -- dd if=/dev/zero of=/big bs=1M count=4000
	[ "$status" -ne 0 ]
	assert_output_has "disk"
	cooper run c rm -f /big
}

@test "a terminal of its own on request" {
	run cooper run --tty c -- sh -c 'tty; test -t 1 && echo yes'
	assert_output_has /dev/
	assert_output_has yes
	run bash -c 'cooper run c tty </dev/null'
	assert_output_has "not a tty"
}

@test "what a step leaves running dies with it" {
	run timeout 300 cooper run c -- sh -c 'sleep 987654 & exit 3'
	[ "$status" -eq 3 ]
	run pgrep -f "sleep 987654"
	[ "$status" -ne 0 ]
}

@test "a signal reaches the command" {
	cooper run c -- sh -c 'trap "exit 9" TERM; echo ready >/ready; while :; do sleep 0.1; done' 3>&- &
	pid=$!
	eventually has ready
	kill -TERM "$pid"
	status=0
	wait "$pid" || status=$?
	[ "$status" -eq 9 ]
}

@test "--valid-exit-codes" {
	run cooper run --valid-exit-codes 3,4 c -- sh -c 'exit 4'
	[ "$status" -eq 0 ]
	run cooper run --valid-exit-codes 3,4 c -- sh -c 'exit 5'
	[ "$status" -eq 5 ]
}

@test "a foreign runtime is used or refused, never ignored" {
	run cooper run --runtime /bin/false c true
	[ "$status" -ne 0 ]
}

@test "two runs of one container wait for each other" {
	cooper run c -- sh -c 'echo >/first; sleep 1; echo a >>/order' 3>&- &
	eventually has first
	cooper run c -- sh -c 'echo b >>/order'
	wait
	run cooper run c cat /order
	assert_output_is $'a\nb'
}
