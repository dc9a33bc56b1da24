# The same build at rungs 1, 2, 4 and 3, path by path:  load lib/kinds  (behind lib/common)
# shellcheck shell=bash

LIST=$LIB_DIRECTORY/../../tools/image-list

# cooper_as KIND ARGUMENT...: full (real ids), alone (one id), translated (a root without namespaces) or rooted (the same,
# as a root of many ids).
cooper_as() {
	case $1 in
	full) cooper "${@:2}" ;;
	alone) unshare --map-root-user cooper "${@:2}" ;;
	translated) COOPER_ISOLATION=translated cooper "${@:2}" ;;
	rooted) COOPER_ISOLATION=translated unshare --map-root-user --map-auto cooper "${@:2}" ;;
	esac
}

# build_list KIND NAME [BUILD OPTION...]: builds the image in the kind's store, and prints the list of its files.
build_list() {
	cooper_as "$1" build -q -t "$2" "${@:3}" >/dev/null &&
		cooper_as "$1" push -q "$2" "oci-archive:$BATS_FILE_TMPDIR/$1.tar" &&
		"$LIST" "$BATS_FILE_TMPDIR/$1.tar"
}

# build_at KIND PATTERN: builds $BATS_FILE_TMPDIR/context in the kind's store, and leaves in $BATS_FILE_TMPDIR/KIND.* the
# image's id, the lines of the list of its files that match (list), and what its /seen says (seen).
build_at() {
	local made=$BATS_FILE_TMPDIR/$1

	fresh_store "$1"
	SOURCE_DATE_EPOCH=1700000000 cooper_as "$1" build -q --rewrite-timestamp -t made "$BATS_FILE_TMPDIR/context" \
		>"$made.id" &&
		cooper_as "$1" push -q made "oci-archive:$made.tar" &&
		"$LIST" "$made.tar" | grep -E "$2" >"$made.list" &&
		cooper_as "$1" run "$(cooper_as "$1" from made)" cat /seen >"$made.seen"
}

# same_as_full KIND PART...: what was left in $BATS_FILE_TMPDIR/KIND.PART.
same_as_full() {
	local kind=$1 part
	shift
	for part; do
		[ -s "$BATS_FILE_TMPDIR/full.$part" ] || fail "there is nothing to compare with: full.$part"
		diff "$BATS_FILE_TMPDIR/full.$part" "$BATS_FILE_TMPDIR/$kind.$part" || return
	done
}
