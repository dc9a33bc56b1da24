# build --platform a,b: several platforms at the same time. Nothing is emulated here: amd64 and 386 are native.

load lib/common
load lib/multiarch

setup_file() {
	common_setup_file
	use_busybox
	[ "$(uname -m)" = x86_64 ] || skip "these images are for amd64 and 386, and both must be native"
	local ctr
	ctr=$(cooper from busybox)
	cooper config --arch 386 "$ctr"
	cooper commit -q --rm "$ctr" busybox-386
	cooper manifest create base busybox busybox-386
}

both=linux/amd64,linux/386

# A file of the cache mount ID:  in_cache ID FILE
in_cache() {
	printf 'FROM busybox\nRUN --mount=type=cache,id=%s,target=/c cp /c/%s /read\n' "$1" "$2" >reader
	cooper build -q --no-cache -f reader -t reader . >/dev/null && file_of linux/amd64 reader /read
}

@test "they run at the same time" {
	cd "$BATS_TEST_TMPDIR"
	cat >Dockerfile <<-'EOF'
		FROM base
		ARG TARGETARCH
		RUN --mount=type=cache,id=meet,target=/m touch /m/$TARGETARCH && \
			for i in $(seq 600); do [ -e /m/386 ] && [ -e /m/amd64 ] && exit 0; sleep 0.1; done; exit 9
	EOF
	cooper build -q --platform "$both" .
}

@test "--jobs is the limit for all of them together" {
	cd "$BATS_TEST_TMPDIR"
	cat >Dockerfile <<-'EOF'
		FROM base AS one
		ARG TARGETARCH
		RUN --mount=type=cache,id=alone,target=/m mkdir /m/held && sleep 0.2 && rmdir /m/held && echo one $TARGETARCH >/one
		FROM base AS two
		ARG TARGETARCH
		RUN --mount=type=cache,id=alone,target=/m mkdir /m/held && sleep 0.2 && rmdir /m/held && echo two $TARGETARCH >/two
		FROM base
		COPY --from=one /one /
		COPY --from=two /two /
	EOF
	cooper build -q --jobs 1 --platform "$both" -t limited .
	[ "$(file_of linux/386 limited /two)" = "two 386" ]
	[ "$(file_of linux/amd64 limited /one)" = "one amd64" ]
}

@test "the list is the same, whether they are built at once, in turn, or each alone" {
	cd "$BATS_TEST_TMPDIR"
	cat >Dockerfile <<-'EOF'
		FROM --platform=$BUILDPLATFORM base AS tool
		RUN echo tool >/tool
		FROM base AS left
		ARG TARGETARCH
		RUN echo "left $TARGETARCH" >/left
		FROM base
		ARG TARGETPLATFORM
		COPY --from=tool /tool /tool
		COPY --from=left /left /left
		RUN echo "$TARGETPLATFORM" >/target
		LABEL target=$TARGETPLATFORM
	EOF
	local at_once in_turn
	at_once=$(cooper build -q --platform "$both" --source-date-epoch 1000000000 --rewrite-timestamp -t same .)
	in_turn=$(cooper build -q --no-cache --jobs 1 --platform "$both" --source-date-epoch 1000000000 --rewrite-timestamp .)
	[ "$at_once" = "$in_turn" ]
	for platform in linux/amd64 linux/386; do
		cooper build -q --no-cache --platform "$platform" --source-date-epoch 1000000000 --rewrite-timestamp --manifest alone .
	done
	[ "$(cooper manifest inspect localhost/alone)" = "$(cooper manifest inspect localhost/same)" ]
}

@test "a step that all have in common is made once, by whoever comes first" {
	cd "$BATS_TEST_TMPDIR"
	cat >Dockerfile <<-'EOF'
		FROM --platform=$BUILDPLATFORM base AS tool
		RUN --mount=type=cache,id=once,target=/c echo made >>/c/times; sleep 1; head -c 16 /dev/urandom | base64 >/tool
		FROM base
		ARG TARGETARCH
		COPY --from=tool /tool /tool
		RUN echo $TARGETARCH >/arch
	EOF
	cooper build -q --platform "$both" -t once .
	[ "$(file_of linux/amd64 once /tool)" = "$(file_of linux/386 once /tool)" ]
	[ "$(in_cache once times)" = made ]
	# No lock is left behind.
	run ! compgen -G "$COOPER_ROOT/locks/step-*"
}

@test "the same between two builds, and one that fails is no obstacle" {
	cd "$BATS_TEST_TMPDIR"
	cat >Dockerfile <<-'EOF'
		FROM busybox
		RUN --mount=type=cache,id=twice,target=/c echo made >>/c/times; sleep 1
		RUN --mount=type=cache,id=twice,target=/c sleep 0.3; [ -e /c/failed ] || { touch /c/failed; exit 5; }
	EOF
	local first second one=0 other=0
	cooper build -q . >/dev/null 2>&1 3>&- &
	first=$!
	cooper build -q . >/dev/null 2>&1 3>&- &
	second=$!
	wait "$first" || one=$?
	wait "$second" || other=$?
	# One has found it wanting, then the other has made it.
	[ $((one + other)) -eq 5 ]
	[ "$(in_cache twice times)" = made ]
}

@test "each line says which platform it is about, and each event" {
	cd "$BATS_TEST_TMPDIR"
	cat >Dockerfile <<-'EOF'
		FROM base AS early
		RUN echo early >/early
		FROM base
		ARG TARGETARCH
		COPY --from=early /early /
		RUN echo "this is $TARGETARCH"; printf 'no end'
	EOF
	run -0 --separate-stderr cooper build --no-cache --platform "$both" .
	for arch in amd64 386; do
		# shellcheck disable=SC2154 # bats' own
		[[ $stderr == *"[linux/$arch] [2/2] STEP 4/4: RUN echo"* ]]
		grep -q "^\[linux/$arch\] .*this is $arch$" <<<"$stderr"
		grep -q "^\[linux/$arch\] .*no end$" <<<"$stderr"
		[ "$(grep -c "^\[linux/$arch\] --> [0-9a-f]\{12\}$" <<<"$stderr")" -eq 3 ]
	done
	[[ $stderr == *"PLATFORM 1/2: linux/amd64"*"PLATFORM 2/2: linux/386"* ]]
	run -0 --separate-stderr cooper build --no-cache --progress=json --platform "$both" .
	python3 -c 'import json, sys
events = [json.loads(line) for line in sys.stdin]
for platform in "linux/amd64", "linux/386":
    mine = [e for e in events if e.get("platform") == platform]
    done = [(e["stage"], e["step"]) for e in mine if e["event"] == "done"]
    assert sorted(done) == [(1, 1), (1, 2), (2, 1), (2, 2), (2, 3), (2, 4)], done
    assert [e["steps"] for e in mine if e["event"] == "summary"] == [3], mine
assert all("platform" in e for e in events if e["event"] in ("started", "done", "cached", "summary"))' <<<"$stderr"
}

@test "the reasons of --explain are each platform's own" {
	cd "$BATS_TEST_TMPDIR"
	printf 'FROM base\nARG TARGETARCH\nCOPY for-$TARGETARCH /f\n' >Dockerfile
	echo 1 >for-amd64
	echo 1 >for-386
	cooper build -q --platform "$both" .
	echo 2 >for-386
	run -0 --separate-stderr cooper build --explain --platform "$both" .
	[[ $stderr == *"[linux/386]     not cached: 'for-386': content changed"* ]]
	[[ $stderr == *"[linux/amd64]     cached: nothing"* ]]
}

@test "one that fails ends the others, its status and name are told, and there is no image of any" {
	cd "$BATS_TEST_TMPDIR"
	cat >Dockerfile <<-'EOF'
		FROM base
		ARG TARGETARCH
		RUN case $TARGETARCH in 386) echo the log; exit 7 ;; *) sleep 271 ;; esac
	EOF
	cooper rm -a >/dev/null
	run timeout 120 cooper build --platform "$both" -t never .
	[ "$status" -eq 7 ]
	[[ $output == *"[linux/386] the log"*"cooper: linux/386: "*"Dockerfile:3"* ]]
	eventually nobody_runs '^sleep 271$'
	run -1 cooper manifest exists localhost/never
	# The failed one's container can be looked at, the other's is gone.
	[ "$(cooper containers -q | wc -l)" -eq 1 ]
	cooper rm -a >/dev/null
}

both_run() {
	[ "$(grep -c 'runs$' log)" -eq 2 ]
}

@test "a signal ends all of them" {
	cd "$BATS_TEST_TMPDIR"
	printf 'FROM base\nARG TARGETARCH\nRUN echo "$TARGETARCH runs"; sleep 272\n' >Dockerfile
	cooper build --platform "$both" . >/dev/null 2>log 3>&- &
	local builder=$!
	eventually both_run
	kill -TERM "$builder"
	run ! wait "$builder"
	eventually nobody_runs '^sleep 272$'
	compgen -G "$COOPER_ROOT/locks/step-*"
	cooper prune >/dev/null
	[ -z "$(cooper containers -q)" ]
	run ! compgen -G "$COOPER_ROOT/locks/step-*"
}

@test "what is fetched is said with the platform that it is for" {
	cd "$BATS_TEST_TMPDIR"
	start_registry
	cooper manifest push -q --all base "docker://$REGISTRY/base:1"
	printf 'FROM %s/base:1\nRUN true\n' "$REGISTRY" >Dockerfile
	fresh_store fetching
	cooper build --platform "$both" . >/dev/null 2>log
	local platform line
	for platform in amd64 386; do
		for line in "Trying to pull $REGISTRY/base:1..." "Getting the image's manifest"; do
			grep -qFx "[linux/$platform] $line" log || fail "$line: $(cat log)"
		done
	done
	run ! grep -E '^(Trying to pull|Getting the|Copying blob)' log
	cooper build --platform "$both" --pull --progress=json . 2>log >/dev/null
	grep -F '"platform":"linux/386"' log | grep -qF '"text":"Trying to pull' || fail "$(cat log)"
}
