# The Dockerfile language: RUN, its forms, here-documents, environment, network, and how it fails.
load lib/common
load lib/build
load lib/language

# in_run IMAGE-LINES: each line of stdin is a RUN that must succeed.
runs_each() {
	{
		printf 'FROM busybox\n'
		printf 'RUN %s\n' "$@"
	} | dockerfile
	build
}

@test "the shell form is one argument of the shell, as written" {
	runs_each 'test "$0" = /bin/sh || test "$0" = sh' 'test "a   b" = "a $(echo " ") b" || test "a   b" != "a b"' \
		"echo 'quoted \"twice\"' | grep -q 'd \"t'" 'echo \$HOME | grep -q "^.HOME$"' 'A=1; test $A = 1' \
		'echo a\
b | grep -q ab'
}

@test "the exec form: no shell, PATH of the image, no expansion" {
	dockerfile <<-'EOF'
		FROM busybox
		ENV V=1
		RUN ["sh", "-c", "test \"$#\" = 2 && test \"$1\" = '$V' && test \"$2\" = 'a b'", "x", "$V", "a b"]
		RUN ["/bin/test", "$V", "=", "\u0024V"]
		RUN [ "touch", "/a b" ]
		RUN test -e "/a b"
	EOF
	build
	has_config 'history[-2] == "RUN touch /a b # buildkit"'
}

@test "what looks like JSON and is none goes to the shell" {
	printf "FROM busybox\nRUN [ 'a' = 'a' ]\nRUN [ a = a ]\n" | dockerfile
	build
}

@test "SHELL decides the shell form, from there on" {
	dockerfile <<-'EOF'
		FROM busybox
		RUN test -z "$MARK"
		SHELL ["/bin/env", "MARK=1", "/bin/sh", "-c"]
		RUN test "$MARK" = 1
		RUN ["sh", "-c", "test -z \"$MARK\""]
		SHELL ["/bin/sh", "-c"]
		RUN test -z "$MARK"
	EOF
	build
	refuses_each <<-'EOF'
		SHELL /bin/sh -c => SHELL requires the arguments to be in JSON form
		SHELL [] => SHELL requires at least one argument
	EOF
}

@test "a here-document alone is the shell's argument" {
	dockerfile <<-'EOF'
		FROM busybox
		ENV V=env
		RUN <<EOT
		x=1
		# a comment of the shell
		echo "$V $x" \
		  more >/out
		EOT
		RUN <<-EOT
			cat >>/out <<-INNER
			inner
			INNER
		EOT
		RUN <<'EOT'
		echo '$V' "$V" >>/out
		EOT
		SHELL ["/bin/awk"]
		RUN <<EOT
		BEGIN { print "awk" >>"/out" }
		EOT
	EOF
	build
	run inside 'cat /out'
	assert_output_is $'env 1 more\ninner\n$V env\nawk'
}

@test "a here-document with #! is a program" {
	dockerfile <<-'EOF'
		FROM busybox
		RUN <<EOT
		#!/bin/awk -f
		BEGIN { print "by awk" >"/out" }
		EOT
		RUN test "$(cat /out)" = "by awk" && test ! -e /dev/pipes/EOT
	EOF
	build
}

@test "a here-document with more text is the shell's own" {
	dockerfile <<-'EOF'
		FROM busybox
		ENV V=env
		RUN cat <<A - <<"B" >/out; echo $V >>/out
		not read
		A
		last $V
		B
		RUN cat <<A >>/out && cat <<B >>/out
		one $V
		A
		two
		B
		RUN sed s/x/y/ <<-EOT >>/out
			x$V
		EOT
		RUN sh 3<<EOT -c 'cat <&3 >>/out'
		three
		EOT
	EOF
	build
	run inside 'cat /out'
	assert_output_is $'last $V\nenv\none env\ntwo\nyenv\nthree'
}

@test "<<< is none, and neither is one in the exec form" {
	dockerfile <<-'EOF'
		FROM busybox
		RUN ["sh", "-c", "echo '<<EOT' >/out"]
		RUN echo "$((1<<2))" >>/out
	EOF
	build
	run inside 'cat /out'
	assert_output_is $'<<EOT\n4'
}

@test "a here-document that does not end" {
	printf 'FROM busybox\nRUN <<EOT\necho 1\n' | dockerfile
	refuses "unterminated heredoc"
	printf 'FROM busybox\nCOPY <<A <<B /\n1\nA\n2\n' | dockerfile
	refuses "unterminated heredoc"
}

@test "the environment: ENV, ARG, HOME of the user, nothing of ours" {
	export SECRET_OF_MINE=1
	dockerfile <<-'EOF'
		FROM busybox
		ENV E=1
		ARG A=2
		RUN env | sort >/env
		USER app
		RUN test "$HOME" = /home/app
		ENV HOME=/elsewhere
		RUN test "$HOME" = /elsewhere
	EOF
	build
	run inside 'cut -d= -f1 /env | tr "\n" " "'
	assert_output_has "A E HOME "
	assert_output_lacks SECRET_OF_MINE
	assert_output_lacks USER
}

@test "hosts and resolv.conf are there, and not in the image" {
	dockerfile <<-'EOF'
		FROM busybox
		RUN grep -q localhost /etc/hosts && test -e /etc/resolv.conf && hostname >/name
		FROM busybox
		COPY --from=0 /etc /e
		COPY --from=0 /name /
	EOF
	build
	run inside 'ls /e'
	assert_output_is $'group\npasswd'
}

@test "--add-host names a host in RUN" {
	printf 'FROM busybox\nRUN grep -q "10.1.2.3.*build.example" /etc/hosts\n' | dockerfile
	build --add-host build.example:10.1.2.3
}

@test "--network=none has lo, and nothing else" {
	dockerfile <<-'EOF'
		FROM busybox
		RUN --network=none test "$(ls /sys/class/net)" = lo && ip link show lo | grep -q "[<,]UP"
		RUN --network=default true
		RUN --network=host true
	EOF
	build --allow network.host
	refuses_each <<-'EOF'
		RUN --network=nothing true => invalid network mode
		RUN --network=$MODE true => invalid network mode
		RUN --security=other true => security
	EOF
}

@test "standard input of a RUN is empty" {
	printf 'FROM busybox\nRUN test -z "$(cat)"\n' | dockerfile
	echo something | build
}

@test "a RUN that fails gives its status, its whole output, the place" {
	dockerfile <<-'EOF'
		FROM busybox
		RUN seq 1 20000; \
		    echo to-stderr >&2; \
		    exit 77
	EOF
	run --separate-stderr cooper build "$context"
	[ "$status" -eq 77 ]
	[ "$(grep -cx '[0-9]*' <<<"$stderr")" -eq 20000 ] || fail "lines are missing"
	[[ $stderr == *to-stderr* && $stderr == *"did not complete successfully: exit code: 77"* ]]
	[[ $stderr == *"Dockerfile:2"* && $stderr == *">>> RUN seq 1 20000"* && $stderr == *">>>     exit 77"* ]]
	cooper rm -a >/dev/null
}

@test "commands that are not there, not executable, killed" {
	printf 'FROM busybox\nRUN nosuch\n' | dockerfile
	run cooper build "$context"
	assert_fails_with 127 "nosuch"
	printf 'FROM busybox\nRUN ["/etc/passwd"]\n' | dockerfile
	run cooper build "$context"
	assert_fails_with 126 "/etc/passwd"
	printf 'FROM busybox\nRUN kill -9 $$\n' | dockerfile
	run cooper build "$context"
	assert_fails_with 137 "137"
	cooper rm -a >/dev/null
}

@test "a directory or a user that is not there" {
	printf 'FROM busybox\nUSER nobody-knows\nRUN true\n' | dockerfile
	refuses "nobody-knows"
	[[ $stderr == *Dockerfile:3* ]]
	printf 'FROM busybox\nUSER app:nogroup-here\nRUN true\n' | dockerfile
	refuses "nogroup-here"
}

@test "history: text of the shell, of here-documents, of programs" {
	dockerfile <<-'EOF'
		FROM busybox
		RUN echo  "two  blanks" \
		    && true
		RUN <<EOT
		true
		EOT
		RUN cat <<EOT
		text
		EOT
	EOF
	build
	has_config 'history[1] == "RUN /bin/sh -c echo  \"two  blanks\"     && true # buildkit"'
	has_config 'history[2] == "RUN /bin/sh -c true\n # buildkit"'
	has_config 'history[3] == "RUN /bin/sh -c cat <<EOT\ntext\nEOT\n # buildkit" or history[3] == "RUN /bin/sh -c cat <<EOT\ntext\nEOT # buildkit"'
	has_config 'all(h["comment"] == "buildkit.dockerfile.v0" for h in image["history"][1:])'
}
