# The options of a push, which every command that pushes has.
load lib/common
load lib/double

setup_file() {
	double_setup_file
	make_image other 5000
}

PUSHES=("push" "manifest push" "image copy" "image sync" "commit" "build")
quick="--tls-verify=false --retry-delay 1ms"

# Uploads that were opened only to ask.
questions() {
	double_log 'map(select(.method == "DELETE" and (.path | test("/blobs/uploads/")))) | length'
}

@test "each of them is told what the others are" {
	local command option
	for command in "${PUSHES[@]}"; do
		# shellcheck disable=SC2086
		run cooper $command --help
		assert_succeeds
		for option in --if-absent --check-push --allow-non-distributable-blobs --retry --retry-delay --max-wait --retry-deadline; do
			[[ $output == *"$option"* ]] || fail "$command has no $option" || return
		done
	done
}

# A registry that says no to the first question hears nothing else:  refused_first COMMAND…
refused_first() {
	double_does '{"faults": [{"method": "POST", "path": "uploads/", "do": "status", "status": 403, "count": 0}]}'
	run "$@"
	[ "$status" -ne 0 ] || fail "$*: not refused" || return
	assert_output_has "cannot be pushed to" || return
	[ "$(double_log 'map(select(.method == "POST")) | length')" -eq 1 ] || fail "$*: more than one question" || return
	[ "$(manifests_put)" -eq 0 ]
}

@test "--check-push: manifest push, image copy, image sync and commit ask before they send" {
	local ctr
	double_does '{}'
	cooper push -q --tls-verify=false small "$DOUBLE/source:1"
	cooper manifest create checked-list small
	ctr=$(cooper from small)
	# shellcheck disable=SC2086
	{
		refused_first cooper manifest push $quick --check-push checked-list "docker://$DOUBLE/refused:1"
		refused_first cooper image copy $quick --check-push "docker://$DOUBLE/source:1" "docker://$DOUBLE/refused:1"
		refused_first cooper image sync $quick --check-push --src docker --dest docker "$DOUBLE/source" "$DOUBLE/refused"
		refused_first cooper commit $quick --check-push "$ctr" "docker://$DOUBLE/refused:1"
		double_does '{}'
		cooper manifest push -q $quick --check-push checked-list "docker://$DOUBLE/taken:1"
		cooper image copy -q $quick --check-push "docker://$DOUBLE/source:1" "docker://$DOUBLE/taken:2"
		cooper image sync -q $quick --check-push --src docker --dest docker "$DOUBLE/source" "$DOUBLE/taken"
		cooper commit -q $quick --check-push "$ctr" "docker://$DOUBLE/taken:3"
	}
	[ "$(questions)" -eq 4 ]
}

@test "--check-push of several destinations asks all of them first; a sync asks each repository once" {
	double_does '{}'
	cooper push -q --tls-verify=false small "$DOUBLE/several:1"
	cooper push -q --tls-verify=false other "$DOUBLE/several:2"
	double_does '{"faults": [{"method": "POST", "path": "/second/", "do": "status", "status": 403, "count": 0}]}'
	# shellcheck disable=SC2086
	run cooper image copy $quick --check-push "docker://$DOUBLE/several:1" "docker://$DOUBLE/first:1" "docker://$DOUBLE/second:1"
	[ "$status" -eq 1 ]
	assert_output_has "$DOUBLE/second:1 cannot be pushed to"
	[ "$(manifests_put)" -eq 0 ]
	double_does '{}'
	# shellcheck disable=SC2086
	cooper image sync -q $quick --check-push --src docker --dest docker "$DOUBLE/several" "$DOUBLE/mirror"
	[ "$(questions)" -eq 1 ]
	[ "$(manifests_put)" -eq 2 ]
}

@test "--if-absent: image sync and commit leave a tag that is another" {
	local ctr
	double_does '{}'
	cooper push -q --tls-verify=false small "$DOUBLE/kept:1"
	cooper push -q --tls-verify=false other "$DOUBLE/place/kept:1"
	double_does '{}'
	# shellcheck disable=SC2086
	run cooper image sync $quick --if-absent --src docker --dest docker "$DOUBLE/kept" "$DOUBLE/place"
	[ "$status" -eq 1 ]
	assert_output_has "and stays so (--if-absent)"
	ctr=$(cooper from small)
	cooper config --label a=b "$ctr"
	# shellcheck disable=SC2086
	run cooper commit $quick --if-absent "$ctr" "docker://$DOUBLE/kept:1"
	assert_fails_with 120 "and stays so (--if-absent)"
	[ "$(manifests_put)" -eq 0 ]
	# shellcheck disable=SC2086
	cooper commit -q $quick --if-absent "$ctr" "docker://$DOUBLE/kept:2"
	[ "$(manifests_put)" -eq 1 ]
}

@test "where nothing is pushed they are refused" {
	local ctr option
	ctr=$(cooper from small)
	for option in --if-absent --check-push --allow-non-distributable-blobs; do
		run cooper commit "$option" "$ctr" nothing
		assert_fails_with 125 "$option goes with a docker:// destination"
		run cooper build "$option" "$BATS_TEST_TMPDIR"
		assert_fails_with 125 "$option goes with --push"
		run cooper image sync "$option" --src docker --dest dir "$DOUBLE/kept" "$BATS_TEST_TMPDIR"
		[ "$status" -eq 1 ]
		assert_output_has "$option goes with --dest docker"
	done
	run cooper image copy --check-push containers-storage:small "oci:$BATS_TEST_TMPDIR/layout"
	[ "$status" -eq 1 ]
	assert_output_has "--check-push is for destinations in a registry"
	[ ! -e "$BATS_TEST_TMPDIR/layout" ]
}

@test "a registry of this machine that nobody has started is found out soon" {
	local nobody delays
	nobody=127.0.0.1:$(free_port)
	run cooper push small "$nobody/x:1"
	assert_fails_with 120 "$nobody"
	# By what it says: no wait is longer than half of the first delay.
	delays=$(grep -o 'trying again in [0-9.]* s' <<<"$output" | sort -u)
	[ "$delays" = "trying again in 0.5 s" ]
	[ "$(grep -c 'trying again' <<<"$output")" -ge 5 ]
}

@test "credentials that were given and are refused are not to be looked for elsewhere" {
	double_does '{"auth": "basic"}'
	run cooper push --tls-verify=false --creds tester:wrong small "$DOUBLE/refused:1"
	assert_fails_with 120 "the credentials that were given are not accepted for '$DOUBLE/refused'"
	assert_output_lacks "cooper login"
	run cooper push --tls-verify=false small "$DOUBLE/refused:1"
	assert_fails_with 120 "is 'cooper login $DOUBLE' needed"
}
