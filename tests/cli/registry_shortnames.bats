# Names of images: what they stand for, and where a name without a registry is looked for.
load lib/common
load lib/double

setup_file() {
	common_setup_file
	make_image small 20000
	start_doubles FIRST SECOND
	cooper push -q --tls-verify=false small "$SECOND/team/app:1"
	cooper push -q --tls-verify=false small "$SECOND/library/solo:latest"
}

setup() {
	doubles_setup
}

teardown() {
	doubles_teardown
}

pull() {
	run cooper pull --tls-verify=false --retry-delay 1ms "$1"
}

# The names that the store has.
assert_named() {
	run cooper images --format '{{.Name}}:{{.Tag}}'
	assert_output_is "$1"
}

@test "without a word a short name is docker.io's, also in a Dockerfile" {
	conf <<-EOF
	[[registry]]
	prefix = "docker.io"
	location = "$SECOND"
	EOF
	pull solo
	assert_succeeds
	assert_named docker.io/library/solo:latest
	mkdir "$BATS_TEST_TMPDIR/context"
	echo 'FROM team/app:1' >"$BATS_TEST_TMPDIR/context/Dockerfile"
	cooper build -q --tls-verify=false "$BATS_TEST_TMPDIR/context"
	run cooper images --format '{{.Name}}' docker.io/team/app
	assert_output_has docker.io/team/app
}

@test "Docker's own names are one" {
	conf <<-EOF
	[[registry]]
	prefix = "docker.io"
	location = "$SECOND"
	EOF
	local name
	for name in docker.io/solo index.docker.io/solo registry.hub.docker.com/library/solo:latest docker://solo; do
		pull "$name"
		assert_succeeds || fail "$name" || return
		assert_named docker.io/library/solo:latest
		cooper rmi solo >/dev/null
	done
}

@test "each registry of the list is asked in its order" {
	conf <<<"unqualified-search-registries = [\"$FIRST\", \"$SECOND\"]"
	pull team/app:1
	assert_succeeds
	assert_named "$SECOND/team/app:1"
	[ "$(jq -s 'map(select(.path == "/v2/team/app/manifests/1").status) | tostring' "$FIRST_DIRECTORY/log")" = '"[404]"' ]
	pull team/nothing:1
	assert_fails_with 125 "$FIRST"
	assert_output_has "$SECOND"
}

@test "short-name-mode enforcing: where two may be meant nobody guesses" {
	conf <<<$'short-name-mode = "enforcing"\nunqualified-search-registries = ["'"$FIRST"'", "'"$SECOND"$'"]\n[aliases]\n"app" = "'"$SECOND"'/team/app"'
	pull team/app:1
	assert_fails_with 125 "'team/app' may be in any of $FIRST, $SECOND"
	[ ! -s "$FIRST_DIRECTORY/log" ]
	pull app:1
	assert_succeeds
	conf <<<$'short-name-mode = "enforcing"\nunqualified-search-registries = ["'"$SECOND"'"]'
	pull team/app:1
	assert_succeeds
	for mode in permissive disabled; do
		conf <<<"short-name-mode = \"$mode\""$'\nunqualified-search-registries = ["'"$FIRST"'", "'"$SECOND"'"]'
		pull team/app:1
		assert_succeeds
	done
	conf <<<'short-name-mode = "strict"'
	pull team/app:1
	assert_fails_with 125 "short-name-mode: 'strict' is none of enforcing, permissive and disabled"
}

@test "an alias decides alone; an empty one takes back another file's; one that is no repository is refused" {
	unset CONTAINERS_REGISTRIES_CONF
	export XDG_CONFIG_HOME=$BATS_TEST_TMPDIR/config
	mkdir -p "$XDG_CONFIG_HOME/containers/registries.conf.d"
	printf 'unqualified-search-registries = ["%s"]\n[aliases]\n"team/app" = "%s/nowhere/app"\n"short" = "%s/team/app"\n' \
		"$SECOND" "$FIRST" "$SECOND" >"$XDG_CONFIG_HOME/containers/registries.conf"
	pull team/app:1
	assert_fails_with 125 "$FIRST/nowhere/app:1"
	[ ! -s "$SECOND_DIRECTORY/log" ]
	pull short:1
	assert_succeeds
	printf '[aliases]\n"team/app" = ""\n' >"$XDG_CONFIG_HOME/containers/registries.conf.d/10-back.conf"
	pull team/app:1
	assert_succeeds
	for wrong in team/app "$SECOND/team/app:1"; do
		printf '[aliases]\n"short" = "%s"\n' "$wrong" >"$XDG_CONFIG_HOME/containers/registries.conf.d/20-wrong.conf"
		pull short:1
		assert_fails_with 125 "'$wrong' is not a registry and a path in it, without a tag"
	done
}

@test "a name with a tag and a digest is the digest's, and keeps its tag" {
	local digest
	conf </dev/null
	digest=$(curl -sI "http://$SECOND/v2/team/app/manifests/1" -H 'Accept: */*' | tr -d '\r' | sed -n 's/^docker-content-digest: //Ip')
	DOUBLE_DIRECTORY=$SECOND_DIRECTORY double_does '{}'
	pull "$SECOND/team/app:other@$digest"
	assert_succeeds
	[ "$(jq -s -r 'map(.path | select(test("manifests/"))) | join(" ")' "$SECOND_DIRECTORY/log")" = "/v2/team/app/manifests/$digest" ]
	cooper from --pull=never "$SECOND/team/app:other@$digest"
}

@test "names that are none are refused before anything is asked" {
	conf </dev/null
	local name
	for name in UPPER a..b "a b" "$SECOND/" "$SECOND/x:" "$SECOND/x:-t" "x@sha256:12" "[::1/x" "docker-daemon:x:1" "$(printf 'a%.0s' {1..260})"; do
		pull "$name"
		[ "$status" -eq 125 ] || fail "'$name' was taken" || return
	done
	[ ! -s "$SECOND_DIRECTORY/log" ]
}
