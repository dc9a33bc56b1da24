# The Dockerfile language: what is left out of the context, and which Dockerfile is read.
load lib/common
load lib/build
load lib/language

setup() {
	context=$BATS_TEST_TMPDIR/context
	mkdir -p "$context" && cd "$context" || return
}

# leaves "FILES": of the files that `tree` made, those that are in the image, sorted, by COPY . with the patterns of stdin.
leaves() {
	cat >.dockerignore
	printf '.dockerignore\nDockerfile\n' >>.dockerignore
	printf 'FROM scratch\nCOPY . /c/\n' | dockerfile
	run --separate-stderr cooper build -q -o "$BATS_TEST_TMPDIR/out" "$context"
	assert_succeeds
	local found expected
	expected=$(tr ' ' '\n' <<<"$1" | LC_ALL=C sort | tr '\n' ' ')
	found=$(cd "$BATS_TEST_TMPDIR/out/c" && find . -type f | cut -c3- | LC_ALL=C sort | tr '\n' ' ')
	rm -rf "$BATS_TEST_TMPDIR/out"
	[ "${found% }" = "${expected% }" ] || fail "left are '$found' instead of '$1' by: $(head -n -2 .dockerignore | tr '\n' ';')"
}

tree() {
	local file
	for file; do
		mkdir -p "$(dirname "$file")"
		echo "$file" >"$file"
	done
}

@test "plain names and directories" {
	tree a b d/a d/e/a f/b
	leaves "b d/a d/e/a f/b" <<<"a"
	leaves "a b f/b" <<<"d"
	leaves "a b f/b" <<<"d/"
	leaves "a b f/b" <<<"/d"
	leaves "a b f/b" <<<"./d"
	leaves "a b d/a f/b" <<<"d/e"
	leaves "a b d/a f/b" <<<"d/../d//e/"
	leaves "a b d/a d/e/a f/b" <<<"none"
	# For historical reasons, the Dockerfile reference says.
	leaves "a b d/a d/e/a f/b" <<<"."
	leaves "" <<<"*"
}

@test "wildcards stay in their part" {
	tree ab ac abc d/ab d/e/ab x1
	leaves "d/ab d/e/ab x1" <<<"a*"
	leaves "ab abc d/ab d/e/ab x1" <<<"ac"
	leaves "abc d/ab d/e/ab x1" <<<"a?"
	leaves "ac abc d/e/ab x1" <<<$'ab\n*/ab'
	leaves "ab abc ac d/ab x1" <<<"*/*/ab"
	leaves "ab abc d/ab d/e/ab x1" <<<"a[c]"
	leaves "ac abc d/ab d/e/ab x1" <<<"a[!b]"
	leaves "ab abc d/ab d/e/ab x1" <<<"a[^b]"
	leaves "ab abc ac d/ab d/e/ab" <<<"x[0-9]"
}

@test "** is any depth, and none" {
	tree ab d/ab d/e/ab d/e/cd x/y/z/w
	leaves "d/e/cd x/y/z/w" <<<"**/ab"
	leaves "ab x/y/z/w" <<<"d/**"
	leaves "ab d/ab d/e/cd x/y/z/w" <<<"d/**/e/ab"
	leaves "ab d/ab d/e/ab d/e/cd" <<<"**/z"
	leaves "ab d/ab d/e/ab d/e/cd" <<<"x/**/w"
	leaves "" <<<"**"
	leaves "ab d/ab d/e/ab x/y/z/w" <<<"**/c*"
}

@test "exceptions: the last line that fits decides, also below what is left out" {
	tree a b d/a d/b d/e/a d/e/b
	leaves "a" <<<$'*\n!a'
	leaves "b d/a d/b d/e/a d/e/b" <<<$'!a\na'
	leaves "a b d/b" <<<$'d\n!d/b'
	leaves "a b d/e/a d/e/b" <<<$'d\n!d/e'
	leaves "a b d/e/b" <<<$'d\n!d/e\nd/e/a'
	leaves "a d/a d/e/a" <<<$'**\n!**/a'
	leaves "a b d/e/a d/e/b" <<<$'d/*\n!d/e'
	leaves "a b d/a d/b d/e/a d/e/b" <<<$'d\n! d'
}

@test "comments, blanks, a byte order mark, quoting" {
	tree '#a' a 'b c' '!d' e
	leaves "#a b c e" <<<$'# a comment\n\n   \n  a  \n\\!d'
	leaves "!d #a b c e" <<<$'\xef\xbb\xbfa'
	leaves "!d #a a e" <<<"b c"
	leaves "!d a b c e" <<<$'\\#a'
	leaves "!d a b c e" <<<$' #a'
	leaves "!d #a a b c" <<<$'e\r'
}

@test "what is no pattern is refused" {
	tree a
	printf 'FROM scratch\nCOPY . /\n' | dockerfile
	local bad
	for bad in '!' 'a[' 'b\'; do
		printf '%s\n' "$bad" >.dockerignore
		refuses ".dockerignore"
	done
}

@test "the Dockerfile and the ignore file may be left out and are still used" {
	tree a
	printf 'Dockerfile\n.dockerignore\n' >.dockerignore
	printf 'FROM busybox\nCOPY . /c/\nRUN test "$(ls -A /c)" = a\n' | dockerfile
	build
}

@test "<Dockerfile>.dockerignore stands in the place of .dockerignore" {
	tree a b
	echo a >.dockerignore
	echo b >Other.dockerignore
	printf 'FROM busybox\nCOPY . /c/\nRUN test -e /c/a -a ! -e /c/b\n' >Other
	run --separate-stderr cooper build -f Other "$context"
	assert_succeeds
	mkdir "$BATS_TEST_TMPDIR/out" && cp Other Other.dockerignore "$BATS_TEST_TMPDIR/out/"
	run --separate-stderr cooper build -f "$BATS_TEST_TMPDIR/out/Other" "$context"
	assert_succeeds
}

@test "what is left out is not found, and --check says so" {
	tree a d/b
	printf 'a\nd\n' >.dockerignore
	printf 'FROM scratch\nCOPY a /\n' | dockerfile
	refuses '"/a": not found'
	run cooper build --check "$context"
	assert_output_has CopyIgnoredFile
	printf 'FROM scratch\nCOPY d /x\n' | dockerfile
	refuses "not found"
	printf 'FROM scratch\nCOPY ? /x/\n' | dockerfile
	build
}

@test "the lower-case name, a link, -f, -f -, and none" {
	printf 'FROM busybox\nENV WHICH=lower\n' >dockerfile
	build
	has_config '"WHICH=lower" in c["Env"]'
	printf 'FROM busybox\nENV WHICH=upper\n' | dockerfile
	build
	has_config '"WHICH=upper" in c["Env"]'
	rm dockerfile Dockerfile
	printf 'FROM busybox\nENV WHICH=real\n' >real && ln -s real Dockerfile
	build
	has_config '"WHICH=real" in c["Env"]'
	run --separate-stderr cooper build -t made -f - "$context" <<<$'FROM busybox\nENV WHICH=stdin\nCOPY real /'
	has_config '"WHICH=stdin" in c["Env"]'
	rm Dockerfile
	refuses "Dockerfile"
}
