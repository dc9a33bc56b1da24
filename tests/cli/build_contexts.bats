# Where a build takes its files and its Dockerfile from.
load lib/common

setup_file() {
	common_setup_file
	use_busybox
	start_web_server
}

teardown_file() {
	stop_process "$BATS_FILE_TMPDIR/web.pid"
	common_teardown_file
}

# Serves $WEB at http://$WEB_ADDRESS.
start_web_server() {
	export WEB=$BATS_FILE_TMPDIR/web WEB_ADDRESS
	WEB_ADDRESS=127.0.0.1:$(free_port)
	mkdir -p "$WEB"
	python3 -m http.server --bind 127.0.0.1 --directory "$WEB" "${WEB_ADDRESS##*:}" >"$WEB.log" 2>&1 3>&- &
	printf '%s\n' "$!" >"$BATS_FILE_TMPDIR/web.pid"
	wait_for_port "$WEB_ADDRESS" "$BATS_FILE_TMPDIR/web.pid"
}

# A context in ./ctx whose Dockerfile copies ./word, which holds $1, to /word.
make_context() {
	mkdir -p "$BATS_TEST_TMPDIR/ctx"
	cd "$BATS_TEST_TMPDIR" || return
	printf 'FROM scratch\nCOPY word /word\n' >ctx/Dockerfile
	printf '%s\n' "$1" >ctx/word
}

# What /word of the built image holds:  word_of [OPTIONS] CONTEXT
word_of() {
	cooper build -q -o - "$@" | tar -xO word
}

@test "a directory, and the current one by default" {
	make_context here
	[ "$(word_of ctx)" = here ]
	cd ctx
	[ "$(word_of)" = here ]
}

@test "a Containerfile comes before a Dockerfile" {
	make_context dockerfile
	printf 'FROM scratch\nCOPY other /word\n' >ctx/Containerfile
	echo containerfile >ctx/other
	[ "$(word_of ctx)" = containerfile ]
}

@test "-f is a path of the user's, else of the context, and may lie outside" {
	make_context word
	mkdir elsewhere
	printf 'FROM scratch\nCOPY word /word\nCOPY word /more\n' >elsewhere/my
	mv ctx/Dockerfile ctx/mine
	[ "$(word_of -f ctx/mine ctx)" = word ]
	[ "$(word_of -f mine ctx)" = word ]
	[ "$(word_of -f elsewhere/my ctx)" = word ]
	run -125 cooper build -f nowhere ctx
	assert_output_has "no Dockerfile 'nowhere'"
}

@test "-f - reads the Dockerfile from standard input" {
	make_context word
	printf 'FROM scratch\nCOPY word /word\n' | cooper build -q -o - -f - ctx | tar -xO word | grep -qx word
	run -125 sh -c 'echo FROM scratch | cooper build -f - -'
	assert_output_has "cannot be both"
}

@test "several -f are read as one file" {
	make_context word
	echo 'FROM scratch AS one' >a
	printf 'FROM scratch\nCOPY word /word' >b
	[ "$(word_of -f a -f b ctx)" = word ]
}

@test "a Dockerfile on standard input has no files" {
	printf 'FROM busybox\nLABEL a=b\n' | cooper build -q -t stdin-file -
	[ "$(cooper inspect --type image --format '{{index .OCIv1.Config.Labels "a"}}' stdin-file)" = b ]
	run -125 sh -c 'printf "FROM scratch\nCOPY x /\n" | cooper build -'
}

@test "a tar archive on standard input, packed in any way" {
	make_context tar
	local way
	for way in "" -z -j -J --zstd; do
		[ "$(tar -c $way -C ctx . | word_of -)" = tar ] || fail "tar $way"
	done
	mv ctx/Dockerfile ctx/mine
	[ "$(tar -c -C ctx . | word_of -f mine -)" = tar ]
}

@test "a hostile archive stays inside, and its Dockerfile leads nowhere" {
	make_context word
	echo secret >secret
	ln -s "$PWD/secret" ctx/link
	printf 'FROM scratch\nCOPY link /word\n' >ctx/Dockerfile
	run -125 sh -c 'tar -c -C ctx . | cooper build -'
	ln -sf "$PWD/secret" ctx/Dockerfile
	run -125 sh -c 'tar -c -C ctx . | cooper build -'
	assert_output_lacks secret
	assert_output_has "no Containerfile or Dockerfile"
}

@test "an archive that is cut off is an error" {
	make_context word
	head -c 100000 /dev/urandom >ctx/big
	run -125 sh -c 'tar -c -C ctx . | head -c 50000 | cooper build -'
	assert_output_has "build context '-'"
}

@test "a tar archive and a Dockerfile from the web" {
	make_context web
	tar -cz -C ctx -f "$WEB/context.tar.gz" .
	[ "$(word_of "http://$WEB_ADDRESS/context.tar.gz")" = web ]
	printf 'FROM scratch\nCOPY word /word\n' >"$WEB/only.dockerfile"
	[ "$(word_of -f "http://$WEB_ADDRESS/only.dockerfile" ctx)" = web ]
	printf 'FROM busybox\nLABEL a=web\n' >"$WEB/label.dockerfile"
	cooper build -q -t web "http://$WEB_ADDRESS/label.dockerfile"
	run -125 cooper build "http://$WEB_ADDRESS/missing"
	assert_output_has "HTTP 404"
}

@test "the ignore file beside the Dockerfile replaces those of the context" {
	make_context word
	printf 'FROM scratch\nCOPY . /\n' >ctx/Dockerfile
	touch ctx/a ctx/b ctx/c
	echo a >ctx/.dockerignore
	run -0 sh -c 'cooper build -q -o - ctx | tar -t'
	[ "$(grep -cx '[abc]' <<<"$output")" -eq 2 ]
	assert_output_has b
	echo b >ctx/.containerignore
	run -0 sh -c 'cooper build -q -o - ctx | tar -t | grep -x "[abc]" | tr -d "\n"'
	assert_output_is ac
	echo c >ctx/Dockerfile.dockerignore
	run -0 sh -c 'cooper build -q -o - ctx | tar -t | grep -x "[abc]" | tr -d "\n"'
	assert_output_is ab
	printf 'a\nb\n' >other
	run -0 sh -c 'cooper build -q -o - --ignorefile other ctx | tar -t | grep -x "[abc]" | tr -d "\n"'
	assert_output_is c
}

@test "further contexts have names" {
	make_context word
	mkdir more
	echo more >more/word
	printf 'FROM scratch\nCOPY --from=extra word /word\n' >ctx/Dockerfile
	[ "$(word_of --build-context extra=more ctx)" = more ]
	tar -c -C more -f "$WEB/more.tar" .
	[ "$(word_of --build-context "extra=http://$WEB_ADDRESS/more.tar" ctx)" = more ]
	cooper build -q -t stored more -f - <<<$'FROM scratch\nCOPY word /word'
	[ "$(word_of --build-context extra=docker-image://stored ctx)" = more ]
	# As Buildah has it, too.
	[ "$(word_of --build-context extra=docker://stored ctx)" = more ]
	[ "$(word_of --build-context extra=container-image://stored ctx)" = more ]
	cooper push -q stored oci:layout:v
	[ "$(word_of --build-context "extra=oci-layout://$PWD/layout:v" ctx)" = more ]
}

@test "what is no context says so" {
	local wrong
	for wrong in extra =more extra=; do
		run -125 cooper build --build-context "$wrong" -f - <<<"FROM scratch"
		assert_output_has "--build-context '$wrong': not of the form NAME=WHERE"
	done
	run -125 cooper build /nowhere/at/all
	assert_output_has "/nowhere/at/all"
	run -125 cooper build /etc/passwd
	assert_output_has "not a directory"
	mkdir "$BATS_TEST_TMPDIR/empty"
	run -125 cooper build "$BATS_TEST_TMPDIR/empty"
	assert_output_has "no Containerfile or Dockerfile"
}
