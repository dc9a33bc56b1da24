# The Dockerfile language: --check and --call.
load lib/common
load lib/build
load lib/language

# Lines of stdin "RULE: DOCKERFILE" (with \n): --check reports that rule, and it alone.
finds_each() {
	local line found
	while IFS= read -r line; do
		printf '%b\n' "${line#*: }" | dockerfile
		run cooper build --check "$context"
		[ "$status" -eq 1 ] || fail "exit status $status for: $line"
		found=$(sed -n 's/^WARNING: \([A-Za-z]*\).*/\1/p' <<<"$output" | sort -u | tr '\n' ' ')
		[ "${found% }" = "${line%%: *}" ] || fail "found '$found' for: $line"
	done
}

# Lines of stdin: Dockerfiles in which nothing is found.
finds_nothing() {
	local line
	while IFS= read -r line; do
		printf '%b\n' "$line" | dockerfile
		run cooper build --check "$context"
		[ "$status" -eq 0 ] || fail "found something in: $line"
	done
}

@test "each rule finds what it is for" {
	finds_each <<-'EOF'
		StageNameCasing: FROM busybox AS Builder
		FromAsCasing: FROM busybox as builder
		NoEmptyContinuation: FROM busybox\nRUN a \\\n\n  b
		ConsistentInstructionCasing: FROM busybox\nrun true\nRUN true\nRUN x
		DuplicateStageName: FROM busybox AS a\nFROM busybox AS a
		ReservedStageName: FROM busybox AS scratch
		ReservedStageName: FROM busybox AS context
		JSONArgsRecommended: FROM busybox\nCMD echo x
		JSONArgsRecommended: FROM busybox\nENTRYPOINT echo x
		MaintainerDeprecated: FROM busybox\nMAINTAINER x
		UndefinedArgInFrom: FROM busybox${NONE}
		WorkdirRelativePath: FROM busybox\nWORKDIR a
		UndefinedVar: FROM busybox\nCOPY $none /
		UndefinedVar: FROM scratch\nLABEL a=$none
		MultipleInstructionsDisallowed: FROM busybox\nCMD ["a"]\nCMD ["b"]
		MultipleInstructionsDisallowed: FROM busybox\nHEALTHCHECK NONE\nHEALTHCHECK CMD x
		LegacyKeyValueFormat: FROM busybox\nENV a b
		LegacyKeyValueFormat: FROM busybox\nLABEL a b
		RedundantTargetPlatform: FROM --platform=$TARGETPLATFORM busybox
		SecretsUsedInArgOrEnv: FROM busybox\nENV MY_PASSWORD=x
		SecretsUsedInArgOrEnv: FROM busybox\nARG API_TOKEN
		InvalidDefaultArgInFrom: ARG TAG\nFROM busybox:${TAG}
		FromPlatformFlagConstDisallowed: FROM --platform=linux/amd64 busybox
		ExposeProtoCasing: FROM busybox\nEXPOSE 80/TCP
		ExposeInvalidFormat: FROM busybox\nEXPOSE 127.0.0.1:80:80
	EOF
}

@test "what is in order is not found" {
	finds_nothing <<-'EOF'
		FROM busybox AS builder\nFROM builder
		from busybox as builder\nrun true
		FROM busybox\nCMD ["a"]\nFROM busybox\nCMD ["a"]
		ARG TAG=latest\nFROM busybox:${TAG}
		FROM busybox\nWORKDIR /a\nWORKDIR b
		FROM busybox\nARG A\nENV B=$A
		FROM busybox\nENV PUBLIC_KEY=x
		FROM busybox\nENV A=${B:-x}
		FROM busybox\nENV P=$PATH:/x
		FROM --platform=$BUILDPLATFORM busybox
		FROM busybox\nSHELL ["/bin/sh", "-c"]\nCMD x
		FROM busybox\nEXPOSE 80/tcp
	EOF
}

@test "UndefinedVar and its suggestion" {
	printf 'FROM busybox\nARG VERSION=1\nLABEL v=$VERSON p=$PAHT\n' | dockerfile
	run cooper build --check "$context"
	assert_output_has "did you mean \$VERSION"
	assert_output_has "did you mean \$PATH"
}

@test "a base of another platform is found, by --platform and by FROM" {
	local other=s390x
	printf 'FROM busybox\nENV A=1\n' | dockerfile
	run cooper build --check --platform "linux/$other" "$context"
	[ "$status" -eq 1 ]
	assert_output_has InvalidBaseImagePlatform
	assert_output_has "expected \"linux/$other\""
	printf 'ARG P=linux/%s\nFROM --platform=$P busybox\n' "$other" | dockerfile
	run cooper build --check "$context"
	assert_output_has InvalidBaseImagePlatform
	run cooper build --check --build-arg P="linux/$(uname -m)" "$context"
	assert_succeeds
}

@test "check=skip, several, all, and error" {
	printf '# check=skip=JSONArgsRecommended\nFROM busybox\nCMD x\n' | dockerfile
	run cooper build --check "$context"
	assert_succeeds
	printf '# check=skip=JSONArgsRecommended,MaintainerDeprecated\nFROM busybox\nCMD x\nMAINTAINER x\n' | dockerfile
	run cooper build --check "$context"
	assert_succeeds
	printf '# check=skip=all\nFROM busybox as x\nCMD x\nMAINTAINER x\n' | dockerfile
	run cooper build --check "$context"
	assert_succeeds
	printf '# check=skip=jsonargsrecommended\nFROM busybox\nCMD x\n' | dockerfile
	run cooper build --check "$context"
	[ "$status" -eq 1 ]
	printf '# check=error=true\nFROM busybox\nCMD x\n' | dockerfile
	refuses JSONArgsRecommended
	printf '# check=skip=JSONArgsRecommended;error=true\nFROM busybox\nCMD x\n' | dockerfile
	build
	printf '# check=error=perhaps\nFROM busybox\n' | dockerfile
	refuses "Dockerfile:1"
}

@test "a comment above an instruction skips checks there, with a reason" {
	finds_nothing <<-'EOF'
		FROM busybox\n# check=skip=JSONArgsRecommended // a shell is wanted\nCMD x
		FROM busybox\n# check=skip=all\nENV MY_PASSWORD=x
		\n# check=skip=StageNameCasing,FromAsCasing\nFROM busybox as Builder
		# check=skip=all // an old file\nFROM busybox as Builder
	EOF
	finds_each <<-'EOF'
		JSONArgsRecommended: FROM busybox\n# check=skip=JSONArgsRecommended\nCMD x\nENTRYPOINT x
	EOF
}

@test "files that are left out, and comments that describe nothing" {
	printf 'one\n' >.dockerignore
	finds_each <<-'EOF'
		CopyIgnoredFile: FROM busybox\nCOPY one /
		InvalidDefinitionDescription: # check=experimental=all\n# about something\nARG A B\nFROM busybox
	EOF
	finds_nothing <<-'EOF'
		FROM busybox\nCOPY two . /
		# check=experimental=all\n# B is one of them\nARG A B\nFROM busybox
	EOF
	printf '*\n' >.dockerignore
	printf 'FROM busybox\nCOPY . /\n' | dockerfile
	run cooper build --check "$context"
	assert_output_has 'Attempting to Copy file "." that is excluded by .dockerignore'
	printf '*\n!one\n' >.dockerignore
	run cooper build --check "$context"
	assert_succeeds
}

@test "BUILDKIT_DOCKERFILE_CHECK stands in the place of the directive" {
	printf '# check=skip=all\nFROM busybox\nCMD x\n' | dockerfile
	run cooper build --check --build-arg BUILDKIT_DOCKERFILE_CHECK=skip=none "$context"
	[ "$status" -eq 1 ]
	refuses JSONArgsRecommended --build-arg BUILDKIT_DOCKERFILE_CHECK=error=true
}

@test "findings do not stop a build, and are told at its end" {
	printf 'FROM busybox\nCMD x\n' | dockerfile
	build
	[[ $stderr == *--check* ]]
}

@test "a finding has its rule, its description, its page, its lines" {
	printf 'FROM busybox\nMAINTAINER x\n' | dockerfile
	run cooper build --check "$context"
	assert_output_has "WARNING: MaintainerDeprecated - https://docs.docker.com/go/dockerfile/rule/maintainer-deprecated/"
	assert_output_has "Dockerfile:2"
	assert_output_has ">>> MAINTAINER x"
	run --separate-stderr cooper build --call=check,format=json "$context"
	python3 -c 'import json,sys
w = json.load(sys.stdin)["warnings"]
assert w[0]["ruleName"] == "MaintainerDeprecated", w
assert w[0]["location"]["ranges"][0]["start"]["line"] == 2, w' <<<"$output"
}

@test "all stages are checked, or those of the target" {
	printf 'FROM busybox AS a\nCMD x\nFROM busybox AS b\n' | dockerfile
	run cooper build --check "$context"
	[ "$status" -eq 1 ]
	run cooper build --check --target b "$context"
	[ "$status" -eq 0 ]
	# What is seen while reading is seen everywhere.
	printf 'FROM busybox AS a\nMAINTAINER x\nFROM busybox AS b\n' | dockerfile
	run cooper build --check --target b "$context"
	[ "$status" -eq 1 ]
}

@test "of a file that is wrong the checks tell what stands above, then what is wrong" {
	printf 'FROM busybox as a\nMAINTAINER x\nNONE\nMAINTAINER y\n' | dockerfile
	run --separate-stderr cooper build --check "$context"
	[ "$status" -eq 1 ]
	[[ $output == *"2 warnings have been found"* && $output == *FromAsCasing* && $output == *Dockerfile:2* ]]
	[[ $stderr == *"dockerfile parse error on line 3: unknown instruction: NONE"*">>> NONE"* ]]
	run --separate-stderr cooper build --call=check,format=json "$context"
	[ "$status" -eq 1 ]
	[[ $stderr == *"unknown instruction: NONE"* ]]
	python3 -c 'import json,sys
j = json.load(sys.stdin)
assert [w["ruleName"] for w in j["warnings"]] == ["FromAsCasing", "MaintainerDeprecated"], j
assert j["buildError"]["message"] == "dockerfile parse error on line 3: unknown instruction: NONE", j
assert j["buildError"]["location"]["ranges"][0]["start"]["line"] == 3, j
assert j["sources"][0]["filename"] == "Dockerfile" and j["sources"][0]["data"], j' <<<"$output"
}

@test "what the build of a stage would be refused for is told by the checks, too" {
	local line
	while IFS= read -r line; do
		printf '%b\n' "${line%% => *}" | dockerfile
		run --separate-stderr cooper build --check "$context"
		[ "$status" -eq 1 ] || fail "exit status $status for: $line"
		[[ $stderr == *"Dockerfile:"*"${line#* => }"* ]] || fail "no '${line#* => }' for: $line"
		[[ $output != *"no warnings"* ]] || fail "all is well with: $line"
		run --separate-stderr cooper build --pull=never "$context"
		[ "$status" -eq 125 ] || fail "built: $line"
	done <<-'EOF'
		FROM busybox AS a\nRUN --mount=type=bnd,target=/x true\nFROM a => unsupported mount type 'bnd'
		ARG A=${B:?wanted}\nFROM busybox => B: wanted
		FROM $NONE => should not be blank
		FROM busybox\nCOPY --from=3 a b => invalid stage index 3
		FROM busybox\nEXPOSE 80/x => invalid proto
		FROM busybox\nSTOPSIGNAL x => invalid signal
		FROM busybox\nUSER ${WHO:?nobody} => WHO: nobody
	EOF
	# Of a stage that nobody needs it is told only when that stage is asked for.
	printf 'FROM busybox AS a\nEXPOSE 80/x\nFROM busybox\n' | dockerfile
	build
	run cooper build --check "$context"
	[ "$status" -eq 1 ]
}

@test "a target and a directive that are none are what is wrong" {
	printf 'FROM busybox as builder\nCMD x\n' | dockerfile
	run --separate-stderr cooper build --call=check,format=json --target bilder "$context"
	[ "$status" -eq 1 ]
	python3 -c 'import json, sys
j = json.load(sys.stdin)
assert [w["ruleName"] for w in j["warnings"]] == ["FromAsCasing"], j
assert j["buildError"]["message"].endswith("could not be found (did you mean builder?)"), j' <<<"$output"
	printf '# check=skp=all\nFROM busybox\n' | dockerfile
	run --separate-stderr cooper build --check "$context"
	[ "$status" -eq 1 ]
	[[ $stderr == *"Dockerfile:1: failed to parse check options: invalid check option 'skp'"* ]]
}

@test "nothing is built, pulled or written" {
	printf 'FROM nowhere.invalid/x AS a\nRUN false\n' | dockerfile
	local before
	before=$(find "$COOPER_ROOT" -type f | wc -l)
	for call in check outline targets; do
		run cooper build --call=$call "$context"
		[ "$status" -eq 0 ]
	done
	[ "$(find "$COOPER_ROOT" -type f | wc -l)" -eq "$before" ]
}

@test "outline: arguments with their defaults and texts, secrets, ssh" {
	dockerfile <<-'EOF'
		# GLOBAL is for all
		ARG GLOBAL=g
		FROM busybox AS base
		# VERSION is what is built
		ARG VERSION=1
		ARG UNSET
		FROM base AS app
		ARG GLOBAL
		RUN --mount=type=secret,id=token,required --mount=type=ssh,id=key true
		FROM busybox AS other
		ARG NOT_HERE
	EOF
	run cooper build --call=outline --target app --build-arg VERSION=2 "$context"
	assert_succeeds
	assert_output_has VERSION
	assert_output_has "is what is built"
	assert_output_has GLOBAL
	assert_output_has token
	assert_output_has key
	assert_output_lacks NOT_HERE
	run --separate-stderr cooper build --call=outline,format=json --target app "$context"
	python3 -c 'import json,sys
o = json.load(sys.stdin)
assert {a["name"] for a in o["args"]} >= {"VERSION", "UNSET"}, o
assert [s["name"] for s in o["secrets"]] == ["token"] and o["secrets"][0]["required"], o
assert [s["name"] for s in o["ssh"]] == ["key"], o' <<<"$output"
}

@test "targets: names, texts, the default" {
	dockerfile <<-'EOF'
		# builder makes it
		FROM busybox AS builder
		FROM busybox
		# final ships it
		FROM busybox AS final
	EOF
	run cooper build --call=targets "$context"
	assert_output_has builder
	assert_output_has "makes it"
	run --separate-stderr cooper build --call=targets,format=json "$context"
	python3 -c 'import json,sys
t = json.load(sys.stdin)["targets"]
assert [x.get("name", "") for x in t] == ["builder", "", "final"] and t[2]["default"], t' <<<"$output"
	run cooper build --call=nonsense "$context"
	assert_fails_with 125 nonsense
}
