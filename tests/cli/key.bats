# Key pairs for signatures.
load lib/common

setup_file() {
	common_setup_file
	unset COSIGN_PASSWORD COOPER_KEY_PASSWORD
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return
}

@test "generate writes a pair that openssl reads, for its owner alone" {
	COOPER_KEY_PASSWORD=secret run --separate-stderr cooper key generate -o team
	assert_succeeds
	assert_output_is ""
	[ "$(stat -c %a team.key)" = 600 ]
	[ "$(stat -c %a team.pub)" = 644 ]
	diff team.pub <(openssl pkey -in team.key -passin pass:secret -pubout)
	run openssl pkey -in team.key -passin pass:wrong -noout
	[ "$status" -ne 0 ]
}

@test "a key that is there is not replaced" {
	export COOPER_KEY_PASSWORD=secret
	cooper key generate 2>/dev/null
	cp cooper.key before
	run cooper key generate
	assert_fails_with 125 cooper.pub
	rm cooper.pub
	run cooper key generate
	assert_fails_with 125 cooper.key
	cmp cooper.key before
	[ ! -e cooper.pub ]
}

@test "the passphrase comes from a file, a variable or a terminal, never from nowhere" {
	printf 'from a file\nsecond line\n' >pass
	cooper key generate -o file --passphrase-file pass 2>/dev/null
	openssl pkey -in file.key -passin 'pass:from a file' -noout
	COSIGN_PASSWORD=cosigns cooper key generate -o variable 2>/dev/null
	openssl pkey -in variable.key -passin pass:cosigns -noout
	run cooper key generate -o nobody </dev/null
	assert_fails_with 125 COOPER_KEY_PASSWORD
	[ ! -e nobody.key ]
	[ ! -e nobody.pub ]
	run cooper key generate --passphrase-file nosuch -o nobody
	assert_fails_with 125 nosuch
	run cooper key generate secret
	[ "$status" -eq 125 ]
}

@test "public prints the public half, with the right passphrase" {
	export COOPER_KEY_PASSWORD=secret
	cooper key generate 2>/dev/null
	cooper key public cooper.key | diff - cooper.pub
	COOPER_KEY_PASSWORD=wrong run cooper key public cooper.key
	assert_fails_with 125 "wrong passphrase"
	unset COOPER_KEY_PASSWORD
	run cooper key public cooper.key </dev/null
	assert_fails_with 125 "needs a passphrase"
	echo junk >junk
	run cooper key public junk
	assert_fails_with 125 "not a private key"
	run cooper key public nosuch.key
	assert_fails_with 125 nosuch.key
}

@test "keys of openssl and of cosign are read" {
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out plain.key 2>/dev/null
	cooper key public plain.key | diff - <(openssl pkey -in plain.key -pubout)
	openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.key 2>/dev/null
	cooper key public rsa.key | diff - <(openssl pkey -in rsa.key -pubout)
	openssl genpkey -algorithm ED25519 -out ed.key
	cooper key public ed.key | diff - <(openssl pkey -in ed.key -pubout)
	openssl genpkey -algorithm X25519 -out x.key
	run cooper key public x.key
	assert_fails_with 125 "not a key of a kind"
	# Made with tweetnacl and node's scrypt in the form of cosign's files; passphrase "correct horse".
	cp "$BATS_TEST_DIRNAME/lib/cosign.key" .
	COSIGN_PASSWORD='correct horse' cooper key public cosign.key | diff - "$BATS_TEST_DIRNAME/lib/cosign.pub"
	COSIGN_PASSWORD='wrong' run cooper key public cosign.key
	assert_fails_with 125 "wrong passphrase"
}
