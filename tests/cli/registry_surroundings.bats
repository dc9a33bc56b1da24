# What stands between us and a registry: proxies of ours, nginx in front of it, certificates.
load lib/common
load lib/double

setup_file() {
	common_setup_file
	make_image small 20000
	make_image large 5000000
}

teardown() {
	[ ! -e "$BATS_TEST_TMPDIR/proxy.pid" ] || stop_process "$BATS_TEST_TMPDIR/proxy.pid"
	[ ! -e "$BATS_TEST_TMPDIR/nginx/nginx.pid" ] || stop_process "$BATS_TEST_TMPDIR/nginx/nginx.pid"
	stop_doubles
	stop_registries
}

# start_proxy TARGET [CERTIFICATE KEY]: PROXY (host:port), PROXY_LOG
start_proxy() {
	python3 "$LIB_DIRECTORY/proxy.py" "$BATS_TEST_TMPDIR/proxy.address" "$BATS_TEST_TMPDIR/proxy.log" "$@" 3>&- &
	printf '%s\n' "$!" >"$BATS_TEST_TMPDIR/proxy.pid"
	local i
	for i in $(seq 200); do
		[ ! -s "$BATS_TEST_TMPDIR/proxy.address" ] || break
		sleep 0.05
	done
	[ -s "$BATS_TEST_TMPDIR/proxy.address" ] || fail "no proxy came up in $i attempts" || return
	PROXY=$(cat "$BATS_TEST_TMPDIR/proxy.address") PROXY_LOG=$BATS_TEST_TMPDIR/proxy.log
	: >"$PROXY_LOG"
}

@test "https through a proxy by CONNECT, with its own credentials, which the registry does not see" {
	start_double tls
	start_proxy "$DOUBLE"
	export HTTPS_PROXY=http://me:secret@$PROXY
	cooper push -q --tls-verify=false large registry.test:5000/x:1
	[ "$(sort -u "$PROXY_LOG")" = "CONNECT registry.test:5000 Basic $(printf me:secret | base64)" ]
	[ "$(double_log 'map(select(.authorization != null)) | length')" -eq 0 ]
}

@test "a proxy may be spoken to in TLS, when it is who it should be" {
	start_double tls
	local directory=$BATS_TEST_TMPDIR/proxy
	mkdir "$directory"
	make_certificates "$directory"
	start_proxy "$DOUBLE" "$directory/server.crt" "$directory/server.key"
	export HTTPS_PROXY=https://me:secret@$PROXY
	run cooper push --retry 0 --tls-verify=false small registry.test:5000/x:1
	assert_fails_with 120 certificate
	[ ! -s "$PROXY_LOG" ]
	SSL_CERT_FILE=$directory/ca.crt cooper push -q --tls-verify=false small registry.test:5000/x:1
	[ "$(sort -u "$PROXY_LOG")" = "CONNECT registry.test:5000 Basic $(printf me:secret | base64)" ]
	: >"$PROXY_LOG"
	local certs=$XDG_CONFIG_HOME/containers/certs.d/$PROXY
	mkdir -p "$certs"
	cp "$directory/ca.crt" "$certs/"
	cooper push -q --tls-verify=false small registry.test:5000/x:2
	[ -s "$PROXY_LOG" ]
	rm -r "$certs"
}

@test "http through a proxy, and what NO_PROXY leaves out" {
	start_double
	cooper push -q --tls-verify=false small "$DOUBLE/x:1"
	start_proxy "$DOUBLE"
	export http_proxy=http://$PROXY HTTPS_PROXY=http://127.0.0.1:1
	fresh_store proxied
	printf '[[registry]]\nlocation = "registry.test:5000"\ninsecure = true\n' >"$BATS_TEST_TMPDIR/registries.conf"
	export CONTAINERS_REGISTRIES_CONF=$BATS_TEST_TMPDIR/registries.conf
	cooper pull -q --retry 0 registry.test:5000/x:1
	grep -q 'GET http://registry.test:5000/v2/' "$PROXY_LOG"
	: >"$PROXY_LOG"
	for list in registry.test .test registry.test:5000 '*' "other, registry.test"; do
		run env NO_PROXY="$list" cooper pull --retry 0 registry.test:5000/x:1
		[ "$status" -eq 125 ]
	done
	[ ! -s "$PROXY_LOG" ]
	remove_store "$COOPER_ROOT"
}

@test "a proxy that refuses is not asked again and again; loopback needs none" {
	start_double
	cooper push -q --tls-verify=false small "$DOUBLE/x:1"
	export https_proxy=http://127.0.0.1:1 http_proxy=http://127.0.0.1:1
	cooper push -q --tls-verify=false small "$DOUBLE/x:2"
	python3 - "$BATS_TEST_TMPDIR/address" 3>&- <<-'PY' &
	import socket, sys
	server = socket.create_server(("127.0.0.1", 0))
	open(sys.argv[1], "w").write("127.0.0.1:%d" % server.getsockname()[1])
	while True:
	    there, _ = server.accept()
	    there.recv(65536)
	    there.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
	    there.close()
	PY
	printf '%s\n' "$!" >"$BATS_TEST_TMPDIR/proxy.pid"
	eventually [ -s "$BATS_TEST_TMPDIR/address" ]
	https_proxy=http://$(cat "$BATS_TEST_TMPDIR/address") run cooper pull registry.test/x:1
	assert_fails_with 125 407
	assert_output_lacks "trying again"
}

# start_nginx LIMIT: in front of REGISTRY, with TLS; NGINX (host:port), certificates in REGISTRY_CERTS
start_nginx() {
	local directory=$BATS_TEST_TMPDIR/nginx
	skip_unless nginx
	mkdir -p "$directory"
	make_certificates "$directory"
	NGINX=127.0.0.1:$(free_port)
	cat >"$directory/nginx.conf" <<-EOF
	daemon on; pid $directory/nginx.pid; error_log $directory/error.log; worker_processes 1;
	events {}
	http {
		access_log $directory/access.log; client_body_temp_path $directory/b; proxy_temp_path $directory/p;
		fastcgi_temp_path $directory/f; uwsgi_temp_path $directory/u; scgi_temp_path $directory/s;
		server {
			listen $NGINX ssl; ssl_certificate $directory/server.crt; ssl_certificate_key $directory/server.key;
			client_max_body_size $1;
			location / { proxy_pass http://$REGISTRY; proxy_set_header Host \$http_host; proxy_set_header X-Forwarded-Proto $2; }
		}
	}
	EOF
	nginx -c "$directory/nginx.conf" -p "$directory" 2>"$directory/start" || skip "nginx does not start: $(cat "$directory/start")"
	wait_for_port "$NGINX"
}

@test "nginx: a body limit (413) is met in chunks, Locations on http are put right" {
	start_registry none
	start_nginx 1m http
	run cooper push --cert-dir "$REGISTRY_CERTS" large "$NGINX/narrow/x:1"
	assert_succeeds
	grep -q ' 413 ' "$BATS_TEST_TMPDIR/nginx/access.log"
	fresh_store nginx
	cooper pull -q --cert-dir "$REGISTRY_CERTS" "$NGINX/narrow/x:1"
	remove_store "$COOPER_ROOT"
	# With that answer in mind the second layer is not tried whole.
	[ "$(grep -c ' 413 ' "$BATS_TEST_TMPDIR/nginx/access.log")" -le 2 ]
}

@test "docker-registry with tokens: blobs are mounted across repositories" {
	start_registry token
	login=(--tls-verify=false --creds "$REGISTRY_USER:$REGISTRY_PASSWORD")
	cooper push -q "${login[@]}" large "$REGISTRY/one/base:1"
	cooper tag large "$REGISTRY/one/base:1"
	run cooper push "${login[@]}" large "$REGISTRY/two/app:1"
	assert_succeeds
	assert_output_has "mounted from one/base"
	grep -q "repository:two/app:pull,push repository:one/base:pull" "$REGISTRY_TOKEN_LOG"
	cooper rmi "$REGISTRY/one/base:1"
}

@test "certificates: certs.d, --cert-dir instead of it, and halves of pairs" {
	start_double tls
	certs=$XDG_CONFIG_HOME/containers/certs.d/$DOUBLE
	mkdir -p "$certs" "$BATS_TEST_TMPDIR/empty"
	cp "$DOUBLE_CERTS"/*.crt "$certs/"
	cooper push -q small "$DOUBLE/x:1"
	run cooper push --cert-dir "$BATS_TEST_TMPDIR/empty" small "$DOUBLE/x:1"
	assert_fails_with 120 certificate
	echo >"$certs/client.cert"
	run cooper push small "$DOUBLE/x:1"
	assert_fails_with 125 "has no key"
	mv "$certs/client.cert" "$certs/client.key"
	run cooper push small "$DOUBLE/x:1"
	assert_fails_with 125 "has no certificate"
	rm -r "$certs"
	run cooper push --cert-dir "$BATS_TEST_TMPDIR/nothing" small "$DOUBLE/x:1"
	assert_fails_with 120 "$BATS_TEST_TMPDIR/nothing"
}

# start_tls_server NAME [REDIRECT]: in PLACE/NAME.log what it saw; prints its address
start_tls_server() {
	local i
	python3 "$LIB_DIRECTORY/tls_server.py" "$BATS_TEST_TMPDIR/place" "$BATS_TEST_TMPDIR/place/$1.address" \
		"$BATS_TEST_TMPDIR/place/$1.log" "${@:2}" >/dev/null 2>&1 3>&- &
	printf '%s\n' "$!" >"$BATS_TEST_TMPDIR/place/$1.pid"
	for i in $(seq 200); do
		[ ! -s "$BATS_TEST_TMPDIR/place/$1.address" ] || break
		sleep 0.05
	done
	cat "$BATS_TEST_TMPDIR/place/$1.address" || fail "no server came up in $i attempts"
}

@test "our certificate is shown to the registry and nobody else; HTTP/1.1, a TLS session for all connections" {
	local place=$BATS_TEST_TMPDIR/place other registry
	mkdir "$place"
	make_certificates "$place"
	openssl req -newkey rsa:2048 -nodes -subj /CN=me -keyout "$place/certs/client.key" -out "$place/client.csr" 2>/dev/null
	openssl x509 -req -days 2 -in "$place/client.csr" -CA "$place/ca.crt" -CAkey "$place/ca.key" -CAcreateserial \
		-out "$place/certs/client.cert" 2>/dev/null
	other=$(start_tls_server other)
	registry=$(start_tls_server registry "https://$other")
	# Its {} is no manifest.
	run cooper pull --retry 0 --cert-dir "$place/certs" "$registry/x:1"
	stop_process "$place/other.pid"
	stop_process "$place/registry.pid"
	[ "$status" -eq 125 ]
	[ "$(sort -u "$place/registry.log")" = $'http/1.1 HTTP/1.1 GET /v2/ me\nhttp/1.1 HTTP/1.1 GET /v2/x/manifests/1 me RESUMED' ]
	[ "$(sort -u "$place/other.log")" = "http/1.1 HTTP/1.1 GET /v2/x/manifests/1 -" ]
}

@test "who we are can be set, for proxies that let only some through" {
	start_double
	make_image agent 1000
	cooper push -q --tls-verify=false agent "$DOUBLE/agent:1"
	[[ $(double_log 'map(.agent) | unique | join(" ")') == cooper/[0-9]* ]]
	double_does '{}'
	COOPER_USER_AGENT="skopeo/1.22 (a test)" cooper push -q --tls-verify=false agent "$DOUBLE/agent:2"
	[ "$(double_log 'map(.agent) | unique | join(" ")')" = "skopeo/1.22 (a test)" ]
	COOPER_USER_AGENT=$'a\nHost: b' run cooper push -q --tls-verify=false agent "$DOUBLE/agent:3"
	assert_fails_with 125 "COOPER_USER_AGENT: only printable ASCII"
}

@test "what a registry wants its users to know is said once" {
	start_double
	make_image warned 1000
	double_does '{"warnings": ["299 - \"this \\\"tag\\\" ends \u001b[31msoon\"", "199 - \"not this\"", "299 - \"unfinished"]}'
	run cooper push --tls-verify=false warned "$DOUBLE/warned:1"
	assert_succeeds
	[ "$(grep -c "$DOUBLE says: this \"tag\" ends ?\[31msoon; going on" <<<"$output")" -eq 1 ]
	[ "$(grep -c "says: " <<<"$output")" -eq 1 ]
}
