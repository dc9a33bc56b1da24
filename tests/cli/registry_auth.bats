# Credentials and tokens: fetched again when they end, asked for with the right scopes, and shown to nobody else.
load lib/common
load lib/double

setup_file() {
	common_setup_file
	make_image small 20000
	make_image large 6000000
	start_double
}

login=(--tls-verify=false --retry-delay 1ms --creds "tester:s3cret pass")

@test "tokens that end at any request are fetched again, also in the middle of bytes" {
	for path in 'HEAD blobs' 'POST uploads' 'PATCH uploads' 'PUT uploads' 'PUT manifests'; do
		double_does "{\"auth\": \"token\", \"faults\": [{\"method\": \"${path% *}\", \"path\": \"${path#* }\", \"do\": \"expire\"}]}"
		run cooper push "${login[@]}" large "$DOUBLE/t$RANDOM/x:1"
		assert_succeeds
		[ "$(double_log 'map(select(.status == 401 and .authorization != null)) | length')" -gt 0 ]
		[ "$(double_received)" -lt 7000000 ]
	done
	double_does '{"auth": "token"}'
	cooper push -q "${login[@]}" large "$DOUBLE/pull:1"
	for path in 'GET manifests' 'GET blobs'; do
		double_does "{\"auth\": \"token\", \"faults\": [{\"method\": \"${path% *}\", \"path\": \"${path#* }\", \"do\": \"expire\"}]}"
		fresh_store "auth-${path#* }"
		cooper pull -q --tls-verify=false "$DOUBLE/pull:1"
		remove_store "$COOPER_ROOT"
	done
}

@test "a blob that outlives several tokens" {
	double_does '{"auth": "token"}'
	cooper push -q "${login[@]}" large "$DOUBLE/long:1"
	# The largest body that went out is the layer; its address is in the PUT behind it.
	upload=$(double_log 'map(select(.method == "PATCH")) | max_by(.received).path')
	layer=$(double_log "map(select(.method == \"PUT\" and .path == \"$upload\")) | .[0].query" | sed 's/.*%3A//')
	double_does '{"auth": "token", "faults": [
		{"path": "'"$layer"'", "do": "reset", "at": 1000000}, {"path": "'"$layer"'", "do": "expire", "nth": 2},
		{"path": "'"$layer"'", "do": "reset", "at": 2000000, "nth": 3}, {"path": "'"$layer"'", "do": "expire", "nth": 4},
		{"path": "'"$layer"'", "do": "reset", "at": 1000000, "nth": 5}, {"path": "'"$layer"'", "do": "expire", "nth": 6}]}'
	fresh_store long
	cooper pull -q --tls-verify=false --retry-delay 1ms "$DOUBLE/long:1"
	remove_store "$COOPER_ROOT"
}

@test "a token that ends again before the request has come through" {
	double_does '{"auth": "token", "faults": [{"method": "PATCH", "path": "uploads", "do": "expire", "count": 3},
		{"method": "PUT", "path": "manifests", "do": "expire", "count": 2}]}'
	cooper push -q "${login[@]}" large "$DOUBLE/again:1"
	[ "$(double_log 'map(select(.status == 401 and .authorization != null)) | length')" -ge 5 ]
	# One that never held is as wrong the second time.
	double_does '{"auth": "token", "faults": [{"path": "^/v2/again/", "do": "expire", "count": 0}]}'
	fresh_store again
	run cooper pull -q "${login[@]}" "$DOUBLE/again:1"
	assert_fails_with 125 "HTTP 401"
	[ "$(double_log 'map(select(.path == "/token")) | length')" -le 2 ]
	remove_store "$COOPER_ROOT"
}

@test "short-lived tokens, and tokens that do not say how long they live" {
	for how in '"token_lifetime": 1' '"token_lifetime": 1, "tell_lifetime": false' '"tell_lifetime": false'; do
		double_does "{\"auth\": \"token\", $how}"
		cooper push -q "${login[@]}" large "$DOUBLE/s$RANDOM/x:1"
	done
}

@test "several layers, one token" {
	double_does '{"auth": "token"}'
	cooper push -q "${login[@]}" large "$DOUBLE/single:1"
	[ "$(double_log 'map(select(.path == "/token")) | length')" -eq 1 ]
}

@test "a token server elsewhere; nobody else sees the password or the token" {
	double_does '{"auth": "token", "realm": "other", "location": "other", "redirect_blobs": true}'
	cooper push -q "${login[@]}" large "$DOUBLE/elsewhere:1"
	fresh_store elsewhere
	cooper pull -q "${login[@]}" "$DOUBLE/elsewhere:1"
	[ "$(double_log 'map(select(.origin == "other" and .path == "/token" and .authorization == "Basic")) | length')" -gt 0 ]
	[ "$(double_log 'map(select(.origin == "other" and .method == "PATCH")) | length')" -gt 0 ]
	[ "$(double_log 'map(select(.origin == "other" and .method == "GET" and (.path | test("blobs")))) | length')" -gt 0 ]
	assert_no_leak
	remove_store "$COOPER_ROOT"
}

@test "redirects of any request to another origin carry no credentials" {
	for request in 'GET manifests' 'GET blobs' 'HEAD blobs' 'POST uploads' 'PUT manifests' 'PATCH uploads'; do
		double_does "{\"auth\": \"basic\", \"faults\": [{\"method\": \"${request% *}\", \"path\": \"${request#* }\", \"do\": \"redirect\", \"count\": 0}]}"
		cooper push -q "${login[@]}" small "$DOUBLE/redirect$RANDOM:1" || true
		fresh_store redirect
		cooper pull -q "${login[@]}" "$DOUBLE/redirect:1" || true
		assert_no_leak
		export COOPER_ROOT=$BATS_FILE_TMPDIR/root COOPER_RUNROOT=$BATS_FILE_TMPDIR/runroot
	done
	remove_store "$BATS_FILE_TMPDIR/root-redirect"
}

@test "a signed address that has ended is asked for again" {
	double_does '{}'
	cooper push -q "${login[@]}" large "$DOUBLE/signed:1"
	for no in 400 403; do
		double_does "{\"redirect_blobs\": true, \"faults\": [{\"origin\": \"other\", \"path\": \"blobs\", \"do\": \"status\", \"status\": $no, \"count\": 2}]}"
		fresh_store "signed$no"
		cooper pull -q --tls-verify=false --retry-delay 1ms "$DOUBLE/signed:1"
		remove_store "$COOPER_ROOT"
	done
}

@test "mounts: the other scope is asked for, and a token server that refuses it costs no push" {
	double_does '{"auth": "token"}'
	cooper push -q "${login[@]}" large "$DOUBLE/ns/base:1"
	cooper tag large "$DOUBLE/ns/base:1"
	double_does '{"auth": "token"}'
	cooper push -q "${login[@]}" large "$DOUBLE/ns/app:1"
	[ "$(double_log 'map(select(.method == "POST" and .status == 201)) | length')" -eq 2 ]
	double_does '{"auth": "token", "foreign_scopes": false, "namespace": "other"}'
	cooper push -q "${login[@]}" large "$DOUBLE/other/app:1"
	[ "$(double_log 'map(select(.path == "/token" and .status == 403)) | length')" -gt 0 ]
	cooper rmi "$DOUBLE/ns/base:1"
}

@test "identity tokens: a POST with a length, and where that is not known a GET" {
	printf '{"auths":{"%s":{"identitytoken":"identity"}}}' "$DOUBLE" >"$BATS_TEST_TMPDIR/auth.json"
	double_does '{"auth": "token"}'
	cooper push -q --tls-verify=false --authfile "$BATS_TEST_TMPDIR/auth.json" small "$DOUBLE/identity:1"
	[ "$(double_log 'map(select(.path == "/token" and .method == "POST" and .length != null)) | length')" -eq 1 ]
	printf '{"auths":{"%s":{"auth":"%s","identitytoken":"identity"}}}' "$DOUBLE" "$(printf 'tester:s3cret pass' | base64)" \
		>"$BATS_TEST_TMPDIR/auth.json"
	double_does '{"auth": "token", "oauth": false}'
	cooper push -q --tls-verify=false --authfile "$BATS_TEST_TMPDIR/auth.json" small "$DOUBLE/identity:2"
}

helper() {
	mkdir -p "$BATS_TEST_TMPDIR/bin"
	cat >"$BATS_TEST_TMPDIR/bin/docker-credential-$1"
	chmod +x "$BATS_TEST_TMPDIR/bin/docker-credential-$1"
	export PATH=$BATS_TEST_TMPDIR/bin:$PATH
}

@test "helpers: of a host, of all, of registries.conf; <token>; one that says no" {
	double_does '{"auth": "token"}'
	helper good <<-'EOS'
	#!/bin/sh
	cat >/dev/null
	printf '{"Username":"tester","Secret":"s3cret pass"}'
	EOS
	helper identity <<-'EOS'
	#!/bin/sh
	cat >/dev/null
	printf '{"Username":"<token>","Secret":"identity"}'
	EOS
	helper empty <<-'EOS'
	#!/bin/sh
	echo "credentials not found in native keychain"
	exit 1
	EOS
	try() {
		printf '%s' "$1" >"$BATS_TEST_TMPDIR/auth.json"
		run cooper push --tls-verify=false --authfile "$BATS_TEST_TMPDIR/auth.json" small "$DOUBLE/h$RANDOM/x:1"
	}
	for name in good identity; do
		try "{\"credHelpers\":{\"$DOUBLE\":\"$name\"}}"
		assert_succeeds
		try "{\"credsStore\":\"$name\"}"
		assert_succeeds
	done
	try "{\"credHelpers\":{\"$DOUBLE\":\"empty\"}}"
	assert_fails_with 120 401
	export CONTAINERS_REGISTRIES_CONF=$BATS_TEST_TMPDIR/registries.conf
	echo 'credential-helpers = ["containers-auth.json", "good"]' >"$CONTAINERS_REGISTRIES_CONF"
	try '{}'
	assert_succeeds
	echo 'credential-helpers = ["nosuch"]' >"$CONTAINERS_REGISTRIES_CONF"
	try '{}'
	assert_fails_with 120 401
	assert_output_has "credential-helpers of registries.conf: "
}

@test "a helper that does not answer is not waited for longer than it may take" {
	double_does '{"auth": "token"}'
	helper slow <<-'EOS'
	#!/bin/sh
	cat >/dev/null
	sleep 30
	EOS
	printf '{"credHelpers":{"%s":"slow"}}' "$DOUBLE" >"$BATS_TEST_TMPDIR/auth.json"
	local push=(cooper push --tls-verify=false --authfile "$BATS_TEST_TMPDIR/auth.json" small "$DOUBLE/slow:1")
	COOPER_HELPER_TIMEOUT=300ms run timeout 25 "${push[@]}"
	assert_fails_with 120 "docker-credential-slow get: no answer within 0.3 s"
	COOPER_HELPER_TIMEOUT=soon run "${push[@]}"
	assert_fails_with 125 "COOPER_HELPER_TIMEOUT 'soon'"
}
