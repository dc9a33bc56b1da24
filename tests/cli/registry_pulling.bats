# Pulls: which requests one image costs, what of a registry's answers is believed, and where layers come from.
load lib/common
load lib/double

setup_file() {
	common_setup_file
	make_image small 20000
	make_image large 3000000
	start_double
	cooper push -q --tls-verify=false small "$DOUBLE/app/small:1"
	cooper push -q --tls-verify=false large "$DOUBLE/app/large:1"
	curl -s "http://$DOUBLE/v2/app/small/manifests/1" -H "Accept: */*" >"$BATS_FILE_TMPDIR/small.json"
}

setup() {
	double_does '{}'
	fresh_store "pulling-$BATS_TEST_NUMBER"
}

teardown() {
	remove_store "$COOPER_ROOT" "$COOPER_RUNROOT"
}

pull=(pull --tls-verify=false --retry-delay 1ms)

# The requests of the log, each once with its number:  "GET manifests 1"
requests() {
	double_log 'map([.method, (.path | capture("/(?<k>manifests|blobs|v2/$)").k // .path)] | join(" ")) | group_by(.) |
		map("\(.[0]) \(length)") | join(", ")'
}

empty_store() {
	remove_store "$COOPER_ROOT" "$COOPER_RUNROOT"
	mkdir -p "$COOPER_ROOT"
}

@test "an image costs one request for each of its documents and layers" {
	cooper "${pull[@]}" -q "$DOUBLE/app/small:1"
	[ "$(requests)" = "GET blobs 3, GET manifests 1, GET v2/ 1" ]
	double_does '{}'
	cooper from --pull=missing "$DOUBLE/app/small:1"
	[ "$(double_log length)" -eq 0 ]
	# Whether a tag has moved is a HEAD, which Docker Hub does not count.
	cooper from --pull=newer --tls-verify=false "$DOUBLE/app/small:1"
	[ "$(requests)" = "GET v2/ 1, HEAD manifests 1" ]
}

@test "a build asks once what its base is, and a repeated one asks nothing" {
	mkdir "$BATS_TEST_TMPDIR/context"
	printf 'FROM %s/app/small:1 AS one\nCOPY Dockerfile /1\nFROM %s/app/small:1\nCOPY --from=one /1 /2\n' "$DOUBLE" "$DOUBLE" >"$BATS_TEST_TMPDIR/context/Dockerfile"
	cooper build -q --tls-verify=false "$BATS_TEST_TMPDIR/context"
	[ "$(requests)" = "GET blobs 3, GET manifests 1, GET v2/ 1" ]
	double_does '{}'
	cooper build -q --tls-verify=false "$BATS_TEST_TMPDIR/context"
	[ "$(double_log length)" -eq 0 ]
}

@test "where HEAD is not allowed, or does not tell, GET does" {
	cooper "${pull[@]}" -q "$DOUBLE/app/small:1"
	double_does '{"head": false}'
	cooper from --pull=newer --tls-verify=false "$DOUBLE/app/small:1"
	[ "$(requests)" = "GET manifests 1, GET v2/ 1, HEAD manifests 1" ]
	double_does '{"faults": [{"method": "HEAD", "path": "manifests", "do": "status", "status": 200}]}'
	cooper from --pull=newer --tls-verify=false "$DOUBLE/app/small:1"
	[ "$(requests)" = "GET manifests 1, GET v2/ 1, HEAD manifests 1" ]
}

# answers_with CONTENT-TYPE [DIGEST-HEADER]: to a question for the manifest
answers_with() {
	double_does "$(jq -n --rawfile text "$BATS_FILE_TMPDIR/small.json" --arg type "$1" --arg digest "${2:-}" '{faults: [{path: "manifests",
		do: "body", text: $text, count: 0, headers: ({"Content-Type": $type} + if $digest == "" then {} else {"Docker-Content-Digest": $digest} end)}]}')"
}

@test "the type of a manifest: parameters mean nothing, and its own word helps where the registry has none" {
	local type own
	own=$(jq -r .mediaType "$BATS_FILE_TMPDIR/small.json")
	for type in "$own" "$own; charset=utf-8" application/octet-stream application/json "text/plain; charset=utf-8"; do
		answers_with "$type"
		run cooper "${pull[@]}" "$DOUBLE/app/small:1"
		assert_succeeds || fail "$type" || return
		empty_store
	done
	for type in application/vnd.docker.distribution.manifest.v2+json application/vnd.oci.image.index.v1+json text/html; do
		answers_with "$type"
		run cooper "${pull[@]}" "$DOUBLE/app/small:1"
		assert_fails_with 125 "but it was sent as '$type'" || fail "$type" || return
	done
	answers_with application/vnd.docker.distribution.manifest.v1+prettyjws
	jq -c 'del(.mediaType) | .schemaVersion = 1' "$BATS_FILE_TMPDIR/small.json" >"$BATS_TEST_TMPDIR/one"
	double_does "$(jq -n --rawfile text "$BATS_TEST_TMPDIR/one" '{faults: [{path: "manifests", do: "body", text: $text, count: 0,
		headers: {"Content-Type": "application/vnd.docker.distribution.manifest.v1+prettyjws"}}]}')"
	run cooper "${pull[@]}" "$DOUBLE/app/small:1"
	assert_fails_with 125 "schema 1, which is no longer supported"
}

@test "a tag's manifest must be what the registry's own header says, a digest's what was asked for" {
	local digest other=sha256:1111111111111111111111111111111111111111111111111111111111111111
	digest=sha256:$(sha256sum <"$BATS_FILE_TMPDIR/small.json" | cut -d' ' -f1)
	answers_with application/vnd.oci.image.manifest.v1+json "$other"
	run cooper "${pull[@]}" "$DOUBLE/app/small:1"
	assert_fails_with 125 "instead of $other"
	answers_with application/vnd.oci.image.manifest.v1+json "$digest"
	run cooper "${pull[@]}" "$DOUBLE/app/small@$other"
	assert_fails_with 125 "the registry sent a manifest with digest $digest instead of $other"
	# The tag beside a digest is for people: it need not be there.
	double_does '{}'
	cooper "${pull[@]}" -q "$DOUBLE/app/small:nosuch@$digest"
	[ "$(double_log 'map(select(.path | test("manifests/"))) | map(.path | split("/") | last) | join(" ")')" = "$digest" ]
	run cooper "${pull[@]}" "$DOUBLE/app/small@md5:11111111111111111111111111111111"
	assert_fails_with 125 md5
}

# An image put together by hand; prints nothing:  put_image NAME PYTHON…, which changes `layers`, `blobs` and `config`
put_image() {
	python3 - "$DOUBLE" "$@" <<-'PY'
	import gzip, hashlib, io, json, sys, tarfile, urllib.request, base64
	host, name, change = sys.argv[1:4]
	def digest(data, algorithm="sha256"):
	    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"
	def send(method, path, data, kind):
	    return urllib.request.urlopen(urllib.request.Request(f"http://{host}{path}", data=data, method=method, headers={"Content-Type": kind})).headers
	out = io.BytesIO()
	with tarfile.open(fileobj=out, mode="w") as archive:
	    entry = tarfile.TarInfo("made-by-hand")
	    entry.size = 3
	    archive.addfile(entry, io.BytesIO(b"yes"))
	plain = out.getvalue()
	packed = gzip.compress(plain, mtime=0)
	OCI = "application/vnd.oci.image."
	algorithm, manifest, host_of_urls = "sha256", {}, sys.argv[4:]
	config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [digest(plain)]}}
	layer = {"mediaType": OCI + "layer.v1.tar+gzip"}
	blobs = {"layer": packed}
	exec(change)
	blobs["config"] = json.dumps(config).encode()
	for data in blobs.values():
	    place = send("POST", f"/v2/{name}/blobs/uploads/", b"", "")["Location"]
	    send("PUT", f"{place}?digest={digest(data, algorithm)}", data, "application/octet-stream")
	layer = {"digest": digest(packed, algorithm), "size": len(packed), **layer}
	text = json.dumps({"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json", "layers": [layer], **manifest,
	    "config": {"mediaType": OCI + "config.v1+json", "digest": digest(blobs["config"], algorithm), "size": len(blobs["config"])}}).encode()
	send("PUT", f"/v2/{name}/manifests/1", text, OCI + "manifest.v1+json")
	PY
}

has_the_file() {
	[ "$(cooper run "$(cooper from --pull=never "$1")" /no-such 2>/dev/null)" = "" ] || true
	cooper push -q "$1" "dir:$BATS_TEST_TMPDIR/dir" && zcat -f "$BATS_TEST_TMPDIR"/dir/* 2>/dev/null | grep -q made-by-hand
	rm -rf "$BATS_TEST_TMPDIR/dir"
}

@test "sha512 is a digest like any other" {
	put_image by/sha512 'algorithm = "sha512"'
	cooper "${pull[@]}" -q "$DOUBLE/by/sha512:1"
	has_the_file "$DOUBLE/by/sha512:1"
	[ "$(double_log 'map(select(.path | test("blobs/sha512:"))) | map(select(.method == "GET")) | length')" -eq 2 ]
}

@test "a diff_id by sha512 is compared by sha512" {
	put_image by/diff512 'config["rootfs"]["diff_ids"] = [digest(plain, "sha512")]'
	cooper "${pull[@]}" -q "$DOUBLE/by/diff512:1"
	has_the_file "$DOUBLE/by/diff512:1"
	# Packed anew, unpacked from there, and built upon.
	cooper push -q --compression-format zstd --force-compression "$DOUBLE/by/diff512:1" "oci:$BATS_TEST_TMPDIR/zstd:x"
	cooper image copy -q --check-layers --tls-verify=false "docker://$DOUBLE/by/diff512:1" "oci-archive:$BATS_TEST_TMPDIR/copy.tar:x"
	printf 'FROM %s\nCOPY Dockerfile /\n' "$DOUBLE/by/diff512:1" >"$BATS_TEST_TMPDIR/Dockerfile"
	cooper build -q -o "type=tar,dest=$BATS_TEST_TMPDIR/root.tar" "$BATS_TEST_TMPDIR"
	tar -tf "$BATS_TEST_TMPDIR/root.tar" | grep -q made-by-hand
	empty_store
	cooper pull -q "oci:$BATS_TEST_TMPDIR/zstd:x"
	empty_store
	cooper pull -q "oci-archive:$BATS_TEST_TMPDIR/copy.tar:x"
	put_image by/wrong512 'config["rootfs"]["diff_ids"] = [digest(plain + b"x", "sha512")]'
	run cooper "${pull[@]}" -q "$DOUBLE/by/wrong512:1"
	assert_fails_with 125 "sha512:"
}

@test "a layer is what its bytes are, whatever its type says; zeros behind it mean nothing, other bytes do" {
	put_image by/type 'layer["mediaType"] = OCI + "layer.v1.tar"'
	cooper "${pull[@]}" -q "$DOUBLE/by/type:1"
	put_image by/members 'packed = blobs["layer"] = gzip.compress(plain[:700], mtime=0) + gzip.compress(plain[700:], mtime=0) + bytes(512)'
	cooper "${pull[@]}" -q "$DOUBLE/by/members:1"
	empty_store
	put_image by/garbage 'packed = blobs["layer"] = packed + b"garbage"'
	run cooper "${pull[@]}" "$DOUBLE/by/garbage:1"
	assert_fails_with 125 layer
}

@test "a configuration for another machine is said, and used" {
	put_image by/platform 'config["architecture"] = "s390x"'
	run cooper "${pull[@]}" "$DOUBLE/by/platform:1"
	assert_succeeds
	assert_output_has "is an image for linux/s390x, not for linux/"
}

@test "data in a descriptor saves the request when it is the blob, and only then" {
	put_image by/data 'layer["data"] = base64.b64encode(packed).decode()'
	double_does '{}'
	cooper "${pull[@]}" -q "$DOUBLE/by/data:1"
	[ "$(requests)" = "GET blobs 1, GET manifests 1, GET v2/ 1" ]
	has_the_file "$DOUBLE/by/data:1"
	for lie in 'packed + b"x"' 'b"x" * len(packed)' 'b""'; do
		empty_store
		put_image by/lie "layer['data'] = base64.b64encode($lie).decode()"
		double_does '{}'
		cooper "${pull[@]}" -q "$DOUBLE/by/lie:1"
		[ "$(requests)" = "GET blobs 2, GET manifests 1, GET v2/ 1" ]
	done
	empty_store
	put_image by/lie "layer['data'] = '!!'"
	cooper "${pull[@]}" -q "$DOUBLE/by/lie:1"
}

@test "a layer that the registry has not comes from the addresses that it names, over https" {
	local plain=$DOUBLE plain_directory=$DOUBLE_DIRECTORY foreign='layer["mediaType"] = OCI + "layer.nondistributable.v1.tar+gzip"'
	start_double tls
	put_tls() {
		cooper image copy -q --dest-cert-dir "$DOUBLE_CERTS" --src-tls-verify=false "docker://$plain/by/source:1" "docker://$DOUBLE/store/x:1"
	}
	DOUBLE=$plain put_image by/source ''
	put_tls
	local layer
	layer=$(curl -s "http://$plain/v2/by/source/manifests/1" -H "Accept: */*" | jq -r '.layers[0].digest')
	local there=https://$DOUBLE/v2/store/x/blobs/$layer tls=$DOUBLE tls_directory=$DOUBLE_DIRECTORY
	DOUBLE=$plain DOUBLE_DIRECTORY=$plain_directory
	double_does '{"strict": false}'
	missing() {
		put_image "$1" "$foreign; blobs.clear(); layer['urls'] = host_of_urls" "${@:2}"
	}
	missing by/address "http://$tls/over-http" "https://who:what@$tls/v2/store/x/blobs/$layer" "https://$tls/v2/store/x/blobs/nothing" "$there"
	run cooper pull -q --retry-delay 1ms --cert-dir "$DOUBLE_CERTS" --creds me:secret "$plain/by/address:1"
	assert_succeeds
	has_the_file "$plain/by/address:1"
	[ "$(jq -s 'map(select(.authorization != null)) | length' "$tls_directory/log")" -eq 0 ]
	# Where nobody has it, all are named.
	empty_store
	missing by/nowhere "https://$tls/v2/store/x/blobs/nothing"
	run cooper pull -q --retry-delay 1ms --cert-dir "$DOUBLE_CERTS" "$plain/by/nowhere:1"
	assert_fails_with 125 "https://$tls/v2/store/x/blobs/nothing"
	assert_output_has "and before: GET http://$plain/v2/by/nowhere/blobs/$layer"
	# Bytes of others are others.
	empty_store
	missing by/wrong "https://$tls/v2/"
	run cooper pull -q --retry-delay 1ms --cert-dir "$DOUBLE_CERTS" "$plain/by/wrong:1"
	[ "$status" -eq 125 ]
	run cooper images -q
	assert_output_is ""
	# It is not sent on, and the new image says where it lies.
	empty_store
	cooper pull -q --retry-delay 1ms --cert-dir "$DOUBLE_CERTS" "$plain/by/address:1"
	double_does '{"strict": false}'
	cooper push -q --tls-verify=false "$plain/by/address:1" "$plain/by/copy:1"
	[ "$(double_log "map(select(.query | test(\"${layer#*:}\"))) | length")" -eq 0 ]
	[ "$(curl -s "http://$plain/v2/by/copy/manifests/1" -H "Accept: */*" | jq -r '.layers[0].urls | length')" -eq 4 ]
	# Unless that is wanted. Each into a repository of its own, and the first has it from its address.
	local told name there manifest
	manifest=$(curl -s "http://$plain/v2/by/address/manifests/1" -H "Accept: */*" | sha256sum)
	empty_store
	cooper manifest create list
	cooper manifest add --tls-verify=false list "docker://$plain/by/address:1"
	for told in "" --allow-non-distributable-blobs; do
		for name in copied pushed listed; do
			case $name in
				copied) run cooper image copy -q --retry-delay 1ms $told --src-cert-dir "$DOUBLE_CERTS" "docker://$plain/by/address:1" "docker://$plain/by/$name$told:1" ;;
				pushed)
					cooper pull -q --retry-delay 1ms --cert-dir "$DOUBLE_CERTS" "$plain/by/address:1"
					run cooper push -q $told "$plain/by/address:1" "$plain/by/$name$told:1"
					;;
				listed) run cooper manifest push -q --retry-delay 1ms $told --cert-dir "$DOUBLE_CERTS" list "docker://$plain/by/$name$told:1" ;;
			esac
			assert_succeeds
			there=$(curl -s -o /dev/null -I -w '%{http_code}' "http://$plain/v2/by/$name$told/blobs/$layer")
			[ "$there" = "$([ -z "$told" ] && echo 404 || echo 200)" ] || fail "$name $told: $there" || return
			[ "$(curl -s "http://$plain/v2/by/$name$told/manifests/sha256:${manifest%% *}" -H "Accept: */*" | sha256sum)" = "$manifest" ] ||
				fail "$name $told: another manifest" || return
		done
	done
}

layer_of_large() {
	curl -s "http://$DOUBLE/v2/app/large/manifests/1" -H "Accept: */*" | jq -r '.layers | max_by(.size).digest'
}

@test "a download goes on where it was cut, and only when the rest is of the same blob" {
	local layer cut
	layer=$(layer_of_large)
	cut="{\"path\": \"$layer\", \"do\": \"reset\", \"at\": 2000000}"
	double_does "{\"faults\": [$cut]}"
	cooper "${pull[@]}" -q "$DOUBLE/app/large:1"
	[ "$(double_log "map(select(.path | test(\"$layer\"))) | .[1].status")" -eq 206 ]
	[ "$(double_sent)" -lt 3200000 ]
	# An answer that begins elsewhere, and says so; one that does not say so; one that knows no ranges; a 416.
	for fault in '"do": "range", "off": -1000' '"do": "range", "off": 1000' '"do": "range", "off": -7, "says": false' \
		'"do": "status", "status": 416' '"do": "status", "status": 206'; do
		empty_store
		double_does "{\"faults\": [$cut, {\"path\": \"$layer\", \"nth\": 2, $fault}]}"
		run cooper "${pull[@]}" "$DOUBLE/app/large:1"
		assert_succeeds || fail "$fault" || return
		[ "$(double_sent)" -lt 9200000 ] || fail "$fault: $(double_sent) bytes"
	done
	# All of it, where only the rest was asked for: once may be a slip, and is asked again.
	empty_store
	double_does "{\"faults\": [$cut, {\"path\": \"$layer\", \"nth\": 2, \"do\": \"whole\"}]}"
	cooper "${pull[@]}" -q "$DOUBLE/app/large:1"
	[[ $(double_log "map(select(.path | test(\"$layer\")) | .status) | join(\" \")") =~ ^200\ 200(\ 206)+$ ]]
	empty_store
	double_does "{\"ranges\": false, \"faults\": [$cut]}"
	cooper "${pull[@]}" -q "$DOUBLE/app/large:1"
	[ "$(double_log "map(select(.path | test(\"$layer\")) | .status) | join(\" \")")" = "200 200 200" ]
}

@test "the registry is asked again after a cut, not the address that it has once given" {
	local layer
	layer=$(layer_of_large)
	double_does "{\"redirect_blobs\": true, \"faults\": [{\"origin\": \"other\", \"path\": \"$layer\", \"do\": \"reset\", \"at\": 2000000}]}"
	cooper "${pull[@]}" -q "$DOUBLE/app/large:1"
	# What is left comes in parts, each by way of the registry.
	[[ $(double_log "map(select(.path | test(\"$layer\")) | \"\(.origin) \(.status)\") | join(\", \")") =~ \
		^main\ 307,\ other\ 200(,\ main\ 307,\ other\ 206)+$ ]]
	[ "$(double_sent)" -lt 3200000 ]
}

@test "each kind of redirect is followed, and none takes the password along" {
	local status
	for status in 301 302 303 307 308; do
		empty_store
		double_does "{\"auth\": \"basic\", \"faults\": [{\"path\": \"blobs/|manifests/\", \"do\": \"redirect\", \"status\": $status, \"count\": 0}]}"
		run cooper "${pull[@]}" --creds "tester:s3cret pass" "$DOUBLE/app/small:1"
		assert_succeeds || fail "$status" || return
		[ "$(double_log 'map(select(.origin == "other" and .status == 200)) | length')" -eq 4 ]
		assert_no_leak
	done
}

@test "a mirror that wants to be left alone for long is left at once" {
	export CONTAINERS_REGISTRIES_CONF=$BATS_TEST_TMPDIR/registries.conf
	local primary=$DOUBLE primary_directory=$DOUBLE_DIRECTORY
	start_double
	double_does '{"faults": [{"path": "manifests|^/v2/$", "do": "status", "status": 429, "retry_after": 120, "count": 0}]}'
	printf '[[registry]]\nprefix = "registry.test"\nlocation = "%s"\n[[registry.mirror]]\nlocation = "%s"\n' "$primary" "$DOUBLE" >"$CONTAINERS_REGISTRIES_CONF"
	run timeout 60 cooper "${pull[@]}" registry.test/app/small:1
	assert_succeeds
	[ "$(double_log length)" -eq 1 ]
	DOUBLE=$primary DOUBLE_DIRECTORY=$primary_directory
	[ "$(requests)" = "GET blobs 3, GET manifests 1, GET v2/ 1" ]
}

@test "a configuration that claims more than 4 MiB is not fetched" {
	put_image by/config 'config["config"]["Labels"] = {"x": "y" * (5 << 20)}'
	double_does '{}'
	run cooper "${pull[@]}" "$DOUBLE/by/config:1"
	assert_fails_with 125 "a configuration of 524"
	[ "$(requests)" = "GET manifests 1, GET v2/ 1" ]
}

@test "COOPER_LAYER_MAX is how much a layer may hold" {
	put_image by/bomb 'plain = plain[:1024] + bytes(8 << 20); packed = blobs["layer"] = gzip.compress(plain, mtime=0)
config["rootfs"]["diff_ids"] = [digest(plain)]'
	COOPER_LAYER_MAX=1m run cooper "${pull[@]}" "$DOUBLE/by/bomb:1"
	assert_fails_with 125 "the layer holds more than 1048576 bytes"
	COOPER_LAYER_MAX=much run cooper "${pull[@]}" "$DOUBLE/by/bomb:1"
	assert_fails_with 125 "COOPER_LAYER_MAX 'much'"
	[ -z "$(ls -A "$COOPER_ROOT/layers" 2>/dev/null)" ]
	COOPER_LAYER_MAX=1g cooper "${pull[@]}" -q "$DOUBLE/by/bomb:1"
}

@test "a build fetches four layers at once, however many images, stages and platforms it has" {
	local context=$BATS_TEST_TMPDIR/context layers job i
	mkdir "$context"
	make_layers many 6 1000
	make_layers more 6 1000
	cooper push -q --tls-verify=false many "$DOUBLE/many:1"
	cooper push -q --tls-verify=false more "$DOUBLE/more:1"
	layers=$(for i in many more; do curl -s "http://$DOUBLE/v2/$i/manifests/1" -H "Accept: */*" | jq -r '.layers[].digest'; done | paste -sd '|')
	empty_store
	printf 'FROM %s/many:1 AS one\nRUN ["/x"]\nFROM %s/more:1\nRUN ["/x"]\nCOPY --from=one / /one\n' "$DOUBLE" "$DOUBLE" >"$context/Dockerfile"
	# None of them ends.
	double_does "{\"faults\": [{\"path\": \"blobs/($layers)\", \"count\": 0, \"do\": \"stall\", \"at\": 5, \"seconds\": 20}]}"
	cooper build -q --tls-verify=false --jobs 8 --platform linux/amd64,linux/386 "$context" >/dev/null 2>&1 3>&- &
	job=$!
	for i in $(seq 600); do [ "$(double_log 'map(select(.fault != null)) | length')" -lt 4 ] || break; sleep 0.05; done
	sleep 0.5
	kill $job
	wait $job || true
	[ "$(double_log 'map(select(.fault != null)) | length')" -eq 4 ]
}
