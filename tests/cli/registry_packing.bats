# Layers that have no packed blob yet, on their way to a registry by other commands than push, and several of them at
# once.
load lib/common
load lib/double

setup_file() {
	common_setup_file
	start_double
	mkdir -p "$BATS_FILE_TMPDIR/context"
	local i
	for i in 1 2 3; do
		head -c 20000000 /dev/urandom >"$BATS_FILE_TMPDIR/context/$i"
	done
	printf 'FROM scratch\nCOPY 1 /\nCOPY 2 /\nCOPY 3 /\n' >"$BATS_FILE_TMPDIR/context/Dockerfile"
	cooper build -q -t three "$BATS_FILE_TMPDIR/context"
}

setup() {
	double_does '{}'
	forget_blobs
}

# From now on no layer has a packed blob, as after a build.
forget_blobs() {
	find "$COOPER_ROOT/oci/blobs" -type f -size +4M -delete
}

chunked_patches() {
	double_log 'map(select(.method == "PATCH" and .chunked)) | length'
}

# The layers of a manifest that the double has:  layers_at PATH
layers_at() {
	curl -fsS -H 'Accept: application/vnd.oci.image.manifest.v1+json' "http://$DOUBLE/v2/$1" |
		python3 -c 'import json, sys; print(*(l["digest"] for l in json.load(sys.stdin)["layers"]))'
}

@test "image copy out of the store: layers go while they are packed" {
	run cooper image copy --dest-tls-verify=false three "docker://$DOUBLE/copied:1"
	assert_succeeds
	assert_output_has "while it is packed"
	[ "$(chunked_patches)" -eq 3 ]
	cooper push -q --tls-verify=false three "$DOUBLE/pushed:1"
	[ "$(layers_at copied/manifests/1)" = "$(layers_at pushed/manifests/1)" ]
	# What is there already is not sent, and not packed again.
	forget_blobs
	double_does '{}'
	run cooper image copy --dest-tls-verify=false three "docker://$DOUBLE/copied:2"
	assert_succeeds
	[ "$(double_log 'map(select(.method == "PATCH")) | length')" -eq 0 ]
	# Who wants the digest kept is refused before anything is sent: these layers were never packed for the store.
	double_does '{}'
	run cooper image copy --dest-tls-verify=false --preserve-digests --dest-compress three "docker://$DOUBLE/kept:1"
	[ "$status" -eq 1 ]
	[ "$(double_log 'map(select(.method == "POST" or .method == "PATCH")) | length')" -eq 0 ]
}

@test "--cache-to: layers go while they are packed, and another machine finds them" {
	run cooper build --tls-verify=false --cache-to "type=registry,ref=$DOUBLE/cache:1" -t again "$BATS_FILE_TMPDIR/context"
	assert_succeeds
	[ "$(chunked_patches)" -eq 3 ]
	fresh_store other
	run cooper build --tls-verify=false --cache-from "type=registry,ref=$DOUBLE/cache:1" -t again "$BATS_FILE_TMPDIR/context"
	assert_succeeds
	[[ ${output,,} == *cache* ]]
	remove_store "$COOPER_ROOT" "$COOPER_RUNROOT"
}

@test "the layers are the same, however many processors pack them" {
	taskset -c 0 cooper push -q --tls-verify=false three "$DOUBLE/one:1"
	forget_blobs
	cooper push -q --tls-verify=false three "$DOUBLE/several:1"
	[ "$(layers_at one/manifests/1)" = "$(layers_at several/manifests/1)" ]
	forget_blobs
	taskset -c 0 cooper push -q three "oci-archive:$BATS_TEST_TMPDIR/one.tar:x"
	forget_blobs
	cooper push -q three "oci-archive:$BATS_TEST_TMPDIR/several.tar:x"
	cmp "$BATS_TEST_TMPDIR/one.tar" "$BATS_TEST_TMPDIR/several.tar"
}

@test "one layer of several that cannot be packed ends all of it, with its own reason" {
	head -c 60000000 /dev/urandom >"$BATS_FILE_TMPDIR/context/2"
	cooper build -q -t bigger "$BATS_FILE_TMPDIR/context"
	run bash -c 'ulimit -f 30000 && exec "$@"' - timeout 60 cooper push --tls-verify=false bigger "$DOUBLE/full:1"
	assert_fails_with 120 "file too large"
	[ "$(double_log 'map(select(.method == "PUT" and (.path | test("manifests")))) | length')" -eq 0 ]
	[ -z "$(find "$COOPER_ROOT/tmp" -type f -size +0)" ]
	run cooper image copy --dest-tls-verify=false bigger "docker://$DOUBLE/full:1"
	assert_succeeds
}
