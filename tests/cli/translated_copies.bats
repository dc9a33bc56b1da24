# What COPY and ADD carry over is the same with real ids, with one id and in a root without namespaces: file capabilities that a
# step, an archive or another stage has given, and the group that a directory hands on to what is made in it.
load lib/common
load lib/kinds

setup_file() {
	common_setup_file
	export CONTEXT=$BATS_FILE_TMPDIR/context
	mkdir "$CONTEXT"
	python3 - "$CONTEXT/capable.tar" <<-'END'
		import io, sys, tarfile
		entry = tarfile.TarInfo("capable")
		entry.size, entry.mode = 3, 0o755
		entry.pax_headers = {"SCHILY.xattr.security.capability": "\1\0\0\2\0\x20" + "\0" * 14}
		with tarfile.open(sys.argv[1], "w", format=tarfile.PAX_FORMAT) as archive:
		    archive.addfile(entry, io.BytesIO(b"abc"))
	END
	cat >"$CONTEXT/Dockerfile" <<-'END'
		FROM busybox AS made
		ADD capable.tar /srv/
		RUN mkdir /srv/site && chown 33:4 /srv/site && chmod 2750 /srv/site
		RUN cd /srv/site && touch file && mkdir dir && ln -s file link && mkfifo fifo && mknod null c 1 3 && cp /srv/capable plain
		FROM busybox
		COPY --from=made /srv /srv
		COPY --from=made --chown=1:2 /srv/capable /owned
	END
}

# lists KIND: of the image, and of the stage that it is copied from.
lists() {
	local target list
	fresh_store "$1"
	cooper_as "$1" tag "$(cooper_as "$1" pull -q "oci-archive:$(busybox_archive)")" busybox
	for target in made 1; do
		list=$(build_list "$1" "$1$target" --target "$target" "$CONTEXT")
		grep -E '^(srv|owned)' <<<"$list" >"$BATS_FILE_TMPDIR/$1.$target"
	done
}

@test "with real ids a copy has the capabilities of its source, and what is made in a set-group-id directory its group" {
	lists full
	diff <(grep ^srv "$BATS_FILE_TMPDIR/full.made") <(grep ^srv "$BATS_FILE_TMPDIR/full.1")
	run cat "$BATS_FILE_TMPDIR/full.1"
	assert_output_has "srv/capable|file|0o755|0:0|security.capability=0100000200200000000000000000000000000000|"
	assert_output_has "srv/site/fifo|fifo|0o644|0:4|-|-"
	assert_output_has "srv/site/dir|dir|0o2755|0:4|-|-"
	assert_output_has "srv/site/null|char|0o644|0:4|-|1:3"
}

@test "with one id they are the same" {
	lists alone
	same_as_full alone made 1
}

@test "in a root without namespaces they are the same" {
	lists translated
	same_as_full translated made 1
}
