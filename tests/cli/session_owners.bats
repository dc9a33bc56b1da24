# A script of `cooper unshare` on a mounted container: what its programs are shown, and the layer that is committed, are
# the same at rungs 1, 2, 3 and 4. Of devices at the last three: the kernel refuses them to a session with real ids.
load lib/common
load lib/kinds

setup_file() {
	common_setup_file
	export SOURCE_DATE_EPOCH=1700000000
	mkdir -p "$BATS_FILE_TMPDIR/work"
	cd "$BATS_FILE_TMPDIR/work" || return
	python3 "$LIB_DIRECTORY/many_owners.py" owners.tar
	cat >Dockerfile <<-'END'
		FROM busybox
		RUN echo 1 >/ro; chown 33:44 /ro; chmod 444 /ro; echo 2 >/zero; chmod 0 /zero; echo 3 >/locked; chmod 400 /locked; \
		    ln -s ro /old; chown -h 7:8 /old; mkfifo /p; chown 9:10 /p; mkdir -m 555 /dir; echo >/dir/f; chown -R 20:21 /dir; \
		    echo s >/su; chown 1:2 /su; chmod 6755 /su
	END
	cat >tree <<-'END'
		find "$@" -type d -exec stat -c '%n|%u:%g|%a|%F' {} + -o -exec stat -c '%n|%u:%g|%a|%F|%t:%T|%s|%h' {} + |
			LC_ALL=C sort
	END
	cat >users.py <<-'END'
		import os
		os.chmod('ro2', 0o4511)
		fd = os.open('py', os.O_CREAT | os.O_WRONLY, 0o400)
		os.write(fd, b'x')
		os.fchmod(fd, 0o404)
		os.mkdir('public')
		os.chmod('public', 0o1777)
		os.chdir('public')
		os.setgid(55)
		os.setuid(44)
		open('mine', 'w').close()
		os.mkdir('mined', 0o311)
		os.symlink('x', 'minel')
		os.chmod('mine', 0o200)
		try:
		    os.chown('mine', 1, 1)
		    print('given away')
		except PermissionError:
		    pass
	END
	cat >changes <<-'END'
		chmod 640 ro; chmod u+s ro; chown 1:2 su; chmod 4444 locked; chmod g+w dir; mv old older
		cat zero; echo more >>zero; ln zero zerolink; chmod 111 zero
		touch f; chown 5:6 f; chmod 4755 f
		touch cleared; chmod 6777 cleared; chown 5 cleared; chgrp 6 cleared
		echo 3 >>dir/f; echo 4 >dir/g; chmod 0 dir/g
		install -o 12 -g 13 -m 444 "$work/tree" installed
		install -d -o 3 -g 4 -m 2555 closed
		echo in >closed/in; mkdir closed/below
		(umask 777; touch none; mkdir none.d; echo x >none.d/y; mkfifo nonep; ln -s x nonel)
		ln -s nowhere l; chown -h 5:6 l; mkfifo q; chown 8:9 q
		cp -a "$work/own" copied; cp -a "$work/closed" shut; cp -a ro ro2; cp -a dir dir2; cp -p su su2; cp ro dir/f
		chown 1000:1000 .; chown 0:0 .
		mv "$work/in" "$work/in0" .; echo more >>in0; cat in0 in/f; echo new >in/g
		python3 "$work/users.py"
		rm -rf dir2
	END
	cat >script <<-'END'
		set -eu
		work=$PWD
		(umask 137; echo x >own; echo y >closed; chmod 400 closed)
		mkdir in; echo z >in/f; chmod 444 in/f; chmod 50 in; echo z >in0; chmod 0 in0
		ctr=$(cooper from --name c base)
		mnt=$(cooper mount c)
		id -u; id -G
		stat -c '%n %u:%g %a' own closed /etc/passwd
		cd "$mnt"
		bash "$work/tree" . | grep -v '^./bin'
		. "$work/changes"
		tar -xpf "$work/owners.tar" --exclude='*[bc]???'
		bash "$work/tree" . | grep -v '^./bin'
		cat ro zero locked none installed closed/in public/mine shut
		bin/busybox id -u
		setcap cap_net_bind_service+ep installed cap_net_bind_service+ep attr/capable cap_chown+ep f cap_chown+ep su2
		cp -a installed capable; echo more >>attr/capable; echo new >f; chown 1 su2
		getcap -r . | LC_ALL=C sort
		cp -a attr copies
		getfattr -dRPm - attr copies | LC_ALL=C sort
		tar --mtime=@0 --numeric-owner -C "$mnt" -cf - many closed none | tar --numeric-owner -tvf - | LC_ALL=C sort
		cd "$work"
		cooper umount c >/dev/null
		cooper commit -q c committed >/dev/null
		cooper rm c >/dev/null
	END
}

# in_session KIND: leaves what the script has said, and the layers' digests.
in_session() {
	local kind=$1 parts=$BATS_FILE_TMPDIR/$1
	cd "$BATS_FILE_TMPDIR/work" || return
	fresh_store "$kind"
	cooper_as "$kind" tag "$(cooper_as "$kind" pull -q "oci-archive:$(busybox_archive)")" busybox
	cooper_as "$kind" build -q -t base . >/dev/null
	rm -rf own closed in in0
	cooper_as "$kind" unshare bash script >"$parts.said" 2>"$parts.errors" || fail "$(cat "$parts.errors")"
	[ ! -s "$parts.errors" ] || fail "$(cat "$parts.errors")"
	cooper_as "$kind" inspect --type image committed | jq -r '.OCIv1.rootfs.diff_ids[]' >"$parts.layers"
}

@test "with real ids a script on a mounted container does what the kernel does" {
	in_session full
	run cat "$BATS_FILE_TMPDIR/full.said"
	assert_output_has "./ro|33:44|4640|regular file|0:0|2|1"
	assert_output_has "./zero|0:0|111|regular file|0:0|7|2"
	assert_output_has "./cleared|5:6|777|regular empty file|0:0|0|1"
	assert_output_has "./installed|12:13|444|"
	assert_output_has "./closed|3:4|2555|directory"
	assert_output_has "./in0|0:0|0|regular file|0:0|7|1"
	assert_output_has "./none|0:0|0|regular empty file|0:0|0|1"
	assert_output_has "./public/mine|44:55|200|regular empty file|0:0|0|1"
	assert_output_has $'./capable cap_net_bind_service=ep\n./installed cap_net_bind_service=ep'
	assert_output_has "/etc/passwd 65534:65534 644"
}

@test "with one id it does the same, byte for byte" {
	in_session alone
	same_as_full alone said layers
}

@test "without namespaces it does the same" {
	in_session translated
	same_as_full translated said layers
}

@test "as root without namespaces, too" {
	in_session rooted
	same_as_full rooted said layers
}

# devices KIND: leaves what is said of nodes, and the layers.
devices() {
	local kind=$1 parts=$BATS_FILE_TMPDIR/$1
	fresh_store "$kind"
	cd "$BATS_TEST_TMPDIR" || return
	cp "$BATS_FILE_TMPDIR/work/owners.tar" . || return
	cat >script <<-'END'
		set -eu
		ctr=$(cooper from --name nodes base)
		mnt=$(cooper mount nodes)
		work=$PWD
		cd "$mnt"
		mknod -m 640 null c 1 3; chown 5:6 null; mknod disk b 8 1; (umask 777; mknod none c 5 1)
		! mknod mark c 0 0 2>/dev/null
		chmod 600 disk; ln disk disks; mv null zero
		cp -a zero copy; tar -xpf "$work/owners.tar"
		stat -c '%n %u:%g %a %F %t:%T %h' zero disk disks none copy many/?[bc]* | LC_ALL=C sort
		tar --mtime=@0 --numeric-owner -cf - zero none many | tar --numeric-owner -tvf - | LC_ALL=C sort
		cd "$work"
		cooper umount nodes >/dev/null
		cooper run nodes sh -c 'stat -c "%n %u:%g %a %t:%T" /zero /disk'
		cooper commit -q nodes nodes >/dev/null
		cooper rm nodes >/dev/null
	END
	cooper_as "$kind" unshare bash script >"$parts.nodes" 2>"$parts.errors" || fail "$(cat "$parts.errors")"
	[ ! -s "$parts.errors" ] || fail "$(cat "$parts.errors")"
	cooper_as "$kind" push -q nodes "oci-archive:$parts.tar"
	"$LIST" "$parts.tar" | grep -v '^bin/' >"$parts.list"
}

@test "devices that a script makes are devices, and the same, at rungs 2, 3 and 4" {
	devices alone
	run cat "$BATS_FILE_TMPDIR/alone.nodes"
	assert_output_has "zero 5:6 640 character special file 1:3 1"
	assert_output_has "none 0:0 0 character special file 5:1 1"
	assert_output_has "/disk 0:0 600 8:1"
	for kind in translated rooted; do
		devices "$kind"
		diff "$BATS_FILE_TMPDIR/alone.nodes" "$BATS_FILE_TMPDIR/$kind.nodes"
		diff "$BATS_FILE_TMPDIR/alone.list" "$BATS_FILE_TMPDIR/$kind.list"
	done
}

# What the layers are on the disk, but for what further names do to a file.
layers_of() {
	find "$COOPER_ROOT/layers" -printf '%P|%i|%m|%s|%T@\n' | sort
	find "$COOPER_ROOT/layers" -type f -exec sha256sum {} + | sort
	getfattr -dRhm - "$COOPER_ROOT/layers" 2>/dev/null
}

@test "without namespaces nothing that a session does to what is mounted is done to a layer" {
	fresh_store translated
	layers_of >"$BATS_TEST_TMPDIR/before"
	cat >"$BATS_TEST_TMPDIR/script" <<-'END'
		set -eu
		ctr=$(cooper from base)
		cooper run "$ctr" sh -c 'echo of a step >/stepped'
		mnt=$(cooper mount "$ctr")
		cd "$mnt"
		for file in ro zero locked su dir/f etc/passwd bin/busybox; do
			echo evil >>"$file"; chown 7:8 "$file"; chmod 6777 "$file"; touch -d @1 "$file"; setfattr -n user.a -v b "$file"
		done
		chown -R 1:1 .
		truncate -s 0 etc/group; ln etc/passwd linked; mv old gone; rm p
		cd /
		cooper umount "$ctr" >/dev/null
	END
	cooper_as translated unshare bash "$BATS_TEST_TMPDIR/script"
	layers_of >"$BATS_TEST_TMPDIR/after"
	[ -s "$BATS_TEST_TMPDIR/before" ]
	diff "$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/after"
}

# translated_session < script
translated_session() {
	cat >"$BATS_TEST_TMPDIR/script"
	cd "$BATS_TEST_TMPDIR" || return
	cooper_as translated unshare bash -eu script "$@"
}

@test "files elsewhere keep the modes that the kernel knows, and what was given away is shown so" {
	fresh_store elsewhere
	run translated_session <<-'END'
		umask 022
		echo x >key; chmod 600 key; echo y >shut; chmod 0 shut; mkdir context; chmod 555 context
		chown 3:4 key
		stat -c '%n %u:%g %a' key shut context
		cat shut 2>/dev/null || echo "it is shut"
		chmod 400 key; stat -c '%n %u:%g %a' key
		chown 0:0 key; stat -c '%n %u:%g %a' key
		stat -Lc '%n %u:%g' /dev/stdin <key; stat -Lc '%n %u:%g' /dev/stdin </dev/null; stat -c '%n %u:%g' .
		# Of the caller's own entries in /proc, and not of somebody else's.
		[ "$(stat -Lc %i /proc/self/stat)" != "$(stat -Lc %i /proc/$PPID/stat)" ]
	END
	[ "$status" -eq 0 ]
	[ "$output" = "key 3:4 600
shut 0:0 0
context 0:0 555
it is shut
key 3:4 400
key 0:0 400
/dev/stdin 0:0
/dev/stdin 65534:65534
. 0:0" ]
	[ "$(stat -c %a "$BATS_TEST_TMPDIR/key")" = 400 ]
	[ "$(stat -c %a "$BATS_TEST_TMPDIR/shut")" = 0 ]
}

@test "a container of scratch, a commit in the session, and --mount" {
	fresh_store scratched
	run translated_session <<-'END'
		ctr=$(cooper from scratch)
		mnt=$(cooper mount "$ctr")
		cd "$mnt"; install -o 5 -g 6 -m 4755 /bin/true program; ln -s p l; chown -h 7:8 l; mkdir -m 0 d
		cooper commit -q "$ctr" scratched >/dev/null
		next=$(cooper from scratched)
		cooper unshare --mount NEXT="$next" sh -c 'cd "$NEXT" && chown 9 program && stat -c "%n %u:%g %a" program l d'
	END
	[ "$status" -eq 0 ]
	[ "$output" = $'program 9:6 755\nl 7:8 777\nd 0:0 0' ]
}

@test "what cannot be given there fails, and set-user-ID programs get no rights" {
	fresh_store translated
	run translated_session <<-'END'
		mnt=$(cooper mount "$(cooper from base)")
		! chroot "$mnt" /bin/true 2>&1
		! mount -t tmpfs tmpfs "$mnt/tmp" 2>/dev/null
		grep NoNewPrivs /proc/self/status
		id -un
	END
	[ "$status" -eq 0 ]
	assert_output_has "Operation not permitted"
	assert_output_has $'NoNewPrivs:\t1\nroot'
}

@test "outside of a session a mount says what does not count there" {
	fresh_store translated
	ctr=$(cooper_as translated from base)
	run --separate-stderr cooper_as translated mount "$ctr"
	[ "$status" -eq 0 ]
	[[ $stderr == *"owners and modes that are given there may not count; in a \`cooper unshare\` session they do"* ]]
	cooper_as translated umount "$ctr" >/dev/null
	# shellcheck disable=SC2016 # for the inner shell
	run --separate-stderr cooper_as translated unshare sh -c 'cooper mount "$1" && cooper umount "$1"' sh "$ctr"
	[ "$status" -eq 0 ]
	[ "$stderr" = "" ]
}
