# cooper build: ARG, ENV, platform and proxy arguments. A RUN that fails is a wrong value.
load lib/common
load lib/build

@test "a global ARG is seen by FROM, and by a stage that declares it" {
	dockerfile <<-'EOF'
		ARG BASE=busybox
		ARG V=1
		ARG W=$V-2
		FROM $BASE
		RUN test -z "$V$W"
		ARG V
		RUN test "$V" = 1 && test -z "$W"
		ARG W
		RUN test "$W" = 1-2
	EOF
	build
}

@test "--build-arg is before a default, which is before the global value" {
	dockerfile <<-'EOF'
		ARG A=global
		ARG B=global
		FROM busybox
		ARG A=default
		ARG B
		ARG C=default
		ARG D
		RUN test "$A/$B/$C/$D" = given/global/default/given
		RUN env | grep -q '^A=given'
	EOF
	build --build-arg A=given --build-arg D=given
}

@test "an ARG without a value stays unset, an empty one is set" {
	dockerfile <<-'EOF'
		FROM busybox
		ARG UNSET
		ARG EMPTY=
		RUN ! env | grep -q '^UNSET=' && env | grep -q '^EMPTY=$'
		RUN test "${UNSET-no}" = no && test "${EMPTY-no}" = ""
	EOF
	build
}

@test "a default that is overridden is not looked at" {
	dockerfile <<-'EOF'
		FROM busybox
		ARG A="${MISSING:?must be given}"
		RUN test "$A" = x
	EOF
	build --build-arg A=x
	refuses "must be given"
}

@test "several in one ARG, with quotes; later ones see earlier ones" {
	dockerfile <<-'EOF'
		FROM busybox
		ARG a=1 b c="x y" d=$a-$c
		RUN test "$a" = 1 && test "$c" = "x y" && test "$d" = "1-x y"
	EOF
	build
}

@test "ENV is before an ARG of the same name that came earlier" {
	dockerfile <<-'EOF'
		FROM busybox
		ARG V=arg
		ENV V=env
		RUN test "$V" = env
	EOF
	build --build-arg V=given
	has_config '"V=env" in c["Env"]'
}

@test "an ARG behind an ENV wins in the stage, the image keeps the ENV" {
	dockerfile <<-'EOF'
		FROM busybox
		ENV V=env
		ARG V=arg
		RUN test "$V" = arg
	EOF
	build
	has_config '"V=env" in c["Env"]'
}

@test "all words of an instruction see what was before it" {
	dockerfile <<-'EOF'
		FROM busybox
		ENV abc=hello
		ENV abc=bye def=$abc
		ENV ghi=$abc
		RUN test "$def" = hello && test "$ghi" = bye
	EOF
	build
}

@test "ENV: the old form, keys that are expanded, order of the first definition" {
	dockerfile <<-'EOF'
		FROM busybox
		ENV OLD some text = with $HOME_OF
		ENV K=NAME
		ENV $K=value A=1 B=2
		ENV A=3
	EOF
	build
	has_config 'c["Env"][1:] == ["OLD=some text = with ", "K=NAME", "NAME=value", "A=3", "B=2"]'
}

@test "a stage made from another one has its ARGs and their values" {
	dockerfile <<-'EOF'
		FROM busybox AS base
		ARG V=1
		FROM base
		RUN test "$V" = 1
	EOF
	build --build-arg V=1
	has_config '"RUN |1 V=1 /bin/sh -c test \"$V\" = 1 # buildkit" in history'
}

@test "forms of expansion" {
	dockerfile <<-'EOF'
		FROM busybox
		ENV F=path/to/file.tar.gz EMPTY=
		ENV A=${F#*/} B=${F##*/} C=${F%.*} D=${F%%.*} E=${F/to/from} G=${F//t/T}
		ENV H=${EMPTY:-d} I=${EMPTY-d} J=${F:+set} K=${NONE+set} L="${NONE:-a ${F##*/}}" M='$F' N="\$F" O=\$F
		RUN test "$A|$B|$C|$D" = "to/file.tar.gz|file.tar.gz|path/to/file.tar|path/to/file"
		RUN test "$E|$G" = "path/from/file.tar.gz|paTh/To/file.Tar.gz"
		RUN test "$H|$I|$J|$K|$L" = "d||set||a file.tar.gz"
		RUN test "$M|$N|$O" = '$F|$F|$F'
	EOF
	build
}

@test "platform arguments are there for who declares them" {
	dockerfile <<-'EOF'
		FROM --platform=$BUILDPLATFORM busybox
		RUN test -z "$TARGETPLATFORM"
		ARG TARGETPLATFORM TARGETOS TARGETARCH BUILDOS
		ARG TARGETSTAGE
		RUN test "$TARGETPLATFORM" = "$TARGETOS/$TARGETARCH" && test "$TARGETOS$BUILDOS" = linuxlinux
		RUN test "$TARGETSTAGE" = default
	EOF
	build
}

@test "proxies reach RUN in both cases and nothing else" {
	dockerfile <<-'EOF'
		FROM busybox
		RUN test "${HTTP_PROXY#http}|${http_proxy#http}" = "://p|://p"
	EOF
	build --build-arg HTTP_PROXY=http://p
	run --separate-stderr config_of made
	assert_output_lacks http://p
	# Another proxy is the same step.
	run cooper build --build-arg http_proxy=http://p "$context"
	assert_output_has "Using cache"
}

@test "the history names the ARGs of a RUN" {
	dockerfile <<-'EOF'
		FROM busybox
		ARG A=1
		ARG B
		ARG A=2
		RUN true
	EOF
	build
	has_config 'history[1:] == ["ARG A=1", "ARG B", "ARG A=2", "RUN |2 A=2 B= /bin/sh -c true # buildkit"]'
}

@test "RUN, CMD and ENTRYPOINT are not expanded" {
	dockerfile <<-'EOF'
		FROM busybox
		ARG A=1
		CMD echo $A
		ENTRYPOINT ["$A"]
	EOF
	build
	has_config 'c["Cmd"] == ["/bin/sh", "-c", "echo $A"] and c["Entrypoint"] == ["$A"]'
}

@test "what cannot be expanded names the place" {
	dockerfile <<-'EOF'
		FROM busybox
		ENV A=${B
	EOF
	refuses "Dockerfile:2:"
	dockerfile <<-'EOF'
		FROM ${NOTHING}
	EOF
	refuses "should not be blank"
}
