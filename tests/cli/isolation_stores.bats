# One store, and commands that have other ids: a container is used with those that it was first used with, or not at all.
# Never are owners shown, or committed, that are not the files'.
load lib/common

setup_file() {
	common_setup_file
	busybox_archive >/dev/null
}

teardown() {
	chmod -R u+rwX "$COOPER_ROOT" 2>/dev/null || true
	remove_store "$COOPER_ROOT" "$COOPER_RUNROOT"
}

full() {
	COOPER_ISOLATION='' cooper "$@"
}

alone() {
	unshare --map-root-user cooper "$@"
}

translated() {
	COOPER_ISOLATION=translated cooper "$@"
}

# The last layer's owner of "f".
owner_in() {
	"$1" push -q "$2" "dir:$BATS_TEST_TMPDIR/out"
	python3 - "$BATS_TEST_TMPDIR/out" <<-'END'
		import json, sys, tarfile
		layer = json.load(open(sys.argv[1] + '/manifest.json'))['layers'][-1]['digest'].split(':')[1]
		print(*['%d:%d' % (e.uid, e.gid) for e in tarfile.open(sys.argv[1] + '/' + layer) if e.name == 'f'])
	END
	rm -r "$BATS_TEST_TMPDIR/out"
}

# refused FIRST SECOND CONTAINER: what FIRST has used is refused to SECOND, and FIRST goes on with it.
refused() {
	local first=$1 second=$2 ctr=$3
	run "$second" run "$ctr" true
	assert_fails_with 125 "other ids"
	run "$second" copy "$ctr" /etc/hostname /
	assert_fails_with 125 "other ids"
	run "$second" commit "$ctr" "wrong-$first-$second"
	assert_fails_with 125 "other ids"
	run -0 "$first" run "$ctr" stat -c %u:%g /f
	[ "$output" = 5:7 ]
	"$first" commit -q "$ctr" "right-$first-$second"
	[ "$(owner_in "$first" "right-$first-$second")" = 5:7 ]
}

shared() {
	local first=$1 second=$2 ctr=$3
	run -0 "$second" run "$ctr" stat -c %u:%g /f
	[ "$output" = 5:7 ]
	"$second" commit -q "$ctr" "shared-$first-$second"
	[ "$(owner_in "$second" "shared-$first-$second")" = 5:7 ]
}

@test "a container of an image that was used with other ids" {
	skip_unless python3
	[ "$(id -u)" -ne 0 ] || skip "root has one map"
	for first in full alone translated; do
		for second in full alone translated; do
			[ "$first" != "$second" ] || continue
			fresh_store "$first-$second"
			"$first" tag "$("$first" pull -q "oci-archive:$(busybox_archive)")" busybox
			ctr=$("$first" from busybox)
			"$first" run "$ctr" sh -c 'echo x >/f; chown 5:7 /f'
			case $first-$second in
			translated-alone)
				# One id is one id, so it can be looked at; but its layers are not this one's.
				run -0 alone run "$ctr" stat -c %u:%g /f
				[ "$output" = 5:7 ]
				run alone commit "$ctr" wrong
				assert_fails_with 125 "other ids"
				;;
			*) refused "$first" "$second" "$ctr" ;;
			esac
		done
	done
}

@test "a container of nothing that was used with other ids" {
	[ "$(id -u)" -ne 0 ] || skip "root has one map"
	busybox_tree "$BATS_TEST_TMPDIR/tree"
	echo x >"$BATS_TEST_TMPDIR/f"
	for first in full alone translated; do
		for second in full alone translated; do
			[ "$first" != "$second" ] || continue
			fresh_store "$first-$second"
			ctr=$("$first" from scratch)
			"$first" copy -q --chown 0:0 "$ctr" "$BATS_TEST_TMPDIR/tree" /
			"$first" copy -q --chown 5:7 "$ctr" "$BATS_TEST_TMPDIR/f" /f
			# One id is one id, in a namespace or without.
			case $first-$second in
			translated-alone | alone-translated) shared "$first" "$second" "$ctr" ;;
			*) refused "$first" "$second" "$ctr" ;;
			esac
		done
	done
}

@test "a container that is mounted in a session is no exception" {
	[ "$(id -u)" -ne 0 ] || skip "root has one map"
	fresh_store mounted
	full tag "$(full pull -q "oci-archive:$(busybox_archive)")" busybox
	ctr=$(full from busybox)
	full run "$ctr" sh -c 'echo x >/f; chown 5:7 /f'
	run alone unshare sh -c 'cooper mount "$1"' sh "$ctr"
	assert_fails_with 125 "other ids"
	full unshare sh -c 'test "$(stat -c %u:%g "$(cooper mount "$1")/f")" = 5:7' sh "$ctr"
}

@test "where newuidmap has gone since, a container's ids are missed with that reason" {
	[ "$(id -u)" -ne 0 ] || skip "root has one map"
	fresh_store gone
	full tag "$(full pull -q "oci-archive:$(busybox_archive)")" busybox
	ctr=$(full from busybox)
	full run "$ctr" true
	run env PATH=/nonexistent "$(command -v cooper)" run "$ctr" true
	assert_fails_with 125 "was used with other ids"
	assert_fails_with 125 "now there is one id: newuidmap is not installed"
}
