# What manifest's commands are told: of entries, and of registries.
load lib/common
load lib/double
load lib/multiarch

setup_file() {
	platform_double_setup_file
	export LOGIN='tester:s3cret pass'
	cooper push -q --cert-dir "$CERTS" app-arm64 "docker://$DOUBLE/arm:1"
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	printf '{"auths": {"%s": {"auth": "%s"}}}' "$DOUBLE" "$(printf '%s' "$LOGIN" | base64)" >auth.json
	double_does '{}'
}

# of LIST EXPRESSION of the document
of() {
	cooper manifest inspect "$1" | json_get "$2"
}

@test "create --annotation is of the list itself" {
	cooper manifest create --annotation a=b --annotation c=d=e noted app-amd64
	[ "$(of noted 'document["annotations"]')" = "{'a': 'b', 'c': 'd=e'}" ]
	run cooper manifest create --annotation nothing never
	assert_fails_with 125 "--annotation 'nothing'"
	run cooper manifest exists never
	[ "$status" -eq 1 ]
}

@test "add and annotate say of an entry all that there is to say" {
	local digest platform="document['manifests'][0]['platform']"
	cooper manifest create --replace said
	cooper manifest add --os windows --arch arm64 --variant v8 --os-version 10.0.1 --os-features win32k,more \
		--features sse4 --annotation k=v said app-amd64
	[ "$(of said "${platform}['os'], ${platform}['architecture'], ${platform}['variant'], ${platform}['os.version']")" = "('windows', 'arm64', 'v8', '10.0.1')" ]
	[ "$(of said "${platform}['os.features'], ${platform}['features']")" = "(['win32k', 'more'], ['sse4'])" ]
	[ "$(of said 'document["manifests"][0]["annotations"]')" = "{'k': 'v'}" ]
	digest=$(of said 'document["manifests"][0]["digest"]')
	cooper manifest annotate --os linux --arch arm --variant v6 --os-version 5 --annotation more=yes said "$digest"
	[ "$(of said "${platform}['os'], ${platform}['architecture'], ${platform}['variant'], ${platform}['os.version']")" = "('linux', 'arm', 'v6', '5')" ]
	[ "$(of said 'document["manifests"][0]["annotations"]')" = "{'k': 'v', 'more': 'yes'}" ]
}

@test "certificates and credentials of each command" {
	local place=docker://$DOUBLE/arm:1 login
	double_does '{"auth": "basic"}'
	for login in "--authfile auth.json" "--creds '$LOGIN'"; do
		eval "cooper manifest create --replace --cert-dir '$CERTS' $login made $place"
		eval "cooper manifest add --cert-dir '$CERTS' $login made docker://$DOUBLE/list:1"
		[ "$(of made 'sorted(m["platform"]["architecture"] for m in document["manifests"])')" = "['amd64', 'arm64']" ]
		eval "cooper manifest annotate --index --cert-dir '$CERTS' $login --subject $place made"
		eval "cooper manifest inspect --cert-dir '$CERTS' $login docker://$DOUBLE/list:1" | grep -q manifests
		eval "cooper manifest push -q --cert-dir '$CERTS' $login made docker://$DOUBLE/pushed:1"
	done
	for command in "create never $place" "add made $place" "inspect $place"; do
		# shellcheck disable=SC2086 # words
		run cooper manifest ${command%% *} --cert-dir "$CERTS" --creds tester:wrong ${command#* }
		assert_fails_with 125 "401"
		# shellcheck disable=SC2086 # words
		run cooper manifest ${command%% *} --authfile auth.json ${command#* }
		assert_fails_with 125 "certificate"
	done
	run cooper manifest push --cert-dir "$CERTS" --creds tester:wrong made "docker://$DOUBLE/pushed:2"
	assert_fails_with 120 "401"
	run cooper manifest inspect --authfile nosuch "$place"
	assert_fails_with 125 "credential file is not accessible"
	assert_no_leak
}

@test "--tls-verify=false takes a certificate that nobody vouches for" {
	cooper manifest create --replace --tls-verify=false lax "docker://$DOUBLE/arm:1"
	cooper manifest add --tls-verify=false lax "docker://$DOUBLE/list:1"
	cooper manifest inspect --tls-verify=false "docker://$DOUBLE/list:1" >/dev/null
	cooper manifest push -q --tls-verify=false lax "docker://$DOUBLE/lax:1"
}

@test "push --format, --compression-format, --force-compression, --quiet, --rm and --retry" {
	local raw=(cooper image inspect --raw --cert-dir "$CERTS")
	cooper manifest push -q --cert-dir "$CERTS" --format v2s2 app "docker://$DOUBLE/docker:1"
	[ "$("${raw[@]}" "docker://$DOUBLE/docker:1" | json_get 'document["mediaType"]')" = application/vnd.docker.distribution.manifest.list.v2+json ]
	cooper manifest create --replace --all --cert-dir "$CERTS" again "docker://$DOUBLE/list:1"
	cooper manifest push -q --cert-dir "$CERTS" --compression-format zstd --compression-level 5 --force-compression again "docker://$DOUBLE/zstd:1"
	cooper image copy -q --src-cert-dir "$CERTS" "docker://$DOUBLE/zstd:1" oci:zstd:x
	[[ $(cooper image inspect --raw oci:zstd:x) == *tar+zstd* ]]
	double_does '{"faults": [{"method": "PUT", "path": "manifests/1$", "do": "status", "status": 503, "count": 2}]}'
	run cooper manifest push --cert-dir "$CERTS" --retry 1 --retry-delay 1ms again "docker://$DOUBLE/retried:1"
	[ "$status" -eq 120 ]
	cooper manifest exists again
	double_does '{"faults": [{"method": "PUT", "path": "manifests/1$", "do": "status", "status": 503, "count": 2}]}'
	run cooper manifest push -q --rm --cert-dir "$CERTS" --retry 2 --retry-delay 1ms again "docker://$DOUBLE/retried:1"
	assert_succeeds
	assert_output_is ""
	run cooper manifest exists again
	[ "$status" -eq 1 ]
}

@test "names of options that scripts for other tools use" {
	cooper manifest create --replace old app-amd64
	cooper manifest push -q --insecure --remove-signatures --cert-dir "$CERTS" --purge old "docker://$DOUBLE/old:1"
	run cooper manifest exists old
	[ "$status" -eq 1 ]
}
