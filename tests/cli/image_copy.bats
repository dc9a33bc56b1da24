# Images copied from any place to any other, as people use skopeo for.
load lib/common
load lib/double
load lib/multiarch

setup_file() {
	common_setup_file
	make_platform_images
	start_registry
	push_list src/app
	export SOURCE=docker://$REGISTRY/src/app:1 TLS=--tls-verify=false
}

raw() {
	skopeo inspect --raw --tls-verify=false "$1"
}

digest_of() {
	raw "$1" | sha256sum | cut -d' ' -f1
}

@test "each transport to each other, with the same files in the end" {
	cd "$BATS_TEST_TMPDIR"
	cooper image copy -q "$TLS" "$SOURCE" oci:oci:x dir:dir oci-archive:oci.tar:x docker-archive:docker.tar:x:1 store:stored
	for from in oci:oci:x dir:dir oci-archive:oci.tar:x docker-archive:docker.tar:x:1 stored; do
		for to in oci:out-oci:x dir:out-dir oci-archive:out-oci.tar:x docker-archive:out-docker.tar:x:1 "docker://$REGISTRY/out:1"; do
			cooper image copy -q "$TLS" "$from" "$to" || fail "$from to $to"
			[ "$(platform_of "$TLS" "$to")" = amd64 ] || fail "$from to $to: other files"
			rm -rf out-*
		done
	done
}

@test "what stays as it is keeps its digest, the store is not touched, nothing is left behind" {
	cd "$BATS_TEST_TMPDIR"
	fresh_store untouched
	cooper image copy -q "$TLS" --all --preserve-digests --digestfile d "$SOURCE" dir:all
	[ "$(cat d)" = "sha256:$(digest_of "$SOURCE")" ]
	[ "$(digest_of dir:all)" = "$(digest_of "$SOURCE")" ]
	cooper image copy -q "$TLS" --all --preserve-digests dir:all "docker://$REGISTRY/kept:1"
	[ "$(digest_of "docker://$REGISTRY/kept:1")" = "$(digest_of "$SOURCE")" ]
	run cooper images -q
	assert_output_is ""
	[ -z "$(ls "$COOPER_ROOT/tmp")" ]
	[ -z "$(find "$COOPER_ROOT/oci/blobs" -type f 2>/dev/null)" ]
	remove_store "$COOPER_ROOT"
}

@test "several destinations share no file, and a source with wrong bytes is refused before anything has a name" {
	cd "$BATS_TEST_TMPDIR"
	cooper image copy -q "$TLS" "$SOURCE" dir:source
	cooper image copy -q dir:source dir:one dir:two oci:three:x
	[ -z "$(find source one two three -type f -links +1)" ]
	[ -z "$(find one two three -type f ! -perm 644)" ]
	fresh_store empty # else what is wrong there would be taken from the user's own store
	blob=$(find source -type f -size +100k | head -n 1)
	size=$(stat -c %s "$blob")
	printf X | dd of="$blob" bs=1 seek=$((size / 2)) conv=notrunc status=none
	for place in "docker://$REGISTRY/wrong:1" dir:wrong oci:wrong-layout:x; do
		run cooper image copy -q "$TLS" dir:source "$place"
		assert_fails_with 1 "digest"
	done
	[ ! -e wrong/manifest.json ]
	run cooper image inspect "$TLS" "docker://$REGISTRY/wrong:1"
	[ "$status" -eq 2 ]
	truncate -s -1 "$blob"
	run cooper image copy -q "$TLS" dir:source "docker://$REGISTRY/wrong:1"
	assert_fails_with 1 "bytes instead of"
	remove_store "$COOPER_ROOT"
}

@test "within a registry blobs are mounted, not moved" {
	before=$(grep -c '"GET /v2/src/app/blobs' "$REGISTRY_LOG" || true)
	run cooper image copy "$TLS" --all "$SOURCE" "docker://$REGISTRY/mounted:1"
	assert_succeeds
	assert_output_has "mounted from src/app"
	run ! grep '"\(PATCH\|PUT\) /v2/mounted/blobs' "$REGISTRY_LOG"
	[ "$(grep -c '"GET /v2/src/app/blobs' "$REGISTRY_LOG" || true)" = "$before" ]
}

@test "a blob that comes from one registry and goes to another is told once" {
	start_double
	fresh_store empty
	run cooper image copy "$TLS" "$SOURCE" "docker://$DOUBLE/told:1"
	stop_doubles
	assert_succeeds
	[ "$(grep -c "^Copying blob" <<<"$output")" -ge 2 ]
	[ -z "$(grep "^Copying blob" <<<"$output" | sort | uniq -d)" ]
	assert_output_has "Writing manifest"
	remove_store "$COOPER_ROOT"
}

@test "blobs that the destination has are not fetched" {
	cooper image copy -q "$TLS" "$SOURCE" "oci:$BATS_TEST_TMPDIR/l:one"
	before=$(grep -c '"GET /v2/src/app/blobs' "$REGISTRY_LOG")
	cooper image copy -q "$TLS" "$SOURCE" "oci:$BATS_TEST_TMPDIR/l:two"
	[ "$(grep -c '"GET /v2/src/app/blobs' "$REGISTRY_LOG")" -eq "$before" ]
}

@test "--platform and --override-arch choose of a list; --all and --multi-arch take it whole" {
	cd "$BATS_TEST_TMPDIR"
	cooper image copy -q "$TLS" --platform linux/arm64 "$SOURCE" oci:l:a
	[ "$(platform_of oci:l:a)" = arm64 ]
	cooper image copy -q "$TLS" --override-arch arm64 --override-os linux "$SOURCE" oci:l:b
	[ "$(platform_of oci:l:b)" = arm64 ]
	run cooper image copy -q "$TLS" --platform linux/s390x "$SOURCE" oci:l:c
	assert_fails_with 2 "linux/amd64, linux/arm64"
	cooper image copy -q "$TLS" --multi-arch all "$SOURCE" oci:l:d
	[ "$(platform_of --platform linux/arm64 oci:l:d)" = arm64 ]
	cooper image copy -q "$TLS" --multi-arch index-only "$SOURCE" "docker://$REGISTRY/src/app:again"
	[ "$(digest_of "docker://$REGISTRY/src/app:again")" = "$(digest_of "$SOURCE")" ]
	run cooper image copy --all --multi-arch all "$SOURCE" oci:l:e
	assert_fails_with 1 "--multi-arch"
	run cooper image copy --all --arch arm64 "$SOURCE" oci:l:e
	assert_fails_with 1 "platform"
	run cooper image copy "$TLS" --all "$SOURCE" docker-archive:no.tar
	assert_fails_with 1 "not a list"
	[ ! -e no.tar ]
}

@test "--format changes manifest, list and configuration, and others read it" {
	cd "$BATS_TEST_TMPDIR"
	cooper image copy -q "$TLS" --all --format v2s2 "$SOURCE" "docker://$REGISTRY/v2s2:1"
	[ "$(raw "docker://$REGISTRY/v2s2:1" | json_get 'document["mediaType"]')" = application/vnd.docker.distribution.manifest.list.v2+json ]
	[ "$(raw "docker://$REGISTRY/v2s2:1" | json_get 'set(m["mediaType"] for m in document["manifests"])')" = "{'application/vnd.docker.distribution.manifest.v2+json'}" ]
	skopeo --insecure-policy copy -q --src-tls-verify=false "docker://$REGISTRY/v2s2:1" docker-archive:theirs.tar:x:1
	[ "$(platform_of docker-archive:theirs.tar)" = amd64 ]
	cooper image copy -q "$TLS" --all --format oci "docker://$REGISTRY/v2s2:1" "docker://$REGISTRY/oci:1"
	[ "$(raw "docker://$REGISTRY/oci:1" | json_get 'document["mediaType"]')" = application/vnd.oci.image.index.v1+json ]
	run cooper image copy "$TLS" --preserve-digests --format v2s2 "$SOURCE" dir:no
	assert_fails_with 1 "--preserve-digests"
	run cooper image copy --format v2s1 "$SOURCE" dir:no
	assert_fails_with 1 "schema 1"
	run cooper image copy --format v2s2 "$SOURCE" oci:no
	assert_fails_with 1 "OCI format only"
}

@test "shared blob folders, further tags, uncompressed layers" {
	cd "$BATS_TEST_TMPDIR"
	cooper image copy -q "$TLS" --dest-shared-blob-dir shared "$SOURCE" oci:a:x
	[ ! -e a/blobs ]
	[ -n "$(ls shared/sha256)" ]
	cooper image copy -q --src-shared-blob-dir shared oci:a:x oci:b:x
	[ "$(platform_of oci:b:x)" = amd64 ]
	skopeo --insecure-policy copy -q --src-shared-blob-dir shared oci:a:x dir:theirs
	cooper image copy -q --additional-tag x:2 --additional-tag example.org/y:3 oci:b:x docker-archive:tags.tar:x:1
	[ "$(cooper image tags docker-archive:tags.tar | json_get 'document["Tags"]')" = "['docker.io/library/x:1', 'docker.io/library/x:2', 'example.org/y:3']" ]
	skopeo inspect docker-archive:tags.tar:example.org/y:3 >/dev/null
	cooper image copy -q docker-archive:tags.tar:x:2 oci:packed:x
	cooper image copy -q --dest-oci-accept-uncompressed-layers docker-archive:tags.tar:x:2 oci:plain:x
	[[ $(raw oci:packed:x) == *tar+gzip* ]]
	[[ $(raw oci:plain:x) != *tar+gzip* ]]
	cooper image copy -q --dest-decompress oci:packed:x dir:plain-dir
	[[ $(raw dir:plain-dir) != *tar+gzip* ]]
	cooper image copy -q --dest-compress dir:plain-dir dir:packed-dir
	[[ $(raw dir:packed-dir) == *tar+gzip* ]]
	run cooper image copy --additional-tag x:2 oci:b:x oci:c:x
	assert_fails_with 1 "docker-archive"
}

@test "an image that was built here goes out without a push before, and stays uncompressed here" {
	cd "$BATS_TEST_TMPDIR"
	cooper image copy -q app-arm64 oci:built:x
	[ "$(platform_of oci:built:x)" = arm64 ]
	cooper manifest create --replace here app-amd64 app-arm64
	cooper image copy -q --all here oci:built:list
	[ "$(platform_of --platform linux/arm64 oci:built:list)" = arm64 ]
	cooper image copy -q --all --preserve-digests here dir:same
	[ "$(digest_of dir:same)" = "$(cooper image inspect --raw here | sha256sum | cut -d' ' -f1)" ]
}

@test "credentials of both ends" {
	cooper image copy -q "$TLS" "$SOURCE" "dir:$BATS_TEST_TMPDIR/d"
	open=$SOURCE
	start_registry htpasswd
	run cooper image copy --dest-tls-verify=false "dir:$BATS_TEST_TMPDIR/d" "docker://$REGISTRY/private:1"
	assert_fails_with 1 401
	cooper image copy -q --src-tls-verify=false --dest-tls-verify=false --dest-creds "$REGISTRY_USER:$REGISTRY_PASSWORD" "$open" "docker://$REGISTRY/private:1"
	cooper image copy -q --src-tls-verify=false --src-creds "$REGISTRY_USER:$REGISTRY_PASSWORD" "docker://$REGISTRY/private:1" "dir:$BATS_TEST_TMPDIR/back"
	cmp "$BATS_TEST_TMPDIR/d/manifest.json" "$BATS_TEST_TMPDIR/back/manifest.json"
}

@test "a copy that fails leaves no name and no work behind" {
	cd "$BATS_TEST_TMPDIR"
	# A store and a registry that have none of the blobs from elsewhere.
	fresh_store broken
	cooper image copy -q "$TLS" "$SOURCE" dir:broken
	start_registry
	blob=$(find broken -size +100k | head -n 1)
	printf X | dd of="$blob" bs=1 seek=2000 conv=notrunc status=none
	run cooper image copy dir:broken "docker://$REGISTRY/broken:1" "$TLS"
	assert_fails_with 1 "$(basename "$blob")"
	run cooper image inspect "$TLS" "docker://$REGISTRY/broken:1"
	[ "$status" -eq 2 ]
	run cooper image copy dir:broken oci-archive:broken.tar
	[ "$status" -eq 1 ]
	[ ! -e broken.tar ]
	run cooper image copy dir:broken store:broken
	[ "$status" -eq 1 ]
	run cooper images -q broken
	[ "$status" -eq 125 ]
	run cooper image copy "$TLS" "docker://$REGISTRY/nosuch:1" oci:never:x
	assert_fails_with 2 "nosuch"
	[ ! -e never ]
	[ -z "$(ls "$COOPER_ROOT/tmp")" ]
	remove_store "$COOPER_ROOT"
}
