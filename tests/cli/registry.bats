# push, pull, login and logout with a real registry, in each of its modes.
load lib/common

setup_file() {
	common_setup_file
	use_busybox
}

teardown() {
	stop_registries
}

@test "push, pull into an empty store, run" {
	start_registry
	run --separate-stderr cooper push --tls-verify=false --digestfile "$BATS_TEST_TMPDIR/digest" busybox "$REGISTRY/a/b:1"
	assert_succeeds
	[ -z "$output" ]
	[[ $(cat "$BATS_TEST_TMPDIR/digest") =~ ^sha256:[0-9a-f]{64}$ ]]
	[ "$(skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$REGISTRY/a/b:1")" = "$(cat "$BATS_TEST_TMPDIR/digest")" ]
	fresh_store empty
	run --separate-stderr cooper pull --tls-verify=false "$REGISTRY/a/b:1"
	[[ $output =~ ^[0-9a-f]{64}$ ]]
	ctr=$(cooper from --pull=never "$REGISTRY/a/b:1")
	run cooper run "$ctr" echo works
	assert_output_is works
	cooper push --tls-verify=false --digestfile "$BATS_TEST_TMPDIR/again" "$REGISTRY/a/b:1" "$REGISTRY/copy:1"
	cmp "$BATS_TEST_TMPDIR/digest" "$BATS_TEST_TMPDIR/again"
	remove_store "$COOPER_ROOT"
}

@test "blobs that are there are not sent again" {
	start_registry
	cooper push -q --tls-verify=false busybox "$REGISTRY/a:1"
	before=$(grep -c 'PUT /v2/a/blobs\|http.request.method=PUT.*blobs' "$REGISTRY_LOG" || true)
	cooper push -q --tls-verify=false busybox "$REGISTRY/a:2"
	after=$(grep -c 'PUT /v2/a/blobs\|http.request.method=PUT.*blobs' "$REGISTRY_LOG" || true)
	[ "$before" = "$after" ]
}

@test "an image by digest, a missing one, a missing registry" {
	start_registry
	cooper push -q --tls-verify=false --digestfile "$BATS_TEST_TMPDIR/d" busybox "$REGISTRY/a:1"
	fresh_store digest
	cooper pull -q --tls-verify=false "$REGISTRY/a@$(cat "$BATS_TEST_TMPDIR/d")"
	run cooper pull --tls-verify=false "$REGISTRY/a:nosuch"
	assert_fails_with 125 "$REGISTRY/a:nosuch"
	run cooper pull --tls-verify=false --retry 0 "127.0.0.1:1/x"
	assert_fails_with 125 "127.0.0.1:1"
	remove_store "$COOPER_ROOT"
}

@test "htpasswd: refused, --creds, login, logout" {
	start_registry htpasswd
	run cooper push --tls-verify=false busybox "$REGISTRY/p:1"
	assert_fails_with 120 401
	cooper push -q --tls-verify=false --creds "$REGISTRY_USER:$REGISTRY_PASSWORD" busybox "$REGISTRY/p:1"
	run "$BATS_TEST_DIRNAME/../tools/answer-prompt" Password: "$REGISTRY_PASSWORD" cooper push --tls-verify=false --creds "$REGISTRY_USER" busybox "$REGISTRY/p:2"
	assert_succeeds
	assert_output_has "Password:"
	[[ $output != *"$REGISTRY_PASSWORD"* ]] || fail "the password was shown"
	skopeo inspect --tls-verify=false --creds "$REGISTRY_USER:$REGISTRY_PASSWORD" "docker://$REGISTRY/p:2" >/dev/null
	run cooper push --tls-verify=false --creds "$REGISTRY_USER" busybox "$REGISTRY/p:3" </dev/null
	assert_fails_with 125 "no password, and no terminal to ask for it"
	run cooper login --tls-verify=false -u "$REGISTRY_USER" -p wrong "$REGISTRY"
	[ "$status" -eq 125 ]
	run bash -c "printf '%s' '$REGISTRY_PASSWORD' | cooper login --tls-verify=false -u $REGISTRY_USER --password-stdin $REGISTRY"
	assert_output_is "Login Succeeded!"
	run stat -c %a "$REGISTRY_AUTH_FILE"
	assert_output_is 600
	run cooper login --get-login "http://$REGISTRY/"
	assert_output_is "$REGISTRY_USER"
	run cooper login --get-login "$REGISTRY"
	assert_output_is "$REGISTRY_USER"
	cooper push -q --tls-verify=false busybox "$REGISTRY/p:2"
	skopeo inspect --tls-verify=false --authfile "$REGISTRY_AUTH_FILE" "docker://$REGISTRY/p:2" >/dev/null
	run cooper logout "http://$REGISTRY"
	assert_output_is "Removed login credentials for $REGISTRY"
	run cooper logout "$REGISTRY"
	assert_fails_with 125 "not logged into"
	run cooper pull --tls-verify=false "$REGISTRY/p:1"
	[ "$status" -eq 125 ]
	run cooper pull --authfile /no/such/file "$REGISTRY/p:1"
	assert_fails_with 125 "/no/such/file"
}

@test "a credential helper is asked" {
	start_registry htpasswd
	mkdir -p "$BATS_TEST_TMPDIR/bin"
	cat >"$BATS_TEST_TMPDIR/bin/docker-credential-test" <<-EOS
	#!/bin/sh
	read -r host
	printf '{"ServerURL":"%s","Username":"$REGISTRY_USER","Secret":"$REGISTRY_PASSWORD"}' "\$host"
	EOS
	chmod +x "$BATS_TEST_TMPDIR/bin/docker-credential-test"
	printf '{"credHelpers":{"%s":"test"}}' "$REGISTRY" >"$BATS_TEST_TMPDIR/auth.json"
	PATH=$BATS_TEST_TMPDIR/bin:$PATH run cooper push -q --tls-verify=false --authfile "$BATS_TEST_TMPDIR/auth.json" busybox "$REGISTRY/h:1"
	assert_succeeds
}

@test "tokens: fetched, used, and only with the scope that is needed" {
	start_registry token
	cooper push -q --tls-verify=false --creds "$REGISTRY_USER:$REGISTRY_PASSWORD" busybox "$REGISTRY/t:1"
	grep -q "$REGISTRY_USER repository:t:pull,push" "$REGISTRY_TOKEN_LOG"
	fresh_store token
	cooper pull -q --tls-verify=false "$REGISTRY/t:1"
	run cooper push --tls-verify=false "$REGISTRY/t:1" "$REGISTRY/t:2"
	[ "$status" -eq 120 ]
	remove_store "$COOPER_ROOT"
}

@test "TLS: an unknown CA is refused, --cert-dir and --tls-verify=false are ways out" {
	start_registry tls
	run cooper push busybox "$REGISTRY/s:1"
	[ "$status" -eq 120 ]
	assert_output_has certificate
	cooper push -q --cert-dir "$REGISTRY_CERTS" busybox "$REGISTRY/s:1"
	cooper push -q --tls-verify=false busybox "$REGISTRY/s:2"
	mkdir -p "$XDG_CONFIG_HOME/containers/certs.d/$REGISTRY"
	cp "$REGISTRY_CERTS"/*.crt "$XDG_CONFIG_HOME/containers/certs.d/$REGISTRY/"
	HOME=$BATS_TEST_TMPDIR cooper push -q busybox "$REGISTRY/s:3"
}

@test "a registry without TLS is told at once, without retries" {
	start_registry none
	run cooper push --tls-verify=true busybox "docker://$REGISTRY/plain"
	assert_fails_with 120 "--tls-verify=false"
	assert_output_lacks "trying again"
}

@test "--creds without a password is refused before anything is sent" {
	run cooper push --creds me busybox docker://127.0.0.1:1/x
	assert_fails_with 125 "--creds 'me': no password"
	assert_output_lacks GET
}

@test "two froms of one remote image fetch it once" {
	start_registry
	cooper push -q --tls-verify=false busybox "$REGISTRY/once:1"
	fresh_store once
	cooper from --tls-verify=false "$REGISTRY/once:1" &
	other=$!
	cooper from --tls-verify=false "$REGISTRY/once:1"
	wait "$other"
	digest=$(cooper inspect --type manifest --format '{{(index .layers 0).digest}}' "$REGISTRY/once:1")
	[ "$(grep -c "GET.*/v2/once/blobs/$digest" "$REGISTRY_LOG")" -eq 1 ]
	run cooper containers -q
	[ "${#lines[@]}" -eq 2 ]
	remove_store "$COOPER_ROOT"
}

@test "compression: gzip, zstd, none, and back" {
	start_registry
	for format in gzip zstd none; do
		cooper push -q --tls-verify=false --force-compression --compression-format "$format" busybox "$REGISTRY/z:$format"
	done
	skopeo inspect --raw --tls-verify=false "docker://$REGISTRY/z:zstd" | grep -q 'tar+zstd'
	skopeo inspect --raw --tls-verify=false "docker://$REGISTRY/z:gzip" | grep -q 'tar+gzip'
	for format in gzip zstd none; do
		fresh_store "$format"
		ctr=$(cooper from --quiet --tls-verify=false "$REGISTRY/z:$format")
		run cooper run "$ctr" echo "$format"
		assert_output_is "$format"
		remove_store "$COOPER_ROOT"
	done
	run cooper push --tls-verify=false --compression-format lzma busybox "$REGISTRY/z:x"
	assert_fails_with 125 lzma
}

@test "--format docker and back" {
	start_registry
	cooper push -q --tls-verify=false --format docker busybox "$REGISTRY/d:1"
	skopeo inspect --raw --tls-verify=false "docker://$REGISTRY/d:1" | grep -q 'vnd.docker.distribution.manifest.v2'
	fresh_store docker
	cooper from --quiet --tls-verify=false "$REGISTRY/d:1"
	remove_store "$COOPER_ROOT"
}

@test "a platform is chosen from a list" {
	start_registry
	cooper push -q --tls-verify=false busybox "$REGISTRY/m:amd"
	python3 - "$REGISTRY" <<-'PY'
	import json, sys, urllib.request
	base = f"http://{sys.argv[1]}/v2/m/manifests/"
	mt = "application/vnd.oci.image.manifest.v1+json"
	r = urllib.request.urlopen(urllib.request.Request(base + "amd", headers={"Accept": mt}))
	body = r.read(); digest = r.headers["Docker-Content-Digest"]
	import platform
	arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
	entries = [{"mediaType": mt, "digest": digest, "size": len(body), "platform": {"os": "linux", "architecture": arch}},
	           {"mediaType": mt, "digest": "sha256:" + "0" * 64, "size": 1, "platform": {"os": "unknown", "architecture": "unknown"}}]
	index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": entries}
	req = urllib.request.Request(base + "list", data=json.dumps(index).encode(), method="PUT", headers={"Content-Type": index["mediaType"]})
	try:
	    urllib.request.urlopen(req)
	except urllib.error.HTTPError:
	    index["manifests"] = entries[:1]
	    urllib.request.urlopen(urllib.request.Request(base + "list", data=json.dumps(index).encode(), method="PUT", headers={"Content-Type": index["mediaType"]}))
	PY
	fresh_store list
	ctr=$(cooper from --quiet --tls-verify=false "$REGISTRY/m:list")
	run cooper run "$ctr" echo chosen
	assert_output_is chosen
	run cooper pull --tls-verify=false --platform plan9/mips "$REGISTRY/m:list"
	assert_fails_with 125 plan9
	remove_store "$COOPER_ROOT"
}

@test "ten processes with one remote image fetch each blob once" {
	start_registry
	cooper push -q --tls-verify=false busybox "$REGISTRY/ten:1"
	fresh_store ten
	pids=()
	for i in $(seq 10); do
		cooper from --name "ten$i" --tls-verify=false "$REGISTRY/ten:1" >/dev/null 3>&- &
		pids+=("$!")
	done
	# Not all: the registry is a child, too.
	wait "${pids[@]}"
	digest=$(cooper inspect --type manifest --format '{{(index .layers 0).digest}}' "$REGISTRY/ten:1")
	[ "$(grep -c "GET.*/v2/ten/blobs/$digest" "$REGISTRY_LOG")" -eq 1 ]
	for i in $(seq 10); do
		run cooper run "ten$i" echo "$i"
		assert_output_is "$i"
	done
	remove_store "$COOPER_ROOT"
}
