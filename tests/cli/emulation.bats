# Root without subordinate ids: one id is mapped, and a step is shown what it should be (docs/rootless.md). `alone` makes
# such a machine of any other. What a step sees and what its layer holds is compared with the same by real ids.
load lib/common
load lib/conformance

setup_file() {
	common_setup_file
	use_busybox
	# shellcheck disable=SC2030,SC2031
	(enter_alone && archive=$(busybox_archive) && id=$(alone pull -q "oci-archive:$archive") && alone tag "$id" busybox)
}

teardown_file() {
	chmod -R u+rwX "$BATS_FILE_TMPDIR/alone" 2>/dev/null || true
	rm -rf "$BATS_FILE_TMPDIR/alone"
	common_teardown_file
}

# A store of its own: the owners in it are written otherwise.
enter_alone() {
	export COOPER_ROOT=$BATS_FILE_TMPDIR/alone/root COOPER_RUNROOT=$BATS_FILE_TMPDIR/alone/runroot
	mkdir -p "$COOPER_ROOT"
}

# Without namespaces another one.
enter_translated() {
	fresh_store translated
	translated tag "$(translated pull -q "oci-archive:$(busybox_archive)")" busybox
}

alone() {
	unshare --map-root-user cooper "$@"
}

translated() {
	COOPER_ISOLATION=translated cooper "$@"
}

# preload NAME: tests/programs/NAME.c between cooper and the kernel, until LD_PRELOAD is unset.
preload() {
	cc -shared -fPIC -O1 -o "$BATS_TEST_TMPDIR/$1.so" "$BATS_TEST_DIRNAME/../programs/$1.c" ||
		skip "no C compiler"
	export LD_PRELOAD=$BATS_TEST_TMPDIR/$1.so ASAN_OPTIONS=verify_asan_link_order=0
}

# The diff_ids of an image.
layers() {
	"$1" inspect --type image "$2" | jq -r '.OCIv1.rootfs.diff_ids[]'
}

# The last layer as tar lists it, without times, sorted by name.
last_layer() {
	rm -rf "$BATS_TEST_TMPDIR/dir"
	"$1" push -q "$2" "dir:$BATS_TEST_TMPDIR/dir"
	python3 - "$BATS_TEST_TMPDIR/dir" <<-'END'
		import json, sys, tarfile
		layers = json.load(open(sys.argv[1] + '/manifest.json'))['layers']
		for e in tarfile.open(sys.argv[1] + '/' + layers[-1]['digest'].split(':')[1]):
		    print(e.name, e.type.decode(), '%o' % e.mode, e.uid, e.gid, e.devmajor, e.devminor, e.linkname)
	END
}

@test "a step with one id changes owners, makes devices and becomes a user, and its layer has all of it" {
	enter_alone
	ctr=$(alone from busybox)
	run alone run "$ctr" sh -c '
		touch /file; chown 33:44 /file; chmod 4755 /file; stat -c "%u:%g %a" /file
		ln -s file /link; chown -h 5:6 /link; stat -c "%u:%g %F" /link
		mkfifo /fifo; chown 7:8 /fifo; stat -c "%u:%g %F" /fifo
		mknod -m 640 /null c 1 3; stat -c "%t:%T %a %F" /null
		mknod /disk b 8 1; chown 0:6 /disk
		su app -c "id -u; touch /tmp/mine; stat -c %u:%g /tmp/mine"'
	[ "$status" -eq 0 ]
	[ "$output" = '33:44 4755
5:6 symbolic link
7:8 fifo
1:3 640 character special file
1000
1000:1000' ]
	alone commit -q "$ctr" made
	run last_layer alone made
	assert_output_has "file 0 4755 33 44 0 0 "
	assert_output_has "link 2 777 5 6 0 0 file"
	assert_output_has "fifo 6 644 7 8 0 0 "
	assert_output_has "null 3 640 0 0 1 3 "
	assert_output_has "disk 4 644 0 6 8 1 "
	assert_output_has "tmp/mine 0 644 1000 1000 0 0 "
	# The next container sees it, too, and a copy of a link keeps its owner.
	next=$(alone from made)
	[ "$(alone run "$next" stat -c '%u:%g' /link /fifo /null | tr '\n' ' ')" = '5:6 7:8 0:0 ' ]
	alone run "$next" mv /link /moved
	alone commit -q --squash "$next" squashed
	run last_layer alone squashed
	assert_output_has "moved 2 777 5 6 0 0 file"
	assert_output_has "null 3 640 0 0 1 3 "
}

@test "the image's own user is who it should be" {
	enter_alone
	ctr=$(alone from busybox)
	[ "$(alone run --user app "$ctr" id -u)" = 1000 ]
	[ "$(alone run --user app "$ctr" id -G)" = '1000 2000' ]
	run alone run --user 77:88 "$ctr" sh -c 'id -u; id -g; touch /tmp/x; stat -c %u:%g /tmp/x; chown 0 /tmp/x || echo refused'
	assert_output_has "77"
	assert_output_has "77:88"
	assert_output_has "refused"
}

@test "a program sees the same as with real ids, call by call, and its layer is the same" {
	compile_conformance
	mapfile -t families < <(conformance_families)
	[ "${#families[@]}" -gt 20 ]
	for kind in cooper alone; do
		[ "$kind" = cooper ] || enter_alone
		conform "$BATS_TEST_TMPDIR/$kind.out" "$kind" "${families[@]}" other-abi
		$kind commit -q "$ctr" conformance
		last_layer $kind conformance | sort >"$BATS_TEST_TMPDIR/$kind.layer"
	done
	diff "$BATS_TEST_TMPDIR/cooper.out" "$BATS_TEST_TMPDIR/alone.out"
	diff "$BATS_TEST_TMPDIR/cooper.layer" "$BATS_TEST_TMPDIR/alone.layer"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/alone.out")" -gt 1500 ]
}

@test "a program is shown the devices that it makes" {
	compile_conformance
	enter_alone
	conform "$BATS_TEST_TMPDIR/out" alone devices
	diff "$BATS_TEST_DIRNAME/../programs/conformance/devices.native" "$BATS_TEST_TMPDIR/out"
}

@test "layers made by copy, add and unpacking are the same bytes as with real ids" {
	export SOURCE_DATE_EPOCH=1700000000
	mkdir -p "$BATS_TEST_TMPDIR/context/deep/er"
	echo one >"$BATS_TEST_TMPDIR/context/deep/er/file"
	ln -s file "$BATS_TEST_TMPDIR/context/deep/er/link"
	mkfifo "$BATS_TEST_TMPDIR/context/deep/fifo"
	python3 - "$BATS_TEST_TMPDIR/owners.tar" <<-'END'
		import io, sys, tarfile
		with tarfile.open(sys.argv[1], 'w') as tar:
		    for n in range(40):
		        for name, kind in (('f', tarfile.REGTYPE), ('l', tarfile.SYMTYPE), ('d', tarfile.DIRTYPE), ('p', tarfile.FIFOTYPE)):
		            e = tarfile.TarInfo('many/%s%d' % (name, n))
		            e.type, e.uid, e.gid, e.mode, e.linkname = kind, 100 + n, 200 + n, 0o4751 if kind == tarfile.REGTYPE else 0o750, 'x'
		            tar.addfile(e)
		    e = tarfile.TarInfo('many/hard')
		    e.type, e.uid, e.gid, e.linkname = tarfile.LNKTYPE, 100, 200, 'many/f0'
		    tar.addfile(e)
		    for name, kind in (('chr', tarfile.CHRTYPE), ('blk', tarfile.BLKTYPE)):
		        e = tarfile.TarInfo('many/' + name)
		        e.type, e.devmajor, e.devminor, e.gid, e.mode = kind, 8, 3, 6, 0o660
		        tar.addfile(e)
	END
	for kind in cooper translated alone; do
		[ "$kind" != alone ] || enter_alone
		[ "$kind" != translated ] || enter_translated
		ctr=$($kind from busybox)
		$kind copy -q --chown 33:44 "$ctr" "$BATS_TEST_TMPDIR/context" /made/on/the/way/
		$kind add -q "$ctr" "$BATS_TEST_TMPDIR/owners.tar" /
		$kind commit -q "$ctr" first
		other=$($kind from busybox)
		$kind copy -q --from "$ctr" "$other" /many /made /again/
		$kind commit -q "$other" second
		layers $kind first >"$BATS_TEST_TMPDIR/$kind.ids"
		layers $kind second >>"$BATS_TEST_TMPDIR/$kind.ids"
		$kind push -q first "oci-archive:$BATS_TEST_TMPDIR/$kind.tar"
	done
	diff "$BATS_TEST_TMPDIR/cooper.ids" "$BATS_TEST_TMPDIR/alone.ids"
	diff "$BATS_TEST_TMPDIR/cooper.ids" "$BATS_TEST_TMPDIR/translated.ids"
	# What was pulled packs to what it was.
	alone rm -a >/dev/null
	alone rmi first second >/dev/null
	id=$(alone pull -q "oci-archive:$BATS_TEST_TMPDIR/cooper.tar")
	ctr=$(alone from "$id")
	[ "$(alone run "$ctr" stat -c '%u:%g' /many/l7 /many/f7 /many/p7 /many/d7 | sort -u)" = 107:207 ]
	alone commit -q --squash "$ctr" flat
	run last_layer alone flat
	assert_output_has "many/l39 2 777 139 239 0 0 x"
	assert_output_has "many/blk 4 660 0 6 8 3 "
	assert_output_has "made/on/the/way/deep/er/link 2 777 33 44 0 0 file"
}

@test "a build gives the same image with one id as with many" {
	mkdir "$BATS_TEST_TMPDIR/build"
	echo hello >"$BATS_TEST_TMPDIR/build/file"
	ln -s file "$BATS_TEST_TMPDIR/build/link"
	cat >"$BATS_TEST_TMPDIR/build/Dockerfile" <<-'END'
		FROM busybox AS one
		USER app
		WORKDIR /work/deep
		COPY --chown=5:6 . /owned/
		USER root
		RUN chown -h 9:9 /owned/link && chown 3:4 /owned && touch -d @1600000000 /owned
		FROM busybox
		COPY --from=one /owned /got/
	END
	for kind in cooper alone; do
		[ "$kind" = cooper ] || enter_alone
		id=$($kind build -q --source-date-epoch 1600000000 --target one -t "built-$kind" "$BATS_TEST_TMPDIR/build")
		$kind build -q --source-date-epoch 1600000000 -t "last-$kind" "$BATS_TEST_TMPDIR/build" >"$BATS_TEST_TMPDIR/$kind.id"
		layers $kind "$id" >>"$BATS_TEST_TMPDIR/$kind.id"
	done
	diff "$BATS_TEST_TMPDIR/cooper.id" "$BATS_TEST_TMPDIR/alone.id"
	run last_layer alone last-alone
	assert_output_has "got/link 2 777 9 9 0 0 file"
}

@test "with real ids a device that root makes is in the layer, and nobody else makes one" {
	ctr=$(cooper from busybox)
	cooper run "$ctr" sh -c 'mknod -m 660 /dev-a c 10 200 && mknod /tmp-b b 7 1 && mv /tmp-b /dev-b && chown 3:4 /dev-b'
	run cooper run --user app "$ctr" mknod /tmp/c c 1 3
	[ "$status" -ne 0 ]
	assert_output_has "Operation not permitted"
	cooper commit -q "$ctr" nodes 2>"$BATS_TEST_TMPDIR/err"
	[ ! -s "$BATS_TEST_TMPDIR/err" ]
	run last_layer cooper nodes
	assert_output_has "dev-a 3 660 0 0 10 200 "
	assert_output_has "dev-b 4 644 3 4 7 1 "
	assert_output_lacks "tmp/c "
	next=$(cooper from nodes)
	cooper run "$next" sh -c 'rm /dev-a && echo x >/new'
	cooper commit -q --squash "$next" flat
	run last_layer cooper flat
	assert_output_has "dev-b 4 644 3 4 7 1 "
	assert_output_lacks "dev-a"
}

@test "where no overlay can be mounted the copies keep their records" {
	mkdir -p "$BATS_FILE_TMPDIR/alone/over/"{lower,upper,work,merged}
	cat >"$BATS_TEST_TMPDIR/script" <<-'END'
		set -e
		mount -t overlay overlay -o "userxattr,lowerdir=$1/lower,upperdir=$1/upper,workdir=$1/work" "$1/merged"
		export COOPER_ROOT=$1/merged/root COOPER_RUNROOT=$1/merged/runroot
		id=$(cooper pull -q "oci-archive:$2")
		ctr=$(cooper from "$id")
		cooper run "$ctr" sh -c 'ln -s a /link; chown -h 5:6 /link; mkfifo /fifo; chown 7:8 /fifo; mknod /disk b 8 1'
		cooper run "$ctr" mv /link /moved
		cooper commit -q "$ctr" one
		next=$(cooper from one)
		cooper run "$next" stat -c '%n %u:%g %F' /moved /fifo /disk
		cooper run "$next" mv /fifo /fifo2
		cooper commit -q "$next" two
		cooper push -q two "dir:$3"
	END
	run --separate-stderr unshare --map-root-user --mount bash "$BATS_TEST_TMPDIR/script" "$BATS_FILE_TMPDIR/alone/over" \
		"$(busybox_archive)" "$BATS_TEST_TMPDIR/out"
	[ "$status" -eq 0 ]
	assert_output_has "/moved 5:6 symbolic link
/fifo 7:8 fifo
/disk 0:0 block special file"
	run python3 -c "
import json, tarfile
for layer in json.load(open('$BATS_TEST_TMPDIR/out/manifest.json'))['layers'][-2:]:
    for e in tarfile.open('$BATS_TEST_TMPDIR/out/' + layer['digest'].split(':')[1]):
        print(e.name, e.uid, e.gid)"
	assert_output_has "moved 5 6"
	assert_output_has "fifo2 7 8"
}

# A process that was somebody else is killed, and its number given again.
reuse_a_number() {
	mkdir -m 777 "$BATS_TEST_TMPDIR/shared"
	cat >"$BATS_TEST_TMPDIR/script" <<-'END'
		set -e
		cooper run -v "$1:/shared" "$(cooper from busybox)" sh -c '
			su app -c "id -u >/shared/first; exec sleep 777" &
			while [ ! -e /shared/go ]; do sleep 0.1; done
			for n in $(seq 40); do sh -c "id -u"; done >/shared/later' &
		while [ ! -s "$1/first" ]; do sleep 0.1; done
		victim=
		while [ -z "$victim" ]; do victim=$(pgrep -f "^sleep 777") || sleep 0.1; done
		kill -KILL "$victim"
		while kill -0 "$victim" 2>/dev/null; do sleep 0.1; done
		echo $((victim - 8)) >/proc/sys/kernel/ns_last_pid
		touch "$1/go"
		wait
	END
	run timeout -k 5 300 unshare --map-root-user --pid --fork --kill-child --mount-proc bash "$BATS_TEST_TMPDIR/script" "$BATS_TEST_TMPDIR/shared"
	[ "$(cat "$BATS_TEST_TMPDIR/shared/first")" = 1000 ]
	[ "$(sort -u "$BATS_TEST_TMPDIR/shared/later")" = 0 ]
}

@test "who gets the number of a killed process is not taken for it" {
	enter_alone
	reuse_a_number
}

@test "a kernel before 6.13, which does not tell who a pidfd is of: the same" {
	compile_conformance
	preload older_kernel
	enter_alone
	reuse_a_number
	conform "$BATS_TEST_TMPDIR/alone.out" alone ids threads exec signals
	unset LD_PRELOAD
	conform "$BATS_TEST_TMPDIR/newer.out" alone ids threads exec signals
	diff "$BATS_TEST_TMPDIR/newer.out" "$BATS_TEST_TMPDIR/alone.out"
}

@test "a step whose supervisor cannot be told of it is not started, and that is said" {
	enter_alone
	ctr=$(alone from busybox)
	other=$(enter_translated >/dev/null && translated from busybox)
	preload unheard
	run -125 timeout 60 unshare --map-root-user cooper run "$ctr" touch /started
	assert_output_has "hand the listener over: Too many references"
	run -125 env COOPER_ISOLATION=translated COOPER_ROOT="$BATS_FILE_TMPDIR/root-translated" \
		COOPER_RUNROOT="$BATS_FILE_TMPDIR/runroot-translated" timeout 60 cooper run "$other" touch /started
	assert_output_has "hand the listener over: Too many references"
	unset LD_PRELOAD
	run alone run "$ctr" ls /started
	[ "$status" -ne 0 ]
}

@test "an owner is seen as soon as it is given, and by nobody who gets the number of what had it" {
	enter_alone
	ctr=$(alone from busybox)
	# Seen often without one; then given one, taken back, and made anew, by the shell's own tests and by stat.
	run alone run "$ctr" sh -c '
		is() { [ "$(stat -c %u:%g "$1")" = "$2" ] || echo "$1 at $3: $(stat -c %u:%g "$1"), not $2"; }
		for i in $(seq 40); do
			echo x >/f; mkdir /d; is /f 0:0 $i; is /d 0:0 $i; is /etc 0:0 $i
			chown 7:8 /f /d; is /f 7:8 $i; is /d 7:8 $i
			mv /f /g; is /g 7:8 $i; cp -p /g /h; is /h 7:8 $i
			chown 0:0 /g /d; is /g 0:0 $i; is /d 0:0 $i
			chown 9:9 /h; rm /g /h; rmdir /d
			touch /f /g /h; is /f 0:0 $i; is /g 0:0 $i; is /h 0:0 $i
			rm /f /g /h
		done
		is /etc/passwd 0:0 below; chown 3:4 /etc/passwd; is /etc/passwd 3:4 copied-up
		mkfifo /p; is /p 0:0 before; chown 5:6 /p; is /p 5:6 after; echo done'
	[ "$status" -eq 0 ]
	assert_output_is "done"
}
