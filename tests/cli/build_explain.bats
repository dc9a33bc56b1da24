# cooper build --explain: of each step why it was or was not taken from the cache.
load lib/common
load lib/build

# because TEXT: the last build said so of a step that it made. not_because TEXT: it did not.
because() {
	grep -qF "    not cached: $1" <<<"$stderr" || fail "no 'not cached: $1' in: $stderr"
}
not_because() {
	! grep -qF "not cached: $1" <<<"$stderr" || fail "there is 'not cached: $1' in: $stderr"
}
reasons() {
	local count
	count=$(grep -c '^    not cached: ' <<<"$stderr") || true
	[ "$count" -eq "$1" ] || fail "$count reasons instead of $1: $stderr"
}

# change FILE: gives it a content that no other test has.
change() {
	echo "$BATS_TEST_NUMBER $1" >"$1"
}

explained() {
	build --explain "$@"
}

@test "the first build, and one in which nothing has changed" {
	printf 'FROM busybox\nCOPY one /\nRUN true\n' | dockerfile
	explained
	because "nothing is known of an earlier build of this stage here"
	explained
	reasons 0
	[ "$(grep -c '^    cached: nothing that it depends on has changed' <<<"$stderr")" -eq 2 ]
	build
	[[ $stderr != *"cached:"* ]]
}

@test "a file of the context: content, mode, come, gone, renamed" {
	printf 'FROM busybox\nCOPY . /c\n' | dockerfile
	build
	change dir/sub/deep
	explained
	because "'dir/sub/deep': content changed"
	reasons 1
	chmod 755 one
	explained
	because "'one': mode 0644 -> 0755"
	reasons 1
	touch new && rm two
	explained
	because "'new': added"
	because "'two': removed"
	reasons 2
	rm new && mkdir new
	explained
	because "'new': it is another kind of file"
	reasons 1
}

@test "one of several files that COPY names" {
	printf 'FROM busybox\nCOPY one two /d/\n' | dockerfile
	build
	change two
	explained
	because "'two': content changed"
	reasons 1
}

@test "many files are told in part" {
	mkdir many && touch many/{1..30}
	printf 'FROM busybox\nCOPY many /m\n' | dockerfile
	build
	for f in many/*; do echo x >"$f"; done
	explained
	because "'many/1': content changed"
	because "and 20 more"
	reasons 11
}

@test "the ignore file leaves out what it has left in" {
	printf 'FROM busybox\nCOPY . /c\n' | dockerfile
	build
	echo two >.dockerignore
	explained
	because "'two': removed"
	because "'.dockerignore': added"
}

@test "an instruction, and what comes behind it" {
	printf 'FROM busybox\nRUN echo 1 >/f\nRUN true\n' | dockerfile
	build
	printf 'FROM busybox\nRUN echo 2 >/f\nRUN true\n' | dockerfile
	explained
	because "the instruction changed; it was: RUN echo 1 >/f"
	because "the command: changed"
	because "a step before it gave another layer"
}

@test "ARG and ENV by their names, never their values" {
	dockerfile <<-'EOF'
		FROM busybox
		ARG TOKEN
		ENV MODE=quick
		RUN true
	EOF
	build --build-arg TOKEN=hunter2
	explained --build-arg TOKEN=hunter3
	because "the variable TOKEN: changed"
	reasons 1
	sed -i 's/quick/slow/' Dockerfile
	explained --build-arg TOKEN=hunter3
	because "the variable MODE: changed"
	reasons 1
	explained
	because "the variable TOKEN: removed"
	[[ $stderr != *hunter* ]]
	run grep -rl hunter "$COOPER_ROOT/cache"
	[ "$status" -ne 0 ] || fail "a value is kept in $output"
}

@test "the base image" {
	printf 'FROM base\nRUN true\n' | dockerfile
	cooper tag busybox base
	build
	ctr=$(cooper from busybox)
	cooper run "$ctr" touch /new
	cooper commit -q "$ctr" base >/dev/null
	cooper rm "$ctr" >/dev/null
	explained
	because "the base image is another one"
	reasons 1
}

@test "user, working directory and options" {
	printf 'FROM busybox\nUSER root\nWORKDIR /a\nRUN true\n' | dockerfile
	build
	printf 'FROM busybox\nUSER app\nWORKDIR /a\nRUN true\n' | dockerfile
	explained
	because "the user: changed"
	printf 'FROM busybox\nCOPY --chmod=600 one /f\n' | dockerfile
	build
	printf 'FROM busybox\nCOPY --chmod=644 one /f\n' | dockerfile
	explained
	because "--chmod: changed"
	explained --source-date-epoch 1000
	because "SOURCE_DATE_EPOCH: added"
}

@test "the source of a mount" {
	printf 'FROM busybox\nRUN --mount=type=bind,source=dir,target=/d cat /d/flat\n' | dockerfile
	build
	change dir/flat
	explained
	because "'dir/flat': content changed"
	reasons 1
}

@test "a file of another stage" {
	dockerfile <<-'EOF'
		FROM busybox AS work
		COPY one /in
		RUN cp /in /out && cp /in /other
		FROM busybox
		COPY --from=work /out /
	EOF
	build
	change one
	explained
	because "'one': content changed"
	because "a step before it gave another layer"
	because "'out': content changed"
}

@test "a here-document" {
	dockerfile <<-'EOF'
		FROM busybox
		COPY <<EOT /f
		text
		EOT
	EOF
	build
	sed -i 's/^text/other/' Dockerfile
	explained
	because "the here-document: changed"
}

@test "what was asked for: --no-cache, --no-cache-filter, --layers=false" {
	printf 'FROM busybox AS only\nRUN true\n' | dockerfile
	build
	explained --no-cache
	because "the cache is not asked (--no-cache)"
	explained --no-cache-filter only
	because "the cache is not asked (--no-cache)"
	explained --layers=false
	because "without layers there is no cache"
}

@test "a result that is gone, too old, or never was" {
	printf 'FROM busybox\nRUN echo failed; test -e /nothing\n' | dockerfile
	run ! cooper build "$context"
	run --separate-stderr cooper build --explain "$context"
	because "nothing has changed, but there is no result: it failed the last time"
	printf 'FROM busybox\nRUN echo fine\n' | dockerfile
	build
	sleep 2.1
	explained --cache-ttl 1s
	because "its result is older than --cache-ttl allows"
}

@test "a new instruction between others" {
	printf 'FROM busybox\nRUN echo 1\nRUN echo 3\n' | dockerfile
	build
	printf 'FROM busybox\nRUN echo 1\nCOPY one /\nRUN echo 3\n' | dockerfile
	explained
	because "there was no such step in the last build"
	because "a step before it gave another layer"
	reasons 2
}

@test "after going back and forth the comparison is with the build before" {
	printf 'FROM busybox\nCOPY one two /d/\n' | dockerfile
	build
	echo a >one
	build
	echo one >one
	build
	echo b >two
	explained
	because "'two': content changed"
	reasons 1
}

@test "stages at the same time have reasons of their own" {
	dockerfile <<-'EOF'
		FROM busybox AS a
		COPY one /
		FROM busybox AS b
		COPY two /
		FROM scratch
		COPY --from=a /one /
		COPY --from=b /two /
	EOF
	build
	change one && change two
	explained
	because "'one': content changed"
	because "'two': content changed"
}

@test "contexts that do not last are known by the image's name" {
	printf 'FROM busybox\nCOPY one /\n' | dockerfile
	run --separate-stderr sh -c 'tar -c . | cooper build -t made -'
	assert_succeeds
	change one
	run --separate-stderr sh -c 'tar -c . | cooper build --explain -t made -'
	assert_succeeds
	because "'one': content changed"
}

@test "--progress=json has the reasons as fields" {
	printf 'FROM busybox\nCOPY one /\nRUN true\n' | dockerfile
	build
	change one
	run --separate-stderr cooper build --explain --progress=json "$context"
	assert_succeeds
	python3 - <<-EOF "$stderr"
		import json, sys
		events = [json.loads(line) for line in sys.argv[1].splitlines()]
		why = [e for e in events if e["event"] == "why"]
		assert [(w["step"], w["cached"]) for w in why] == [(2, False), (3, False)], why
		assert why[0]["changes"] == [{"what": "file", "name": "one", "change": "content changed", "text": "'one': content changed"}], why[0]
		kinds = [(e["event"], e["step"]) for e in events if e.get("step") == 2]
		assert kinds == [("started", 2), ("why", 2), ("done", 2)], kinds
	EOF
	run --separate-stderr cooper build --explain --progress=json "$context"
	[[ $stderr == *'"cached":true,"changes":[{"text":"nothing that it depends on'* ]]
}
