# cooper build: instructions that change the configuration, and what they leave in the history.
load lib/common
load lib/build

@test "scratch has a PATH and the root as its directory" {
	dockerfile <<-'EOF'
		FROM scratch
		COPY one /
	EOF
	build
	has_config 'c["Env"] == ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]'
	has_config 'c["WorkingDir"] == "/" and "Cmd" not in c'
}

@test "CMD and ENTRYPOINT: forms, last one, history" {
	dockerfile <<-'EOF'
		FROM busybox
		CMD first
		CMD ["a", "b \"c\"\n"]
		ENTRYPOINT exec  x
	EOF
	build
	has_config 'c["Cmd"] == ["a", "b \"c\"\n"] and c["Entrypoint"] == ["/bin/sh", "-c", "exec  x"] and c["ArgsEscaped"]'
	has_config 'history[-3:] == ["CMD [\"/bin/sh\" \"-c\" \"first\"]", "CMD [\"a\" \"b \\\"c\\\"\\n\"]", "ENTRYPOINT [\"/bin/sh\" \"-c\" \"exec  x\"]"]'
}

@test "ENTRYPOINT clears an inherited CMD, not one of its own stage" {
	dockerfile <<-'EOF'
		FROM busybox AS base
		CMD ["base"]
		FROM base AS cleared
		ENTRYPOINT ["e"]
		FROM base
		ENTRYPOINT ["e"]
		CMD ["own"]
	EOF
	build
	has_config 'c["Cmd"] == ["own"]'
	build --target cleared
	has_config '"Cmd" not in c and c["Entrypoint"] == ["e"]'
	dockerfile <<-'EOF'
		FROM busybox
		CMD ["before"]
		ENTRYPOINT ["e"]
	EOF
	build
	has_config 'c["Cmd"] == ["before"]'
}

@test "empty CMD and ENTRYPOINT" {
	dockerfile <<-'EOF'
		FROM busybox
		ENTRYPOINT ["x"]
		ENTRYPOINT []
		CMD []
	EOF
	build
	has_config 'not c.get("Entrypoint") and not c.get("Cmd")'
}

@test "SHELL is for what follows, and is inherited" {
	dockerfile <<-'EOF'
		FROM busybox AS base
		SHELL ["/bin/sh", "-e", "-c"]
		FROM base
		RUN false; exit 0 || true
		CMD x
	EOF
	refuses '/bin/sh -e -c false; exit 0'
	dockerfile <<-'EOF'
		FROM busybox
		SHELL ["/bin/sh", "-e", "-c"]
		CMD x
	EOF
	build
	has_config 'c["Shell"] == ["/bin/sh", "-e", "-c"] and c["Cmd"] == ["/bin/sh", "-e", "-c", "x"]'
	has_config '"SHELL [/bin/sh -e -c]" in history'
}

@test "WORKDIR: relative is joined, absolute stays, variables" {
	dockerfile <<-'EOF'
		FROM busybox
		WORKDIR /a
		WORKDIR b/../c
		RUN test "$PWD" = /a/c
		ENV D=/e
		WORKDIR $D/f
		RUN test "$(pwd)" = /e/f && test "$(stat -c %a:%u /e/f)" = 755:0
		WORKDIR /
		WORKDIR //x//y/
	EOF
	build
	has_config 'c["WorkingDir"] == "//x//y/"'
	has_config '[h.get("empty_layer", False) for h in image["history"][1:]] == [False, False, False, True, False, False, True, False]'
	has_config 'history[2] == "WORKDIR /a/c" and history[7] == "WORKDIR /"'
}

@test "WORKDIR belongs to USER, what exists stays as it is" {
	dockerfile <<-'EOF'
		FROM busybox
		RUN mkdir -m 700 /old
		USER app
		WORKDIR /old
		WORKDIR /new/deep
		RUN test "$(stat -c %u:%g /new /new/deep)" = "$(printf '1000:1000\n1000:1000')"
		RUN test "$(stat -c %u:%a /old)" = 0:700
	EOF
	build
}

@test "USER: names, numbers, groups" {
	dockerfile <<-'EOF'
		FROM busybox
		USER app
		RUN test "$(id -u):$(id -g):$(id -G)" = "1000:1000:1000 2000" && test "$HOME" = /home/app
		USER 1000:0
		RUN test "$(id -u):$(id -G)" = "1000:0"
		USER 4242
		RUN test "$(id -u):$(id -g)" = "4242:0" && test "$HOME" = /
	EOF
	build
	has_config 'c["User"] == "4242" and "USER 1000:0" in history'
	dockerfile <<-'EOF'
		FROM busybox
		USER nobody-knows
		RUN true
	EOF
	refuses nobody-knows
}

@test "EXPOSE: ranges, protocols, variables with several" {
	dockerfile <<-'EOF'
		FROM busybox
		ENV PORTS="80 443/UDP"
		EXPOSE $PORTS 7000-7002/sctp
		EXPOSE 80
	EOF
	build
	has_config 'sorted(c["ExposedPorts"]) == ["443/udp", "7000/sctp", "7001/sctp", "7002/sctp", "80/tcp"]'
	has_config 'history[-2] == "EXPOSE [80/tcp 443/udp 7000/sctp 7001/sctp 7002/sctp]"'
	dockerfile <<-'EOF'
		FROM busybox
		EXPOSE 80/icmp
	EOF
	refuses "Dockerfile:2"
}

@test "VOLUME: words and JSON, as written; later writes stay" {
	dockerfile <<-'EOF'
		FROM busybox
		VOLUME /a/../b rel
		VOLUME ["/with space"]
		RUN mkdir -p /b && echo kept >/b/file
	EOF
	build
	has_config 'sorted(c["Volumes"]) == ["/a/../b", "/with space", "rel"]'
	has_config '"VOLUME [/a/../b rel]" in history'
	run inside 'cat /b/file'
	assert_output_is kept
}

@test "LABEL: quotes, variables, --label is last" {
	dockerfile <<-'EOF'
		FROM busybox
		ARG V=1
		LABEL a="x y" b=$V "c d"='$V'
		LABEL b=again over=1
	EOF
	build --label over=2 --label new=
	has_config 'c["Labels"] == {"a": "x y", "b": "again", "c d": "$V", "over": "2", "new": ""}'
}

@test "HEALTHCHECK and its forms" {
	dockerfile <<-'EOF'
		FROM busybox
		HEALTHCHECK --interval=1m30s --timeout=500ms --retries=3 CMD ["a", "b"]
	EOF
	build
	has_config 'c["Healthcheck"] == {"Test": ["CMD", "a", "b"], "Interval": 90000000000, "Timeout": 500000000, "Retries": 3}'
	has_config 'history[-1] == "HEALTHCHECK {Test:[CMD a b] Interval:1m30s Timeout:500ms StartPeriod:0s StartInterval:0s Retries:3}"'
	dockerfile <<-'EOF'
		FROM busybox
		HEALTHCHECK NONE
	EOF
	build
	has_config 'c["Healthcheck"] == {"Test": ["NONE"]}'
}

@test "STOPSIGNAL and MAINTAINER" {
	dockerfile <<-'EOF'
		FROM busybox
		MAINTAINER Some Body <some@body>
		STOPSIGNAL SIGUSR1
	EOF
	build
	has_config 'c["StopSignal"] == "SIGUSR1" and image["author"] == "Some Body <some@body>"'
	dockerfile <<-'EOF'
		FROM busybox
		STOPSIGNAL SIGNONSENSE
	EOF
	refuses "Dockerfile:2"
}

@test "ONBUILD is kept, runs once behind FROM, and errors speak of the FROM" {
	dockerfile <<-'EOF'
		FROM busybox AS parent
		ONBUILD COPY one /from-trigger
		ONBUILD ENV TRIGGERED=$V
		ENV V=1
		FROM parent AS child
		RUN test "$(cat /from-trigger)" = one && test "$TRIGGERED" = 1
		FROM child
		RUN rm /from-trigger
		RUN test ! -e /from-trigger
	EOF
	build
	has_config '"OnBuild" not in c'
	run cooper build -q -t parent --target parent "$context"
	assert_succeeds
	dockerfile <<-'EOF'
		# comment
		FROM parent
		RUN test "$(cat /from-trigger)" = one
	EOF
	build
	rm one
	refuses "Dockerfile:2"
}
