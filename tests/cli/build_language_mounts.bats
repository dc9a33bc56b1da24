# The Dockerfile language: RUN --mount.
load lib/common
load lib/build
load lib/language

# runs_with 'MOUNT' 'COMMAND': succeeds behind FROM busybox and WORKDIR /w.
runs_with() {
	printf 'FROM busybox\nWORKDIR /w\nRUN --mount=%s %s\n' "$1" "$2" | dockerfile
	build "${@:3}"
}

@test "bind is the default; keys in any case; spellings of the target" {
	runs_with 'target=/m' 'test "$(cat /m/one)" = one'
	runs_with 'TYPE=bind,Target=/m' 'test -e /m/one'
	runs_with 'type=bind,dst=/m,src=dir' 'test -e /m/flat'
	runs_with 'type=bind,destination=m,source=/dir/sub' 'test -e /w/m/deep'
	runs_with 'target=.,source=dir' 'test -e /w/flat'
	runs_with 'type=bind,\"target=/a,b\",source=dir' 'test -e /a,b/flat'
}

@test "bind: read-only, unless rw; what is written is thrown away" {
	runs_with 'target=/m' '! touch /m/x 2>/dev/null'
	runs_with 'target=/m,ro' '! touch /m/x 2>/dev/null'
	runs_with 'target=/m,rw' 'touch /m/x && rm /m/one && test -e /m/two'
	runs_with 'target=/m,readwrite=true' 'touch /m/x'
	runs_with 'target=/m,rw=false' '! touch /m/x 2>/dev/null'
	runs_with 'target=/m,readonly=false' 'touch /m/x'
	[ -e one ] && [ ! -e x ]
}

@test "bind: a single file, a stage, an image" {
	runs_with 'target=/m/f,source=one' 'test "$(cat /m/f)" = one'
	runs_with 'target=/m,from=busybox,source=/etc' 'test -e /m/passwd'
	runs_with 'target=f,from=busybox,source=etc/passwd' 'grep -q app /w/f'
	printf 'FROM busybox\nRUN --mount=target=/m,source=none true\n' | dockerfile
	refuses '"/none": not found'
}

@test "bind: what is left out of the context is not there" {
	echo two >.dockerignore
	runs_with 'target=/m' 'test -e /m/one && test ! -e /m/two'
}

@test "bind: its content is in the key, other files are not" {
	runs_with 'target=/m,source=dir' 'cat /m/flat'
	echo changed >one
	runs_with 'target=/m,source=dir' 'cat /m/flat'
	cached 2
	echo changed >dir/flat
	runs_with 'target=/m,source=dir' 'cat /m/flat'
	cached 1
}

@test "mount points that were not there are gone, those that were stay" {
	dockerfile <<-'EOF'
		FROM busybox
		RUN mkdir -p /there/sub && touch -d "2001-01-01 00:00:00" /there
		RUN --mount=target=/new/deep/er --mount=type=tmpfs,target=/there/sub --mount=type=cache,target=/there/c true
		RUN test ! -e /new && test -d /there/sub && test ! -e /there/c && test "$(stat -c %Y /there)" = "978307200"
		RUN --mount=target=/kept/m touch /kept/file
		RUN test -e /kept/file && test ! -e /kept/m
	EOF
	build
}

@test "several mounts, one in another, with variables" {
	dockerfile <<-'EOF'
		FROM busybox AS base
		ARG TO=/m
		ENV FILE=one
		RUN --mount=type=tmpfs,target=${TO} --mount=source=$FILE,target=$TO/f --mount=type=tmpfs,target=/other test "$(cat /m/f)" = one
	EOF
	build
}

@test "tmpfs: empty, writable, with a size, not kept" {
	runs_with 'type=tmpfs,target=/t' 'test -z "$(ls /t)" && touch /t/x'
	runs_with 'type=tmpfs,target=/t,size=1m' '! dd if=/dev/zero of=/t/x bs=1k count=2048 2>/dev/null'
	runs_with 'type=tmpfs,target=/etc' 'test -z "$(ls /etc)" || test ! -e /etc/passwd'
	run inside 'ls -A /t; ls /etc/passwd'
	assert_output_has /etc/passwd
}

@test "cache: one id one cache, the default is the cleaned target" {
	runs_with 'type=cache,target=/cc/x' 'echo first >/cc/x/f'
	runs_with 'type=cache,target=/cc/./x/' 'test "$(cat /cc/x/f)" = first'
	runs_with 'type=cache,target=/other,id=/cc/x' 'test "$(cat /other/f)" = first'
	runs_with 'type=cache,target=/cc/x,id=mine' 'test ! -e /cc/x/f'
	runs_with 'type=cache,target=/cc/x,ro' 'test -e /cc/x/f && ! touch /cc/x/g 2>/dev/null'
	runs_with 'type=cache,target=/cc/x' 'test ! -e /cc/x/f' --build-arg BUILDKIT_CACHE_MOUNT_NS=ns
	run inside 'ls -A /cc 2>/dev/null'
	assert_output_is ""
}

@test "cache: owner and mode when it is new, not later" {
	runs_with 'type=cache,target=/o,id=own,uid=1000,gid=2000,mode=0750' 'test "$(stat -c %u:%g:%a /o)" = 1000:2000:750'
	runs_with 'type=cache,target=/o,id=plain' 'test "$(stat -c %u:%g:%a /o)" = 0:0:755'
}

@test "cache: content is in no key" {
	runs_with 'type=cache,target=/k,id=key' 'echo x >>/k/f; cat /k/f'
	runs_with 'type=cache,target=/other,id=key' 'echo y >>/other/f'
	runs_with 'type=cache,target=/k,id=key' 'echo x >>/k/f; cat /k/f'
	cached 2
}

@test "cache: --no-cache begins afresh with what is made for it, and keeps any other" {
	local count='touch /c/$N && ls /c | wc -l >/count'
	printf 'FROM busybox AS seed\nRUN mkdir /s && touch /s/0\nFROM busybox\nARG N\nRUN --mount=type=cache,id=fresh,target=/c,mode=0773 %s\nRUN --mount=type=cache,id=stays,target=/c %s && cat /count >/plain\nRUN --mount=type=cache,id=seeded-again,target=/c,from=seed,source=/s %s && cat /count >/seeded\nRUN --mount=type=cache,id=fresh,target=/c,mode=0773 ls /c | wc -l >/count\n' "$count" "$count" "$count" | dockerfile
	build --build-arg N=1
	build --no-cache --build-arg N=2
	run inside 'cat /count /plain /seeded'
	assert_output_is $'1\n2\n2'
	build --build-arg N=3
	run inside 'cat /count /plain /seeded'
	assert_output_is $'2\n3\n3'
}

@test "cache: sharing=private gives the second its own, locked waits" {
	dockerfile <<-'EOF'
		FROM busybox AS a
		RUN --mount=type=cache,id=priv,sharing=private,target=/p --mount=type=cache,id=sync,target=/s echo a >/p/a; touch /s/a; for i in $(seq 600); do [ -e /s/b ] && break; sleep 0.1; done; test ! -e /p/b
		FROM busybox AS b
		RUN --mount=type=cache,id=priv,sharing=private,target=/p --mount=type=cache,id=sync,target=/s echo b >/p/b; touch /s/b; for i in $(seq 600); do [ -e /s/a ] && break; sleep 0.1; done; test ! -e /p/a
		FROM scratch
		COPY --from=a /etc/passwd /a
		COPY --from=b /etc/passwd /b
	EOF
	build --jobs 2
	dockerfile <<-'EOF'
		FROM busybox AS a
		RUN --mount=type=cache,id=lock,sharing=locked,target=/l mkdir /l/held && sleep 0.5 && rmdir /l/held
		FROM busybox AS b
		RUN --mount=type=cache,id=lock,sharing=locked,target=/l mkdir /l/held && sleep 0.5 && rmdir /l/held # b
		FROM scratch
		COPY --from=a /etc/passwd /a
		COPY --from=b /etc/passwd /b
	EOF
	build --jobs 2
}

@test "cache: seeded by a stage, whose source cannot lead out" {
	dockerfile <<-'EOF'
		FROM busybox AS seed
		RUN mkdir /s && echo seed >/s/f
		FROM busybox
		RUN --mount=type=cache,id=seeded,target=/c,from=seed,source=/s test "$(cat /c/f)" = seed && echo more >/c/g
		RUN --mount=type=cache,id=seeded,target=/c,from=seed,source=/s test "$(cat /c/f /c/g)" = "$(printf 'seed\nmore')"
	EOF
	build
}

@test "secret: file, mode, owner, name; only where it was asked for" {
	printf 's3cret-text' >"$BATS_TEST_TMPDIR/secret"
	local s=id=s,src=$BATS_TEST_TMPDIR/secret
	runs_with 'type=secret,id=s' 'test "$(cat /run/secrets/s)" = s3cret-text && test "$(stat -c %a:%u:%g /run/secrets/s)" = 400:0:0' --secret "$s"
	runs_with 'type=secret,target=/etc/s' 'test "$(cat /etc/s)" = s3cret-text' --secret "$s"
	runs_with 'type=secret,src=s,target=rel' 'test "$(cat /w/rel)" = s3cret-text' --secret "$s"
	runs_with 'type=secret,id=s,mode=0440,uid=7,gid=8' 'test "$(stat -c %a:%u:%g /run/secrets/s)" = 440:7:8' --secret "$s"
	runs_with 'type=secret,id=s,env=E' 'test "$E" = s3cret-text && test ! -e /run/secrets/s' --secret "$s"
	runs_with 'type=secret,id=s,env=E,target=/f' 'test "$E" = "$(cat /f)"' --secret "$s"
	runs_with 'type=secret,id=none' 'test ! -e /run/secrets/none'
	runs_with 'type=secret,id=none,env=E' 'test -z "$E"'
	run inside 'ls -A /run /etc/s /f /w/rel 2>/dev/null'
	assert_output_lacks s
	SECRET_E=from-env runs_with 'type=secret,id=e' 'test "$(cat /run/secrets/e)" = from-env' --secret id=e,env=SECRET_E
	HOSTNAMED=byname runs_with 'type=secret,id=HOSTNAMED' 'test "$(cat /run/secrets/HOSTNAMED)" = byname' --secret id=HOSTNAMED
}

@test "secret: required, and without a name" {
	refuses_each <<-'EOF'
		RUN --mount=type=secret,id=x,required true => secret x: not found
		RUN --mount=type=secret,id=x,required=true true => secret x: not found
		RUN --mount=type=secret true => Dockerfile:2
	EOF
}

@test "secret: masked in what is shown; in no layer, history or key" {
	printf 'only-here-known' >"$BATS_TEST_TMPDIR/secret"
	runs_with 'type=secret,id=s,env=E' 'echo "it is $E"; cat /proc/self/environ >/dev/null' --secret "id=s,src=$BATS_TEST_TMPDIR/secret"
	[[ $stderr == *"it is"* && $stderr != *only-here-known* ]]
	run sh -c "cooper unshare grep -rl only-here-known \"\$COOPER_ROOT\""
	assert_output_is ""
	printf 'other' >"$BATS_TEST_TMPDIR/secret"
	runs_with 'type=secret,id=s,env=E' 'echo "it is $E"; cat /proc/self/environ >/dev/null' --secret "id=s,src=$BATS_TEST_TMPDIR/secret"
	cached 2
}

@test "ssh: required, and its socket" {
	refuses_each <<-'EOF'
		RUN --mount=type=ssh,required true => ssh
		RUN --mount=type=ssh,id=other,required=true true => other
	EOF
	runs_with 'type=ssh' 'test -z "$SSH_AUTH_SOCK"'
	skip_unless ssh-agent
	eval "$(ssh-agent -a "$BATS_TEST_TMPDIR/agent")" >/dev/null
	runs_with 'type=ssh,target=/agent.sock,mode=0666,uid=1000,gid=2000' 'test -S /agent.sock && test "$(stat -c %a:%u:%g /agent.sock)" = 666:1000:2000 && test "$SSH_AUTH_SOCK" = /agent.sock' --ssh default
	runs_with 'type=ssh,id=named' 'test "$SSH_AUTH_SOCK" = /run/buildkit/ssh_agent.0' --ssh "named=$BATS_TEST_TMPDIR/agent"
	ssh-agent -k >/dev/null
}

@test "mounts that are wrong" {
	refuses_each <<-'EOF'
		RUN --mount=type=chache,target=/x true => did you mean cache
		RUN --mount=type=bind,taget=/x true => did you mean target
		RUN --mount=type=cache,target=/x,sharing=lockd true => did you mean locked
		RUN --mount=type=cache,target=/ true => invalid mount target
		RUN --mount=type=bind,target=/ true => invalid mount target
		RUN --mount=type=bind true => target
		RUN --mount=type=bind,target=/x,mode=0755 true => mode
		RUN --mount=type=bind,target=/x,uid=1 true => uid
		RUN --mount=type=cache,target=/x,size=1m true => size
		RUN --mount=type=bind,target=/x,required true => required
		RUN --mount=type=cache,target=/x,mode=rwx true => mode
		RUN --mount=type=cache,target=/x,uid=me true => uid
		RUN --mount=type=bind,target=/x,rw=maybe true => rw
		RUN --mount=type=secret,id=x,from=y true => from
		RUN --mount= true => Dockerfile:2
		RUN --mount=target true => target
	EOF
}
