# An image has no access lists (acl(5)), as no tar of a layer has any: what a later step sees does not depend on who made
# the layer first. At every rung; within one container they last until its commit.
load lib/common
load lib/kinds

setup_file() {
	common_setup_file
	export SOURCE_DATE_EPOCH=1700000000 CONTEXT=$BATS_FILE_TMPDIR/context
	export LISTS=$CONTEXT/tree/bin/access_lists
	mkdir "$CONTEXT"
	busybox_tree "$CONTEXT/tree"
	gcc -O1 -static -o "$LISTS" "$BATS_TEST_DIRNAME/../programs/access_lists.c" || skip "no static C library"
	cp "$LISTS" "$BATS_FILE_TMPDIR/probe"
	"$LISTS" default 7 "$BATS_FILE_TMPDIR" && rm "$BATS_FILE_TMPDIR/probe" || skip "no access lists on this file system"
	python3 -c 'import os, sys; os.removexattr(sys.argv[1], "system.posix_acl_default")' "$BATS_FILE_TMPDIR"
	# The same layer both times: what the lists make of the modes is what chmod does.
	dockerfile with 'access_lists default 4 /d && access_lists access 6 /d/file && access_lists access 6 /d/fifo'
	dockerfile without 'chmod 641 /d/file /d/fifo'
}

# dockerfile NAME COMMAND
dockerfile() {
	cat >"$CONTEXT/$1" <<-END
		FROM scratch AS base
		COPY --chown=0:0 tree /
		FROM base
		RUN mkdir /d && echo x >/d/file && mkfifo /d/fifo && $2
		RUN : $1 && umask 022 && echo x >/d/made && mkdir /d/dir && stat -c '%n %a' /d /d/* >/seen
		RUN : $1 && for f in /d /d/file /d/fifo /d/made; do access_lists has \$f && echo \$f; done >>/seen || true
	END
}

# builds KIND NAME
builds() {
	cooper_as "$1" build -q --rewrite-timestamp -t "$2" -f "$CONTEXT/$2" "$CONTEXT"
}

# layer_of_first_step KIND NAME
layer_of_first_step() {
	cooper_as "$1" inspect --type image "$2" | jq -r '.OCIv1.rootfs.diff_ids[1]'
}

# Whatever lies in the store's trees of layers.
assert_store_has_no_lists() {
	run -0 cooper unshare python3 - "$COOPER_ROOT"/layers/*/fs <<-'END'
		import os, sys
		seen = 0
		for tree in sys.argv[1:]:
		    for above, dirs, files in os.walk(tree):
		        for path in [above] + [os.path.join(above, name) for name in files]:
		            seen += 1
		            if not os.path.islink(path):
		                lists = [x for x in os.listxattr(path) if x.startswith('system.posix_acl')]
		                assert not lists, (path, lists)
		assert seen > 100, seen
	END
}

# lists_end_with_the_layer KIND
lists_end_with_the_layer() {
	local warning="access control lists are not kept in an image: 3 files and directories lose theirs, '/d' first; the modes stay as they are"

	fresh_store "$1"
	run --separate-stderr -0 builds "$1" with
	[[ $stderr == *"$warning"* && ${stderr#*"$warning"} != *"access control lists"* ]] || fail "$stderr"
	assert_store_has_no_lists
	run --separate-stderr -0 builds "$1" without
	[[ $stderr != *"access control lists"* ]] || fail "$stderr"
	[ "$(layer_of_first_step "$1" with)" = "$(layer_of_first_step "$1" without)" ]
	for image in with without; do
		run -0 cooper_as "$1" run "$(cooper_as "$1" from "$image")" cat /seen
		assert_output_is "/d 755
/d/dir 755
/d/fifo 641
/d/file 641
/d/made 644"
	done
}

@test "with real ids a layer has no access lists, and a warning says so" {
	lists_end_with_the_layer full
}

@test "with one id it has none either" {
	lists_end_with_the_layer alone
}

@test "in a root without namespaces it has none either" {
	lists_end_with_the_layer translated
}

@test "as root without namespaces it has none either" {
	lists_end_with_the_layer rooted
}

@test "in one container access lists last from command to command, until its commit" {
	echo text >"$BATS_TEST_TMPDIR/text"
	chmod 666 "$BATS_TEST_TMPDIR/text"
	for kind in full alone translated rooted; do
		fresh_store "$kind-container"
		builds "$kind" without
		ctr=$(cooper_as "$kind" from without)
		cooper_as "$kind" run "$ctr" sh -c 'access_lists default 4 /d && access_lists access 6 /d/made && chown 3:4 /d/file'
		cooper_as "$kind" copy -q "$ctr" "$BATS_TEST_TMPDIR/text" /d/
		run -0 cooper_as "$kind" run "$ctr" sh -c 'echo >/d/heir && stat -c "%n %a" /d/* && access_lists show /d/made'
		assert_output_is "/d/dir 755
/d/fifo 641
/d/file 641
/d/heir 440
/d/made 641
/d/text 666
6541"
		run --separate-stderr -0 cooper_as "$kind" commit -q "$ctr" committed
		[[ $stderr == *"access control lists are not kept in an image: 4 files and directories lose theirs, '/d' first"* ]] ||
			fail "$stderr"
		id=$output
		for use in "$ctr" "$(cooper_as "$kind" from committed)"; do
			run -0 cooper_as "$kind" run "$use" sh -c 'rm -f /d/new && echo >/d/new && stat -c "%n %a" /d/* &&
				! access_lists has /d && ! access_lists has /d/made'
			assert_output_is "/d/dir 755
/d/fifo 641
/d/file 641
/d/heir 440
/d/made 641
/d/new 644
/d/text 666"
		done
		cooper_as "$kind" run "$ctr" rm /d/new
		run --separate-stderr -0 cooper_as "$kind" commit -q "$ctr" again
		[[ $stderr != *"access control lists"* ]] || fail "$stderr"
		assert_store_has_no_lists
	done
}

@test "without layers access lists last until the stage ends" {
	cat >"$CONTEXT/Dockerfile" <<-'END'
		FROM without
		RUN access_lists default 4 /d
		RUN echo >/d/heir
	END
	for kind in full translated; do
		fresh_store "$kind-layers"
		builds "$kind" without
		run --separate-stderr -0 cooper_as "$kind" build -q --layers=false -t one "$CONTEXT"
		[[ $stderr == *"in an image: 2 files and directories lose theirs, '/d' first"* ]] || fail "$stderr"
		ctr=$(cooper_as "$kind" from one)
		run -0 cooper_as "$kind" run "$ctr" sh -c 'stat -c %a /d/heir && ! access_lists has /d'
		assert_output_is 440
	done
}

# Else what the steps make would inherit it, and have other modes.
@test "a store in a directory that hands its list on makes the same image, without a word" {
	for kind in full alone translated rooted; do
		fresh_store "$kind-clean"
		run -0 builds "$kind" without
		id=$output
		mkdir "$BATS_TEST_TMPDIR/$kind"
		"$LISTS" default 7 "$BATS_TEST_TMPDIR/$kind"
		export COOPER_ROOT=$BATS_TEST_TMPDIR/$kind/root COOPER_RUNROOT=$BATS_TEST_TMPDIR/$kind/runroot
		run --separate-stderr -0 builds "$kind" without
		[ "$output" = "$id" ]
		[[ $stderr != *"access control lists"* ]] || fail "$stderr"
		cooper_as "$kind" push -q without "oci-archive:$BATS_TEST_TMPDIR/$kind.tar"
		cooper_as "$kind" rmi -a -f >/dev/null
		cooper_as "$kind" pull -q "oci-archive:$BATS_TEST_TMPDIR/$kind.tar"
		ctr=$(cooper_as "$kind" from "$id")
		cooper_as "$kind" run "$ctr" sh -c 'umask 0; echo >/made'
		run -0 cooper_as "$kind" run "$ctr" stat -c '%a' /made
		assert_output_is 666
		run --separate-stderr -0 cooper_as "$kind" commit -q "$ctr" made
		[[ $stderr != *"access control lists"* ]] || fail "$stderr"
		assert_store_has_no_lists
		remove_store "$COOPER_ROOT" "$COOPER_RUNROOT"
	done
}
