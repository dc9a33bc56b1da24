# The Dockerfile language: what a step is known by in the cache.
load lib/common
load lib/build
load lib/language

setup() {
	make_context
	# Steps of one test are not those of another.
	echo "$BATS_TEST_NAME" >mark
	fresh="COPY mark /mark"
}

# The Dockerfile of the arguments, one instruction each.
file() {
	printf '%s\n' "FROM busybox" "$fresh" "$@" | dockerfile
}

@test "nothing changed: every step, and the same image" {
	file 'COPY . /c' 'RUN cat /proc/sys/kernel/random/uuid >/r' 'WORKDIR /w' 'ADD one /one' 'LABEL a=b'
	build
	local first=$output
	build
	cached 5
	assert_output_is "$first"
}

@test "COPY: times do not count; content, names, modes, links do" {
	ln -s one link
	file 'COPY dir link /d/' 'COPY . /all/'
	build
	touch one dir dir/flat dir/sub && touch -d 2001-01-01 two
	build
	cached 3
	chmod 600 dir/flat
	build
	cached 1
	chmod 644 dir/flat && build && cached 3
	mv dir/flat dir/tlaf && build && cached 1 && mv dir/tlaf dir/flat
	mkdir dir/empty && build && cached 1 && rmdir dir/empty
	chmod 700 dir/sub && build && cached 1 && chmod 755 dir/sub
	echo two >one && build && cached 1
	echo one >one && build && cached 3
}

@test "COPY: only what is selected counts" {
	file 'COPY one /o' 'COPY d*/sub /s/'
	build
	echo changed >two && echo changed >dir/flat && chmod 700 dir
	build
	cached 3
	echo changed >dir/sub/deep
	build
	cached 2
}

@test "COPY: excluded and ignored files do not count" {
	echo two >.dockerignore
	file 'COPY --exclude=one --exclude=mark --exclude=.docker* --exclude=Dockerfile . /c'
	build
	echo changed >one && echo changed >two
	build
	cached 2
	echo changed >dir/flat
	build
	cached 1
}

@test "COPY: destination and flags count" {
	local form
	for form in '/x' '/y' '/x/' '--chown=1 /x' '--chown=2 /x' '--chmod=600 /x' '--chmod=644 /x' '--link /x' '--parents /x'; do
		file "COPY ${form% *} one ${form##* }"
		[ "${form% *}" != "$form" ] || file "COPY one $form"
		build
		cached $((${done:-0} > 0))
		done=1
	done
	file "COPY one two /x/"
	build
	file "COPY two one /x/"
	build
	cached 1
}

@test "COPY --parents: what is kept of the path counts" {
	file 'COPY --parents dir/sub/deep /x/'
	build
	file 'COPY --parents dir/./sub/deep /x/'
	build
	cached 1
	run inside 'cat /x/sub/deep'
	assert_output_is deep
}

@test "COPY: a file by another name counts" {
	cp one same
	file 'COPY one /x/'
	build
	file 'COPY same /x/'
	build
	cached 1
	run inside 'cat /x/same'
	assert_output_is one
}

@test "here-documents: content, name, and what is expanded count" {
	local body
	for body in 'A a' 'A b' 'B a' 'A $V'; do
		printf 'FROM busybox\n%s\nENV V=1\nCOPY <<%s /d/\n%s\n%s\n' "$fresh" "${body% *}" "${body#* }" "${body% *}" | dockerfile
		build
		cached $((${done:-0} > 0))
		done=1
	done
	sed -i 's/V=1/V=2/' Dockerfile
	build
	cached 1
}

@test "RUN: command, environment, directory, user, shell, network count; labels and the like do not" {
	file 'RUN echo x >/x'
	build
	file 'LABEL a=b' 'EXPOSE 80' 'CMD x' 'VOLUME /v' 'STOPSIGNAL INT' 'HEALTHCHECK CMD x' 'MAINTAINER m' '# comment' 'RUN echo x >/x'
	build
	cached 2
	local before
	for before in 'ENV A=1' 'ENV A=2' 'USER app' 'ARG A=3' 'SHELL ["/bin/sh", "-ec"]'; do
		file "$before" 'RUN echo x >/tmp/x'
		build
		cached 1
	done
	file 'RUN --network=none echo x >/x'
	build
	cached 1
	file 'RUN echo  x >/x'
	build
	cached 1
}

@test "ARG: its value counts from where it is declared, for each RUN" {
	file 'RUN echo 1' 'ARG V' 'RUN echo $V >/v' 'COPY one /'
	build --build-arg V=a
	build --build-arg V=b
	cached 2
	build --build-arg V=a
	cached 4
}

@test "ARG: one that is not declared counts nowhere" {
	file 'RUN echo 1'
	build
	build --build-arg OTHER=x
	cached 2
}

@test "ENV of a later step, and a later step itself, count nowhere" {
	file 'RUN echo 1' 'RUN echo 2'
	build
	file 'RUN echo 1' 'ENV A=1' 'RUN echo 2'
	build
	cached 2
	file 'RUN echo 1' 'RUN echo 3'
	build
	cached 2
}

@test "a step above that gives the same layer leaves those below it known" {
	file 'COPY one /x' 'RUN cat /x'
	build
	echo other >one
	build
	cached 1
	echo one >one
	build
	cached 3
}

@test "stages: another order, another name, more of them" {
	printf 'FROM busybox AS a\n%s\nRUN echo a\nFROM busybox AS b\n%s\nRUN echo b\nFROM scratch\nCOPY --from=a /etc /a\nCOPY --from=b /etc /b\n' "$fresh" "$fresh" | dockerfile
	build
	printf 'FROM busybox AS x\nRUN false\nFROM busybox AS second\n%s\nRUN echo b\nFROM busybox AS first\n%s\nRUN echo a\nFROM scratch\nCOPY --from=first /etc /a\nCOPY --from=second /etc /b\n' "$fresh" "$fresh" | dockerfile
	build
	cached 6
}

@test "COPY --from: other files of the stage do not count" {
	printf 'FROM busybox AS a\n%s\nCOPY one /one\nCOPY two /two\nFROM scratch\nCOPY --from=a /one /\n' "$fresh" | dockerfile
	build
	echo changed >two
	build
	cached 3
	echo changed >one
	build
	cached 1
}

@test "COPY --link does not depend on what is below it" {
	printf 'FROM busybox\n%s\nRUN echo 1 >/a\nCOPY --link one /l/\n' "$fresh" | dockerfile
	build
	printf 'FROM busybox\n%s\nRUN echo 2 >/a\nCOPY --link one /l/\n' "$fresh" | dockerfile
	build
	cached 2
	run inside 'cat /a /l/one'
	assert_output_is $'2\none'
}

@test "--no-cache, and --no-cache-filter for some stages" {
	printf 'FROM busybox AS a\n%s\nRUN echo a\nFROM busybox AS b\n%s\nRUN echo b\nFROM scratch\nCOPY --from=a /etc /a\nCOPY --from=b /etc /b\n' "$fresh" "$fresh" | dockerfile
	build
	build --no-cache
	cached 0
	build --no-cache-filter=a
	[[ $stderr == *"Using cache"* ]]
	[ "$(grep -c 'Using cache' <<<"$stderr")" -lt 6 ]
	build --no-cache-filter=A,b
	build
	cached 6
}

@test "secrets and their values count nowhere, which secret does" {
	printf 1 >"$BATS_TEST_TMPDIR/s"
	file 'RUN --mount=type=secret,id=s true'
	build --secret id=s,src="$BATS_TEST_TMPDIR/s"
	printf 2 >"$BATS_TEST_TMPDIR/s"
	build --secret id=s,src="$BATS_TEST_TMPDIR/s"
	cached 2
	build
	cached 2
	file 'RUN --mount=type=secret,id=t true'
	build
	cached 1
}

@test "bind mounts: what is mounted counts, and where" {
	file 'RUN --mount=target=/m,source=dir ls /m'
	build
	echo changed >two
	build
	cached 2
	file 'RUN --mount=target=/n,source=dir ls /m || true'
	build
	cached 1
	file 'RUN --mount=target=/m,source=dir ls /m'
	chmod 600 dir/flat
	build
	cached 1
}

@test "hosts, limits and the host's name count, the network of the machine does not" {
	file 'RUN hostname >/name'
	build
	build --add-host x:1.2.3.4
	cached 1
	build --add-host x:1.2.3.5
	cached 1
	build --ulimit nofile=100:100
	cached 1
	build --build-arg BUILDKIT_SANDBOX_HOSTNAME=name
	cached 1
	build
	cached 2
}

@test "a failed step is not kept" {
	file 'RUN --mount=type=cache,target=/c,id=fails test -e /c/done || { touch /c/done; exit 1; }'
	refuses "exit code: 1"
	cooper rm -a >/dev/null
	build
	cached 1
	build
	cached 2
}
