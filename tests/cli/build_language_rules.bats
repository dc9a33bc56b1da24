# The Dockerfile language: each of BuildKit's 22 checks, where it finds something and where it must not, in BuildKit's
# words, skipped, and as an error.
load lib/common
load lib/build
load lib/language

setup() {
	make_context
	options=()
	experimental=
}

# One Dockerfile (with \n for new lines) with that directive; "" for none.
given() {
	local directive=$1
	[ -z "$experimental" ] || directive="${directive:+$directive;}experimental=$experimental"
	{
		[ -z "$directive" ] || printf '# check=%s\n' "$directive"
		printf '%b\n' "$2"
	} >"$context/Dockerfile"
}

# rule NAME "TEXT" "FOUND IN THIS FILE" "NOT FOUND IN"...: finds it, alone, says TEXT; skips it by its name and not by
# another; fails a build with error=true; and is silent where nothing is wrong.
rule() {
	local name=$1 text=$2 bad=$3 good
	given "" "$bad"
	run cooper build --check "${options[@]}" "$context"
	[ "$status" -eq 1 ] || fail "exit status $status"
	[ "$(sed -n 's/^WARNING: \([A-Za-z]*\).*/\1/p' <<<"$output" | sort -u)" = "$name" ] || fail "not $name alone"
	grep -qxF -- "$text" <<<"$output" || fail "no '$text'"
	run --separate-stderr cooper build --call=check,format=json "${options[@]}" "$context"
	NAME=$name TEXT=$text python3 -c 'import json, os, sys
w = json.load(sys.stdin)["warnings"]
assert {x["ruleName"] for x in w} == {os.environ["NAME"]} and os.environ["TEXT"] in [x["detail"] for x in w], w' <<<"$output"
	given error=true "$bad"
	run --separate-stderr cooper build "${options[@]}" "$context"
	[ "$status" -eq 125 ] && [[ $stderr == *"lint violation found for rules: $name"* ]] ||
		fail "error=true does not fail the build"
	run --separate-stderr cooper build --call=check,format=json "${options[@]}" "$context"
	[ "$status" -eq 1 ] || fail "exit status $status with error=true"
	NAME=$name python3 -c 'import json, os, sys
j = json.load(sys.stdin)
assert j["buildError"]["message"] == "lint violation found for rules: " + os.environ["NAME"] and j["warnings"], j' <<<"$output"
	if [ -z "$experimental" ]; then
		given "skip=$name" "$bad"
		run cooper build --check "${options[@]}" "$context"
		[ "$status" -eq 0 ] || fail "skip=$name does not skip it"
		given "skip=NoSuchRule,${name}x" "$bad"
	else
		experimental=
		given "" "$bad"
		run cooper build --check "${options[@]}" "$context"
		[ "$status" -eq 0 ] || fail "$name is not experimental"
		experimental=all
		given "skip=all" "$bad"
	fi
	run cooper build --check "${options[@]}" "$context"
	[ "$status" -eq 1 ] || fail "another name skips it"
	for good in "${@:4}"; do
		given "" "$good"
		run cooper build --check "${options[@]}" "$context"
		[ "$status" -eq 0 ] || fail "found something in: $good"
	done
}

@test "StageNameCasing" {
	rule StageNameCasing "Stage name 'Builder' should be lowercase" \
		'FROM busybox AS Builder' 'FROM busybox AS builder' 'FROM busybox'
}

@test "FromAsCasing" {
	rule FromAsCasing "'as' and 'FROM' keywords' casing do not match" \
		'FROM busybox as builder' 'FROM busybox AS builder' 'from busybox as builder'
}

@test "NoEmptyContinuation" {
	rule NoEmptyContinuation "Empty continuation line" \
		'FROM busybox\nRUN a \\\n\n  b' 'FROM busybox\nRUN a \\\n# a comment\n  b\n\nRUN c'
}

@test "ConsistentInstructionCasing" {
	rule ConsistentInstructionCasing "Command 'Run' should match the case of the command majority (uppercase)" \
		'FROM busybox\nRun true' 'FROM busybox\nRUN true' 'from busybox\nrun true'
}

@test "DuplicateStageName" {
	rule DuplicateStageName 'Duplicate stage name "a", stage names should be unique' \
		'FROM busybox AS a\nFROM busybox AS a' 'FROM busybox AS a\nFROM a AS b\nFROM busybox\nFROM busybox'
}

@test "ReservedStageName" {
	rule ReservedStageName 'Stage name should not use the same name as reserved stage "context"' \
		'FROM busybox AS context' 'FROM scratch AS contexts'
}

@test "JSONArgsRecommended" {
	rule JSONArgsRecommended \
		"JSON arguments recommended for CMD to prevent unintended behavior related to OS signals" \
		'FROM busybox\nCMD echo x' 'FROM busybox\nCMD ["echo", "x"]\nRUN x\nHEALTHCHECK CMD x' \
		'FROM busybox\nSHELL ["/bin/sh", "-c"]\nENTRYPOINT x'
	# A base image may have a shell of its own, too.
	printf 'FROM busybox\nSHELL ["/bin/sh", "-c"]\n' | dockerfile
	run cooper build -q -t shelled "$context"
	given "" 'FROM shelled\nCMD x'
	run cooper build --check "$context"
	[ "$status" -eq 0 ]
}

@test "MaintainerDeprecated" {
	rule MaintainerDeprecated "Maintainer instruction is deprecated in favor of using label" \
		'FROM busybox\nMAINTAINER me' 'FROM busybox\nLABEL maintainer=me'
}

@test "UndefinedArgInFrom" {
	rule UndefinedArgInFrom "FROM argument 'VERSIO' is not declared (did you mean VERSION?)" \
		'ARG VERSION=latest\nFROM busybox${VERSIO}' 'ARG VERSION=latest\nFROM busybox:${VERSION}' \
		'FROM --platform=$BUILDPLATFORM busybox' 'FROM busybox:${VERSION:-latest}'
}

@test "WorkdirRelativePath" {
	rule WorkdirRelativePath 'Relative workdir "app" can have unexpected results if the base image changes' \
		'FROM busybox\nWORKDIR app\nWORKDIR deeper' 'FROM busybox\nWORKDIR /a\nWORKDIR b' \
		'FROM busybox AS a\nWORKDIR /a\nFROM a\nWORKDIR b' 'FROM busybox\nENV D=/d\nWORKDIR $D'
}

@test "UndefinedVar" {
	rule UndefinedVar "Usage of undefined variable '\$VERSIO' (did you mean \$VERSION?)" \
		'FROM busybox\nENV VERSION=1\nLABEL v=$VERSIO' 'FROM busybox\nARG VERSION\nLABEL v=$VERSION p=$PATH' \
		'FROM busybox\nLABEL v=${VERSION:-1}' 'FROM busybox\nRUN echo $VERSION' 'FROM unknown.invalid/x\nLABEL v=$V'
}

@test "MultipleInstructionsDisallowed" {
	rule MultipleInstructionsDisallowed \
		"Multiple CMD instructions should not be used in the same stage because only the last one will be used" \
		'FROM busybox\nCMD ["a"]\nCMD ["b"]' 'FROM busybox AS a\nCMD ["a"]\nFROM a\nCMD ["b"]' \
		'FROM busybox\nUSER a\nUSER b\nWORKDIR /a\nWORKDIR /b\nHEALTHCHECK NONE'
}

@test "LegacyKeyValueFormat" {
	rule LegacyKeyValueFormat '"ENV key=value" should be used instead of legacy "ENV key value" format' \
		'FROM busybox\nENV name value' 'FROM busybox\nENV name=value\nLABEL name="a b"'
}

@test "InvalidBaseImagePlatform" {
	options=(--platform linux/s390x)
	local here
	here=$(cooper inspect --type image --format '{{.OCIv1.Architecture}}' busybox)
	rule InvalidBaseImagePlatform \
		"Base image busybox was pulled with platform \"linux/$here\", expected \"linux/s390x\" for current build" \
		'ARG B=busy\nFROM ${B}box' 'FROM scratch' "ARG P=linux/$here\\nFROM --platform=\$P busybox"
}

@test "RedundantTargetPlatform" {
	rule RedundantTargetPlatform \
		"Setting platform to predefined \${TARGETPLATFORM} in FROM is redundant as this is the default behavior" \
		'FROM --platform=${TARGETPLATFORM} busybox' 'FROM --platform=$BUILDPLATFORM busybox' \
		'FROM --platform=${TARGETOS}/${TARGETARCH} busybox'
}

@test "SecretsUsedInArgOrEnv" {
	rule SecretsUsedInArgOrEnv \
		'Do not use ARG or ENV instructions for sensitive data (ENV "MY_PASSWORD")' \
		'FROM busybox\nENV MY_PASSWORD=x' \
		'FROM busybox\nENV PUBLIC_KEY=x KEY_FILE=x TOKEN_VERSION=1 MONKEY=x TOKENS=x\nARG AUTHOR' 'ARG TOKEN\nFROM busybox'
}

@test "InvalidDefaultArgInFrom" {
	options=(--build-arg TAG=latest)
	rule InvalidDefaultArgInFrom 'Default value for ARG busybox:${TAG} results in empty or invalid base image name' \
		'ARG TAG\nFROM busybox:${TAG}' 'ARG TAG=1\nFROM busybox:${TAG}' 'ARG TAG\nFROM busybox:${TAG:-latest}'
}

@test "FromPlatformFlagConstDisallowed" {
	rule FromPlatformFlagConstDisallowed 'FROM --platform flag should not use constant value "linux/amd64"' \
		'FROM --platform=linux/amd64 scratch' 'FROM --platform=linux/amd64 scratch AS build_amd64' \
		'FROM --platform=linux/amd64 scratch AS on-linux' 'FROM --platform=$BUILDPLATFORM scratch'
}

@test "CopyIgnoredFile" {
	echo one >"$context/.dockerignore"
	rule CopyIgnoredFile 'Attempting to Copy file "one" that is excluded by .dockerignore' \
		'FROM busybox\nCOPY one two /d/' 'FROM busybox\nCOPY two /' 'FROM busybox\nCOPY . /d' \
		'FROM busybox AS a\nFROM busybox\nCOPY --from=a one /'
	printf '*\n' >"$context/.dockerignore"
	rule CopyIgnoredFile 'Attempting to Add file "." that is excluded by .dockerignore' 'FROM busybox\nADD . /d'
	printf '*\n!two\n' >"$context/.dockerignore"
	given "" 'FROM busybox\nCOPY one /'
	run cooper build --check "$context"
	[ "$status" -eq 0 ]
}

@test "ExposeProtoCasing" {
	rule ExposeProtoCasing "Defined protocol '80/TCP' in EXPOSE instruction should be lowercase" \
		'FROM busybox\nEXPOSE 80/TCP' 'FROM busybox\nEXPOSE 80/tcp 81 82/udp'
}

@test "ExposeInvalidFormat" {
	rule ExposeInvalidFormat \
		"EXPOSE instruction should not define an IP address or host-port mapping, found '127.0.0.1:80:80'" \
		'FROM busybox\nEXPOSE 127.0.0.1:80:80' 'FROM busybox\nEXPOSE 80-82/udp'
}

@test "InvalidDefinitionDescription" {
	experimental=InvalidDefinitionDescription
	rule InvalidDefinitionDescription "Comment for ARG should follow the format: \`# VERSION <description>\`" \
		'FROM busybox\n# what is built\nARG VERSION' 'FROM busybox\n# VERSION is what is built\nARG VERSION' \
		'FROM busybox\n# what is built\n\nARG VERSION' 'FROM busybox\n# what is built\n#\nARG VERSION' \
		'# about the file\nFROM busybox'
}

@test "each finding has a description, and a page" {
	printf 'FROM busybox as A\nMAINTAINER x\n' | dockerfile
	run --separate-stderr cooper build --call=check,format=json "$context"
	python3 -c 'import json, sys
w = json.load(sys.stdin)["warnings"]
assert len(w) == 3 and all(x["description"] for x in w), w
assert all(x["url"].startswith("https://docs.docker.com/go/dockerfile/rule/") for x in w), w' <<<"$output"
}
