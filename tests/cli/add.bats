# cooper add: archives, URLs.
load lib/common

setup_file() {
	common_setup_file
	use_busybox
	cd "$BATS_FILE_TMPDIR" || return
	mkdir -p tree/d
	echo hello >tree/d/file
	ln -s file tree/d/link
	ln tree/d/file tree/d/hard
	tar -C tree -cf a.tar .
	gzip -k a.tar
	xz -k a.tar
	bzip2 -k a.tar 2>/dev/null || :
	zstd -q -k a.tar 2>/dev/null || :
	port=$(free_port)
	python3 -m http.server --bind 127.0.0.1 "$port" >"$BATS_FILE_TMPDIR/http.log" 2>&1 3>&- &
	echo $! >http.pid
	wait_for_port "127.0.0.1:$port"
	echo "$port" >http.port
}

teardown_file() {
	kill "$(cat "$BATS_FILE_TMPDIR/http.pid")" || :
	common_teardown_file
}

setup() {
	cd "$BATS_FILE_TMPDIR" || return
	ctr=$(cooper from busybox)
}

@test "local archives of every compression are unpacked" {
	for archive in a.tar*; do
		cooper add -q "$ctr" "$archive" "/$archive/"
		run cooper run "$ctr" sh -c "cat /$archive/d/file; readlink /$archive/d/link; stat -c %h /$archive/d/hard"
		assert_output_is $'hello\nfile\n2'
	done
}

@test "other formats that libarchive reads" {
	python3 -c 'import zipfile; zipfile.ZipFile("a.zip","w").writestr("in/zip","zipped")'
	cooper add -q "$ctr" a.zip /z/
	run cooper run "$ctr" cat /z/in/zip
	assert_output_is zipped
}

@test "a file that is no archive, or a compressed one, is copied" {
	echo plain >plain.txt
	gzip -kf plain.txt
	cooper add -q "$ctr" plain.txt plain.txt.gz /p/
	run cooper run "$ctr" sh -c 'cat /p/plain.txt; zcat /p/plain.txt.gz'
	assert_output_is $'plain\nplain'
}

@test "owners in an archive are kept, --chown overrides" {
	tar --owner=12 --group=34 -cf owned.tar -C tree d
	cooper add -q "$ctr" owned.tar /o/
	run cooper run "$ctr" stat -c %u:%g /o/d/file
	assert_output_is 12:34
	cooper add -q --chown app "$ctr" owned.tar /oc/
	run cooper run "$ctr" stat -c %u:%g /oc/d/file
	assert_output_is 1000:1000
}

@test "a hostile archive stays inside" {
	python3 - <<-'PY'
	import io, tarfile
	t = tarfile.open("evil.tar", "w")
	def add(name, type=tarfile.REGTYPE, link="", data=b"x"):
	    i = tarfile.TarInfo(name); i.type = type; i.linkname = link; i.size = len(data) if type == tarfile.REGTYPE else 0
	    t.addfile(i, io.BytesIO(data))
	add("../../../../../../../tmp/cooper-escaped-1")
	add("sub/link", tarfile.SYMTYPE, "/tmp")
	add("sub/link/cooper-escaped-2")
	add("hard", tarfile.LNKTYPE, "../../../../../../etc/passwd")
	PY
	run cooper add "$ctr" evil.tar /e/
	[ ! -e /tmp/cooper-escaped-1 ]
	[ ! -e /tmp/cooper-escaped-2 ]
}

@test "a URL is downloaded: mode 0600, its own name, checked" {
	url=http://127.0.0.1:$(cat http.port)
	cooper add -q "$ctr" "$url/tree/d/file" /u/
	run cooper run "$ctr" sh -c 'cat /u/file; stat -c %a /u/file'
	assert_output_is $'hello\n600'
	sum=sha256:$(sha256sum tree/d/file | cut -d' ' -f1)
	cooper add -q --checksum "$sum" "$ctr" "$url/tree/d/file" /checked
	run cooper add -q --checksum "sha256:$(printf '0%.0s' $(seq 64))" "$ctr" "$url/tree/d/file" /wrong
	[ "$status" -eq 125 ]
	run cooper run "$ctr" cat /wrong
	[ "$status" -ne 0 ]
	run cooper add "$ctr" "$url/nosuch" /u/
	assert_fails_with 125 404
}
