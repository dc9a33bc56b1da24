# Who owns what: an archive of 200 owners, with set-id bits, devices, hard links of everything and attributes, through every
# door that brings files in. At rungs 1, 2, 3 and 4 the layers are the same bytes, and steps see the same.
#
# Takes long.
load lib/common
load lib/kinds

setup_file() {
	common_setup_file
	export SOURCE_DATE_EPOCH=1700000000
	mkdir -p "$BATS_FILE_TMPDIR/context/deep/er"
	cd "$BATS_FILE_TMPDIR/context" || return
	python3 "$LIB_DIRECTORY/many_owners.py" owners.tar
	printf one >deep/er/file
	chmod 4755 deep/er/file
	ln deep/er/file deep/hard
	ln -s file deep/er/link
	mkfifo deep/fifo
	cat >Dockerfile <<-'END'
		FROM busybox AS one
		ADD owners.tar /
		COPY --chown=33:44 deep /deep
		COPY --chown=1000:2000 --chmod=4711 deep /deep2
		FROM busybox AS two
		COPY --from=one /many /many
		COPY --from=one --chown=5:6 /attr /attr
		COPY --from=one /long /deep /merged/
		COPY --from=one --link /deep2 /linked
		FROM one
		RUN rm -rf /many/*c??? /many/*b??? && cp -a /many /many2 && chown 9:9 /deep/er && ln /many/f003 /f3
	END
	cat >tree <<-'END'
		find /many /attr /long -exec stat -c '%n|%u:%g|%a|%F|%t:%T|%s|%h|%Y' {} +
	END
}

digests() {
	cooper_as "$1" inspect --type image "$2" | jq -r --arg name "$2" '.OCIv1.rootfs.diff_ids[] | $name + " " + .'
}

# through_doors KIND: leaves the layers' digests, and what a step sees of what was added and of what was pulled.
through_doors() {
	local kind=$1 added other pulled image parts=$BATS_FILE_TMPDIR/$1 target
	cd "$BATS_FILE_TMPDIR/context" || return
	fresh_store "$kind"
	cooper_as "$kind" tag "$(cooper_as "$kind" pull -q "oci-archive:$(busybox_archive)")" busybox
	added=$(cooper_as "$kind" from busybox)
	cooper_as "$kind" add -q "$added" owners.tar /
	cooper_as "$kind" copy -q --chown 33:44 "$added" deep /on/the/way/
	cooper_as "$kind" commit -q "$added" added
	cooper_as "$kind" run "$added" sh -c "$(cat tree)" | sort >"$parts.added"
	cooper_as "$kind" commit -q --squash "$added" flat
	cooper_as "$kind" push -q added "oci-archive:$parts.tar"
	image=$(cooper_as "$kind" pull -q "oci-archive:$BATS_FILE_TMPDIR/full.tar")
	pulled=$(cooper_as "$kind" from "$image")
	cooper_as "$kind" run "$pulled" sh -c "$(cat tree)" | sort >"$parts.pulled"
	diff "$parts.added" "$parts.pulled" || return
	cooper_as "$kind" commit -q --squash "$pulled" flat-again
	other=$(cooper_as "$kind" from busybox)
	cooper_as "$kind" copy -q --from "$pulled" "$other" /many /attr /long /again/
	cooper_as "$kind" copy -q --from added --chown 1:2 "$other" /many /given/
	cooper_as "$kind" commit -q "$other" again
	for target in one two 2; do
		cooper_as "$kind" build -q --rewrite-timestamp --target "$target" -t "built-$target" . >/dev/null || return
	done
	for image in added flat flat-again again built-one built-two built-2; do
		digests "$kind" "$image"
	done >"$parts.layers"
}

@test "with real ids everything comes in as the archive says" {
	through_doors full
	"$LIST" "$BATS_FILE_TMPDIR/full.tar" >"$BATS_FILE_TMPDIR/list"
	run cat "$BATS_FILE_TMPDIR/list"
	assert_output_has "many/f001|file|0o4755|421:367|"
	assert_output_has "many/d120|dir|0o755|38620:38090|"
	assert_output_has "many/last|file|0o6755|65535:65535|"
	assert_output_has "many/c004|char|0o0|1384:1318|-|5:20"
	assert_output_has "attr/capable|file|0o4755|0:12|security.capability="
	# A file, a link, a FIFO, and nodes, each of three names: one of them says what it is, the others name it.
	[ "$(grep -cE '^many/[az]?b020\|' "$BATS_FILE_TMPDIR/list")" = 3 ]
	run grep -E '^/many/.?f020' "$BATS_FILE_TMPDIR/full.added"
	[ "$(cut -d'|' -f7 <<<"$output" | tr '\n' ' ')" = '3 3 3 ' ]
}

# same_doors KIND: what a step sees of devices is told apart: with real ids it is empty files.
same_doors() {
	diff "$BATS_FILE_TMPDIR/full.layers" "$BATS_FILE_TMPDIR/$1.layers"
	diff <(grep -v '/.\?[bc]...|' "$BATS_FILE_TMPDIR/full.added") <(grep -v '/.\?[bc]...|' "$BATS_FILE_TMPDIR/$1.added")
	run grep -E '^/many/.?b020' "$BATS_FILE_TMPDIR/$1.added"
	[ "$(cut -d'|' -f2-5,7 <<<"$output" | sort -u)" = '6520:6390|660|block special file|8:14|3' ]
}

@test "with one id the layers are the same bytes, and a step sees the same" {
	[ -s "$BATS_FILE_TMPDIR/full.layers" ] || skip "there is nothing to compare with"
	through_doors alone
	same_doors alone
}

@test "without namespaces they are, too" {
	[ -s "$BATS_FILE_TMPDIR/full.layers" ] || skip "there is nothing to compare with"
	through_doors translated
	same_doors translated
}

@test "and as root without namespaces" {
	[ -s "$BATS_FILE_TMPDIR/full.layers" ] || skip "there is nothing to compare with"
	through_doors rooted
	same_doors rooted
}

@test "with real ids another name of a device is it, and one that takes a link's place is there" {
	fresh_store devices
	cooper_as full tag "$(cooper_as full pull -q "oci-archive:$(busybox_archive)")" busybox
	ctr=$(cooper from busybox)
	cooper run "$ctr" ln -s /home/app/elsewhere /middle
	python3 - "$BATS_TEST_TMPDIR/devices.tar" <<-'END'
		import sys, tarfile
		with tarfile.open(sys.argv[1], 'w') as tar:
		    for name, kind in (('middle', tarfile.CHRTYPE), ('before', tarfile.LNKTYPE), ('z', tarfile.LNKTYPE)):
		        e = tarfile.TarInfo(name)
		        e.type, e.linkname, e.devmajor, e.devminor, e.mode = kind, 'middle', 1, 3, 0o640
		        tar.addfile(e)
	END
	cooper add -q "$ctr" "$BATS_TEST_TMPDIR/devices.tar" /
	cooper commit -q "$ctr" devices 2>"$BATS_TEST_TMPDIR/err"
	[ ! -s "$BATS_TEST_TMPDIR/err" ]
	# A step gives one more name to it. The layer packs to what it was, or it could not be pushed.
	next=$(cooper from devices)
	cooper run "$next" ln /z /zz
	cooper commit -q "$next" again 2>"$BATS_TEST_TMPDIR/err"
	for image in devices again; do
		cooper push -q "$image" "oci-archive:$BATS_TEST_TMPDIR/$image.tar"
		run "$LIST" "$BATS_TEST_TMPDIR/$image.tar"
		for name in before middle z; do
			assert_output_has "$name|char|0o640|0:0|-|"
		done
	done
}
