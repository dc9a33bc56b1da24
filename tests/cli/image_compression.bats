# How layers are packed on their way out: each format with each compression, by each command that sends images.
load lib/common
load lib/multiarch

setup_file() {
	common_setup_file
	use_busybox
	ctr=$(cooper from busybox)
	cooper run "$ctr" sh -c 'seq 1 20000 >/numbers'
	cooper commit -q --rm "$ctr" app >/dev/null
	start_registry
	export TLS=--tls-verify=false
}

# The layers of an image in a layout, as "mediatype magic" lines; the magic is what the bytes themselves say.
layers() {
	local layout=$1 name=$2
	skopeo inspect --raw "oci:$layout:$name" | python3 -c '
import json, sys
layout = sys.argv[1]
for layer in json.load(sys.stdin)["layers"]:
    with open("%s/blobs/%s" % (layout, layer["digest"].replace(":", "/")), "rb") as blob:
        head = blob.read(4)
    kind = "gzip" if head[:2] == b"\x1f\x8b" else "zstd" if head == b"\x28\xb5\x2f\xfd" else "plain"
    print(layer["mediaType"].split(".")[-1], kind)' "$layout" | sort -u
}

expected() {
	case $1 in
	gzip) echo tar+gzip gzip ;;
	zstd) echo tar+zstd zstd ;;
	none) echo tar plain ;;
	esac
}

@test "push, image copy and commit, with each compression" {
	cd "$BATS_TEST_TMPDIR"
	for codec in gzip zstd none; do
		cooper push -q --compression-format "$codec" app "oci:push:$codec"
		[ "$(layers push "$codec")" = "$(expected "$codec")" ] || fail "push $codec: $(layers push "$codec")"
		cooper image copy -q --compression-format "$codec" app "oci:copy:$codec"
		[ "$(layers copy "$codec")" = "$(expected "$codec")" ] || fail "copy $codec: $(layers copy "$codec")"
		ctr=$(cooper from app)
		cooper commit -q --rm --compression-format "$codec" "$ctr" "oci:commit:$codec" >/dev/null
		[ "$(layers commit "$codec")" = "$(expected "$codec")" ] || fail "commit $codec: $(layers commit "$codec")"
	done
	# The same image, however it goes: the same bytes.
	cmp <(skopeo inspect --raw oci:push:zstd) <(skopeo inspect --raw oci:copy:zstd)
}

@test "manifest push and build, with each compression" {
	cd "$BATS_TEST_TMPDIR"
	cooper manifest create --replace list app
	mkdir context
	printf 'FROM app\nCOPY file /\n' >context/Dockerfile
	echo x >context/file
	for codec in gzip zstd none; do
		cooper manifest push -q --compression-format "$codec" list "oci:list:$codec"
		cooper image copy -q "oci:list:$codec" "oci:one:$codec"
		[ "$codec" = none ] || [ "$(layers one "$codec")" = "$(expected "$codec")" ] || fail "manifest push $codec"
		name=$codec
		[ "$codec" != none ] || name=uncompressed
		cooper build -q -t built --output "type=oci,dest=build-$codec.tar,compression=$name,force-compression=true" context
		mkdir "build-$codec"
		tar -xf "build-$codec.tar" -C "build-$codec"
		[ "$(layers "build-$codec" latest)" = "$(expected "$codec")" ] || fail "build $codec"
	done
}

@test "from one compression to each other, with the same diff_ids" {
	cd "$BATS_TEST_TMPDIR"
	fresh_store elsewhere
	COOPER_ROOT=$BATS_FILE_TMPDIR/root cooper push -q app oci:from:gzip
	for from in gzip zstd none; do
		for to in gzip zstd none; do
			cooper image copy -q --compression-format "$to" "oci:from:$from" "oci:to:$from-$to"
			[ "$(layers to "$from-$to")" = "$(expected "$to")" ] || fail "$from to $to: $(layers to "$from-$to")"
			[ "$(cooper image inspect --config --format '{{.RootFS.DiffIDs}}' "oci:to:$from-$to")" = "$(cooper image inspect --config --format '{{.RootFS.DiffIDs}}' oci:from:gzip)" ]
		done
		[ "$from" != gzip ] || cooper image copy -q --compression-format zstd oci:from:gzip oci:from:zstd
		[ "$from" != gzip ] || cooper image copy -q --compression-format none oci:from:gzip oci:from:none
	done
	# Packed by cooper and packed again by cooper: nothing but the codec decides the bytes.
	cmp <(skopeo inspect --raw oci:to:zstd-gzip) <(skopeo inspect --raw oci:to:none-gzip)
	remove_store "$COOPER_ROOT"
}

@test "without a format layers stay as they are; --force-compression packs them as the place has it" {
	cd "$BATS_TEST_TMPDIR"
	cooper push -q --compression-format zstd app oci:z:z
	cooper image copy -q oci:z:z oci:kept:x
	[ "$(layers kept x)" = "$(expected zstd)" ]
	cooper image copy -q --force-compression oci:z:z oci:forced:x
	[ "$(layers forced x)" = "$(expected gzip)" ]
	cooper image copy -q --force-compression oci:z:z dir:d
	[[ $(cat d/manifest.json) == *tar+zstd* ]]
}

@test "levels: a higher one is smaller and reproducible, one out of range is told before anything is sent" {
	cd "$BATS_TEST_TMPDIR"
	size() { find "$1/blobs" -type f -size +10k -printf '%s\n' | awk '{ n += $1 } END { print n }'; }
	cooper push -q --compression-level 1 app oci:l1:x
	cooper push -q --compression-level 9 app oci:l9:x
	[ "$(size l9)" -lt "$(size l1)" ]
	cooper push -q --compression-level 9 app oci:again:x
	cmp l9/index.json again/index.json
	cooper push -q --compression-format zstd --compression-level 1 app oci:z1:x
	cooper push -q --compression-format zstd --compression-level 19 app oci:z19:x
	[ "$(size z19)" -lt "$(size z1)" ]
	run cooper push --compression-level 10 app oci:no:x
	assert_fails_with 125 "no level 10"
	run cooper push --compression-format zstd --compression-level 0 app oci:no:x
	assert_fails_with 125 "no level 0"
	run cooper push --compression-format none --compression-level 3 app oci:no:x
	assert_fails_with 125 "no compression"
	run cooper image copy --compression-level 3 app dir:no
	assert_fails_with 1 "--compression-format"
	run cooper push --compression-format bzip2 app oci:no:x
	assert_fails_with 125 "bzip2"
	[ ! -e no ]
}

@test "zstd:chunked is zstd, and that is said once" {
	cd "$BATS_TEST_TMPDIR"
	run --separate-stderr cooper push -q --compression-format zstd:chunked app oci:chunked:x
	assert_succeeds
	[ "$(grep -c 'zstd:chunked' <<<"$stderr")" -eq 1 ]
	[ "$(layers chunked x)" = "$(expected zstd)" ]
}

@test "Docker's format has no zstd: refused, or packed as gzip when the image has it" {
	cd "$BATS_TEST_TMPDIR"
	run cooper push --format docker --compression-format zstd app "dir:no"
	assert_fails_with 125 "no zstd"
	cooper push -q "$TLS" --compression-format zstd app "$REGISTRY/zstd:1"
	cooper image copy -q "$TLS" --format v2s2 "docker://$REGISTRY/zstd:1" "docker://$REGISTRY/docker:1"
	run skopeo inspect --raw "$TLS" "docker://$REGISTRY/docker:1"
	assert_output_has rootfs.diff.tar.gzip
	assert_output_lacks zstd
	run cooper push --compression-format gzip app docker-archive:a.tar
	assert_succeeds
	assert_output_has "plain layers"
	skopeo inspect docker-archive:a.tar >/dev/null
}
