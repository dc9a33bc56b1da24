# The same build with real ids, with one id and in a root without namespaces, path by path:  load lib/kinds  (behind lib/common)
# shellcheck shell=bash

LIST=$LIB_DIRECTORY/../../tools/image-list

# cooper_as KIND ARGUMENT...: full, alone or translated.
cooper_as() {
	case $1 in
	full) cooper "${@:2}" ;;
	alone) unshare --map-root-user cooper "${@:2}" ;;
	translated) COOPER_ISOLATION=translated cooper "${@:2}" ;;
	esac
}

# build_list KIND NAME [BUILD OPTION...]: builds the image in the kind's store, and prints the list of its files.
build_list() {
	cooper_as "$1" build -q -t "$2" "${@:3}" >/dev/null &&
		cooper_as "$1" push -q "$2" "oci-archive:$BATS_FILE_TMPDIR/$1.tar" &&
		"$LIST" "$BATS_FILE_TMPDIR/$1.tar"
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
