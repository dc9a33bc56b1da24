# What later steps do to files of lower layers that have owners: at every level the image is what real ids make it.
load lib/common
load lib/kinds

setup_file() {
	common_setup_file
	mkdir "$BATS_FILE_TMPDIR/context"
	cd "$BATS_FILE_TMPDIR/context" || return
	busybox_tree tree
	python3 - owners.tar <<-'END'
		import sys, tarfile
		with tarfile.open(sys.argv[1], 'w') as tar:
		    def add(name, kind, uid, gid, mode, link=''):
		        e = tarfile.TarInfo(name)
		        e.type, e.uid, e.gid, e.mode, e.linkname, e.mtime = kind, uid, gid, mode, link, 1500000000
		        tar.addfile(e)
		    add('t', tarfile.DIRTYPE, 0, 0, 0o755)
		    add('t/group', tarfile.DIRTYPE, 5, 6, 0o2775)
		    for n in range(9):
		        add('t/p%d' % n, tarfile.FIFOTYPE, 9, 10, 0o640)
		        add('t/l%d' % n, tarfile.SYMTYPE, 7, 8, 0o777, 'file')
		        add('t/r%d' % n, tarfile.SYMTYPE, 0, 0, 0o777, 'file')
		    add('t/file', tarfile.REGTYPE, 33, 44, 0o644)
	END
	cat >Dockerfile <<-'END'
		FROM scratch AS base
		COPY --chown=0:0 tree /
		ADD owners.tar /
		FROM base
		RUN cd /t && chmod 600 p0 && touch -h -d @1400000000 p1 l1 && ln l2 hard && mv p2 l2 && mv r3 l3 && mv l4 r4 && \
			mv p5 moved && ln -sf new l6 && stat -c '%n %u:%g %a' p0 p1 l1 l2 l3 r4 moved l6 hard >/seen
		RUN cd /t && chown 3:4 /proc/self/cwd/file && mkdir /proc/self/cwd/group/d && ln -s group/behind dangling && \
			echo x >group/f && mkfifo /proc/self/cwd/group/p && stat -c '%n %u:%g' file group/* >>/seen
		RUN cd /t && ln -s /home/app/behind dangling2 && chmod 777 /home/app && \
			su app -c 'echo x >dangling2; echo x >/proc/self/root/home/app/g; mkdir /proc/self/root/home/app/d' && \
			stat -c '%n %u:%g' /home/app/* >>/seen && mv hard again && chmod 666 moved && mv moved p2
		RUN cd /t/group && mknod -m 4660 disk b 7 1 && su app -c 'mkdir -p /home/app/deep/' && \
			ln ../r5 both && chown -h 3:4 both && stat -c '%n %u:%g' /home/app/deep both ../r5 >>/seen
		COPY Dockerfile /t/group/copied/
		WORKDIR /t/group/work
	END
}

@test "with real ids a link or FIFO of a layer keeps its owner when it is changed, moved or replaced" {
	build_at full '^(t|home|seen)'
	run cat "$BATS_FILE_TMPDIR/full.seen"
	assert_output_is "p0 9:10 600
p1 9:10 640
l1 7:8 777
l2 9:10 640
l3 0:0 777
r4 7:8 777
moved 9:10 640
l6 0:0 777
hard 7:8 777
file 3:4
group/d 0:6
group/f 0:6
group/p 0:6
/home/app/behind 1000:1000
/home/app/d 1000:1000
/home/app/g 1000:1000
/home/app/deep 1000:1000
both 3:4
../r5 3:4"
	run grep -E '^t/(p0|p2|l2|l3|r4|l6|again)' "$BATS_FILE_TMPDIR/full.list"
	assert_output_has "t/p0|fifo|0o600|9:10|"
	assert_output_has "t/p2|fifo|0o666|9:10|"
	assert_output_has "t/again|link|0o777|7:8|"
	run grep -E '^t/group/(disk|copied|work)' "$BATS_FILE_TMPDIR/full.list"
	assert_output_has "t/group/disk|block|0o4660|0:6|"
	assert_output_has "t/group/copied|dir|0o755|0:0|"
	assert_output_has "t/group/work|dir|0o755|0:0|"
}

@test "with one id it is the same" {
	build_at alone '^(t|home|seen)'
	same_as_full alone seen list id
}

@test "in a root without namespaces it is the same" {
	build_at translated '^(t|home|seen)'
	same_as_full translated seen list id
}
