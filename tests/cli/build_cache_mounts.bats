# cooper build: cache mounts travel with the cache.
load lib/common
load lib/build

# A step that adds a line to its cache and to the image.
with_cache_mount() {
	printf '%s\n' 'FROM busybox' 'ARG N' \
		"RUN --mount=type=cache,id=lines,target=/lines,uid=1000,mode=0750 --mount=type=cache,target=/other \\
		echo \"line \$N\" >>/lines/all; touch /other/file; cp /lines/all /seen; stat -c '%u %a' /lines >>/seen" >"$context/Dockerfile"
}

@test "--cache-mounts brings the contents of cache mounts to another machine, also when no step needs them there" {
	with_cache_mount
	there=type=local,dest=$BATS_TEST_TMPDIR/cache
	from=type=local,src=$BATS_TEST_TMPDIR/cache
	cooper build -q --build-arg N=1 --cache-to "$there" --cache-mounts "$context"
	fresh_store mounts-two
	use_busybox
	run --separate-stderr -0 cooper build -t two --build-arg N=2 --cache-from "$from" --cache-mounts=lines "$context"
	[[ $stderr == *"cache mount 'lines' taken from a cache"* ]]
	[[ $stderr != *"cache mount '/other'"* ]]
	ctr=$(cooper from two)
	run -0 cooper run "$ctr" cat /seen
	assert_output_is $'line 1\nline 2\n1000 750'
	cooper rm "$ctr"
	remove_store "$COOPER_ROOT" "$COOPER_RUNROOT"
	# All steps cached: what came is sent on.
	fresh_store mounts-three
	use_busybox
	cooper build -q --build-arg N=1 --cache-from "$from" --cache-to "$there" --cache-mounts "$context"
	remove_store "$COOPER_ROOT" "$COOPER_RUNROOT"
	fresh_store mounts-four
	use_busybox
	run --separate-stderr -0 cooper build --build-arg N=4 --cache-from "$from" --cache-mounts "$context"
	[[ $stderr == *"cache mount '/other' taken from a cache"* ]]
	[ "$(cooper du --filter type=exec.cachemount --format '{{.Description}}' | sort | tr '\n' ' ')" = "/other lines " ]
	remove_store "$COOPER_ROOT" "$COOPER_RUNROOT"
}

@test "--cache-mounts without a place for them is refused; a broken one is a warning" {
	with_cache_mount
	for flags in "" "--cache-to type=inline"; do
		# shellcheck disable=SC2086
		run cooper build --cache-mounts $flags "$context"
		assert_fails_with 125 "--cache-mounts goes with"
	done
	cooper build -q --cache-to "type=local,dest=$BATS_TEST_TMPDIR/cache" --cache-mounts --build-arg N=7 "$context"
	blobs=$BATS_TEST_TMPDIR/cache/blobs/sha256
	for blob in "$blobs"/*; do
		! gzip -t "$blob" 2>/dev/null || truncate -s -1 "$blob"
	done
	fresh_store mounts-broken
	use_busybox
	run --separate-stderr -0 cooper build --build-arg N=8 --cache-from "type=local,src=$BATS_TEST_TMPDIR/cache" \
		--cache-mounts "$context"
	[[ $stderr == *"warning: --cache-from"*"building without it"* ]]
	remove_store "$COOPER_ROOT" "$COOPER_RUNROOT"
}
