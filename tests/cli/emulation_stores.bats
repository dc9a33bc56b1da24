# Records of ownership with one id, where the store is not where or what it was: on an overlay, where roots are copies,
# and copied itself by something that does not keep inodes.
load lib/common

setup_file() {
	common_setup_file
	busybox_archive >/dev/null
}

teardown_file() {
	chmod -R u+rwX "$BATS_FILE_TMPDIR"/{alone,over} 2>/dev/null || true
	rm -rf "$BATS_FILE_TMPDIR"/{alone,over}
	common_teardown_file
}

alone() {
	unshare --map-root-user cooper "$@"
}

# entries DIR [LAYER]: the entries of a layer (default: the last) of what was pushed to dir:DIR.
entries() {
	python3 - "$@" <<-'END'
		import json, sys, tarfile
		layers = json.load(open(sys.argv[1] + '/manifest.json'))['layers']
		layer = layers[int(sys.argv[2]) if len(sys.argv) > 2 else -1]['digest'].split(':')[1]
		for e in tarfile.open(sys.argv[1] + '/' + layer):
		    print(e.name, e.type.decode(), e.uid, e.gid)
	END
}

@test "COPY --from and copy --from keep owners of links and FIFOs where the image's root is a copy" {
	mkdir -p "$BATS_FILE_TMPDIR/over/"{lower,upper,work,merged}
	cat >"$BATS_TEST_TMPDIR/Dockerfile" <<-'END'
		FROM made AS made
		FROM scratch
		COPY --from=made /d /got
	END
	cat >"$BATS_TEST_TMPDIR/script" <<-'END'
		set -e
		mount -t overlay overlay -o "userxattr,lowerdir=$1/lower,upperdir=$1/upper,workdir=$1/work" "$1/merged"
		export COOPER_ROOT=$1/merged/root COOPER_RUNROOT=$1/merged/runroot
		ctr=$(cooper from "$(cooper pull -q "oci-archive:$2")")
		cooper run "$ctr" sh -c 'mkdir /d; cd /d; ln -s a link; chown -h 5:6 link; mkfifo fifo; chown 7:8 fifo; touch f; chown 9:9 f'
		cooper commit -q "$ctr" made
		cooper build -q -t built -f "$3/Dockerfile" "$3"
		other=$(cooper from scratch)
		cooper copy -q --from made "$other" /d /got
		cooper commit -q "$other" copied
		cooper push -q built "dir:$3/built"
		cooper push -q copied "dir:$3/copied"
		cooper build -q -o "type=tar,dest=$3/out.tar" -f "$3/Dockerfile" "$3"
	END
	unshare --map-root-user --mount bash "$BATS_TEST_TMPDIR/script" "$BATS_FILE_TMPDIR/over" "$(busybox_archive)" \
		"$BATS_TEST_TMPDIR"
	for made in built copied; do
		run entries "$BATS_TEST_TMPDIR/$made"
		assert_output_has "got/link 2 5 6"
		assert_output_has "got/fifo 6 7 8"
		assert_output_has "got/f 0 9 9"
	done
	run tar --numeric-owner -tvf "$BATS_TEST_TMPDIR/out.tar"
	[[ $output == *5/6*got/link* ]]
	[[ $output == *7/8*got/fifo* ]]
}

@test "a store copied by cp -a makes its layers again, and says what a container has lost" {
	export COOPER_ROOT=$BATS_FILE_TMPDIR/alone/root COOPER_RUNROOT=$BATS_FILE_TMPDIR/alone/runroot
	mkdir -p "$COOPER_ROOT"
	ctr=$(alone from "$(alone pull -q "oci-archive:$(busybox_archive)")")
	alone run "$ctr" sh -c 'ln -s a /link; chown -h 5:6 /link'
	alone commit -q "$ctr" packed
	alone push -q packed "oci-archive:$BATS_TEST_TMPDIR/packed.tar"
	next=$(alone from --name next packed)
	alone run "$next" sh -c 'ln -s a /later; chown -h 7:8 /later'
	unpacked=$(alone from --name unpacked packed)
	alone run "$unpacked" sh -c 'ln -s a /gone; chown -h 7:8 /gone'
	alone commit -q "$unpacked" unpacked
	cp -a "$COOPER_ROOT" "$BATS_FILE_TMPDIR/alone/copy"
	# The store itself is none the worse, and says nothing.
	run --separate-stderr alone run "$next" stat -c '%n %u:%g' /link /later
	[ "$output" = $'/link 5:6\n/later 7:8' ]
	[ -z "$stderr" ]

	export COOPER_ROOT=$BATS_FILE_TMPDIR/alone/copy COOPER_RUNROOT=$BATS_FILE_TMPDIR/alone/copyrun
	# A layer that has a blob is made again of it.
	run --separate-stderr alone run "$next" stat -c '%n %u:%g' /link /later
	[ "$status" -eq 0 ]
	[ "$output" = $'/link 5:6\n/later 0:0' ]
	[[ $stderr == *"what container 'next' knows of the owners of its links"*"is lost"* ]]
	# One that has none is lost by name, not silently root's.
	run alone run "$(alone from unpacked)" true
	[ "$status" -ne 0 ]
	[[ $output == *layer* ]]
}
