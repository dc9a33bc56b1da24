# cooper copy: where things go, whose they are, what is left out.
load lib/common

setup_file() {
	common_setup_file
	use_busybox
}

setup() {
	context=$BATS_TEST_TMPDIR/context
	mkdir -p "$context/dir/sub"
	echo one >"$context/one"
	echo two >"$context/two"
	echo deep >"$context/dir/sub/deep"
	ln -s one "$context/link"
	chmod 640 "$context/two"
	cd "$context" || return
	ctr=$(cooper from busybox)
}

teardown() {
	cooper rm "$ctr" >/dev/null
}

@test "a file to a name, into a directory, into the working directory" {
	cooper copy -q "$ctr" one /as-name
	cooper copy -q "$ctr" one /into/
	cooper copy -q "$ctr" one /tmp
	cooper config --workingdir /work "$ctr"
	cooper copy -q "$ctr" one
	run cooper run "$ctr" cat /as-name /into/one /tmp/one /work/one
	assert_output_is $'one\none\none\none'
}

@test "prints the digest of what was copied; times are not in it" {
	run --separate-stderr cooper copy "$ctr" one /a
	[[ $output =~ ^[0-9a-f]{64}$ ]]
	first=$output
	touch -d 2001-01-01 one
	run --separate-stderr cooper copy "$ctr" one /a
	assert_output_is "$first"
	echo other >one
	run --separate-stderr cooper copy "$ctr" one /a
	[ "$output" != "$first" ]
	run cooper copy -q "$ctr" one /a
	assert_output_is ""
}

@test "a directory's contents are copied, several sources need a directory" {
	cooper copy -q "$ctr" dir /d
	run cooper run "$ctr" cat /d/sub/deep
	assert_output_is deep
	cooper copy -q "$ctr" one two /many/
	run cooper run "$ctr" ls /many
	assert_output_is $'one\ntwo'
	run cooper copy "$ctr" one nosuch /many/
	assert_fails_with 125 nosuch
}

@test "owner root unless --chown, by the image's own names" {
	cooper copy -q "$ctr" two /two
	run cooper run "$ctr" stat -c '%u:%g %a' /two
	assert_output_is "0:0 640"
	cooper copy -q --chown app:extra "$ctr" two /two
	run cooper run "$ctr" stat -c '%u:%g' /two
	assert_output_is 1000:2000
	cooper copy -q --chown 12:34 --chmod 0755 "$ctr" two /two
	run cooper run "$ctr" stat -c '%u:%g %a' /two
	assert_output_is "12:34 755"
	run cooper copy --chown nosuch "$ctr" two /two
	assert_fails_with 125 nosuch
	run cooper copy --chmod 9z "$ctr" two /two
	assert_fails_with 125 9z
}

@test "a copy that fails leaves no half of a file" {
	run cooper copy --chown 70000 "$ctr" two /unowned
	assert_fails_with 125 70000
	run cooper run "$ctr" ls /unowned
	[ "$status" -eq 1 ]
}

@test "a copy that fails leaves what was there" {
	cooper copy -q "$ctr" one /kept
	run cooper copy --chown 70000 "$ctr" two /kept
	assert_fails_with 125 70000
	run cooper copy --chown 70000 --no-follow-symlinks "$ctr" link /kept
	assert_fails_with 125 70000
	run cooper run "$ctr" sh -c 'cat /kept; ls -A / | grep cooper'
	assert_output_is one
}

@test "files, links and FIFOs take each other's place, a directory's never" {
	mkdir nodes
	mkfifo nodes/place
	cooper copy -q "$ctr" one /place
	cooper copy -q --no-follow-symlinks "$ctr" link /place
	cooper run "$ctr" sh -c 'test "$(readlink /place)" = one'
	cooper copy -q "$ctr" nodes /
	cooper run "$ctr" test -p /place
	cooper copy -q "$ctr" two /place
	run cooper run "$ctr" sh -c 'cat /place; ls -A / | grep cooper'
	assert_output_is two
	mkdir tree
	mkdir tree/dir
	cooper copy -q "$ctr" tree /
	rmdir tree/dir
	echo file >tree/dir
	run cooper copy -q "$ctr" tree /
	assert_fails_with 125 "in the place of the directory '/dir'"
}

@test "names of one file replace each other" {
	mkdir pair
	echo same >pair/a
	ln pair/a pair/b
	cooper copy -q "$ctr" pair /pair
	cooper copy -q "$ctr" pair /pair
	run cooper run "$ctr" sh -c 'ls -A /pair; test /pair/a -ef /pair/b && cat /pair/b'
	assert_output_is $'a\nb\nsame'
}

@test "a name of a file whose first name another source has replaced is a copy of that file" {
	mkdir -p of/one of/two
	echo first >of/one/a
	echo second >of/two/a
	ln of/one/a of/two/b
	ln of/one/a of/two/c
	cooper copy -q "$ctr" of/one of/two /both/
	run cooper run "$ctr" sh -c 'cd /both && cat a b c && test b -ef c && ! test a -ef b'
	assert_output_is $'second\nfirst\nfirst'
}

@test "a link as source is followed, one inside a directory is kept" {
	cooper copy -q "$ctr" link /followed
	run cooper run "$ctr" sh -c 'test ! -L /followed && cat /followed'
	assert_output_is one
	cooper copy -q "$ctr" . /all/
	run cooper run "$ctr" readlink /all/link
	assert_output_is one
}

@test "patterns" {
	cooper copy -q "$ctr" '*o*' /globbed/
	run cooper run "$ctr" ls /globbed
	assert_output_is $'one\ntwo'
	cooper copy -q "$ctr" '**/deep' /deeper/
	run cooper run "$ctr" cat /deeper/deep
	assert_output_is deep
	run cooper copy "$ctr" 'z*' /x/
	assert_fails_with 125 'z*'
}

@test "--exclude and --ignorefile leave out" {
	cooper copy -q --exclude two --exclude 'dir/**' "$ctr" . /ex/
	run cooper run "$ctr" sh -c 'cd /ex && find . -type f | sort'
	assert_output_is ./one
	printf '*\n!two\n' >"$BATS_TEST_TMPDIR/ignore"
	cooper copy -q --ignorefile "$BATS_TEST_TMPDIR/ignore" --contextdir "$context" "$ctr" . /ig/
	run cooper run "$ctr" sh -c 'cd /ig && find . -type f'
	assert_output_is ./two
}

@test "--contextdir is a root that links cannot leave" {
	echo secret >"$BATS_TEST_TMPDIR/secret"
	ln -s "$BATS_TEST_TMPDIR/secret" out
	ln -s ../secret out2
	run cooper copy --contextdir "$context" "$ctr" out /o
	[ "$status" -eq 125 ]
	run cooper copy --contextdir "$context" "$ctr" out2 /o
	[ "$status" -eq 125 ]
	run cooper copy --contextdir "$context" "$ctr" ../secret /o
	[ "$status" -eq 125 ]
	run cooper run "$ctr" cat /o
	assert_output_lacks secret
}

@test "a destination that is a link stays inside the container" {
	mkdir -p "$BATS_TEST_TMPDIR/host"
	cooper run "$ctr" ln -s "$BATS_TEST_TMPDIR/host" /out
	cooper copy -q "$ctr" one /out/one || true
	[ -z "$(ls -A "$BATS_TEST_TMPDIR/host")" ]
}

@test "--from a container and from an image keeps owners" {
	cooper copy -q --chown 12:34 "$ctr" one /owned
	other=$(cooper from busybox)
	cooper copy -q --from "$ctr" "$other" /owned /got
	run cooper run "$other" stat -c '%u:%g' /got
	assert_output_is 12:34
	cooper copy -q --from busybox "$other" /etc/passwd /pw
	run cooper run "$other" head -n 1 /pw
	assert_output_has root:
	run cooper copy --from nosuch "$other" /a /b
	[ "$status" -eq 125 ]
}

@test "--parents keeps the way to the source" {
	cooper copy -q --parents "$ctr" dir/sub/deep /par/
	run cooper run "$ctr" cat /par/dir/sub/deep
	assert_output_is deep
}

@test "modes, holes, odd names and hard links survive" {
	printf x >"$(printf 'odd\nname\377')"
	truncate -s 5M sparse
	chmod 4755 one
	cooper copy -q "$ctr" . /odd/
	run cooper run "$ctr" sh -c 'ls /odd | wc -l; stat -c "%a" /odd/one; stat -c %s /odd/sparse'
	assert_output_has 4755
	assert_output_has 5242880
}

@test "a file that cannot be read is named; a FIFO is copied as one" {
	run cooper copy --contextdir / "$ctr" /etc/shadow /x
	assert_fails_with 125 /etc/shadow
	mkdir -p many
	mkfifo many/pipe
	run timeout 20 cooper copy -q "$ctr" many /many
	assert_succeeds
	run cooper run "$ctr" stat -c %F /many/pipe
	assert_output_is fifo
}

@test "copy unpacks when it is told to" {
	tar -czf packed.tgz one dir
	cooper copy -q "$ctr" packed.tgz /kept/
	cooper copy -q --unpack "$ctr" packed.tgz /unpacked
	cooper copy -q --unpack=false "$ctr" packed.tgz /false/
	run cooper run "$ctr" ls /kept /unpacked /false
	assert_output_is $'/false:\npacked.tgz\n\n/kept:\npacked.tgz\n\n/unpacked:\ndir\none'
}

@test "--from the container itself, and from one that is in use" {
	cooper copy -q "$ctr" one /first
	cooper copy -q --from "$ctr" "$ctr" /first /second
	run cooper run "$ctr" cat /second
	assert_output_is one
	other=$(cooper from busybox)
	mkdir "$BATS_TEST_TMPDIR/go"
	cooper run -v "$BATS_TEST_TMPDIR/go:/go" "$other" sh -c 'touch /go/begun; until [ -e /go/on ]; do sleep 0.1; done' 3>&- &
	pid=$!
	eventually [ -e "$BATS_TEST_TMPDIR/go/begun" ]
	run cooper copy --from "$other" "$ctr" /etc/passwd /pw
	touch "$BATS_TEST_TMPDIR/go/on"
	assert_fails_with 125 "is in use"
	wait "$pid"
	cooper copy -q --from "$other" "$ctr" /etc/passwd /pw
}
