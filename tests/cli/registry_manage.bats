# Lists of tags, referrers and removal, with registries that can and that cannot.
load lib/common
load lib/double
load lib/signing

image() {
	cooper image "$1" --tls-verify=false --retry-delay 1ms "${@:2}"
}

# push_tag REPOSITORY TAG...
push_tags() {
	local repository=$1 tag
	shift
	for tag; do
		cooper push -q --tls-verify=false small "$DOUBLE/$repository:$tag"
	done
}

@test "all tags, page by page; a registry without pages; one that fails in between" {
	double_does '{}'
	push_tags pages a b c d e f g
	for page in 0 1 2 3 7 100; do
		double_does "{\"page\": $page}"
		[ "$(image tags "docker://$DOUBLE/pages" | jq -r '.Tags | join(" ")')" = "a b c d e f g" ]
	done
	double_does '{"page": 2, "faults": [{"path": "tags/list", "do": "status", "status": 503, "nth": 2}]}'
	[ "$(image tags "docker://$DOUBLE/pages" | jq -r '.Tags | length')" -eq 7 ]
	run image tags "docker://$DOUBLE/nothing"
	assert_fails_with 2 NAME_UNKNOWN
}

@test "a Link to somewhere else is not followed" {
	double_does '{"page": 3, "faults": [{"path": "tags/list$", "do": "body", "text": "{\"name\":\"pages\",\"tags\":[\"a\"]}",
		"headers": {"Link": "<http://127.0.0.1:1/steal>; rel=\"next\""}}]}'
	[ "$(image tags "docker://$DOUBLE/pages" | jq -r '.Tags | length')" -eq 7 ]
}

@test "the next page among other links, relative, and where a long list says nothing" {
	local text='{"name":"pages","tags":["a"]}'
	for link in '</v2/pages/tags/list?last=>; rel="first", </v2/pages/tags/list?last=a>; rel="next"' '<list?last=a>; title="x"; rel=next' \
		"<http://$DOUBLE/v2/pages/tags/list?last=a>;rel=\"next\""; do
		double_does "$(jq -n --arg text "$text" --arg link "$link" '{faults: [{path: "tags/list$", do: "body", text: $text, headers: {Link: $link}}]}')"
		[ "$(image tags "docker://$DOUBLE/pages" | jq -r '.Tags | join(" ")')" = "a b c d e f g" ]
		[ "$(double_log 'map(select(.path | test("tags/list"))) | length')" -eq 2 ]
	done
	# A hundred and no Link: asked once more, and a no is then no failure.
	text=$(jq -nc '{name: "pages", tags: [range(100) | "T\(.)"]}')
	double_does "$(jq -n --arg text "$text" '{faults: [{path: "tags/list$", do: "body", text: $text}]}')"
	[ "$(image tags "docker://$DOUBLE/pages" | jq -r '.Tags | length')" -gt 100 ]
	double_does "$(jq -n --arg text "$text" '{faults: [{path: "tags/list$", do: "body", text: $text}, {path: "last=T99", do: "status", status: 400}]}')"
	[ "$(image tags "docker://$DOUBLE/pages" | jq -r '.Tags | length')" -eq 100 ]
}

@test "delete: by digest with all tags, the tag alone, and what registries say who do not" {
	double_does '{}'
	push_tags gone 1 2
	image delete --tag-only "docker://$DOUBLE/gone:1"
	[ "$(image tags "docker://$DOUBLE/gone" | jq -r '.Tags | join(" ")')" = 2 ]
	push_tags gone 3
	image delete "docker://$DOUBLE/gone:2"
	run image tags "docker://$DOUBLE/gone"
	assert_fails_with 2 NAME_UNKNOWN
	push_tags kept 1
	double_does '{"delete": "none"}'
	run image delete "docker://$DOUBLE/kept:1"
	assert_fails_with 1 "does not allow manifests to be deleted (HTTP 405)"
	double_does '{"delete": "digest"}'
	run image delete --tag-only "docker://$DOUBLE/kept:1"
	assert_fails_with 1 "deletes by digest only"
	image delete "docker://$DOUBLE/kept:1"
	run image delete "docker://$DOUBLE/kept:1"
	assert_fails_with 2 MANIFEST_UNKNOWN
}

# An image that refers to another, as a layout that can be copied:  make_referrer SUBJECT-DIGEST SUBJECT-SIZE TYPE DIRECTORY
make_referrer() {
	python3 - "$@" <<-'PY'
	import hashlib, json, os, sys
	subject, size, kind, directory = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
	blobs = f"{directory}/blobs/sha256"
	os.makedirs(blobs)
	def put(data):
	    name = hashlib.sha256(data).hexdigest()
	    open(f"{blobs}/{name}", "wb").write(data)
	    return {"digest": "sha256:" + name, "size": len(data)}
	empty = {"mediaType": "application/vnd.oci.empty.v1+json", **put(b"{}")}
	manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "artifactType": kind, "config": empty,
	            "layers": [empty], "annotations": {"of": "a test"},
	            "subject": {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": subject, "size": size}}
	entry = {"mediaType": manifest["mediaType"], **put(json.dumps(manifest).encode())}
	json.dump({"schemaVersion": 2, "manifests": [entry]}, open(f"{directory}/index.json", "w"))
	json.dump({"imageLayoutVersion": "1.0.0"}, open(f"{directory}/oci-layout", "w"))
	print(entry["digest"])
	PY
}

fallback_index() {
	curl -s "http://$DOUBLE/v2/$1/manifests/${2/:/-}" -H 'Accept: application/vnd.oci.image.index.v1+json'
}

@test "referrers: the registry keeps the list, or the tag stands in for it" {
	for api in true false; do
		double_does "{\"referrers\": $api}"
		push_tags "ref-$api" 1
		image inspect --raw "docker://$DOUBLE/ref-$api:1" >"$BATS_TEST_TMPDIR/subject"
		subject=sha256:$(sha256sum <"$BATS_TEST_TMPDIR/subject" | cut -d' ' -f1)
		for kind in application/one application/two; do
			layout=$BATS_TEST_TMPDIR/$api-${kind#*/}
			referrer=$(make_referrer "$subject" "$(stat -c %s "$BATS_TEST_TMPDIR/subject")" "$kind" "$layout")
			cooper image copy -q --dest-tls-verify=false "oci:$layout" "docker://$DOUBLE/ref-$api@$referrer"
			cooper image copy -q --dest-tls-verify=false "oci:$layout" "docker://$DOUBLE/ref-$api@$referrer"
		done
		if [ "$api" = true ]; then
			[ "$(fallback_index "ref-$api" "$subject" | jq -r '.errors[0].code')" = MANIFEST_UNKNOWN ]
			continue
		fi
		[ "$(fallback_index "ref-$api" "$subject" | jq -c '[.manifests[] | [.artifactType, .annotations.of]]')" = \
			'[["application/one","a test"],["application/two","a test"]]' ]
		image delete "docker://$DOUBLE/ref-$api@$referrer"
		[ "$(fallback_index "ref-$api" "$subject" | jq -c '[.manifests[].artifactType]')" = '["application/one"]' ]
	done
}

@test "a signature is found among referrers on several pages, whatever else there is" {
	local subject kind page
	signing_setup_file
	make_sigstore_keys good
	double_does '{}'
	cooper push -q --tls-verify=false --sign-by-sigstore-private-key "$BATS_FILE_TMPDIR/good.key" --sign-format bundle small "$DOUBLE/found:1"
	image inspect --raw "docker://$DOUBLE/found:1" >"$BATS_TEST_TMPDIR/subject"
	subject=sha256:$(sha256sum <"$BATS_TEST_TMPDIR/subject" | cut -d' ' -f1)
	for kind in a b c d; do
		referrer=$(make_referrer "$subject" "$(stat -c %s "$BATS_TEST_TMPDIR/subject")" "application/$kind" "$BATS_TEST_TMPDIR/$kind")
		cooper image copy -q --dest-tls-verify=false "oci:$BATS_TEST_TMPDIR/$kind" "docker://$DOUBLE/found@$referrer"
	done
	REGISTRY=$DOUBLE sigstore_policy good
	for page in 0 1 2; do
		double_does "{\"page\": $page}"
		fresh_store "found-$page"
		cooper pull -q --tls-verify=false "$DOUBLE/found:1"
		[ "$page" -ne 1 ] || [ "$(double_log 'map(select(.path | test("/referrers/"))) | length')" -ge 5 ]
		remove_store "$COOPER_ROOT"
	done
	no_policy
}

@test "the tag that stands in for referrers is not taken from somebody else" {
	double_does '{"referrers": false}'
	push_tags taken 1
	image inspect --raw "docker://$DOUBLE/taken:1" >"$BATS_TEST_TMPDIR/subject"
	subject=sha256:$(sha256sum <"$BATS_TEST_TMPDIR/subject" | cut -d' ' -f1)
	push_tags taken "${subject/:/-}"
	referrer=$(make_referrer "$subject" "$(stat -c %s "$BATS_TEST_TMPDIR/subject")" application/x "$BATS_TEST_TMPDIR/layout")
	run cooper image copy --dest-tls-verify=false "oci:$BATS_TEST_TMPDIR/layout" "docker://$DOUBLE/taken@$referrer"
	[ "$status" -ne 0 ]
	assert_output_has "is taken by something that is no index"
}
