# OpenPGP signatures: skopeo's are believed by cooper, cooper's by skopeo, and all others by nobody.
load lib/common
load lib/signing
load lib/multiarch

setup_file() {
	common_setup_file
	signing_setup_file
	skip_unless skopeo gpg
	use_busybox
	start_registry
	make_gpg_keys good evil
	cooper push -q --sign-by "$KEY_good" busybox "docker://$REGISTRY/app:1"
}

teardown() {
	no_configuration
}

teardown_file() {
	signing_teardown_file
	common_teardown_file
}

signature_of() {
	printf '%s/%s@%s/signature-1' "$LOOKASIDE" "${1%:*}" "$(registry_digest "$1" | tr : =)"
}

@test "cooper's signature is believed by skopeo and by cooper" {
	digest=$(registry_digest app:1)
	gpg_policy good
	skopeo copy -q --src-tls-verify=false "docker://$REGISTRY/app:1" "dir:$BATS_TEST_TMPDIR/copied"
	accepted app:1
	accepted "app@$digest"
	fresh_store build
	printf 'FROM %s/app:1\nCOPY --from=%s/app:1 /etc/passwd /copied\n' "$REGISTRY" "$REGISTRY" >"$BATS_TEST_TMPDIR/Dockerfile"
	run cooper build -q "$BATS_TEST_TMPDIR"
	assert_succeeds
	remove_store "$COOPER_ROOT"
}

@test "skopeo's signature is believed by cooper" {
	skopeo --insecure-policy copy -q --src-tls-verify=false --dest-tls-verify=false --sign-by "$KEY_good" \
		"docker://$REGISTRY/app:1" "docker://$REGISTRY/theirs:1"
	gpg_policy good
	accepted theirs:1
}

@test "unsigned images, other keys, other names and other digests are refused" {
	ctr=$(cooper from busybox)
	cooper config --label other=yes "$ctr"
	cooper commit -q "$ctr" other
	cooper push -q other "docker://$REGISTRY/unsigned:1"
	cooper push -q --sign-by "$KEY_evil" other "docker://$REGISTRY/evil:1"
	cooper push -q --sign-by "$KEY_good" --sign-identity "$REGISTRY/elsewhere:1" other "docker://$REGISTRY/named:1"
	gpg_policy good
	refused unsigned:1 "it must be signed, and has no signature"
	refused evil:1 "not made by a key that the policy trusts"
	refused named:1 "it is for '$REGISTRY/elsewhere:1'"
	# A good signature of another manifest, put where the one of this should be.
	no_policy
	mkdir -p "$(dirname "$(signature_of unsigned:1)")"
	cp "$(signature_of app:1)" "$(signature_of unsigned:1)"
	digest=$(registry_digest app:1)
	gpg_policy good
	refused unsigned:1 "it is for the manifest $digest"
}

@test "a signature in which a byte is different is refused, and so is what is no signature" {
	cooper push -q --sign-by "$KEY_good" busybox "docker://$REGISTRY/altered:1"
	file=$(signature_of altered:1)
	cp "$file" "$BATS_TEST_TMPDIR/good"
	gpg --batch --decrypt "$BATS_TEST_TMPDIR/good" >"$BATS_TEST_TMPDIR/claim" 2>/dev/null
	# Without compression, so that what is signed can be found in it.
	gpg --batch --compress-algo none --local-user "$KEY_good" --sign <"$BATS_TEST_TMPDIR/claim" >"$BATS_TEST_TMPDIR/plain" 2>/dev/null
	gpg_policy good
	cp "$BATS_TEST_TMPDIR/plain" "$file"
	accepted altered:1
	for change in 's/altered:1/altered:2/' 's/sha256:./sha256:0/' 's/critical/Critical/' 's/.$/\x00/s'; do
		perl -0777 -pe "$change" "$BATS_TEST_TMPDIR/plain" >"$file"
		if cmp -s "$BATS_TEST_TMPDIR/plain" "$file"; then continue; fi # the digest began with 0 already
		refused altered:1 "does not accept the image"
	done
	# What is only wrapped and not signed; a clear text; a claim without any wrapping.
	gpg --batch --store <"$BATS_TEST_TMPDIR/claim" >"$file"
	refused altered:1 "not an OpenPGP message with one signature"
	# In front of one that is signed: what is believed is never what stands before or behind it.
	sed 's/altered:1/other:1/' "$BATS_TEST_TMPDIR/claim" | gpg --batch --store >"$BATS_TEST_TMPDIR/stored"
	cat "$BATS_TEST_TMPDIR/stored" "$BATS_TEST_TMPDIR/good" >"$file"
	refused altered:1 "does not accept the image"
	cp "$BATS_TEST_TMPDIR/claim" "$file"
	refused altered:1 "not a signature"
	# Signed, but with more in it than a claim has.
	sed 's/"optional":{/"more":1,"optional":{/' "$BATS_TEST_TMPDIR/claim" |
		gpg --batch --local-user "$KEY_good" --sign >"$file" 2>/dev/null
	refused altered:1 "missing or unknown fields"
	# A second one that is good is enough.
	cp "$BATS_TEST_TMPDIR/good" "$(dirname "$file")/signature-2"
	accepted altered:1
}

@test "keys: several, in the policy itself, expired, missing" {
	gpg_policy evil
	refused app:1 "not made by a key that the policy trusts"
	docker_policy "\"type\": \"signedBy\", \"keyType\": \"GPGKeys\", \"keyPaths\": [\"$BATS_FILE_TMPDIR/evil.gpg\", \"$BATS_FILE_TMPDIR/good.gpg\"]"
	accepted app:1
	docker_policy "\"type\": \"signedBy\", \"keyType\": \"GPGKeys\", \"keyData\": \"$(base64 -w0 "$BATS_FILE_TMPDIR/good.gpg")\""
	accepted app:1
	gpg_policy nosuch
	refused app:1 nosuch.gpg
	docker_policy "\"type\": \"signedBy\", \"keyType\": \"GPGKeys\", \"keyData\": \"$(echo junk | base64)\""
	refused app:1 keyData
}

@test "identities as policies say them" {
	gpg_policy good ', "signedIdentity": {"type": "matchExact"}'
	accepted app:1
	gpg_policy good ", \"signedIdentity\": {\"type\": \"exactReference\", \"dockerReference\": \"$REGISTRY/app:2\"}"
	refused app:1 "it is for '$REGISTRY/app:1'"
	gpg_policy good ", \"signedIdentity\": {\"type\": \"exactRepository\", \"dockerRepository\": \"$REGISTRY/app\"}"
	accepted app:1
	no_policy
	cooper push -q --sign-by "$KEY_good" --sign-identity vendor.example.org/app:1 busybox "docker://$REGISTRY/mirror/app:1"
	gpg_policy good
	refused mirror/app:1 "it is for 'vendor.example.org/app:1'"
	gpg_policy good ", \"signedIdentity\": {\"type\": \"remapIdentity\", \"prefix\": \"$REGISTRY/mirror\", \"signedPrefix\": \"vendor.example.org\"}"
	accepted mirror/app:1
	gpg_policy good ', "signedIdentity": {"type": "matchRepository"}'
	refused mirror/app:1 "it is for 'vendor.example.org/app:1'"
}

@test "registries.d: staging to write, http to read, no place to write" {
	registries_d <<-END
		docker:
		  $REGISTRY:
		    lookaside: file://$BATS_TEST_TMPDIR/read
		    lookaside-staging: file://$BATS_TEST_TMPDIR/staging/
		default-docker:
		  sigstore: https://nobody.example.org/
	END
	cooper push -q --sign-by "$KEY_good" busybox "docker://$REGISTRY/staged:1"
	[ "$(find "$BATS_TEST_TMPDIR/staging/staged@sha256="* -name signature-1 | wc -l)" -eq 1 ]
	gpg_policy good
	refused staged:1 "has no signature"
	mv "$BATS_TEST_TMPDIR/staging" "$BATS_TEST_TMPDIR/read"
	accepted staged:1
	port=$(free_port)
	(cd "$BATS_TEST_TMPDIR/read" && exec python3 -m http.server --bind 127.0.0.1 "$port") >/dev/null 2>&1 3>&- &
	server=$!
	wait_for_port "127.0.0.1:$port"
	registries_d <<<"default-docker: {lookaside: 'http://127.0.0.1:$port'}"
	accepted staged:1
	no_policy
	run cooper push -q --sign-by "$KEY_good" busybox "docker://$REGISTRY/staged:1"
	kill "$server"
	[ "$status" -ne 0 ]
	assert_output_has "lookaside-staging"
	registries_d <<<"docker: [1"
	gpg_policy good
	refused staged:1 test.yaml
}

@test "a directory has its signatures beside its manifest, as skopeo has them" {
	cd "$BATS_TEST_TMPDIR"
	write_policy <<-END
		{"default": [{"type": "reject"}], "transports": {"dir": {"": [{"type": "signedBy", "keyType": "GPGKeys",
			"keyPath": "$BATS_FILE_TMPDIR/good.gpg",
			"signedIdentity": {"type": "exactReference", "dockerReference": "example.org/x:1"}}]}}}
	END
	cooper push -q --sign-by "$KEY_good" --sign-identity example.org/x:1 busybox dir:ours
	cooper push -q busybox dir:bare
	skopeo copy -q dir:ours dir:copied
	cmp ours/signature-1 copied/signature-1
	fresh_store dir
	run cooper pull -q dir:ours
	assert_succeeds
	run cooper pull -q dir:bare
	assert_fails_with 125 "has no signature"
	remove_store "$COOPER_ROOT"
	run cooper push -q --sign-by "$KEY_good" busybox oci:layout:1
	[ "$status" -ne 0 ]
}

@test "a list is signed with its images; an image that is not is refused" {
	make_platform_images
	cooper manifest create --replace app app-amd64 app-arm64 >/dev/null
	cooper manifest push -q --sign-by "$KEY_good" app "docker://$REGISTRY/list:1"
	[ "$(find "$LOOKASIDE" -path '*/list@*' -name 'signature-1' | wc -l)" -eq 3 ]
	gpg_policy good
	for arch in amd64 arm64; do
		fresh_store "$arch"
		run cooper pull -q --arch "$arch" "docker://$REGISTRY/list:1"
		assert_succeeds
		remove_store "$COOPER_ROOT"
	done
	skopeo copy -q --all --src-tls-verify=false "docker://$REGISTRY/list:1" "dir:$BATS_TEST_TMPDIR/list"
	run cooper image copy --all "docker://$REGISTRY/list:1" "dir:$BATS_TEST_TMPDIR/all"
	assert_succeeds
	# The index alone does not vouch for its images.
	no_policy
	index=$(skopeo --insecure-policy inspect --raw --tls-verify=false "docker://$REGISTRY/list:1")
	child=$(digest_for arm64 <<<"$index")
	rm -r "$LOOKASIDE/list@${child/:/=}"
	gpg_policy good
	fresh_store child
	run cooper pull -q --arch arm64 "docker://$REGISTRY/list:1"
	assert_fails_with 125 "has no signature"
	run cooper pull -q --arch amd64 "docker://$REGISTRY/list:1"
	assert_succeeds
	remove_store "$COOPER_ROOT"
	run cooper image copy --all "docker://$REGISTRY/list:1" "dir:$BATS_TEST_TMPDIR/all2"
	[ "$status" -eq 1 ]
}

@test "commit, build --push and image copy sign; the store does not" {
	ctr=$(cooper from busybox)
	cooper commit -q --sign-by "$KEY_good" "$ctr" "docker://$REGISTRY/committed:1"
	mkdir "$BATS_TEST_TMPDIR/context"
	echo 'FROM busybox' >"$BATS_TEST_TMPDIR/context/Dockerfile"
	cooper build -q --push --sign-by "$KEY_good" -t "$REGISTRY/built:1" "$BATS_TEST_TMPDIR/context"
	cooper image copy -q --sign-by "$KEY_good" "docker://$REGISTRY/app:1" "docker://$REGISTRY/copied:1"
	gpg_policy good
	accepted committed:1
	accepted built:1
	accepted copied:1
	no_policy
	run cooper commit -q --sign-by "$KEY_good" "$ctr" here
	assert_fails_with 125 "in the store has no signatures"
	run cooper build -q --sign-by "$KEY_good" -t here "$BATS_TEST_TMPDIR/context"
	assert_fails_with 125 "--push"
	run cooper push -q --sign-by 0123456789ABCDEF0123456789ABCDEF01234567 busybox "docker://$REGISTRY/nokey:1"
	[ "$status" -ne 0 ]
	assert_output_has "the image has arrived, but gets no name: the image cannot be signed"
	run cooper push -q --sign-identity x.io/y:1 busybox "docker://$REGISTRY/nokey:1"
	assert_fails_with 125 "--sign-by"
}

@test "the passphrase of an OpenPGP key comes from a file" {
	gpg --batch --quiet --pinentry-mode loopback --passphrase 'gpg secret' \
		--quick-gen-key locked@example.org ed25519 sign never 2>/dev/null
	gpgconf --kill gpg-agent
	echo 'gpg secret' >"$BATS_TEST_TMPDIR/pass"
	echo 'wrong' >"$BATS_TEST_TMPDIR/wrong"
	run cooper push -q --sign-by locked@example.org --sign-passphrase-file "$BATS_TEST_TMPDIR/wrong" busybox "docker://$REGISTRY/locked:1"
	[ "$status" -ne 0 ]
	cooper push -q --sign-by locked@example.org --sign-passphrase-file "$BATS_TEST_TMPDIR/pass" busybox "docker://$REGISTRY/locked:1"
	gpg --batch --export --armor locked@example.org >"$BATS_FILE_TMPDIR/locked.gpg"
	gpg_policy locked
	accepted locked:1
}
