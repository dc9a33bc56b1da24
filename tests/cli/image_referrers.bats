# The tag that stands in for a list of referrers, while others change it as well.
load lib/common
load lib/signing
load lib/double

setup_file() {
	common_setup_file
	signing_setup_file
	use_busybox
	make_sigstore_keys one two
	start_double
	export TLS=--tls-verify=false
}

teardown_file() {
	stop_doubles
	signing_teardown_file
	common_teardown_file
}

# Signs the image in a REPOSITORY with a KEY, as an artifact that refers to it:  refer REPOSITORY KEY
refer() {
	cooper push -q "$TLS" --retry-delay 1ms --sign-by-sigstore-private-key "$BATS_FILE_TMPDIR/$2.key" --sign-format bundle \
		busybox "docker://$DOUBLE/$1:1"
}

# How many entries the index has, and the types in it.
entries() {
	local digest
	digest=$(cooper image inspect "$TLS" --raw "docker://$DOUBLE/$1:1" | cooper image digest -)
	cooper image inspect "$TLS" --raw "docker://$DOUBLE/$1:${digest/:/-}" |
		jq -r '.manifests | length, (map(.artifactType) | unique | join(" "))' | paste -sd ' '
}

puts_of_index() {
	double_log 'map(select(.method == "PUT" and (.path | test("/manifests/sha256-"))) | .status) | map(tostring) | join(" ")'
}

@test "an entry that somebody else has added meanwhile is not lost" {
	double_does '{"referrers": false, "etags": "strong"}'
	refer shared one
	[ "$(entries shared)" = "1 application/vnd.dev.sigstore.bundle.v0.3+json" ]
	double_does '{"referrers": false, "etags": "strong", "faults": [
		{"method": "GET", "path": "manifests/sha256-[0-9a-f]*$", "do": "rival", "count": 3}]}'
	refer shared two
	# The first look is whether it is signed already.
	[ "$(puts_of_index)" = "412 412 201" ]
	[[ $(entries shared) == "5 application/vnd.dev.sigstore.bundle.v0.3+json application/vnd.example.rival" ]]
}

@test "one that changes for ever is told, with the image there and no name on it" {
	double_does '{"referrers": false, "etags": "strong"}'
	refer busy one
	double_does '{"referrers": false, "etags": "strong", "faults": [
		{"method": "GET", "path": "manifests/sha256-[0-9a-f]*$", "do": "rival", "count": 0}]}'
	run refer busy two
	assert_fails_with 120 "412"
	assert_output_has "referrers of sha256:"
}

@test "a weak ETag, and none, are no condition" {
	for etags in weak none; do
		double_does "{\"referrers\": false, \"etags\": \"$etags\"}"
		refer "$etags" one
		refer "$etags" two
		[[ $(entries "$etags") == "2 "* ]] || fail "$etags: $(entries "$etags")"
		[ "$(puts_of_index)" = "201 201" ]
	done
}

@test "where the registry keeps the list, no tag is made" {
	double_does '{"referrers": true}'
	refer kept one
	[ -z "$(puts_of_index)" ]
}

@test "an artifact of a list that refers to an image is found from there" {
	local api digest
	echo notes >"$BATS_TEST_TMPDIR/notes.md"
	for api in true false; do
		double_does "{\"referrers\": $api}"
		cooper push -q "$TLS" busybox "docker://$DOUBLE/about-$api:1"
		digest=$(cooper image inspect "$TLS" --raw "docker://$DOUBLE/about-$api:1" | cooper image digest -)
		cooper manifest create --replace things
		cooper manifest add "$TLS" --artifact --artifact-type application/vnd.example.notes \
			--artifact-subject "docker://$DOUBLE/about-$api:1" things "$BATS_TEST_TMPDIR/notes.md"
		cooper manifest push -q "$TLS" things "docker://$DOUBLE/about-$api:list"
		if [ "$api" = true ]; then
			curl -sSf "http://$DOUBLE/v2/about-$api/referrers/$digest"
		else
			cooper image inspect "$TLS" --raw "docker://$DOUBLE/about-$api:${digest/:/-}"
		fi >"$BATS_TEST_TMPDIR/index"
		[ "$(jq -c '[.manifests[] | [.artifactType, .mediaType]]' "$BATS_TEST_TMPDIR/index")" = \
			'[["application/vnd.example.notes","application/vnd.oci.image.manifest.v1+json"]]' ]
	done
}
