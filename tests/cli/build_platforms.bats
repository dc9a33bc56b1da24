# build --platform a,b: one image for each platform and a list of them; steps for machines that this is not.

load lib/common
load lib/multiarch

setup_file() {
	common_setup_file
	use_busybox
	make_base_list
	mkdir -p "$BATS_FILE_TMPDIR/context"
	cat >"$BATS_FILE_TMPDIR/context/Dockerfile" <<-'DOCKERFILE'
		FROM --platform=$BUILDPLATFORM base AS tool
		RUN head -c 16 /dev/urandom | base64 >/tool
		FROM base
		ARG TARGETPLATFORM BUILDPLATFORM
		COPY --from=tool /tool /tool
		RUN ["/hello", "/machine"]
		LABEL target=$TARGETPLATFORM build=$BUILDPLATFORM
	DOCKERFILE
}

setup() {
	context=$BATS_FILE_TMPDIR/context
	both=linux/amd64,linux/arm64
}

build_both() {
	cooper build -q --platform "$both" "$@" "$context"
}

# ---- Programs of other machines ----

@test "run executes a program for arm64 with nothing set up on the machine" {
	need_emulation
	[ ! -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] || skip "somebody has set the machine up for it"
	ctr=$(cooper from --platform linux/arm64 base)
	run -0 cooper run "$ctr" -- /hello
	[ "$output" = aarch64 ]
	# Nor is anything left behind: not on the machine, not in the container.
	[ ! -e /proc/sys/fs/binfmt_misc/cooper-aarch64 ]
	run -0 cooper unshare sh -c "ls \$(cooper mount $ctr)"
	[ "$output" = hello ]
	cooper rm "$ctr"
}

@test "run without qemu says what to install" {
	need_emulation
	[ ! -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] || skip "somebody has set the machine up for it"
	mkdir -p "$BATS_TEST_TMPDIR/bin"
	for program in newuidmap newgidmap; do ln -s "$(command -v $program)" "$BATS_TEST_TMPDIR/bin/$program"; done
	ctr=$(cooper from --platform linux/arm64 base)
	PATH=$BATS_TEST_TMPDIR/bin run -126 "$(command -v cooper)" run "$ctr" -- /hello
	[[ $output == *"Exec format error: programs for arm64 cannot be executed"*"qemu-aarch64-static"*"qemu-user-static"* ]]
	cooper rm "$ctr"
}

@test "an image that only says it is for another machine runs" {
	need_emulation
	mkdir -p "$BATS_TEST_TMPDIR/bin"
	for program in newuidmap newgidmap; do ln -s "$(command -v $program)" "$BATS_TEST_TMPDIR/bin/$program"; done
	ctr=$(cooper from busybox)
	for architecture in arm64 vax; do
		cooper config --arch "$architecture" "$ctr"
		PATH=$BATS_TEST_TMPDIR/bin run -0 "$(command -v cooper)" run "$ctr" -- uname -m
		[ "$output" = x86_64 ]
	done
	cooper rm "$ctr"
}

@test "a program for another machine keeps its user" {
	need_emulation
	ctr=$(cooper from --platform linux/arm64 base)
	run -0 cooper run --user 1000:1000 "$ctr" -- /hello
	[ "$output" = aarch64 ]
	# As user 1000 the root cannot be written to.
	run -1 cooper run --user 1000:1000 "$ctr" -- /hello /made
	cooper rm "$ctr"
}

# ---- Several platforms ----

@test "build for two platforms gives a list of two images" {
	need_emulation
	id=$(build_both -t app)
	[ "$(cooper images -q --no-trunc app)" = "sha256:$id" ]
	run -0 cooper manifest inspect localhost/app:latest
	[ "$(json_get '[m["platform"]["architecture"] for m in document["manifests"]]' <<<"$output")" = "['amd64', 'arm64']" ]
	[ "$(file_of linux/amd64 app /machine)" = x86_64 ]
	[ "$(file_of linux/arm64 app /machine)" = aarch64 ]
	# The stage for the machine that builds is built once.
	[ "$(file_of linux/amd64 app /tool)" = "$(file_of linux/arm64 app /tool)" ]
}

@test "each platform's arguments and configuration are its own" {
	need_emulation
	build_both -t args
	for platform in linux/amd64 linux/arm64; do
		ctr=$(cooper from --platform "$platform" args)
		run -0 cooper inspect --format '{{.OCIv1.Architecture}} {{index .OCIv1.Config.Labels "target"}} {{index .OCIv1.Config.Labels "build"}}' "$ctr"
		[ "$output" = "${platform#*/} $platform linux/amd64" ]
		cooper rm "$ctr"
	done
}

@test "a second build takes both platforms from the cache and gives the same list" {
	need_emulation
	first=$(build_both -t again)
	run -0 --separate-stderr cooper build --platform "$both" -t again "$context"
	[ "$output" = "$first" ]
	# shellcheck disable=SC2154 # bats' own
	[ "$(grep -c '^3 of 3 steps from the cache' <<<"$stderr")" -eq 2 ]
}

@test "what RUN gave for one platform is not taken for another" {
	mkdir -p "$BATS_TEST_TMPDIR/c"
	cat >"$BATS_TEST_TMPDIR/c/Dockerfile" <<-'DOCKERFILE'
		FROM busybox
		RUN head -c 16 /dev/urandom | base64 >/random
	DOCKERFILE
	# The same files, said to be for something else that runs here, too.
	ctr=$(cooper from busybox)
	cooper config --arch 386 "$ctr"
	cooper commit -q --rm "$ctr" busybox-386
	cooper build -q -t one "$BATS_TEST_TMPDIR/c"
	cooper build -q -t two --from busybox-386 --platform linux/386 "$BATS_TEST_TMPDIR/c"
	[ "$(file_of linux/amd64 one /random)" != "$(file_of linux/386 two /random)" ]
}

@test "a step that fails for one platform says for which and ends with its status" {
	need_emulation
	printf 'FROM base\nRUN ["/hello", "/no/such/directory"]\n' >"$BATS_TEST_TMPDIR/Dockerfile"
	run -1 cooper build --platform linux/arm64,linux/amd64 -t never -f "$BATS_TEST_TMPDIR/Dockerfile" "$context"
	# It fails for both; one of them was first.
	[[ $output =~ cooper:\ linux/(arm64|amd64):\ [^$'\n']*Dockerfile:2 ]]
	run -125 cooper manifest inspect localhost/never
}

@test "build --manifest fills one list, from one build or from several" {
	need_emulation
	cooper build -q --platform linux/amd64 --manifest filled "$context"
	cooper build -q --platform linux/arm64 --manifest filled "$context"
	[ "$(cooper manifest inspect localhost/filled | json_get 'len(document["manifests"])')" -eq 2 ]
	[ "$(file_of linux/arm64 filled /machine)" = aarch64 ]
	id=$(build_both --manifest at-once)
	[ "$(cooper images -q --no-trunc at-once)" = "sha256:$id" ]
}

@test "build --all-platforms builds for what the base images have in common" {
	need_emulation
	cooper build -q --all-platforms -t all "$context"
	[ "$(cooper manifest inspect localhost/all | json_get '[m["platform"]["architecture"] for m in document["manifests"]]')" = "['amd64', 'arm64']" ]
	printf 'FROM base AS a\nFROM base-arm64\nCOPY --from=a /hello /h\n' >"$BATS_TEST_TMPDIR/only-arm64"
	cooper build -q --all-platforms --pull=never -t few -f "$BATS_TEST_TMPDIR/only-arm64" "$context"
	[ "$(cooper inspect --format '{{.OCIv1.Architecture}}' few)" = arm64 ]
	printf 'FROM scratch\nCOPY Dockerfile /\n' >"$BATS_TEST_TMPDIR/Dockerfile"
	run -125 cooper build --all-platforms -f "$BATS_TEST_TMPDIR/Dockerfile" "$context"
	[[ $output == *"--all-platforms: no stage is FROM an image"* ]]
}

# ---- Where it goes ----

@test "type=local makes a directory for each platform, type=oci holds the list" {
	need_emulation
	cd "$BATS_TEST_TMPDIR"
	build_both -o type=local,dest=out -o type=oci,dest=app.tar -t out:1
	[ "$(cat out/linux_amd64/machine) $(cat out/linux_arm64/machine)" = "x86_64 aarch64" ]
	skopeo inspect --raw oci-archive:app.tar >index
	[ "$(json_get 'len(document["manifests"])' <index)" -eq 2 ]
	skopeo --override-arch arm64 inspect --config oci-archive:app.tar >config
	[ "$(json_get 'document["architecture"]' <config)" = arm64 ]
}

@test "outputs that hold one image refuse two before anything is built" {
	for output in type=tar,dest=x type=docker,dest=x; do
		run -125 cooper build --platform "$both" -o "$output" "$context"
		[[ $output != *STEP* ]]
		[[ $output == *"type="* ]]
	done
	run -125 cooper build --platform "$both" -t docker-archive:x "$context"
	[[ $output == *"holds one image, not a list"* ]]
	run -125 cooper build --platform "$both" --arch arm64 "$context"
	[[ $output == *"--arch, --os and --variant go with one --platform"* ]]
}

@test "build --push sends the list with its images" {
	need_emulation
	start_registry
	build_both -t "$REGISTRY/app:1" --push --tls-verify=false --metadata-file "$BATS_TEST_TMPDIR/metadata"
	skopeo inspect --raw --tls-verify=false "docker://$REGISTRY/app:1" >"$BATS_TEST_TMPDIR/index"
	[ "$(json_get 'len(document["manifests"])' <"$BATS_TEST_TMPDIR/index")" -eq 2 ]
	# The digest that scripts go on with is the one that is there.
	digest=$(json_get 'document["containerimage.digest"]' <"$BATS_TEST_TMPDIR/metadata")
	[ "$digest" = "sha256:$(sha256sum <"$BATS_TEST_TMPDIR/index" | cut -d ' ' -f 1)" ]
	skopeo --override-arch arm64 copy -q --src-tls-verify=false "docker://$REGISTRY/app:1" "oci:$BATS_TEST_TMPDIR/copied"
}

@test "images pushed by digest from several machines become one list" {
	need_emulation
	start_registry
	digests=()
	for platform in linux/amd64 linux/arm64; do
		fresh_store "${platform#*/}"
		use_busybox
		make_base_list
		cooper build -q --platform "$platform" -t "$REGISTRY/parts" --push-by-digest --tls-verify=false \
			--metadata-file "$BATS_TEST_TMPDIR/metadata" "$context"
		digests+=("$REGISTRY/parts@$(json_get 'document["containerimage.digest"]' <"$BATS_TEST_TMPDIR/metadata")")
	done
	# No tag was set.
	run cooper image tags --tls-verify=false "$REGISTRY/parts"
	[[ $output != *latest* ]]
	cooper manifest create --tls-verify=false whole "${digests[@]}"
	cooper manifest push -q --tls-verify=false whole "docker://$REGISTRY/parts:1"
	skopeo inspect --raw --tls-verify=false "docker://$REGISTRY/parts:1" >"$BATS_TEST_TMPDIR/index"
	for digest in "${digests[@]}"; do grep -q "${digest#*@}" "$BATS_TEST_TMPDIR/index"; done
	[ "$(json_get '[m["platform"]["architecture"] for m in document["manifests"]]' <"$BATS_TEST_TMPDIR/index")" = "['amd64', 'arm64']" ]
}

@test "the words of BuildKit's action push by digest, too" {
	start_registry
	printf 'FROM busybox\n' >"$BATS_TEST_TMPDIR/Dockerfile"
	cooper build -q -o "type=image,\"name=$REGISTRY/words\",push-by-digest=true,name-canonical=true,push=true" \
		--tls-verify=false --metadata-file "$BATS_TEST_TMPDIR/metadata" -f "$BATS_TEST_TMPDIR/Dockerfile" "$context"
	digest=$(json_get 'document["containerimage.digest"]' <"$BATS_TEST_TMPDIR/metadata")
	skopeo inspect --raw --tls-verify=false "docker://$REGISTRY/words@$digest"
	run ! skopeo inspect --raw --tls-verify=false "docker://$REGISTRY/words:latest"
	run -125 cooper build -o type=image,push-by-digest=true "$context"
	[[ $output == *"push-by-digest=true goes with push=true"* ]]
}

@test "what both platforms gave is one cache for other machines" {
	need_emulation
	cd "$BATS_TEST_TMPDIR"
	build_both -t cached --cache-to type=local,dest=cache,mode=max
	fresh_store elsewhere
	use_busybox
	make_base_list
	run -0 --separate-stderr cooper build --platform "$both" -t cached --cache-from type=local,src=cache "$context"
	[ "$(grep -c '^3 of 3 steps from the cache' <<<"$stderr")" -eq 2 ]
	[ "$(file_of linux/arm64 cached /machine)" = aarch64 ]
}
