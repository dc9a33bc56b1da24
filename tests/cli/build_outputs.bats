# Where the result of a build goes.
load lib/common

setup_file() {
	common_setup_file
	use_busybox
	export CONTEXT=$BATS_FILE_TMPDIR/ctx
	mkdir -p "$CONTEXT"
	echo hello >"$CONTEXT/file"
	cat >"$CONTEXT/Dockerfile" <<-'END'
		FROM scratch
		COPY --chown=1000:1000 --chmod=4755 file /dir/set-id
		COPY file /file
	END
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return
}

# A context in ./ctx with a tree that has all kinds of files.
make_tree() {
	mkdir -p ctx/tree/sub ctx/tree/private
	echo one >ctx/tree/one
	ln ctx/tree/one ctx/tree/sub/same
	ln -s ../one ctx/tree/sub/link
	ln -s /etc/passwd ctx/tree/absolute
	printf 'FROM scratch\nCOPY tree /\nCOPY --chmod=700 tree/private /private\n' >ctx/Dockerfile
}

@test "local: files of the caller's own" {
	make_tree
	cooper build -q -o type=local,dest=out/deep ctx
	[ "$(cat out/deep/one)" = one ]
	[ "$(readlink out/deep/sub/link)" = ../one ]
	[ "$(readlink out/deep/absolute)" = /etc/passwd ]
	[ "$(stat -c %h out/deep/one)" -eq 2 ]
	[ "$(find out ! -user "$(id -u)" | wc -l)" -eq 0 ]
	rm -r out
}

@test "local: owners and set-id bits do not come along" {
	cooper build -q -o out "$CONTEXT"
	[ "$(cat out/dir/set-id)" = hello ]
	[ "$(stat -c '%u %a' out/dir/set-id)" = "$(id -u) 755" ]
}

@test "local: what is there is replaced, and links there are not followed" {
	mkdir -p out outside
	echo mine >outside/file
	ln -s "$PWD/outside" out/dir
	ln -s "$PWD/outside/file" out/file
	mkdir out/kept
	cooper build -q -o out "$CONTEXT"
	[ "$(cat outside/file)" = mine ]
	[ "$(ls outside)" = file ]
	[ -f out/file ] && [ ! -L out/file ]
	[ -d out/kept ]
	cooper build -q -o type=local,dest=out,mode=delete "$CONTEXT"
	[ ! -e out/kept ]
	[ "$(cat out/file)" = hello ]
}

@test "local: a directory for the platform when asked for" {
	cooper build -q -o type=local,dest=out,platform-split=true "$CONTEXT"
	[ -f "$(echo out/linux_*)/file" ]
}

@test "tar: owners and modes are kept" {
	cooper build -q -o type=tar,dest=out.tar "$CONTEXT"
	run -0 tar --numeric-owner -tvf out.tar
	[[ $output =~ -rwsr-xr-x\ 1000/1000\ .*dir/set-id ]]
	[[ $output =~ 0/0\ .*\ file ]]
}

@test "tar: on standard output nothing else is printed" {
	cooper build -o - "$CONTEXT" >out.tar
	[ "$(tar -xOf out.tar file)" = hello ]
	[ "$(cooper build -o type=tar,dest=- "$CONTEXT" | tar -xO file)" = hello ]
}

@test "tar: an archive that cannot be written leaves what was there" {
	mkdir there
	echo old >there/file
	run -125 cooper build -q -o type=tar,dest=there/file/x "$CONTEXT"
	assert_output_has "there/file/x"
	[ "$(cat there/file)" = old ]
	run -125 cooper build -q -o type=tar,dest=/dev/full "$CONTEXT"
	assert_output_has "/dev/full"
}

@test "an image without files has an empty root" {
	mkdir ctx
	printf 'FROM scratch\nLABEL a=b\n' >ctx/Dockerfile
	cooper build -q -o out ctx
	[ -d out ] && [ -z "$(ls -A out)" ]
	[ -z "$(cooper build -q -o - ctx | tar -t)" ]
}

@test "oci: an archive and a directory that can be pulled again" {
	id=$(cooper build -q -t app:1 -o type=oci,dest=out.tar "$CONTEXT")
	[ "$(cooper pull -q oci-archive:out.tar:1)" = "$id" ]
	cooper build -q -t app:1 -o type=oci,dest=out,tar=false "$CONTEXT"
	[ -f out/oci-layout ]
	[ "$(cooper pull -q oci:out:1)" = "$id" ]
	cooper build -o type=oci,dest=- "$CONTEXT" | tar -t | grep -qx oci-layout
	cooper build -o type=oci,dest=- "$CONTEXT" >redirected.tar
	tar -tf redirected.tar | grep -qx index.json
}

@test "oci: compression as asked for" {
	cooper build -q -t app -o type=oci,dest=out,tar=false,compression=zstd "$CONTEXT"
	run -0 cat out/index.json
	manifest=$(sed 's/.*"digest":"sha256:\([0-9a-f]*\)".*/\1/' out/index.json)
	run -0 cat "out/blobs/sha256/$manifest"
	assert_output_has "tar+zstd"
	cooper build -q -t app -o type=oci,dest=plain,tar=false,compression=uncompressed "$CONTEXT"
	manifest=$(sed 's/.*"digest":"sha256:\([0-9a-f]*\)".*/\1/' plain/index.json)
	run -0 cat "plain/blobs/sha256/$manifest"
	assert_output_lacks "tar+"
}

@test "docker: an archive with its name" {
	cooper build -q -t example.org/app:2 -o type=docker,dest=out.tar "$CONTEXT"
	run -0 tar -xOf out.tar manifest.json
	assert_output_has '"RepoTags":["example.org/app:2"]'
}

@test "docker without a place, image and --load are the store" {
	id=$(cooper build -q -t loaded --load -o type=docker -o type=image,name=other "$CONTEXT")
	[ "$(cooper images -q --no-trunc loaded)" = "sha256:$id" ]
	[ "$(cooper images -q --no-trunc other)" = "sha256:$id" ]
}

@test "several outputs of one build" {
	cooper build -q -t app -t oci:layout:v -o a -o type=tar,dest=b.tar -o type=oci,dest=c.tar "$CONTEXT"
	[ -f a/file ] && [ -f b.tar ] && [ -f c.tar ] && [ -f layout/index.json ]
}

@test "annotations of an output are in the manifest" {
	cooper build -q -o type=oci,dest=out,tar=false,annotation.com.example=yes "$CONTEXT"
	manifest=$(sed 's/.*"digest":"sha256:\([0-9a-f]*\)".*/\1/' out/index.json)
	run -0 cat "out/blobs/sha256/$manifest"
	assert_output_has '"com.example":"yes"'
}

@test "--push and type=registry send the image to its names" {
	start_registry
	cooper build -q -t "$REGISTRY/one:1" -t "$REGISTRY/two:2" --push --tls-verify=false --metadata-file meta "$CONTEXT"
	id=$(cooper images -q --no-trunc "$REGISTRY/one:1")
	fresh_store pushed
	[ "sha256:$(cooper pull -q --tls-verify=false "$REGISTRY/two:2")" = "$id" ]
	digest=$(sed -n 's/.*"containerimage.digest": "\(.*\)".*/\1/p' meta)
	cooper pull -q --tls-verify=false "$REGISTRY/one@$digest"
	cooper build -q -o "type=image,name=$REGISTRY/three,push=true,registry.insecure=true" "$CONTEXT"
	cooper pull -q --tls-verify=false "$REGISTRY/three"
}

@test "a failed push is 120, and the image is there" {
	run --separate-stderr -120 cooper build -t 127.0.0.1:1/app --push --retry 0 --iidfile iid "$CONTEXT"
	[[ $stderr == *"push 127.0.0.1:1/app"* ]]
	[ "sha256:$output" = "$(cat iid)" ]
	[ "$(cooper images -q --no-trunc 127.0.0.1:1/app)" = "sha256:$output" ]
	run -120 cooper build -q --push "$CONTEXT"
	assert_output_has "--tag"
}

@test "outputs that cannot be are refused before anything is built" {
	local text
	for text in type=local type=nothing,dest=x type=oci,dest=-,tar=false type=registry,dest=x \
		type=image,push-by-digest=true type=tar,dest=x,mode=delete type=oci,dest=x,unknown=1; do
		run -125 cooper build -o "$text" /nowhere
		assert_output_has "--output '$text'"
	done
}
