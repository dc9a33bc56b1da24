# What the build cache holds, and taking away from it: du, prune with filters and limits, limits behind a build.
load lib/common
load lib/build

setup_file() {
	common_setup_file
	use_busybox
}

setup() {
	make_context
	fresh_store "$BATS_TEST_NUMBER"
	use_busybox
}

teardown() {
	remove_store "$COOPER_ROOT" "$COOPER_RUNROOT"
}

# A stage whose layers no image has, of 100, 200 and 300 kB, and a cache mount of 50 kB.
fill_cache() {
	dockerfile <<-'EOF'
		FROM busybox AS large
		RUN head -c 100000 /dev/zero >/one
		RUN head -c 200000 /dev/zero >/two
		RUN --mount=type=cache,id=packages,target=/cache head -c 300000 /dev/zero >/three; head -c 50000 /dev/zero >/cache/file
		FROM busybox
		COPY --from=large /etc/passwd /copied
	EOF
	build
}

# du's lines for a template, sorted.
du_lines() {
	cooper du --format "$@" | sort
}

@test "du lists layers of steps and cache mounts with size, type and description" {
	fill_cache
	run -0 du_lines '{{.Type}} {{.Shared}} {{.Description}}'
	assert_output_has "exec.cachemount false packages"
	assert_output_has "regular false RUN head -c 100000"
	assert_output_has "regular true COPY --from=large"
	run -0 cooper du --filter type=exec.cachemount --json
	python3 -c 'import json, sys
item, = json.loads(sys.argv[1])
assert item["size"] == 50000 and item["reclaimable"] and not item["inUse"] and item["description"] == "packages", item' "$output"
	run -0 cooper du
	assert_output_has "Reclaimable:  "
	assert_output_has "exec.cachemount"
}

@test "filters: type, id, description, until, negation, patterns; what is mistyped is refused" {
	fill_cache
	[ "$(cooper du --filter type=regular --format '{{.ID}}' | wc -l)" -eq 4 ]
	[ "$(cooper du --filter type=regular --filter shared --format '{{.ID}}' | wc -l)" -eq 1 ]
	[ "$(cooper du --filter 'description~=head -c [12]00000' --format '{{.ID}}' | wc -l)" -eq 2 ]
	[ "$(cooper du --filter type!=regular --filter id=packages --format '{{.Type}}')" = exec.cachemount ]
	id=$(cooper du --filter id=packages --format '{{.ID}}')
	[ "$(cooper du --filter "id=${id:0:8}" --format '{{.Description}}')" = packages ]
	[ -z "$(cooper du --filter until=1h --format '{{.ID}}')" ]
	[ -n "$(cooper du --filter unused-for=0s --format '{{.ID}}')" ]
	for filter in colour=red type=large 'id~=[' until=yesterday 'type>regular'; do
		run cooper du --filter "$filter"
		assert_fails_with 125 "--filter '$filter'"
	done
}

@test "prune --cache-mounts removes cache mounts alone, and not one that a step has" {
	fill_cache
	images=$(cooper images -q)
	mkfifo "$BATS_TEST_TMPDIR/go"
	ctr=$(cooper from busybox)
	cooper run --mount type=cache,id=busy,target=/c --volume "$BATS_TEST_TMPDIR:/t" "$ctr" -- \
		sh -c 'echo here >/t/running; read x </t/go; echo still >/c/there' 3>&- &
	eventually [ -s "$BATS_TEST_TMPDIR/running" ]
	[ "$(cooper du --filter inuse --format '{{.Description}}')" = busy ]
	id=$(cooper du --filter id=packages --format '{{.ID}}')
	run --separate-stderr -0 cooper prune --cache-mounts
	[ "$output" = "$id" ]
	[[ $stderr == *"1 cache mounts are in use and stay"* ]]
	run --separate-stderr -0 cooper prune --all
	[[ $stderr == *"1 cache mounts are in use and stay"* ]]
	echo >"$BATS_TEST_TMPDIR/go"
	wait $!
	[ "$(cooper run --mount type=cache,id=busy,target=/c "$ctr" -- cat /c/there)" = still ]
	cooper rm "$ctr"
	[ -n "$images" ]
}

@test "prune --filter removes steps from the cache; what an image has is not harmed" {
	fill_cache
	id=$(cooper images -q --no-trunc made)
	run --separate-stderr -0 cooper prune --filter type=regular --filter 'description~=^RUN'
	[ "$(wc -l <<<"$output")" -eq 3 ]
	[[ $stderr == *"3 things of the build cache removed"* ]]
	[ "$(cooper images -q --no-trunc made)" = "$id" ]
	[ "$(inside 'cat /copied | head -n 1')" = root:x:0:0:root:/root:/bin/sh ]
	fill_cache
	# The stage that is copied from need not be built again for a copy that is known.
	[[ $stderr == *"1 of 1 steps from the cache"* ]]
	run --separate-stderr -0 cooper prune --filter until=1h
	[ -z "$output" ]
}

@test "a limit takes what was used least recently, and a chain of steps from its end" {
	fill_cache
	# 650 kB in all: the last step goes, then the cache mount or the one before.
	run --separate-stderr -0 cooper prune --max-used-space 360k
	run -0 du_lines '{{.Description}}'
	assert_output_has "RUN head -c 100000"
	[[ $output != *"head -c 300000"* ]]
	assert_output_has "COPY --from=large"
	run --separate-stderr -0 cooper prune --max-used-space 1k --reserved-space 1g
	[ -z "$output" ]
	run --separate-stderr -0 cooper prune --keep-storage 0 --build-cache
	[ -z "$(cooper du --filter type=regular --filter shared=false --format '{{.ID}}')" ]
}

@test "a limit of the option, the environment and cooper.conf is kept behind each build" {
	fill_cache
	[ "$(cooper du --filter type=regular --format '{{.ID}}' | wc -l)" -eq 4 ]
	build --cache-max-used-space 150k
	[[ $stderr == *"4 of 4 steps from the cache"* ]]
	run -0 du_lines '{{.Description}}'
	[[ $output != *"head -c 300000"* ]]
	[[ $output != *"head -c 200000"* ]]
	fill_cache
	COOPER_CACHE_MAX_USED_SPACE=150k build
	[[ $(du_lines '{{.Description}}') != *"head -c 300000"* ]]
	fill_cache
	mkdir -p "$XDG_CONFIG_HOME/cooper"
	printf '[build_cache]\nmax_used_space = "150k"\n' >"$XDG_CONFIG_HOME/cooper/cooper.conf"
	build
	rm -r "$XDG_CONFIG_HOME/cooper"
	[[ $(du_lines '{{.Description}}') != *"head -c 300000"* ]]
	COOPER_CACHE_MAX_USED_SPACE=many run cooper build "$context"
	assert_fails_with 125 "COOPER_CACHE_MAX_USED_SPACE 'many'"
}
