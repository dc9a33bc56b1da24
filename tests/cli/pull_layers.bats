# Layers of one image that are unpacked at the same time: the image is the same as if they came one by one, and one that
# is bad leaves no image.
load lib/common

setup_file() {
	common_setup_file
	mkdir -p "$BATS_FILE_TMPDIR/context"
	local i
	{
		echo 'FROM scratch'
		for i in 1 2 3 4 5; do
			mkdir "$BATS_FILE_TMPDIR/context/$i"
			head -c 6000000 /dev/urandom >"$BATS_FILE_TMPDIR/context/$i/large"
			for file in $(seq 200); do echo "$i $file" >"$BATS_FILE_TMPDIR/context/$i/file-$file"; done
			echo "COPY $i /all/"
		done
	} >"$BATS_FILE_TMPDIR/context/Dockerfile"
	cooper build -q -t five "$BATS_FILE_TMPDIR/context"
	cooper push -q five "oci:$BATS_FILE_TMPDIR/layout:five"
}

# The digests of all that a container of the image has.
contents_of() {
	local ctr
	ctr=$(cooper from --pull=never "$1")
	cooper unshare sh -c 'cd "$(cooper mount "$1")" && find . -type f | sort | xargs sha256sum' - "$ctr"
}

@test "five layers at once give what they give one by one" {
	contents_of five >"$BATS_TEST_TMPDIR/want"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/want")" -eq 201 ]
	fresh_store several
	id=$(cooper pull -q "oci:$BATS_FILE_TMPDIR/layout:five")
	contents_of "$id" >"$BATS_TEST_TMPDIR/several"
	cmp "$BATS_TEST_TMPDIR/want" "$BATS_TEST_TMPDIR/several"
	fresh_store one
	id=$(taskset -c "$(taskset -cp $$ | sed 's/.*: \([0-9]*\).*/\1/')" cooper pull -q "oci:$BATS_FILE_TMPDIR/layout:five")
	contents_of "$id" >"$BATS_TEST_TMPDIR/one"
	cmp "$BATS_TEST_TMPDIR/want" "$BATS_TEST_TMPDIR/one"
}

@test "layers that are there are unpacked at once too" {
	contents_of five >"$BATS_TEST_TMPDIR/want"
	fresh_store packed
	id=$(cooper pull -q "oci:$BATS_FILE_TMPDIR/layout:five")
	cooper unshare rm -rf "$COOPER_ROOT/layers"
	contents_of "$id" >"$BATS_TEST_TMPDIR/again"
	cmp "$BATS_TEST_TMPDIR/want" "$BATS_TEST_TMPDIR/again"
}

@test "a layer that holds something else leaves no image, and is named" {
	cp -R "$BATS_FILE_TMPDIR/layout" "$BATS_TEST_TMPDIR/bad"
	# The configuration says another diff_id of the third layer, and all digests on the way to it fit.
	wrong=$(python3 - "$BATS_TEST_TMPDIR/bad" <<-'EOS'
		import hashlib, json, os, sys
		top = sys.argv[1]
		path = lambda digest: os.path.join(top, "blobs", digest.replace(":", "/"))
		def put(value):
		    data = json.dumps(value).encode()
		    digest = "sha256:" + hashlib.sha256(data).hexdigest()
		    open(path(digest), "wb").write(data)
		    return digest, len(data)
		index = json.load(open(os.path.join(top, "index.json")))
		manifest = json.load(open(path(index["manifests"][0]["digest"])))
		config = json.load(open(path(manifest["config"]["digest"])))
		wrong = "sha256:" + "5" * 64
		config["rootfs"]["diff_ids"][2] = wrong
		manifest["config"]["digest"], manifest["config"]["size"] = put(config)
		index["manifests"][0]["digest"], index["manifests"][0]["size"] = put(manifest)
		json.dump(index, open(os.path.join(top, "index.json"), "w"))
		print(wrong)
	EOS
	)
	fresh_store bad
	run --separate-stderr cooper pull -q "oci:$BATS_TEST_TMPDIR/bad:five"
	[ "$status" -eq 125 ]
	[[ "$stderr" == *"layer $wrong: its blob "*" holds "* ]]
	[ "$(cooper images -q | wc -l)" -eq 0 ]
	[ ! -e "$COOPER_ROOT/layers/${wrong#sha256:}" ]
	run find "$COOPER_ROOT/tmp" -name large
	assert_output_is ""
}
