# What COPY and ADD carry over is the same with real ids, with one id and in a root without namespaces: file capabilities that a
# step, an archive or another stage has given, and the group that a directory hands on to what is made in it.
load lib/common

setup_file() {
	common_setup_file
	export LIST=$BATS_TEST_DIRNAME/../tools/image-list CONTEXT=$BATS_FILE_TMPDIR/context
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

# lists KIND COOPER...: of the image, and of the stage that it is copied from.
lists() {
	local kind=$1 target
	shift
	fresh_store "$kind"
	"$@" tag "$("$@" pull -q "oci-archive:$(busybox_archive)")" busybox
	for target in made 1; do
		"$@" build -q --target "$target" -t "$kind$target" "$CONTEXT" >/dev/null
		"$@" push -q "$kind$target" "oci-archive:$BATS_FILE_TMPDIR/$kind.tar"
		"$LIST" "$BATS_FILE_TMPDIR/$kind.tar" | grep -E '^(srv|owned)' >"$BATS_FILE_TMPDIR/$kind.$target"
	done
}

same_as_full() {
	diff "$BATS_FILE_TMPDIR/full.made" "$BATS_FILE_TMPDIR/$1.made"
	diff "$BATS_FILE_TMPDIR/full.1" "$BATS_FILE_TMPDIR/$1.1"
}

@test "with real ids a copy has the capabilities of its source, and what is made in a set-group-id directory its group" {
	lists full cooper
	diff <(grep ^srv "$BATS_FILE_TMPDIR/full.made") <(grep ^srv "$BATS_FILE_TMPDIR/full.1")
	run cat "$BATS_FILE_TMPDIR/full.1"
	assert_output_has "srv/capable|file|0o755|0:0|security.capability=0100000200200000000000000000000000000000|"
	assert_output_has "srv/site/fifo|fifo|0o644|0:4|-|-"
	assert_output_has "srv/site/dir|dir|0o2755|0:4|-|-"
	assert_output_has "srv/site/null|char|0o644|0:4|-|1:3"
}

@test "with one id they are the same" {
	lists alone unshare --map-root-user cooper
	same_as_full alone
}

@test "in a root without namespaces they are the same" {
	COOPER_ISOLATION=translated lists translated cooper
	same_as_full translated
}
