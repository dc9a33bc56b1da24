# How a registry is found and spoken to: its name, the first question, https and http, what is shown to whom.
load lib/common
load lib/double

setup_file() {
	common_setup_file
	make_image small 20000
	start_double
	PLAIN=$DOUBLE PLAIN_DIRECTORY=$DOUBLE_DIRECTORY
	start_double tls
	export PLAIN PLAIN_DIRECTORY TLS=$DOUBLE TLS_DIRECTORY=$DOUBLE_DIRECTORY
}

# in_plain, in_tls: which of the two the test speaks of
in_plain() {
	DOUBLE=$PLAIN DOUBLE_DIRECTORY=$PLAIN_DIRECTORY
	double_does "${1:-"{}"}"
}

in_tls() {
	DOUBLE=$TLS DOUBLE_DIRECTORY=$TLS_DIRECTORY
	double_does "${1:-"{}"}"
}

quick=(--retry-delay 1ms)

# with_names ANSWER COMMAND...: where the only name server gives that answer to everything
with_names() {
	local answer=$1 here=$BATS_TEST_TMPDIR
	shift
	unshare -Urnm true 2>/dev/null || skip "no namespace can be made here"
	echo nameserver 127.0.0.1 >"$here/resolv.conf"
	echo 'hosts: files dns' >"$here/nsswitch.conf"
	rm -f "$here/ready"
	# shellcheck disable=SC2016 # expanded by the inner shell
	run unshare -Urnm bash -c '
		mount --bind "$1/resolv.conf" /etc/resolv.conf && mount --bind "$1/nsswitch.conf" /etc/nsswitch.conf || exit 99
		python3 "$2" "$3" "$1/ready" 3>&- & trap "kill $!" EXIT
		for i in $(seq 1200); do [ ! -e "$1/ready" ] || break; sleep 0.05; done
		"${@:4}"' bash "$here" "$LIB_DIRECTORY/name_server.py" "$answer" "$@"
}

@test "a name that does not exist is told at once" {
	with_names nxdomain cooper pull "${quick[@]}" mistyped.registry.test/x:1
	assert_fails_with 125 "there is no such name"
	assert_output_has mistyped.registry.test
	assert_output_lacks "trying again"
	with_names nxdomain cooper pull --tls-verify=false "${quick[@]}" mistyped.registry.test/x:1
	assert_fails_with 125 "there is no such name"
	assert_output_lacks "trying again"
	# A proxy's name as well.
	with_names nxdomain env https_proxy=http://me:pw@mistyped.proxy.test:3128 cooper pull "${quick[@]}" registry.test/x:1
	assert_fails_with 125 "there is no such name"
	assert_output_has mistyped.proxy.test
	assert_output_lacks "trying again"
}

@test "a name server that cannot tell is asked again" {
	with_names servfail cooper pull --retry 3 "${quick[@]}" some.registry.test/x:1
	assert_fails_with 125 some.registry.test
	[ "$(grep -c "trying again" <<<"$output")" -eq 3 ]
	assert_output_lacks "no such name"
}

@test "the first question: 200 and 401 are a registry, 404 is none" {
	local login=(--creds "tester:s3cret pass")
	in_plain '{"auth": "token"}'
	cooper push -q --tls-verify=false "${quick[@]}" "${login[@]}" small "$PLAIN/ping:1"
	[ "$(double_log 'map(select(.path == "/v2/")) | map([.status, .authorization]) | unique | tostring')" = '[[401,null]]' ]
	in_plain '{"auth": "token", "faults": [{"path": "^/v2/$", "do": "body", "text": "{}"}]}'
	cooper push -q --tls-verify=false "${quick[@]}" "${login[@]}" small "$PLAIN/ping:2"
	in_plain '{"faults": [{"path": "^/v2/$", "do": "status", "status": 404, "count": 0}]}'
	run cooper push --tls-verify=false "${quick[@]}" small "$PLAIN/ping:3"
	assert_fails_with 120 "'$PLAIN' is not a registry"
	[ "$(double_log length)" -eq 1 ]
}

@test "one question for all, and its challenge holds where a 401 brings none" {
	in_plain '{"auth": "token", "faults": [{"path": "manifests", "do": "status", "status": 401}, {"path": "blobs", "do": "status", "status": 401}]}'
	cooper push -q --tls-verify=false "${quick[@]}" --creds "tester:s3cret pass" small "$PLAIN/remembered:1"
	[ "$(double_log 'map(select(.path == "/v2/")) | length')" -eq 1 ]
	[ "$(double_log 'map(select(.fault != null)) | length')" -eq 2 ]
}

@test "https that stumbles is asked again, and is not taken for http" {
	local fault
	for fault in '"do": "status", "status": 503, "count": 2' '"do": "status", "status": 429' '"do": "reset", "count": 2' '"do": "lost"'; do
		for how in "--cert-dir=$DOUBLE_CERTS" --tls-verify=false; do
			in_tls "{\"faults\": [{\"path\": \"^/v2/$\", $fault}]}"
			COOPER_TRACE=http run cooper push "${quick[@]}" "$how" small "$TLS/stumbles:1"
			assert_succeeds || fail "$fault $how" || return
			assert_output_lacks "GET http:" || return
			[ "$(double_log 'map(select(.fault != null)) | length')" -gt 0 ]
		done
	done
}

@test "a certificate that is not trusted is the end: nothing goes out over http" {
	in_tls
	COOPER_TRACE=http run cooper push "${quick[@]}" --creds me:secret small "$TLS/x:1"
	assert_fails_with 120 certificate
	assert_output_lacks "http://$TLS"
	[ "$(double_log length)" -eq 0 ]
}

@test "without TLS only on loopback, or when it is allowed" {
	in_plain
	cooper push -q "${quick[@]}" small "$PLAIN/loopback:1"
	run cooper push "${quick[@]}" --tls-verify small "$PLAIN/loopback:1"
	assert_fails_with 120 "a registry without TLS needs --tls-verify=false"
	# Nobody listens on the documentation's network (RFC 5737); what counts is how it would be asked.
	COOPER_TRACE=http https_proxy=http://127.0.0.1:1 http_proxy=http://127.0.0.1:1 run cooper pull --retry 0 192.0.2.1:5000/x:1
	[ "$status" -eq 125 ]
	assert_output_has "GET https://192.0.2.1:5000"
	assert_output_lacks "GET http://"
}

@test "a redirect from https to http is not followed, and ten redirects are enough" {
	in_tls
	cooper push -q --cert-dir "$DOUBLE_CERTS" small "$TLS/redirects:1"
	fresh_store redirects
	in_tls "{\"faults\": [{\"path\": \"manifests\", \"do\": \"redirect\", \"to\": \"http://$PLAIN/v2/redirects/manifests/1\"}]}"
	run cooper pull "${quick[@]}" --cert-dir "$DOUBLE_CERTS" "$TLS/redirects:1"
	assert_fails_with 125 "a redirect from https to http://$PLAIN"
	in_tls '{"faults": [{"path": "manifests", "do": "redirect", "to": "/v2/redirects/manifests/1", "count": 0}]}'
	run cooper pull "${quick[@]}" --cert-dir "$DOUBLE_CERTS" "$TLS/redirects:1"
	assert_fails_with 125 "more than 10 redirects"
	[ "$(double_log 'map(select(.path | test("manifests"))) | length')" -eq 11 ]
	remove_store "$COOPER_ROOT"
}

@test "a registry on https that wants the password over http does not get it" {
	in_tls "{\"faults\": [{\"path\": \"^/v2/\", \"do\": \"status\", \"status\": 401, \"count\": 0,
		\"headers\": {\"WWW-Authenticate\": \"Bearer realm=\\\"http://$PLAIN/token\\\"\"}}]}"
	in_plain_log=$PLAIN_DIRECTORY/log
	: >"$in_plain_log"
	run cooper pull "${quick[@]}" --cert-dir "$DOUBLE_CERTS" --creds me:secret "$TLS/x:1"
	assert_fails_with 125 "the registry wants credentials sent over http"
	[ ! -s "$in_plain_log" ]
}

@test "what a registry says no with: code, text, details, the address without its secrets" {
	in_plain '{"faults": [{"path": "manifests", "do": "status", "status": 403, "count": 0, "text":
		"{\"errors\":[{\"code\":\"DENIED\",\"message\":\"not\u0000 today\",\"detail\":{\"Tag\":\"1\",\"why\":[2]}}]}"}]}'
	run cooper pull --tls-verify=false "${quick[@]}" "$PLAIN/no:1"
	assert_fails_with 125 "HTTP 403"
	in_plain '{"faults": [{"path": "manifests", "do": "status", "status": 403, "count": 0, "text":
		"{\"errors\":[{\"code\":\"DENIED\",\"message\":\"not today\",\"detail\":{\"Tag\":\"1\",\"why\":[2]}}]}"}]}'
	run cooper pull --tls-verify=false "${quick[@]}" "$PLAIN/no:1"
	assert_fails_with 125 "GET http://$PLAIN/v2/no/manifests/1: HTTP 403 (DENIED: not today, {\"Tag\":\"1\",\"why\":[2]})"
}

@test "an answer of another origin that says no is told with its address, without the signature" {
	in_plain
	cooper push -q --tls-verify=false small "$PLAIN/signed:1"
	fresh_store signed
	in_plain '{"redirect_blobs": true, "faults": [{"origin": "other", "path": "blobs", "do": "status", "status": 403, "count": 0}]}'
	run cooper pull --tls-verify=false --retry 0 "$PLAIN/signed:1"
	assert_fails_with 125 "signature=xxx&expires=xxx: HTTP 403"
	remove_store "$COOPER_ROOT"
}
