# Many images at once: image sync.
load lib/common
load lib/multiarch

setup_file() {
	common_setup_file
	make_platform_images
	start_registry
	push_list team/app
	export TLS=--tls-verify=false
	cooper push -q "$TLS" app-amd64 "$REGISTRY/team/app:plain"
	cooper push -q "$TLS" app-amd64 "$REGISTRY/other:v1.0"
	cooper push -q "$TLS" app-arm64 "$REGISTRY/other:v2.0"
}

tags() {
	cooper image tags "$TLS" "docker://$REGISTRY/$1" | json_get 'sorted(document["Tags"])'
}

@test "a repository to directories and from there to a registry" {
	cd "$BATS_TEST_TMPDIR"
	run --separate-stderr cooper image sync "$TLS" --all --src docker --dest dir "$REGISTRY/team/app" usb
	assert_succeeds
	[ -z "$output" ]
	[ "$(cd usb && echo *)" = "app:1 app:plain" ]
	cooper image sync "$TLS" --all --src dir --dest docker usb "$REGISTRY/mirror"
	[ "$(tags mirror/app)" = "['1', 'plain']" ]
	[ "$(skopeo inspect --raw "$TLS" "docker://$REGISTRY/mirror/app:1")" = "$(skopeo inspect --raw "$TLS" "docker://$REGISTRY/team/app:1")" ]
	run cooper image sync "$TLS" --src docker --dest dir "$REGISTRY/team/app:1" usb
	assert_fails_with 1 "refusing to overwrite"
}

@test "what skopeo has synced is taken, and the other way round" {
	cd "$BATS_TEST_TMPDIR"
	skopeo --insecure-policy sync --src-tls-verify=false --all --src docker --dest dir "$REGISTRY/team/app" theirs
	cooper image sync "$TLS" --all --src dir --dest docker theirs "$REGISTRY/from-theirs"
	[ "$(tags from-theirs/app)" = "['1', 'plain']" ]
	cooper image sync "$TLS" --all --src docker --dest dir "$REGISTRY/team/app" ours
	skopeo --insecure-policy sync --dest-tls-verify=false --all --src dir --dest docker ours "$REGISTRY/from-ours"
	[ "$(tags from-ours/app)" = "['1', 'plain']" ]
}

@test "one image, --scoped, --append-suffix, --dry-run" {
	run cooper image sync "$TLS" --dry-run --src docker --dest docker "$REGISTRY/team/app:1" "$REGISTRY/dry"
	assert_succeeds
	assert_output_has "would copy docker://$REGISTRY/team/app:1 to docker://$REGISTRY/dry/app:1"
	run cooper image tags "$TLS" "docker://$REGISTRY/dry/app"
	[ "$status" -eq 2 ]
	cooper image sync "$TLS" --src docker --dest docker --append-suffix=-copy "$REGISTRY/team/app:1" "$REGISTRY/suffix"
	[ "$(tags suffix/app)" = "['1-copy']" ]
	cooper image sync "$TLS" --scoped --src docker --dest dir "$REGISTRY/team/app:1" "$BATS_TEST_TMPDIR/scoped"
	[ -e "$BATS_TEST_TMPDIR/scoped/$REGISTRY/team/app:1/manifest.json" ]
}

@test "a YAML file: all tags, some, a digest, a regular expression" {
	digest=$(skopeo inspect "$TLS" --format '{{.Digest}}' "docker://$REGISTRY/other:v1.0")
	cat >"$BATS_TEST_TMPDIR/sync.yml" <<-EOF
		$REGISTRY:
		  images:
		    team/app: []
		    other:
		      - v1.0
		      - "$digest"
		  images-by-tag-regex:
		    other: ^v2\.[0-9]$
		  images-by-semver:
		    versions: ">= 1.2, < 2 || ~3.1"
		  tls-verify: false
	EOF
	for tag in 1.1.9 1.2.0 v1.10 2.0.0 3.1.4 3.2.0 1.9-rc1 latest; do
		cooper image copy -q "$TLS" app-amd64 "docker://$REGISTRY/versions:$tag"
	done
	cooper image sync --dest-tls-verify=false --src yaml --dest dir "$BATS_TEST_TMPDIR/sync.yml" "$BATS_TEST_TMPDIR/y"
	[ "$(cd "$BATS_TEST_TMPDIR/y" && echo *)" = "app:1 app:plain other:v1.0 other:v2.0 other@$digest versions:1.2.0 versions:3.1.4 versions:v1.10" ]
}

@test "YAML that is wrong is named by its place" {
	cd "$BATS_TEST_TMPDIR"
	printf 'reg.example.org:\n  imagse: {}\n' >key.yml
	run cooper image sync --src yaml --dest dir key.yml out
	assert_fails_with 1 "imagse"
	printf 'reg.example.org:\n  images-by-semver: {a: ">= one"}\n' >semver.yml
	run cooper image sync --src yaml --dest dir semver.yml out
	assert_fails_with 1 "images-by-semver.a: '>= one' is no range of versions"
	printf 'reg.example.org:\n  images-by-tag-regex: {a: "["}\n' >regex.yml
	run cooper image sync --src yaml --dest dir regex.yml out
	assert_fails_with 1 "regular expression"
	printf 'a: [\n' >syntax.yml
	run cooper image sync --src yaml --dest dir syntax.yml out
	assert_fails_with 1 "syntax.yml"
}

@test "--keep-going copies the others and fails in the end" {
	cat >"$BATS_TEST_TMPDIR/some.yml" <<-EOF
		$REGISTRY:
		  images: {other: [nosuch, v1.0]}
		  tls-verify: false
	EOF
	run cooper image sync --dest-tls-verify=false --src yaml --dest dir "$BATS_TEST_TMPDIR/some.yml" "$BATS_TEST_TMPDIR/stop"
	assert_fails_with 2 nosuch
	[ ! -e "$BATS_TEST_TMPDIR/stop/other:v1.0" ]
	run cooper image sync --keep-going --dest-tls-verify=false --src yaml --dest dir "$BATS_TEST_TMPDIR/some.yml" "$BATS_TEST_TMPDIR/go"
	assert_fails_with 1 "1 of 2 images"
	[ -e "$BATS_TEST_TMPDIR/go/other:v1.0/manifest.json" ]
}

@test "what cannot be done is refused" {
	run cooper image sync --src dir --dest dir a b
	assert_fails_with 1 "rsync"
	run cooper image sync --dest dir a b
	assert_fails_with 1 "--src"
	run cooper image sync --src docker --dest yaml a b
	assert_fails_with 1 "--dest"
	run cooper image sync --src dir --dest docker /nosuch "$REGISTRY/x"
	assert_fails_with 2 "/nosuch"
}
