# Signatures go along with an image that is copied as it is, and the name comes last.
load lib/common
load lib/signing
load lib/double
load lib/multiarch

setup_file() {
	common_setup_file
	signing_setup_file
	skip_unless skopeo gpg
	use_busybox
	start_registry
	start_double
	export TLS=--tls-verify=false
	make_gpg_keys good
	make_sigstore_keys good
	cooper push -q "$TLS" --sign-by "$KEY_good" --sign-by-sigstore-private-key "$BATS_FILE_TMPDIR/good.key" busybox "docker://$REGISTRY/app:1"
	export NAMED="\"signedIdentity\": {\"type\": \"exactReference\", \"dockerReference\": \"$REGISTRY/app:1\"}"
}

teardown() {
	no_configuration
}

teardown_file() {
	stop_doubles
	signing_teardown_file
	common_teardown_file
}

without_attachments() {
	registries_d <<<'default-docker: {use-sigstore-attachments: false}'
}

# How many manifests refer to the image:  referrers REPOSITORY:TAG
referrers() {
	skopeo --insecure-policy inspect --raw "$TLS" "docker://$REGISTRY/${1%:*}:$(registry_digest "$1" | tr : -)" |
		json_get 'len(document["manifests"])'
}

@test "between repositories all three kinds go along, and are believed there" {
	cooper image copy -q "$TLS" "docker://$REGISTRY/app:1" "docker://$REGISTRY/mirror/app:1"
	gpg_policy good ", $NAMED"
	accepted mirror/app:1
	skopeo copy -q --src-tls-verify=false "docker://$REGISTRY/mirror/app:1" "dir:$BATS_TEST_TMPDIR/theirs"
	sigstore_policy good ", $NAMED"
	accepted mirror/app:1
	[ "$(referrers mirror/app:1)" -eq 1 ]
	# The bundle alone: without the signature under the tag.
	cooper image delete "$TLS" "docker://$REGISTRY/mirror/app:$(registry_digest mirror/app:1 | tr : -).sig"
	accepted mirror/app:1
}

@test "again nothing is added, and what is there already stays" {
	cooper image copy -q "$TLS" "docker://$REGISTRY/app:1" "docker://$REGISTRY/again:1"
	before=$(curl -sS "http://$REGISTRY/v2/again/tags/list")
	signatures=$(skopeo --insecure-policy inspect --raw "$TLS" "docker://$REGISTRY/again:$(registry_digest again:1 | tr : -).sig")
	files=$(find "$LOOKASIDE" -path '*again*' -type f | wc -l)
	[ "$files" -eq 1 ]
	cooper image copy -q "$TLS" "docker://$REGISTRY/app:1" "docker://$REGISTRY/again:1" "docker://$REGISTRY/again:2"
	[ "$(find "$LOOKASIDE" -path '*again*' -type f | wc -l)" -eq 1 ]
	[ "$(referrers again:1)" -eq 1 ]
	[ "$(skopeo --insecure-policy inspect --raw "$TLS" "docker://$REGISTRY/again:$(registry_digest again:1 | tr : -).sig")" = "$signatures" ]
	[ -n "$before" ]
}

@test "--remove-signatures leaves them behind" {
	cooper image copy -q "$TLS" --remove-signatures "docker://$REGISTRY/app:1" "docker://$REGISTRY/bare:1"
	gpg_policy good ", $NAMED"
	refused bare:1 "has no signature"
	sigstore_policy good ", $NAMED"
	refused bare:1 "has no signature"
}

@test "through a directory and back; skopeo reads what lies there" {
	cd "$BATS_TEST_TMPDIR"
	run cooper image copy -q "$TLS" "docker://$REGISTRY/app:1" dir:carried
	assert_succeeds
	assert_output_has "no place for sigstore bundles, leaving 1 out"
	[ "$(find carried -name "signature-*" | wc -l)" -eq 2 ]
	cooper image copy -q "$TLS" dir:carried "docker://$REGISTRY/back:1"
	gpg_policy good ", $NAMED"
	accepted back:1
	sigstore_policy good ", $NAMED"
	accepted back:1
	without_attachments
	no_policy
	rm carried/signature-2 # Debian's skopeo knows no sigstore
	skopeo --insecure-policy copy -q --dest-tls-verify=false dir:carried "docker://$REGISTRY/skopeo:1"
	[ "$(find "$LOOKASIDE" -path '*/skopeo@*' -type f | wc -l)" -eq 1 ]
}

@test "what skopeo has signed goes along; a list with the signatures of its images" {
	make_platform_images
	push_list listed
	cooper image copy -q "$TLS" --all --sign-by "$KEY_good" "docker://$REGISTRY/listed:1" "docker://$REGISTRY/listed:2"
	cooper image copy -q "$TLS" --all "docker://$REGISTRY/listed:2" "docker://$REGISTRY/list-copy:2"
	[ "$(find "$LOOKASIDE" -path '*/list-copy@*' -type f | wc -l)" -eq 3 ]
	cooper image copy -q "$TLS" --platform linux/arm64 "docker://$REGISTRY/listed:2" "docker://$REGISTRY/list-one:2"
	[ "$(find "$LOOKASIDE" -path '*/list-one@*' -type f | wc -l)" -eq 1 ]
	cooper image copy -q "$TLS" --all "docker://$REGISTRY/listed:2" "dir:$BATS_TEST_TMPDIR/list"
	[ "$(find "$BATS_TEST_TMPDIR/list" -name '*signature-*' | wc -l)" -eq 3 ]
	cooper image copy -q "$TLS" --all "dir:$BATS_TEST_TMPDIR/list" "docker://$REGISTRY/list-back:2"
	[ "$(find "$LOOKASIDE" -path '*/list-back@*' -type f | wc -l)" -eq 3 ]
}

@test "an image that is changed on the way leaves its signatures behind, and says so" {
	run cooper image copy -q "$TLS" --format v2s2 "docker://$REGISTRY/app:1" "docker://$REGISTRY/changed:1"
	assert_succeeds
	assert_output_has "had to be changed, its signatures (3) are left behind"
	[ -z "$(find "$LOOKASIDE" -path '*/changed@*' -type f)" ]
	# Signed by us they go with ours.
	run cooper image copy -q "$TLS" --format v2s2 --sign-by "$KEY_good" "docker://$REGISTRY/app:1" "docker://$REGISTRY/changed:2"
	assert_succeeds
	gpg_policy good
	accepted changed:2
}

@test "the tag comes after the signatures, and not at all without them" {
	double_does '{}'
	cooper image copy -q "$TLS" "docker://$REGISTRY/app:1" "docker://$DOUBLE/late:1"
	[ "$(double_log 'map(select(.method == "PUT" and (.path | test("/manifests/")))) | last | .path')" = /v2/late/manifests/1 ]
	for place in 'manifests/.*[.]sig' 'blobs/uploads/.*digest=' 'manifests/sha256:'; do
		double_does "{\"faults\": [{\"method\": \"PUT\", \"path\": \"v2/failed/$place\", \"do\": \"status\", \"status\": 403, \"count\": 0}]}"
		run cooper image copy -q "$TLS" "docker://$REGISTRY/app:1" "docker://$DOUBLE/failed:1"
		[ "$status" -eq 1 ] || fail "$place: $output"
		[ "$(double_log 'map(select(.path == "/v2/failed/manifests/1" and .method == "PUT")) | length')" -eq 0 ]
	done
	double_does '{"faults": [{"method": "PUT", "path": "sig$", "do": "status", "status": 403, "count": 0}]}'
	run cooper push -q "$TLS" --sign-by-sigstore-private-key "$BATS_FILE_TMPDIR/good.key" busybox "docker://$DOUBLE/unsigned:1"
	assert_fails_with 120 "the image has arrived, but gets no name: the image cannot be signed"
	run cooper image inspect "$TLS" "docker://$DOUBLE/unsigned:1"
	[ "$status" -eq 2 ]
}
