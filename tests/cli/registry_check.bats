# --check-push: may we push there? Asked before there is anything to push.
load lib/common
load lib/double

setup() {
	mkdir -p "$BATS_TEST_TMPDIR/context"
	printf 'FROM scratch\nCOPY x /x\n' >"$BATS_TEST_TMPDIR/context/Dockerfile"
	echo "$BATS_TEST_NAME" >"$BATS_TEST_TMPDIR/context/x"
}

# Methods of the requests about uploads, in their order, on one line.
uploads() {
	double_log '[.[] | select(.path | test("/blobs/uploads/")) | .method] | join(" ")'
}

@test "push --check-push: an upload is opened and cancelled before anything is sent" {
	double_does '{}'
	run cooper push --tls-verify=false --check-push small "$DOUBLE/check:1"
	assert_succeeds
	assert_output_has "$DOUBLE/check:1 can be pushed to"
	[[ "$(uploads)" == "POST DELETE POST"* ]]
	# One that must not be cancelled is left to the registry.
	double_does '{"faults": [{"method": "DELETE", "path": "uploads/", "do": "status", "status": 405}]}'
	cooper push -q --tls-verify=false --check-push small "$DOUBLE/check:2"
	double_does '{"faults": [{"method": "POST", "path": "uploads/", "do": "status", "status": 403, "count": 0}]}'
	run cooper push --tls-verify=false --check-push small "$DOUBLE/check:3"
	assert_fails_with 120 "--check-push: $DOUBLE/check:3 cannot be pushed to"
	assert_output_has "HTTP 403"
	[ "$(uploads)" = POST ]
	[ "$(double_log 'map(select(.method == "HEAD")) | length')" -eq 0 ]
	# A page to log in is no yes.
	double_does '{"faults": [{"method": "POST", "path": "uploads/", "do": "body", "text": "<html>log in</html>", "status": 200, "count": 0}]}'
	run cooper push --tls-verify=false --check-push small "$DOUBLE/check:4"
	assert_fails_with 120 "cannot be pushed to"
	run cooper push --check-push small "oci:$BATS_TEST_TMPDIR/layout"
	assert_fails_with 125 "--check-push is for destinations in a registry"
	[ ! -e "$BATS_TEST_TMPDIR/layout" ]
}

@test "build --check-push: a registry that refuses is told before the first step" {
	double_does '{"auth": "basic"}'
	run cooper build --tls-verify=false --push --check-push -t "$DOUBLE/built:1" "$BATS_TEST_TMPDIR/context"
	assert_fails_with 125 "--check-push: $DOUBLE/built:1 cannot be pushed to"
	assert_output_has "HTTP 401"
	assert_output_lacks "STEP"
	run cooper inspect --type image "$DOUBLE/built:1"
	[ "$status" -ne 0 ]
	double_does '{"faults": [{"method": "POST", "path": "/second/", "do": "status", "status": 403, "count": 0}]}'
	run cooper build --tls-verify=false --check-push --output "type=registry,\"name=$DOUBLE/first:1,$DOUBLE/second:1\"" "$BATS_TEST_TMPDIR/context"
	assert_fails_with 125 "$DOUBLE/second:1 cannot be pushed to"
	assert_output_lacks "STEP"
	run cooper build --tls-verify=false --check-push -t "docker://$DOUBLE/second:1" "$BATS_TEST_TMPDIR/context"
	assert_fails_with 125 "cannot be pushed to"
	double_does '{}'
	run cooper build --tls-verify=false --push --check-push -t "$DOUBLE/built:1" "$BATS_TEST_TMPDIR/context"
	assert_succeeds
	assert_output_has "STEP"
	[[ "$(uploads)" == "POST DELETE POST"* ]]
	run cooper build --check-push "$BATS_TEST_TMPDIR/context"
	assert_fails_with 125 "--check-push goes with --push"
}

@test "docker-registry: --check-push finds wrong credentials, asks for a password once, and --if-absent keeps its tags" {
	start_registry htpasswd
	run cooper push --tls-verify=false --check-push --creds "$REGISTRY_USER:wrong" small "$REGISTRY/check:1"
	assert_fails_with 120 "$REGISTRY/check:1 cannot be pushed to"
	assert_output_has "HTTP 401"
	run "$BATS_TEST_DIRNAME/../tools/answer-prompt" Password: "$REGISTRY_PASSWORD" \
		cooper push --tls-verify=false --check-push --if-absent --creds "$REGISTRY_USER" small "$REGISTRY/check:1"
	assert_succeeds
	run cooper push --tls-verify=false --check-push --if-absent --creds "$REGISTRY_USER:$REGISTRY_PASSWORD" small "$REGISTRY/check:1"
	assert_succeeds
	assert_output_has "$REGISTRY/check:1 exists already"
	run cooper push --tls-verify=false --if-absent --compression-format zstd --creds "$REGISTRY_USER:$REGISTRY_PASSWORD" small "$REGISTRY/check:1"
	assert_fails_with 120 "it exists, as sha256:"
	# Of a cancelled upload docker-registry itself leaves an empty state of its hash, and nothing that could be gone on with.
	[ -z "$(find "$REGISTRY_DATA" -path '*/_uploads/*' \( -name data -o -name startedat \))" ]
	[ "$(grep -c '"DELETE /v2/check/blobs/uploads/.*" 204' "$REGISTRY_LOG")" -eq 2 ]
}
