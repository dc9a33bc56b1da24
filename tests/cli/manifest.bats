# Lists of images for several platforms.
load lib/common
load lib/multiarch

setup_file() {
	common_setup_file
	make_platform_images
}

teardown() {
	stop_registries
}

@test "create, add, inspect, exists, remove, rm print what scripts read" {
	run --separate-stderr cooper manifest create made
	[[ $output =~ ^[0-9a-f]{64}$ ]]
	run --separate-stderr cooper manifest add made app-amd64
	[[ $output =~ ^[0-9a-f]{64}:\ sha256:[0-9a-f]{64}$ ]]
	digest=${output#*: }
	cooper manifest add made containers-storage:app-arm64
	run cooper manifest inspect made
	[ "$(json_get 'sorted(m["platform"]["architecture"] for m in document["manifests"])' <<<"$output")" = "['amd64', 'arm64']" ]
	[[ $output == *$'\n    "manifests": [\n        {'* ]]
	run cooper manifest exists made
	assert_succeeds
	run cooper manifest exists nosuch
	[ "$status" -eq 1 ]
	run cooper manifest exists app-amd64
	[ "$status" -eq 1 ]
	run cooper manifest remove made "$digest"
	[[ $output =~ ^[0-9a-f]{64}:\ $digest$ ]]
	run cooper manifest remove made "$digest"
	assert_fails_with 125 "$digest"
	run cooper manifest rm made
	[ "${lines[0]}" = "untagged: localhost/made:latest" ]
	[[ ${lines[1]} =~ ^[0-9a-f]{64}$ ]]
	run cooper manifest rm app-amd64
	assert_fails_with 125 "not a list"
}

@test "a name that is taken: an error, --amend, --replace" {
	cooper manifest create taken app-amd64
	run cooper manifest create taken
	assert_fails_with 125 "already in use"
	cooper manifest create --amend taken app-arm64
	[ "$(cooper manifest inspect taken | json_get 'len(document["manifests"])')" = 2 ]
	cooper manifest create --replace taken app-arm64
	[ "$(cooper manifest inspect taken | json_get 'len(document["manifests"])')" = 1 ]
	run cooper manifest create --amend app-amd64
	assert_fails_with 125 "not a list"
}

@test "lists that are equal stay apart, and a tag keeps the list it was given" {
	cooper manifest create one
	cooper manifest create two
	cooper manifest add one app-amd64
	[ "$(cooper manifest inspect two | json_get 'len(document["manifests"])')" = 0 ]
	cooper tag one first
	cooper manifest add one app-arm64
	[ "$(cooper manifest inspect one | json_get 'len(document["manifests"])')" = 2 ]
	[ "$(cooper manifest inspect first | json_get 'len(document["manifests"])')" = 1 ]
}

@test "an image for the same platform takes the other's place" {
	cooper manifest create same app-amd64
	before=$(cooper manifest inspect same | digest_for amd64)
	ctr=$(cooper from app-amd64)
	cooper config --label newer=yes "$ctr"
	cooper commit -q "$ctr" newer
	cooper manifest add same newer
	after=$(cooper manifest inspect same | digest_for amd64)
	[ "$(cooper manifest inspect same | json_get 'len(document["manifests"])')" = 1 ]
	[ "$before" != "$after" ]
	cooper manifest add --variant v2 same app-amd64
	[ "$(cooper manifest inspect same | json_get 'len(document["manifests"])')" = 2 ]
}

@test "annotate an image, the list itself, its subject" {
	cooper manifest create noted app-amd64 app-arm64
	digest=$(cooper manifest inspect noted | digest_for arm64)
	run cooper manifest annotate --variant v8 --os-features a,b --features neon --annotation k=v noted "$digest"
	[[ $output =~ ^[0-9a-f]{64}:\ $digest$ ]]
	cooper manifest annotate --index --annotation list=yes noted
	cooper manifest annotate --subject app-amd64 noted
	run cooper manifest inspect noted
	entry="[m for m in document['manifests'] if m['digest'] == '$digest'][0]"
	[ "$(json_get "${entry}['platform']['variant']" <<<"$output")" = v8 ]
	[ "$(json_get "${entry}['platform']['os.features']" <<<"$output")" = "['a', 'b']" ]
	[ "$(json_get "${entry}['platform']['features']" <<<"$output")" = "['neon']" ]
	[ "$(json_get "${entry}['annotations']" <<<"$output")" = "{'k': 'v'}" ]
	[ "$(json_get "document['annotations']" <<<"$output")" = "{'list': 'yes'}" ]
	[ "$(json_get "document['subject']['digest']" <<<"$output")" = "$(cooper manifest inspect noted | digest_for amd64)" ]
	run cooper manifest annotate noted
	assert_fails_with 125 "--index"
	run cooper manifest annotate --annotation novalue noted "$digest"
	assert_fails_with 125 "KEY=VALUE"
}

@test "push and pull: others take the list, with each platform's files" {
	start_registry
	cooper manifest create --replace pushed app-amd64 app-arm64
	run --separate-stderr cooper manifest push --tls-verify=false --digestfile "$BATS_TEST_TMPDIR/d" pushed "$REGISTRY/m:1"
	assert_succeeds
	[ -z "$output" ]
	[ "$(skopeo inspect --raw --tls-verify=false "docker://$REGISTRY/m:1" | cooper image digest -)" = "$(cat "$BATS_TEST_TMPDIR/d")" ]
	skopeo --insecure-policy copy -q --all --src-tls-verify=false "docker://$REGISTRY/m:1" "dir:$BATS_TEST_TMPDIR/all"
	for arch in amd64 arm64; do
		skopeo --insecure-policy --override-arch "$arch" copy -q --src-tls-verify=false "docker://$REGISTRY/m:1" "oci:$BATS_TEST_TMPDIR/$arch:x"
		[ "$(platform_of "oci:$BATS_TEST_TMPDIR/$arch:x")" = "$arch" ]
	done
	fresh_store pulled
	[ "$(platform_of --tls-verify=false --platform linux/arm64 "$REGISTRY/m:1")" = arm64 ]
	remove_store "$COOPER_ROOT"
}

@test "push --all of a list is manifest push; without --all one image goes" {
	start_registry
	cooper manifest create --replace both app-amd64 app-arm64
	cooper push -q --all --tls-verify=false both "$REGISTRY/both:all"
	[ "$(skopeo inspect --raw --tls-verify=false "docker://$REGISTRY/both:all" | json_get 'len(document["manifests"])')" = 2 ]
	cooper push -q --tls-verify=false both "$REGISTRY/both:one"
	[ "$(skopeo inspect --raw --tls-verify=false "docker://$REGISTRY/both:one" | json_get '"layers" in document')" = True ]
	# The images of this list are in the registry as they are here: the index can go alone.
	cooper manifest create --replace --all --tls-verify=false same "docker://$REGISTRY/both:all"
	cooper manifest push -q --all=false --rm --tls-verify=false same "$REGISTRY/both:index"
	[ "$(skopeo inspect --raw --tls-verify=false "docker://$REGISTRY/both:index" | json_get 'len(document["manifests"])')" = 2 ]
	run cooper manifest exists same
	[ "$status" -eq 1 ]
}

@test "a registry's images are added without their layers and pushed by mount" {
	start_registry
	push_list from/there
	fresh_store remote
	cooper manifest create far
	cooper manifest add --tls-verify=false --all far "docker://$REGISTRY/from/there:1"
	[ "$(du -s --apparent-size "$COOPER_ROOT/oci/blobs" | cut -f1)" -lt 100 ]
	run cooper manifest push --tls-verify=false far "$REGISTRY/to/here:1"
	assert_succeeds
	assert_output_has "mounted from from/there"
	[ "$(skopeo inspect --raw --tls-verify=false "docker://$REGISTRY/to/here:1")" = "$(skopeo inspect --raw --tls-verify=false "docker://$REGISTRY/from/there:1")" ]
	cooper manifest push -q --tls-verify=false far "oci:$BATS_TEST_TMPDIR/layout:x"
	[ "$(platform_of --platform linux/arm64 "oci:$BATS_TEST_TMPDIR/layout:x")" = arm64 ]
	[ "$(platform_of --tls-verify=false --platform linux/arm64 far)" = arm64 ]
	run cooper from --pull=never --platform linux/s390x far
	assert_fails_with 125 "linux/amd64, linux/arm64"
	remove_store "$COOPER_ROOT"
}

@test "of a remote list one image, by --arch; nested indexes come in flat with their attestations" {
	start_registry
	push_list nested
	fresh_store nested
	cooper manifest create one
	cooper manifest add --tls-verify=false --arch arm64 one "docker://$REGISTRY/nested:1"
	[ "$(cooper manifest inspect one | json_get '[m["platform"]["architecture"] for m in document["manifests"]]')" = "['arm64']" ]
	skopeo --insecure-policy copy -q --all --src-tls-verify=false "docker://$REGISTRY/nested:1" "oci:$BATS_TEST_TMPDIR/l:inner"
	python3 "$BATS_TEST_DIRNAME/lib/nest_index.py" "$BATS_TEST_TMPDIR/l" inner outer
	cooper manifest create flat
	cooper manifest add --all flat "oci:$BATS_TEST_TMPDIR/l:outer"
	run cooper manifest inspect flat
	[ "$(json_get 'sorted(m["platform"]["architecture"] for m in document["manifests"])' <<<"$output")" = "['amd64', 'arm64', 'unknown']" ]
	cooper manifest push -q --tls-verify=false flat "$REGISTRY/flat:1"
	run skopeo inspect --raw --tls-verify=false "docker://$REGISTRY/flat:1"
	attested="[m['annotations']['vnd.docker.reference.digest'] for m in document['manifests'] if m['platform']['os'] == 'unknown'][0]"
	[ "$(json_get "$attested" <<<"$output")" = "$(digest_for amd64 <<<"$output")" ]
	cooper manifest remove flat "$(cooper manifest inspect flat | digest_for amd64)"
	[ "$(cooper manifest inspect flat | json_get 'len(document["manifests"])')" = 1 ]
	remove_store "$COOPER_ROOT"
}

@test "commit --manifest makes the list, images and inspect show it, rmi and prune leave its images whole" {
	ctr=$(cooper from app-amd64)
	cooper commit -q --manifest built "$ctr" built-amd64
	ctr=$(cooper from app-arm64)
	cooper commit -q --manifest built "$ctr"
	[ "$(cooper manifest inspect built | json_get 'len(document["manifests"])')" = 2 ]
	run cooper images --format '{{.Name}}'
	assert_output_has localhost/built
	run cooper inspect --type manifest built
	assert_output_has '"manifests"'
	run cooper inspect built
	assert_output_has '"manifests"'
	cooper rmi built-amd64
	cooper prune
	[ "$(platform_of --pull=never --platform linux/amd64 built)" = amd64 ]
	[ "$(platform_of --pull=never --platform linux/arm64 built)" = arm64 ]
	run cooper rmi built
	[ "${lines[0]}" = "untagged: localhost/built:latest" ]
}

@test "two that add to one list at the same time are both in it" {
	cooper manifest create crowd
	for arch in amd64 arm64 386 s390x ppc64le; do
		cooper manifest add --arch "$arch" crowd app-amd64 >/dev/null &
	done
	wait
	# One image under five platforms is one entry: the last word counts, and none is lost in between.
	[ "$(cooper manifest inspect crowd | json_get 'len(document["manifests"])')" = 1 ]
	cooper manifest create crowd2
	cooper manifest add crowd2 app-amd64 >/dev/null &
	cooper manifest add crowd2 app-arm64 >/dev/null &
	wait
	[ "$(cooper manifest inspect crowd2 | json_get 'len(document["manifests"])')" = 2 ]
}

@test "--add-compression puts each image into the list once more" {
	start_registry
	cooper manifest create --replace twice app-amd64 app-arm64
	cooper manifest push -q --tls-verify=false --add-compression zstd twice "$REGISTRY/twice:1"
	run skopeo inspect --raw --tls-verify=false "docker://$REGISTRY/twice:1"
	[ "$(json_get '[m["platform"]["architecture"] for m in document["manifests"]]' <<<"$output")" = "['amd64', 'arm64', 'amd64', 'arm64']" ]
	[ "$(json_get '[m.get("annotations") for m in document["manifests"]][2]' <<<"$output")" = "{'io.github.containers.compression.zstd': 'true'}" ]
	digest=$(json_get 'document["manifests"][3]["digest"]' <<<"$output")
	[[ $(skopeo inspect --raw --tls-verify=false "docker://$REGISTRY/twice@$digest") == *tar+zstd* ]]
	[ "$(platform_of --tls-verify=false --platform linux/arm64 "$REGISTRY/twice@$digest")" = arm64 ]
	fresh_store first
	cooper image copy -q --tls-verify=false "docker://$REGISTRY/twice:1" "oci:$BATS_TEST_TMPDIR/l:x"
	[[ $(skopeo inspect --raw "oci:$BATS_TEST_TMPDIR/l:x") == *tar+gzip* ]]
	remove_store "$COOPER_ROOT"
	run cooper manifest push --all=false --add-compression zstd twice "$REGISTRY/twice:2"
	[ "$status" -eq 125 ]
}

@test "one list of a registry's image and of a layout's has all layers of the second" {
	start_registry
	cooper push -q --tls-verify=false app-amd64 "$REGISTRY/mixed:amd64"
	cooper push -q app-arm64 "oci:$BATS_TEST_TMPDIR/layout:arm64"
	fresh_store gathers
	cooper manifest create --tls-verify=false mixed "docker://$REGISTRY/mixed:amd64" "oci:$BATS_TEST_TMPDIR/layout:arm64"
	rm -rf "$BATS_TEST_TMPDIR/layout"
	cooper manifest push -q --tls-verify=false mixed "$REGISTRY/other:1"
	[ "$(platform_of --tls-verify=false --platform linux/arm64 "$REGISTRY/other:1")" = arm64 ]
	remove_store "$COOPER_ROOT"
}

@test "a list that cannot be made whole is not made" {
	run cooper manifest create halves app-amd64 nosuch:nosuch/image
	[ "$status" -eq 125 ]
	run cooper manifest exists halves
	[ "$status" -eq 1 ]
	cooper manifest create halves app-amd64
	# One that was there keeps its name.
	run cooper manifest create --amend halves nosuch:nosuch/image
	[ "$status" -eq 125 ]
	cooper manifest exists halves
	before=$(cooper manifest inspect halves)
	run cooper manifest create --amend halves app-arm64 nosuch:nosuch/image
	[ "$status" -eq 125 ]
	[ "$(cooper manifest inspect halves)" = "$before" ]
}

@test "--replace with an image that cannot be had leaves the name to what has it" {
	cooper manifest create kept app-amd64
	before=$(cooper manifest inspect kept)
	run cooper manifest create --replace kept app-arm64 nosuch:nosuch/image
	[ "$status" -eq 125 ]
	[ "$(cooper manifest inspect kept)" = "$before" ]
	id=$(cooper inspect --format '{{.FromImageID}}' app-amd64)
	cooper tag app-amd64 image-name
	run cooper manifest create --replace image-name nosuch:nosuch/image
	[ "$status" -eq 125 ]
	[ "$(cooper inspect --format '{{.FromImageID}}' image-name)" = "$id" ]
}

@test "errors name what is at fault" {
	run cooper manifest add nosuch app-amd64
	assert_fails_with 125 "nosuch"
	cooper manifest create --replace errors
	run cooper manifest add errors nosuch-image
	[ "$status" -eq 125 ]
	run cooper manifest add --artifact errors nosuch-file
	assert_fails_with 125 "nosuch-file"
	run cooper manifest push errors docker-archive:x.tar
	assert_fails_with 125 "list"
	run cooper manifest
	assert_output_has annotate
	run cooper manifest crate
	assert_fails_with 125 "did you mean 'manifest create'"
	run cooper manifest push --tls-verify=false --retry 0 errors 127.0.0.1:1/x
	[ "$status" -eq 120 ]
}
