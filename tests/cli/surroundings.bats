# What surrounds a step: kinds of mounts, networks, /sys, keys, signals, and the variables that decide.
load lib/common

setup_file() {
	common_setup_file
	use_busybox
	cooper from --name c busybox
}

@test "--no-pivot and COOPER_NOPIVOT: the root is moved over '/', and nothing of the host is above it" {
	run cooper run --no-pivot c -- sh -c 'ls -d /../bin; ls -i -d / /..; ls /home'
	assert_succeeds
	assert_output_has /../bin
	assert_output_has app
	[ "$(awk '/ \/$/ {print $1}' <<<"$output")" = "$(awk '/ \/\.\.$/ {print $1}' <<<"$output")" ]
	BUILDAH_NOPIVOT=1 run cooper run c -- echo moved
	assert_output_is moved
}

@test "/sys: the host's read-only with its network, fresh and read-only with one of its own" {
	run cooper run c -- sh -c 'ls /sys/class/net'
	for interface in /sys/class/net/*; do assert_output_has "${interface##*/}"; done
	run cooper run --network none c -- ls /sys/class/net
	assert_output_is lo
	for network in host none; do
		run cooper run --network "$network" c -- sh -c 'awk "\$2 ~ /^\/sys/ && \$4 !~ /^ro/" /proc/mounts; ls /sys/firmware; echo 1 >/sys/kernel/x'
		assert_output_lacks "rw,"
		assert_output_lacks acpi
		[ "$status" -ne 0 ]
	done
	run cooper run c -- sh -c 'ls /sys/fs/cgroup | head -n 1; mkdir /sys/fs/cgroup/x'
	[ "$status" -ne 0 ]
}

@test "--mount type=bind: read-only by default; what is written with rw is thrown away" {
	mkdir -p "$BATS_TEST_TMPDIR/b" && echo b >"$BATS_TEST_TMPDIR/b/f"
	run cooper run --mount "type=bind,src=$BATS_TEST_TMPDIR/b,dst=/b" c -- sh -c 'cat /b/f; echo x >/b/x'
	assert_fails_with 1 "Read-only"
	run cooper run --mount "type=bind,source=$BATS_TEST_TMPDIR/b,destination=/b,rw" c -- sh -c 'echo x >/b/x; cat /b/f /b/x'
	assert_output_is $'b\nx'
	[ ! -e "$BATS_TEST_TMPDIR/b/x" ]
	run cooper run --mount "type=bind,src=$BATS_TEST_TMPDIR/b/f,target=/one" c cat /one
	assert_output_is b
	run cooper run --contextdir "$BATS_TEST_TMPDIR" --mount type=bind,src=b,target=/b c cat /b/f
	assert_output_is b
	run cooper run --mount type=bind,from=busybox,src=/etc,target=/other c cat /other/group
	assert_output_has extra
	run cooper run --workingdir /tmp --mount "type=bind,src=$BATS_TEST_TMPDIR/b,target=rel" c cat /tmp/rel/f
	assert_output_is b
	run cooper run --mount "type=bind,src=$BATS_TEST_TMPDIR/nosuch,target=/b" c true
	assert_fails_with 125 nosuch
}

@test "--mount type=tmpfs: size, mode, and what the image has there" {
	run cooper run --mount type=tmpfs,target=/m,tmpfs-size=1m,tmpfs-mode=0750 c -- sh -c 'stat -c %a /m; dd if=/dev/zero of=/m/f bs=1k count=2000 2>/dev/null || echo full'
	assert_output_is $'750\nfull'
	run cooper run --mount type=tmpfs,target=/etc,tmpcopyup c -- sh -c 'cat /etc/group | tail -n 1; rm /etc/group'
	assert_output_is extra:x:2000:app
	run cooper run c -- ls /m
	[ "$status" -ne 0 ] || fail "the place is left behind"
	run cooper run c -- ls /etc/group
	assert_succeeds
}

@test "--mount type=cache: shared by name, with mode and owner, filled from an image" {
	cooper run --mount type=cache,id=one,target=/cache,mode=0711,uid=1000,gid=2000 c -- sh -c 'stat -c "%a %u %g" /cache >/cache/f'
	run cooper run --mount type=cache,id=one,target=/elsewhere c cat /elsewhere/f
	assert_output_is "711 1000 2000"
	run cooper run --mount type=cache,id=two,target=/cache,from=busybox,source=/etc c cat /cache/group
	assert_output_has extra
	run cooper run --mount type=cache,id=one,target=/cache,ro c touch /cache/x
	assert_fails_with 1 "Read-only"
	run cooper run --mount type=cache,id=one,target=/cache,sharing=bogus c true
	assert_fails_with 125 bogus
}

@test "--network private by each helper: an interface, a route, no way to the host's loopback" {
	[ -r /dev/net/tun ] && [ -w /dev/net/tun ] || skip "/dev/net/tun cannot be opened here"
	for helper in pasta slirp4netns; do
		command -v "$helper" >/dev/null || continue
		run cooper run --network "$helper" c -- sh -c 'ls /sys/class/net; ip route | grep -c default; cat /etc/resolv.conf'
		assert_succeeds
		[ "${#lines[@]}" -ge 4 ]
		assert_output_lacks "nameserver 127."
	done
}

@test "a private network without a helper: the error names them" {
	mkdir "$BATS_TEST_TMPDIR/bin"
	ln -s "$(command -v newuidmap)" "$(command -v newgidmap)" "$(command -v cooper)" "$BATS_TEST_TMPDIR/bin/"
	PATH=$BATS_TEST_TMPDIR/bin run cooper run --network private c true
	[ "$status" -eq 125 ]
	[[ $output == *pasta* || $output == *slirp4netns* ]] || fail "no helper is named"
}

@test "the session keyring is fresh" {
	skip_unless keyctl
	# The host's keyctl in the step: what it finds in its session is what a hostile step could read.
	# shellcheck disable=SC2016 # expanded inside
	run keyctl session - sh -c 'keyctl add user cooper-test secret @s && cooper run --security-opt seccomp=unconfined \
		-v /usr:/usr:ro -v /usr/lib:/lib:ro -v /usr/lib64:/lib64:ro c -- /usr/bin/keyctl show @s'
	assert_succeeds
	assert_output_has _ses
	assert_output_lacks cooper-test
}

@test "the session keyring is not the caller's, as far as /proc/keys tells" {
	before=$(awk '$5 ~ /^[0-9]/ && $8 ~ /_ses/ {print $1}' /proc/keys)
	run cooper run --security-opt unmask=/proc/keys c -- awk '$8 ~ /_ses/ {print $1}' /proc/keys
	for key in $before; do assert_output_lacks "$key"; done
}

@test "SIGINT, SIGHUP and SIGQUIT reach the command; one that ignores nothing ends by them" {
	for signal in INT:2 HUP:1 QUIT:3; do
		cooper run c -- sh -c "trap 'exit 4' ${signal%:*}; echo >/ready; i=0; while [ \$i -lt 1200 ]; do sleep 0.1; i=\$((i+1)); done" 3>&- &
		pid=$!
		wait_for_file ready
		# bash ignores SIGINT and SIGQUIT in what it starts in the background; cooper must not have inherited that.
		kill -"${signal%:*}" "$pid"
		status=0
		wait "$pid" || status=$?
		[ "$status" -eq 4 ] || fail "SIG${signal%:*} gave $status"
		cooper run c rm /ready
	done
	cooper run c -- sh -c 'echo >/ready; exec sleep 600' 3>&- &
	pid=$!
	wait_for_file ready
	kill -TERM "$pid"
	status=0
	wait "$pid" || status=$?
	[ "$status" -eq 143 ]
	cooper run c rm /ready
}

wait_for_file() {
	local id
	id=$(cooper inspect --type container --format '{{.ContainerID}}' c)
	eventually [ -e "$COOPER_ROOT/containers/$id/upper/$1" ]
}

@test "COOPER_ variables, and BUILDAH_ ones where the twin is not set" {
	BUILDAH_NETWORK=none run cooper run c ls /sys/class/net
	assert_output_is lo
	BUILDAH_NETWORK=bogus COOPER_NETWORK=none run cooper run c ls /sys/class/net
	assert_output_is lo
	COOPER_NETWORK=none run cooper run --network host c ls /sys/class/net
	[ "$output" != lo ] || [ "$(ls /sys/class/net)" = lo ]
	BUILDAH_ISOLATION=bogus run cooper run c true
	assert_fails_with 125 bogus
	BUILDAH_ISOLATION=bogus COOPER_ISOLATION=chroot run cooper run c echo fine
	assert_output_is fine
	ctr=$(cooper from busybox)
	BUILDAH_HISTORY=true cooper run "$ctr" -- echo noted
	BUILDAH_FORMAT=docker cooper commit -q "$ctr" variables
	run cooper inspect --type image --format '{{.Docker}}' variables
	assert_output_has "echo noted"
	run cooper inspect --type manifest variables
	assert_output_has vnd.docker.distribution.manifest.v2
	COOPER_FORMAT=oci run cooper commit -q --format docker "$ctr" variables
	run cooper inspect --type manifest variables
	assert_output_has vnd.docker.distribution.manifest.v2
	BUILDAH_HISTORY=false cooper run "$ctr" -- echo unheard
	cooper commit -q "$ctr" quiet
	run cooper inspect --type image --format '{{.Docker}}' quiet
	assert_output_lacks unheard
}

@test "containers.conf: env, ulimits, capabilities, volumes, shm_size, and their order" {
	mkdir -p "$BATS_TEST_TMPDIR/v"
	echo from-conf >"$BATS_TEST_TMPDIR/v/f"
	printf '[containers]\nenv = ["CONF=1", "PATH=/conf:/bin"]\ndefault_ulimits = ["nofile=99:99"]\ndefault_capabilities = ["CHOWN"]\nvolumes = ["%s:/conf:ro"]\nshm_size = "1m"\ndns_servers = ["192.0.2.7"]\n' \
		"$BATS_TEST_TMPDIR/v" >"$BATS_TEST_TMPDIR/containers.conf"
	export CONTAINERS_CONF=$BATS_TEST_TMPDIR/containers.conf
	run cooper run c -- sh -c 'echo $CONF $PATH; ulimit -n; grep CapEff /proc/self/status; cat /conf/f; df -k /dev/shm | tail -n 1; cat /etc/resolv.conf'
	assert_output_has "1 /usr/bin:/bin:/usr/sbin:/sbin"
	assert_output_has $'\n99\n'
	assert_output_has 0000000000000001
	assert_output_has from-conf
	assert_output_has 1024
	assert_output_has "nameserver 192.0.2.7"
	run cooper run --env CONF=2 --ulimit nofile=50 --cap-add kill c -- sh -c 'echo $CONF; ulimit -n; grep CapEff /proc/self/status'
	assert_output_has $'2\n50\n'
	assert_output_has 0000000000000021
}

@test "containers.conf: default_sysctls, in namespaces of the step's own" {
	export CONTAINERS_CONF=$BATS_TEST_TMPDIR/containers.conf
	printf '[containers]\ndefault_sysctls = ["net.ipv4.ping_group_range=0 7", "kernel.shmmni=123"]\n' >"$CONTAINERS_CONF"
	run cooper run --network none c cat /proc/sys/net/ipv4/ping_group_range /proc/sys/kernel/shmmni
	assert_output_is $'0\t7\n123'
	run cooper run --network host c cat /proc/sys/net/ipv4/ping_group_range /proc/sys/kernel/shmmni
	assert_output_has $'\n123'
	[[ $output != $'0\t7'* ]] || fail "the host's network has it"
	printf '[containers]\ndefault_sysctls = ["kernel.panic=1"]\n' >"$CONTAINERS_CONF"
	run cooper run c true
	assert_fails_with 125 "kernel.panic=1' is not of a namespace"
	printf '[containers]\ndefault_sysctls = ["net.ipv4.no_such_thing=1"]\n' >"$CONTAINERS_CONF"
	run cooper run --network none c true
	assert_fails_with 125 "sysctl 'net.ipv4.no_such_thing=1'"
	printf '[containers]\ndefault_sysctls = ["net.ipv4.ping_group_range"]\n' >"$CONTAINERS_CONF"
	run cooper run --network none c true
	assert_fails_with 125 "not name=value"
}

@test "--registries-conf of a file that is not there is an error" {
	run cooper --registries-conf "$BATS_TEST_TMPDIR/none.conf" images
	assert_fails_with 125 none.conf
	CONTAINERS_REGISTRIES_CONF=$BATS_TEST_TMPDIR/none.conf run cooper pull some/name
	assert_fails_with 125 none.conf
}
