# Images of many layers, and layers with what a user cannot make.
load lib/common

setup_file() {
	common_setup_file
	use_busybox
	busybox_tree "$BATS_FILE_TMPDIR/tree"
	tar -C "$BATS_FILE_TMPDIR/tree" --owner=0 --group=0 --numeric-owner -cf "$BATS_FILE_TMPDIR/base.tar" .
}

# many COUNT [linked]: from an image of so many layers; the container is called many-COUNT.
many() {
	python3 "$LIB_DIRECTORY/many_layers.py" "$BATS_TEST_TMPDIR/layout" "$1" "$BATS_FILE_TMPDIR/base.tar" "${@:2}"
	cooper from --name "many-$1" "oci:$BATS_TEST_TMPDIR/layout:many"
}

check_many() {
	run cooper run "many-$1" -- sh -c 'cat /counter; ls /files | wc -l; cat /files/f1; echo more >/more; cat /more'
	assert_output_is "$(($1 - 1))"$'\n'"$(($1 - 1))"$'\n1\nmore'
	run cooper run --read-only "many-$1" -- cat /more
	assert_output_is more
	cooper commit -q "many-$1" "committed-$1"
	cooper from --name "again-$1" "committed-$1"
	run cooper run "again-$1" -- cat /more /counter
	assert_output_is $'more\n'"$(($1 - 1))"
	run cooper unshare sh -c "cat \$(cooper mount again-$1)/files/f$(($1 - 1))"
	assert_output_is "$(($1 - 1))"
}

@test "an image of 130 layers runs, more than a page of mount options names" {
	many 130 linked
	check_many 130
}

@test "an image of 510 layers runs, more than overlayfs takes" {
	many 510 linked
	check_many 510
}

# How many small layers were put together to one tree.
count_piles() {
	find "$COOPER_ROOT/layers" -mindepth 1 -maxdepth 1 -name "p-*" | wc -l
}

@test "many small layers are mounted as a few trees, which show the same and go with them" {
	fresh_store piles
	many 100
	check_many 100
	[ "$(count_piles)" -eq 3 ]
	cooper prune >/dev/null
	[ "$(count_piles)" -eq 3 ]
	run cooper run many-100 -- sh -c 'ls /files | wc -l; stat -c "%a %h" /files/f7'
	assert_output_is $'99\n644 1'
	cooper rm --all >/dev/null
	cooper rmi --all --force >/dev/null
	[ "$(count_piles)" -eq 0 ]
}

# What can be seen of /t.
look='cd /t && find . | sort | xargs stat -c "%n %F %a %u:%g" && find . -type f | sort | xargs stat -c "%n %h %s"'

@test "what small layers have deleted, replaced and changed is so when they are put together" {
	local context=$BATS_TEST_TMPDIR/context i ctr
	fresh_store changes
	mkdir "$context"
	use_busybox
	{
		echo "FROM busybox"
		echo 'RUN mkdir -p /t/gone/sub /t/back/old /t/file /t/kept && touch /t/gone/sub/x /t/back/old/y /t/kept/z'
		# What is made and deleted within one of the piles, in a directory that nothing else has.
		echo 'RUN mkdir /once && touch /once/x /once/y'
		echo 'RUN rm /once/x && touch -d @1000 /once'
		for ((i = 0; i < 40; i++)); do echo "RUN echo $i >/t/kept/n$i"; done
		echo 'RUN rm -r /t/gone && rm -r /t/back && mkdir /t/back && echo new >/t/back/new'
		echo 'RUN rm -r /t/file && echo f >/t/file && ln -s kept /t/link'
		echo 'RUN chmod 1711 /t/kept && chown 5:6 /t/kept && rm /t/kept/n7 && mv /t/kept/n8 /t/kept/m8'
		echo 'RUN rm /t/link && mkdir -p /t/link/in && rm /t/kept/n1*'
		for ((i = 50; i < 90; i++)); do echo "RUN echo $i >/t/kept/n$i"; done
		echo "RUN find /t -exec touch -h -d @1000 {} +"
	} >"$context/Dockerfile"
	cooper build -q -t layered "$context" >/dev/null
	[ "$(count_piles)" -ge 1 ]
	cooper build -q -t flat --squash "$context" >/dev/null
	run cooper run "$(cooper from layered)" -- sh -c "$look"
	assert_succeeds
	local layered=$output
	run cooper run "$(cooper from flat)" -- sh -c "$look"
	assert_output_is "$layered"
	assert_output_lacks gone
	assert_output_lacks /old
	assert_output_has "./kept directory 1711 5:6"
	assert_output_has "./back/new 1 4"
	run cooper run "$(cooper from layered)" -- sh -c 'find /t | xargs stat -c %Y | sort -u'
	assert_output_is 1000
	run cooper run "$(cooper from layered)" -- sh -c 'ls -a /once && stat -c %Y /once && rm -r /once'
	assert_succeeds
	assert_output_is $'.\n..\ny\n1000'
	# A change on them is told from what they have, as one on the layers themselves would be.
	ctr=$(cooper from --name changed layered)
	cooper run "$ctr" -- sh -c 'rm -r /t/back /t/link && mkdir /t/link && rm /t/kept/n50'
	cooper commit -q "$ctr" "oci:$BATS_TEST_TMPDIR/out:x" >/dev/null
	[ "$(list_layout "$BATS_TEST_TMPDIR/out" | tail -n 6 | awk '{ print $6 }')" = \
		$'t/\nt/.wh.back\nt/kept/\nt/kept/.wh.n50\nt/link/\nt/link/.wh..wh..opq' ]
}

@test "more layers than Docker takes are told, once, and no obstacle" {
	local said="the image has 128 layers, and Docker takes none with more than 127"
	many 126
	run cooper run many-126 -- touch /one
	run cooper commit many-126 just
	assert_succeeds
	assert_output_lacks "more than 127"
	cooper from --name many just
	cooper run many -- touch /two
	run cooper commit many over
	assert_succeeds
	[ "$(grep -cF "$said" <<<"$output")" -eq 1 ]
	assert_output_has --squash
	run cooper commit --squash many flat
	assert_succeeds
	assert_output_lacks "more than 127"
	local context=$BATS_TEST_TMPDIR/context
	mkdir "$context"
	printf 'FROM just\nRUN touch /two\n' >"$context/Dockerfile"
	run cooper build -t built "$context"
	assert_succeeds
	[ "$(grep -cF "$said" <<<"$output")" -eq 1 ]
	[ "$(cooper inspect --type image --format '{{len .OCIv1.RootFS.DiffIDs}}' built)" -eq 128 ]
	run cooper build --squash -t built-flat "$context"
	assert_succeeds
	assert_output_lacks "more than 127"
}

# The lines of all layers of an OCI layout, as tar lists them.
list_layout() {
	local blob
	for blob in $(python3 -c 'import json, sys
d = sys.argv[1]
read = lambda digest: json.load(open(d + "/blobs/" + digest.replace(":", "/")))
for m in json.load(open(d + "/index.json"))["manifests"]:
	for layer in read(m["digest"])["layers"]:
		print(layer["digest"].replace(":", "/"))' "$1"); do
		tar --numeric-owner -tvf "$1/blobs/$blob"
	done
}

# A layer with a character device, a block device and a FIFO, made without root by writing the headers.
device_layout() {
	python3 - "$1.tar" <<-'EOS'
	import sys, tarfile
	with tarfile.open(sys.argv[1], "w") as tar:
	    for name, kind, major, minor, mode, uid in (("dev/ttyX", tarfile.CHRTYPE, 5, 1, 0o620, 7),
	            ("dev/sdX", tarfile.BLKTYPE, 8, 16, 0o660, 0), ("dev/pipe", tarfile.FIFOTYPE, 0, 0, 0o600, 0)):
	        info = tarfile.TarInfo(name)
	        info.type, info.devmajor, info.devminor, info.mode, info.uid = kind, major, minor, mode, uid
	        tar.addfile(info)
	EOS
	python3 "$LIB_DIRECTORY/many_layers.py" "$1" 1 "$1.tar"
}

assert_devices() {
	run list_layout "$1"
	[[ $output =~ crw--w----\ +7/0\ +5,1\ .*dev/ttyX ]] || fail "the character device is missing"
	[[ $output =~ brw-rw----\ +0/0\ +8,16\ .*dev/sdX ]] || fail "the block device is missing"
	[[ $output =~ prw-------\ +0/0\ .*dev/pipe ]] || fail "the FIFO is missing"
}

@test "a device that cannot be made is recorded, and comes out of a copied, a committed and a squashed layer" {
	device_layout "$BATS_TEST_TMPDIR/in"
	ctr=$(cooper from --name devices "oci:$BATS_TEST_TMPDIR/in:many")
	cooper commit -q "$ctr" "oci:$BATS_TEST_TMPDIR/plain:x" >/dev/null
	assert_devices "$BATS_TEST_TMPDIR/plain"
	cooper commit -q --squash "$ctr" "oci:$BATS_TEST_TMPDIR/squashed:x" >/dev/null
	assert_devices "$BATS_TEST_TMPDIR/squashed"
	# In a layer of its own: what a step has renamed.
	cooper unshare sh -ec "m=\$(cooper mount $ctr); mv \$m/dev/ttyX \$m/dev/moved"
	cooper commit -q "$ctr" "oci:$BATS_TEST_TMPDIR/moved:x" >/dev/null
	run list_layout "$BATS_TEST_TMPDIR/moved"
	[[ $output =~ crw--w----\ +7/0\ +5,1\ .*dev/moved ]] || fail "the moved device is missing"
}
