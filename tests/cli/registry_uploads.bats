# What registries want of an upload: addresses, chunks, mounts, types, and what they do when they do not like it.
load lib/common
load lib/double

setup_file() {
	common_setup_file
	make_image small 20000
	make_image large 5000000
	start_double
}

push=(cooper push --tls-verify=false --retry-delay 1ms)

pushes_well() {
	run "${push[@]}" "$1" "$2"
	assert_succeeds
	assert_no_leak
}

@test "Locations: relative, absolute, with a query to the byte, on another port" {
	for kind in relative absolute queried other; do
		double_does "{\"location\": \"$kind\"}"
		pushes_well large "$DOUBLE/location-$kind:1"
	done
}

@test "a Location on http behind a front with TLS is taken for https, and the token stays off http" {
	start_double tls
	double_does '{"location": "http", "auth": "basic"}'
	run cooper push --cert-dir "$DOUBLE_CERTS" --creds "tester:s3cret pass" large "$DOUBLE/location:1"
	assert_succeeds
	[ "$(grep -c "gives http as the place of uploads" <<<"$output")" -eq 1 ]
}

@test "a digest is percent-encoded once, and the query of a Location is left as it is" {
	double_does '{"location": "queried"}'
	pushes_well large "$DOUBLE/encoded:1"
	[ "$(double_log 'map(select(.method == "PUT" and (.path | test("uploads"))) | .query |
		test("^_state=[0-9]+%2B%3D&k=a[+]b&digest=sha256%3A[0-9a-f]{64}$")) | all')" = true ]
}

@test "order: of each image of a list the blobs and then the manifest by digest, and last the list, which has the tag" {
	local ctr kinds
	ctr=$(cooper from large)
	cooper config --arch arm64 "$ctr"
	cooper commit -q --rm "$ctr" large-arm64 >/dev/null
	cooper manifest create ordered large large-arm64 >/dev/null
	double_does '{}'
	cooper manifest push -q --all --tls-verify=false ordered "docker://$DOUBLE/ordered:1"
	kinds=$(double_log 'map(select(.method == "PUT") |
		if (.path | test("/blobs/")) then "b" elif (.path | test("/manifests/sha256:")) then "m" else "t" end) | join("")')
	[[ $kinds =~ ^(b+m){2}t$ ]] || fail "$kinds"
}

@test "a body that is too large for a proxy goes in chunks that fit" {
	for limit in 2097152 1048576; do
		double_does "{\"max_body\": $limit}"
		pushes_well large "$DOUBLE/limit-$limit:1"
		[ "$(double_log 'map(select(.method == "PATCH" and .status == 202)) | length')" -gt 1 ]
		received=$(double_received)
		[ "$received" -lt 8000000 ]
	done
	double_does '{"max_body": 1000}'
	run "${push[@]}" large "$DOUBLE/limit-none:1"
	assert_fails_with 120 "HTTP 413"
}

@test "OCI-Chunk-Min-Length holds for chunks" {
	double_does '{"chunk_min": 3000000, "max_body": 4000000}'
	pushes_well large "$DOUBLE/least:1"
	[ "$(double_log 'map(select(.method == "PATCH" and .status == 202)) | max_by(.received).received')" -ge 3000000 ]
}

@test "a layer of more than 64 MiB goes in chunks where they are kept: a cut costs at most a quarter" {
	local size=70000000
	make_image huge "$size"
	for at in 1000000 17000000; do
		double_does "{\"faults\": [{\"method\": \"PATCH\", \"path\": \"uploads/\", \"do\": \"reset\", \"at\": $at, \"nth\": 4}]}"
		pushes_well huge "$DOUBLE/huge-$at:1"
		[ "$(double_log 'map(select(.method == "PATCH" and .status == 202)) | length')" -ge 5 ]
		[ "$(double_received)" -le $((size * 135 / 100)) ]
	done
	double_does '{"drop_chunks": true}'
	pushes_well huge "$DOUBLE/huge-dropped:1"
	[ "$(double_received)" -le $((size * 135 / 100)) ]
	cooper rmi huge
}

@test "a registry that loses chunks gets all bytes in one" {
	double_does '{"drop_chunks": true, "faults": [{"method": "PATCH", "path": "uploads/", "do": "reset", "at": 3000000}]}'
	pushes_well large "$DOUBLE/loses:1"
	# The session that kept too little is not left behind.
	[ "$(double_log 'map(select(.method == "POST" and .status == 202)) | length')" -eq \
		"$(double_log 'map(select((.method == "PUT" and (.path | test("uploads/"))) or (.method == "DELETE" and .status == 204))) | length')" ]
}

@test "a session that is lost with a cut begins anew" {
	double_does '{"keep_partial": false, "faults": [{"method": "PATCH", "path": "uploads/", "do": "reset", "at": 2000000}]}'
	pushes_well large "$DOUBLE/lost:1"
	[ "$(double_received)" -lt 8000000 ]
}

@test "the answer to the last request is lost: the blob is there, and not sent again" {
	double_does '{"faults": [{"method": "PUT", "path": "uploads/.*digest", "do": "lost", "count": 3}]}'
	pushes_well large "$DOUBLE/answer:1"
	[ "$(double_received)" -lt 5300000 ]
}

@test "existence: a blob that is there is not sent; a HEAD that is refused, or tells another size, proves nothing" {
	double_does '{}'
	pushes_well large "$DOUBLE/there:1"
	double_does '{}'
	pushes_well large "$DOUBLE/there:2"
	[ "$(double_log 'map(select(.method == "POST")) | length')" -eq 0 ]
	double_does '{"head": false}'
	pushes_well large "$DOUBLE/there-405:1"
	double_does '{"faults": [{"method": "HEAD", "path": "blobs/", "do": "body", "status": 200, "count": 0}]}'
	pushes_well large "$DOUBLE/there-size:1"
	[ "$(double_log 'map(select(.method == "POST")) | length')" -eq 3 ]
	for how in '"headers": {"Content-Length": null}' '"status": 403' '"status": 404' '"status": 500'; do
		double_does "{\"faults\": [{\"method\": \"HEAD\", \"path\": \"blobs/\", \"do\": \"body\", \"count\": 0, $how}]}"
		pushes_well large "$DOUBLE/there-not-told$RANDOM:1"
		[ "$(double_log 'map(select(.method == "POST")) | length')" -eq 3 ] || fail "$how"
	done
}

@test "blobs of another repository are mounted" {
	double_does '{}'
	pushes_well large "$DOUBLE/mount/base:1"
	cooper tag large "$DOUBLE/mount/base:1"
	double_does '{}'
	pushes_well large "$DOUBLE/mount/app:1"
	assert_output_has "mounted from mount/base"
	[ "$(double_log 'map(select(.method == "POST" and .status == 201)) | length')" -eq 2 ]
	[ "$(double_received)" -lt 5000 ]
	for how in '"no"' 401 403 404 405; do
		double_does "{\"mount\": $how}"
		pushes_well large "$DOUBLE/mount/refused${how//\"/}:1"
		# An answer of 202 is a session, and no other is opened.
		[ "$how" != '"no"' ] || [ "$(double_log 'map(select(.method == "POST")) | length')" -eq \
			"$(double_log 'map(select(.method == "PUT" and (.path | test("uploads")))) | length')" ]
	done
	# Nor does it matter how a mount fails, or that a front says 200 to it.
	for how in '"do": "reset", "at": 0' '"do": "body", "text": "<html>log in</html>"' '"do": "status", "status": 500, "read": false' \
		'"do": "body", "status": 202'; do
		double_does "{\"faults\": [{\"method\": \"POST\", \"path\": \"mount=\", \"count\": 0, $how}]}"
		pushes_well large "$DOUBLE/mount/failed$RANDOM:1"
	done
	cooper rmi "$DOUBLE/mount/base:1"
}

@test "a registry that takes no pieces, or none but the first, gets all bytes in one" {
	local refusal
	for refusal in 400 404 405 411 415 416 501; do
		double_does "{\"faults\": [{\"method\": \"PATCH\", \"path\": \"uploads/\", \"nth\": 2, \"count\": 0, \"do\": \"status\", \"status\": $refusal, \"read\": false}]}"
		pushes_well large "$DOUBLE/pieces$RANDOM:1" || fail "$refusal" || return
		[ "$(double_log 'map(select(.method == "PUT" and (.path | test("uploads"))) | .received) | max')" -gt 5000000 ]
		[ "$(double_received)" -lt 6000000 ]
	done
}

@test "what says neither created nor no is asked again" {
	local request
	for request in 'POST blobs/uploads/$' 'PATCH uploads/upload' 'PUT uploads/.*digest' 'PUT manifests/'; do
		double_does "{\"faults\": [{\"method\": \"${request% *}\", \"path\": \"${request#* }\", \"do\": \"body\", \"text\": \"<html>log in</html>\"}]}"
		pushes_well large "$DOUBLE/odd$RANDOM:1"
		[ "$(double_log 'map(select(.fault != null)) | length')" -eq 1 ]
	done
}

@test "the answer to a manifest is lost: it is there, also where the tag cannot be moved" {
	double_does '{"immutable": true, "faults": [{"method": "PUT", "path": "manifests/", "do": "lost"}]}'
	pushes_well large "$DOUBLE/lost-answer:1"
	[ "$(double_log 'map(select(.method == "PUT" and .status == 400)) | length')" -eq 1 ]
}

@test "an immutable tag that has this image already is no failure; with another one it is" {
	double_does '{"immutable": true}'
	pushes_well large "$DOUBLE/immutable:1"
	pushes_well large "$DOUBLE/immutable:1"
	run "${push[@]}" small "$DOUBLE/immutable:1"
	assert_fails_with 120 "the tag is immutable"
}

@test "a registry that knows no OCI types: said, and --format auto goes on in Docker's" {
	double_does '{"refuse_types": ["application/vnd.oci.image.manifest.v1+json"]}'
	run "${push[@]}" small "$DOUBLE/old:1"
	assert_fails_with 120 "see --format"
	run "${push[@]}" --format auto small "$DOUBLE/old:1"
	assert_succeeds
	assert_output_has "does not take OCI's types, sending it in Docker's format"
	[ "$(double_log 'map(select(.method == "PUT" and (.path | test("manifests")) and .status == 201)) | .[0].content_type')" = \
		application/vnd.docker.distribution.manifest.v2+json ]
	double_does '{}'
	run "${push[@]}" --format auto small "$DOUBLE/new:1"
	assert_succeeds
	[ "$(double_log 'map(select(.method == "PUT" and (.path | test("manifests")))) | .[0].content_type')" = \
		application/vnd.oci.image.manifest.v1+json ]
}

@test "a registry that takes OCI types only: --format auto sends an image of Docker's in them" {
	local ctr
	ctr=$(cooper from small)
	cooper commit -q --rm --format docker "$ctr" dockers >/dev/null
	double_does '{"refuse_types": ["application/vnd.docker.distribution.manifest.v2+json"]}'
	run "${push[@]}" dockers "$DOUBLE/zot:1"
	assert_fails_with 120 "see --format"
	run "${push[@]}" --format auto dockers "$DOUBLE/zot:1"
	assert_succeeds
}

@test "an upload that is given up is cancelled" {
	double_does '{"faults": [{"method": "PUT", "path": "uploads/", "do": "status", "status": 403, "count": 0}]}'
	run "${push[@]}" large "$DOUBLE/cancel:1"
	assert_fails_with 120 "HTTP 403"
	[ "$(double_log 'map(select(.method == "DELETE" and .status == 204)) | length')" -gt 0 ]
}

@test "several tags: blobs once, a manifest for each" {
	mkdir -p "$BATS_TEST_TMPDIR/context"
	printf 'FROM small\nCOPY x /x\n' >"$BATS_TEST_TMPDIR/context/Dockerfile"
	echo several >"$BATS_TEST_TMPDIR/context/x"
	double_does '{}'
	cooper build -q --tls-verify=false -t "$DOUBLE/several:1" -t "$DOUBLE/several:2" -t "$DOUBLE/several:3" --push \
		"$BATS_TEST_TMPDIR/context"
	[ "$(double_log 'map(select(.method == "PUT" and (.path | test("manifests")))) | length')" -eq 3 ]
	[ "$(double_log 'map(select(.method == "POST")) | length')" -eq 4 ]
	[ "$(double_log 'map(select(.method == "HEAD")) | length')" -eq 4 ]
}
