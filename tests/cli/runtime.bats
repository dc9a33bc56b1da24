# cooper run --runtime crun|runc: the step is the same, somebody else runs it.
load lib/common

setup_file() {
	common_setup_file
	command -v crun >/dev/null || command -v runc >/dev/null || skip "neither crun nor runc"
	use_busybox
	cooper from --name c busybox
}

# The test for each runtime that is here.
each_runtime() {
	local found
	for found in crun runc; do
		! command -v "$found" >/dev/null || RUNTIME=$found "$@"
	done
}

container_id() {
	cooper inspect --type container --format '{{.ContainerID}}' "$1"
}

by_runtime() {
	run cooper run --runtime "$RUNTIME" "$@"
}

@test "exit statuses are the command's; 127 and 126 for one that cannot be started" {
	check() {
		by_runtime c -- sh -c 'exit 7'
		[ "$status" -eq 7 ]
		by_runtime c true
		[ "$status" -eq 0 ]
		by_runtime c -- sh -c 'exit 127'
		[ "$status" -eq 127 ]
		assert_output_is ""
		by_runtime c nosuch
		assert_fails_with 127 "exec 'nosuch'"
		by_runtime c -- /etc/passwd
		assert_fails_with 126 "exec '/etc/passwd'"
	}
	each_runtime check
}

@test "user, groups, home, environment and directory" {
	check() {
		by_runtime --user app --env A=1 --workingdir /made/here c -- sh -c 'id -u; id -g; id -G; echo $HOME $A; pwd; umask'
		assert_output_is $'1000\n1000\n1000 2000\n/home/app 1\n/made/here\n0022'
		SECRET=leak by_runtime c env
		assert_output_lacks SECRET
		assert_output_lacks COOPER
	}
	each_runtime check
}

@test "the eleven capabilities, and what is added and dropped" {
	check() {
		by_runtime c -- grep Cap /proc/self/status
		[[ $output =~ CapInh:[[:space:]]+0000000000000000 ]]
		[[ $output =~ CapAmb:[[:space:]]+0000000000000000 ]]
		[[ $output =~ CapEff:[[:space:]]+00000000800405fb ]]
		[[ $output =~ CapBnd:[[:space:]]+00000000800405fb ]]
		by_runtime --cap-drop all --cap-add net_raw c -- grep CapEff /proc/self/status
		[[ $output =~ 0000000000002000 ]]
	}
	each_runtime check
}

@test "hosts, resolv.conf, hostname and containerenv are there, and nothing is left in the layer" {
	check() {
		ctr=$(cooper from busybox)
		# runc copies the two streams apart, so that only the step itself can join them.
		by_runtime --hostname box --add-host me:10.0.0.1 -v "$BATS_TEST_TMPDIR:/new/place:ro" --mount type=tmpfs,target=/memory "$ctr" -- \
			sh -c 'exec 2>&1; hostname; cat /etc/hostname; grep -c 10.0.0.1 /etc/hosts; ls /run/.containerenv /etc/resolv.conf; touch /new/place/x; df /memory | grep -c tmpfs'
		assert_output_has $'box\nbox\n1\n'
		assert_output_has /run/.containerenv
		assert_output_has "Read-only"
		run cooper unshare find "$COOPER_ROOT/containers/$(container_id "$ctr")/upper" -mindepth 1
		assert_output_is ""
	}
	each_runtime check
}

@test "volumes: written, read-only, an overlay; caches" {
	check() {
		mkdir -p "$BATS_TEST_TMPDIR/v"
		by_runtime -v "$BATS_TEST_TMPDIR/v:/v" c -- sh -c 'echo w >/v/w'
		assert_succeeds
		[ "$(cat "$BATS_TEST_TMPDIR/v/w")" = w ]
		by_runtime -v "$BATS_TEST_TMPDIR/v:/v:O" c -- sh -c 'echo no >/v/no; cat /v/w'
		assert_output_is w
		[ ! -e "$BATS_TEST_TMPDIR/v/no" ]
		by_runtime --mount type=cache,target=/cache c -- sh -c 'echo kept >/cache/f'
		by_runtime --mount type=cache,target=/cache c cat /cache/f
		assert_output_is kept
	}
	each_runtime check
}

@test "--read-only, --ulimit, --shm-size, --network none" {
	check() {
		by_runtime --read-only c touch /x
		assert_fails_with 1 "Read-only"
		by_runtime --ulimit nofile=100:200 c -- sh -c 'ulimit -n; ulimit -Hn'
		assert_output_is $'100\n200'
		by_runtime --ulimit core=-1 c true
		assert_succeeds
		by_runtime --shm-size 1m c -- dd if=/dev/zero of=/dev/shm/f bs=1k count=2000
		[ "$status" -ne 0 ]
		by_runtime --network none c -- sh -c 'ls /sys/class/net; ip addr show lo | grep -c 127.0.0.1'
		assert_output_is $'lo\n1'
	}
	each_runtime check
}

@test "/proc is masked, /sys is read-only, no namespace and no mount can be made" {
	check() {
		by_runtime c -- sh -c 'for f in kcore keys timer_list; do test ! -e /proc/$f || head -c 1 /proc/$f; done; awk "\$2 ~ /^\/sys/ && \$4 !~ /^ro/" /proc/mounts; echo b 2>/dev/null >/proc/sysrq-trigger'
		assert_output_lacks /sys
		by_runtime c -- unshare -Ur true
		assert_fails_with 1 "Operation not permitted"
		by_runtime c -- mount -t tmpfs none /tmp
		[ "$status" -ne 0 ]
		by_runtime c cat /proc/sys/user/max_user_namespaces
		assert_output_is 0
		by_runtime c ps
		[ "${#lines[@]}" -le 3 ]
	}
	each_runtime check
}

@test "the filter is cooper's, or the profile that was given" {
	check() {
		by_runtime c -- grep -c '^Seccomp:.*2' /proc/self/status
		assert_output_is 1
		by_runtime --security-opt seccomp=unconfined c -- grep -c '^Seccomp:.*0' /proc/self/status
		assert_output_is 1
		printf '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":13}]}' >"$BATS_TEST_TMPDIR/profile"
		by_runtime --security-opt seccomp="$BATS_TEST_TMPDIR/profile" c mkdir /tmp/x
		assert_fails_with 1 "Permission denied"
		by_runtime --security-opt no-new-privileges c -- grep -c 'NoNewPrivs:.*1' /proc/self/status
		assert_output_is 1
	}
	each_runtime check
}

@test "a terminal on request" {
	check() {
		by_runtime --tty c -- sh -c 'tty; test -t 1 && echo yes'
		assert_output_has /dev/
		assert_output_has yes
	}
	each_runtime check
}

@test "a signal reaches the command; killed, nothing stays" {
	check() {
		cooper run --runtime "$RUNTIME" c -- sh -c 'trap "exit 9" TERM; echo >/ready; i=0; while [ $i -lt 1200 ]; do sleep 0.1; i=$((i+1)); done' 3>&- &
		pid=$!
		wait_for_ready "$pid"
		kill -TERM "$pid"
		status=0
		wait "$pid" || status=$?
		[ "$status" -eq 9 ]
		cooper run c rm /ready
		cooper run --runtime "$RUNTIME" c -- sh -c 'echo >/ready; sleep 654' 3>&- &
		pid=$!
		wait_for_ready "$pid"
		kill -KILL "$pid"
		wait "$pid" || :
		eventually nobody_runs "^sleep 654" || fail "the step lives on" || return
		cooper run c rm /ready
		run grep -c bundle- /proc/self/mountinfo
		assert_output_is 0
	}
	each_runtime check
}

wait_for_ready() {
	local id
	id=$(container_id c)
	eventually ready_or_gone "$COOPER_ROOT/containers/$id/upper/ready" "$1" && kill -0 "$1"
}

ready_or_gone() {
	[ -e "$1" ] || is_gone "$2"
}

@test "--disk-limit is kept by cooper, whoever runs the step" {
	check() {
		by_runtime --disk-limit 10m c -- dd if=/dev/zero of=/big bs=1M count=4000
		[ "$status" -ne 0 ]
		assert_output_has disk
		cooper run c rm -f /big
	}
	each_runtime check
}

# Leaves a line for each call.
make_spy() {
	local real
	real=$(command -v crun || command -v runc)
	mkdir -p "$BATS_TEST_TMPDIR/spy"
	printf '#!/bin/sh\necho "$0 $*" >>%s\nexec %s "$@"\n' "$BATS_TEST_TMPDIR/calls" "$real" >"$BATS_TEST_TMPDIR/spy/${real##*/}"
	chmod +x "$BATS_TEST_TMPDIR/spy/${real##*/}"
	printf '%s\n' "$BATS_TEST_TMPDIR/spy/${real##*/}"
}

@test "who decides: the option, the container, COOPER_RUNTIME, BUILDAH_RUNTIME, containers.conf" {
	spy=$(make_spy)
	was_called() {
		run cat "$BATS_TEST_TMPDIR/calls"
		rm -f "$BATS_TEST_TMPDIR/calls"
		[ "$status" -eq 0 ]
	}
	cooper run --runtime "$spy" --runtime-flag debug c true
	was_called
	assert_output_has " --debug "
	COOPER_RUNTIME=$spy cooper run c true
	was_called
	BUILDAH_RUNTIME=$spy cooper run c true
	was_called
	BUILDAH_RUNTIME=$spy COOPER_RUNTIME= cooper run --runtime= c true
	if was_called; then fail "a runtime was called"; fi
	BUILDAH_RUNTIME=$spy cooper run --isolation chroot c true
	if was_called; then fail "a runtime was called"; fi
	ctr=$(cooper from --runtime "$spy" busybox)
	cooper run "$ctr" true
	was_called
	mkdir -p "$XDG_CONFIG_HOME/containers"
	printf '[engine]\nruntime = "%s"\n' "$spy" >"$XDG_CONFIG_HOME/containers/containers.conf"
	cooper run c true
	was_called
	printf '[engine]\nruntime = ""\n' >"$XDG_CONFIG_HOME/containers/containers.conf"
	cooper run c true
	if was_called; then fail "a runtime was called"; fi
	rm "$XDG_CONFIG_HOME/containers/containers.conf"
}

@test "programs that are no runtime we know are refused, also by from" {
	run cooper run --runtime /bin/false c true
	assert_fails_with 125 "only crun and runc"
	run cooper from --runtime kata busybox
	assert_fails_with 125 "only crun and runc"
	run cooper run --runtime /nosuch/crun c true
	assert_fails_with 125 "/nosuch/crun"
	run cooper run --runtime-flag debug c true
	assert_fails_with 125 "--runtime-flag 'debug'"
	printf '#!/bin/sh\necho broken >&2\nexit 3\n' >"$BATS_TEST_TMPDIR/runc"
	chmod +x "$BATS_TEST_TMPDIR/runc"
	run cooper run --runtime "$BATS_TEST_TMPDIR/runc" c true
	assert_fails_with 125 "has not started the step"
	assert_output_has broken
}

@test "inside cooper unshare, on a container that is mounted" {
	check() {
		ctr=$(cooper from busybox)
		run cooper unshare sh -ec "m=\$(cooper mount $ctr); echo here >\$m/f; cooper run --runtime $RUNTIME $ctr cat /f; grep -c bundle- /proc/self/mountinfo || :"
		assert_output_is $'here\n0'
	}
	each_runtime check
}
