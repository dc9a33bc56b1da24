# rmi gives back what only the image had, and reads no other image for it.
load lib/common

setup_file() {
	common_setup_file
}

setup() {
	fresh_store "removed-$BATS_TEST_NUMBER"
	use_busybox
	cooper rm --all >/dev/null
}

teardown() {
	remove_store "$COOPER_ROOT"
}

objects() {
	find "$COOPER_ROOT/oci/blobs" "$COOPER_ROOT/layers" -mindepth 1 -maxdepth 2 \( -path '*/sha256/*' -o -path '*/layers/*' \) \
		! -path '*/layers/*/*' | sed "s,$COOPER_ROOT/,," | sort
}

# Another image on busybox, of one file.
make_child() {
	cooper from --name child busybox >/dev/null
	cooper run child sh -c "echo $1 >/$1"
	cooper commit -q --rm child "$1"
}

@test "what an image alone has used goes with it, and nothing else" {
	objects >"$BATS_TEST_TMPDIR/before"
	make_child one
	objects >"$BATS_TEST_TMPDIR/with-one"
	make_child two
	run cooper rmi two
	assert_succeeds
	objects | diff "$BATS_TEST_TMPDIR/with-one" -
	cooper rmi one
	objects | diff "$BATS_TEST_TMPDIR/before" -
	run cooper run "$(cooper from busybox)" true
	assert_succeeds
}

@test "the base goes first, its layers with the last image on them" {
	make_child one
	cooper rmi busybox
	run cooper run "$(cooper from --name on-one one)" cat /one
	assert_output_is one
	cooper rm on-one
	cooper rmi one
	run objects
	assert_output_is ""
}

@test "the blob that a push has made goes with its layer" {
	objects >"$BATS_TEST_TMPDIR/before"
	make_child one
	cooper push -q one "oci:$BATS_TEST_TMPDIR/layout:one"
	cooper rmi one
	objects | diff "$BATS_TEST_TMPDIR/before" -
}

@test "a layer that a container or the build cache stands on stays" {
	printf 'FROM busybox\nRUN echo built >/built\n' >"$BATS_TEST_TMPDIR/Dockerfile"
	cooper build -q -t built "$BATS_TEST_TMPDIR"
	make_child one
	cooper from --name on-one one
	cooper rmi --force one
	cooper rmi built
	run cooper build -t again "$BATS_TEST_TMPDIR"
	assert_output_has cached
	run cooper run "$(cooper from again)" cat /built
	assert_output_is built
}

@test "files of other users go, too" {
	objects >"$BATS_TEST_TMPDIR/before"
	cooper from --name child busybox
	cooper run child sh -c 'mkdir /theirs && touch /theirs/file && chown -R 7:7 /theirs && chmod 700 /theirs'
	cooper commit -q --rm child theirs
	cooper rmi theirs
	objects | diff "$BATS_TEST_TMPDIR/before" -
	run find "$COOPER_ROOT/tmp" -mindepth 1 -maxdepth 1
	assert_output_is ""
}

@test "what was in use when it was removed goes with the next one" {
	objects >"$BATS_TEST_TMPDIR/before"
	make_child one
	make_child two
	flock -s "$COOPER_ROOT/locks/store-garbage" cooper rmi one
	run find "$COOPER_ROOT/images/removed" -type f
	[ "${#lines[@]}" -eq 1 ]
	cooper rmi two
	objects | diff "$BATS_TEST_TMPDIR/before" -
	run find "$COOPER_ROOT/images/removed" -type f
	assert_output_is ""
}

@test "rmi does not read the images that are left" {
	make_child one
	make_child two
	id=$(cooper inspect --type image --format '{{.FromImageID}}' two)
	# Damaged, and nobody notices.
	local blob=$COOPER_ROOT/oci/blobs/sha256/$id
	chmod u+w "$blob"
	echo broken >"$blob"
	cooper rmi one
	run cooper images two
	assert_succeeds
	assert_output_has localhost/two
	# Where there is no catalogue of them all are read, and what cannot be known is kept.
	rm "$COOPER_ROOT/images/catalogue"
	objects >"$BATS_TEST_TMPDIR/before"
	cooper rmi busybox
	objects | diff "$BATS_TEST_TMPDIR/before" -
}

@test "a store of an earlier version, without a catalogue, gets one" {
	make_child one
	make_child two
	rm "$COOPER_ROOT/images/catalogue"
	cooper rmi one
	[ -e "$COOPER_ROOT/images/catalogue" ]
	run cooper run "$(cooper from two)" cat /two
	assert_output_is two
}

@test "images of a repository are listed without a look at the others" {
	make_child one
	cooper tag one one:2 quay.io/other/one:3
	run cooper images --format '{{.Name}}:{{.Tag}}' one
	assert_output_has localhost/one:latest
	assert_output_has localhost/one:2
	run cooper images -q nosuch
	assert_fails_with 125 "nosuch: image not known"
	# The others could not even be read.
	find "$COOPER_ROOT/images/by-id" -type f ! -name "$(cooper images -q --no-trunc one | sed 's/sha256://')" \
		-exec sh -c 'echo broken >"$1"' - {} \;
	run cooper images -q
	[ "$status" -eq 125 ]
	run cooper images -q one:2
	assert_succeeds
	run cooper images -q quay.io/other/one
	assert_succeeds
}

@test "killed at any moment, rmi leaves the other images whole" {
	for delay in 0.001 0.002 0.003 0.005 0.008 0.012; do
		make_child one
		make_child two
		cooper rmi one >/dev/null 2>&1 &
		pid=$!
		sleep "$delay"
		kill -9 "$pid" 2>/dev/null || :
		wait "$pid" 2>/dev/null || :
		run cooper run "$(cooper from --name on-two two)" cat /two
		assert_output_is two
		cooper rm on-two
		cooper rmi one >/dev/null 2>&1 || :
		cooper rmi two
		run cooper images --format '{{.Name}}'
		assert_output_is localhost/busybox
	done
	cooper prune
	run find "$COOPER_ROOT/tmp" "$COOPER_ROOT/images/removed" -mindepth 1 -maxdepth 1
	assert_output_is ""
}

@test "images that come and go at once lose nothing" {
	for i in 1 2 3 4; do
		(
			for n in 1 2 3; do
				ctr=$(cooper from busybox)
				cooper run "$ctr" sh -c "echo $i-$n >/number"
				cooper commit -q --rm "$ctr" "many-$i-$n" >/dev/null
				[ "$n" = 3 ] || cooper rmi "many-$i-$n" >/dev/null
			done
		) &
	done
	wait
	for i in 1 2 3 4; do
		run cooper run "$(cooper from "many-$i-3")" cat /number
		assert_output_is "$i-3"
	done
	run cooper images -q
	[ "${#lines[@]}" -eq 5 ]
}
