# manifest add --artifact: files as entries of a list.
load lib/common
load lib/multiarch

setup_file() {
	common_setup_file
	make_platform_images
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	printf '# Notes\n' >notes.md
	printf '{"a": 1}' >data
	head -c 2000 /dev/urandom >blob.bin
}

teardown() {
	stop_registries
}

# The manifest of the list's entry whose artifact type is this:  artifact_of LIST TYPE
artifact_of() {
	local digest
	digest=$(cooper manifest inspect "$1" | json_get "[m['digest'] for m in document['manifests'] if m.get('artifactType') == '$2'][0]") &&
		cat "$COOPER_ROOT/oci/blobs/sha256/${digest#sha256:}"
}

@test "files become an artifact beside the images, which prune and push keep whole" {
	cooper manifest create things app-amd64 app-arm64
	run --separate-stderr cooper manifest add --artifact --artifact-type application/vnd.example.docs \
		--artifact-annotation org.example.a=b=c --annotation in=list things notes.md data blob.bin
	[[ $output =~ ^[0-9a-f]{64}:\ sha256:[0-9a-f]{64}$ ]]
	digest=${output#*: }
	run cooper manifest inspect things
	[ "$(json_get 'document["manifests"][2]["digest"]' <<<"$output")" = "$digest" ]
	[ "$(json_get 'document["manifests"][2]["annotations"]' <<<"$output")" = "{'in': 'list'}" ]
	[ "$(json_get '"platform" in document["manifests"][2]' <<<"$output")" = False ]
	manifest=$(artifact_of things application/vnd.example.docs)
	[ "$(json_get 'document["artifactType"]' <<<"$manifest")" = application/vnd.example.docs ]
	[ "$(json_get 'document["annotations"]' <<<"$manifest")" = "{'org.example.a': 'b=c'}" ]
	[ "$(json_get 'document["config"]["mediaType"], document["config"]["size"]' <<<"$manifest")" = "('application/vnd.oci.empty.v1+json', 2)" ]
	titles="[(l['mediaType'], l['annotations']['org.opencontainers.image.title']) for l in document['layers']]"
	[ "$(json_get "$titles" <<<"$manifest")" = "[('text/markdown', 'notes.md'), ('text/plain', 'data'), ('application/octet-stream', 'blob.bin')]" ]
	cooper prune
	start_registry
	cooper manifest push -q --tls-verify=false things "$REGISTRY/things:1"
	skopeo --insecure-policy copy -q --src-tls-verify=false "docker://$REGISTRY/things@$digest" "dir:$BATS_TEST_TMPDIR/got"
	cmp blob.bin "got/$(sha256sum <blob.bin | cut -d' ' -f1)"
	[ "$(platform_of --platform linux/arm64 things)" = arm64 ]
}

@test "types, configuration, titles and subject as told" {
	cooper manifest create told
	echo '{"my": "config"}' >config.json
	cooper manifest add --artifact --artifact-config config.json --artifact-config-type application/vnd.example.config+json \
		--artifact-layer-type application/vnd.example.layer --artifact-exclude-titles --artifact-subject app-amd64 \
		--os linux --arch arm64 told data
	run cooper manifest inspect told
	[ "$(json_get 'document["manifests"][0]["platform"]["architecture"]' <<<"$output")" = arm64 ]
	digest=$(json_get 'document["manifests"][0]["digest"]' <<<"$output")
	manifest=$(cat "$COOPER_ROOT/oci/blobs/sha256/${digest#sha256:}")
	[ "$(json_get 'document["config"]["mediaType"]' <<<"$manifest")" = application/vnd.example.config+json ]
	[ "$(json_get 'document["layers"][0]["mediaType"]' <<<"$manifest")" = application/vnd.example.layer ]
	[ "$(json_get '"annotations" in document["layers"][0]' <<<"$manifest")" = False ]
	# What the configuration tells need not be told twice.
	[ "$(json_get '"artifactType" in document' <<<"$manifest")" = False ]
	[ "$(json_get 'document["subject"]["digest"]' <<<"$manifest")" = "$(cooper inspect --format '{{.FromImageDigest}}' app-amd64)" ]
	# An artifact takes no image's place, whatever it is for.
	cooper manifest add told app-arm64
	cooper manifest add --artifact --os linux --arch arm64 told notes.md
	[ "$(cooper manifest inspect told | json_get 'len(document["manifests"])')" = 3 ]
	[ "$(artifact_of told application/vnd.unknown.artifact.v1 | json_get 'len(document["layers"])')" = 1 ]
}

@test "what cannot be an artifact is refused, and nothing changes" {
	cooper manifest create refused
	before=$(cooper manifest inspect refused)
	run cooper manifest add --artifact refused nosuch
	assert_fails_with 125 "'nosuch'"
	mkfifo pipe
	run cooper manifest add --artifact refused pipe
	assert_fails_with 125 "not a regular file"
	run cooper manifest add --artifact refused .
	assert_fails_with 125 "not a regular file"
	run cooper manifest add --artifact --artifact-type 'no type' refused data
	assert_fails_with 125 "--artifact-type 'no type': not a media type"
	run cooper manifest add --artifact --artifact-layer-type 'text/plain; charset=utf-8' refused data
	assert_fails_with 125 "not a media type"
	run cooper manifest add --artifact-type text/plain refused app-amd64
	assert_fails_with 125 "need --artifact"
	run cooper manifest add refused app-amd64 app-arm64
	assert_fails_with 125 "one IMAGE at a time"
	run cooper manifest add --artifact --artifact-annotation nothing refused data
	assert_fails_with 125 "--artifact-annotation 'nothing'"
	run cooper manifest add --artifact --artifact-subject nosuch:nosuch/x refused data
	assert_fails_with 125 "--artifact-subject"
	run cooper manifest add --artifact nosuchlist data
	assert_fails_with 125 "nosuchlist"
	[ "$(cooper manifest inspect refused)" = "$before" ]
}
