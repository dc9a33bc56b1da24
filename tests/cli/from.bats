# cooper from: names, policies, what it prints.
load lib/common

setup_file() {
	common_setup_file
	use_busybox
}

@test "prints the name only, and names by Buildah's rules" {
	run --separate-stderr cooper from scratch
	assert_output_is working-container
	run --separate-stderr cooper from scratch
	assert_output_is working-container-1
	run --separate-stderr cooper from busybox
	assert_output_is busybox-working-container
	run --separate-stderr cooper from localhost/busybox:latest
	assert_output_is busybox-working-container-1
}

@test "--name is taken once" {
	cooper from --name mine scratch
	run cooper from --name mine scratch
	assert_fails_with 125 'the container name "mine" is already in use by'
}

@test "names that scripts could not handle are refused" {
	for name in -x .x a/b $'a\nb' $'a\tb'; do
		run cooper from --name="$name" scratch
		assert_fails_with 125 "cannot be a container's name"
	done
	ctr=$(cooper from scratch)
	run cooper rename "$ctr" ../up
	assert_fails_with 125 "cannot be a container's name"
}

@test "--cidfile holds the id without a newline" {
	cooper from --name cid --cidfile "$BATS_TEST_TMPDIR/cid" scratch
	[ "$(wc -c <"$BATS_TEST_TMPDIR/cid")" -eq 64 ]
	run cooper inspect --format '{{.ContainerID}}' cid
	assert_output_is "$(cat "$BATS_TEST_TMPDIR/cid")"
}

@test "an image is found by id and by a prefix of it" {
	id=$(cooper images -q --no-trunc busybox)
	id=${id#sha256:}
	run --separate-stderr cooper from --name by-id "$id"
	assert_output_is by-id
	run --separate-stderr cooper from "${id:0:12}"
	assert_succeeds
	assert_output_has "${id:0:12}-working-container"
}

@test "never pulls what is not here" {
	run cooper from --pull=never nosuch
	assert_fails_with 125 "nosuch: image not known"
	run cooper from --pull-never nosuch
	assert_fails_with 125 "image not known"
	run cooper from --pull=sometimes busybox
	assert_fails_with 125 "sometimes"
}

@test "settings are checked at once, by the option's name" {
	run cooper from --memory 12q scratch
	assert_fails_with 125 "memory"
	run cooper from --cap-add nosuch scratch
	assert_fails_with 125 -i "nosuch" || run cooper from --cap-add nosuch scratch
	[ "$status" -eq 125 ]
	run cooper from --volume /a:/b:bogus scratch
	assert_fails_with 125 "bogus"
	run cooper containers --format '{{.ContainerName}}' --filter name=bogus
	assert_output_is ""
}

@test "what from is told holds for later runs" {
	cooper from --name told --hostname fromhost --volume "$BATS_TEST_TMPDIR:/data" busybox
	echo yes >"$BATS_TEST_TMPDIR/file"
	run cooper run told -- sh -c 'hostname; cat /data/file'
	assert_output_is $'fromhost\nyes'
}

@test "ten at once get ten names" {
	for i in 1 2 3 4 5 6 7 8 9 10; do cooper from busybox >"$BATS_TEST_TMPDIR/name.$i" & done
	wait
	[ "$(sort -u "$BATS_TEST_TMPDIR"/name.* | wc -l)" -eq 10 ]
}

@test "a digest of zeros pins nothing, and is refused" {
	run cooper from "busybox@sha256:0000000000000000000000000000000000000000000000000000000000000000"
	assert_fails_with 125 "all zeros"
}

@test "--pull=newer takes what is in the store when no registry answers" {
	cooper tag busybox 127.0.0.1:1/there
	run --separate-stderr cooper from --pull=newer --retry 0 --name newer 127.0.0.1:1/there
	assert_output_is newer
	[[ $stderr == *"using the image that is in the store"* ]]
	run cooper from --pull=newer --retry 0 127.0.0.1:1/absent
	assert_fails_with 125 "127.0.0.1:1"
}

@test "a short name that an image of this store has is never asked for elsewhere" {
	# A registry that would have it, and is asked first for all other short names.
	start_registry
	cooper push -q --tls-verify=false busybox "$REGISTRY/mine:latest"
	printf 'unqualified-search-registries = ["%s"]\n[[registry]]\nlocation = "%s"\ninsecure = true\n' "$REGISTRY" "$REGISTRY" >"$BATS_TEST_TMPDIR/registries.conf"
	export CONTAINERS_REGISTRIES_CONF=$BATS_TEST_TMPDIR/registries.conf
	ctr=$(cooper from --pull=always mine)
	cooper rm "$ctr" >/dev/null
	cooper rmi "$REGISTRY/mine" >/dev/null
	cooper tag busybox localhost/mine
	run cooper from --pull=always --retry 0 mine
	assert_fails_with 125 "'mine' is an image of this store"
	[[ $output != *"$REGISTRY"* ]] || fail "the registry was asked"
	run cooper from --platform linux/riscv64 --retry 0 mine
	assert_fails_with 125 "'mine' in this store is an image for another platform"
	ctr=$(cooper from mine)
	cooper rm "$ctr" >/dev/null
	stop_registries
}
