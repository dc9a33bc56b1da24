# cooper build: images of a registry are fetched as far as the build needs them.
load lib/common
load lib/build

setup_file() {
	common_setup_file
	use_busybox
	start_registry
	local ctr
	for name in tools runtime; do
		ctr=$(cooper from busybox)
		cooper run "$ctr" sh -c "echo $name >/of"
		cooper commit -q --rm "$ctr" "$name"
		cooper push -q --tls-verify=false "$name" "docker://$REGISTRY/$name"
	done
}

setup() {
	make_context
	dockerfile <<-EOF
		FROM $REGISTRY/tools AS tools
		RUN cat /of one 2>/dev/null >/result || :
		FROM $REGISTRY/runtime
		COPY --from=tools /result /
	EOF
}

teardown() {
	[ "$COOPER_ROOT" = "$BATS_FILE_TMPDIR/root" ] || remove_store "$COOPER_ROOT"
}

# blobs_asked NAME: how many blobs of a repository were fetched so far.
blobs_asked() {
	grep -c "GET /v2/$1/blobs" "$REGISTRY_LOG" || true
}

image_names() {
	cooper images --format '{{.Name}}'
}

@test "the image of a stage that need not be built is not fetched" {
	fresh_store first
	build --tls-verify=false --cache-to "type=registry,ref=$REGISTRY/cache"
	id=$output
	fresh_store second
	before=$(blobs_asked tools)
	build --tls-verify=false --cache-from "type=registry,ref=$REGISTRY/cache"
	[ "$output" = "$id" ]
	[[ $stderr == *"Using cache"* ]]
	# Its configuration says what the key of the stage is; its layers stay where they are.
	[ "$(blobs_asked tools)" -eq $((before + 1)) ]
	names=$(image_names)
	[[ $names != *tools* ]]
	[[ $names == *runtime* ]]
	# What is there is a whole image.
	ctr=$(cooper from made)
	[ "$(cooper run "$ctr" cat /of /result)" = $'runtime\ntools' ]
	cooper rm "$ctr" >/dev/null
}

@test "it is fetched when it turns out to be needed, also for files of a stage that the cache has" {
	fresh_store first
	build --tls-verify=false --cache-to "type=registry,ref=$REGISTRY/cache2,mode=max"
	fresh_store second
	echo 'COPY --from=tools /of /from-below' >>Dockerfile
	build --tls-verify=false --cache-from "type=registry,ref=$REGISTRY/cache2"
	names=$(image_names)
	[[ $names == *tools* ]]
	[ "$(inside 'cat /from-below')" = tools ]
}

@test "with --pull the name moves to what was pulled" {
	fresh_store first
	build --tls-verify=false
	old=$(cooper images -q "$REGISTRY/runtime")
	(
		export COOPER_ROOT=$BATS_FILE_TMPDIR/root
		ctr=$(cooper from busybox)
		cooper run "$ctr" sh -c "echo newer >/of"
		cooper commit -q --rm "$ctr" runtime
		cooper push -q --tls-verify=false runtime "docker://$REGISTRY/runtime"
	)
	build --tls-verify=false
	[ "$(inside 'cat /of')" = runtime ]
	build --tls-verify=false --pull
	[ "$(inside 'cat /of')" = newer ]
	[ "$(cooper images -q "$REGISTRY/runtime")" != "$old" ]
}

@test "layers that do not come fail the build at their FROM" {
	fresh_store first
	digest=$(skopeo inspect --tls-verify=false --format '{{index .Layers 1}}' "docker://$REGISTRY/tools")
	rm "$REGISTRY_DATA/docker/registry/v2/blobs/sha256/${digest:7:2}/${digest#sha256:}/data"
	refuses "$digest" --tls-verify=false
	[[ $stderr == *">>> FROM $REGISTRY/tools AS tools"* ]]
	[ "$(image_names | grep -c tools)" -eq 0 ]
}

@test "an image that only got another configuration is pushed in another compression" {
	fresh_store first
	echo "FROM $REGISTRY/runtime" >Dockerfile
	echo 'LABEL a=b' >>Dockerfile
	build --tls-verify=false
	run --separate-stderr cooper push -q --tls-verify=false --compression-format zstd --force-compression made \
		"docker://$REGISTRY/zstd"
	assert_succeeds
	[[ $(skopeo inspect --raw --tls-verify=false "docker://$REGISTRY/zstd") == *tar+zstd* ]]
}

@test "the files of an image that only got another configuration: written out, in one layer, listed" {
	# As a test above has left it.
	echo "FROM $REGISTRY/runtime" >Dockerfile
	echo 'LABEL a=b' >>Dockerfile
	fresh_store first
	build --tls-verify=false --output type=local,dest=out
	[ "$(cat out/of)" = newer ]
	fresh_store second
	build --tls-verify=false --output type=tar,dest=out.tar
	[ "$(tar -xOf out.tar of 2>/dev/null || tar -xOf out.tar ./of)" = newer ]
	fresh_store third
	build --tls-verify=false --squash
	[ "$(inside 'cat /of')" = newer ]
	fresh_store fourth
	build --tls-verify=false --sbom=true --attest-storage=index
	for store in first second third; do
		remove_store "$BATS_FILE_TMPDIR/root-$store"
	done
}
