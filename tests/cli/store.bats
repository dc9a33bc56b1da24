# Many processes, sudden death, a full disk: the store stays whole.
load lib/common

setup_file() {
	common_setup_file
	use_busybox
}

@test "ten processes committing lose nothing" {
	for i in $(seq 10); do
		(
			ctr=$(cooper from busybox)
			cooper run "$ctr" sh -c "echo $i >/number"
			cooper commit -q --rm "$ctr" "par$i" >/dev/null
		) &
	done
	wait
	for i in $(seq 10); do
		ctr=$(cooper from "par$i")
		run cooper run "$ctr" cat /number
		assert_output_is "$i"
	done
}

@test "kill -9 at any moment leaves a store that the next command uses" {
	ctr=$(cooper from --name killed busybox)
	cooper run killed sh -c 'i=0; while [ $i -lt 300 ]; do echo $i >/f$i; i=$((i+1)); done'
	for delay in 0.002 0.005 0.01 0.02 0.03 0.05 0.08 0.12; do
		cooper commit -q killed "k$delay" >/dev/null 2>&1 &
		pid=$!
		sleep "$delay"
		kill -9 "$pid" 2>/dev/null || :
		wait "$pid" 2>/dev/null || :
		run cooper run killed cat /f299
		assert_output_is 299
		run cooper images -q
		assert_succeeds
	done
	cooper commit -q killed survived
	check=$(cooper from survived)
	run cooper run "$check" sh -c 'ls / | grep -c "^f[0-9]"'
	assert_output_is 300
	eventually prune_leaves_nothing
}

# A killed process that is in fsync(2) is gone only when that is over, and holds its work until then.
prune_leaves_nothing() {
	cooper prune && [ -z "$(find "$COOPER_ROOT/tmp" -mindepth 1 -maxdepth 1)" ]
}

@test "a killed pull or copy leaves nothing that prune does not reclaim" {
	cooper push -q busybox "oci:$BATS_TEST_TMPDIR/layout:v1"
	fresh_store pulled
	for delay in 0.005 0.01 0.02 0.04 0.08; do
		cooper pull -q "oci:$BATS_TEST_TMPDIR/layout:v1" >/dev/null 2>&1 &
		pid=$!
		sleep "$delay"
		kill -9 "$pid" 2>/dev/null || :
		wait "$pid" 2>/dev/null || :
	done
	cooper pull -q "oci:$BATS_TEST_TMPDIR/layout:v1"
	eventually prune_leaves_nothing
	remove_store "$COOPER_ROOT"
}

@test "prune beside working processes removes nothing of theirs" {
	for i in $(seq 4); do
		(
			ctr=$(cooper from busybox)
			cooper run "$ctr" sh -c "echo p$i >/p"
			cooper commit -q "$ctr" "prune$i" >/dev/null
		) &
		cooper prune >/dev/null
	done
	wait
	for i in $(seq 4); do
		ctr=$(cooper from "prune$i")
		run cooper run "$ctr" cat /p
		assert_output_is "p$i"
	done
}

@test "a full disk is an error that names it, and the store stays usable" {
	mkdir -p "$BATS_TEST_TMPDIR/small"
	cat >"$BATS_TEST_TMPDIR/script" <<-'EOS'
	set -e
	mount -t tmpfs -o size=12m none "$1"
	export COOPER_ROOT=$1/root COOPER_RUNROOT=$1/run
	cooper pull -q "$2" >/dev/null
	ctr=$(cooper from localhost/busybox:latest 2>/dev/null || cooper from "$(cooper images -q | head -n 1)")
	cooper run "$ctr" dd if=/dev/zero of=/big bs=1M count=40 2>/dev/null && exit 9
	cooper run "$ctr" rm -f /big
	cooper run "$ctr" sh -c 'echo fine >/small'
	cooper commit -q "$ctr" small >/dev/null
	cooper images -q | wc -l
	EOS
	run cooper unshare sh "$BATS_TEST_TMPDIR/script" "$BATS_TEST_TMPDIR/small" "oci-archive:$(busybox_archive)"
	assert_succeeds
	[ "${lines[-1]}" -eq 2 ]
}

@test "on a full disk containers and images can be removed" {
	mkdir -p "$BATS_TEST_TMPDIR/tiny"
	cat >"$BATS_TEST_TMPDIR/script" <<-'EOS'
	set -e
	mount -t tmpfs -o size=12m none "$1"
	export COOPER_ROOT=$1/root COOPER_RUNROOT=$1/run
	id=$(cooper pull -q "$2")
	ctr=$(cooper from "$id")
	cooper tag "$id" other
	cat /dev/zero >"$1/fill" 2>/dev/null && exit 9
	cooper tag "$id" third && exit 8
	cooper rm "$ctr"
	cooper rmi other
	cooper images -q -a | wc -l
	EOS
	run cooper unshare sh "$BATS_TEST_TMPDIR/script" "$BATS_TEST_TMPDIR/tiny" "oci-archive:$(busybox_archive)"
	assert_succeeds
	assert_output_has "store '$BATS_TEST_TMPDIR/tiny/root': table of images: "
}

@test "what a killed process has left goes with the next one that adds something" {
	fresh_store left
	mkdir -p "$COOPER_ROOT/tmp/999999999-0123abcd/blob"
	: >"$COOPER_ROOT/tmp/999999999-0123abcd/lock"
	cooper from scratch
	[ ! -e "$COOPER_ROOT/tmp/999999999-0123abcd" ]
	remove_store "$COOPER_ROOT"
}

@test "a container's lock file goes with it" {
	fresh_store locks
	ctr=$(cooper from scratch)
	cooper config --env A=1 "$ctr"
	cooper rm "$ctr"
	run find "$COOPER_ROOT/locks" -name 'container-*'
	assert_output_is ""
	: >"$COOPER_ROOT/locks/container-$(printf '%064d' 7)"
	cooper prune
	run find "$COOPER_ROOT/locks" -name 'container-*'
	assert_output_is ""
	remove_store "$COOPER_ROOT"
}

@test "the root directory is made when it is missing; one that cannot be is named" {
	run cooper --root "$BATS_TEST_TMPDIR/new/deep" images -q
	assert_succeeds
	run cooper --root /proc/nosuch images
	assert_fails_with 125 /proc/nosuch
}

@test "a layer whose tree was lost after a reboot is made again from its blob" {
	cooper push -q busybox "oci:$BATS_TEST_TMPDIR/layout:v1"
	fresh_store reboot
	cooper pull -q "oci:$BATS_TEST_TMPDIR/layout:v1" >/dev/null
	cooper unshare sh -c "for r in $COOPER_ROOT/layers/*/record; do sed -i 's/\"bootId\":\"[^\"]*\"/\"bootId\":\"00000000-0000-0000-0000-000000000000\"/' \$r; rm -f \${r%record}fs/bin/busybox; done"
	ctr=$(cooper from "$(cooper images -q)")
	run cooper run "$ctr" echo back
	assert_output_is back
	remove_store "$COOPER_ROOT"
}

@test "a store in somebody's own directory leaves alone what is not the store's" {
	fresh_store mixed
	mkdir -p "$COOPER_ROOT/tmp/mine"
	echo precious >"$COOPER_ROOT/tmp/notes"
	ctr=$(cooper from scratch)
	cooper commit -q --rm "$ctr" >/dev/null
	cooper prune
	[ "$(cat "$COOPER_ROOT/tmp/notes")" = precious ]
	[ -d "$COOPER_ROOT/tmp/mine" ]
}

@test "COOPER_TRACE shows locks, tables and steps" {
	ctr=$(cooper from busybox)
	COOPER_TRACE=run run --separate-stderr cooper run "$ctr" true
	[[ $stderr == *"run: exec as '' in '/': true"* ]]
	COOPER_TRACE=store run --separate-stderr cooper commit "$ctr" traced
	[[ $stderr == *"store: lock container-"*"store: layer "*"store: lock images-table"* ]]
}

@test "a layer for other ids that was never packed is no reason to ask a registry" {
	ctr=$(cooper from busybox)
	cooper copy "$ctr" /etc/hostname /made
	cooper commit -q --rm "$ctr" unpacked >/dev/null
	run unshare --map-root-user cooper from unpacked
	[ "$status" -eq 125 ]
	assert_output_has "was made here for other ids than this command has, and was never packed"
	[[ $output != *"Trying to pull"* ]]
	# Packed, it serves both.
	cooper push -q --compression-format none unpacked "dir:$BATS_TEST_TMPDIR/packed"
	unshare --map-root-user cooper from --name other unpacked
	cooper rm other
}
