# skopeo's options of copying, under its own names: its global ones before the command, and what each end is told.
load lib/common
load lib/double
load lib/multiarch

setup_file() {
	platform_double_setup_file
	export USER=tester PASSWORD='s3cret pass'
	cooper push -q --cert-dir "$CERTS" app-amd64 "docker://$DOUBLE/app:1"
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	double_does '{}'
}

arch_of() {
	cooper image inspect --format '{{.Architecture}}' "$1"
}

@test "skopeo's global options may stand before the command, with or without a value of their own" {
	cooper image --override-arch arm64 copy -q --src-cert-dir "$CERTS" "docker://$DOUBLE/list:1" oci:a:x
	[ "$(arch_of oci:a:x)" = arm64 ]
	cooper image --override-arch=arm64 --override-os=linux --debug copy -q --src-cert-dir "$CERTS" "docker://$DOUBLE/list:1" oci:b:x
	[ "$(arch_of oci:b:x)" = arm64 ]
	# Also for the commands to which some of them mean nothing: a script says them once for all.
	run cooper image --insecure-policy --tmpdir . --override-arch arm64 --command-timeout 1m inspect --cert-dir "$CERTS" \
		--no-tags --format '{{.Architecture}}' "docker://$DOUBLE/list:1"
	[ "$output" = arm64 ]
	run cooper image --insecure-policy --policy none --registries.d none list-tags --cert-dir "$CERTS" "docker://$DOUBLE/app"
	assert_succeeds
	assert_output_has '"Tags"'
	cooper image inspect --raw oci:a:x >manifest
	[ "$(cooper image --insecure-policy manifest-digest manifest)" = "sha256:$(sha256sum <manifest | cut -d' ' -f1)" ]
}

@test "they have their effect there" {
	echo '{"default": [{"type": "reject"}]}' >reject.json
	run cooper image --policy reject.json copy -q --src-cert-dir "$CERTS" "docker://$DOUBLE/app:1" oci:no:x
	assert_fails_with 1 "does not accept"
	run cooper image --policy "$PWD/reject.json" --insecure-policy copy -q --src-cert-dir "$CERTS" "docker://$DOUBLE/app:1" oci:no:x
	assert_fails_with 1 "exclude"
	run cooper image --tmpdir nosuch copy -q --src-cert-dir "$CERTS" "docker://$DOUBLE/app:1" oci:no:x
	assert_fails_with 2 "--tmpdir 'nosuch'"
	run cooper image --command-timeout soon copy -q "docker://$DOUBLE/app:1" oci:no:x
	assert_fails_with 1 "soon"
	run cooper image --bogus copy oci:a oci:b
	assert_fails_with 1 "unknown flag: --bogus"
	run cooper image --override-arch
	assert_fails_with 1 "needs an argument"
	run cooper image --override-arch arm64
	assert_succeeds # what there is
	assert_output_has "list the tags"
	run cooper image --debug copy -q --src-cert-dir "$CERTS" "docker://$DOUBLE/app:1" oci:debug:x
	assert_succeeds
}

@test "--override-variant and --retry-times" {
	cooper manifest create --replace variants
	cooper manifest add --arch arm --variant v7 variants app-arm64
	cooper manifest add --arch arm --variant v6 variants app-amd64
	cooper manifest push -q --cert-dir "$CERTS" variants "docker://$DOUBLE/variants:1"
	cooper image copy -q --override-arch arm --override-variant v6 --src-cert-dir "$CERTS" "docker://$DOUBLE/variants:1" oci:v6:x
	[ "$(arch_of oci:v6:x)" = amd64 ]
	double_does '{"faults": [{"method": "GET", "path": "manifests/1", "do": "status", "status": 503, "count": 2}]}'
	run cooper image copy -q --retry-times 1 --retry-delay 1ms --src-cert-dir "$CERTS" "docker://$DOUBLE/app:1" oci:r:x
	[ "$status" -eq 1 ]
	double_does '{"faults": [{"method": "GET", "path": "manifests/1", "do": "status", "status": 503, "count": 2}]}'
	cooper image copy -q --retry-times 2 --retry-delay 1ms --src-cert-dir "$CERTS" "docker://$DOUBLE/app:1" oci:r:x
}

@test "certificates and credential files of each end" {
	printf '{"auths": {"%s": {"auth": "%s"}}}' "$DOUBLE" "$(printf '%s:%s' "$USER" "$PASSWORD" | base64)" >auth.json
	echo '{}' >nobody.json
	double_does '{"auth": "basic"}'
	cooper image copy -q --src-authfile auth.json --src-cert-dir "$CERTS" "docker://$DOUBLE/app:1" dir:app
	run cooper image copy -q --src-authfile nobody.json --src-cert-dir "$CERTS" "docker://$DOUBLE/app:1" dir:no
	[ "$status" -eq 1 ]
	run cooper image copy -q --src-authfile auth.json --dest-cert-dir "$CERTS" "docker://$DOUBLE/app:1" dir:no
	assert_fails_with 1 "certificate"
	cooper image copy -q --dest-authfile auth.json --dest-cert-dir "$CERTS" dir:app "docker://$DOUBLE/to/a:1"
	run cooper image copy -q --dest-authfile nobody.json --dest-cert-dir "$CERTS" dir:app "docker://$DOUBLE/to/b:1"
	[ "$status" -eq 1 ]
	run cooper image copy -q --dest-authfile auth.json dir:app "docker://$DOUBLE/to/c:1"
	assert_fails_with 1 "certificate"
	assert_no_leak
}

@test "--dest-compress-format, --dest-compress-level, --dest-force-compress-format" {
	cooper image copy -q app-amd64 oci:gzip:x
	cooper image copy -q oci:gzip:x oci:kept:x
	[[ $(cooper image inspect --raw oci:kept:x) == *tar+gzip* ]]
	cooper image copy -q --dest-compress-format zstd oci:gzip:x oci:other:x
	[[ $(cooper image inspect --raw oci:other:x) == *tar+zstd* ]]
	cooper image copy -q --dest-compress-format zstd --dest-force-compress-format oci:gzip:x oci:zstd:x
	[[ $(cooper image inspect --raw oci:zstd:x) == *tar+zstd* ]]
	cooper image copy -q --dest-compress-format zstd --dest-compress-level 15 --dest-force-compress-format oci:gzip:x oci:level:x
	[ "$(cooper image inspect --raw oci:level:x)" != "$(cooper image inspect --raw oci:zstd:x)" ]
	run cooper image copy -q --dest-compress-level 99 --dest-compress-format gzip oci:gzip:x oci:no:x
	assert_fails_with 1 "99"
}

@test "--image-parallel-copies is how many are under way at once" {
	local n
	for n in 1 8; do
		cooper image copy -q --image-parallel-copies "$n" --all --src-cert-dir "$CERTS" "docker://$DOUBLE/list:1" "oci:p$n:x"
		[ "$(cooper image inspect --raw "oci:p$n:x" | json_get 'len(document["manifests"])')" = 2 ]
	done
	# With one, no body begins before the one before it has ended.
	double_does '{"mount": "no"}'
	cooper image copy -q --image-parallel-copies 1 --all --dest-cert-dir "$CERTS" oci:p1:x "docker://$DOUBLE/in-turn:1"
	[ "$(double_log '[.[] | select(.received > 0 and (.path | test("/blobs/uploads/")))] | sort_by(.time) |
		length >= 4 and ([range(1; length) as $i | .[$i].time < .[$i - 1].end] | any | not)')" = true ]
	run cooper image copy -q --image-parallel-copies many oci:p1:x oci:no:x
	assert_fails_with 1 "--image-parallel-copies"
}

@test "who we are, of the commands that look at one place" {
	double_does '{"auth": "basic"}'
	local place=docker://$DOUBLE/app:1 login
	printf '{"auths": {"%s": {"auth": "%s"}}}' "$DOUBLE" "$(printf '%s:%s' "$USER" "$PASSWORD" | base64)" >auth.json
	for login in "--username $USER --password '$PASSWORD'" "--creds '$USER:$PASSWORD'" "--authfile auth.json"; do
		eval "cooper image inspect --cert-dir '$CERTS' $login --format '{{.RepoTags}}' $place" | grep -qx '\[1\]'
		eval "cooper image tags --cert-dir '$CERTS' $login docker://$DOUBLE/app" | grep -q '"1"'
		cooper image copy -q --cert-dir "$CERTS" --authfile auth.json "$place" "docker://$DOUBLE/doomed:1"
		eval "cooper image delete --cert-dir '$CERTS' $login docker://$DOUBLE/doomed:1"
	done
	for command in "inspect $place" "tags docker://$DOUBLE/app" "delete $place"; do
		# shellcheck disable=SC2086 # words
		run cooper image $command --cert-dir "$CERTS" --authfile auth.json --no-creds
		assert_fails_with 1 "401"
		# shellcheck disable=SC2086 # words
		run cooper image $command --cert-dir "$CERTS" --no-creds --username "$USER" --password x
		assert_fails_with 1 "only one"
		# shellcheck disable=SC2086 # words
		run cooper image $command --cert-dir "$CERTS" --registry-token wrong
		[ "$status" -eq 1 ]
	done
	double_does '{"auth": "token"}'
	token=$(curl -sSf --cacert "$CERTS"/*.crt -u "$USER:$PASSWORD" "https://$DOUBLE/token?service=x&scope=repository:app:pull" | json_get 'document.get("token") or document["access_token"]')
	cooper image inspect --no-tags --cert-dir "$CERTS" --registry-token "$token" "$place" >/dev/null
	assert_no_leak
}
