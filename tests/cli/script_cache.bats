# cooper run --cache, copy --cache, add --cache: a script of primitives is rebuilt as a Dockerfile is.
load lib/common

setup_file() {
	common_setup_file
	use_busybox
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	mkdir src
	echo one >src/one
	ctr=$(cooper from busybox)
}

teardown() {
	cooper rm -a >/dev/null
	[ "$COOPER_ROOT" = "$BATS_FILE_TMPDIR/root" ] || remove_store "$COOPER_ROOT"
}

# The container as it was in the beginning.
again() {
	cooper rm "$ctr" >/dev/null
	ctr=$(cooper from busybox)
}

# is_cached, is_done ARGUMENT...: such a command succeeds, and its result was (not) taken from the cache.
is_cached() {
	run --separate-stderr cooper "$@"
	assert_succeeds
	[ "$stderr" = cached ] || fail "cooper $* was not cached: $stderr"
}
is_done() {
	run --separate-stderr cooper "$@"
	assert_succeeds
	[[ $stderr != *cached ]] || fail "cooper $* was cached"
}

# in_image IMAGE PYTHON: an expression over `image`, the configuration, must be true.
in_image() {
	cooper inspect --type image "$1" | python3 -c 'import json, sys
image = json.loads(json.load(sys.stdin)["Config"])
sys.exit(0 if eval(sys.argv[1]) else "not so: %s\n%s" % (sys.argv[1], json.dumps(image, indent=1)))' "$2"
}

# A random file tells whether the command was run.
script() {
	ctr=$(cooper from busybox)
	cooper run --cache "$ctr" -- sh -c 'cat /proc/sys/kernel/random/uuid >/random'
	cooper copy -q --cache "$ctr" src /src
	cooper run --cache --workingdir /src "$ctr" -- sh -c 'cat one >two'
	cooper config --cmd '["/bin/true"]' "$ctr"
	cooper commit -q "$ctr" app
	cooper rm "$ctr" >/dev/null
}

@test "a script in which nothing has changed makes the same image again" {
	first=$(script)
	sleep 1.1
	touch src/one
	run --separate-stderr script
	assert_succeeds
	assert_output_is "$first"
	[ "$(grep -c '^cached$' <<<"$stderr")" -eq 3 ]
}

@test "each step is a layer of the image, with its line of history" {
	script >/dev/null
	in_image app 'len(image["rootfs"]["diff_ids"]) == 4'
	in_image app '[h["created_by"][:24] for h in image["history"][-4:]] == ["/bin/sh -c sh -c cat /pr", "/bin/sh -c #(nop) COPY d", "/bin/sh -c sh -c cat one", "/bin/sh"]'
	in_image app 'sum(not h.get("empty_layer", False) for h in image["history"]) == 4'
	ctr=$(cooper from app)
	run cooper run "$ctr" cat /src/two
	assert_output_is one
}

@test "nothing of the output is replayed, and the status is 0" {
	is_done run --cache "$ctr" -- sh -c 'echo said; echo more >&2'
	assert_output_is said
	again
	is_cached run --cache "$ctr" -- sh -c 'echo said; echo more >&2'
	assert_output_is ""
}

@test "copy prints the same digest from the cache" {
	is_done copy --cache "$ctr" src /dir
	first=$output
	again
	is_cached copy --cache "$ctr" src /dir
	assert_output_is "$first"
	[ ${#first} -eq 64 ]
}

@test "command, environment, user, directory and image settings are in the key" {
	is_done run --cache "$ctr" -- sh -c 'echo base >/f'
	for change in "run --cache --env A=1" "run --cache --user app" "run --cache --workingdir /tmp" \
		"run --cache --hostname other" "run --cache --cap-drop CHOWN" "run --cache --network none"; do
		again
		# shellcheck disable=SC2086 # words
		is_done $change "$ctr" -- sh -c 'echo base >/tmp/f'
	done
	again
	cooper config --env B=2 "$ctr"
	is_done run --cache "$ctr" -- sh -c 'echo base >/f'
	again
	cooper config --label l=1 --env B=2 "$ctr"
	is_cached run --cache "$ctr" -- sh -c 'echo base >/f'
	again
	is_done run --cache "$ctr" -- sh -c 'echo other >/f'
}

@test "proxies are not in the key" {
	is_done run --cache "$ctr" -- sh -c 'echo proxy >/proxy'
	again
	HTTP_PROXY=http://proxy.invalid is_cached run --cache "$ctr" -- sh -c 'echo proxy >/proxy'
}

@test "of a copy names, modes and contents count" {
	is_done copy --cache "$ctr" src /d
	again && touch -d 2001-01-01 src/one
	is_cached copy --cache "$ctr" src /d
	again && echo other >src/one
	is_done copy --cache "$ctr" src /d
	again && chmod 755 src/one
	is_done copy --cache "$ctr" src /d
	again && mv src/one src/two
	is_done copy --cache "$ctr" src /d
	again
	is_done copy --cache --chown 7:8 "$ctr" src /d
	again && mkdir elsewhere && mv src elsewhere
	is_cached copy --cache "$ctr" elsewhere/src /d
	again && cd elsewhere
	is_cached copy --cache --contextdir . "$ctr" src /d
}

@test "copy --parents does not depend on where the directory is" {
	is_done copy --cache --parents "$ctr" src/one /d/
	again && mkdir elsewhere && mv src elsewhere && cd elsewhere
	is_cached copy --cache --parents "$ctr" src/one /d/
	run cooper run "$ctr" cat /d/src/one
	assert_output_is one
}

@test "a link that is copied as a link counts by where it leads" {
	ln -s one src/link
	is_done copy --cache --no-follow-symlinks "$ctr" src/link /d/
	again && ln -sfn two src/link
	is_done copy --cache --no-follow-symlinks "$ctr" src/link /d/
	run cooper run "$ctr" readlink /d/link
	assert_output_is two
}

@test "add --cache unpacks, and knows the archive by its content" {
	tar -C src -cf archive.tar one
	is_done add --cache "$ctr" archive.tar /d/
	again
	is_cached add --cache "$ctr" archive.tar /d/
	run cooper run "$ctr" cat /d/one
	assert_output_is one
	again
	is_done copy --cache "$ctr" archive.tar /d/
}

@test "copies from images and containers are cached by what they take" {
	other=$(cooper from busybox)
	cooper run "$other" sh -c 'echo same >/f; cat /proc/sys/kernel/random/uuid >/random'
	is_done copy --cache --from "$other" "$ctr" /f /g
	again
	cooper run "$other" sh -c 'cat /proc/sys/kernel/random/uuid >/random'
	is_cached copy --cache --from "$other" "$ctr" /f /g
	again
	cooper run "$other" sh -c 'echo other >/f'
	is_done copy --cache --from "$other" "$ctr" /f /g
	is_done copy --cache --from busybox "$ctr" /etc/passwd /p
	run cooper run "$ctr" cat /g /p
	[[ $output == "other"$'\n'"root:x"* ]]
}

@test "what was changed in between without --cache counts" {
	is_done run --cache "$ctr" -- sh -c 'cat /between >/after 2>/dev/null || echo none >/after'
	again
	cooper run "$ctr" sh -c 'echo between >/between'
	is_done run --cache "$ctr" -- sh -c 'cat /between >/after 2>/dev/null || echo none >/after'
	[[ $stderr == *"was changed without --cache"* ]]
	run cooper run "$ctr" cat /after
	assert_output_is between
	again
	cooper copy -q "$ctr" src /src
	is_done copy --cache "$ctr" src /d
	cooper commit -q "$ctr" between >/dev/null
	in_image between 'len(image["rootfs"]["diff_ids"]) == 3'
}

@test "a file that was written through a mount is seen" {
	run --separate-stderr cooper unshare sh -ec '
		ctr=$(cooper from busybox)
		mnt=$(cooper mount "$ctr")
		cooper run --cache "$ctr" -- sh -c "echo first >/f"
		test "$(cat "$mnt/f")" = first
		echo through >"$mnt/written"
		cooper run --cache "$ctr" -- sh -c "cat /written >/copy"
		cat "$mnt/copy"
		cooper rm "$ctr" >/dev/null'
	assert_output_is through
}

@test "a command that fails is not remembered, and passes its status on" {
	run -3 cooper run --cache "$ctr" -- sh -c 'exit 3'
	again
	run -3 cooper run --cache "$ctr" -- sh -c 'exit 3'
	again
	run -0 cooper run --cache --valid-exit-codes 3 "$ctr" -- sh -c 'exit 3'
	again
	is_done run --cache --valid-exit-codes 3 "$ctr" -- sh -c 'exit 3'
}

@test "bind mounts count by their contents, caches do not" {
	is_done run --cache --mount type=bind,src=src,target=/s --mount type=cache,target=/c "$ctr" -- sh -c 'cp /s/one /o; date >/c/d'
	again
	is_cached run --cache --mount type=bind,src=src,target=/s --mount type=cache,target=/c "$ctr" -- sh -c 'cp /s/one /o; date >/c/d'
	again && echo changed >src/one
	is_done run --cache --mount type=bind,src=src,target=/s --mount type=cache,target=/c "$ctr" -- sh -c 'cp /s/one /o; date >/c/d'
	run cooper run "$ctr" cat /o
	assert_output_is changed
}

@test "a single file and an image can be mounted" {
	is_done run --cache --mount type=bind,src="$PWD/src/one",target=/f --mount type=bind,from=busybox,src=/etc,target=/e "$ctr" -- sh -c 'cat /f /e/group >/both'
	again
	is_cached run --cache --mount type=bind,src="$PWD/src/one",target=/f --mount type=bind,from=busybox,src=/etc,target=/e "$ctr" -- sh -c 'cat /f /e/group >/both'
	again && echo other >src/one
	is_done run --cache --mount type=bind,src="$PWD/src/one",target=/f --mount type=bind,from=busybox,src=/etc,target=/e "$ctr" -- sh -c 'cat /f /e/group >/both'
}

@test "a volume that can be written to is refused, a read-only one is part of the key" {
	run --separate-stderr cooper run --cache --volume "$PWD/src:/s" "$ctr" -- true
	[ "$status" -eq 125 ]
	[[ $stderr == *"add :ro"* ]]
	is_done run --cache --volume "$PWD/src:/s:ro" "$ctr" -- sh -c 'cat /s/one >/o'
	again && echo other >src/one
	is_done run --cache --volume "$PWD/src:/s:ro" "$ctr" -- sh -c 'cat /s/one >/o'
}

@test "there is no standard input, and no terminal" {
	run --separate-stderr sh -c 'echo input | cooper run --cache "$1" -- cat' - "$ctr"
	assert_succeeds
	assert_output_is ""
	run --separate-stderr cooper run --cache --tty "$ctr" -- true
	[ "$status" -eq 125 ]
	[[ $stderr == *"terminal"* ]]
}

@test "secrets are not in the key, and their value is nowhere in the store" {
	echo hunter2-first >secret
	is_done run --cache --secret id=s,src=secret --mount type=secret,id=s "$ctr" -- sh -c 'wc -c </run/secrets/s >/size'
	again && echo hunter2-other >secret
	is_cached run --cache --secret id=s,src=secret --mount type=secret,id=s "$ctr" -- sh -c 'wc -c </run/secrets/s >/size'
	run cooper unshare grep -rl hunter2 "$COOPER_ROOT"
	[ "$status" -ne 0 ] || fail "found in: $output"
}

@test "a download without a checksum is done each time, and said" {
	run --separate-stderr cooper add --cache "$ctr" http://127.0.0.1:9/nothing /d/
	[ "$status" -ne 0 ]
	[[ $stderr == *"without --checksum"* ]]
}

@test "the keys are the same in another store" {
	SOURCE_DATE_EPOCH=1000000000
	export SOURCE_DATE_EPOCH
	script_keys() {
		ctr=$(cooper from busybox)
		COOPER_TRACE=build cooper run --cache "$ctr" -- sh -c 'echo same >/same' 2>&1
		COOPER_TRACE=build cooper copy -q --cache "$ctr" src /src 2>&1
	}
	script_keys | grep -o 'key [0-9a-f]*: layer sha256:[0-9a-f]*' >"$BATS_TEST_TMPDIR/first"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/first")" -eq 2 ]
	fresh_store keys
	use_busybox
	script_keys | grep -o 'key [0-9a-f]*: layer sha256:[0-9a-f]*' >"$BATS_TEST_TMPDIR/second"
	cmp "$BATS_TEST_TMPDIR/first" "$BATS_TEST_TMPDIR/second"
}

@test "commit can be repeated, squashed and gone on from" {
	cooper run --cache "$ctr" -- sh -c 'echo a >/a'
	first=$(cooper commit -q "$ctr" one)
	run cooper commit -q "$ctr" again
	assert_output_is "$first"
	cooper run --cache "$ctr" -- sh -c 'echo b >/b'
	cooper commit -q "$ctr" two >/dev/null
	in_image two 'len(image["rootfs"]["diff_ids"]) == 3'
	in_image two 'sum(not h.get("empty_layer", False) for h in image["history"]) == 3'
	cooper run --cache "$ctr" -- sh -c 'echo c >/c'
	cooper commit -q --squash "$ctr" flat >/dev/null
	in_image flat 'len(image["rootfs"]["diff_ids"]) == 1'
	in_image flat 'sum(not h.get("empty_layer", False) for h in image["history"]) == 1'
	flat=$(cooper from flat)
	run cooper run "$flat" cat /a /b /c
	assert_output_is $'a\nb\nc'
}

@test "prune keeps what was remembered, prune --all forgets it" {
	is_done run --cache "$ctr" -- sh -c 'echo kept >/kept'
	again
	cooper prune >/dev/null
	is_cached run --cache "$ctr" -- sh -c 'echo kept >/kept'
	cooper rm "$ctr" >/dev/null
	cooper tag busybox keep
	keep=$(cooper from keep)
	cooper prune --all >/dev/null
	ctr=$(cooper from "$(cooper images -q keep)")
	is_done run --cache "$ctr" -- sh -c 'echo kept >/kept'
	cooper rm "$keep" >/dev/null
}

@test "a layer that was lost with the power is made again" {
	is_done run --cache "$ctr" -- sh -c 'echo lost >/lost-of-power'
	again
	cooper unshare sh -c 'for r in "$COOPER_ROOT"/layers/*/record; do
		[ -e "${r%record}fs/lost-of-power" ] || continue
		sed -i "s/\"bootId\":\"[^\"]*\"/\"bootId\":\"0\"/; s/\"durable\":true/\"durable\":false/" "$r"
		rm "${r%record}fs/lost-of-power"
	done'
	is_done run --cache "$ctr" -- sh -c 'echo lost >/lost-of-power'
	[[ $stderr == *"is lost"*"done again"* ]]
	run cooper run "$ctr" cat /lost-of-power
	assert_output_is lost
}

@test "what is known is taken without a user namespace" {
	cooper run --cache "$ctr" -- sh -c 'echo 1 >/one'
	cooper copy -q --cache "$ctr" src /src
	again
	# With no process more than there are, no helper can write the maps of a namespace (and no sanitizer look for leaks).
	is_cached_alone() {
		run --separate-stderr env ASAN_OPTIONS=detect_leaks=0 prlimit --nproc=1:1 "$(command -v cooper)" "$@"
		assert_succeeds
		[ "$stderr" = cached ] || fail "cooper $* was not cached: $stderr"
	}
	is_cached_alone run --cache "$ctr" -- sh -c 'echo 1 >/one'
	is_cached_alone copy -q --cache "$ctr" src /src
	[ "$(cooper run "$ctr" cat /one /src/one)" = $'1\none' ]
	# There is a limit: what is not known fails.
	run prlimit --nproc=1:1 "$(command -v cooper)" run --cache "$ctr" -- sh -c 'echo 2 >/two'
	[ "$status" -ne 0 ]
	is_done run --cache "$ctr" -- sh -c 'echo 2 >/two'
}

@test "a container that is changed or mounted is looked at inside" {
	cooper run --cache "$ctr" -- sh -c 'echo 1 >/one'
	again
	cooper run "$ctr" touch /changed
	is_done run --cache "$ctr" -- sh -c 'echo 1 >/one'
	again
	run --separate-stderr cooper unshare sh -c "cooper mount $ctr >/dev/null && cooper run --cache $ctr -- sh -c 'echo 1 >/one' && cat \$(cooper mount $ctr)/one"
	assert_succeeds
	[ "$output" = 1 ]
	[[ $stderr == *cached* ]]
}

@test "a source that only root of the user namespace may read" {
	cooper unshare sh -c 'echo secret >src/kept && chown 1:1 src/kept && chmod 600 src/kept'
	is_done copy -q --cache "$ctr" src /src
	again
	is_cached copy -q --cache "$ctr" src /src
	cooper unshare rm -f "$PWD/src/kept"
}
