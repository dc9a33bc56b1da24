# mount, umount, unshare.
load lib/common

setup_file() {
	common_setup_file
	use_busybox
}

@test "outside: a scratch container's path is a directory, another is an error with the way out" {
	ctr=$(cooper from scratch)
	path=$(cooper mount "$ctr")
	[ -d "$path" ]
	echo x >"$path/file"
	cooper umount "$ctr"
	other=$(cooper from busybox)
	run cooper mount "$other"
	assert_fails_with 125 "cooper unshare"
}

@test "inside: mount, write, see it in run; umount prints the id" {
	ctr=$(cooper from busybox)
	run cooper unshare sh -c "p=\$(cooper mount $ctr) && echo hi >\$p/made && cooper run $ctr cat /made && cooper mount | grep -c $ctr && cooper umount $ctr"
	assert_succeeds
	[ "${lines[0]}" = hi ]
	[ "${lines[1]}" = 1 ]
	[ "${#lines[2]}" -eq 64 ]
	run cooper run "$ctr" cat /made
	assert_output_is hi
}

@test "mounts count, and end with the session" {
	ctr=$(cooper from busybox)
	cooper unshare sh -c "cooper mount $ctr >/dev/null; cooper mount $ctr >/dev/null; cooper umount $ctr >/dev/null; ls \$(cooper mount $ctr)/bin >/dev/null"
	run cooper run "$ctr" true
	assert_succeeds
}

@test "--json" {
	ctr=$(cooper from scratch)
	cooper mount --json "$ctr" | python3 -c 'import json,sys; d=json.load(sys.stdin); assert d[0]["mountPoint"].startswith("/")'
}

@test "a container mounted in a living session is refused to others" {
	ctr=$(cooper from busybox)
	mkfifo "$BATS_TEST_TMPDIR/go"
	cooper unshare sh -c "cooper mount $ctr >$BATS_TEST_TMPDIR/path; cat $BATS_TEST_TMPDIR/go" 3>&- &
	pid=$!
	eventually [ -s "$BATS_TEST_TMPDIR/path" ]
	run cooper run "$ctr" true
	assert_fails_with 125 "mounted in another"
	run cooper rm "$ctr"
	assert_fails_with 125 "mounted in another"
	echo >"$BATS_TEST_TMPDIR/go"
	wait "$pid"
	run cooper run "$ctr" true
	assert_succeeds
}

@test "unshare: root inside, exit status, nesting, environment" {
	run cooper unshare id -u
	assert_output_is 0
	run cooper unshare -- sh -c 'exit 5'
	[ "$status" -eq 5 ]
	run cooper unshare cooper unshare id -u
	assert_output_is 0
	run cooper unshare sh -c 'echo $CONTAINERS_GRAPHROOT $BUILDAH_ISOLATION'
	assert_output_is "$COOPER_ROOT rootless"
	run cooper unshare nosuch-program
	[ "$status" -eq 127 ]
}

@test "unshare: subordinate ids are there" {
	run cooper unshare sh -c "touch $BATS_TEST_TMPDIR/f && chown 1000:1000 $BATS_TEST_TMPDIR/f && stat -c %u $BATS_TEST_TMPDIR/f"
	assert_output_is 1000
}

@test "unshare --mount gives the path in a variable and unmounts" {
	ctr=$(cooper from --name um busybox)
	run cooper unshare --mount ROOT=um sh -c 'cat $ROOT/etc/passwd | head -n 1'
	assert_output_has root:
	run cooper unshare --mount um sh -c 'echo $um'
	assert_output_has "$COOPER_ROOT"
}

@test "a script can start with cooper unshare" {
	cat >"$BATS_TEST_TMPDIR/script" <<-'EOS'
	#!/usr/bin/env -S cooper unshare sh
	ctr=$(cooper from busybox)
	mnt=$(cooper mount $ctr)
	echo "by script" >$mnt/etc/motd
	cooper umount $ctr >/dev/null
	cooper run $ctr cat /etc/motd
	cooper commit -q --rm $ctr scripted >/dev/null
	EOS
	chmod +x "$BATS_TEST_TMPDIR/script"
	run "$BATS_TEST_TMPDIR/script"
	assert_output_is "by script"
	cooper from scripted
}

@test "commit of a container that is mounted goes on under the mount" {
	ctr=$(cooper from busybox)
	run cooper unshare sh -ec "m=\$(cooper mount $ctr); echo 1 >\$m/one; cooper commit -q $ctr first >/dev/null; m=\$(cooper mount $ctr); cat \$m/one; echo 2 >\$m/two; cooper commit -q $ctr second >/dev/null"
	assert_succeeds
	assert_output_is 1
	check=$(cooper from second)
	run cooper run "$check" cat /one /two
	assert_output_is $'1\n2'
	check=$(cooper from first)
	run cooper run "$check" ls /two
	[ "$status" -ne 0 ]
}
