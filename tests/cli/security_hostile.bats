# Images, directories and names made to do harm.
load lib/common

setup_file() {
	common_setup_file
	use_busybox
	cooper from --name c busybox
}

# hostile_layout NAME: an OCI layout of one layer. Python on stdin may change `config` and `manifest`, and adds entries
# with add(name, type, link, data).
hostile_layout() {
	local directory=$BATS_TEST_TMPDIR/$1
	mkdir -p "$directory/blobs/sha256"
	python3 - "$directory" <<-END
	import gzip, hashlib, io, json, sys, tarfile
	root, stream = sys.argv[1], io.BytesIO()
	tar = tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT)
	def add(name, kind=tarfile.REGTYPE, link="", data=b""):
	    entry = tarfile.TarInfo(name)
	    entry.type, entry.linkname, entry.size, entry.mode = kind, link, len(data), 0o755
	    tar.addfile(entry, io.BytesIO(data))
	def put(data, **more):
	    name = hashlib.sha256(data).hexdigest()
	    open(f"{root}/blobs/sha256/{name}", "wb").write(data)
	    return dict(more, digest="sha256:" + name, size=len(data))
	config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers"}}
	$(cat)
	tar.close()
	data = stream.getvalue()
	config["rootfs"].setdefault("diff_ids", ["sha256:" + hashlib.sha256(data).hexdigest()])
	kind = "application/vnd.oci.image."
	layer = put(gzip.compress(data), mediaType=kind + "layer.v1.tar+gzip")
	manifest = {"schemaVersion": 2, "mediaType": kind + "manifest.v1+json", "layers": [layer],
	            "config": put(json.dumps(config).encode(), mediaType=kind + "config.v1+json")}
	top = put(json.dumps(manifest).encode(), mediaType=kind + "manifest.v1+json")
	open(root + "/oci-layout", "w").write('{"imageLayoutVersion": "1.0.0"}')
	json.dump({"schemaVersion": 2, "manifests": [top]}, open(root + "/index.json", "w"))
	END
}

@test "layers that lead out of themselves are refused" {
	outside=$BATS_TEST_TMPDIR/outside
	mkdir "$outside"
	entries=(
		"add('../../../../..$outside/x')"
		"add('l', tarfile.SYMTYPE, '$outside'); add('l/x')"
		"add('l', tarfile.SYMTYPE, '$outside'); add('h', tarfile.LNKTYPE, 'l'); add('h/x')"
		"add('h', tarfile.LNKTYPE, '../../../../../../etc/passwd')"
		"add('h', tarfile.LNKTYPE, '/etc/passwd')"
		"add('.', tarfile.SYMTYPE, '$outside')"
		"add('.wh...')"
		"add('etc/.wh..')"
		"add('etc/.wh.')"
	)
	for i in "${!entries[@]}"; do
		hostile_layout "layer$i" <<<"${entries[$i]}"
		run timeout 60 cooper pull "oci:$BATS_TEST_TMPDIR/layer$i"
		assert_fails_with 125 "layer sha256:"
		[ -z "$(ls -A "$outside")" ]
	done
}

@test "configurations that are too much are refused in time" {
	hostile_layout ids <<<"config['rootfs']['diff_ids'] = ['sha256:' + '0' * 64] * 100000"
	run timeout 60 cooper pull "oci:$BATS_TEST_TMPDIR/ids"
	assert_fails_with 125 "more than"
	hostile_layout nul <<<"config['config']['Env'] = ['A=b' + chr(0) + 'c']"
	run timeout 60 cooper pull "oci:$BATS_TEST_TMPDIR/nul"
	[ "$status" -eq 125 ]
	hostile_layout kinds <<<"config['config'] = {'Env': {'A': 1}}"
	run timeout 60 cooper pull "oci:$BATS_TEST_TMPDIR/kinds"
	assert_fails_with 125 "config.Env"
}

@test "users that are none are refused, never root by accident" {
	for user in -1 4294967295 0x0 +0 " 0" 4294967296 0:0:0 $'app\nroot'; do
		run cooper run --user "$user" c id -u
		[ "$status" -eq 125 ]
	done
}

@test "nothing that an image says is a command to the user's terminal" {
	skip_unless script
	hostile_layout escape <<-'END'
	say = "\x1b]0;title\x07\x1b[31m\x9b2J"
	config["author"] = config["architecture"] = say
	config["config"] = {"Labels": {say: say}, "Hostname": say, "Env": ["E=" + say], "Entrypoint": [say]}
	config["history"] = [{"created_by": say, "comment": say}]
	END
	cooper from --name escape "oci:$BATS_TEST_TMPDIR/escape"
	for command in "inspect escape" "inspect --format {{.OCIv1.Author}} escape" containers "images -a" "run escape x" \
		"from --name again oci:$BATS_TEST_TMPDIR/escape"; do
		# U+009B is one such command, too.
		run script -qc "cooper $command" /dev/null
		assert_output_lacks $'\e'
		assert_output_lacks $'\xc2\x9b'
	done
}

@test "a tree deeper than a path can be is an error to commit, and can be removed" {
	cooper from --name deep busybox
	cooper run deep sh -c 'cd /tmp; i=0; while [ $i -lt 1500 ]; do mkdir d; cd d; i=$((i + 1)); done' || true
	run timeout 60 cooper commit -q deep deep
	[ "$status" -eq 0 ] || [ "$status" -eq 125 ]
	timeout 120 cooper rm deep
}

@test "a directory that turns into a link while it is copied leads nowhere" {
	mkdir -p "$BATS_TEST_TMPDIR/context/d"
	echo inside >"$BATS_TEST_TMPDIR/context/d/passwd"
	ln -s /etc "$BATS_TEST_TMPDIR/context/l"
	python3 - "$BATS_TEST_TMPDIR/context" <<-'END' 3>&- &
	import ctypes, sys
	a, b = (sys.argv[1] + name for name in ("/d", "/l"))
	while True:
	    ctypes.CDLL(None).renameat2(-100, a.encode(), -100, b.encode(), 2)
	END
	swapper=$!
	for i in $(seq 15); do
		cooper copy --contextdir "$BATS_TEST_TMPDIR/context" c d/passwd "/got/$i" 2>/dev/null || true
	done
	kill "$swapper"
	run cooper run c sh -c 'cat /got/*'
	assert_output_lacks root:
}

@test "a bomb of forks ends with its step" {
	timeout 60 cooper run --ulimit nproc=60 c -- sh -c 'b() { b | b & }; b 2>/dev/null; sleep 1' || true
	run pgrep -u "$(id -u)" -f 'b\(\) \{ b'
	assert_output_is ""
}

@test "an index that leads to a thousand million images is not followed to its end" {
	cd "$BATS_TEST_TMPDIR" || return
	python3 "$LIB_DIRECTORY/laughing_index.py" laughing 1000
	# Twenty thousand files are nothing that a disk should have to write.
	place=$(mktemp -d -p /dev/shm cooper-laughing.XXXXXX)
	run timeout 300 cooper image copy -q --all oci:laughing:empty "dir:$place/copy"
	rm -r "$place"
	assert_fails_with 1 "the list leads to more than 20000 images"
	cooper manifest create laughed
	run timeout 300 cooper manifest add --all laughed oci:laughing:all
	assert_fails_with 125 "the list leads to more than 20000 images"
	cooper manifest rm laughed
	# What only it leads to goes with it, what the other name leads to stays.
	timeout 300 cooper image delete oci:laughing:empty
	timeout 300 cooper image delete oci:laughing:all
	[ "$(find laughing/blobs -type f | wc -l)" -eq 3 ]
	cooper image inspect --raw oci:laughing:one >/dev/null
	timeout 300 cooper image delete oci:laughing:one
	[ "$(find laughing/blobs -type f | wc -l)" -eq 0 ]
}
