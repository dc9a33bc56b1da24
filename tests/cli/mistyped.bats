# Names that are nearly others: what they were taken for is said, and what may have been meant.
load lib/common
load lib/double

@test "a mistyped transport is no image: which there are is said" {
	local place
	for place in docker-archiv:x.tar ocii:dir oci-achive:x.tar; do
		run cooper push small "$place"
		assert_fails_with 125 "'${place%%:*}:' is no transport: docker://, oci:, oci-archive:, docker-archive:, dir:"
		run cooper image copy containers-storage:small "$place"
		[ "$status" -eq 1 ]
		assert_output_has "'${place%%:*}:' is no transport"
		run cooper image copy "$place" "dir:$BATS_TEST_TMPDIR/dir"
		[ "$status" -eq 2 ]
		assert_output_has "'${place%%:*}:' is no transport"
		run cooper image delete "$place"
		[ "$status" -eq 2 ]
		assert_output_has "'${place%%:*}:' is no transport"
	done
	run cooper pull ocii:./dir/sub
	assert_fails_with 125 "'ocii:' is no transport"
	run cooper push small ocii:dir/sub
	assert_fails_with 125 "'ocii:' is no transport"
	# What is meant as a name is one.
	cooper image copy containers-storage:small store:ocii:dir
	cooper inspect --type image ocii:dir >/dev/null
	double_does '{}'
	cooper push -q --tls-verify=false small "docker://$DOUBLE/ocii:dir"
	run cooper push --retry 0 small localhost:1/x
	assert_output_lacks "is no transport"
}

@test "COPY --from of a stage that there is not: neither a stage nor an image" {
	mkdir "$BATS_TEST_TMPDIR/context"
	printf 'FROM scratch AS tools\nCOPY Dockerfile /\nFROM scratch\nCOPY --from=nosuchstage /Dockerfile /\n' >"$BATS_TEST_TMPDIR/context/Dockerfile"
	run cooper build --pull=never "$BATS_TEST_TMPDIR/context"
	[ "$status" -ne 0 ]
	assert_output_has "nosuchstage"
	assert_output_has "no stage is called 'nosuchstage', so that it was taken for an image"
}

@test "a --build-context that is not there is told, also when no step asks for it" {
	mkdir "$BATS_TEST_TMPDIR/context"
	printf 'FROM scratch\nCOPY Dockerfile /\n' >"$BATS_TEST_TMPDIR/context/Dockerfile"
	run cooper build --build-context x=nope "$BATS_TEST_TMPDIR/context"
	assert_fails_with 125 "--build-context 'x=nope': no such file or directory"
	cooper build -q --build-context x=docker-image://nope "$BATS_TEST_TMPDIR/context"
	cooper build -q --build-context "x=$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/context"
}
