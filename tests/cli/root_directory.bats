# The mode, owner and attributes of "/": in a container, in layers, in other tools.
# shellcheck shell=bash disable=SC2154

load lib/common

setup_file() {
	common_setup_file
	use_busybox
}

# root_of IMAGE: mode and owner of "/" in a new container of it.
root_of() {
	local ctr
	ctr=$(cooper from "$1") || return
	cooper run "$ctr" stat -c %a:%u:%g /
	cooper rm "$ctr" >/dev/null
}

# Names and modes of the entries of the image's top layer, as tar shows them.
top_layer() {
	rm -rf "$BATS_TEST_TMPDIR/dir"
	cooper push -q -D "$1" "dir:$BATS_TEST_TMPDIR/dir"
	python3 - "$BATS_TEST_TMPDIR/dir" <<-'PYTHON'
		import json, os, sys, tarfile
		place = sys.argv[1]
		layers = json.load(open(os.path.join(place, "manifest.json")))["layers"]
		with tarfile.open(os.path.join(place, layers[-1]["digest"].split(":")[1])) as tar:
		    for entry in tar:
		        print(entry.name, oct(entry.mode)[2:], f"{entry.uid}:{entry.gid}")
	PYTHON
}

@test "a step changes the mode and owner of /, and the image has them" {
	ctr=$(cooper from busybox)
	cooper run "$ctr" sh -c 'chown 12:34 / && chmod 1750 / && touch /new'
	cooper commit -q "$ctr" closed
	[ "$(root_of closed)" = 1750:12:34 ]
	run top_layer closed
	assert_output_is $'. 1750 12:34\nnew 644 0:0'
}

@test "a layer above that says nothing of / leaves it as it is, and says nothing" {
	ctr=$(cooper from busybox)
	cooper run "$ctr" chmod 700 /
	cooper commit -q "$ctr" first
	cooper run "$ctr" touch /second
	cooper commit -q "$ctr" second
	[ "$(root_of second)" = 700:0:0 ]
	run top_layer second
	assert_output_is 'second 644 0:0'
	cooper run "$ctr" chmod 755 /
	cooper commit -q "$ctr" third
	[ "$(root_of third)" = 755:0:0 ]
	cooper commit -q --squash "$(cooper from second)" squashed
	[ "$(root_of squashed)" = 700:0:0 ]
}

@test "an image whose root was never touched has no entry for it" {
	ctr=$(cooper from busybox)
	cooper run "$ctr" touch /new
	cooper commit -q "$ctr" plain
	run top_layer plain
	assert_output_is 'new 644 0:0'
}

@test "a pulled layer's own entry for / is honoured, also below other layers" {
	cd "$BATS_TEST_TMPDIR"
	ctr=$(cooper from busybox)
	cooper run "$ctr" sh -c 'chmod 711 / && setfattr -n user.note -v x / 2>/dev/null; true'
	cooper commit -q "$ctr" there
	cooper run "$ctr" touch /above
	cooper commit -q "$ctr" above
	cooper push -q above oci-archive:above.tar:above
	fresh_store pulled
	id=$(cooper pull -q oci-archive:above.tar)
	[ "$(root_of "$id")" = 711:0:0 ]
	remove_store "$COOPER_ROOT"
}

@test "umoci and podman see the same /" {
	skip_unless umoci
	skip_unless podman
	cd "$BATS_TEST_TMPDIR"
	ctr=$(cooper from busybox)
	cooper run "$ctr" sh -c 'chown 5:6 / && chmod 2710 /'
	cooper commit -q "$ctr" seen
	cooper push -q seen oci:layout:seen
	cooper unshare umoci raw unpack --image layout:seen tree
	[ "$(cooper unshare stat -c %a:%u:%g tree)" = 2710:5:6 ]
	cooper unshare rm -rf tree
	cooper push -q seen oci-archive:seen.tar:seen
	own=$(mktemp -d /tmp/p.XXXXXX)
	podman="podman --root $own/root --runroot $own/run --storage-driver vfs"
	$podman load -q -i seen.tar >/dev/null
	podman_root=$($podman unshare sh -c "stat -c %a:%u:%g \"\$($podman image mount \"\$($podman images -q)\")\"")
	cooper unshare rm -rf "$own"
	[ "$podman_root" = 2710:5:6 ] || fail "podman has $podman_root"
}

@test "build: chmod of / in a RUN" {
	cd "$BATS_TEST_TMPDIR"
	printf 'FROM busybox\nRUN chmod 751 /\nRUN touch /x\n' >Dockerfile
	cooper build -q -t built . >/dev/null
	[ "$(root_of built)" = 751:0:0 ]
	run top_layer built
	assert_output_is 'x 644 0:0'
}

@test "build: / stays what a step has made of it, also over layers that are there from elsewhere" {
	mkdir -p "$BATS_TEST_TMPDIR/ctx"
	cat >"$BATS_TEST_TMPDIR/ctx/Dockerfile" <<-'EOF'
		FROM busybox AS plain
		RUN touch -d @1000000000 /same && touch -d @1000000000 /
		RUN echo 1 >/after
		FROM busybox AS changed
		RUN chmod 1711 / && chown 5:6 /
		RUN touch -d @1000000000 /same && touch -d @1000000000 /
		RUN echo 1 >/after && stat -c %a:%u:%g / >/seen
		COPY Dockerfile /
	EOF
	export SOURCE_DATE_EPOCH=1000000000
	cooper build -q -t plain --target plain "$BATS_TEST_TMPDIR/ctx"
	cooper build -q -t changed "$BATS_TEST_TMPDIR/ctx"
	[ "$(root_of plain)" = 755:0:0 ]
	[ "$(root_of changed)" = 1711:5:6 ]
	ctr=$(cooper from changed)
	[ "$(cooper run "$ctr" cat /seen)" = 1711:5:6 ]
	cooper rm "$ctr"
	# The layer is one and the same.
	python3 -c 'import json, subprocess, sys
def layers(name):
    return json.loads(json.loads(subprocess.check_output(["cooper", "inspect", "--type", "image", name]))["Config"])["rootfs"]["diff_ids"]
assert layers("plain")[-2] in layers("changed")[-4:], (layers("plain"), layers("changed"))'
}
