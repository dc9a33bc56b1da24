# cooper build: the cache goes to another machine and comes back, through a registry, a directory or the image itself.
load lib/common
load lib/build

setup_file() {
	common_setup_file
	use_busybox
	start_registry
}

setup() {
	make_context
}

teardown() {
	[ "$COOPER_ROOT" = "$BATS_FILE_TMPDIR/root" ] || remove_store "$COOPER_ROOT"
}

# A store that has the base image and nothing else.
other_machine() {
	fresh_store "other-$BATS_TEST_NUMBER${1:-}"
	use_busybox
}

# made N: so many steps of the last build were done.
made() {
	local count
	count=$(grep -c -- '--> [0-9a-f]' <<<"$stderr") || true
	[ "$count" -eq "$1" ] || fail "$count steps instead of $1 were done"
}

# blobs_asked NAME: how many blobs of a repository were fetched so far.
blobs_asked() {
	grep -c "GET /v2/$1/blobs" "$REGISTRY_LOG" || true
}

# manifest_of NAME:TAG PYTHON: an expression over `m`, the manifest, must be true.
manifest_of() {
	curl -sf -H "Accept: application/vnd.oci.image.manifest.v1+json" \
		"http://$REGISTRY/v2/${1%:*}/manifests/${1##*:}" |
		python3 -c 'import json, sys
m = json.load(sys.stdin)
sys.exit(0 if eval(sys.argv[1]) else "not so: %s\n%s" % (sys.argv[1], json.dumps(m)))' "$2"
}

three_steps() {
	dockerfile <<-'EOF2'
		FROM busybox
		RUN cat /proc/sys/kernel/random/uuid >/first
		COPY one /one
		RUN cat /proc/sys/kernel/random/uuid >/last
		ENV after=all
	EOF2
}

two_stages() {
	dockerfile <<-'EOF2'
		FROM busybox AS tools
		RUN cat /proc/sys/kernel/random/uuid >/tool
		COPY one /one
		FROM busybox AS base
		RUN echo base >/base
		FROM base
		COPY --from=tools /tool /one /tools/
		RUN cat /proc/sys/kernel/random/uuid >/last
	EOF2
}

@test "registry: the second machine builds nothing and has the same image; a changed file misses what follows it" {
	local ref=$REGISTRY/t1/cache:main
	three_steps
	build --tls-verify=false --cache-to "type=registry,ref=$ref"
	made 3
	first=$output
	manifest_of t1/cache:main 'm["mediaType"] == "application/vnd.oci.image.manifest.v1+json" and len(m["layers"]) == 3'
	manifest_of t1/cache:main 'm["config"]["mediaType"] == "application/vnd.cooper.cache.config.v1+json"'
	manifest_of t1/cache:main 'all(l["mediaType"].endswith(".tar+gzip") for l in m["layers"])'
	other_machine
	build --tls-verify=false --cache-from "type=registry,ref=$ref"
	cached 3
	assert_output_is "$first"
	# What was fetched is now the store's own: nobody is asked again.
	asked=$(blobs_asked t1/cache)
	build --cache-from type=registry,ref=127.0.0.1:1/no/registry
	cached 3
	[[ $stderr != *warning* ]]
	[ "$(blobs_asked t1/cache)" = "$asked" ]
	remove_store "$COOPER_ROOT"
	other_machine b
	echo changed >one
	asked=$(blobs_asked t1/cache)
	build --tls-verify=false --cache-from "type=registry,ref=$ref"
	cached 1
	made 2
	# The records and the one layer that was taken.
	[ "$(blobs_asked t1/cache)" -eq $((asked + 2)) ]
}

@test "registry, mode=max: a build of several stages" {
	local ref=$REGISTRY/t2/cache:max
	two_stages
	build --tls-verify=false --cache-to "type=registry,ref=$ref,mode=max"
	made 5
	first=$output
	other_machine
	build --tls-verify=false --cache-from "type=registry,ref=$ref" --jobs 2
	cached 5
	assert_output_is "$first"
	cooper push -q --tls-verify=false made "$REGISTRY/t2/image"
	remove_store "$COOPER_ROOT"
	# The last stage alone changes.
	other_machine b
	sed -i 's/last/end/' Dockerfile
	build --tls-verify=false --cache-from "type=registry,ref=$ref"
	cached 4
	made 1
	inside 'cat /tools/one; cat /base'
}

@test "a stage that comes out different but for the files that are copied: the copy is still known" {
	local ref=$REGISTRY/t3/cache:files
	dockerfile <<-'EOF2'
		FROM busybox AS tools
		ARG V=1
		RUN echo $V >/v; echo same >/tool
		FROM busybox
		COPY --from=tools /tool /
	EOF2
	build --tls-verify=false --cache-to "type=registry,ref=$ref,mode=max"
	# Through a second machine, which only takes and gives on.
	other_machine
	build --tls-verify=false --cache-from "type=registry,ref=$ref" --cache-to "type=registry,ref=$ref,mode=max"
	cached 2
	remove_store "$COOPER_ROOT"
	other_machine b
	build --tls-verify=false --cache-from "type=registry,ref=$ref" --build-arg V=2
	cached 1
	made 1
}

@test "mode=min: only the layers of the image, and no more is needed" {
	local ref=$REGISTRY/t4/cache:min
	two_stages
	build --tls-verify=false --cache-to "type=registry,ref=$ref"
	manifest_of t4/cache:min 'len(m["layers"]) == 3'
	other_machine
	build --tls-verify=false --cache-from "type=registry,ref=$ref"
	made 0
	cached 3
}

@test "a layer taken from a cache is pushed and saved like any other" {
	local ref=$REGISTRY/t5/cache:1
	three_steps
	build --tls-verify=false --cache-to "type=registry,ref=$ref"
	other_machine
	build --tls-verify=false --cache-from "type=registry,ref=$ref"
	cooper prune >/dev/null
	cooper push -q --tls-verify=false made "$REGISTRY/t5/image:1"
	cooper push -q made "oci-archive:$BATS_TEST_TMPDIR/made.tar"
	first=$(inside 'cat /first /last')
	remove_store "$COOPER_ROOT"
	fresh_store "other-$BATS_TEST_NUMBER-third"
	cooper pull -q --tls-verify=false "$REGISTRY/t5/image:1" >/dev/null
	cooper tag "$REGISTRY/t5/image:1" made
	[ "$(inside 'cat /first /last')" = "$first" ]
}

@test "local: an OCI layout, by default named latest" {
	local place=$BATS_TEST_TMPDIR/cache
	three_steps
	build --cache-to "type=local,dest=$place,mode=max" --cache-to "type=local,dest=$place,tag=other"
	[ -s "$place/oci-layout" ]
	first=$output
	other_machine
	build --cache-from "type=local,src=$place"
	cached 3
	assert_output_is "$first"
	remove_store "$COOPER_ROOT"
	other_machine b
	build --cache-from "type=local,src=$place,tag=other"
	cached 3
}

@test "inline: the image that is pushed is the cache" {
	local ref=$REGISTRY/t6/image:1
	three_steps
	build
	plain=$output
	build --tls-verify=false --cache-to type=inline --tag "docker://$ref"
	# The records are no part of the image's configuration.
	assert_output_is "$plain"
	other_machine
	build --tls-verify=false --cache-from "type=registry,ref=$ref"
	cached 3
	assert_output_is "$plain"
	# They are of this image alone.
	ctr=$(cooper from made)
	cooper commit -q "$ctr" child >/dev/null
	run cooper inspect --type image child
	assert_output_lacks cooper.cache
	cooper rm "$ctr" >/dev/null
	run --separate-stderr cooper build --cache-to type=inline --format docker "$context"
	assert_fails_with 125 "type=inline"
	run --separate-stderr cooper build --cache-to type=inline,mode=max "$context"
	assert_fails_with 125 "mode=max"
}

@test "a plain name is a repository, as Buildah has it" {
	three_steps
	build --tls-verify=false --cache-to "$REGISTRY/t7/app"
	manifest_of t7/app:buildcache 'len(m["layers"]) == 3'
	other_machine
	build --tls-verify=false --cache-from "$REGISTRY/t7/app"
	cached 3
}

@test "--cache-ttl: what is older is done again" {
	three_steps
	build --cache-to "type=local,dest=$BATS_TEST_TMPDIR/cache"
	sleep 2.1
	build --cache-ttl 1h
	cached 3
	build --cache-ttl 1s --cache-from "type=local,src=$BATS_TEST_TMPDIR/cache"
	cached 0
	made 3
	build --cache-ttl 0
	cached 0
	run --separate-stderr cooper build --cache-ttl soon "$context"
	assert_fails_with 125 "--cache-ttl"
	run --separate-stderr cooper build --cache-ttl 1h --timestamp 0 "$context"
	assert_fails_with 125 "--cache-ttl"
}

@test "a cache that is missing, of something else or broken is a warning" {
	local place=$BATS_TEST_TMPDIR/cache ref=$REGISTRY/t8/image:1 blob
	three_steps
	build --cache-to "type=local,dest=$place"
	other_machine
	cooper push -q --tls-verify=false busybox "$ref"
	build --no-cache --tls-verify=false --cache-from "type=local,src=$place"
	cached 0
	cooper unshare rm -rf "$COOPER_ROOT/cache"
	build --tls-verify=false --cache-from "$REGISTRY/t8/none" --cache-from "type=registry,ref=$ref" \
		--cache-from type=local,src=/no/such --retry 0 --cache-from type=registry,ref=127.0.0.1:1/x
	made 3
	[ "$(grep -c "warning: --cache-from .*building without it" <<<"$stderr")" -eq 4 ]
	[[ $stderr == *"no cache of cooper's"* ]]
	remove_store "$COOPER_ROOT"
	# Layers that are not what the manifest says.
	for blob in "$place"/blobs/sha256/*; do
		head -c1 "$blob" | grep -q '{' || printf x | dd of="$blob" bs=1 seek=20 conv=notrunc status=none
	done
	other_machine b
	build --cache-from "type=local,src=$place"
	made 3
	[ "$(grep -c "warning: --cache-from" <<<"$stderr")" -eq 1 ]
}

@test "a record that names another layer's contents is refused" {
	local place=$BATS_TEST_TMPDIR/cache
	three_steps
	build --cache-to "type=local,dest=$place"
	# The diff_ids in the records change places, everything else follows.
	python3 - "$place" <<-'EOF2'
		import hashlib, json, sys
		place = sys.argv[1]
		def read(digest):
		    return json.load(open(f"{place}/blobs/sha256/{digest[7:]}"))
		def write(value):
		    text = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
		    digest = hashlib.sha256(text).hexdigest()
		    open(f"{place}/blobs/sha256/{digest}", "wb").write(text)
		    return {"digest": "sha256:" + digest, "size": len(text)}
		index = json.load(open(place + "/index.json"))
		manifest = read(index["manifests"][0]["digest"])
		records = read(manifest["config"]["digest"])
		records["layers"].reverse()
		manifest["config"].update(write(records))
		index["manifests"][0].update(write(manifest))
		json.dump(index, open(place + "/index.json", "w"))
	EOF2
	other_machine
	build --cache-from "type=local,src=$place"
	cached 0
	made 3
	[[ $stderr == *"warning: --cache-from"* ]]
}

@test "an export that fails fails the build behind the image; ignore-error=true does not" {
	three_steps
	run --separate-stderr cooper build -t made --iidfile "$BATS_TEST_TMPDIR/id" --retry 0 \
		--cache-to type=registry,ref=127.0.0.1:1/x "$context"
	assert_fails_with 120 "--cache-to 'type=registry,ref=127.0.0.1:1/x'"
	[ "sha256:$output" = "$(cat "$BATS_TEST_TMPDIR/id")" ]
	build --retry 0 --cache-to type=registry,ref=127.0.0.1:1/x,ignore-error=true
	[[ $stderr == *"warning: --cache-to"* ]]
}

@test "credentials are those of push and pull" {
	start_registry htpasswd
	three_steps
	run --separate-stderr cooper build --tls-verify=false --cache-to "$REGISTRY/p/cache" "$context"
	assert_fails_with 120 401
	build --tls-verify=false --creds "$REGISTRY_USER:$REGISTRY_PASSWORD" --cache-to "$REGISTRY/p/cache"
	other_machine
	build --tls-verify=false --creds "$REGISTRY_USER:$REGISTRY_PASSWORD" --cache-from "$REGISTRY/p/cache"
	cached 3
}

@test "what cannot be meant is refused" {
	three_steps
	local value
	for value in type=gha type=registry type=local,src=x type=local type=registry,ref=x,mode=most \
		type=registry,ref=x,colour=red ref=x type=registry,ref=x,image-manifest=false; do
		run --separate-stderr cooper build --cache-to "$value" "$context"
		assert_fails_with 125 "--cache-to '$value'"
	done
	for value in type=inline type=local,dest=x type=registry,ref=x,mode=max; do
		run --separate-stderr cooper build --cache-from "$value" "$context"
		assert_fails_with 125 "--cache-from '$value'"
	done
	run --separate-stderr cooper build --layers=false --cache-to x "$context"
	assert_fails_with 125 "--layers=false"
}

# mounted NAME FROM: how many blobs the registry has taken over from FROM into NAME.
mounted() {
	grep -c "POST /v2/$1/blobs/uploads/?[^ ]*from=${2//\//%2F}" "$REGISTRY_LOG" || true
}

@test "layers that the cache's repository has are mounted into the image, and not sent again" {
	local ref=$REGISTRY/t8/cache:1
	three_steps
	build --tls-verify=false --cache-to "type=registry,ref=$ref"
	other_machine
	cooper build -q --tls-verify=false --cache-from "type=registry,ref=$ref" -t "$REGISTRY/t8/image:1" --push "$context" >/dev/null
	[ "$(mounted t8/image t8/cache)" -ge 3 ] || fail "$(grep POST "$REGISTRY_LOG" | tail)"
	# A push of its own, later, under another name.
	cooper build -q --tls-verify=false -t "$REGISTRY/t8/late:1" "$context" >/dev/null
	cooper rmi "$REGISTRY/t8/image:1" >/dev/null
	cooper push -q --tls-verify=false "$REGISTRY/t8/late:1"
	[ "$(mounted t8/late t8/cache)" -ge 3 ] || fail "$(grep POST "$REGISTRY_LOG" | tail)"
	first=$(inside_of "$REGISTRY/t8/late:1" 'cat /first /last')
	fresh_store "other-$BATS_TEST_NUMBER-pull"
	[ "$(inside_of "$REGISTRY/t8/late:1" 'cat /first /last')" = "$first" ]
}

# inside_of IMAGE COMMAND
inside_of() {
	local ctr
	ctr=$(cooper from --tls-verify=false "$1") && cooper run "$ctr" sh -c "$2" && cooper rm "$ctr" >/dev/null
}
