# Small things that scripts for Buildah count on: names that are made up, policies, order of options, texts, templates.
load lib/common

setup_file() {
	common_setup_file
	use_busybox
	start_registry
	cooper push -q --tls-verify=false busybox "$REGISTRY/busybox:1"
}

@test "containers are called after the image, else after the transport" {
	cd "$BATS_TEST_TMPDIR"
	ctr=$(cooper from scratch)
	cooper config --label what=unnamed "$ctr"
	cooper commit -q "$ctr" dir:plain >/dev/null
	cooper config --label what=named "$ctr"
	cooper commit -q "$ctr" oci-archive:named.tar:fruit >/dev/null
	cooper rmi --prune >/dev/null
	run cooper from --quiet dir:plain
	assert_output_is dir-working-container
	run cooper from --quiet oci-archive:named.tar
	assert_output_is fruit-working-container
	run cooper from --quiet --suffix job7 busybox
	assert_output_is busybox-job7
}

@test "an image from a place without a name stays without one" {
	cd "$BATS_TEST_TMPDIR"
	ctr=$(cooper from scratch)
	cooper commit -q "$ctr" dir:only >/dev/null
	fresh_store unnamed
	id=$(cooper pull -q dir:only)
	run cooper images --format '{{.Name}}:{{.Tag}}' "$id"
	assert_output_is "<none>:<none>"
}

@test "pull policies: false is never, a bare --pull is always" {
	run cooper from --pull=false nosuch
	assert_fails_with 125 "nosuch: image not known"
	run cooper from --pull=notpresent busybox
	assert_succeeds
	run cooper from --pull busybox --tls-verify=false
	assert_fails_with 125 "no options (--tls-verify=false) can be specified after"
	run cooper from --tls-verify=false --pull "$REGISTRY/busybox:1"
	assert_succeeds
	run cooper pull --policy bogus busybox
	assert_fails_with 125 'unsupported pull policy "bogus"'
}

@test "-q leaves nothing but the result, on both streams" {
	run cooper pull -q --tls-verify=false "$REGISTRY/busybox:1"
	[[ $output =~ ^[0-9a-f]{64}$ ]]
	run cooper from -q --pull=always --tls-verify=false "$REGISTRY/busybox:1"
	[[ $output =~ ^busybox-working-container(-[0-9]+)?$ ]]
	run cooper from --pull=always --tls-verify=false "$REGISTRY/busybox:1"
	assert_output_has "Trying to pull $REGISTRY/busybox:1..."
}

@test "a credential file that is named must be there" {
	run cooper pull --authfile /no/such/file busybox
	assert_fails_with 125 "credential file is not accessible: faccessat /no/such/file: no such file or directory"
	run cooper logout --authfile /no/such/file "$REGISTRY"
	assert_fails_with 125 "credential file is not accessible: faccessat /no/such/file"
	run cooper login --authfile a --compat-auth-file b "$REGISTRY"
	assert_fails_with 125 "can not be set simultaneously"
}

@test "options stand before arguments" {
	for line in "images busybox -n" "inspect busybox -f {{.Config}}" "rmi busybox -f" "rm ctr -a" "mount ctr --json" \
		"umount ctr -a" "containers x -n"; do
		read -ra words <<<"$line"
		run cooper "${words[@]}"
		assert_fails_with 125 "no options (${words[2]}) can be specified after"
	done
}

@test "config --env knows the variables that are set" {
	ctr=$(cooper from scratch)
	cooper config --env foo=bar --env 'joined=$foo/${foo}x' "$ctr"
	run cooper inspect --format '{{.OCIv1.Config.Env}}' "$ctr"
	assert_output_has "joined=bar/barx"
	run cooper config --env 'left=$nosuch' "$ctr"
	assert_succeeds
	assert_output_has "variable 'nosuch' is not set in the configuration"
	run cooper inspect --format '{{.OCIv1.Config.Env}}' "$ctr"
	assert_output_has 'left=$nosuch'
	run env -u UNSET_HERE cooper config --env UNSET_HERE "$ctr"
	assert_fails_with 125 'setting env "UNSET_HERE": no value given'
}

@test "a whole struct prints as Go prints it: its values in the order of the fields" {
	ctr=$(cooper from scratch)
	cooper config --env A=b --cmd /bin/sh --label Only=Capitals "$ctr"
	run cooper inspect --format '{{.OCIv1.Config}}' "$ctr"
	assert_output_is "{ map[] [A=b] [] [/bin/sh] map[]  map[Only:Capitals] }"
}

@test "sets print as Go prints them, and a map has no value where it has none" {
	ctr=$(cooper from scratch)
	cooper config --port 80 --volume /data "$ctr"
	run cooper inspect --format '{{.OCIv1.Config.ExposedPorts}} {{.OCIv1.Config.Volumes}}' "$ctr"
	assert_output_is "map[80:{}] map[/data:{}]"
	run cooper inspect --format '{{.OCIv1.Config.Labels.nosuch}}' "$ctr"
	assert_output_is "<no value>"
	run cooper inspect --format '{{.OCIv1.Nosuch}}' "$ctr"
	assert_fails_with 125 "can't evaluate field Nosuch"
}

@test "a string as entry point is for /bin/sh, whatever the shell is" {
	ctr=$(cooper from scratch)
	cooper config --shell '/bin/other -c' --entrypoint 'run me' "$ctr"
	run cooper inspect --format '{{.OCIv1.Config.Entrypoint}}' "$ctr"
	assert_output_is "[/bin/sh -c run me]"
}

@test "a platform for an image from nothing" {
	ctr=$(cooper from --arch armhf scratch)
	run cooper inspect --format '{{.OCIv1.OS}}/{{.OCIv1.Architecture}}/{{.OCIv1.Variant}}' "$ctr"
	assert_output_is linux/arm/v7
}

@test "from notes its base, and commit keeps it in the manifest" {
	ctr=$(cooper from -q --tls-verify=false "$REGISTRY/busybox:1")
	cooper commit -q "$ctr" based >/dev/null
	digest=$(cooper inspect --format '{{.FromImageDigest}}' "$REGISTRY/busybox:1")
	for key in digest="$digest" name="$REGISTRY/busybox:1"; do
		run cooper inspect --type image \
			--format "{{index .ImageAnnotations \"org.opencontainers.image.base.${key%%=*}\"}}" based
		assert_output_is "${key#*=}"
	done
}

@test "results can be written to a device, and --reference-time is a file's" {
	touch -d @1000000000 "$BATS_TEST_TMPDIR/then"
	ctr=$(cooper from scratch)
	run cooper commit -q --iidfile /dev/null --reference-time "$BATS_TEST_TMPDIR/then" "$ctr" old
	assert_succeeds
	[ -c /dev/null ]
	run cooper inspect --type image --format '{{.OCIv1.Created}}' old
	assert_output_is 2001-09-09T01:46:40Z
}

@test "a source below --contextdir may be written as an absolute path" {
	mkdir -p "$BATS_TEST_TMPDIR/context/sub"
	echo text >"$BATS_TEST_TMPDIR/context/sub/file"
	ctr=$(cooper from busybox)
	cooper copy -q --contextdir "$BATS_TEST_TMPDIR/context" "$ctr" "$BATS_TEST_TMPDIR/context/sub" /into
	run cooper run "$ctr" cat /into/file
	assert_output_is text
}

@test "a cache's source is a part of the cache" {
	ctr=$(cooper from busybox)
	cooper run --mount type=cache,id=parts,target=/c "$ctr" -- sh -c 'mkdir -p /c/sub && echo kept >/c/sub/file'
	run cooper run --mount type=cache,id=parts,source=sub,target=/d "$ctr" -- cat /d/file
	assert_output_is kept
}

@test "a step has its own group among its groups" {
	ctr=$(cooper from busybox)
	run cooper run --user 1000:1000 "$ctr" -- grep Groups: /proc/self/status
	[[ $output =~ ^Groups:[[:space:]]1000([[:space:]]|$) ]]
}

@test "push --compression-format is for layers of the base too" {
	cooper push -q --compression-format zstd busybox "dir:$BATS_TEST_TMPDIR/zstd"
	run grep -c 'tar+zstd' "$BATS_TEST_TMPDIR/zstd/manifest.json"
	assert_output_is 1
}

@test "version in lines, --version in one" {
	run cooper version
	assert_output_has "BuildPlatform:   linux/"
	run cooper --version
	[ "${#lines[@]}" -eq 1 ]
}

@test "filters of images: any reference, all labels, and what is not" {
	fresh_store filters
	use_busybox
	ctr=$(cooper from --name base scratch)
	for name in one two; do
		cooper config --label "of=$name" "$ctr"
		cooper commit -q "$ctr" "$name" >/dev/null
	done
	run cooper images -q --filter 'reference=one*' --filter 'reference=two*'
	[ "${#lines[@]}" -eq 2 ]
	run cooper images --format '{{.Name}}' --filter 'label!=of=one' --filter 'reference!=busybox'
	assert_output_is localhost/two
	run cooper images --filter since
	assert_fails_with 125 'must be in the format "filter=value or filter!=value"'
	cooper tag one uno
	cooper rmi containers-storage:one >/dev/null
	cooper rmi uno >/dev/null
	run cooper rmi --all --prune
	assert_fails_with 125 "you may not use --prune"
	run cooper images --format '{{.Name}}' --filter label=of
	assert_output_is localhost/two
}

@test "--format json is the whole as JSON, not the word" {
	cmp <(cooper inspect busybox) <(cooper inspect --format json busybox)
	cmp <(cooper image inspect busybox) <(cooper image inspect --format json busybox)
	cmp <(cooper image inspect --config busybox) <(cooper image inspect --config --format json busybox)
	[ "$(cooper info --format json | python3 -c 'import json, sys; print(json.load(sys.stdin)["host"]["os"])')" = linux ]
	[ "$(cooper inspect --format 'json {{.Type}}' busybox)" != json ]
}
