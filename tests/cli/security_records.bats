# A step's marks that mean something to the store: records of ownership, whiteouts, overlayfs' own attributes. What a
# process may not do itself it must not get by having the commit do it.
load lib/common

setup_file() {
	common_setup_file
	use_busybox
	# busybox sets no attributes; the host's python does, seen through a volume.
	local ctr
	ctr=$(cooper from busybox)
	cooper run "$ctr" sh -c 'for d in lib lib64; do test -e /$d || ln -s usr/$d /$d; done; mkdir -p /usr/bin; chmod 777 /srv 2>/dev/null || mkdir -m 777 /srv'
	cooper commit -q "$ctr" base
}

python() {
	local ctr=$1 user=$2
	shift 2
	cooper run --user "$user" -v /usr:/usr:ro "$ctr" /usr/bin/python3 -c "$@"
}

# forge CONTAINER USER PATH UID GID MODE MAJOR MINOR
forge() {
	python "$1" "$2" "
import os, struct
path = '$3'
os.path.exists(path) or open(path, 'w').close()
os.setxattr(path, 'user.cooper.o', struct.pack('<5I', $4, $5, 0o$6, $7, $8))"
}

# The last layer's entries, as tar lists them.
last_layer() {
	local out=$BATS_TEST_TMPDIR/$1
	cooper push -q "$1" "dir:$out"
	python3 -c "
import json, tarfile
layers = json.load(open('$out/manifest.json'))['layers']
for e in tarfile.open('$out/' + layers[-1]['digest'].split(':')[1]):
    kind = 'b' if e.isblk() else 'c' if e.ischr() else 'd' if e.isdir() else '-'
    print(kind, '%o' % e.mode, e.uid, e.gid, e.name)"
}

@test "a step's own record gives no set-user-id file of root's and no device" {
	cooper from --name forger base
	cooper run --user app forger sh -c 'cp /bin/busybox /srv/shell'
	forge forger app /srv/shell 0 0 4755 0 0
	forge forger app /srv/disk 0 0 060666 8 0
	cooper commit -q forger forged 2>"$BATS_TEST_TMPDIR/err"
	grep -q "'srv/disk' was marked by a step" "$BATS_TEST_TMPDIR/err"
	run last_layer forged
	assert_output_has "- 755 1000 1000 srv/shell"
	assert_output_has "1000 1000 srv/disk"
	assert_output_lacks "b "
	cooper commit -q --squash forger squashed
	run last_layer squashed
	assert_output_has "- 755 1000 1000 srv/shell"
	assert_output_lacks "b "
}

@test "copy --from a container does not obey a step's record" {
	cooper from --name source base
	cooper run --user app source sh -c 'mkdir /srv/d; cp /bin/busybox /srv/d/shell'
	forge source app /srv/d/shell 0 0 4755 0 0
	cooper from --name sink base
	cooper copy --from source sink /srv/d/shell /one
	cooper copy --from source sink /srv/d /two
	run cooper run sink stat -c '%a %u' /one /two/shell
	assert_output_is $'755 1000\n755 1000'
}

@test "devices that cooper recorded come out again, also from what a step has touched" {
	python3 -c "
import tarfile
entry = tarfile.TarInfo('dev/sdx')
entry.type, entry.mode, entry.devmajor, entry.devminor = tarfile.BLKTYPE, 0o660, 8, 3
tarfile.open('$BATS_TEST_TMPDIR/devices.tar', 'w').addfile(entry)"
	cooper from --name devices base
	cooper run devices ln -s srv /data
	cooper add devices "$BATS_TEST_TMPDIR/devices.tar" /data/
	cooper run devices touch /srv/dev/sdx
	cooper commit -q devices with-device
	run last_layer with-device
	assert_output_has "b 660 0 0 srv/dev/sdx"
	cooper from --name above with-device
	cooper run above touch /srv/dev/sdx
	cooper commit -q above above
	run last_layer above
	assert_output_has "b 660 0 0 srv/dev/sdx"
	cooper from --name copied base
	cooper copy --from above copied /srv/dev /dev2
	cooper commit -q copied copied
	run last_layer copied
	assert_output_has "b 660 0 0 dev2/sdx"
}

@test "a known record does not count at another place, nor another one at a known place" {
	cooper from --name moved with-device
	cooper run moved sh -c 'cp /bin/busybox /tmp/x'
	forge moved 0 /tmp/x 0 0 060660 8 3
	forge moved 0 /srv/dev/sdx 0 0 060666 8 0
	cooper commit -q moved moved
	run last_layer moved
	assert_output_lacks "b "
}

@test "attributes of overlayfs are data of the step" {
	cooper from --name marks base
	python marks 0 "
import os
os.mkdir('/srv/dir')
os.setxattr('/srv/dir', 'user.overlay.opaque', b'y')
os.setxattr('/srv/dir', 'user.overlay.redirect', b'/etc')" || skip "this kernel has no overlays in overlays"
	cooper commit -q marks marks
	run last_layer marks
	assert_output_lacks ".wh."
	run cooper run "$(cooper from marks)" ls -A /srv/dir
	assert_output_is ""
}

@test "a character device 0:0 in a root without layers removes nothing" {
	busybox_tree "$BATS_TEST_TMPDIR/tree"
	ctr=$(cooper from scratch)
	cooper copy --chown 0:0 "$ctr" "$BATS_TEST_TMPDIR/tree" / >/dev/null
	cooper run "$ctr" /bin/mknod /tmp/passwd c 0 0
	cooper commit -q "$ctr" plain
	run last_layer plain
	assert_output_lacks ".wh."
	assert_output_lacks tmp/passwd
}

@test "a file whose name begins with .wh. is refused, with its name" {
	cooper from --name wh base
	cooper run --user app wh sh -c 'touch /srv/.wh.x'
	run cooper commit wh whiteout
	assert_fails_with 125 ".wh.x"
}
