# build --provenance, --sbom: statements about an image, as referrers or in its index.

load lib/common
load lib/multiarch

setup_file() {
	common_setup_file
	use_busybox
	context=$BATS_FILE_TMPDIR/context
	mkdir -p "$context/dpkg" "$context/apk"
	cat >"$context/Dockerfile" <<-'DOCKERFILE'
		FROM busybox
		ARG TOKEN PLACE
		COPY dpkg /var/lib/dpkg
		COPY apk /lib/apk/db
		COPY os-release /etc/os-release
	DOCKERFILE
	printf 'ID=debian\nVERSION_ID="12"\n' >"$context/os-release"
	cat >"$context/dpkg/status" <<-'STATUS'
		Package: bash
		Status: install ok installed
		Architecture: amd64
		Version: 5.2.15-2+b7
		Description: shell
		 Package: not-this-one

		Package: gone
		Status: deinstall ok config-files
		Architecture: amd64
		Version: 1.0

		Package: tzdata
		Status: install ok installed
		Architecture: all
		Version: 2024a-0+deb12u1
	STATUS
	printf 'C:Q1abc=\nP:musl\nV:1.2.5-r0\nA:x86_64\n\n' >"$context/apk/installed"
}

setup() {
	context=$BATS_FILE_TMPDIR/context
	cd "$BATS_TEST_TMPDIR" || return
}

# What a registry without the referrers API has under the tag that stands in for it:  referrers_of REPOSITORY@DIGEST
referrers_of() {
	get_document "${1%@*}" "sha256-${1##*:}" index
}

get_document() {
	curl -sf -H "Accept: application/vnd.oci.image.$3.v1+json" "http://${1%%/*}/v2/${1#*/}/manifests/$2"
}

# The statement of a kind that refers to an image in the registry:  statement_of REPOSITORY@DIGEST TYPE
statement_of() {
	local repository=${1%@*} manifest blob
	manifest=$(referrers_of "$1" |
		json_get "[m['digest'] for m in document['manifests'] if m['annotations']['in-toto.io/predicate-type'] == '$2'][0]") || return
	blob=$(get_document "$repository" "$manifest" manifest | json_get 'document["layers"][0]["digest"]') || return
	curl -sf "http://${repository%%/*}/v2/${repository#*/}/blobs/$blob"
}

push_with() {
	cooper build -q -t "$REGISTRY/app:1" --push --tls-verify=false --metadata-file metadata "$@" "$context" >id
	image=$REGISTRY/app@$(json_get 'document["containerimage.digest"]' <metadata)
}

PROVENANCE=https://slsa.dev/provenance/v1
SPDX=https://spdx.dev/Document
CYCLONEDX=https://cyclonedx.org/bom

@test "provenance refers to the image that was pushed, whose digest and type stay" {
	start_registry
	push_with
	plain=$image
	push_with --provenance --builder-id https://ci.example.org/7
	[ "$image" = "$plain" ]
	skopeo inspect --raw --tls-verify=false "docker://$image" >manifest
	[ "$(json_get '"layers" in document' <manifest)" = True ]
	statement_of "$image" "$PROVENANCE" >statement
	[ "$(json_get 'document["_type"]' <statement)" = https://in-toto.io/Statement/v1 ]
	[ "sha256:$(json_get 'document["subject"][0]["digest"]["sha256"]' <statement)" = "${image#*@}" ]
	[ "$(json_get 'document["predicate"]["runDetails"]["builder"]["id"]' <statement)" = https://ci.example.org/7 ]
	[ "$(json_get 'document["predicate"]["buildDefinition"]["externalParameters"]["source"]["context"]' <statement)" = local ]
	# What it was made of.
	base=$(cooper inspect --type image --format '{{.FromImageDigest}}' busybox)
	[ "$(json_get 'document["predicate"]["buildDefinition"]["resolvedDependencies"]' <statement)" = \
		"[{'digest': {'sha256': '${base#sha256:}'}, 'uri': 'pkg:docker/busybox@latest?platform=linux%2Famd64'}]" ]
}

@test "values of build arguments are only in mode=max, secrets and paths never" {
	start_registry
	echo hush >secret
	push_with --provenance=min --build-arg TOKEN=s3same --secret id=x,src=secret --build-arg http_proxy=http://u:pw@127.0.0.1:1
	statement_of "$image" "$PROVENANCE" >statement
	[ "$(json_get 'document["predicate"]["buildDefinition"]["externalParameters"]["buildArgs"]' <statement)" = "['TOKEN']" ]
	run ! grep -E "s3same|hush|u:pw|$BATS_TEST_TMPDIR" statement
	push_with --provenance=mode=max --build-arg TOKEN=s3same
	# Both are there now; the newer one has the value.
	referrers_of "$image" >referrers
	[ "$(json_get 'len(document["manifests"])' <referrers)" -eq 2 ]
	manifest=$(json_get 'document["manifests"][1]["digest"]' <referrers)
	blob=$(get_document "$REGISTRY/app" "$manifest" manifest | json_get 'document["layers"][0]["digest"]')
	curl -sf "http://$REGISTRY/v2/app/blobs/$blob" >statement
	[ "$(json_get 'document["predicate"]["buildDefinition"]["externalParameters"]["buildArgs"]' <statement)" = "{'TOKEN': 's3same'}" ]
}

@test "an SBOM lists what the package databases list, and what the image was made of" {
	start_registry
	push_with --sbom
	statement_of "$image" "$SPDX" >statement
	[ "$(json_get '[p["name"] for p in document["predicate"]["packages"]][1:]' <statement)" = "['bash', 'tzdata', 'musl', 'busybox']" ]
	[ "$(json_get 'document["predicate"]["packages"][1]["externalRefs"][0]["referenceLocator"]' <statement)" = \
		"pkg:deb/debian/bash@5.2.15-2%2Bb7?arch=amd64&distro=debian-12" ]
	[ "$(json_get 'document["predicate"]["spdxVersion"]' <statement)" = SPDX-2.3 ]
	[[ $(json_get 'document["predicate"]["creationInfo"]["comment"]' <statement) == "Package databases only"* ]]
	# Every element that a relationship names is there.
	[ "$(json_get '{r["relatedSpdxElement"] for r in document["predicate"]["relationships"]} - {p["SPDXID"] for p in document["predicate"]["packages"]}' <statement)" = "set()" ]
}

@test "an SBOM as CycloneDX, beside SPDX or alone" {
	start_registry
	push_with --sbom=spdx,cyclonedx
	statement_of "$image" "$SPDX" >spdx
	statement_of "$image" "$CYCLONEDX" >statement
	[ "$(json_get 'document["predicate"]["bomFormat"], document["predicate"]["specVersion"]' <statement)" = "('CycloneDX', '1.6')" ]
	[ "$(json_get '[c["name"] for c in document["predicate"]["components"]]' <statement)" = "['bash', 'tzdata', 'musl']" ]
	[ "$(json_get 'document["predicate"]["components"][0]["purl"]' <statement)" = \
		"$(json_get 'document["predicate"]["packages"][1]["externalRefs"][0]["referenceLocator"]' <spdx)" ]
	[ "sha256:$(json_get 'document["predicate"]["metadata"]["component"]["hashes"][0]["content"]' <statement)" = "${image#*@}" ]
	[ "$(json_get 'document["predicate"]["metadata"]["component"]["pedigree"]["ancestors"][0]["type"], document["predicate"]["metadata"]["component"]["pedigree"]["ancestors"][0]["name"]' <statement)" = "('container', 'busybox')" ]
	# Every reference leads somewhere, and the document of the same image is the same.
	[ "$(json_get 'set(document["predicate"]["dependencies"][0]["dependsOn"]) - {c["bom-ref"] for c in document["predicate"]["components"]}' <statement)" = "set()" ]
	[[ $(json_get 'document["predicate"]["serialNumber"]' <statement) =~ ^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$ ]]
	push_with --attest type=sbom,format=cyclonedx --label one=two
	statement_of "$image" "$CYCLONEDX" >statement
	[ "$(referrers_of "$image" | json_get 'len(document["manifests"])')" -eq 1 ]
	run cooper build -q --sbom=syft "$context"
	assert_fails_with 125 "'syft' is no bill of materials"
}

@test "an image with rpm's database: the bill says that it leaves that out" {
	start_registry
	mkdir -p "$context/rpm" && echo >"$context/rpm/rpmdb.sqlite"
	printf 'FROM scratch\nCOPY rpm /var/lib/rpm\n' >"$context/Dockerfile"
	run push_with --sbom=spdx,cyclonedx
	assert_succeeds
	assert_output_has "database of rpm's, which is not read"
	image=$REGISTRY/app@$(json_get 'document["containerimage.digest"]' <metadata)
	for type in "$SPDX" "$CYCLONEDX"; do
		[[ $(statement_of "$image" "$type") == *"its packages are missing here"* ]] || fail "$type" || return
	done
}

@test "with a fixed time the same build states the same" {
	start_registry
	for i in 1 2; do
		push_with --provenance --sbom --source-date-epoch 1700000000
		statement_of "$image" "$PROVENANCE" >statement.$i
		statement_of "$image" "$SPDX" >>statement.$i
	done
	cmp statement.1 statement.2
	[ "$(referrers_of "$image" | json_get 'len(document["manifests"])')" -eq 2 ]
}

@test "in the index statements stand behind the images, as BuildKit has them" {
	cooper build -q -t app --provenance --sbom --attest-storage index -o type=oci,dest=app.tar "$context" >id
	skopeo inspect --raw oci-archive:app.tar >index
	[ "$(json_get '[m["platform"]["os"] for m in document["manifests"]]' <index)" = "['linux', 'unknown']" ]
	[ "$(json_get 'document["manifests"][1]["annotations"]["vnd.docker.reference.digest"] == document["manifests"][0]["digest"]' <index)" = True ]
	[ "$(json_get 'document["manifests"][1]["annotations"]["vnd.docker.reference.type"]' <index)" = attestation-manifest ]
	mkdir layout && tar -xf app.tar -C layout
	attestation=$(json_get 'document["manifests"][1]["digest"]' <index)
	json_get '[l["digest"] for l in document["layers"]][0]' <"layout/blobs/sha256/${attestation#sha256:}" >digest
	statement=layout/blobs/sha256/$(sed s/sha256:// digest)
	[ "$(json_get '"sha256:" + document["subject"][0]["digest"]["sha256"]' <"$statement")" = "$(json_get 'document["manifests"][0]["digest"]' <index)" ]
	# It is still an image to whoever wants to run it, here and elsewhere.
	ctr=$(cooper from app)
	cooper rm "$ctr"
	skopeo copy -q oci-archive:app.tar oci:copied
}

@test "an index with statements goes to a registry and comes back whole" {
	start_registry
	push_with --provenance --attest-storage index
	skopeo inspect --raw --tls-verify=false "docker://$image" >index
	[ "$(json_get 'len(document["manifests"])' <index)" -eq 2 ]
	# Nothing of what is stated is swept with what nobody needs.
	cooper prune -f
	cooper image copy -q --all --src-tls-verify=false "docker://$REGISTRY/app:1" oci:all
	cooper image copy -q --all "store:$REGISTRY/app:1" oci:again
}

@test "each of several platforms has its own statements" {
	start_registry
	printf 'FROM scratch\nCOPY os-release /\n' >several
	push_with --platform linux/amd64,linux/arm64 -f several --provenance
	skopeo inspect --raw --tls-verify=false "docker://$image" >index
	for architecture in amd64 arm64; do
		statement_of "$REGISTRY/app@$(digest_for "$architecture" <index)" "$PROVENANCE" >statement
		[ "$(json_get 'document["predicate"]["buildDefinition"]["externalParameters"]["platform"]' <statement)" = "linux/$architecture" ]
	done
}

@test "a git context is a dependency with its commit" {
	start_registry
	git init -q repository
	printf 'FROM busybox\nADD --checksum=sha256:%064d https://u:p@example.org/x /x\n' 1 >repository/unused
	printf 'FROM busybox\n' >repository/Dockerfile
	git -C repository add . && git -C repository -c user.name=a -c user.email=a@b commit -qm x
	context=file://$PWD/repository/.git
	push_with --provenance
	statement_of "$image" "$PROVENANCE" >statement
	[ "$(json_get 'document["predicate"]["buildDefinition"]["resolvedDependencies"][0]["digest"]["gitCommit"]' <statement)" = "$(git -C repository rev-parse HEAD)" ]
}

@test "what cannot be stated or has no place is refused before anything is built" {
	while read -r -a options; do
		run -125 cooper build "${options[@]}" "$context"
		[[ $output != *STEP* ]]
		[[ $output == *attest* || $output == *provenance* ]]
	done <<-'OPTIONS'
		--provenance
		--sbom
		--attest-storage index
		--builder-id me
		--provenance=most
		--attest type=signature
		--provenance --attest-storage elsewhere
		--provenance --attest-storage index --format docker
		--provenance --attest-storage index --manifest list
		--provenance --attest-storage index -o type=oci,dest=x,compression=zstd
	OPTIONS
	cooper build -q --provenance=false --sbom=false --attest type=sbom,disabled=true "$context"
}

@test "a registry that takes the image but not the statement ends in 120" {
	run -120 cooper build -q -t 127.0.0.1:1/app --push --retry 0 --provenance "$context"
	[ -n "$(cooper images -q 127.0.0.1:1/app)" ]
}
