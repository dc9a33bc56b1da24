# The Dockerfile language: SOURCE_DATE_EPOCH as a number, a context or a stage, and the other arguments that steer the
# builder.
load lib/common
load lib/build
load lib/language

setup_file() {
	web_setup_file
}

teardown_file() {
	web_teardown_file
}

setup() {
	make_context
	web=$BATS_FILE_TMPDIR/web
}

# Seconds as the configuration says them.
created_in() {
	has_config "image['created'].startswith('$(date -u -d "@$1" +%Y-%m-%dT%H:%M:%S)')"
}

# archive FILE: a context whose newest file is of 1000000302.
archive() {
	mkdir "$BATS_TEST_TMPDIR/tree"
	printf 'FROM busybox\nARG SOURCE_DATE_EPOCH\nRUN printf %%s "$SOURCE_DATE_EPOCH" >/epoch\n' >"$BATS_TEST_TMPDIR/tree/Dockerfile"
	echo x >"$BATS_TEST_TMPDIR/tree/f"
	touch -d @1000000202 "$BATS_TEST_TMPDIR/tree/Dockerfile" && touch -d @1000000302 "$BATS_TEST_TMPDIR/tree/f"
	tar -C "$BATS_TEST_TMPDIR/tree" -cf "$1" Dockerfile f
}

# built_from WHERE [OPTION...]: the image "made" of another context.
built_from() {
	run --separate-stderr cooper build -t made "${@:2}" "$1"
	assert_succeeds
}

# A server that says nothing of times, for one file: exports PLAIN, its address.
start_plain() {
	local port
	port=$(free_port)
	export PLAIN=http://127.0.0.1:$port
	python3 -u -c '
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.do_GET()
    def do_GET(self):
        data = open(sys.argv[2], "rb").read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()' "$port" "$1" >/dev/null 2>&1 3>&- &
	printf '%s\n' "$!" >"$BATS_TEST_TMPDIR/plain.pid"
	wait_for_port "127.0.0.1:$port" "$BATS_TEST_TMPDIR/plain.pid"
}

teardown() {
	[ ! -e "$BATS_TEST_TMPDIR/plain.pid" ] || stop_process "$BATS_TEST_TMPDIR/plain.pid"
}

@test "a number in the head of the file, which --build-arg replaces or takes away" {
	printf 'ARG SOURCE_DATE_EPOCH=1000000001\nFROM busybox\nCOPY one /\nARG SOURCE_DATE_EPOCH\nENV E=$SOURCE_DATE_EPOCH\n' | dockerfile
	build
	created_in 1000000001
	has_config '"E=1000000001" in c["Env"]'
	build --build-arg SOURCE_DATE_EPOCH=1000000002
	created_in 1000000002
	build --source-date-epoch 1000000003
	created_in 1000000003
	build --build-arg SOURCE_DATE_EPOCH=
	has_config 'not image["created"].startswith("2001") and "E=" in c["Env"]'
}

@test "what is no time, no context and no stage" {
	printf 'ARG SOURCE_DATE_EPOCH=not-a-timestamp\nFROM scratch\nCOPY one /\n' | dockerfile
	refuses "invalid SOURCE_DATE_EPOCH: not-a-timestamp"
	refuses "invalid SOURCE_DATE_EPOCH: -5" --build-arg SOURCE_DATE_EPOCH=-5
	refuses "invalid SOURCE_DATE_EPOCH: 1.5" --build-arg SOURCE_DATE_EPOCH=1.5
}

@test "context: of a directory nobody knows it" {
	printf 'FROM busybox\nCOPY one /\nARG SOURCE_DATE_EPOCH\nENV E=${SOURCE_DATE_EPOCH:-empty}\n' | dockerfile
	build --build-arg SOURCE_DATE_EPOCH=context
	has_config 'not image["created"].startswith("2001") and "E=empty" in c["Env"]'
}

@test "context: of a download what the server says, else the newest file" {
	skip_unless python3
	archive "$web/context.tar"
	touch -d @1000000401 "$web/context.tar"
	built_from "$WEB/context.tar" --build-arg SOURCE_DATE_EPOCH=context
	created_in 1000000401
	start_plain "$web/context.tar"
	built_from "$PLAIN/context.tar" --build-arg SOURCE_DATE_EPOCH=context
	created_in 1000000302
	run inside 'cat /epoch'
	assert_output_is 1000000302
}

@test "context: of an archive on standard input the newest file" {
	archive "$BATS_TEST_TMPDIR/context.tar"
	run --separate-stderr cooper build -t made --build-arg SOURCE_DATE_EPOCH=context - <"$BATS_TEST_TMPDIR/context.tar"
	assert_succeeds
	created_in 1000000302
}

@test "context: of a repository the commit's time; BUILDKIT_CONTEXT_KEEP_GIT_DIR keeps .git" {
	skip_unless git
	[ -x "$(git --exec-path)/git-daemon" ] || skip "git-daemon is not installed"
	local address
	address=127.0.0.1:$(free_port)
	mkdir "$BATS_TEST_TMPDIR/work"
	printf 'FROM busybox\nCOPY . /c\n' >"$BATS_TEST_TMPDIR/work/Dockerfile"
	git -C "$BATS_TEST_TMPDIR/work" -c init.defaultBranch=main init -q
	git -C "$BATS_TEST_TMPDIR/work" add .
	GIT_COMMITTER_DATE='1000000501 +0200' GIT_AUTHOR_DATE='1000000001 +0000' \
		git -C "$BATS_TEST_TMPDIR/work" -c user.name=t -c user.email=t@t commit -q -m 1
	git clone -q --bare "$BATS_TEST_TMPDIR/work" "$BATS_TEST_TMPDIR/repo.git"
	git daemon --base-path="$BATS_TEST_TMPDIR" --export-all --listen=127.0.0.1 --port="${address##*:}" >/dev/null 2>&1 3>&- &
	printf '%s\n' "$!" >"$BATS_TEST_TMPDIR/plain.pid"
	wait_for_port "$address" "$BATS_TEST_TMPDIR/plain.pid"
	built_from "git://$address/repo.git" --build-arg SOURCE_DATE_EPOCH=context
	created_in 1000000501
	run inside 'ls -A /c'
	assert_output_is Dockerfile
	built_from "git://$address/repo.git" --build-arg BUILDKIT_CONTEXT_KEEP_GIT_DIR=1
	run inside 'test -d /c/.git && echo kept'
	assert_output_is kept
	# The same of a stage that is such a repository.
	printf 'ARG SOURCE_DATE_EPOCH=src\nFROM scratch AS src\nADD git://%s/repo.git /\nFROM busybox\nCOPY one /\n' "$address" | dockerfile
	build
	created_in 1000000501
}

@test "a stage that is nothing but an ADD from elsewhere" {
	skip_unless python3
	archive "$web/source.tar"
	touch -d @1000000601 "$web/source.tar"
	dockerfile <<-'EOF'
		ARG SOURCE_DATE_EPOCH=Source
		ARG WEB
		FROM scratch AS source
		ARG NAME=source.tar
		ADD ${WEB}/$NAME /
		FROM busybox
		ARG SOURCE_DATE_EPOCH
		RUN printf %s "$SOURCE_DATE_EPOCH" >/epoch
	EOF
	build --build-arg WEB="$WEB"
	created_in 1000000601
	run inside 'cat /epoch'
	assert_output_is 1000000601
	build --build-arg WEB="$WEB" --build-arg SOURCE_DATE_EPOCH=1000000602
	created_in 1000000602
	start_plain "$web/source.tar"
	build --build-arg WEB="$PLAIN"
	created_in 1000000302
}

@test "a stage that is anything else" {
	local line
	while IFS= read -r line; do
		printf 'ARG SOURCE_DATE_EPOCH=src\n%b\nFROM busybox\n' "${line%% => *}" | dockerfile
		refuses "${line#* => }"
		[[ $stderr == *Dockerfile:2* ]] || fail "no place for: $line"
	done <<-EOF
		FROM scratch AS src\nCOPY one / => stage does not meet source-only requirements: unsupported COPY instruction
		FROM scratch AS src => must contain exactly one remote ADD
		FROM busybox AS src\nADD $WEB/f / => must use FROM scratch
		FROM scratch AS src\nADD one / => must be a single HTTP(S) or Git ADD
		FROM scratch AS src\nADD file:///srv/repo.git / => must be a single HTTP(S) or Git ADD
		FROM scratch AS src\nADD $WEB/f $WEB/g / => exactly one remote ADD source
		FROM scratch AS src\nADD $WEB/f /\nADD $WEB/g / => exactly one remote ADD
	EOF
}

@test "a further context by its name; an image has no such time" {
	archive "$web/more.tar"
	touch -d @1000000701 "$web/more.tar"
	printf 'FROM busybox\nCOPY one /\n' | dockerfile
	build --build-arg SOURCE_DATE_EPOCH=more --build-context more="$WEB/more.tar"
	created_in 1000000701
	build --build-arg SOURCE_DATE_EPOCH=more --build-context more=docker-image://busybox
	has_config 'not image["created"].startswith("2001")'
}

@test "BUILDKIT_MULTI_PLATFORM makes a list of one image" {
	printf 'FROM busybox\nLABEL a=b\n' | dockerfile
	run --separate-stderr cooper build -t listed --build-arg BUILDKIT_MULTI_PLATFORM=1 "$context"
	assert_succeeds
	cooper manifest inspect listed | python3 -c 'import json, sys; assert len(json.load(sys.stdin)["manifests"]) == 1'
	build --build-arg BUILDKIT_MULTI_PLATFORM=false
	has_config 'c["Labels"]["a"] == "b"'
}

@test "BUILDKIT_INLINE_CACHE writes the cache into the image" {
	printf 'FROM busybox\nRUN cat /proc/sys/kernel/random/uuid >/id\n' | dockerfile
	build --build-arg BUILDKIT_INLINE_CACHE=1
	cooper push -q made "oci:$BATS_TEST_TMPDIR/layout:inline"
	grep -rq 'buildkit\|cooper' "$BATS_TEST_TMPDIR/layout/blobs" || fail "nothing of a cache in it"
	local with without
	with=$(cooper inspect --type image --format '{{.Manifest}}' made)
	build --build-arg BUILDKIT_INLINE_CACHE=0
	without=$(cooper inspect --type image --format '{{.Manifest}}' made)
	[ "$with" != "$without" ] || fail "the manifest is the same without a cache"
}
