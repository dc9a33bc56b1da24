# registries.conf: other locations, mirrors, what is blocked and what needs no TLS; BUILD_REGISTRY_SOURCES.
load lib/common
load lib/double

setup_file() {
	common_setup_file
	make_image small 20000
	make_image large 3000000
	start_doubles MIRROR PRIMARY
	for place in "$PRIMARY/team/app" "$MIRROR/cache/team/app"; do
		cooper push -q --tls-verify=false small "$place:1"
	done
	cooper push -q --tls-verify=false large "$PRIMARY/team/only:1"
	digest=$(skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$PRIMARY/team/app:1")
	export digest
}

setup() {
	doubles_setup
}

teardown() {
	doubles_teardown
}

# registry.test is the primary, with one mirror:  mirrored ['key = …' of the registry ['key = …' of the mirror]]
mirrored() {
	conf <<-EOF
	[[registry]]
	prefix = "registry.test"
	location = "$PRIMARY"
	${1:-}
	[[registry.mirror]]
	location = "$MIRROR/cache"
	${2:-}
	EOF
}

# Requests for manifests and blobs that a registry got.
asked() {
	jq -s 'map(select(.path | test("manifests|blobs"))) | length' "$1/log"
}

pulls_from_mirror() {
	run cooper pull --tls-verify=false --retry-delay 1ms "$1"
	assert_succeeds
	[ "$(asked "$MIRROR_DIRECTORY")" -gt 0 ] || fail "the mirror was not asked"
	[ "$(asked "$PRIMARY_DIRECTORY")" -eq 0 ] || fail "the registry itself was asked"
}

@test "a mirror is asked before the registry, which need not be there" {
	conf <<-EOF
	[[registry]]
	prefix = "registry.test/team"
	location = "$PRIMARY/team"
	[[registry.mirror]]
	location = "$MIRROR/cache/team"
	EOF
	pulls_from_mirror registry.test/team/app:1
	run cooper images --format '{{.Name}}'
	assert_output_has registry.test/team/app
}

@test "what the mirror does not have, refuses or cannot give comes from the registry itself" {
	conf <<-EOF
	[[registry]]
	prefix = "registry.test"
	location = "$PRIMARY"
	[[registry.mirror]]
	location = "127.0.0.1:1/nobody"
	[[registry.mirror]]
	location = "$MIRROR/cache"
	EOF
	cooper pull -q --tls-verify=false --retry 0 registry.test/team/only:1
	for no in 401 403 500; do
		DOUBLE_DIRECTORY=$MIRROR_DIRECTORY double_does "{\"faults\": [{\"path\": \"manifests\", \"do\": \"status\", \"status\": $no, \"count\": 0}]}"
		cooper pull -q --tls-verify=false --retry-delay 1ms registry.test/team/app:1
	done
	[ "$(asked "$PRIMARY_DIRECTORY")" -gt 0 ]
}

@test "a mirror that fails in the middle of the blobs is left for the registry" {
	mirrored
	DOUBLE_DIRECTORY=$MIRROR_DIRECTORY double_does '{"faults": [{"path": "blobs", "do": "reset", "at": 100, "count": 0}]}'
	cooper pull -q --tls-verify=false --retry-delay 1ms registry.test/team/app:1
	DOUBLE_DIRECTORY=$MIRROR_DIRECTORY double_does '{"faults": [{"path": "blobs", "do": "flip", "at": 30, "count": 0}]}'
	fresh_store mirrors-flip
	cooper pull -q --tls-verify=false --retry-delay 1ms registry.test/team/app:1
}

@test "when all fail, the reasons of all are told" {
	mirrored
	DOUBLE_DIRECTORY=$MIRROR_DIRECTORY double_does '{"faults": [{"path": "manifests", "do": "status", "status": 403, "text": "keep out", "count": 0}]}'
	run cooper pull --tls-verify=false registry.test/team/nothing:1
	assert_fails_with 125 "MANIFEST_UNKNOWN"
	assert_output_has "mirrors also failed: $MIRROR/cache/team/nothing"
	assert_output_has "keep out"
}

@test "mirrors by digest only, by tag only" {
	mirrored 'mirror-by-digest-only = true'
	cooper pull -q --tls-verify=false registry.test/team/app:1
	[ "$(asked "$MIRROR_DIRECTORY")" -eq 0 ]
	fresh_store mirrors-digest
	DOUBLE_DIRECTORY=$PRIMARY_DIRECTORY double_does '{}'
	pulls_from_mirror "registry.test/team/app@$digest"
	mirrored '' 'pull-from-mirror = "tag-only"'
	fresh_store mirrors-tag
	DOUBLE_DIRECTORY=$MIRROR_DIRECTORY double_does '{}'
	cooper pull -q --tls-verify=false "registry.test/team/app@$digest"
	[ "$(asked "$MIRROR_DIRECTORY")" -eq 0 ]
	remove_store "$BATS_FILE_TMPDIR"/root-mirrors-*
}

@test "the longest prefix wins, *. is for all hosts below, drop-ins come last" {
	unset CONTAINERS_REGISTRIES_CONF
	export XDG_CONFIG_HOME=$BATS_TEST_TMPDIR/config
	mkdir -p "$XDG_CONFIG_HOME/containers/registries.conf.d"
	cat >"$XDG_CONFIG_HOME/containers/registries.conf" <<-EOF
	[[registry]]
	prefix = "*.registry.test"
	location = "$MIRROR/cache"
	[[registry]]
	prefix = "eu.registry.test/team"
	location = "127.0.0.1:1"
	EOF
	cat >"$XDG_CONFIG_HOME/containers/registries.conf.d/50-team.conf" <<-EOF
	[[registry]]
	prefix = "eu.registry.test/team"
	location = "$PRIMARY/team"
	EOF
	pulls_from_mirror us.registry.test/team/app:1
	cooper pull -q --tls-verify=false eu.registry.test/team/only:1
	run cooper pull --tls-verify=false --retry 0 registry.test/team/app:1
	assert_fails_with 125 registry.test
}

@test "a blocked registry is asked nothing, for pulls and pushes" {
	conf <<-EOF
	[[registry]]
	prefix = "$PRIMARY/team"
	blocked = true
	EOF
	run cooper pull --tls-verify=false "$PRIMARY/team/app:1"
	assert_fails_with 125 "is blocked by registries.conf (prefix '$PRIMARY/team')"
	ctr=$(cooper from scratch)
	cooper commit -q "$ctr" none
	run cooper push --tls-verify=false none "$PRIMARY/team/none:1"
	assert_fails_with 120 "is blocked by registries.conf"
	[ "$(asked "$PRIMARY_DIRECTORY")" -eq 0 ]
	cooper push -q --tls-verify=false none "$PRIMARY/teamwork:1"
}

@test "BUILD_REGISTRY_SOURCES: allowed and blocked" {
	conf </dev/null
	export BUILD_REGISTRY_SOURCES
	BUILD_REGISTRY_SOURCES="{\"blockedRegistries\":[\"$PRIMARY\"]}"
	run cooper pull --tls-verify=false "$PRIMARY/team/app:1"
	assert_fails_with 125 "is blocked by BUILD_REGISTRY_SOURCES"
	BUILD_REGISTRY_SOURCES="{\"allowedRegistries\":[\"$MIRROR\"]}"
	run cooper pull --tls-verify=false "$PRIMARY/team/app:1"
	assert_fails_with 125 "not among the allowedRegistries of BUILD_REGISTRY_SOURCES"
	cooper pull -q --tls-verify=false "$MIRROR/cache/team/app:1"
	BUILD_REGISTRY_SOURCES="{\"allowedRegistries\":1}"
	run cooper pull --tls-verify=false "$MIRROR/cache/team/app:1"
	assert_fails_with 125 "BUILD_REGISTRY_SOURCES: allowedRegistries"
}

@test "insecure stands for --tls-verify=false, and the option counts more" {
	start_double tls
	conf </dev/null
	COOPER_ROOT=$BATS_FILE_TMPDIR/root COOPER_RUNROOT=$BATS_FILE_TMPDIR/runroot \
		cooper push -q --cert-dir "$DOUBLE_CERTS" small "$DOUBLE/x:1"
	run cooper pull "$DOUBLE/x:1"
	assert_fails_with 125 certificate
	conf <<-EOF
	[[registry]]
	location = "$DOUBLE"
	insecure = true
	EOF
	run cooper pull --tls-verify=true "$DOUBLE/x:1"
	assert_fails_with 125 certificate
	cooper pull -q "$DOUBLE/x:1"
}

@test "credentials of the registry are not for its mirrors; theirs are looked up by their own name" {
	mirrored
	DOUBLE_DIRECTORY=$MIRROR_DIRECTORY double_does '{"auth": "basic"}'
	DOUBLE_DIRECTORY=$PRIMARY_DIRECTORY double_does '{"auth": "basic"}'
	cooper pull -q --tls-verify=false --creds "tester:s3cret pass" registry.test/team/app:1
	[ "$(jq -s 'map(select(.authorization != null)) | length' "$MIRROR_DIRECTORY/log")" -eq 0 ]
	fresh_store mirrors-auth
	printf '{"auths":{"%s/cache":{"auth":"%s"}}}' "$MIRROR" "$(printf 'tester:s3cret pass' | base64)" >"$BATS_TEST_TMPDIR/auth.json"
	DOUBLE_DIRECTORY=$PRIMARY_DIRECTORY double_does '{"auth": "basic"}'
	cooper pull -q --tls-verify=false --authfile "$BATS_TEST_TMPDIR/auth.json" registry.test/team/app:1
	[ "$(asked "$PRIMARY_DIRECTORY")" -eq 0 ]
	remove_store "$BATS_FILE_TMPDIR/root-mirrors-$BATS_TEST_NUMBER"
}

@test "mistakes in the file are said with their place" {
	conf <<<'[[registry]]'
	run cooper pull x.test/a
	assert_fails_with 125 "registries.conf: registry[0]: neither a prefix nor a location"
	conf <<<$'[[registry]]\nlocation = "https://x.test"'
	run cooper pull x.test/a
	assert_fails_with 125 "must not have a scheme"
	conf <<<$'[[registry]]\nprefix = "x.*.test"\nlocation = "y.test"'
	run cooper pull x.test/a
	assert_fails_with 125 "a '*' may only stand for the beginning of a host"
	conf <<<$'[[registry]]\nlocation = "x.test"\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = "m.test"\npull-from-mirror = "all"'
	run cooper pull x.test/a
	assert_fails_with 125 "mirror-by-digest-only already"
	conf <<<$'[[registry]]\nlocation = "x.test"\n[[registry.mirror]]\nlocation = "m.test"\npull-from-mirror = "never"'
	run cooper pull x.test/a
	assert_fails_with 125 "'never' is none of all, digest-only and tag-only"
}

@test "a key that nobody knows is said, and the rest counts" {
	conf <<-EOF
	unqualified-search-registry = ["x.test"]
	[[registry]]
	prefix = "registry.test"
	location = "$PRIMARY"
	bloked = true
	[[registry.mirror]]
	location = "$MIRROR/cache"
	secure = false
	EOF
	run cooper pull --tls-verify=false --retry-delay 1ms registry.test/team/app:1
	assert_succeeds
	for key in unqualified-search-registry "registry\[0\].bloked" "registry\[0\].mirror\[0\].secure"; do
		[ "$(grep -c "warning: .*registries.conf: $key: nothing that is known here; going on without it" <<<"$output")" -eq 1 ] || fail "$key" || return
	done
}
