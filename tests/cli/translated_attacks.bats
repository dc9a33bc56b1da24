# What a step in a translated root tries against its builder and the host, and that it sees the calls as everywhere.
load lib/common
load lib/conformance

# One store for each kind: a layer lies in it as the ids of its user are.
enter() {
	export COOPER_ISOLATION=$1
	fresh_store "$BATS_TEST_NUMBER-$1"
	use_busybox
}

compile() {
	gcc -O1 -static -pthread -o "$BATS_TEST_TMPDIR/$1" "$BATS_TEST_DIRNAME/../programs/$1.c" || skip "no static C library"
}

# Sockets and System V objects of the host's that a step must not reach: listen DIRECTORY NAME KEY. The objects' numbers
# are in DIRECTORY/ready. The key, and a queue's name that ends with it, are nobody else's, who may run these tests, too.
listen() {
	python3 - "$1" "$2" "$3" <<-'END' >"$1/ready" 3>&- &
		import ctypes, os, signal, socket, sys
		libc = ctypes.CDLL(None)
		key, queue = int(sys.argv[3]), b"/cooper-host-" + sys.argv[3].encode()
		memory, semaphores, messages = libc.shmget(key, 4096, 0o1600), libc.semget(key, 1, 0o1600), libc.msgget(key, 0o1600)
		libc.mq_unlink(queue)
		libc.mq_open(queue, os.O_CREAT | os.O_RDWR, 0o600, None)
		def remove(*_):
		    libc.shmctl(memory, 0, None), libc.semctl(semaphores, 0, 0), libc.msgctl(messages, 0, None)
		    sys.exit(libc.mq_unlink(queue))
		signal.signal(signal.SIGTERM, remove)
		stream, datagram, abstract = (socket.socket(socket.AF_UNIX, kind)
		                              for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_STREAM))
		stream.bind(sys.argv[1] + "/stream"), stream.listen(9)
		datagram.bind(sys.argv[1] + "/datagram")
		abstract.bind("\0" + sys.argv[2]), abstract.listen(9)
		print(memory, semaphores, messages, flush=True)
		signal.pause()
	END
	listener=$!
	until [ -s "$1/ready" ]; do sleep 0.1; done
}

@test "no attack on the builder, the host's files or its sockets succeeds, and what a step may do it can" {
	compile attacks
	room=$(mktemp -d /tmp/cooper-host.XXXXXX)
	printf 'a SECRET\n' >"$room/secret"
	key=$((0x40000000 + 2 * $$))
	listen "$room" "cooper-test-$$" "$key"
	enter translated
	ctr=$(cooper from busybox)
	# The shell becomes cooper, so that its number is known.
	run sh -c "exec cooper run -v '$BATS_TEST_TMPDIR/attacks:/attacks:ro' $ctr -- \
		/attacks \$\$ '$room/secret' '$room/stream' '$room/datagram' 'cooper-test-$$' $(cat "$room/ready") $key"
	kill "$listener"
	# The objects were not touched; what the step has left behind is gone.
	wait "$listener" || fail "the host's queue is gone"
	rm -r "$room"
	[ "$status" -eq 0 ] || fail "$output"
	[ "$(python3 -c 'import ctypes; print(ctypes.CDLL(None).shmget('"$((key + 1))"', 0, 0))')" = -1 ]
}

# What dash has started handles signals as dash does until it is another program.
@test "a signal to everybody reaches nobody but the step's own" {
	sleep 4411 3>&- &
	neighbour=$!
	enter translated
	ctr=$(cooper from busybox)
	run -0 cooper run "$ctr" -- \
		sh -c 'trap : TERM; sleep 600 & until grep -qx sleep /proc/$!/comm; do :; done; kill -TERM -1; wait; echo on'
	[ "$output" = on ]
	run cooper run "$ctr" -- sh -c 'kill -KILL -1; echo on'
	kill "$neighbour" || fail "the neighbour has ended"
}

@test "a step opens its own terminals, and none of the user's others" {
	python3 -c 'import os, pty, signal; print(os.ttyname(pty.openpty()[1]), flush=True); signal.pause()' \
		>"$BATS_TEST_TMPDIR/terminal" 3>&- &
	owner=$!
	until [ -s "$BATS_TEST_TMPDIR/terminal" ]; do sleep 0.1; done
	terminal=$(cat "$BATS_TEST_TMPDIR/terminal")
	enter translated
	ctr=$(cooper from busybox)
	run cooper run "$ctr" -- sh -c "[ -c $terminal ] && echo seen; echo typed >$terminal; cat <$terminal; chmod 666 $terminal"
	mode=$(stat -c %a "$terminal")
	kill "$owner"
	[ "$status" -ne 0 ]
	assert_output_has "seen"
	[ "$(grep -c -e 'Permission denied' -e 'Operation not permitted' <<<"$output")" = 3 ]
	[ "$mode" != 666 ]
}

@test "a program sees the same as in a root with namespaces, call by call" {
	compile_conformance
	mapfile -t families < <(conformance_families)
	for kind in full translated; do
		enter "$kind"
		conform "$BATS_TEST_TMPDIR/$kind.out" cooper "${families[@]}" borders
	done
	diff "$BATS_TEST_TMPDIR/full.out" "$BATS_TEST_TMPDIR/translated.out"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/translated.out")" -gt 1500 ]
	conform "$BATS_TEST_TMPDIR/out" cooper devices
	diff "$BATS_TEST_DIRNAME/../programs/conformance/devices.native" "$BATS_TEST_TMPDIR/out"
}

@test "an image built in a translated root has the layers of one built with namespaces" {
	mkdir "$BATS_TEST_TMPDIR/context"
	echo data >"$BATS_TEST_TMPDIR/context/file"
	printf hush >"$BATS_TEST_TMPDIR/token"
	cat >"$BATS_TEST_TMPDIR/context/Dockerfile" <<-'END'
		FROM busybox AS first
		COPY --chown=7:8 file /opt/f
		RUN mkdir -p /d/e && echo a >/d/a && chown -R 12:13 /d && chmod 4755 /d/a && ln -s a /d/l && mkfifo /d/p && \
			rm /bin/wget && mknod /d/null c 1 3 && chmod 0400 /d/e && echo h >/d/h && ln /d/h /d/hard && echo x >/s && chmod 0 /s
		RUN rm -r /d/e && mv /d/a /d/b && echo more >>/etc/passwd && chown 5 /bin/busybox && \
			chown 9 /home /d && chmod 711 /etc && chown 3:3 /
		FROM first
		COPY --from=first /d /copy
		USER app
		WORKDIR /home/app/w
		RUN --mount=type=cache,target=/cache,uid=1000 --mount=type=secret,id=token,uid=1000 \
			cat /run/secrets/token && touch /cache/kept mine
	END
	for kind in full translated; do
		enter "$kind"
		SOURCE_DATE_EPOCH=1700000000 cooper build -q --rewrite-timestamp --no-cache \
			--secret "id=token,src=$BATS_TEST_TMPDIR/token" -t "$kind" "$BATS_TEST_TMPDIR/context" >"$BATS_TEST_TMPDIR/$kind.id"
	done
	diff "$BATS_TEST_TMPDIR/full.id" "$BATS_TEST_TMPDIR/translated.id"
}

# Who is killed while he creates somebody cannot say so: neither the step nor its end waits for one that nobody knows.
@test "families that are killed while they grow leave nobody that is waited for" {
	compile killed_at_birth
	enter translated
	ctr=$(cooper from busybox)
	run timeout -k 5 240 cooper run -v "$BATS_TEST_TMPDIR/killed_at_birth:/killed_at_birth:ro" "$ctr" /killed_at_birth 100
	[ "$status" -eq 0 ] || fail "$output"
	[ "$output" = "all have ended" ]
}

# Who has ended and was not waited for when his parent ended, too, is nobody's but ours.
@test "a step's dead orphans are taken off the process table" {
	enter translated
	ctr=$(cooper from busybox)
	mkdir "$BATS_TEST_TMPDIR/shared"
	cooper run -v "$BATS_TEST_TMPDIR/shared:/shared" "$ctr" -- \
		sh -c 'sh -c "true & exec sleep 0.2"; touch /shared/over; for _ in $(seq 300); do [ -e /shared/go ] || sleep 0.1; done' 3>&- &
	for _ in $(seq 200); do [ -e "$BATS_TEST_TMPDIR/shared/over" ] && break || sleep 0.1; done
	run ps -o stat=,comm= --ppid "$!"
	touch "$BATS_TEST_TMPDIR/shared/go"
	wait "$!"
	[[ "$output" == *init* ]] || fail "$output"
	[[ "$output" != Z* && "$output" != *$'\n'Z* ]] || fail "$output"
}
