# The command line of build: what is printed where, exit statuses, and answers without a build.
load lib/common

setup_file() {
	common_setup_file
	use_busybox
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	mkdir ctx
	printf '%s\n' 'FROM busybox' 'RUN echo to-stdout; echo to-stderr >&2; date +%N >/stamp' >ctx/Dockerfile
}

dockerfile() {
	printf '%s\n' "$@" >ctx/Dockerfile
}

# One field of an image's configuration.
field() {
	cooper inspect --type image --format "$2" "$1"
}

@test "the id is on stdout, all else on stderr" {
	run --separate-stderr -0 cooper build -t app ctx
	[[ $output =~ ^[0-9a-f]{64}$ ]]
	[[ $stderr == *to-stdout* ]]
	[[ $stderr == *to-stderr* ]]
	[[ $stderr == *"RUN echo to-stdout"* ]]
	[ "$(cooper images -q --no-trunc app)" = "sha256:$output" ]
}

@test "-q prints nothing but the id" {
	run --separate-stderr -0 cooper build -q ctx
	[[ $output =~ ^[0-9a-f]{64}$ ]]
	[ -z "$stderr" ]
}

@test "bud and build-using-dockerfile are the same command" {
	id=$(cooper build -q ctx)
	[ "$(cooper bud -q ctx)" = "$id" ]
	[ "$(cooper build-using-dockerfile -q ctx)" = "$id" ]
}

@test "options may stand behind the context" {
	cooper build ctx -q -t behind
	cooper images behind
}

@test "the exit status is that of the failing RUN" {
	dockerfile 'FROM busybox' 'RUN exit 42'
	run -42 cooper build ctx
	assert_output_has "Dockerfile:2"
	assert_output_has "RUN exit 42"
	dockerfile 'FROM busybox' 'RUN ["nosuch"]'
	run -127 cooper build ctx
	assert_output_has nosuch
}

@test "other failures are 125" {
	run -125 cooper build /nowhere
	dockerfile 'FROM busybox' 'RUNN true'
	run -125 cooper build ctx
	assert_output_has "RUN"
	dockerfile 'FROM busybox' 'COPY missing /'
	run -125 cooper build ctx
	assert_output_has missing
	run -125 cooper build --tgat x ctx
	assert_output_has "did you mean"
	run -125 cooper build a b
	run -125 cooper build --target nope ctx
	assert_output_has nope
}

@test "several names, and files with the id" {
	id=$(cooper build -q -t one -t example.org/two:3 --iidfile iid --iidfile-raw raw --metadata-file meta ctx)
	[ "$(cat iid)" = "sha256:$id" ]
	[ "$(cat raw)" = "$id" ]
	[ "$(wc -c <iid)" -eq 71 ]
	run -0 cat meta
	assert_output_has "\"containerimage.config.digest\": \"sha256:$id\""
	assert_output_has '"image.name": "localhost/one:latest,example.org/two:3"'
	[ "$(cooper images -q --no-trunc example.org/two:3)" = "sha256:$id" ]
}

@test "build arguments from options, files and the environment" {
	dockerfile 'FROM busybox' 'ARG A' 'ARG B' 'ARG C=default' 'LABEL v=$A-$B-$C'
	printf '# a comment\nA=file\nB=file\n' >args
	C=environment cooper build -q -t app --build-arg-file args --build-arg B=option --build-arg C ctx
	[ "$(field app '{{index .OCIv1.Config.Labels "v"}}')" = file-option-environment ]
	run -125 cooper build --build-arg =x ctx
	assert_output_has "--build-arg"
}

@test "what is asked of the image" {
	dockerfile 'FROM busybox' 'ENV A=1 B=2' 'LABEL x=1 y=2'
	cooper build -q -t app --label l=v --env C=3 --unsetenv B --unsetlabel y --annotation k=v --created-annotation ctx
	run -0 field app '{{.OCIv1.Config.Env}} {{.OCIv1.Config.Labels}} {{.ImageAnnotations}}'
	assert_output_has "A=1"
	assert_output_has "C=3"
	assert_output_lacks "B=2"
	assert_output_has "l:v"
	assert_output_has "x:1"
	assert_output_lacks "y:2"
	assert_output_has "k:v"
	assert_output_has "org.opencontainers.image.created"
	cooper build -q -t app --omit-history ctx
	[ "$(field app '{{len .OCIv1.History}}')" -eq 0 ]
}

@test "times are fixed when they are given" {
	one=$(cooper build -q --no-cache --timestamp 1000 ctx)
	[ "$(field "$one" '{{.OCIv1.Created}}')" = 1970-01-01T00:16:40Z ]
	dockerfile 'FROM busybox' 'RUN touch /file'
	one=$(cooper build -q --no-cache --source-date-epoch 5 ctx)
	[ "$(SOURCE_DATE_EPOCH=5 cooper build -q --no-cache ctx)" = "$one" ]
	run -125 cooper build --timestamp 1 --source-date-epoch 1 ctx
	assert_output_has "cannot both be given"
}

@test "steps come from the cache unless they must not" {
	dockerfile 'FROM busybox' 'RUN cat /proc/sys/kernel/random/uuid >/id'
	one=$(cooper build -q ctx)
	[ "$(cooper build -q ctx)" = "$one" ]
	[ "$(cooper build -q --no-cache ctx)" != "$one" ]
}

@test "--layers=false and --squash" {
	dockerfile 'FROM busybox' 'RUN touch /a' 'RUN touch /b'
	base=$(field busybox '{{len .OCIv1.RootFS.DiffIDs}}')
	cooper build -q -t layers ctx
	[ "$(field layers '{{len .OCIv1.RootFS.DiffIDs}}')" -eq $((base + 2)) ]
	cooper build -q -t single --layers=false ctx
	[ "$(field single '{{len .OCIv1.RootFS.DiffIDs}}')" -eq $((base + 1)) ]
	cooper build -q -t squashed --squash ctx
	[ "$(field squashed '{{len .OCIv1.RootFS.DiffIDs}}')" -eq 1 ]
}

@test "--from replaces the first base" {
	dockerfile 'FROM nosuch.invalid/image' 'LABEL a=b'
	cooper build -q -t app --from busybox ctx
	[ "$(field app '{{index .OCIv1.Config.Labels "a"}}')" = b ]
}

@test "a Dockerfile that ends in .in goes through cpp" {
	skip_unless cpp
	printf '#define BASE busybox\nFROM BASE\n#ifdef EXTRA\nLABEL extra=yes\n#endif\n' >ctx/my.in
	cooper build -q -t app --cpp-flag -DEXTRA -f my.in ctx
	[ "$(field app '{{index .OCIv1.Config.Labels "extra"}}')" = yes ]
	# What it includes lies in the context.
	echo 'FROM busybox' >ctx/common
	printf '#include "common"\nLABEL included=yes\n' >ctx/with.in
	cooper build -q -t app -f with.in ctx
	[ "$(field app '{{.OCIv1.Config.Labels.included}}')" = yes ]
}

@test "--progress=json is one object per line, and loses nothing" {
	dockerfile 'FROM busybox' 'RUN echo one; echo "{two}" >&2; head -c 200000 /dev/zero | tr "\\0" x; echo'
	run --separate-stderr -0 cooper build --no-cache --progress=json ctx
	[[ $output =~ ^[0-9a-f]{64}$ ]]
	printf '%s\n' "$stderr" >log
	run -0 python3 -c '
import json, sys
events = [json.loads(line) for line in open("log")]
assert all(set(e) >= {"event", "text", "time"} for e in events)
lines = [e["text"] for e in events if e["event"] == "output"]
assert "one" in lines and "{two}" in lines and "x" * 200000 in lines
started = [e for e in events if e["event"] == "started"]
assert [(e["step"], e["steps"]) for e in started] == [(1, 2), (2, 2)] and started[1]["text"].startswith("RUN echo one")
assert [e["event"] for e in events if "step" in e] == ["started", "done"] * 2'
}

@test "--progress=tty shows what runs, keeps all output, and says where the time went" {
	dockerfile 'FROM busybox' 'RUN echo one; printf "10%%\r90%%\r"; sleep 0.5; echo two'
	run --separate-stderr -0 cooper build --no-cache --progress=tty ctx
	[[ $output =~ ^[0-9a-f]{64}$ ]]
	[[ $stderr == *$'\none\n'* ]]
	[[ $stderr == *"90%"* ]]
	[[ $stderr == *two* ]]
	[[ $stderr == *"0 of 1 steps from the cache"* ]]
	run --separate-stderr -0 cooper build --progress=tty ctx
	[[ $stderr == *"(cached)"* ]]
	dockerfile 'FROM busybox' 'RUN exit 5'
	run --separate-stderr -5 cooper build --progress=tty ctx
	[[ $stderr == *"exit 5"* ]]
	[[ $stderr != *"from the cache"* ]]
}

@test "steps have no standard input unless --stdin gives them ours" {
	dockerfile 'FROM busybox' 'RUN cat; echo end'
	run --separate-stderr -0 sh -c 'echo word | cooper build --no-cache ctx'
	[[ $stderr != *word* ]]
	run --separate-stderr -0 sh -c 'echo word | cooper build --no-cache --stdin ctx'
	[[ $stderr == *word* ]]
}

@test "--logfile takes what the build says" {
	run --separate-stderr -0 cooper build --no-cache --logfile log ctx
	[ -z "$stderr" ]
	run -0 cat log
	assert_output_has to-stdout
	dockerfile 'FROM busybox' 'RUN exit 3'
	run --separate-stderr -3 cooper build --logfile log ctx
	[[ $stderr == *"exit 3"* ]]
}

@test "--logsplit: a log for each platform" {
	dockerfile 'FROM scratch' 'ARG TARGETARCH' 'COPY . /$TARGETARCH'
	run --separate-stderr -0 cooper build --logfile log --logsplit ctx
	[ -z "$stderr" ]
	[[ $(cat log_linux_*) == *"STEP 3/3: COPY"* ]]
	rm log_linux_*
	run --separate-stderr -0 cooper build --logfile log --logsplit --platform linux/amd64,linux/arm64 ctx
	[ -z "$stderr" ]
	[[ $(cat log_linux_amd64) == *"PLATFORM 1/2: linux/amd64"* ]]
	[ "$(grep -c "STEP 3/3: COPY" log_linux_arm64)" -eq 1 ]
	[ ! -e log ]
	run -125 cooper build --logsplit ctx
	assert_output_has "--logfile"
}

@test "--layer-label is refused: there is nothing that it could label" {
	run -125 cooper build --layer-label a=b ctx
	assert_output_has "no intermediate images"
}

@test "--call=targets and outline answer without building" {
	dockerfile '# base has the tools' 'FROM nosuch.invalid/a AS base' 'ARG VERSION=1' \
		'RUN --mount=type=secret,id=token,required true' 'FROM base AS final'
	run -0 cooper build --call=targets ctx
	assert_output_has "base"
	assert_output_has "has the tools"
	assert_output_has "final (default)"
	run -0 cooper build --call=outline --build-arg VERSION=2 ctx
	assert_output_has "VERSION"
	assert_output_has "token"
	cooper build --call=targets,format=json ctx | python3 -c '
import json, sys
targets = json.load(sys.stdin)["targets"]
assert [t["name"] for t in targets] == ["base", "final"] and targets[1]["default"]'
	cooper build --call=outline,format=json --target base ctx | python3 -c '
import json, sys
outline = json.load(sys.stdin)
assert outline["name"] == "base" and outline["args"][0]["value"] == "1"
assert outline["secrets"][0] == {**outline["secrets"][0], "name": "token", "required": True}'
	run -125 cooper build --call=nothing ctx
	run -125 cooper build --call=outline --target nope ctx
}

@test "--check reports, with status 1, and check=error=true fails the build" {
	dockerfile 'FROM busybox AS good' 'RUN true'
	run -0 cooper build --check ctx
	assert_output_has "no warnings found"
	dockerfile 'FROM busybox as bad' 'MAINTAINER me'
	run -1 cooper build --check ctx
	assert_output_has MaintainerDeprecated
	assert_output_has FromAsCasing
	run -1 cooper build --call=check,format=json ctx
	python3 -c 'import json, sys; assert len(json.loads(sys.argv[1])["warnings"]) == 2' "$output"
	run -0 cooper build ctx
	assert_output_has "see --check"
	dockerfile 'FROM busybox AS unused' 'CMD me' 'FROM busybox'
	run -0 cooper build ctx
	assert_output_lacks "see --check"
	run -1 cooper build --check ctx
	dockerfile '# check=error=true' 'FROM busybox' 'MAINTAINER me'
	run -125 cooper build ctx
	assert_output_has MaintainerDeprecated
	cooper build -q --build-arg BUILDKIT_DOCKERFILE_CHECK=skip=all ctx
}

@test "secrets are checked before the build" {
	run -125 cooper build --secret id=x,src=/nowhere ctx
	assert_output_has "/nowhere"
	run -125 cooper build --secret id=x,env=NO_SUCH_VARIABLE ctx
	assert_output_has NO_SUCH_VARIABLE
	run -125 cooper build --secret src=/etc/passwd ctx
	assert_output_has "id="
	run -125 cooper build --secret id=x,colour=red ctx
	assert_output_has colour
}

@test "what scripts of other builders pass is accepted, what cannot be done is refused" {
	cooper build -q --rm --force-rm=true --compress --provenance=false --sbom=false --load --progress=plain \
		--skip-unused-stages=true --pull=never ctx
	local option
	for option in --cache-to=type=gha --cache-from=type=gha --attest=type=vex \
		--provenance=mode=most --skip-unused-stages=false --compat-volumes; do
		run -125 cooper build "$option" ctx
		assert_output_has "${option%%=*}"
	done
}

@test "options of other builders that cannot be followed say why; those without meaning here are taken" {
	dockerfile 'FROM busybox'
	while read -r option reason; do
		run cooper build $option ctx
		[ "$status" -eq 125 ] || fail "$option was taken"
		assert_output_has "$reason"
	done <<-'EOF'
		--save-stages stages do not become images
		--stage-labels stages do not become images
		--source-policy-file=policy.json source policies are not applied
		--userns-uid-map=0:1000:1 steps run under the id map of this user
		--userns-gid-map-group=app steps run under the id map of this user
		--allow=fs.read=/ use security.insecure, network.host or device
	EOF
	cooper build -q --save-stages=false --allow device ctx
}

@test "a front-end that is not Dockerfile's is said not to be used" {
	dockerfile() { printf '# syntax=%s\nFROM busybox\nLABEL a=b\n' "$1" >"$BATS_TEST_TMPDIR/Dockerfile"; }
	dockerfile example.org/nix:1
	run --separate-stderr cooper build -q "$BATS_TEST_TMPDIR"
	[ "$status" -eq 0 ]
	[[ $stderr == *"the front-end 'example.org/nix:1' is not fetched, reading "*" as a Dockerfile instead"* ]]
	for syntax in docker/dockerfile docker/dockerfile:1-labs mirror.example.org:5000/docker/dockerfile-upstream:master dockerfile@sha256:ab; do
		dockerfile "$syntax"
		run --separate-stderr cooper build -q "$BATS_TEST_TMPDIR"
		[ "$status" -eq 0 ]
		[ -z "$stderr" ] || fail "$syntax: $stderr"
	done
}
