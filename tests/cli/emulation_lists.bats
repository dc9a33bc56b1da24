# Access lists that shut an owner out, sockets that a step leaves behind, and what belongs to nobody of ours: at every rung
# the image is what real ids make it.
load lib/common
load lib/kinds

setup_file() {
	common_setup_file
	mkdir "$BATS_FILE_TMPDIR/context"
	cd "$BATS_FILE_TMPDIR/context" || return
	busybox_tree tree
	gcc -O1 -static -o tree/bin/access_lists "$BATS_TEST_DIRNAME/../programs/access_lists.c" ||
		skip "no static C library"
	mkdir -p some/dir
	echo some >some/file
	echo more >some/dir/more
	python3 - owners.tar <<-'END'
		import io, sys, tarfile
		with tarfile.open(sys.argv[1], 'w') as tar:
		    for name, uid, mode in ('archived', 21, 0o6755), ('shut', 22, 0o400):
		        e = tarfile.TarInfo(name)
		        e.uid, e.gid, e.mode, e.size, e.mtime = uid, 9, mode, 4, 1500000000
		        tar.addfile(e, io.BytesIO(b'text'))
	END
	# What a directory hands on counts for what a step makes there, and neither for COPY nor for ADD.
	cat >Dockerfile <<-'END'
		FROM scratch AS base
		COPY --chown=0:0 tree /
		RUN mkdir -p /t/heirs && echo x >/t/file && chmod 444 /t/file && echo y >/t/other && echo z >/t/given
		FROM base
		RUN access_lists access 5 /t/file && chown 3:4 /t/given && access_lists access 0 /t/given && \
			access_lists default 4 /t/heirs && echo x >/t/heirs/made && chown 7:8 /t/heirs/made && mkdir /t/heirs/below && \
			chown 7:8 /t/heirs/below && access_lists access 4 /t/other && cp -a /t/other /t/copied && \
			for f in file other given; do access_lists show /t/$f; done >/seen && stat -c '%n %a %u:%g' /t/* /t/heirs/* >>/seen
		COPY --chown=5:6 some /t/heirs/
		ADD owners.tar /t/heirs/
		RUN access_lists socket /t/socket && chmod u+w,g-r /t/file /t/other && stat -c '%n %a %u:%g' /t/* /t/heirs/* >>/seen
		RUN mkdir /t/socket && echo again >>/t/heirs/made && stat -c '%n %a %u:%g %F' /t/* /t/heirs/* >>/seen
	END
}

@test "with real ids an access list gives the mode, and a socket is gone with its step" {
	build_at full '^(t|seen)'
	run cat "$BATS_FILE_TMPDIR/full.seen"
	assert_output_has "5541
4541
0541
"
	assert_output_has "/t/file 541 0:0"
	assert_output_has "/t/given 41 3:4"
	assert_output_has "/t/heirs/made 440 7:8"
	assert_output_has "/t/socket 755 0:0 directory"
	run cat "$BATS_FILE_TMPDIR/full.list"
	assert_output_has "t/given|file|0o41|3:4|"
	assert_output_has "t/heirs/file|file|0o644|5:6|"
	assert_output_has "t/heirs/archived|file|0o6755|21:9|"
	assert_output_has "t/heirs/shut|file|0o400|22:9|"
}

@test "with one id it is the same" {
	build_at alone '^(t|seen)'
	same_as_full alone seen list id
}

@test "in a root without namespaces it is the same" {
	build_at translated '^(t|seen)'
	same_as_full translated seen list id
}

# Were it only left out of the layer, what the step has removed would be seen again.
@test "a socket in the place of something of a lower layer leaves nothing there" {
	mkdir "$BATS_TEST_TMPDIR/context"
	cat >"$BATS_TEST_TMPDIR/context/Dockerfile" <<-'END'
		FROM made
		RUN rm -r /t/file /t/heirs && access_lists socket /t/file && access_lists socket /t/heirs && \
			ln -sf none /t/link && access_lists socket /t/new && access_lists socket /only
		RUN ls -A / /t >/left && echo again >/t/heirs
		RUN rm /t/heirs && access_lists socket /t/heirs && rm /left && access_lists socket /left
	END
	for kind in full alone translated rooted; do
		fresh_store "$kind-sockets"
		cooper_as "$kind" pull -q "oci-archive:$BATS_FILE_TMPDIR/full.tar" >"$BATS_TEST_TMPDIR/id"
		cooper_as "$kind" tag "$(cat "$BATS_TEST_TMPDIR/id")" made
		SOURCE_DATE_EPOCH=1700000000 cooper_as "$kind" build -q --rewrite-timestamp -t replaced \
			"$BATS_TEST_TMPDIR/context" >"$BATS_TEST_TMPDIR/$kind"
		run -0 cooper_as "$kind" run "$(cooper_as "$kind" from replaced)" sh -c 'ls -A /t; ls -d /left /only; true'
		assert_output_is "copied
given
link
other
socket
ls: /left: No such file or directory
ls: /only: No such file or directory"
		cooper_as "$kind" push -q replaced "oci-archive:$BATS_TEST_TMPDIR/$kind.tar"
		"$LIST" "$BATS_TEST_TMPDIR/$kind.tar" >"$BATS_TEST_TMPDIR/$kind.list"
		diff "$BATS_TEST_TMPDIR/full.list" "$BATS_TEST_TMPDIR/$kind.list"
		diff "$BATS_TEST_TMPDIR/full" "$BATS_TEST_TMPDIR/$kind"
	done
}

@test "a socket in a new directory brings back nothing that was in the old one" {
	mkdir "$BATS_TEST_TMPDIR/context"
	cat >"$BATS_TEST_TMPDIR/context/Dockerfile" <<-'END'
		FROM made
		RUN mkdir /t/new && access_lists socket /t/new/file && rm -r /t/heirs && mv /t/new /t/heirs
		RUN ls -A /t/heirs >/left && echo none >>/left
	END
	for kind in full alone translated; do
		fresh_store "$kind"
		cooper_as "$kind" build -q -t replaced "$BATS_TEST_TMPDIR/context"
		run -0 cooper_as "$kind" run "$(cooper_as "$kind" from replaced)" sh -c 'cat /left; ls -A /t/heirs'
		assert_output_is none
	done
}

# Root's, whom a namespace of one id does not know.
@test "what belongs to nobody that one id knows is mounted all the same, to be written and thrown away" {
	[ "$(id -u)" -ne 0 ] || skip "root knows root"
	mkdir "$BATS_TEST_TMPDIR/context"
	printf 'FROM made\nRUN --mount=type=bind,from=foreign,target=/x,rw echo new >/x/new && cat /x/new >/written\n' \
		>"$BATS_TEST_TMPDIR/context/Dockerfile"
	fresh_store alone
	cooper_as alone build -q --build-context foreign=/etc/skel -t bound "$BATS_TEST_TMPDIR/context"
	run -0 cooper_as alone run "$(cooper_as alone from bound)" cat /written
	assert_output_is new
	[ ! -e /etc/skel/new ]
}
