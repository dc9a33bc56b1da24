# cooper build: a cache from elsewhere that is made to do harm.
load lib/common
load lib/build

setup_file() {
	common_setup_file
	use_busybox
}

setup() {
	make_context
	outside=$BATS_TEST_TMPDIR/outside
	mkdir "$outside"
	printf '%s\n' 'FROM busybox' 'ARG N' 'RUN --mount=type=cache,id=lines,target=/lines ls -lan /lines /lines/d 2>/dev/null; cat /lines/all >/seen; true' \
		>"$context/Dockerfile"
	COOPER_ROOT=$BATS_TEST_TMPDIR/first COOPER_RUNROOT=$BATS_TEST_TMPDIR/first/run
	export COOPER_ROOT COOPER_RUNROOT
	use_busybox
	cooper build -q --cache-to "type=local,dest=$BATS_TEST_TMPDIR/cache" --cache-mounts "$context"
	remove_store "$COOPER_ROOT"
	COOPER_ROOT=$BATS_TEST_TMPDIR/second COOPER_RUNROOT=$BATS_TEST_TMPDIR/second/run
	use_busybox
}

teardown() {
	remove_store "$COOPER_ROOT"
}

# build_with 'add(…)': the cache mount comes from a cache, with these entries in it (Python; see lib/evil_cache.py).
build_with() {
	rm -rf "$BATS_TEST_TMPDIR/evil"
	cp -R "$BATS_TEST_TMPDIR/cache" "$BATS_TEST_TMPDIR/evil"
	python3 - "$BATS_TEST_TMPDIR/evil.tar" <<-END
	import io, sys, tarfile
	tar = tarfile.open(sys.argv[1], "w", format=tarfile.PAX_FORMAT)
	def add(name, kind=tarfile.REGTYPE, link="", data=b"", mode=0o755, uid=0, **pax):
	    entry = tarfile.TarInfo(name)
	    entry.type, entry.linkname, entry.size, entry.mode, entry.uid = kind, link, len(data), mode, uid
	    entry.pax_headers = {"SCHILY.xattr." + key.replace("_", "."): value for key, value in pax.items()}
	    entry.devmajor, entry.devminor = 1, 3
	    tar.addfile(entry, io.BytesIO(data))
	$1
	tar.close()
	END
	python3 "$LIB_DIRECTORY/evil_cache.py" "$BATS_TEST_TMPDIR/evil" "$BATS_TEST_TMPDIR/evil.tar"
	run --separate-stderr cooper build --build-arg "N=$RANDOM$RANDOM" -t made --cache-from "type=local,src=$BATS_TEST_TMPDIR/evil" --cache-mounts "$context"
}

# The mount's directory in the store, of which only its owner sees anything.
mount_path() {
	printf '%s' "$COOPER_ROOT"/cache/mounts/????????????????????????????????????????????????????????????????
}

@test "an honest archive is taken" {
	build_with 'add("all", data=b"from elsewhere\n")'
	assert_succeeds
	[[ $stderr == *"cache mount 'lines' taken from a cache"* ]]
	[ "$(inside 'cat /seen')" = "from elsewhere" ]
}

@test "one that leads out of its place is refused, and the build goes on with an empty one" {
	local entries=(
		"add('../../../../../../../../../../..$outside/x')"
		"add('l', tarfile.SYMTYPE, '$outside'); add('l/x')"
		"add('l', tarfile.SYMTYPE, '$outside'); add('h', tarfile.LNKTYPE, 'l'); add('h/x')"
		"add('h', tarfile.LNKTYPE, '/etc/passwd')"
		"add('.', tarfile.SYMTYPE, '$outside')"
	) i
	for i in "${!entries[@]}"; do
		build_with "${entries[$i]}"
		assert_succeeds
		[[ $stderr == *"warning: --cache-from"*"cache mount 'lines'"*"building without it"* ]] || fail "${entries[$i]}: $stderr"
		[ -z "$(ls -A "$outside")" ]
		[ -z "$(cooper unshare sh -c 'ls -A "$1"' - "$(mount_path)")" ]
		cooper prune --filter type=exec.cachemount >/dev/null
	done
}

@test "marks of layers, records of owners and attributes of security are data, and devices are none" {
	build_with "add('all', data=b'x\\\\n', user_cooper_o=chr(1) * 20, user_overlay_opaque='y', trusted_overlay_opaque='y', user_mine='1'); add('.wh.all'); add('d', tarfile.DIRTYPE, user_overlay_opaque='y'); add('null', tarfile.CHRTYPE)"
	assert_succeeds
	run -0 cooper unshare python3 - "$(mount_path)" <<-'END'
	import os, stat, sys
	for name in sorted(os.listdir(sys.argv[1])):
	    path = f"{sys.argv[1]}/{name}"
	    info = os.stat(path, follow_symlinks=False)
	    kind = "directory" if stat.S_ISDIR(info.st_mode) else "file" if stat.S_ISREG(info.st_mode) else "other"
	    marks = [mark for mark in os.listxattr(path) if not mark.startswith("security.")]
	    print(name, kind, info.st_uid, *sorted(marks))
	END
	assert_output_is "all file 0 user.cooper.cooper.o user.mine user.overlay.overlay.opaque
d directory 0 user.overlay.overlay.opaque
null file 0 user.cooper.o"
	cooper prune --filter type=exec.cachemount >/dev/null
	build_with "add('all', security_capability='nonsense')"
	assert_succeeds
	[[ $stderr == *"security.capability"*"building without it"* ]]
}

@test "the trust policy holds for a cache in a directory as for an image in one" {
	local policy=$BATS_TEST_TMPDIR/policy.json
	echo '{"default": [{"type": "reject"}], "transports": {"containers-storage": {"": [{"type": "insecureAcceptAnything"}]}}}' >"$policy"
	run --separate-stderr cooper --signature-policy "$policy" build -t made --cache-from "type=local,src=$BATS_TEST_TMPDIR/cache" --cache-mounts "$context"
	assert_succeeds
	[[ $stderr == *"warning: --cache-from"*"does not accept the image: rejected; building without it"* ]]
	cooper prune --filter type=exec.cachemount >/dev/null
	echo '{"default": [{"type": "reject"}], "transports": {"oci": {"": [{"type": "insecureAcceptAnything"}]}}}' >"$policy"
	run --separate-stderr cooper --signature-policy "$policy" build -t made --cache-from "type=local,src=$BATS_TEST_TMPDIR/cache" --cache-mounts "$context"
	assert_succeeds
	[[ $stderr == *"cache mount 'lines' taken from a cache"* ]]
}
