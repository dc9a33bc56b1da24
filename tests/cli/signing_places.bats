# Where signatures are looked for besides the registry that is named, and those that name no image.
load lib/common
load lib/signing
load lib/double
load lib/multiarch

setup_file() {
	common_setup_file
	signing_setup_file
	use_busybox
	make_sigstore_keys good evil
	start_double
	export MIRROR=$DOUBLE
	double_does '{}'
	for format in legacy bundle; do
		cooper push -q --tls-verify=false --sign-by-sigstore-private-key "$BATS_FILE_TMPDIR/good.key" \
			--sign-format "$format" --sign-identity "registry.test/team/$format:1" busybox "docker://$MIRROR/cache/team/$format:1"
	done
	cooper push -q --tls-verify=false busybox "docker://$MIRROR/cache/team/unsigned:1"
}

setup() {
	export CONTAINERS_REGISTRIES_CONF=$BATS_TEST_TMPDIR/registries.conf
	double_does '{}'
	fresh_store "places-$BATS_TEST_NUMBER"
	write_policy <<-END
		{"default": [{"type": "insecureAcceptAnything"}],
		 "transports": {"docker": {"registry.test": [{"type": "sigstoreSigned", "keyPath": "$BATS_FILE_TMPDIR/good.pub"}]}}}
	END
}

teardown() {
	no_policy
	remove_store "$COOPER_ROOT" "$COOPER_RUNROOT"
}

# registry.test, which nobody can reach, and its mirror:  mirrored ['key = …' of the mirror]
mirrored() {
	cat >"$CONTAINERS_REGISTRIES_CONF" <<-EOF
	[[registry]]
	prefix = "registry.test"
	location = "127.0.0.1:1"
	insecure = true
	[[registry.mirror]]
	location = "$MIRROR/cache"
	insecure = true
	${1:-}
	EOF
}

quick=(--tls-verify=false --retry 0)

@test "signatures lie at a mirror as the images do, and the registry need not be there" {
	mirrored
	for format in legacy bundle; do
		run cooper pull -q "${quick[@]}" "registry.test/team/$format:1"
		[ "$status" -eq 0 ] || fail "$format" || return
	done
	# What is not known to be signed is not accepted, also when it is only the registry that could know.
	run cooper pull -q "${quick[@]}" registry.test/team/unsigned:1
	[ "$status" -eq 125 ]
	write_policy <<-END
		{"default": [{"type": "sigstoreSigned", "keyPath": "$BATS_FILE_TMPDIR/evil.pub"}]}
	END
	run cooper pull -q "${quick[@]}" registry.test/team/legacy:1
	[ "$status" -eq 125 ]
}

@test "a mirror for digests only has the signatures of what it has" {
	mirrored 'pull-from-mirror = "digest-only"'
	digest=$(skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$MIRROR/cache/team/legacy:1")
	for format in legacy bundle; do
		run cooper pull -q "${quick[@]}" "registry.test/team/$format@$digest"
		[ "$status" -eq 0 ] || fail "$format" || return
	done
}

@test "what is signed is looked up in the registry itself, not in its mirror" {
	cat >"$CONTAINERS_REGISTRIES_CONF" <<-EOF
	[[registry]]
	location = "$MIRROR/own"
	insecure = true
	[[registry.mirror]]
	location = "$MIRROR/cache/team"
	insecure = true
	EOF
	no_policy
	use_busybox
	for format in legacy bundle; do
		cooper push -q --tls-verify=false --sign-by-sigstore-private-key "$BATS_FILE_TMPDIR/good.key" \
			--sign-format "$format" --sign-identity "registry.test/team/$format:1" busybox "docker://$MIRROR/own/$format:1"
		# The mirror has this signature; that does not make it the registry's.
		[ "$(double_log "map(select(.method == \"PUT\" and .status == 201 and (.path | test(\"own/$format/manifests/sha256\")))) | length")" -gt 0 ] ||
			fail "$format" || return
	done
}

# As cosign 3 writes it: the subject has a digest and no name.
attach_nameless_bundle() {
	local digest=$1 repository=$2
	python3 - "$digest" "$BATS_FILE_TMPDIR/hand.key" "$MIRROR" "$repository" <<-'END'
		import base64, hashlib, json, subprocess, sys, urllib.request
		digest, key, host, repository = sys.argv[1:]
		def request(method, path, data=None, kind=None):
		    headers = {"Content-Type": kind} if kind else {}
		    return urllib.request.urlopen(urllib.request.Request(f"http://{host}{path}", data, headers, method=method))
		def put_blob(data):
		    name = "sha256:" + hashlib.sha256(data).hexdigest()
		    place = request("POST", f"/v2/{repository}/blobs/uploads/", b"").headers["Location"]
		    place += ("&" if "?" in place else "?") + "digest=" + name
		    request("PUT", place.removeprefix(f"http://{host}"), data, "application/octet-stream")
		    return {"digest": name, "size": len(data)}
		statement = json.dumps({"_type": "https://in-toto.io/Statement/v1", "predicateType": "https://sigstore.dev/cosign/sign/v1",
		                        "subject": [{"digest": {"sha256": digest.removeprefix("sha256:")}}], "predicate": {}}).encode()
		kind = "application/vnd.in-toto+json"
		encoded = f"DSSEv1 {len(kind)} {kind} {len(statement)} ".encode() + statement
		signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=encoded, capture_output=True, check=True).stdout
		bundle = json.dumps({"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
		                     "verificationMaterial": {"publicKey": {"hint": ""}},
		                     "dsseEnvelope": {"payload": base64.b64encode(statement).decode(), "payloadType": kind,
		                                      "signatures": [{"sig": base64.b64encode(signature).decode()}]}}).encode()
		accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
		image = urllib.request.urlopen(urllib.request.Request(f"http://{host}/v2/{repository}/manifests/{digest}", headers=accept)).read()
		manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		            "artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json",
		            "config": {"mediaType": "application/vnd.oci.empty.v1+json", **put_blob(b"{}")},
		            "layers": [{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", **put_blob(bundle)}],
		            "subject": {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": len(image)}}
		text = json.dumps(manifest).encode()
		request("PUT", f"/v2/{repository}/manifests/sha256:{hashlib.sha256(text).hexdigest()}", text, manifest["mediaType"])
	END
}

@test "a bundle that names no image, as cosign writes them: by digest, where the repository is enough" {
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$BATS_FILE_TMPDIR/hand.key" 2>/dev/null
	openssl pkey -in "$BATS_FILE_TMPDIR/hand.key" -pubout -out "$BATS_FILE_TMPDIR/hand.pub"
	echo >"$CONTAINERS_REGISTRIES_CONF"
	name=$MIRROR/cache/team/unsigned
	digest=$(skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$name:1")
	write_policy <<<"{\"default\": [{\"type\": \"sigstoreSigned\", \"keyPath\": \"$BATS_FILE_TMPDIR/hand.pub\", \"signedIdentity\": {\"type\": \"matchRepository\"}}]}"
	run cooper pull -q "${quick[@]}" "$name@$digest"
	assert_fails_with 125 "has no signature"
	attach_nameless_bundle "$digest" cache/team/unsigned
	cooper pull -q "${quick[@]}" "$name@$digest"
	cooper pull -q "${quick[@]}" "$name:1@$digest"
	# Whoever asks by the tag could be given any image that the key has ever signed.
	run cooper pull -q "${quick[@]}" "$name:1"
	assert_fails_with 125 "it names no image"
	write_policy <<<"{\"default\": [{\"type\": \"sigstoreSigned\", \"keyPath\": \"$BATS_FILE_TMPDIR/hand.pub\"}]}"
	run cooper pull -q "${quick[@]}" "$name@$digest"
	assert_fails_with 125 "matchRepository"
}
