# Calls with something empty or odd in them, as scripts make them by mistake: told, and nothing happens elsewhere.
load lib/common

@test "an empty --root or --runroot is refused, and makes no store of the working directory" {
	mkdir "$BATS_TEST_TMPDIR/here"
	cd "$BATS_TEST_TMPDIR/here"
	run cooper --root "" containers
	assert_fails_with 125 "--root: the path is empty"
	run cooper --runroot "" containers
	assert_fails_with 125 "--runroot: the path is empty"
	[ -z "$(ls -A)" ]
}

@test "a level of the log that is none is named by where it was said" {
	run cooper --log-level loud images
	assert_fails_with 125 "--log-level: 'loud'"
	LOGLEVEL=loud run cooper images
	assert_fails_with 125 "LOGLEVEL: 'loud'"
}

@test "a default of the environment that is none is named by its variable" {
	COOPER_FORMAT=tape run cooper from scratch
	assert_fails_with 125 "COOPER_FORMAT: unrecognized image type 'tape'"
	run cooper from --format tape scratch
	assert_fails_with 125 "--format: unrecognized image type 'tape'"
	COOPER_NETWORK=tape run cooper from scratch
	assert_fails_with 125 "COOPER_NETWORK: "
	run cooper from --network tape scratch
	assert_fails_with 125 "cooper: --network 'tape'"
}

@test "--cidfile /dev/stdout is what stdout goes to, also when that is a file" {
	cooper from --name cid-out --cidfile /dev/stdout scratch >"$BATS_TEST_TMPDIR/out"
	[ -L /dev/stdout ]
	run cooper inspect --format '{{.ContainerID}}' cid-out
	[ "$(cat "$BATS_TEST_TMPDIR/out")" = "${output}cid-out" ]
	cooper from --name cid-fd --cidfile /dev/fd/1 scratch | grep -qE '^[0-9a-f]{64}cid-fd$'
}

@test "archives go to /dev/stdout as well, behind what is there" {
	cooper commit -q "$(cooper from scratch)" nothing
	echo before >"$BATS_TEST_TMPDIR/oci"
	cooper push -q nothing oci-archive:/dev/stdout >>"$BATS_TEST_TMPDIR/oci"
	run -0 sed q "$BATS_TEST_TMPDIR/oci"
	assert_output_is before
	tail -c +8 "$BATS_TEST_TMPDIR/oci" | tar -tf - | grep -qx index.json
	cooper push -q nothing docker-archive:/dev/stdout >"$BATS_TEST_TMPDIR/docker"
	tar -tf "$BATS_TEST_TMPDIR/docker" | grep -qx manifest.json
	printf 'FROM nothing\nCOPY <<X /file\nX\n' |
		cooper build -q --output type=tar,dest=/dev/stdout - >"$BATS_TEST_TMPDIR/tar"
	[ -L /dev/stdout ]
	run -0 tar -tf "$BATS_TEST_TMPDIR/tar"
	assert_output_is file
	# The archive is the result: nothing is printed behind it.
	[ $(($(wc -c <"$BATS_TEST_TMPDIR/tar") % 512)) = 0 ]
}

@test "a container whose --cidfile cannot be written is named" {
	run cooper from --name cid-lost --cidfile "$BATS_TEST_TMPDIR/no/such/cid" scratch
	assert_fails_with 125 "container 'cid-lost' was made"
}

@test "unshare --mount with a variable that has no name is refused" {
	ctr=$(cooper from scratch)
	run cooper unshare --mount "=$ctr" true
	assert_fails_with 125 "--mount '=$ctr'"
}

@test "half a pair of keys is not left behind" {
	cd "$BATS_TEST_TMPDIR"
	# A link that leads nowhere is not seen before, and in the way behind.
	ln -s nowhere team.pub
	COOPER_KEY_PASSWORD=secret run cooper key generate -o team
	assert_fails_with 125 "team.pub"
	[ ! -e team.key ]
}
