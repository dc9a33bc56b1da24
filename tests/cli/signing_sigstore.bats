# sigstore signatures by key pairs: made and checked in both formats, and by openssl alone.
load lib/common
load lib/signing
load lib/multiarch

setup_file() {
	common_setup_file
	signing_setup_file
	use_busybox
	start_registry
	make_sigstore_keys good evil
	sign good "app:1"
}

teardown() {
	no_configuration
}

teardown_file() {
	signing_teardown_file
	common_teardown_file
}

# sign KEY REPOSITORY:TAG [options of push]
sign() {
	local key=$1 name=$2
	shift 2
	cooper push -q --sign-by-sigstore-private-key "$BATS_FILE_TMPDIR/$key.key" "$@" busybox "docker://$REGISTRY/$name"
}

ask() {
	curl -sSf -H 'Accept: application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json' \
		"http://$REGISTRY/v2/$1"
}

# The tag that stands for an image's signatures (.sig) or referrers.
signature_tag() {
	registry_digest "$1" | tr : -
}

# put REPOSITORY TAG <manifest
put() {
	curl -sSf -X PUT -H 'Content-Type: application/vnd.oci.image.manifest.v1+json' --data-binary @- \
		"http://$REGISTRY/v2/$1/manifests/$2"
}

# Puts stdin as a blob; prints digest and size.
put_blob() {
	local file=$BATS_TEST_TMPDIR/blob location digest
	cat >"$file"
	digest=sha256:$(sha256sum <"$file" | cut -d' ' -f1)
	location=$(curl -sSf -X POST -D - -o /dev/null "http://$REGISTRY/v2/$1/blobs/uploads/" | tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
	curl -sSf -X PUT -H 'Content-Type: application/octet-stream' --data-binary "@$file" "$location&digest=$digest" || return
	printf '%s %s\n' "$digest" "$(stat -c %s "$file")"
}

@test "both formats are believed, alone and together; signing again changes nothing" {
	sign good legacy:1 --sign-format legacy
	sign good bundle:1 --sign-format bundle
	sigstore_policy good
	accepted app:1
	accepted legacy:1
	accepted bundle:1
	no_policy
	digest=$(registry_digest app:1)
	before=$(ask "app/manifests/${digest/:/-}.sig" | sha256sum; ask "app/manifests/${digest/:/-}" | sha256sum)
	sign good app:1
	[ "$before" = "$(ask "app/manifests/${digest/:/-}.sig" | sha256sum; ask "app/manifests/${digest/:/-}" | sha256sum)" ]
	sign evil app:1
	[ "$(ask "app/manifests/${digest/:/-}.sig" | json_get 'len(document["layers"])')" = 2 ]
	sigstore_policy good
	accepted app:1
	sigstore_policy evil
	accepted app:1
}

@test "openssl verifies the claim with the public key alone" {
	cd "$BATS_TEST_TMPDIR"
	tag=$(signature_tag app:1).sig
	ask "app/manifests/$tag" >manifest
	[ "$(json_get 'document["layers"][0]["mediaType"]' <manifest)" = application/vnd.dev.cosign.simplesigning.v1+json ]
	json_get 'document["layers"][0]["annotations"]["dev.cosignproject.cosign/signature"]' <manifest | base64 -d >signature
	ask "app/blobs/$(json_get 'document["layers"][0]["digest"]' <manifest)" >claim
	openssl dgst -sha256 -verify "$BATS_FILE_TMPDIR/good.pub" -signature signature claim
	[ "$(json_get 'document["critical"]["image"]["docker-manifest-digest"]' <claim)" = "$(registry_digest app:1)" ]
	[ "$(json_get 'document["critical"]["identity"]["docker-reference"]' <claim)" = "$REGISTRY/app:1" ]
	ask "app/blobs/$(json_get 'document["config"]["digest"]' <manifest)" >config
	[ "$(json_get 'document["rootfs"]["diff_ids"]' <config)" = "$(json_get '[l["digest"] for l in document["layers"]]' <manifest)" ]
}

@test "openssl verifies the envelope of the bundle" {
	cd "$BATS_TEST_TMPDIR"
	ask "app/manifests/$(signature_tag app:1)" >index
	[ "$(json_get 'document["manifests"][0]["artifactType"]' <index)" = application/vnd.dev.sigstore.bundle.v0.3+json ]
	ask "app/manifests/$(json_get 'document["manifests"][0]["digest"]' <index)" >manifest
	[ "$(json_get 'document["subject"]["digest"]' <manifest)" = "$(registry_digest app:1)" ]
	[ "$(json_get 'document["config"]["mediaType"]' <manifest)" = application/vnd.oci.empty.v1+json ]
	[ "$(json_get 'document["layers"][0]["mediaType"]' <manifest)" = application/vnd.dev.sigstore.bundle.v0.3+json ]
	[ "$(json_get 'document["layers"][0]["annotations"]["org.opencontainers.image.title"]' <manifest)" = "$(signature_tag app:1).sigstore.json" ]
	[ "$(json_get 'sorted(document["annotations"])' <manifest)" = \
		"['dev.sigstore.bundle.content', 'dev.sigstore.bundle.predicateType', 'org.opencontainers.image.created']" ]
	[ "$(json_get 'document["annotations"]["dev.sigstore.bundle.content"]' <manifest)" = dsse-envelope ]
	ask "app/blobs/$(json_get 'document["layers"][0]["digest"]' <manifest)" >bundle
	json_get 'document["dsseEnvelope"]["payload"]' <bundle | base64 -d >statement
	json_get 'document["dsseEnvelope"]["signatures"][0]["sig"]' <bundle | base64 -d >signature
	{
		printf 'DSSEv1 28 application/vnd.in-toto+json %s ' "$(stat -c %s statement)"
		cat statement
	} >encoded
	openssl dgst -sha256 -verify "$BATS_FILE_TMPDIR/good.pub" -signature signature encoded
	[ "sha256:$(json_get 'document["subject"][0]["digest"]["sha256"]' <statement)" = "$(registry_digest app:1)" ]
	[ "$(json_get 'document["verificationMaterial"]["publicKey"]["hint"]' <bundle)" = \
		"$(openssl pkey -pubin -in "$BATS_FILE_TMPDIR/good.pub" -outform DER | openssl dgst -sha256 -binary | base64)" ]
}

@test "a claim that openssl signed is believed" {
	cooper push -q busybox "docker://$REGISTRY/byhand:1"
	cd "$BATS_TEST_TMPDIR"
	openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out hand.key 2>/dev/null
	openssl pkey -in hand.key -pubout -out "$BATS_FILE_TMPDIR/hand.pub"
	printf '{"critical":{"identity":{"docker-reference":"%s"},"image":{"docker-manifest-digest":"%s"},"type":"cosign container image signature"},"optional":null}' \
		"$REGISTRY/byhand" "$(registry_digest byhand:1)" >claim
	signature=$(openssl dgst -sha256 -sign hand.key claim | base64 -w0)
	read -r digest size < <(put_blob byhand <claim)
	read -r config config_size < <(printf '{}' | put_blob byhand)
	printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"%s","size":%s},"layers":[{"mediaType":"application/vnd.dev.cosign.simplesigning.v1+json","digest":"%s","size":%s,"annotations":{"dev.cosignproject.cosign/signature":"%s"}}]}' \
		"$config" "$config_size" "$digest" "$size" "$signature" | put byhand "$(signature_tag byhand:1).sig"
	# cosign writes no tag: that is enough for the repository, and for nothing else.
	sigstore_policy hand
	refused byhand:1 "it is for '$REGISTRY/byhand'"
	sigstore_policy hand ', "signedIdentity": {"type": "matchRepository"}'
	accepted byhand:1
	sigstore_policy good ', "signedIdentity": {"type": "matchRepository"}'
	refused byhand:1 "not made by a key"
}

@test "unsigned images, other keys, other names and other digests are refused" {
	ctr=$(cooper from busybox)
	cooper config --label other=yes "$ctr"
	cooper commit -q "$ctr" other
	cooper push -q other "docker://$REGISTRY/unsigned:1"
	sign evil evil:1
	sign good named:1 --sign-identity "$REGISTRY/elsewhere:1"
	tag=$(signature_tag unsigned:1)
	app=$(signature_tag app:1)
	digest=$(registry_digest app:1)
	sigstore_policy good
	refused unsigned:1 "has no signature"
	refused evil:1 "not made by a key that the policy trusts"
	refused named:1 "it is for '$REGISTRY/elsewhere:1'"
	# Good signatures of another manifest, under this one's tag.
	no_policy
	skopeo --insecure-policy copy -q --src-tls-verify=false --dest-tls-verify=false "docker://$REGISTRY/app:$app.sig" "docker://$REGISTRY/unsigned:$tag.sig"
	sigstore_policy good
	refused unsigned:1 "it is for the manifest $digest"
}

@test "a claim that was altered, and one that says more, are refused" {
	for format in legacy bundle; do
		sign good "altered-$format:1" --sign-format "$format"
	done
	cd "$BATS_TEST_TMPDIR"
	tag=$(signature_tag altered-legacy:1)
	ask "altered-legacy/manifests/$tag.sig" >manifest
	old=$(json_get 'document["layers"][0]["digest"]' <manifest)
	ask "altered-legacy/blobs/$old" | sed 's/:1"/:2"/' >claim
	read -r new size < <(put_blob altered-legacy <claim)
	[ "$new" != "$old" ]
	sed "s/$old/$new/" manifest | put altered-legacy "$tag.sig"
	ask "altered-bundle/manifests/$tag" >index
	child=$(json_get 'document["manifests"][0]["digest"]' <index)
	ask "altered-bundle/manifests/$child" >manifest
	old=$(json_get 'document["layers"][0]["digest"]' <manifest)
	ask "altered-bundle/blobs/$old" >bundle
	python3 - <<-END
		import base64, json
		bundle = json.load(open("bundle"))
		envelope = bundle["dsseEnvelope"]
		statement = json.loads(base64.b64decode(envelope["payload"]))
		statement["subject"][0]["name"] = "$REGISTRY/altered-bundle:2"
		envelope["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()
		json.dump(bundle, open("changed", "w"))
	END
	read -r new size < <(put_blob altered-bundle <changed)
	python3 - <<-END >changed-manifest
		import json
		manifest = json.load(open("manifest"))
		manifest["layers"][0].update(digest="$new", size=$size)
		print(json.dumps(manifest), end="")
	END
	digest=sha256:$(sha256sum <changed-manifest | cut -d' ' -f1)
	put altered-bundle "$digest" <changed-manifest
	python3 - <<-END | curl -sSf -X PUT -H 'Content-Type: application/vnd.oci.image.index.v1+json' --data-binary @- "http://$REGISTRY/v2/altered-bundle/manifests/$tag"
		import json
		index = json.load(open("index"))
		index["manifests"][0].update(digest="$digest", size=$(stat -c %s changed-manifest))
		print(json.dumps(index), end="")
	END
	sigstore_policy good
	refused altered-legacy:1 "not made by a key that the policy trusts"
	refused altered-bundle:1 "not made by a key that the policy trusts"
}

@test "several keys, keys in the policy, keys that are none" {
	docker_policy "\"type\": \"sigstoreSigned\", \"keyPaths\": [\"$BATS_FILE_TMPDIR/evil.pub\", \"$BATS_FILE_TMPDIR/good.pub\"]"
	accepted app:1
	docker_policy "\"type\": \"sigstoreSigned\", \"keyData\": \"$(base64 -w0 "$BATS_FILE_TMPDIR/good.pub")\""
	accepted app:1
	docker_policy "\"type\": \"sigstoreSigned\", \"keyDatas\": [\"$(base64 -w0 "$BATS_FILE_TMPDIR/good.pub")\"]"
	accepted app:1
	docker_policy '"type": "sigstoreSigned", "keyPath": "/etc/passwd"'
	refused app:1 "/etc/passwd: not a public key"
	sigstore_policy nosuch
	refused app:1 nosuch.pub
}

@test "all requirements of a scope must be met" {
	good="{\"type\": \"sigstoreSigned\", \"keyPath\": \"$BATS_FILE_TMPDIR/good.pub\"}"
	evil="{\"type\": \"sigstoreSigned\", \"keyPath\": \"$BATS_FILE_TMPDIR/evil.pub\"}"
	sign good both:1
	write_policy <<<"{\"default\": [$good, $evil]}"
	refused both:1 "not made by a key"
	no_policy
	sign evil both:1
	write_policy <<<"{\"default\": [$good, $evil]}"
	accepted both:1
}

@test "registries.d can say that there are no attachments" {
	registries_d <<<"docker: {'$REGISTRY': {use-sigstore-attachments: false}}"
	sigstore_policy good
	refused app:1 "use-sigstore-attachments: false"
	run sign good nowhere:1
	[ "$status" -ne 0 ]
	assert_output_has "use-sigstore-attachments: false"
}

@test "a list is signed with its images, and the image of a platform verified" {
	make_platform_images
	cooper manifest create --replace app app-amd64 app-arm64 >/dev/null
	cooper manifest push -q --sign-by-sigstore-private-key "$BATS_FILE_TMPDIR/good.key" app "docker://$REGISTRY/list:1"
	cooper manifest push -q app "docker://$REGISTRY/bare:1"
	sigstore_policy good
	for arch in amd64 arm64; do
		fresh_store "$arch"
		run cooper pull -q --arch "$arch" "docker://$REGISTRY/list:1"
		assert_succeeds
		run cooper pull -q --arch "$arch" "docker://$REGISTRY/bare:1"
		assert_fails_with 125 "has no signature"
		remove_store "$COOPER_ROOT"
	done
	cooper image copy -q --all "docker://$REGISTRY/list:1" "dir:$BATS_TEST_TMPDIR/all"
}

@test "the passphrase is asked for before anything is sent" {
	COOPER_KEY_PASSWORD=wrong run sign good early:1
	assert_fails_with 125 "wrong passphrase"
	unset COOPER_KEY_PASSWORD
	run sign good early:1 </dev/null
	assert_fails_with 125 "needs a passphrase"
	run curl -sf "http://$REGISTRY/v2/early/tags/list"
	[ "$status" -ne 0 ]
	echo 'a pass phrase' >"$BATS_TEST_TMPDIR/pass"
	sign good early:1 --sign-passphrase-file "$BATS_TEST_TMPDIR/pass"
	run sign good early:1 --sign-format gpg
	assert_fails_with 125 "--sign-format 'gpg'"
}

@test "a directory takes cosign's format" {
	cd "$BATS_TEST_TMPDIR"
	write_policy <<-END
		{"default": [{"type": "reject"}], "transports": {"dir": {"": [{"type": "sigstoreSigned",
			"keyPath": "$BATS_FILE_TMPDIR/good.pub",
			"signedIdentity": {"type": "exactReference", "dockerReference": "example.org/x:1"}}]}}}
	END
	cooper push -q --sign-by-sigstore-private-key "$BATS_FILE_TMPDIR/good.key" --sign-format legacy --sign-identity example.org/x:1 busybox dir:ours
	fresh_store dir
	run cooper pull -q dir:ours
	assert_succeeds
	sed -i 's/ours/other/; s/"payload":"e/"payload":"f/' ours/signature-1
	run cooper pull -q dir:ours
	[ "$status" -eq 125 ]
	remove_store "$COOPER_ROOT"
}
