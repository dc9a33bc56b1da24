# cooper build: RUN, its forms, mounts and rights.
load lib/common
load lib/build

@test "shell form, exec form, a command that fails or is not there" {
	dockerfile <<-'EOF'
		FROM busybox
		RUN echo "a  b" >/shell; \
		    # a comment inside
		    echo more >>/shell
		RUN ["/bin/sh", "-c", "echo $0 \"$1\" >/exec", "zero", "one two"]
		RUN test "$(cat /shell /exec)" = "$(printf 'a  b\nmore\nzero one two')"
	EOF
	build
	printf 'FROM busybox\nRUN exit 42\n' | dockerfile
	run cooper build "$context"
	assert_fails_with 42 'process "/bin/sh -c exit 42" did not complete successfully: exit code: 42'
	printf 'FROM busybox\nRUN ["nosuch"]\n' | dockerfile
	run cooper build "$context"
	assert_fails_with 127 "nosuch"
}

@test "here-documents: a script for the shell, with #!, several, more text" {
	dockerfile <<-'EOF'
		FROM busybox
		ENV V=1
		RUN <<EOT
		set -e
		echo "shell $V" >/out
		EOT
		RUN <<-'SCRIPT'
		#!/bin/awk -f
		BEGIN { print "awk" >>"/out" }
		SCRIPT
		RUN cat <<A - <<B >>/out && echo tail >>/out
		first $V
		A
		second
		B
		RUN test "$(cat /out)" = "$(printf 'shell 1\nawk\nsecond\ntail')" || { cat /out; exit 1; }
	EOF
	build
	has_config '"RUN /bin/sh -c set -e\necho \"shell $V\" >/out\n # buildkit" in history'
}

@test "the failed step's container is kept and can be entered" {
	cooper rm -a
	dockerfile <<-'EOF'
		FROM busybox
		ARG A=arg
		ENV E=env
		WORKDIR /work
		RUN echo before >/kept; false
	EOF
	run --separate-stderr cooper build "$context"
	[ "$status" -eq 1 ]
	name=$(sed -n 's/.*`cooper run -t \(build-[0-9a-f]*\) .*/\1/p' <<<"$stderr")
	run --separate-stderr cooper run "$name" -- /bin/sh -c 'echo $(cat /kept) $A $E $PWD'
	assert_output_is "before arg env /work"
	# It is listed with what its stage is made from, also when that is another stage.
	[ "$(cooper containers --noheading --format '{{.ImageName}} {{.ImageID}} {{.ContainerName}}')" = \
		"localhost/busybox:latest $(cooper images -q busybox) $name" ]
	cooper rm "$name"
	dockerfile <<-'EOF'
		FROM busybox AS below
		RUN true
		FROM below
		RUN false
	EOF
	run cooper build "$context"
	[ "$(cooper containers --noheading --format '{{.ImageName}}')" = localhost/busybox:latest ]
	cooper rm -a
	printf 'FROM scratch\nRUN ["/nothing"]\n' >Dockerfile
	run cooper build "$context"
	[ "$(cooper containers --noheading --format '{{.ImageName}}')" = scratch ]
	cooper rm -a
}

@test "what a step is shown is not in the image" {
	dockerfile <<-'EOF'
		FROM scratch AS files
		COPY one /one
		FROM busybox AS run
		RUN --mount=type=tmpfs,target=/t --mount=from=files,target=/m/n --mount=target=/ctx,source=dir \
			--mount=type=cache,target=/c test -d /t -a -f /m/n/one -a -f /ctx/flat -a -d /c
		RUN test ! -e /t -a ! -e /m -a ! -e /ctx -a ! -e /c
		FROM busybox
		COPY --from=run /etc /copy
		RUN test ! -e /copy/hosts -a ! -e /copy/resolv.conf -a ! -e /copy/hostname
	EOF
	build
}

@test "bind: a single file, read-only, rw is thrown away" {
	dockerfile <<-'EOF'
		FROM busybox
		WORKDIR /w
		RUN --mount=source=one,target=file test "$(cat /w/file)" = one && ! sh -c 'echo x >/w/file'
		RUN --mount=source=dir,target=/d,rw echo new >/d/new && test -e /d/flat
		RUN --mount=source=dir,target=/d test ! -e /d/new
	EOF
	build
	[ ! -e dir/new ]
}

@test "cache: kept between steps and builds, apart by id, with owner and mode, seeded" {
	dockerfile <<-'EOF'
		FROM busybox
		ARG RUN_NUMBER
		RUN --mount=type=cache,target=/c echo $RUN_NUMBER >>/c/log && cat /c/log >/seen
		RUN --mount=type=cache,target=/elsewhere,id=/c cat /elsewhere/log
		RUN --mount=type=cache,target=/other,uid=1000,gid=2000,mode=0700 test "$(stat -c %u:%g:%a /other)" = 1000:2000:700
		RUN --mount=type=cache,target=/s,from=busybox,source=/etc,id=seeded test -e /s/passwd
		RUN --mount=type=cache,target=/l,sharing=locked --mount=type=cache,target=/p,sharing=private true
	EOF
	build --build-arg RUN_NUMBER=1
	build --build-arg RUN_NUMBER=2
	run inside 'cat /seen'
	assert_output_is $'1\n2'
}

@test "secrets: a file, a variable, required, never kept" {
	echo -n "s3cret value" >"$BATS_TEST_TMPDIR/secret"
	dockerfile <<-'EOF'
		FROM busybox
		RUN --mount=type=secret,id=s test "$(cat /run/secrets/s)" = "s3cret value" && test "$(stat -c %a:%u /run/secrets/s)" = 400:0
		RUN --mount=type=secret,id=s,target=/x/y,mode=0444,uid=5 test "$(stat -c %a:%u /x/y)" = 444:5
		RUN --mount=type=secret,id=s,env=TOKEN test "$TOKEN" = "s3cret value" && test ! -e /run/secrets/s
		RUN --mount=type=secret,id=missing test ! -e /run/secrets/missing
		RUN test ! -e /x && test ! -e /run/secrets
	EOF
	build --secret id=s,src="$BATS_TEST_TMPDIR/secret"
	run grep -r "s3cret value" "$COOPER_ROOT"
	[ "$status" -ne 0 ]
	export THE_SECRET="s3cret value"
	build --no-cache --secret id=s,env=THE_SECRET
	dockerfile <<-'EOF'
		FROM busybox
		RUN --mount=type=secret,id=missing,required=true true
	EOF
	refuses "missing"
}

@test "another secret is the same step" {
	echo 1 >"$BATS_TEST_TMPDIR/secret"
	dockerfile <<-'EOF'
		FROM busybox
		RUN --mount=type=secret,id=s cat /run/secrets/s >/dev/null
	EOF
	build --secret id=s,src="$BATS_TEST_TMPDIR/secret"
	echo 2 >"$BATS_TEST_TMPDIR/secret"
	run cooper build --secret id=s,src="$BATS_TEST_TMPDIR/secret" "$context"
	assert_output_has "Using cache"
}

@test "ssh: an agent's socket, through one of ours" {
	skip_unless ssh-agent ssh-add
	eval "$(ssh-agent -a "$BATS_TEST_TMPDIR/agent")" >/dev/null
	dockerfile <<-'EOF'
		FROM busybox
		RUN --mount=type=ssh test -S "$SSH_AUTH_SOCK" && test "$(stat -c %a "$SSH_AUTH_SOCK")" = 600
		RUN test -z "$SSH_AUTH_SOCK"
	EOF
	run --separate-stderr cooper build --ssh default "$context"
	ssh-agent -k >/dev/null
	assert_succeeds
}

@test "--network=none has only loopback" {
	dockerfile <<-'EOF'
		FROM busybox
		RUN --network=none test "$(ls /sys/class/net | tr '\n' ' ')" = "lo "
		RUN --network=default true
	EOF
	build
}

@test "--security=insecure needs to be allowed" {
	dockerfile <<-'EOF'
		FROM busybox
		RUN --security=insecure grep CapEff /proc/self/status
	EOF
	refuses "security.insecure"
}

@test "mounts that cannot be" {
	dockerfile <<-'EOF'
		FROM busybox
		RUN --mount=type=tmpfs,target=/ true
	EOF
	refuses "invalid mount target"
	dockerfile <<-'EOF'
		FROM busybox
		RUN --mount=type=chache,target=/x true
	EOF
	refuses "did you mean cache"
	dockerfile <<-'EOF'
		FROM busybox
		RUN --mount=tpye=cache,target=/x true
	EOF
	refuses "Dockerfile:2"
}

@test "output of steps is on standard error, the id on standard output" {
	dockerfile <<-'EOF'
		FROM busybox
		RUN echo to-stdout; echo to-stderr >&2
	EOF
	run --separate-stderr cooper build "$context"
	[[ $output =~ ^[0-9a-f]{64}$ ]]
	[[ $stderr == *to-stdout*to-stderr* ]]
}

@test "a secret that is printed is masked, whole and line by line" {
	printf 'first-line\nsecond-line\n' >"$BATS_TEST_TMPDIR/secret"
	dockerfile <<-'EOT'
		FROM busybox
		RUN --mount=type=secret,id=s cat /run/secrets/s; echo a-first-line-b; printf second-; printf 'line and more\nfirst-'; exit 7
	EOT
	run cooper build --secret id=s,src="$BATS_TEST_TMPDIR/secret" "$context"
	[ "$status" -eq 7 ]
	assert_output_has "a-***-b"
	assert_output_has "*** and more"
	assert_output_has "first-"
	assert_output_lacks $'first-line\nsecond-line'
}

@test "--quiet: the id alone, but all of the log of a step that fails" {
	printf 'FROM busybox\nRUN echo silent >&2; echo quiet\n' | dockerfile
	run --separate-stderr cooper build -q "$context"
	[[ $output =~ ^[0-9a-f]{64}$ ]]
	[ -z "$stderr" ]
	printf 'FROM busybox\nRUN echo loud; exit 9\n' | dockerfile
	run --separate-stderr cooper build -q "$context"
	[ "$status" -eq 9 ]
	[[ $stderr == *loud* ]]
}

@test "several capabilities, groups, limits or names in one option" {
	printf 'FROM busybox\nRUN grep CapEff /proc/self/status; ulimit -n; cat /etc/hosts\n' >Dockerfile
	build --no-cache --cap-drop cap_chown --cap-drop fowner --ulimit nofile=64:64 --ulimit core=0 \
		--add-host a:10.0.0.1 --add-host b:10.0.0.2
	one=$(grep -e '^CapEff' -e '^64$' -e '^10.0' <<<"$stderr")
	[[ $one == *CapEff*64*10.0.0.1*10.0.0.2* ]]
	build --no-cache --cap-drop cap_chown,fowner --ulimit nofile=64:64,core=0 --add-host a:10.0.0.1,b:10.0.0.2
	[ "$(grep -e '^CapEff' -e '^64$' -e '^10.0' <<<"$stderr")" = "$one" ]
	refuses "no-such" --cap-drop cap_chown,no-such
}
