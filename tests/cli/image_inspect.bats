# Images looked at and removed where they are: image inspect, tags, delete, digest, and their exit statuses.
load lib/common
load lib/multiarch

setup_file() {
	common_setup_file
	make_platform_images
	start_registry
	push_list app
	cooper image copy -q --tls-verify=false "docker://$REGISTRY/app:1" "docker://$REGISTRY/app:2"
	export PLACE=docker://$REGISTRY/app:1 TLS=--tls-verify=false
}

# Both as sorted JSON, without what only newer ones of the other tool print.
same_as_skopeo() {
	diff <(cooper image inspect "$@" | python3 -c 'import json, sys; d = json.load(sys.stdin); d.pop("LayersData"); print(json.dumps(d, sort_keys=True))') \
		<(skopeo inspect "$@" | python3 -c 'import json, sys; d = json.load(sys.stdin); d.pop("LayersData", None); print(json.dumps(d, sort_keys=True))')
}

@test "inspect tells what skopeo tells, of each kind of place" {
	cd "$BATS_TEST_TMPDIR"
	same_as_skopeo "$TLS" "$PLACE"
	same_as_skopeo "$TLS" "docker://$REGISTRY/app:2"
	cooper image copy -q "$TLS" "$PLACE" oci:l:x dir:d docker-archive:a.tar:x:1
	same_as_skopeo oci:l:x
	same_as_skopeo dir:d
	# The manifest of an archive is made up by whoever reads it.
	[ "$(cooper image inspect --format '{{.Name}} {{.Layers}}' docker-archive:a.tar:x:1)" = "$(skopeo inspect --format '{{.Name}} {{.Layers}}' docker-archive:a.tar:x:1)" ]
	run cooper image inspect app-amd64
	[ "$(json_get 'document["Labels"]["arch"]' <<<"$output")" = amd64 ]
}

@test "the data of layers, templates, a platform, the configuration, the document as it is" {
	run cooper image inspect "$TLS" "$PLACE"
	[ "$(json_get '[sorted(l) for l in document["LayersData"]][0]' <<<"$output")" = "['Annotations', 'Digest', 'MIMEType', 'Size']" ]
	[ "$(json_get '[l["Digest"] for l in document["LayersData"]] == document["Layers"]' <<<"$output")" = True ]
	run cooper image inspect "$TLS" --override-arch arm64 --format '{{.Architecture}} {{index .Labels "arch"}} {{len .Layers}}' "$PLACE"
	assert_output_is "arm64 arm64 2"
	run cooper image inspect "$TLS" --no-tags --format '{{.RepoTags}}' "$PLACE"
	assert_output_is "[]"
	run cooper image inspect "$TLS" --config --format '{{.Config.Env}} {{.Architecture}}' "$PLACE"
	assert_output_is "[ARCH=amd64] amd64"
	run cooper image inspect "$TLS" --config "$PLACE"
	[ "$(json_get 'document["rootfs"]["type"]' <<<"$output")" = layers ]
	cmp <(cooper image inspect "$TLS" --raw "$PLACE") <(skopeo inspect "$TLS" --raw "$PLACE")
	cmp <(cooper image inspect "$TLS" --raw --config "docker://$REGISTRY/app:2") <(skopeo inspect "$TLS" --raw --config "docker://$REGISTRY/app:2")
	run cooper image inspect "$TLS" --raw --format x "$PLACE"
	[ "$status" -eq 1 ]
}

@test "digest of a file and of standard input" {
	run bash -c "cooper image inspect $TLS --raw $PLACE | cooper image digest -"
	[ "$output" = "$(cooper image inspect "$TLS" --format '{{.Digest}}' "$PLACE")" ]
	cooper image inspect "$TLS" --raw "$PLACE" >"$BATS_TEST_TMPDIR/m"
	[ "$(cooper image manifest-digest "$BATS_TEST_TMPDIR/m")" = "$output" ]
	[ "$(skopeo manifest-digest "$BATS_TEST_TMPDIR/m")" = "$output" ]
}

@test "tags of a repository, an archive, a layout" {
	diff <(cooper image tags "$TLS" "docker://$REGISTRY/app" | json_get document) <(skopeo list-tags "$TLS" "docker://$REGISTRY/app" | json_get document)
	run cooper image list-tags "$TLS" "docker://$REGISTRY/app:1"
	assert_fails_with 1 "without a tag"
	run cooper image tags "$TLS" "docker://$REGISTRY/nosuch"
	[ "$status" -eq 2 ]
	cooper image copy -q "$TLS" "$PLACE" "oci:$BATS_TEST_TMPDIR/l:one"
	cooper image copy -q "$TLS" "$PLACE" "oci:$BATS_TEST_TMPDIR/l:two"
	[ "$(cooper image tags "oci:$BATS_TEST_TMPDIR/l" | json_get 'document["Tags"]')" = "['one', 'two']" ]
}

@test "delete from a registry, and what is not there is 2" {
	ctr=$(cooper from app-amd64)
	cooper config --label unique=yes "$ctr"
	cooper commit -q --rm "$ctr" unique
	cooper push -q "$TLS" unique "$REGISTRY/gone:1"
	run cooper image delete "$TLS" "docker://$REGISTRY/gone:1"
	assert_succeeds
	run cooper image inspect "$TLS" "docker://$REGISTRY/gone:1"
	[ "$status" -eq 2 ]
	run cooper image delete "$TLS" "docker://$REGISTRY/gone:1"
	[ "$status" -eq 2 ]
	run cooper image delete --tag-only "$TLS" "docker://$REGISTRY/app:2"
	[ "$status" -eq 1 ] # this registry removes by digest only
	run cooper image copy "$TLS" oci:/nosuch:x dir:/tmp/never
	[ "$status" -eq 2 ]
	run cooper image inspect nosuch-image
	[ "$status" -eq 2 ]
	run cooper image inspect "$TLS" --retry 0 docker://127.0.0.1:1/x
	[ "$status" -eq 1 ]
	run cooper image --nosuch
	[ "$status" -ne 0 ]
}

@test "delete from a layout takes the blobs that no other image there has" {
	cd "$BATS_TEST_TMPDIR"
	cooper image copy -q "$TLS" "$PLACE" oci:l:amd
	cooper image copy -q "$TLS" --platform linux/arm64 "$PLACE" oci:l:arm
	before=$(find l/blobs -type f | wc -l)
	cooper image delete oci:l:arm
	# Its manifest, configuration and second layer; the first is the other's, too.
	[ "$(find l/blobs -type f | wc -l)" -eq $((before - 3)) ]
	[ "$(platform_of oci:l:amd)" = amd64 ]
	umoci ls --layout l >list || true
	run cooper image delete oci:l:arm
	[ "$status" -eq 2 ]
	cooper image delete oci:l:amd
	[ -z "$(find l/blobs -type f)" ]
	run cooper image delete dir:d
	[ "$status" -eq 1 ]
}

@test "delete from a layout leaves what an image that cannot be read may need" {
	cd "$BATS_TEST_TMPDIR"
	cooper image copy -q "$TLS" "$PLACE" oci:l:amd
	cooper image copy -q "$TLS" "$PLACE" oci:l:other
	before=$(find l/blobs -type f | wc -l)
	# The same manifest, said to be of a kind that only others know.
	jq '.manifests |= map(if .annotations["org.opencontainers.image.ref.name"] == "other"
		then .mediaType = "application/vnd.others.image+json" else . end)' l/index.json >index
	mv index l/index.json
	run -0 cooper image delete oci:l:amd
	assert_output_has "cooper: warning: another image there cannot be followed to all its blobs: none is removed"
	[ "$(find l/blobs -type f | wc -l)" -eq "$before" ]
	[ "$(jq '.manifests | length' l/index.json)" -eq 1 ]
}

@test "delete from a layout counts on no image whose manifest is damaged" {
	cd "$BATS_TEST_TMPDIR"
	cooper image copy -q "$TLS" "$PLACE" oci:l:amd
	cooper image copy -q "$TLS" --platform linux/arm64 "$PLACE" oci:l:arm
	before=$(find l/blobs -type f | wc -l)
	digest=$(jq -r '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == "arm").digest' l/index.json)
	chmod u+w "l/blobs/sha256/${digest#sha256:}"
	printf ' ' >>"l/blobs/sha256/${digest#sha256:}"
	run -0 cooper image delete oci:l:amd
	assert_output_has "none is removed"
	[ "$(find l/blobs -type f | wc -l)" -eq "$before" ]
}

@test "delete from the store" {
	cooper tag app-amd64 doomed
	cooper image delete doomed
	run cooper images -q doomed
	[ "$status" -eq 125 ]
	cooper images -q app-amd64
}

@test "each command of the group explains itself" {
	run cooper image
	for command in copy inspect tags delete sync digest; do
		assert_output_has "$command"
	done
	for command in copy inspect tags delete sync digest; do
		run cooper image "$command" --help
		assert_succeeds
		assert_output_has "Usage: cooper image $command"
		run cooper help --man image "$command"
		assert_output_has "cooper\\-image\\-$command"
	done
	run cooper help image nosuch
	[ "$status" -eq 125 ]
	run bash -c 'eval "$(cooper completion bash)"
		for COMP_LINE in "cooper image cop" "cooper image copy --multi"; do
			COMP_WORDS=($COMP_LINE) COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_POINT=${#COMP_LINE}
			_cooper
			echo "${COMPREPLY[@]}"
		done'
	assert_output_is $'copy\n--multi-arch'
}
