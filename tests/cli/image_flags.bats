# What cooper image has of skopeo's options beside the copying itself: who we are at each end, whom we trust, how long.
load lib/common
load lib/signing
load lib/double
load lib/multiarch

setup_file() {
	common_setup_file
	signing_setup_file
	skip_unless gpg
	use_busybox
	start_registry
	start_double
	export TLS=--tls-verify=false USER=tester PASSWORD='s3cret pass'
	double_does '{}'
	cooper push -q "$TLS" busybox "docker://$DOUBLE/guarded:1"
}

teardown() {
	no_policy
}

teardown_file() {
	stop_doubles
	signing_teardown_file
	common_teardown_file
}

@test "each end has its own user, token or nobody" {
	cd "$BATS_TEST_TMPDIR"
	for kind in basic token; do
		double_does "{\"auth\": \"$kind\"}"
		cooper image copy -q "$TLS" --src-username "$USER" --src-password "$PASSWORD" "docker://$DOUBLE/guarded:1" "dir:$kind"
		cooper image copy -q "$TLS" --dest-username "$USER" --dest-password "$PASSWORD" "dir:$kind" "docker://$DOUBLE/to-$kind:1"
		run cooper image copy -q "$TLS" --src-username "$USER" --src-password wrong "docker://$DOUBLE/guarded:1" dir:no
		[ "$status" -eq 1 ] || fail "$kind, wrong password"
	done
	double_does '{"auth": "basic"}' # where nobody else may read
	run cooper image copy -q "$TLS" --dest-username "$USER" --dest-password "$PASSWORD" "docker://$DOUBLE/guarded:1" dir:no
	[ "$status" -eq 1 ]
	assert_no_leak
}

@test "--src-no-creds leaves out what the files say; a token is sent as it is" {
	cd "$BATS_TEST_TMPDIR"
	double_does '{"auth": "basic"}'
	printf '{"auths": {"%s": {"auth": "%s"}}}' "$DOUBLE" "$(printf '%s:%s' "$USER" "$PASSWORD" | base64)" >auth.json
	cooper image copy -q "$TLS" --authfile auth.json "docker://$DOUBLE/guarded:1" dir:with
	run cooper image copy -q "$TLS" --authfile auth.json --src-no-creds "docker://$DOUBLE/guarded:1" dir:without
	[ "$status" -eq 1 ]
	double_does '{"auth": "token"}'
	token=$(curl -sSf -u "$USER:$PASSWORD" "http://$DOUBLE/token?service=x&scope=repository:guarded:pull" | json_get 'document.get("token") or document["access_token"]')
	cooper image copy -q "$TLS" --src-registry-token "$token" "docker://$DOUBLE/guarded:1" dir:token
	run cooper image copy -q "$TLS" --src-registry-token "no-$token" "docker://$DOUBLE/guarded:1" dir:other
	[ "$status" -eq 1 ]
	run cooper image copy "$TLS" --src-no-creds --src-creds a:b "docker://$DOUBLE/guarded:1" dir:x
	assert_fails_with 1 "only one"
	run cooper image copy "$TLS" --dest-password b "docker://$DOUBLE/guarded:1" dir:x
	assert_fails_with 1 "no user name"
	run cooper image copy "$TLS" --dest-username b "docker://$DOUBLE/guarded:1" dir:x
	assert_fails_with 1 "no password"
}

@test "--policy, --insecure-policy and --registries.d are for this command" {
	cd "$BATS_TEST_TMPDIR"
	double_does '{}'
	echo '{"default": [{"type": "reject"}]}' >reject.json
	run cooper image copy -q "$TLS" --policy reject.json "docker://$DOUBLE/guarded:1" dir:no
	assert_fails_with 1 "does not accept"
	write_policy <reject.json
	run cooper image copy -q "$TLS" "docker://$DOUBLE/guarded:1" dir:no
	assert_fails_with 1 "does not accept"
	cooper image copy -q "$TLS" --insecure-policy "docker://$DOUBLE/guarded:1" dir:yes
	run cooper image copy -q "$TLS" --insecure-policy --policy reject.json "docker://$DOUBLE/guarded:1" dir:no
	assert_fails_with 1 "exclude"
	run cooper image copy -q "$TLS" --policy nosuch.json "docker://$DOUBLE/guarded:1" dir:no
	assert_fails_with 2 "nosuch.json"
	no_policy
	make_gpg_keys good
	mkdir registries.d
	echo "default-docker: {lookaside: \"file://$PWD/signatures\"}" >registries.d/a.yaml
	cooper image copy -q "$TLS" --registries.d registries.d --sign-by "$KEY_good" "docker://$DOUBLE/guarded:1" "docker://$REGISTRY/elsewhere:1"
	[ -n "$(find signatures -name signature-1)" ]
	gpg_policy good
	run cooper image copy -q "$TLS" "docker://$REGISTRY/elsewhere:1" dir:unsigned
	assert_fails_with 1 "has no signature"
	cooper image copy -q "$TLS" --registries.d registries.d "docker://$REGISTRY/elsewhere:1" dir:signed
}

@test "--command-timeout ends what takes too long, and what was begun is not there" {
	cd "$BATS_TEST_TMPDIR"
	fresh_store empty
	double_does '{"faults": [{"method": "GET", "path": "blobs/", "do": "stall", "at": 10, "seconds": 30, "count": 0}]}'
	run cooper image copy -q "$TLS" --command-timeout 500ms "docker://$DOUBLE/guarded:1" oci:late:x
	assert_fails_with 1 "--command-timeout"
	run cooper image inspect oci:late:x
	[ "$status" -ne 0 ]
	double_does '{}'
	cooper image copy -q "$TLS" --command-timeout 10m "docker://$DOUBLE/guarded:1" oci:late:x
	run cooper image copy -q "$TLS" --command-timeout soon "docker://$DOUBLE/guarded:1" oci:late:x
	assert_fails_with 1 "soon"
	remove_store "$COOPER_ROOT"
}

@test "--tmpdir: blobs lie there on their way, and not when they have arrived" {
	cd "$BATS_TEST_TMPDIR"
	fresh_store empty
	double_does '{}'
	mkdir way
	cooper image copy -q "$TLS" --tmpdir way "docker://$DOUBLE/guarded:1" oci:there:x
	[ -z "$(ls way)" ]
	run cooper image copy -q "$TLS" --tmpdir nosuch "docker://$DOUBLE/guarded:1" oci:elsewhere:x
	assert_fails_with 2 "--tmpdir 'nosuch'"
	chmod 555 way
	run cooper image copy -q "$TLS" --tmpdir way "docker://$DOUBLE/guarded:1" oci:elsewhere:x
	assert_fails_with 1 "--tmpdir 'way'"
	chmod 755 way
	remove_store "$COOPER_ROOT"
}

@test "sync signs what it copies, and takes signatures along or not" {
	cd "$BATS_TEST_TMPDIR"
	double_does '{}'
	make_gpg_keys good
	cooper push -q "$TLS" busybox "docker://$REGISTRY/many:1"
	cooper push -q "$TLS" busybox "docker://$REGISTRY/many:2"
	cooper image sync -q "$TLS" --src docker --dest docker --sign-by "$KEY_good" "$REGISTRY/many" "$REGISTRY/signed"
	gpg_policy good
	accepted signed/many:1
	accepted signed/many:2
	no_policy
	cooper image sync -q "$TLS" --src docker --dest docker "$REGISTRY/signed/many" "$REGISTRY/along"
	cooper image sync -q "$TLS" --src docker --dest docker --remove-signatures "$REGISTRY/signed/many" "$REGISTRY/bare"
	[ "$(find "$LOOKASIDE" -path '*/along/many@*' -type f | wc -l)" -eq 2 ]
	[ "$(find "$LOOKASIDE" -path '*/bare/many@*' -type f | wc -l)" -eq 0 ]
}
