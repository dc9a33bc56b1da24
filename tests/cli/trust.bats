# The trust policy: every way by which an image comes in asks it.
load lib/common
load lib/signing

setup_file() {
	common_setup_file
	signing_setup_file
	use_busybox
	start_registry
	cooper push -q busybox "docker://$REGISTRY/app:1"
}

teardown() {
	no_policy
}

teardown_file() {
	signing_teardown_file
	common_teardown_file
}

reject_registry() {
	docker_policy '"type": "reject"'
}

# Each way ends with the same words; the status is skopeo's for the commands that are skopeo's.
is_refused() {
	local status_wanted=125
	[ "$2" != image ] || status_wanted=1
	run "$@"
	assert_fails_with "$status_wanted" "the trust policy for 'docker:$REGISTRY' does not accept the image: rejected"
}

@test "what the policy rejects comes in by no way" {
	cd "$BATS_TEST_TMPDIR"
	reject_registry
	ctr=$(cooper from scratch)
	mkdir context
	is_refused cooper pull "$REGISTRY/app:1"
	is_refused cooper pull --all-tags "$REGISTRY/app"
	is_refused cooper from "docker://$REGISTRY/app:1"
	is_refused cooper copy --from "$REGISTRY/app:1" "$ctr" /etc/passwd /
	is_refused cooper add --from "$REGISTRY/app:1" "$ctr" /etc/passwd /
	is_refused cooper run --mount "type=bind,from=$REGISTRY/app:1,target=/x" "$(cooper from busybox)" true
	is_refused cooper image copy "docker://$REGISTRY/app:1" dir:copied
	is_refused cooper manifest create listed "docker://$REGISTRY/app:1"
	cooper manifest create listed
	is_refused cooper manifest add listed "$REGISTRY/app:1"
	printf 'FROM %s/app:1\n' "$REGISTRY" >context/Dockerfile
	is_refused cooper build -q context
	printf 'FROM scratch\nCOPY --from=%s/app:1 /etc/passwd /\n' "$REGISTRY" >context/Dockerfile
	is_refused cooper build -q context
	printf 'FROM busybox\nRUN --mount=type=bind,from=%s/app:1,target=/x true\n' "$REGISTRY" >context/Dockerfile
	is_refused cooper build -q context
	[ -z "$(cooper images -q "$REGISTRY/app")" ]
	[ "$(cooper manifest inspect listed | grep -c digest)" = 0 ]
	[ ! -e copied/manifest.json ]
}

@test "nothing is asked of a registry whose images are rejected" {
	reject_registry
	before=$(wc -l <"$REGISTRY_LOG")
	is_refused cooper pull "$REGISTRY/app:1"
	[ "$(wc -l <"$REGISTRY_LOG")" = "$before" ]
}

@test "without a policy, and with one that accepts anything, images come in" {
	no_policy
	accepted app:1
	echo '{"default": [{"type": "insecureAcceptAnything"}]}' | write_policy
	accepted app:1
}

@test "--signature-policy and its variable name another policy, which must be there" {
	fresh_store named
	echo '{"default": [{"type": "reject"}]}' >"$BATS_TEST_TMPDIR/reject.json"
	run cooper pull --signature-policy "$BATS_TEST_TMPDIR/reject.json" "$REGISTRY/app:1"
	assert_fails_with 125 rejected
	run cooper --signature-policy "$BATS_TEST_TMPDIR/reject.json" from "$REGISTRY/app:1"
	assert_fails_with 125 rejected
	COOPER_SIGNATURE_POLICY=$BATS_TEST_TMPDIR/reject.json run cooper pull "$REGISTRY/app:1"
	assert_fails_with 125 rejected
	run cooper pull --signature-policy "$BATS_TEST_TMPDIR/nosuch.json" "$REGISTRY/app:1"
	assert_fails_with 125 nosuch.json
	run cooper pull -q "$REGISTRY/app:1"
	assert_succeeds
	remove_store "$COOPER_ROOT"
}

@test "a policy that cannot be understood refuses everything" {
	for text in '' '{}' '{"default": []}' '{"default": [{"type": "reject"}], "default": [{"type": "insecureAcceptAnything"}]}' \
		'{"default": [{"type": "insecureAcceptAnything", "note": "x"}]}' '{"default": [{"type": "anything"}]}' \
		'{"default": [{"type": "insecureAcceptAnything"}], "transport": {}}'; do
		write_policy <<<"$text"
		refused app:1 policy.json
	done
	mkdir "$BATS_TEST_TMPDIR/policy"
	COOPER_SIGNATURE_POLICY=$BATS_TEST_TMPDIR/policy run cooper pull -q "$REGISTRY/app:1"
	[ "$status" -eq 125 ]
}

@test "what cannot be checked is refused, and said" {
	docker_policy '"type": "sigstoreSigned", "fulcio": {"caPath": "/x", "oidcIssuer": "i", "subjectEmail": "e"}'
	refused app:1 "it wants sigstoreSigned with fulcio, which cooper cannot check"
	docker_policy '"type": "signedBy", "keyType": "X509Certificates", "keyPath": "/x"'
	refused app:1 "signedBy with keyType X509Certificates"
}

@test "the most specific scope decides" {
	write_policy <<-END
		{"default": [{"type": "reject"}], "transports": {"docker": {
			"$REGISTRY": [{"type": "reject"}],
			"$REGISTRY/app": [{"type": "insecureAcceptAnything"}],
			"$REGISTRY/app:2": [{"type": "reject"}]}}}
	END
	cooper push -q busybox "docker://$REGISTRY/app:2"
	cooper push -q busybox "docker://$REGISTRY/other:1"
	accepted app:1
	refused app:2 "policy for 'docker:$REGISTRY/app:2'"
	refused other:1 "policy for 'docker:$REGISTRY'"
}

@test "layouts, archives and directories have scopes, too" {
	cd "$BATS_TEST_TMPDIR"
	cooper push -q busybox oci:good:v1
	cp -r good bad
	cooper push -q busybox oci-archive:a.tar:v1
	cooper push -q busybox docker-archive:d.tar:x:1
	cooper push -q busybox dir:plain
	ln -s bad link
	here=$(pwd -P)
	write_policy <<-END
		{"default": [{"type": "reject"}], "transports": {
			"oci": {"$here/good": [{"type": "insecureAcceptAnything"}], "$here/bad": [{"type": "reject"}],
				"$here/link": [{"type": "insecureAcceptAnything"}]},
			"docker-archive": {"": [{"type": "insecureAcceptAnything"}]}}}
	END
	fresh_store local
	cooper pull -q oci:good:v1
	cooper pull -q docker-archive:d.tar
	for place in oci:bad:v1 oci:link:v1 oci-archive:a.tar:v1 dir:plain; do
		run cooper pull -q "$place"
		assert_fails_with 125 rejected
	done
	remove_store "$COOPER_ROOT"
}

@test "--pull=newer does not go on with the old image when the new one is refused" {
	cooper push -q busybox "docker://$REGISTRY/moves:1"
	ctr=$(cooper from busybox)
	cooper config --label changed=yes "$ctr"
	cooper commit -q "$ctr" changed
	fresh_store newer
	cooper pull -q "$REGISTRY/moves:1"
	COOPER_ROOT=$BATS_FILE_TMPDIR/root COOPER_RUNROOT=$BATS_FILE_TMPDIR/runroot \
		cooper push -q changed "docker://$REGISTRY/moves:1"
	reject_registry
	run cooper pull --policy newer "$REGISTRY/moves:1"
	assert_fails_with 125 rejected
	run cooper pull --policy missing "$REGISTRY/moves:1"
	assert_succeeds
	remove_store "$COOPER_ROOT"
}
