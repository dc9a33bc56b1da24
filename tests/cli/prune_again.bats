# A prune that finds nothing writes down what the store looked like (images/clean), so that the next one need not look.
# What has changed since then is found, whoever has changed it.
load lib/common

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	fresh_store "$BATS_TEST_NUMBER"
	use_busybox
	cooper prune >/dev/null
	settled_prune
	settled_prune
}

# Longer than a tick of the clock that files get their times by.
settled_prune() {
	sleep 0.05
	run --separate-stderr cooper prune
	assert_succeeds
}

removes() {
	settled_prune
	[[ $stderr == *"$1"* ]] || fail "not '$1': $stderr"
}

# garbage TEXT: a blob that another program has left.
garbage() {
	local name
	name=$(printf %s "$1" | sha256sum | cut -d ' ' -f 1)
	printf %s "$1" >"$COOPER_ROOT/oci/blobs/sha256/$name"
}

# is_known: the store is on a file system whose times count.
is_known() {
	[ -e "$COOPER_ROOT/images/clean" ] || skip "the file system of the store is not one of the machine's own"
}

@test "what other programs put there is removed, and what comes then, too" {
	is_known
	garbage one
	removes "1 blobs"
	garbage two
	removes "1 blobs"
	removes "0 blobs"
	[ -e "$COOPER_ROOT/images/clean" ] || fail "it does not know that nothing is left"
	garbage three
	cooper prune >/dev/null
	garbage four
	removes "1 blobs"
}

@test "a copy of the store with the same times is another store" {
	is_known
	cooper unshare cp -a "$COOPER_ROOT" "$COOPER_ROOT-copy"
	export COOPER_ROOT=$COOPER_ROOT-copy
	touch -r "$COOPER_ROOT/oci/blobs/sha256" "$BATS_TEST_TMPDIR/times"
	garbage restored
	touch -r "$BATS_TEST_TMPDIR/times" "$COOPER_ROOT/oci/blobs/sha256"
	removes "1 blobs"
	ctr=$(cooper from busybox)
	run -0 cooper run "$ctr" true
}

@test "what killed commands leave is removed" {
	is_known
	local number=0 ctr status
	cc -shared -fPIC -O1 -o "$BATS_TEST_TMPDIR/killed_at.so" "$BATS_TEST_DIRNAME/../programs/killed_at.c" ||
		skip "no C compiler"
	ctr=$(cooper from busybox)
	cooper run "$ctr" sh -c 'echo 1 >/one'
	settled_prune
	while :; do
		cooper config --label "n=$number" "$ctr"
		python3 -c 'import struct, sys; open(sys.argv[1], "wb").write(struct.pack("i", int(sys.argv[2])))' "$PWD/left" "$number"
		status=0
		KILLED_AT_FILE=$PWD/left LD_PRELOAD=$BATS_TEST_TMPDIR/killed_at.so ASAN_OPTIONS=verify_asan_link_order=0 \
			setsid --wait cooper commit "$ctr" "made$number" >/dev/null 2>errors || status=$?
		[ "$status" -eq 137 ] || break
		number=$((number + 1))
		settled_prune
		# One that looks at everything finds no more than this one has.
		rm -f "$COOPER_ROOT/images/clean"
		removes "0 blobs, 0 layers"
	done
	[ "$status" -eq 0 ] || fail "$(cat errors)"
	[ "$number" -gt 3 ] || fail "it makes no changes"
	run -0 cooper from "made$number"
}

@test "images, names and containers that go are seen" {
	is_known
	local ctr
	ctr=$(cooper from busybox)
	cooper run "$ctr" sh -c 'echo 1 >/one'
	cooper commit -q "$ctr" made >/dev/null
	settled_prune
	settled_prune
	# The container stands on the layer, the name alone goes.
	cooper rmi made >/dev/null 2>&1 || true
	settled_prune
	cooper rm "$ctr" >/dev/null
	settled_prune
	rm -f "$COOPER_ROOT/images/clean"
	removes "0 blobs, 0 layers"
	cooper tag busybox other
	cooper rmi busybox >/dev/null
	settled_prune
	run -0 cooper from other
}
