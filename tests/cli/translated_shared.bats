# A translated root shares its files with the layers: nothing that is done in it, or to it, changes a layer.
load lib/common

setup_file() {
	common_setup_file
	export COOPER_ISOLATION=translated
	gcc -O1 -static -pthread -o "$BATS_FILE_TMPDIR/shared_files" "$BATS_TEST_DIRNAME/../programs/shared_files.c" ||
		skip "no static C library"
	use_busybox
	make_image
}

# The image 'shared': in /t a file for everything that is tried.
make_image() {
	local tree=$BATS_FILE_TMPDIR/tree/t name
	mkdir -p "$tree/dir" "$tree/moved"
	for name in open{0..4} chmod chown utimes truncate setxattr dir/file links pair1 kept reopen reopen_path mode_by_fd removed \
		removed2 mapped link rename over1 over2 swap1 swap2 moved/file symlinked lock watch race{0..19} fork{0..19}; do
		printf 'as the layer has it\n' >"$tree/$name"
	done
	ln "$tree/pair1" "$tree/pair2"
	cp "$(command -v busybox)" "$tree/program"
	chmod 755 "$tree/program"
	ctr=$(cooper from busybox)
	cooper copy -q "$ctr" "$BATS_FILE_TMPDIR/tree" /
	cooper commit -q --rm "$ctr" shared
}

# Everything about the layers' files that a step could have changed.
layers() {
	{
		find "$COOPER_ROOT/layers" -type f -path '*/fs/*' -printf '%P|%m|%U|%G|%s|%T@\n' \
			-exec sha256sum {} ';' -exec getfattr --absolute-names -d -m - {} ';'
		find "$COOPER_ROOT/layers" -path '*/fs/*' ! -type f -printf '%P|%m|%U|%G|%l|%T@\n'
	} | LC_ALL=C sort
}

@test "whatever a step tries, the layers are as they were, and it sees files of its own" {
	layers >"$BATS_TEST_TMPDIR/before"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/before")" -gt 80 ]
	ctr=$(cooper from shared)
	# Once where the layer's files have no other name, and once where they have that of another root.
	run cooper run -v "$BATS_FILE_TMPDIR/shared_files:/shared_files:ro" "$ctr" -- /shared_files /t
	[ "$status" -eq 0 ] || fail "$output"
	layers >"$BATS_TEST_TMPDIR/after"
	diff "$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/after"
	cooper rm "$ctr"
	ctr=$(cooper from shared)
	other=$(cooper from shared)
	cooper run "$other" -- true
	run cooper run -v "$BATS_FILE_TMPDIR/shared_files:/shared_files:ro" "$ctr" -- /shared_files /t
	[ "$status" -eq 0 ] || fail "$output"
	layers >"$BATS_TEST_TMPDIR/after"
	diff "$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/after"
	run -0 cooper run "$other" -- sh -c 'cat /t/open0 /t/race1 /t/fork1 /t/removed; stat -c %h /t/kept'
	[ "${lines[0]}" = "as the layer has it" ]
	[ "${lines[3]}" = "as the layer has it" ]
	[ "${lines[4]}" = 1 ]
}

@test "the files are shared, and stay so until they are changed" {
	ctr=$(cooper from shared)
	id=$(cooper inspect --format '{{.ContainerID}}' "$ctr")
	cooper run "$ctr" -- sh -c 'echo more >>/t/open0'
	[ "$(stat -c %h "$COOPER_ROOT/containers/$id/copy/t/open1")" -gt 1 ]
	[ "$(stat -c %h "$COOPER_ROOT/containers/$id/copy/t/open0")" -eq 1 ]
	cooper commit -q "$ctr" changed >/dev/null
	# What has become a layer is one: it is replaced, not changed, from then on.
	layers >"$BATS_TEST_TMPDIR/before"
	cooper run "$ctr" -- sh -c 'echo again >>/t/open0; chmod 600 /t/open0; cat /t/open0 >/t/open1'
	layers >"$BATS_TEST_TMPDIR/after"
	diff "$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/after"
	run -0 cooper run "$(cooper from changed)" -- cat /t/open0
	[ "$output" = "as the layer has it
more" ]
	run -0 cooper run "$ctr" -- cat /t/open1
	[ "${lines[2]}" = again ]
}

@test "what the user does in a mounted container changes no layer" {
	layers >"$BATS_TEST_TMPDIR/before"
	ctr=$(cooper from shared)
	cooper run "$ctr" -- sh -c 'echo mine >>/t/open0; rm /t/open1'
	dir=$(cooper mount "$ctr" 2>"$BATS_TEST_TMPDIR/warned")
	grep -q "owners and modes that are given there may not count" "$BATS_TEST_TMPDIR/warned"
	for file in "$dir"/t/*; do
		[ -d "$file" ] || { echo evil >>"$file" && chmod 777 "$file" && touch -d @1 "$file"; }
	done
	cooper commit -q "$ctr" mounted >/dev/null
	for file in "$dir"/t/*; do
		[ -d "$file" ] || echo worse >>"$file"
	done
	cooper umount "$ctr" >/dev/null
	layers >"$BATS_TEST_TMPDIR/after"
	run env LC_ALL=C comm -23 "$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/after"
	[ "$output" = "" ] || fail "$output"
	run -0 cooper run "$(cooper from mounted)" -- sh -c 'cat /t/open0; ls /t/open1 || true; cat /t/open2'
	[[ $output != *worse* ]]
	[ "${lines[1]}" = mine ]
	[ "${lines[2]}" = evil ]
}

@test "what is copied into a root that shares files changes no layer" {
	layers >"$BATS_TEST_TMPDIR/before"
	ctr=$(cooper from shared)
	cooper run "$ctr" -- true
	printf 'new text\n' >"$BATS_TEST_TMPDIR/file"
	mkdir "$BATS_TEST_TMPDIR/t"
	cp "$BATS_TEST_TMPDIR/file" "$BATS_TEST_TMPDIR/t/open3"
	tar -C "$BATS_TEST_TMPDIR" -cf "$BATS_TEST_TMPDIR/a.tar" t
	cooper copy -q --chown 5:6 --chmod 600 "$ctr" "$BATS_TEST_TMPDIR/file" /t/open0
	cooper copy -q "$ctr" "$BATS_TEST_TMPDIR/t" /t
	cooper add -q "$ctr" "$BATS_TEST_TMPDIR/a.tar" /
	cooper copy -q --from shared "$ctr" /t/open4 /t/open1
	run -0 cooper run "$ctr" -- sh -c 'cat /t/open0 /t/open3; stat -c %u:%g:%a /t/open0'
	[ "${lines[0]}" = "new text" ]
	[ "${lines[1]}" = "new text" ]
	[ "${lines[2]}" = 5:6:600 ]
	layers >"$BATS_TEST_TMPDIR/after"
	diff "$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/after"
}

@test "a layer has what a step has changed, and no more" {
	ctr=$(cooper from shared)
	cooper run "$ctr" -- sh -c 'cat /t/* >/dev/null 2>&1; stat /t/open0 >/dev/null; ls -lR /t >/dev/null'
	cooper run "$ctr" -- sh -c 'echo x >>/t/open0; mv /t/open1 /t/moved/one; rm /t/open2; ln /t/links /t/links2; chmod 711 /t/dir'
	cooper commit -q "$ctr" little >/dev/null
	cooper push -q little "oci:$BATS_TEST_TMPDIR/oci:x"
	layer=$(python3 -c 'import json,sys
def read(d): return json.load(open(sys.argv[1]+"/blobs/"+d.replace(":","/")))
index=json.load(open(sys.argv[1]+"/index.json"))
print(read(index["manifests"][0]["digest"])["layers"][-1]["digest"].replace(":","/"))' "$BATS_TEST_TMPDIR/oci")
	run -0 tar -tf "$BATS_TEST_TMPDIR/oci/blobs/$layer"
	[ "$output" = "t/
t/dir/
t/links
t/links2
t/moved/
t/moved/one
t/open0
t/.wh.open1
t/.wh.open2" ] || fail "$output"
}

# Then the files that the layer was to share are the root's own, and are changed in place.
@test "what is changed behind a layer that the store had already is in the next one" {
	mkdir "$BATS_TEST_TMPDIR/context"
	cat >"$BATS_TEST_TMPDIR/context/Dockerfile" <<-'END'
		FROM shared
		RUN truncate -s 5 /t/open0 && touch -d @7 /t/open0 /t
		RUN chmod 711 /t/open0 && echo two >>/t/open0
		RUN ln /t/open0 /t/second && chmod 701 /t/open0 && stat -c '%a %h' /t/second >/t/open1 && cat /t/second >>/t/open1
	END
	for which in one two; do
		cooper build -q --no-cache --rewrite-timestamp --timestamp 9 -t "again-$which" "$BATS_TEST_TMPDIR/context"
		run -0 cooper run "$(cooper from "again-$which")" -- sh -c 'stat -c %a /t/open0; cat /t/open0 /t/open1'
		[ "$output" = "701
as thtwo
701 2
as thtwo" ] || fail "$output"
	done
	ctr=$(cooper from shared)
	for which in one two; do
		cooper run "$ctr" -- sh -c "echo $which >/t/open3; touch -d @7 /t/open3 /t"
		cooper commit -q --timestamp 9 "$ctr" "same-$which"
		run -0 cooper run "$(cooper from "same-$which")" -- cat /t/open3
		[ "$output" = "$which" ]
	done
}

@test "a directory of several layers is what the last one says, also where that is nothing special" {
	mkdir "$BATS_TEST_TMPDIR/context"
	printf 'FROM shared AS first\nRUN mkdir -m 400 /t/d && chown 5:6 /t/d /t/dir\nRUN chmod 755 /t/d && chown 0:0 /t/d /t/dir\nFROM shared\nCOPY --from=first /t /copy\nRUN stat -c %%u:%%g:%%a /copy/d /copy/dir >/seen\n' \
		>"$BATS_TEST_TMPDIR/context/Dockerfile"
	cooper build -q -t dressed "$BATS_TEST_TMPDIR/context"
	run -0 cooper run "$(cooper from dressed)" -- cat /seen
	[ "${lines[0]}" = 0:0:755 ] || fail "$output"
	[[ ${lines[1]} == 0:0:* ]] || fail "$output"
}

# The same store where there is a namespace and one id: there the kernel writes, and not the supervisor.
@test "a root that shares files is its own where the step's kernel writes it" {
	layers >"$BATS_TEST_TMPDIR/before"
	ctr=$(cooper from shared)
	cooper run "$ctr" -- sh -c 'echo first >>/t/open0'
	unset COOPER_ISOLATION
	run -0 unshare --map-root-user cooper run "$ctr" -- \
		sh -c 'echo evil >>/t/open1; echo more >>/t/open0; cat /t/open0 /t/open1'
	[[ $output == *first*more*evil* ]]
	layers >"$BATS_TEST_TMPDIR/after"
	diff "$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/after"
}

@test "a root that was made without namespaces is not used with other ids, where its owners would be lost" {
	[ "$(id -u)" -ne 0 ] || skip "root has one map"
	ctr=$(cooper from shared)
	cooper run "$ctr" -- chown 5:7 /t/open0
	export COOPER_ISOLATION=
	run cooper run "$ctr" -- true
	assert_fails_with 125 "was used with other ids than this command has"
	run cooper copy "$ctr" /etc/hostname /
	assert_fails_with 125 "was used with other ids"
	run cooper commit "$ctr" lost
	assert_fails_with 125 "was used with other ids"
	export COOPER_ISOLATION=translated
	run -0 cooper run "$ctr" -- stat -c %u:%g /t/open0
	[ "$output" = 5:7 ]
	cooper rm "$ctr"
}
