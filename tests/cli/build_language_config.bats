# The Dockerfile language: instructions that only change the configuration, their forms and their history.
load lib/common
load lib/build
load lib/language

# Lines of stdin: instructions (with \n) behind FROM busybox, and after " => " what must be true of the configuration.
gives_each() {
	local line
	while IFS= read -r line; do
		printf 'FROM busybox\n%b\n' "${line%% => *}" | dockerfile
		build
		has_config "${line#* => }" || fail "with: ${line%% => *}"
	done
}

@test "CMD" {
	gives_each <<-'EOF'
		CMD a b => c["Cmd"] == ["/bin/sh", "-c", "a b"] and c["ArgsEscaped"]
		CMD ["a", "b"] => c["Cmd"] == ["a", "b"]
		CMD [] => not c.get("Cmd")
		CMD a\nCMD b => c["Cmd"][2] == "b"
		cmd ["x"] => c["Cmd"] == ["x"] and history[-1] == 'CMD ["x"]'
		CMD ["a\\\\b"] => c["Cmd"] == ["a\\b"]
		SHELL ["s", "-x"]\nCMD a => c["Cmd"] == ["s", "-x", "a"]
	EOF
}

@test "ENTRYPOINT, and which CMD it clears" {
	gives_each <<-'EOF'
		ENTRYPOINT a b => c["Entrypoint"] == ["/bin/sh", "-c", "a b"] and "Cmd" not in c
		ENTRYPOINT ["a"] => c["Entrypoint"] == ["a"] and "Cmd" not in c
		CMD ["x"]\nENTRYPOINT ["a"] => c["Cmd"] == ["x"]
		ENTRYPOINT ["a"]\nCMD ["x"] => c["Cmd"] == ["x"]
		ENTRYPOINT ["a"]\nENTRYPOINT [] => not c.get("Entrypoint")
		CMD ["x"]\nFROM busybox\nENTRYPOINT ["a"] => "Cmd" not in c
		ENTRYPOINT ["a"]\nENTRYPOINT ["b"] => history[-1] == 'ENTRYPOINT ["b"]'
	EOF
}

@test "LABEL" {
	gives_each <<-'EOF'
		LABEL a=b => c["Labels"] == {"a": "b"} and history[-1] == "LABEL a=b"
		LABEL a="b c" d='e f' g=h\\ i => c["Labels"] == {"a": "b c", "d": "e f", "g": "h i"}
		LABEL "a b"="c" => c["Labels"] == {"a b": "c"}
		LABEL a= b="" => c["Labels"] == {"a": "", "b": ""}
		LABEL a b c => c["Labels"] == {"a": "b c"}
		LABEL a=1\nLABEL a=2 b=3 => c["Labels"] == {"a": "2", "b": "3"}
		LABEL a="one\\\n two" => c["Labels"] == {"a": "one two"}
		LABEL com.example.x=1 a.b-c_d=2 => c["Labels"] == {"com.example.x": "1", "a.b-c_d": "2"}
		LABEL a=b=c => c["Labels"] == {"a": "b=c"}
		LABEL a='$HOME' b="\\$HOME" => c["Labels"] == {"a": "$HOME", "b": "$HOME"}
		LABEL a="it's" b='"' => c["Labels"] == {"a": "it's", "b": '"'}
	EOF
}

@test "EXPOSE" {
	gives_each <<-'EOF'
		EXPOSE 80 => list(c["ExposedPorts"]) == ["80/tcp"] and history[-1] == "EXPOSE [80/tcp]"
		EXPOSE 80/tcp 80/UDP 81/sctp => sorted(c["ExposedPorts"]) == ["80/tcp", "80/udp", "81/sctp"]
		EXPOSE 80-82 => sorted(c["ExposedPorts"]) == ["80/tcp", "81/tcp", "82/tcp"]
		EXPOSE 80-81/udp 80 => sorted(c["ExposedPorts"]) == ["80/tcp", "80/udp", "81/udp"]
		EXPOSE 8080:80 => sorted(c["ExposedPorts"]) == ["80/tcp"]
		EXPOSE 127.0.0.1:8080:80/udp => sorted(c["ExposedPorts"]) == ["80/udp"]
		ARG A=80\nARG B=90\nEXPOSE $A ${B}-91/udp => sorted(c["ExposedPorts"]) == ["80/tcp", "90/udp", "91/udp"]
		EXPOSE 0 65535 => sorted(c["ExposedPorts"]) == ["0/tcp", "65535/tcp"]
		EXPOSE 80\nEXPOSE 81 => sorted(c["ExposedPorts"]) == ["80/tcp", "81/tcp"]
	EOF
	refuses_each <<-'EOF'
		EXPOSE 65536 => 65536
		EXPOSE 80/icmp => icmp
		EXPOSE http => http
		EXPOSE 82-80 => 82-80
		EXPOSE -1 => -1
		EXPOSE 80-90-100 => 80-90-100
	EOF
}

@test "VOLUME" {
	gives_each <<-'EOF'
		VOLUME /a /b => sorted(c["Volumes"]) == ["/a", "/b"] and history[-1] == "VOLUME [/a /b]"
		VOLUME ["/a b", "c"] => sorted(c["Volumes"]) == ["/a b", "c"]
		VOLUME /a/../b/ => list(c["Volumes"]) == ["/a/../b/"]
		ENV V=/v\nVOLUME $V/x => list(c["Volumes"]) == ["/v/x"]
		VOLUME /a\nVOLUME /b => sorted(c["Volumes"]) == ["/a", "/b"]
	EOF
	printf 'FROM busybox\nVOLUME /v\nRUN mkdir -p /v && echo 1 >/v/f\n' | dockerfile
	build
	run inside 'cat /v/f'
	assert_output_is 1
	printf 'FROM busybox\nVOLUME [""]\n' | dockerfile
	refuses "VOLUME specified can not be an empty string"
}

@test "USER" {
	gives_each <<-'EOF'
		USER app => c["User"] == "app" and history[-1] == "USER app"
		USER 1:2 => c["User"] == "1:2"
		USER :5 => c["User"] == ":5"
		USER not-there => c["User"] == "not-there"
		ENV U=app\nUSER ${U}:extra => c["User"] == "app:extra"
		USER app\nUSER root => c["User"] == "root"
	EOF
	dockerfile <<-'EOF'
		FROM busybox
		USER app
		RUN test "$(id -u):$(id -g):$(id -G)" = "1000:1000:1000 2000"
		USER app:extra
		RUN test "$(id -u):$(id -g):$(id -G)" = "1000:2000:2000"
		USER 1000
		RUN test "$(id -u):$(id -g):$(id -G)" = "1000:1000:1000 2000" && test "$HOME" = /home/app
		USER 77
		RUN test "$(id -u):$(id -g):$(id -G)" = "77:0:0" && test "$HOME" = /
		USER 77:88
		RUN test "$(id -u):$(id -g)" = "77:88"
	EOF
	build
}

@test "WORKDIR" {
	gives_each <<-'EOF'
		WORKDIR /a => c["WorkingDir"] == "/a" and history[-1] == "WORKDIR /a"
		WORKDIR a => c["WorkingDir"] == "/a"
		WORKDIR /a\nWORKDIR b/../c/ => c["WorkingDir"] == "/a/c"
		WORKDIR //x//y/ => c["WorkingDir"] == "//x//y/"
		WORKDIR /a\nWORKDIR .. => c["WorkingDir"] == "/"
		ENV D=/e\nWORKDIR $D/f => c["WorkingDir"] == "/e/f"
		WORKDIR / => c["WorkingDir"] == "/" and image["history"][-1].get("empty_layer")
		WORKDIR /a b => c["WorkingDir"] == "/a b"
	EOF
	dockerfile <<-'EOF'
		FROM busybox
		RUN ln -s /real /link && mkdir -m 700 /old
		USER app
		WORKDIR /old
		WORKDIR /new/deep
		RUN test "$(stat -c %u:%a /old /new /new/deep | tr '\n' ' ')" = "0:700 1000:755 1000:755 " && test "$PWD" = /new/deep
	EOF
	build
}

@test "HEALTHCHECK" {
	gives_each <<-'EOF'
		HEALTHCHECK NONE => c["Healthcheck"] == {"Test": ["NONE"]}
		HEALTHCHECK CMD a b => c["Healthcheck"] == {"Test": ["CMD-SHELL", "a b"]}
		HEALTHCHECK CMD ["a", "b"] => c["Healthcheck"] == {"Test": ["CMD", "a", "b"]}
		SHELL ["x"]\nHEALTHCHECK CMD a => c["Healthcheck"] == {"Test": ["CMD-SHELL", "a"]}
		HEALTHCHECK --interval=1m --timeout=2s --start-period=3s --start-interval=4ms --retries=5 CMD x => c["Healthcheck"] == {"Test": ["CMD-SHELL", "x"], "Interval": 60*10**9, "Timeout": 2*10**9, "StartPeriod": 3*10**9, "StartInterval": 4*10**6, "Retries": 5}
		HEALTHCHECK --interval=0s CMD x => c["Healthcheck"] == {"Test": ["CMD-SHELL", "x"]}
		HEALTHCHECK --interval=1h2m3.5s cmd x => c["Healthcheck"]["Interval"] == 3723500000000
		HEALTHCHECK CMD x\nHEALTHCHECK NONE => c["Healthcheck"]["Test"] == ["NONE"]
	EOF
	refuses_each <<-'EOF'
		HEALTHCHECK NONE x => HEALTHCHECK NONE takes no arguments
		HEALTHCHECK OTHER x => unknown type
		HEALTHCHECK CMD => missing command after HEALTHCHECK CMD
		HEALTHCHECK --interval=1 CMD x => interval
		HEALTHCHECK --interval=1us CMD x => interval
		HEALTHCHECK --interval=-1s CMD x => interval
		HEALTHCHECK --retries=-1 CMD x => retries
		HEALTHCHECK --retries=x CMD x => retries
	EOF
}

@test "STOPSIGNAL" {
	gives_each <<-'EOF'
		STOPSIGNAL SIGTERM => c["StopSignal"] == "SIGTERM" and history[-1] == "STOPSIGNAL SIGTERM"
		STOPSIGNAL KILL => c["StopSignal"] == "KILL"
		STOPSIGNAL 9 => c["StopSignal"] == "9"
		STOPSIGNAL -99 => c["StopSignal"] == "-99"
		STOPSIGNAL sigusr1 => c["StopSignal"] == "sigusr1"
		STOPSIGNAL SIGRTMIN+3 => c["StopSignal"] == "SIGRTMIN+3"
		ARG S=INT\nSTOPSIGNAL SIG$S => c["StopSignal"] == "SIGINT"
	EOF
	refuses_each <<-'EOF'
		STOPSIGNAL SIGNONE => SIGNONE
		STOPSIGNAL 0 => 0
		STOPSIGNAL RTMIN+16 => RTMIN+16
	EOF
}

@test "MAINTAINER, SHELL and ENV in the history" {
	gives_each <<-'EOF'
		MAINTAINER A B <a@b> => image["author"] == "A B <a@b>" and history[-1] == "MAINTAINER A B <a@b>"
		SHELL ["a b", "c"] => c["Shell"] == ["a b", "c"] and history[-1] == "SHELL [a b c]"
		ENV A=1 B="x y" => history[-1] == "ENV A=1 B=x y"
		ENV A 1 2 => history[-1] == "ENV A=1 2"
		ARG X\nARG Y=1 => history[-2:] == ["ARG X", "ARG Y=1"]
	EOF
}

@test "every instruction is one entry of the history, those without a layer say so" {
	dockerfile <<-'EOF'
		FROM busybox
		ENV A=1
		RUN true
		COPY one /
		WORKDIR /w
		USER app
		CMD x
		LABEL a=b
	EOF
	build
	has_config '[bool(h.get("empty_layer")) for h in image["history"][1:]] == [True, False, False, False, True, True, True]'
	has_config 'len(image["rootfs"]["diff_ids"]) == 4 and all("created" in h for h in image["history"])'
}
