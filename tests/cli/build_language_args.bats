# The Dockerfile language: ARG, ENV, platform and proxy arguments.
load lib/common
load lib/build
load lib/language

@test "global ARGs see each other, --build-arg wins in them" {
	dockerfile <<-'EOF'
		ARG A=1
		ARG B=$A-2 C="${A} $B"
		ARG D
		FROM busybox
		ARG B C D
		ENV R=$B/$C/${D-unset}
	EOF
	build
	has_config '"R=1-2/1 1-2/unset" in c["Env"]'
	build --build-arg A=x --build-arg D=given
	has_config '"R=x-2/x x-2/given" in c["Env"]'
}

@test "a global ARG with quotes names the base" {
	printf 'ARG TAG="busybox"\nARG OTHER=%cbusy%c\nFROM ${OTHER}box\nFROM $TAG\n' "'" "'" | dockerfile
	build
}

@test "FROM and --platform do not see ARGs of a stage" {
	printf 'FROM busybox\nARG NAME=busybox\nFROM $NAME\n' | dockerfile
	refuses "should not be blank"
	printf 'ARG P=linux/\nARG A=%s\nFROM --platform=$P$A busybox\n' "$(uname -m)" | dockerfile
	build
	printf 'FROM --platform=$NONE busybox\n' | dockerfile
	refuses "empty platform value from expression \$NONE"
}

@test "an ARG ends with its stage" {
	dockerfile <<-'EOF'
		FROM busybox AS a
		ARG V=1
		FROM busybox
		ENV R=${V-unset}
		COPY --from=a /etc/passwd /x
	EOF
	build --build-arg V=2
	has_config '"R=unset" in c["Env"]'
}

@test "a default of the stage wins over the global value" {
	dockerfile <<-'EOF'
		ARG V=global
		FROM busybox AS base
		ARG V=stage
		ENV R=$V
		FROM base
		ENV S=$V
		ARG V
		ENV T=$V
	EOF
	build
	has_config '"R=stage" in c["Env"] and "S=stage" in c["Env"] and "T=global" in c["Env"]'
}

@test "declared twice, the later default counts" {
	printf 'FROM busybox\nARG V=1\nENV A=$V\nARG V=2\nENV B=$V\nARG V\nENV C=$V\n' | dockerfile
	build
	has_config '"A=1" in c["Env"] and "B=2" in c["Env"] and "C=2" in c["Env"]'
}

@test "a default sees ENV and ARG before it" {
	printf 'FROM busybox\nENV E=env\nARG A=1\nARG B=$A/$E/${NONE:-n}\nENV R=$B\n' | dockerfile
	build
	has_config '"R=1/env/n" in c["Env"]'
}

@test "ENV of the base image is before a default, and before --build-arg when it comes later" {
	printf 'FROM busybox\nENV V=base\n' | dockerfile
	run --separate-stderr cooper build -t withenv "$context"
	printf 'FROM withenv\nENV A=$V\nARG V=arg\nENV B=$V\nENV V=again\nENV C=$V\n' | dockerfile
	build --build-arg V=given
	has_config '"A=base" in c["Env"] and "B=given" in c["Env"] and "C=again" in c["Env"]'
}

@test "an ARG is in no image, but in every RUN after it" {
	dockerfile <<-'EOF'
		FROM busybox
		RUN test "${V-unset}" = unset
		ARG V=1
		RUN test "$V" = 1 && env | grep -q ^V=1$
		ENV W=$V
	EOF
	build
	has_config 'not any(e.startswith("V=") for e in c["Env"]) and "W=1" in c["Env"]'
}

@test "--build-arg NAME takes the value of the environment" {
	printf 'FROM busybox\nARG V=default\nENV R=$V\n' | dockerfile
	V=outside build --build-arg V
	has_config '"R=outside" in c["Env"]'
	build --build-arg V
	has_config '"R=default" in c["Env"]'
	build --build-arg V=
	has_config '"R=" in c["Env"]'
	build --build-arg V=a=b
	has_config '"R=a=b" in c["Env"]'
}

@test "--build-arg that no ARG takes is a warning" {
	printf 'ARG G=1\nFROM busybox\nARG V=1\n' | dockerfile
	build --build-arg NONE=1 --build-arg V=2 --build-arg G=2
	[[ $stderr == *NONE* ]] || fail "nothing said of NONE"
	[[ $stderr == *"not consumed"* ]] || fail "the warning lacks 'not consumed'"
	[[ $(grep -i consumed <<<"$stderr") != *[VG]* ]] || [[ $(grep -i consumed <<<"$stderr") == *NONE* ]]
	build --build-arg V=2 --build-arg HTTP_PROXY=x --build-arg TARGETARCH=y --build-arg BUILDKIT_INLINE_CACHE=0
	[[ $stderr != *consumed* ]] || fail "a warning for what needs no ARG"
}

@test "platform arguments in FROM, and behind ARG in a stage" {
	dockerfile <<-'EOF'
		FROM --platform=$BUILDPLATFORM busybox
		ENV BEFORE=$TARGETARCH
		ARG TARGETPLATFORM TARGETOS TARGETARCH TARGETVARIANT TARGETOSVERSION
		ARG BUILDPLATFORM BUILDOS BUILDARCH BUILDVARIANT
		ENV T=$TARGETPLATFORM|$TARGETOS/$TARGETARCH B=$BUILDPLATFORM|$BUILDOS/$BUILDARCH
	EOF
	build
	has_config '"BEFORE=" in c["Env"]'
	has_config 'all(len(set(e[2:].split("|"))) == 1 for e in c["Env"] if e[:2] in ("T=", "B="))'
	build --build-arg TARGETARCH=other
	has_config 'any(e.startswith("T=linux/") and e.endswith("|linux/other") for e in c["Env"])'
}

@test "TARGETSTAGE is the target's name, the last stage's, or default" {
	printf 'FROM busybox AS first\nARG TARGETSTAGE\nENV R=$TARGETSTAGE\nFROM first AS last\n' | dockerfile
	build
	has_config '"R=last" in c["Env"]'
	build --target first
	has_config '"R=first" in c["Env"]'
	printf 'FROM busybox AS first\nFROM busybox\nARG TARGETSTAGE\nENV R=$TARGETSTAGE\n' | dockerfile
	build
	has_config '"R=default" in c["Env"]'
}

@test "proxies: each of them in both cases, none in image, history or cache key" {
	local name
	dockerfile <<-'EOF'
		FROM busybox
		RUN env | grep -i proxy | sort >/proxies
	EOF
	for name in HTTP_PROXY https_proxy FTP_PROXY no_proxy ALL_PROXY; do
		build --no-cache --build-arg "$name=secretproxy"
		run inside 'wc -l </proxies'
		assert_output_is 2
		config_of made | grep -q secretproxy && fail "$name is recorded"
	done
	build --build-arg NO_PROXY=another
	cached 1
}

@test "a proxy that is declared is an ordinary ARG" {
	printf 'FROM busybox\nARG HTTP_PROXY\nRUN echo $HTTP_PROXY\n' | dockerfile
	build --build-arg HTTP_PROXY=one
	has_config '"RUN |1 HTTP_PROXY=one /bin/sh -c echo $HTTP_PROXY # buildkit" in history'
	build --build-arg HTTP_PROXY=two
	cached 0
}

@test "ENV forms" {
	dockerfile <<-'EOF'
		FROM busybox
		ENV A one two  three = "x"
		ENV B=1   C="two words" D='single $A' E=es\ caped F=
		ENV G  $B is here
		ENV H=a=b=c I=$C$C
		ENV "J K"=quoted
		ENV B=changed
	EOF
	build
	has_config 'c["Env"][1] == "A=one two  three = x" or c["Env"][1] == "A=one two  three = \"x\""'
	has_config 'c["Env"][2:7] == ["B=changed", "C=two words", "D=single $A", "E=es caped", "F="]'
	has_config 'c["Env"][7:] == ["G=1 is here", "H=a=b=c", "I=two wordstwo words", "J K=quoted"]'
}

@test "words of one ENV see what was before it" {
	printf 'FROM busybox\nENV abc=hello\nENV abc=bye def=$abc\nENV ghi=$abc\nENV x=1 x=2 y=$x\n' | dockerfile
	build
	has_config 'c["Env"][1:] == ["abc=bye", "def=hello", "ghi=bye", "x=2", "y="]'
}

@test "PATH is given to a stage that has none, and is used by the exec form" {
	dockerfile <<-'EOF'
		FROM busybox AS tools
		FROM scratch
		COPY --from=tools /bin /odd
		ENV PATH=/odd
		RUN ["sh", "-c", "test \"$PATH\" = /odd"]
	EOF
	build
}

@test "SOURCE_DATE_EPOCH as an argument decides the times" {
	printf 'FROM busybox\nARG SOURCE_DATE_EPOCH\nRUN echo $SOURCE_DATE_EPOCH >/epoch\nCOPY one /\n' | dockerfile
	build --build-arg SOURCE_DATE_EPOCH=1000000000
	has_config 'image["created"].startswith("2001-09-09T01:46:40")'
	run inside 'cat /epoch'
	assert_output_is 1000000000
	first=$(cooper inspect --type image --format '{{.FromImageID}}' made)
	fresh_store epoch && use_busybox
	build --build-arg SOURCE_DATE_EPOCH=1000000000
	[ "$first" = "$(cooper inspect --type image --format '{{.FromImageID}}' made)" ]
}
