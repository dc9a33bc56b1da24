# --if-absent: a tag that is there already is not moved, by whichever command.
load lib/common
load lib/double

setup_file() {
	double_setup_file
	make_image other 5000
}

# tag_of NAME: the digest that the registry has for it
tag_of() {
	cooper image inspect --tls-verify=false --format '{{.Digest}}' "docker://$1"
}

@test "push --if-absent: a new tag is set, the same image is success without a PUT, another is 120 and changes nothing" {
	double_does '{}'
	run cooper push --tls-verify=false --if-absent --digestfile "$BATS_TEST_TMPDIR/first" small "$DOUBLE/absent:1"
	assert_succeeds
	[ "$(manifests_put)" -eq 1 ]
	double_does '{}'
	run cooper push --tls-verify=false --if-absent --digestfile "$BATS_TEST_TMPDIR/again" small "$DOUBLE/absent:1"
	assert_succeeds
	assert_output_has "$DOUBLE/absent:1 exists already, with this digest"
	[ "$(manifests_put)" -eq 0 ]
	cmp "$BATS_TEST_TMPDIR/first" "$BATS_TEST_TMPDIR/again"
	double_does '{}'
	run cooper push --tls-verify=false --if-absent --digestfile "$BATS_TEST_TMPDIR/none" other "$DOUBLE/absent:1"
	assert_fails_with 120 "it exists, as $(cat "$BATS_TEST_TMPDIR/first"), and stays so (--if-absent); what was to be pushed is sha256:"
	[ "$(manifests_put)" -eq 0 ]
	[ ! -e "$BATS_TEST_TMPDIR/none" ]
	[ "$(tag_of "$DOUBLE/absent:1")" = "$(cat "$BATS_TEST_TMPDIR/first")" ]
	cooper push -q --tls-verify=false other "$DOUBLE/absent:1"
	[ "$(tag_of "$DOUBLE/absent:1")" != "$(cat "$BATS_TEST_TMPDIR/first")" ]
}

@test "--if-absent where HEAD tells nothing, and where the registry does not answer" {
	double_does '{}'
	cooper push -q --tls-verify=false --if-absent small "$DOUBLE/head:1"
	double_does '{"faults": [{"method": "HEAD", "path": "manifests/", "do": "status", "status": 405, "count": 0}]}'
	run cooper push --tls-verify=false --if-absent small "$DOUBLE/head:1"
	assert_succeeds
	assert_output_has "exists already"
	run cooper push --tls-verify=false --if-absent other "$DOUBLE/head:1"
	assert_fails_with 120 "it exists, as sha256:"
	run cooper push --tls-verify=false --if-absent other "$DOUBLE/head:2"
	assert_succeeds
	double_does '{"faults": [{"method": "HEAD|GET", "path": "manifests/", "do": "status", "status": 403, "count": 0}]}'
	run cooper push --tls-verify=false --if-absent other "$DOUBLE/head:3"
	assert_fails_with 120 "whether it is there cannot be told"
	[ "$(manifests_put)" -eq 0 ]
}

@test "manifest push, image copy and build have --if-absent, too" {
	double_does '{}'
	cooper manifest create list small
	cooper manifest push -q --tls-verify=false --if-absent list "docker://$DOUBLE/list:1"
	cooper manifest push -q --tls-verify=false --if-absent list "docker://$DOUBLE/list:1"
	cooper manifest add list other
	run cooper manifest push --tls-verify=false --if-absent list "docker://$DOUBLE/list:1"
	assert_fails_with 120 "and stays so (--if-absent)"
	cooper image copy -q --tls-verify=false --if-absent containers-storage:small "docker://$DOUBLE/copy:1"
	cooper image copy -q --tls-verify=false --if-absent "docker://$DOUBLE/copy:1" "docker://$DOUBLE/copy:2"
	run cooper image copy --tls-verify=false --if-absent containers-storage:other "docker://$DOUBLE/copy:2"
	[ "$status" -ne 0 ]
	assert_output_has "and stays so (--if-absent)"
	mkdir -p "$BATS_TEST_TMPDIR/context"
	printf 'FROM scratch\nCOPY x /x\n' >"$BATS_TEST_TMPDIR/context/Dockerfile"
	echo x >"$BATS_TEST_TMPDIR/context/x"
	cooper build -q --tls-verify=false --push --if-absent -t "$DOUBLE/built:1" "$BATS_TEST_TMPDIR/context"
	echo y >"$BATS_TEST_TMPDIR/context/x"
	run cooper build --tls-verify=false --push --if-absent -t "$DOUBLE/built:1" "$BATS_TEST_TMPDIR/context"
	assert_fails_with 120 "and stays so (--if-absent)"
}

# How many requests that bring something were made since.
requests_that_send() {
	double_log 'map(select(.method == "POST" or .method == "PATCH" or .method == "PUT")) | length'
}

@test "--if-absent asks first: where the tag is there nothing is sent, whatever it stands for" {
	double_does '{}'
	make_image large 3000000
	cooper push -q --tls-verify=false small "$DOUBLE/first:1"
	double_does '{}'
	run cooper push --tls-verify=false --if-absent large "$DOUBLE/first:1"
	assert_fails_with 120 "it exists, as sha256:"
	[ "$(requests_that_send)" -eq 0 ]
	cooper manifest create first-list large
	run cooper manifest push --tls-verify=false --if-absent first-list "docker://$DOUBLE/first:1"
	assert_fails_with 120 "it exists, as sha256:"
	run cooper image copy --tls-verify=false --if-absent containers-storage:large "docker://$DOUBLE/first:1"
	[ "$status" -ne 0 ]
	cooper push -q --tls-verify=false --if-absent small "$DOUBLE/first:1"
	[ "$(requests_that_send)" -eq 0 ]
	cooper push -q --tls-verify=false large "$DOUBLE/other:1"
	double_does '{}'
	run cooper image copy --tls-verify=false --if-absent "docker://$DOUBLE/other:1" "docker://$DOUBLE/first:1"
	[ "$status" -ne 0 ]
	assert_output_has "it exists, as sha256:"
	[ "$(requests_that_send)" -eq 0 ]
	[ "$(double_log 'map(select(.method == "GET" and (.path | test("/blobs/")))) | length')" -le 1 ] # the configuration
}

@test "--if-absent: who sets the tag in between keeps it, where the registry can tell" {
	double_does '{"faults": [{"method": "GET", "path": "manifests/1", "do": "newcomer"}]}'
	run cooper push --tls-verify=false --if-absent small "$DOUBLE/between:1"
	assert_fails_with 120 "somebody else has set it meanwhile, and it stays so (--if-absent)"
	[ "$(cooper image inspect --raw --tls-verify=false "docker://$DOUBLE/between:1" | jq -c .manifests)" = "[]" ]
	# The answer to our own PUT is lost, and then it is there.
	double_does '{"faults": [{"method": "PUT", "path": "manifests/lost", "do": "lost"}]}'
	run cooper push --tls-verify=false --if-absent --retry-delay 1ms small "$DOUBLE/between:lost"
	assert_succeeds
	# A registry that does not know the condition moves the tag, as docs/registry-rules.md says.
	double_does '{"conditional": false, "faults": [{"method": "GET", "path": "manifests/2", "do": "newcomer"}]}'
	run cooper push --tls-verify=false --if-absent small "$DOUBLE/between:2"
	assert_succeeds
}

@test "--if-absent where no tag could stay is refused, and nothing is sent" {
	double_does '{}'
	run cooper push --if-absent small "oci:$BATS_TEST_TMPDIR/layout"
	assert_fails_with 125 "--if-absent is for destinations in a registry"
	[ ! -e "$BATS_TEST_TMPDIR/layout" ]
	run cooper push --if-absent small containers-storage:again
	assert_fails_with 125 "--if-absent"
	run cooper image copy --if-absent containers-storage:small "dir:$BATS_TEST_TMPDIR/dir"
	[ "$status" -ne 0 ]
	assert_output_has "--if-absent is for destinations in a registry"
	run cooper build --if-absent .
	assert_fails_with 125 "--if-absent goes with --push"
	run cooper build --if-absent --push-by-digest -t "$DOUBLE/none:1" .
	assert_fails_with 125 "--if-absent"
	[ "$(double_log length)" -eq 0 ]
}
