# What is asked of token servers, what they may answer, and who is asked for the password.
load lib/common
load lib/double

login=(--tls-verify=false --retry-delay 1ms --creds "tester:s3cret pass")

# A challenge as the ping's answer:  challenged 'Bearer realm="…"' [MORE-FAULTS]
challenged() {
	printf '{"path": "^/v2/$", "do": "status", "status": 401, "headers": {"WWW-Authenticate": %s}}' "$(jq -n --arg x "$1" '$x')"
}

# The first eight digits that the log has of an Authorization header.
secret_of() {
	printf %s "$1" | sha256sum | cut -c1-8
}

@test "a realm may have a query already; account, service and scopes come behind it" {
	double_does "{\"auth\": \"token\", \"faults\": [$(challenged "Bearer realm=\"http://$DOUBLE/token?audience=a%2Fb&x\",service=\"double, of a registry\"")]}"
	cooper push -q "${login[@]}" small "$DOUBLE/query/x:1"
	[ "$(double_log 'map(select(.path == "/token")) | .[0].query')" = \
		"audience=a%2Fb&x&account=tester&service=double%2C%20of%20a%20registry&scope=repository%3Aquery%2Fx%3Apull%2Cpush" ]
}

@test "several schemes in one header, odd spellings, no service" {
	double_does "{\"auth\": \"token\", \"faults\": [$(challenged "Negotiate abc==, basic realm=\"x, y\", BEARER Realm=http://$DOUBLE/token , scope=\"\"")]}"
	cooper push -q "${login[@]}" small "$DOUBLE/odd/x:1"
	[ "$(double_log 'map(select(.authorization == "Bearer")) | length')" -gt 3 ]
}

@test "token or access_token, with a time or without" {
	local answer
	for answer in '{"token":"abc"}' '{"access_token":"abc","expires_in":5}' '{"token":"","access_token":"abc"}' \
		'{"token":"abc","access_token":"other","expires_in":"300"}' '{"token":"abc","expires_in":12.5,"issued_at":"2001-01-01T00:00:00Z"}'; do
		double_does "{\"faults\": [$(challenged "Bearer realm=\"http://$DOUBLE/token\""),
			{\"path\": \"^/token\", \"do\": \"body\", \"text\": $(jq -n --arg x "$answer" '$x'), \"count\": 0}]}"
		cooper push -q "${login[@]}" small "$DOUBLE/answers/x:1" || fail "$answer" || return
		[ "$(double_log 'map(select(.authorization == "Bearer").secret) | unique | join(" ")')" = "$(secret_of 'Bearer abc')" ]
		# Less than a minute counts as one: the token is not fetched again for each request.
		[ "$(double_log 'map(select(.path == "/token")) | length')" -eq 1 ]
	done
	for answer in '{}' '{"token":7}' '{"token":"a\r\nb"}' '<html>' '{"token":""}'; do
		double_does "{\"faults\": [$(challenged "Bearer realm=\"http://$DOUBLE/token\""),
			{\"path\": \"^/token\", \"do\": \"body\", \"text\": $(jq -n --arg x "$answer" '$x'), \"count\": 0}]}"
		run cooper push "${login[@]}" small "$DOUBLE/answers/x:1"
		assert_fails_with 120 "token from http://$DOUBLE/token" || fail "$answer" || return
	done
}

@test "a token that does not reach far enough is fetched again with what the registry asks for" {
	local status
	for status in 401 403; do
		double_does "{\"auth\": \"token\", \"faults\": [{\"method\": \"POST\", \"path\": \"uploads\", \"do\": \"status\", \"status\": $status, \"headers\":
			{\"WWW-Authenticate\": \"Bearer realm=\\\"http://$DOUBLE/token\\\",scope=\\\"repository:more/y:pull\\\",error=\\\"insufficient_scope\\\"\"}}]}"
		cooper push -q "${login[@]}" small "$DOUBLE/more/x$status:1"
		[ "$(double_log 'map(select(.path == "/token")) | last.query | test("scope=repository%3Amore%2Fy%3Apull")')" = true ]
	done
	# A 403 that says nothing of the kind is one.
	double_does '{"auth": "token", "faults": [{"method": "POST", "path": "uploads", "do": "status", "status": 403, "count": 0}]}'
	run cooper push "${login[@]}" small "$DOUBLE/more/z:1"
	assert_fails_with 120 "HTTP 403"
	[ "$(double_log 'map(select(.path == "/token")) | length')" -eq 1 ]
}

@test "a scope that is not ours costs no token: what we came for is asked for alone" {
	double_does "{\"auth\": \"token\", \"foreign_scopes\": false, \"namespace\": \"mine/\", \"faults\": [
		$(challenged "Bearer realm=\"http://$DOUBLE/token\",scope=\"repository:theirs/x:pull\"")]}"
	cooper push -q "${login[@]}" small "$DOUBLE/mine/x:1"
	[ "$(double_log 'map(select(.path == "/token").status) | tostring')" = '[403,200]' ]
}

@test "pull asks for pull, push for both, and for nothing of others" {
	double_does '{"auth": "token"}'
	cooper push -q "${login[@]}" small "$DOUBLE/scopes/x:1"
	fresh_store scopes
	cooper pull -q "${login[@]}" "$DOUBLE/scopes/x:1"
	cooper image delete "${login[@]}" "docker://$DOUBLE/scopes/x:1"
	[ "$(double_log 'map(select(.path == "/token").query | capture("scope=(?<s>.*)").s) | join(" ")')" = \
		"repository%3Ascopes%2Fx%3Apull%2Cpush repository%3Ascopes%2Fx%3Apull repository%3Ascopes%2Fx%3Apull%2Cpush%2Cdelete" ]
	remove_store "$COOPER_ROOT"
}

@test "--creds before --authfile before REGISTRY_AUTH_FILE; credentials are for their path" {
	entry() {
		printf '{"auths":{"%s":{"auth":"%s"}}}' "$1" "$(printf %s "$2" | base64)"
	}
	local good="tester:s3cret pass" bad="tester:wrong"
	double_does '{"auth": "basic"}'
	entry "$DOUBLE" "$bad" >"$BATS_TEST_TMPDIR/bad"
	entry "$DOUBLE" "$good" >"$BATS_TEST_TMPDIR/good"
	push() {
		run cooper push --tls-verify=false "$@" small "$DOUBLE/order/x:1"
	}
	REGISTRY_AUTH_FILE=$BATS_TEST_TMPDIR/bad push
	assert_fails_with 120 401
	REGISTRY_AUTH_FILE=$BATS_TEST_TMPDIR/bad push --authfile "$BATS_TEST_TMPDIR/good"
	assert_succeeds
	REGISTRY_AUTH_FILE=$BATS_TEST_TMPDIR/good push --authfile "$BATS_TEST_TMPDIR/bad"
	assert_fails_with 120 401
	push --authfile "$BATS_TEST_TMPDIR/bad" --creds "$good"
	assert_succeeds
	entry "$DOUBLE/order" "$good" >"$BATS_TEST_TMPDIR/path"
	push --authfile "$BATS_TEST_TMPDIR/path"
	assert_succeeds
	entry "$DOUBLE/orde" "$good" >"$BATS_TEST_TMPDIR/path"
	push --authfile "$BATS_TEST_TMPDIR/path"
	assert_fails_with 120 401
	# As a Secret is mounted in a pod.
	mkdir "$BATS_TEST_TMPDIR/secret"
	cp "$BATS_TEST_TMPDIR/good" "$BATS_TEST_TMPDIR/secret/.dockerconfigjson"
	REGISTRY_AUTH_FILE='' DOCKER_CONFIG=$BATS_TEST_TMPDIR/secret push
	assert_succeeds
}

@test "a helper is asked again when what it has said no longer holds" {
	mkdir "$BATS_TEST_TMPDIR/bin"
	cat >"$BATS_TEST_TMPDIR/bin/docker-credential-short" <<-EOF
	#!/bin/sh
	cat >>"$BATS_TEST_TMPDIR/asked"
	password="s3cret pass"
	[ "\$(wc -l <"$BATS_TEST_TMPDIR/asked")" -gt 1 ] || password=old
	printf '{"Username":"tester","Secret":"%s"}' "\$password"
	EOF
	chmod +x "$BATS_TEST_TMPDIR/bin/docker-credential-short"
	printf '{"credHelpers":{"%s":"short"}}' "$DOUBLE" >"$BATS_TEST_TMPDIR/auth.json"
	double_does '{"auth": "basic"}'
	PATH=$BATS_TEST_TMPDIR/bin:$PATH run cooper push --tls-verify=false --authfile "$BATS_TEST_TMPDIR/auth.json" small "$DOUBLE/again/x:1"
	assert_succeeds
	[ "$(sort -u "$BATS_TEST_TMPDIR/asked")" = "$DOUBLE" ]
	[ "$(wc -l <"$BATS_TEST_TMPDIR/asked")" -eq 2 ]
}

@test "login asks registry and token server, and writes only what they take" {
	local file=$BATS_TEST_TMPDIR/auth.json
	for auth in basic token; do
		double_does "{\"auth\": \"$auth\"}"
		printf '{"auths":{"other.test":{"auth":"YTpi"}},"kept":{"by":["all"]}}' >"$file"
		run cooper login --tls-verify=false --authfile "$file" -u tester -p wrong "$DOUBLE"
		assert_fails_with 125 "invalid username/password"
		[ "$(jq -c '.auths | keys' "$file")" = '["other.test"]' ]
		run cooper login --tls-verify=false --authfile "$file" -u tester --password-stdin "$DOUBLE" <<<"s3cret pass"
		assert_succeeds
		[ "$(jq -c '[.kept, (.auths | length)]' "$file")" = '[{"by":["all"]},2]' ]
		[ "$(stat -c %a "$file")" = 600 ]
		run cooper login --authfile "$file" --get-login "$DOUBLE"
		assert_output_is tester
		cooper push -q --tls-verify=false --authfile "$file" small "$DOUBLE/login/$auth:1"
		cooper logout --authfile "$file" "$DOUBLE"
		[ "$(jq -c '.auths | keys' "$file")" = '["other.test"]' ]
	done
}
