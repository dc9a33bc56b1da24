# The Dockerfile language: what BuildKit lets through although it looks wrong, and what it does not.
load lib/common
load lib/build
load lib/language

@test "flags that nobody looks at: of ARG, of STOPSIGNAL, before NONE" {
	dockerfile <<-'EOF'
		FROM busybox
		ARG --flag --other=1 A=x
		STOPSIGNAL --now SIGINT
		HEALTHCHECK --interval=never --what NONE
		RUN test "$A" = x
	EOF
	build
	has_config 'c["StopSignal"] == "SIGINT" and c["Healthcheck"]["Test"] == ["NONE"] and history[-4] == "ARG A=x"'
	refuses_each <<-'EOF'
		ARG --flag => requires at least one argument
		USER --flag root => unknown flag: --flag
		HEALTHCHECK --what CMD x => unknown flag: --what
	EOF
}

@test "numbers may have a plus" {
	dockerfile <<-'EOF'
		FROM busybox
		HEALTHCHECK --retries=+3 CMD x
		EXPOSE +80 090-+91
		STOPSIGNAL +15
	EOF
	build
	has_config 'c["Healthcheck"]["Retries"] == 3 and c["StopSignal"] == "+15"'
	has_config 'set(c["ExposedPorts"]) == {"80/tcp", "90/tcp", "91/tcp"}'
	printf 'FROM busybox AS a\nFROM busybox\nCOPY --from=+0 /bin/sh /x\n' | dockerfile
	build
	refuses_each <<-'EOF'
		COPY --from=-1 /a /b => invalid stage index -1
		HEALTHCHECK --retries=+-1 CMD x => --retries
		EXPOSE -1 => containerPort
	EOF
}

@test "all ports, and a port twice" {
	printf 'FROM busybox\nEXPOSE 0-65535\nEXPOSE 81 81\n' | dockerfile
	build
	has_config 'len(c["ExposedPorts"]) == 65536 and history[-1] == "EXPOSE [81/tcp 81/tcp]"'
}

@test "RUN [] is a step that cannot be done, in a stage that is built" {
	printf 'FROM busybox AS a\nRUN []\nFROM busybox\nRUN true\n' | dockerfile
	build
	refuses "RUN [] has no command" --target a
	refuses "Dockerfile:2" --target a
}

@test "a mount that is wrong is so in a stage that is built" {
	printf 'FROM busybox AS a\nRUN --mount=type=nonsense true\nFROM busybox\nRUN true\n' | dockerfile
	build
	refuses "unsupported mount type 'nonsense'" --target a
	refuses "Dockerfile:2" --target a
	# What no CSV is, is no Dockerfile either.
	printf 'FROM busybox AS a\nRUN --mount= true\nFROM busybox\n' | dockerfile
	refuses "Dockerfile:2"
}

@test "env= is taken of every mount, and means something for secrets" {
	printf 'FROM busybox\nRUN --mount=type=tmpfs,target=/t,env=A test -z "$A" && test -d /t\n' | dockerfile
	build
}

@test "keys of mounts that Buildah has and BuildKit has not are refused by name" {
	refuses_each <<-'EOF'
		RUN --mount=type=bind,source=.,target=/m,z true => unexpected key 'z'
		RUN --mount=type=bind,source=.,target=/m,Z true => unexpected key 'z'
		RUN --mount=type=bind,source=.,target=/m,U=true true => unexpected key 'u'
		RUN --mount=type=bind,source=.,target=/m,relabel=shared true => unexpected key 'relabel'
		RUN --mount=type=tmpfs,target=/m,tmpcopyup true => unexpected key 'tmpcopyup'
		RUN --mount=type=tmpfs,target=/m,tmpfs-size=1m true => unexpected key 'tmpfs-size'
		RUN --mount=type=bind,source=.,target=/m,bind-propagation=shared true => unexpected key 'bind-propagation'
	EOF
}

@test "JSON is what Go takes for JSON" {
	dockerfile <<-'EOF'
		FROM busybox
		CMD ["\ud800", "\udc00\ud83d", "\ud83d\ude00", "\u00e4\/"]
		ENTRYPOINT ["a", 1e999]
	EOF
	build
	has_config 'c["Cmd"] == ["\ufffd", "\ufffd\ufffd", "\U0001f600", "\u00e4/"]'
	has_config 'c["Entrypoint"] == ["/bin/sh", "-c", "[\"a\", 1e999]"]'
	printf 'FROM busybox\nCMD ["\xff", "\\u0000"]\n' | dockerfile
	build
	has_config 'c["Cmd"] == ["\ufffd", "\ufffd"]'
	refuses_each <<-'EOF'
		CMD [{"a": 1, "a": 2}] => comprised of strings only
		CMD [null] => comprised of strings only
		RUN ["a\\u0000"] => holds \u0000
		ADD ["a\\u0000", "/x"] => holds \u0000
	EOF
}

@test "names of ARG are not expanded, those of ENV and LABEL may become nothing" {
	dockerfile <<-'EOF'
		FROM busybox
		ARG N=x
		ARG $N=y
		ENV R=${x:-unset}
		LABEL "$NONE"=label
	EOF
	build
	has_config '"R=unset" in c["Env"] and c["Labels"][""] == "label" and history[-3] == "ARG $N=y"'
	printf 'FROM busybox\nENV "$NONE"=v\n' | dockerfile
	build
	has_config '"=v" in c["Env"]'
	printf 'FROM busybox\nENV "$NONE"=v\nRUN true\n' | dockerfile
	refuses "without a name"
}

@test "ONBUILD keeps all that is behind the word" {
	printf 'FROM busybox\nONBUILD -- RUN true\nonbuild   \t RUN  a  \n' | dockerfile
	build
	has_config 'c["OnBuild"] == ["-- RUN true", "RUN  a  "]'
}

@test "stages that nobody needs are still read: FROM, numbers, circles" {
	local line
	while IFS= read -r line; do
		printf '%b\n' "${line%% => *}" | dockerfile
		refuses "${line#* => }" --pull=never
		[[ $stderr == *Dockerfile:[12]* ]] || fail "no place for: $line"
	done <<-'EOF'
		FROM $NONE AS a\nFROM busybox => base name ($NONE) should not be blank
		FROM --platform=$NONE busybox AS a\nFROM busybox => empty platform value
		FROM --platform=a/b/c/d busybox AS a\nFROM busybox => failed to parse platform
		FROM busybox AS a\nCOPY --from=5 /a /b\nFROM busybox => invalid stage index 5
		FROM busybox AS a\nCOPY --from=a /a /b\nFROM busybox => circular dependency detected on stage: a
	EOF
	printf 'FROM busybox AS a\nCOPY --from=b /a /b\nFROM busybox AS b\nCOPY --from=a /a /b\nFROM busybox\n' | dockerfile
	refuses "circular dependency detected on stage: a"
	# A stage further down is wrong only for who builds it.
	printf 'FROM busybox AS a\nCOPY --from=b /a /b\nFROM busybox AS b\nFROM busybox\n' | dockerfile
	build
	refuses "needs to be defined before" --target a
}

@test "of two stages with one name COPY means the later, wherever it stands" {
	printf 'FROM busybox AS x\nRUN touch /1\nFROM busybox AS x\nRUN touch /2\nFROM busybox\nCOPY --from=x /2 /\n' |
		dockerfile
	build
	printf 'FROM busybox AS x\nRUN touch /1\nFROM busybox AS y\nCOPY --from=x /1 /\nFROM busybox AS x\n' | dockerfile
	refuses "needs to be defined before" --target y
}
