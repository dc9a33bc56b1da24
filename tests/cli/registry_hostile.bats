# A registry that lies, and images that do: what is wrong is refused, in time, and nothing of it stays, whatever command
# comes across it and wherever it lies.
#
# Takes long.
load lib/common
load lib/double

setup_file() {
	common_setup_file
	start_double
	double_does '{"strict": false}'
	export OUTSIDE=$BATS_FILE_TMPDIR/outside FILES=$BATS_FILE_TMPDIR/files
	mkdir "$OUTSIDE" "$FILES"
	echo there >"$OUTSIDE/there"
	python3 "$LIB_DIRECTORY/../../double/hostile.py" "$DOUBLE" "$FILES" "$OUTSIDE" >"$BATS_FILE_TMPDIR/cases"
	export quick="--tls-verify=false --retry 1 --retry-delay 1ms"
	export pull="cooper pull $quick"
}

setup() {
	fresh_store "hostile-$BATS_TEST_NUMBER"
	double_does '{"strict": false}'
}

teardown() {
	remove_store "$COOPER_ROOT" "$COOPER_RUNROOT"
}

# No container, no blob, no layer, nothing half done, and outside of the image nothing either.
assert_nothing_is_left() {
	local found
	found=$(find "$COOPER_ROOT"/{containers,oci/blobs/sha256,layers,tmp} "$OUTSIDE" -mindepth 1 -maxdepth 1 2>/dev/null)
	[ "$found" = "$OUTSIDE/there" ] || fail "$1: something is left, or came out: $found"
}

assert_no_image() {
	run cooper images -aq
	assert_output_is ""
}

# Runs the rest of the line with each lie: NAME, what cooper has to say, who sees it.
each_lie() {
	local name words seen_by
	while IFS=$'\t' read -r name words seen_by; do
		[ "$name" != honest ] || continue
		"$@" "$name" "$words" "$seen_by" || return
		echo "$name" >>"$BATS_TEST_TMPDIR/count"
	done <"$BATS_FILE_TMPDIR/cases"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/count")" -ge 44 ]
	assert_no_image
}

# refused NAME WORDS COMMAND…: with the status of failure
refused() {
	local name=$1 words=$2
	shift 2
	run timeout 60 "$@"
	[ "$status" -ne 0 ] && [ "$status" -lt 126 ] || fail "$name: not refused by $*" || return
	[[ $output == *"$words"* ]] || fail "$name: the output of $* lacks '$words'" || return
	assert_nothing_is_left "$name, $*"
}

pull_refuses() {
	# shellcheck disable=SC2086 # words
	refused "$1" "$2" cooper pull $quick "$DOUBLE/hostile/$1:1"
}

@test "pull refuses each lie about sizes, digests, counts, types, documents, and each layer that leads out" {
	# shellcheck disable=SC2086
	cooper pull $quick -q "$DOUBLE/hostile/honest:1"
	fresh_store lies
	each_lie pull_refuses
}

from_refuses() {
	# shellcheck disable=SC2086
	refused "$1" "$2" cooper from $quick "$DOUBLE/hostile/$1:1"
}

@test "from refuses them" {
	each_lie from_refuses
}

build_refuses() {
	printf 'FROM %s/hostile/%s:1\nCOPY Dockerfile /\n' "$DOUBLE" "$1" >"$BATS_TEST_TMPDIR/context/Dockerfile"
	# shellcheck disable=SC2086
	refused "$1" "$2" cooper build $quick -t built "$BATS_TEST_TMPDIR/context"
}

@test "build FROM refuses them" {
	mkdir "$BATS_TEST_TMPDIR/context"
	each_lie build_refuses
	# Nor are they refused only because of what is done with them.
	printf 'FROM %s/hostile/honest:1\nCOPY Dockerfile /\n' "$DOUBLE" >"$BATS_TEST_TMPDIR/context/Dockerfile"
	# shellcheck disable=SC2086
	cooper build $quick -q -t built "$BATS_TEST_TMPDIR/context"
}

# copy_refuses NAME WORDS WHO: to each place; where what only unpacking shows has been moved as it is, it is refused there.
# Layers that go to files are inflated, and compared with the configuration.
copy_refuses() {
	local to place=$BATS_TEST_TMPDIR/to
	for to in "oci:$place" "oci-archive:$place:x" "dir:$place" "docker-archive:$place:a/b:1" \
		"docker://$DOUBLE/copied/$1:1"; do
		if [ "$3" = all ] || { [ "$3" = "who inflates it" ] && [[ $to != docker://* ]]; }; then
			# shellcheck disable=SC2086
			refused "$1" "" cooper image copy $quick "docker://$DOUBLE/hostile/$1:1" "$to" || return
			# A layout that is added to may keep blobs that no image names.
			[[ $to == oci:* ]] || [ -z "$(find "$place" -type f 2>/dev/null)" ] || fail "$1: $to is there" || return
			! grep -qs '"digest"' "$place/index.json" || fail "$1: $to names it" || return
		else
			# shellcheck disable=SC2086
			run timeout 60 cooper image copy $quick "docker://$DOUBLE/hostile/$1:1" "$to"
			# shellcheck disable=SC2086
			[ "$status" -ne 0 ] || refused "$1" "" cooper pull $quick "$to" || return
			assert_nothing_is_left "$1, $to" || return
		fi
		rm -rf "$place"
	done
}

@test "image copy refuses them on the way to each transport; what only unpacking shows is refused behind it" {
	each_lie copy_refuses
}

# checked_copy_refuses NAME WORDS WHO
checked_copy_refuses() {
	local to
	[ "$3" = "who inflates it" ] || return 0
	for to in "docker://$DOUBLE/checked/$1:1" "store:checked"; do
		# shellcheck disable=SC2086
		refused "$1" "$2" cooper image copy $quick --remove-signatures --check-layers "docker://$DOUBLE/hostile/$1:1" "$to" || return
	done
	run cooper image inspect --tls-verify=false "docker://$DOUBLE/checked/$1:1"
	[ "$status" -eq 2 ] || fail "$1: the copy has a name"
}

@test "image copy --check-layers: what only inflating shows is refused on the way to a registry as well" {
	double_does '{"strict": false, "mount": "no"}' # what is mounted is not seen
	each_lie checked_copy_refuses
	# shellcheck disable=SC2086
	cooper image copy $quick --remove-signatures --check-layers "docker://$DOUBLE/hostile/honest:1" "docker://$DOUBLE/checked/honest:1"
}

@test "--check-layers=false leaves it to who unpacks them" {
	# shellcheck disable=SC2086
	cooper image copy $quick --check-layers=false "docker://$DOUBLE/hostile/diff_id_wrong:1" "oci:$BATS_TEST_TMPDIR/to:x"
	run cooper pull "oci:$BATS_TEST_TMPDIR/to:x"
	[ "$status" -ne 0 ]
	assert_output_has "$(printf 'layer sha256:')"
}

@test "image copy that packs anew sees what it packs" {
	local name
	for name in diff_id_wrong diff_ids_more diff_ids_none layer_cut config_no_json; do
		# shellcheck disable=SC2086
		refused "$name" "" cooper image copy $quick --compression-format zstd --force-compression \
			"docker://$DOUBLE/hostile/$name:1" "oci:$BATS_TEST_TMPDIR/to:x" || return
		! grep -qs '"digest"' "$BATS_TEST_TMPDIR/to/index.json" || fail "$name: it is there" || return
	done
}

files_refuse() {
	[[ $1 != nested && $1 != list_* ]] || return 0
	refused "$1" "" cooper pull "oci:$FILES/$1:1" || return
	refused "$1" "" cooper from "oci-archive:$FILES/$1.tar:1" || return
	[[ $1 == *type_unknown || $1 == index_in_disguise || $1 == schema_1_type || $1 == type_contradicts ]] ||
		refused "$1" "" cooper pull "dir:$FILES/$1.dir" || return
	[ "$3" != all ] || refused "$1" "" cooper image copy "oci:$FILES/$1:1" "dir:$BATS_TEST_TMPDIR/to"
}

@test "a layout, an archive of it, and a dir: that lie are refused as well" {
	cooper pull -q "oci:$FILES/honest:1"
	fresh_store files
	each_lie files_refuse
}
@test "archives of docker save's kind that lie, or lead out, are refused as well" {
	local file name count=0
	cooper pull -q "docker-archive:$FILES/honest.docker"
	fresh_store archives
	for file in "$FILES"/*.docker; do
		name=${file##*/}
		[ "$name" != honest.docker ] || continue
		refused "$name" "cooper: " cooper pull "docker-archive:$file" || return
		refused "$name" "cooper: " cooper from "docker-archive:$file" || return
		# Who copies sees what he reads: all but what a layer unpacks to.
		run timeout 60 cooper image copy "docker-archive:$file" "oci:$BATS_TEST_TMPDIR/to:x"
		[ "$status" -ne 0 ] || refused "$name" "" cooper pull "oci:$BATS_TEST_TMPDIR/to:x" || return
		assert_nothing_is_left "$name, copied" || return
		! grep -rqs "^root:" "$BATS_TEST_TMPDIR/to" || fail "$name: a file of ours came along" || return
		rm -rf "$BATS_TEST_TMPDIR/to"
		count=$((count + 1))
	done
	[ "$count" -ge 29 ]
	assert_no_image
}

# refuses METHOD PATH FAULT
refuses() {
	local sent
	double_does "{\"strict\": false, \"faults\": [{\"path\": \"$1\", \"count\": 0, $2}]}"
	run timeout 60 $pull "$DOUBLE/hostile/honest:1"
	[ "$status" -eq 125 ] || fail "$1: $2: not refused" || return
	sent=$(double_sent)
	# Two attempts and what was in the pipes: no more is listened to.
	[ "$sent" -lt $((64 << 20)) ] || fail "$1: $2: $sent bytes were taken" || return
	assert_nothing_is_left "$1 $2" && assert_no_image
}

@test "endless answers are cut off, with and without chunks" {
	for path in 'v2/$' 'manifests/' 'blobs/'; do
		for kind in chunked plain; do
			[ "$path" != 'v2/$' ] || continue
			refuses "$path" "\"do\": \"body\", \"endless\": \"$kind\", \"headers\": {\"Content-Type\": \"application/vnd.oci.image.manifest.v1+json\"}"
			refuses "$path" "\"do\": \"body\", \"endless\": \"$kind\", \"status\": 403"
		done
	done
}

@test "an endless token, an endless list of tags, a list that never ends" {
	double_does '{"strict": false, "auth": "token", "faults": [{"path": "token", "do": "body", "endless": "chunked", "count": 0}]}'
	run timeout 60 $pull --creds "tester:s3cret pass" "$DOUBLE/hostile/honest:1"
	assert_fails_with 125 "larger than"
	double_does '{"strict": false, "faults": [{"path": "tags/list", "do": "body", "endless": "plain", "count": 0}]}'
	run timeout 60 cooper pull --all-tags --tls-verify=false --retry 0 "$DOUBLE/hostile/honest"
	assert_fails_with 125 "larger than"
	double_does '{"strict": false, "faults": [{"path": "tags/list", "do": "body", "count": 0,
		"text": "{\"name\":\"hostile/honest\",\"tags\":[\"1\"]}", "headers": {"Link": "</v2/hostile/honest/tags/list?last=1>; rel=\"next\""}}]}'
	run timeout 60 cooper pull --all-tags --tls-verify=false "$DOUBLE/hostile/honest"
	assert_succeeds
	[ "$(double_log 'map(select(.path | test("tags/list"))) | length')" -eq 2 ]
}

@test "wrong bytes, wrong claims, wrong documents" {
	refuses 'manifests/' '"do": "flip"'
	refuses 'blobs/' '"do": "flip", "at": 20'
	refuses 'manifests/' '"do": "body", "text": "<html>please log in</html>", "headers": {"Content-Type": "text/html"}'
	refuses 'blobs/' '"do": "body", "text": "<html>please log in</html>"'
	refuses 'manifests/' '"do": "body", "text": "{}"'
	refuses 'blobs/' '"do": "size", "length": 99999999999'
	refuses 'blobs/' '"do": "body", "text": ""'
	refuses 'manifests/' '"do": "redirect", "to": "file:///etc/passwd"'
	refuses 'blobs/' '"do": "redirect", "to": "gopher://127.0.0.1/"'
	refuses 'v2/$' '"do": "body", "text": "not a registry", "status": 404'
}

@test "what a registry says is not obeyed by the terminal" {
	double_does '{"faults": [{"path": "manifests", "do": "status", "status": 403, "count": 0, "text": "\u001b]0;owned\u0007\u001b[2Jhello"}]}'
	run $pull "$DOUBLE/hostile/honest:1"
	assert_fails_with 125 hello
	[[ $output != *$'\e'* ]]
	[[ $output != *$'\a'* ]]
}

@test "what a redirect says beside its address: no credentials are made of it, nor is it asked where passwords go" {
	local to="http://who:what@$DOUBLE_OTHER/v2/hostile/honest/blobs/x" asks
	double_does "{\"strict\": false, \"auth\": \"basic\", \"faults\": [{\"path\": \"blobs/sha256\", \"do\": \"redirect\", \"to\": \"$to\", \"count\": 0}]}"
	run $pull --creds "tester:s3cret pass" "$DOUBLE/hostile/honest:1"
	assert_fails_with 125 404
	[ "$(double_log 'map(select(.origin == "other")) | length')" -gt 0 ]
	[ "$(double_log 'map(select(.origin == "other" and .authorization != null)) | length')" -eq 0 ]

	asks="{\"WWW-Authenticate\": \"Bearer realm=\\\"http://$DOUBLE_OTHER/token\\\",service=\\\"x\\\"\"}"
	double_does "{\"strict\": false, \"auth\": \"basic\", \"faults\": [
		{\"origin\": \"other\", \"path\": \"v2/\$\", \"do\": \"status\", \"status\": 401, \"headers\": $asks, \"count\": 0},
		{\"path\": \"v2/\$\", \"do\": \"redirect\", \"count\": 0}]}"
	$pull -q --creds "tester:s3cret pass" "$DOUBLE/hostile/honest:1"
	[ "$(double_log 'map(select(.origin == "other")) | length')" -gt 0 ]
	[ "$(double_log 'map(select(.origin == "other" and .path == "/token")) | length')" -eq 0 ]
	[ "$(double_log 'map(select(.origin == "other" and .authorization != null)) | length')" -eq 0 ]
}

# steals METHOD PATH TO COMMAND…: what the redirect leads to is asked, and sees nothing
steals() {
	local method=$1 path=$2 to=$3 elsewhere
	shift 3
	double_does "{\"strict\": false, \"auth\": \"$auth\", \"faults\": [{\"method\": \"$method\", \"path\": \"$path\", \"do\": \"redirect\", \"count\": 0$to}]}"
	run timeout 60 "$@"
	elsewhere='map(select(.origin == "other" or (.host | startswith("localhost"))))'
	[ "$(double_log "$elsewhere | length")" -gt 0 ] || fail "$auth, $method $path: nobody was asked there" || return
	[ "$(double_log "$elsewhere | map(select(.authorization != null)) | length")" -eq 0 ] ||
		fail "$auth, $method $path: another origin saw an Authorization"
}

@test "a redirect of any request to another port or host takes no credential along" {
	local auth to request name victims=() who=(--creds "tester:s3cret pass" --tls-verify=false --retry 0)
	cooper pull -q --tls-verify=false "$DOUBLE/hostile/honest:1"
	cooper tag "$DOUBLE/hostile/honest:1" mine
	# What is removed there is removed here: each time another.
	for name in layer_type layer_encrypted layer_cut layer_no_tar; do
		victims+=("$DOUBLE/hostile/$name@sha256:$(curl -fsS -H 'Accept: application/vnd.oci.image.manifest.v1+json' \
			"http://$DOUBLE/v2/hostile/$name/manifests/1" | sha256sum | cut -d' ' -f1)")
	done
	for auth in basic token; do
		for to in '' ", \"to\": \"http://localhost:${DOUBLE##*:}/v2/stolen/blobs/x\""; do
			for request in 'HEAD blobs/sha256' 'POST blobs/uploads/$' 'PUT uploads/.*digest' 'PUT manifests/'; do
				[ "$request" != 'POST blobs/uploads/$' ] || to=${to/\"to\"/\"status\": 307, \"to\"}
				steals "${request% *}" "${request#* }" "$to" cooper push "${who[@]}" mine "$DOUBLE/stolen/x$RANDOM:1"
			done
			for request in 'GET manifests/' 'GET blobs/'; do
				fresh_store "redirect$RANDOM"
				steals "${request% *}" "${request#* }" "$to" cooper pull "${who[@]}" "$DOUBLE/hostile/honest:1"
				remove_store "$COOPER_ROOT" "$COOPER_RUNROOT"
				fresh_store "hostile-$BATS_TEST_NUMBER"
			done
			steals GET tags/list "$to" cooper image tags "${who[@]}" "docker://$DOUBLE/hostile/honest"
			steals GET referrers/ "$to" cooper image copy -q --retry 0 --src-creds "tester:s3cret pass" --src-tls-verify=false \
				"docker://$DOUBLE/hostile/honest:1" "dir:$BATS_TEST_TMPDIR/d$RANDOM"
			steals DELETE manifests/ "$to" cooper image delete "${who[@]}" "docker://${victims[0]}"
			victims=("${victims[@]:1}")
			[ "$auth" = basic ] ||
				steals GET '^/token' "$to" cooper pull "${who[@]}" "$DOUBLE/hostile/honest:1"
		done
	done
}
