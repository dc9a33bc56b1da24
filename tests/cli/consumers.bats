# Every image that cooper writes is taken, with the same files, by each of skopeo, umoci, podman, containerd and dockerd
# that knows its format and compression.
#
# Takes long.
# Not under sanitizers: what it adds is the work of podman, containerd and dockerd; image_*.bats and transports.bats write the same kinds
load lib/common
load lib/consumers

setup_file() {
	common_setup_file
	use_busybox
	make_tricky_image
	start_registry
	export TREE=$BATS_FILE_TMPDIR/tree TLS=--tls-verify=false
	tree_by_cooper tricky >"$TREE"
	[ "$(wc -l <"$TREE")" -gt 100 ] || fail "$(cat "$TREE")"
	for part in security.capability user.note 65534:60000 same:t/; do
		grep -q "$part" "$TREE" || fail "nothing has $part"
	done
}

# What tar has other headers for: names of any bytes and lengths, attributes, capabilities, the largest ids there are here.
add_awkward_files() {
	cooper unshare bash -ec '
		cd "$(cooper mount "$1")/t"
		deep=$(printf "%0100d/%0100d/%0100d" 1 2 3)
		mkdir -p "$deep"; echo deep >"$deep/file"; ln "$deep/file" hard-to-deep; ln -s "$deep/file" soft-to-deep
		touch -- $'"'"'bytes\xff\xfe'"'"' $'"'"'new\nline'"'"' "  blanks  " "-dash" "back\\slash" "*"
		echo x >owned; chown 65534:60000 owned; mkdir sticky; chmod 1777 sticky
		cp ../bin/busybox able; setcap cap_net_bind_service,cap_chown=ep able
		setfattr -n user.note -v "a value" f; setfattr -n user.on.dir -v x sticky # an empty value is none to readers in Go
		truncate -s 5000000 sparse; echo end >>sparse' awkward "$1"
}

# Three layers: what is made, changed, removed, hidden and made again.
make_tricky_image() {
	local ctr
	ctr=$(cooper from busybox)
	cooper run "$ctr" sh -ec 'mkdir -p /t/sub /t/gone /t/hidden/below; echo x >/t/f; ln /t/f /t/hard; ln -s f /t/soft; ln -s /nowhere /t/dangling
		chown 12:34 /t/f; chmod 6755 /t/sub; echo old >/t/hidden/below/old; echo y >/t/gone/y; mkfifo /t/fifo
		touch "/t/$(printf "long%0200d" 1)" "/t/ä ö" ; : >/t/empty; head -c 100000 /dev/zero >/t/zeros'
	add_awkward_files "$ctr"
	cooper commit -q "$ctr" tricky-1 >/dev/null
	cooper run "$ctr" sh -ec 'rm -r /t/gone /t/hidden /home; mkdir -p /t/hidden; echo new >/t/hidden/new; echo more >>/t/f; chmod 600 /t/empty'
	cooper commit -q "$ctr" tricky-2 >/dev/null
	cooper run "$ctr" sh -ec 'rm /t/soft; mkdir /t/soft; echo in >/t/soft/in; rm -r /t/sub; echo file >/t/sub; seq 1 20000 >/t/numbers'
	cooper commit -q --rm "$ctr" tricky >/dev/null
}

same_tree() {
	diff "${3:-$TREE}" "$1" >"$BATS_TEST_TMPDIR/diff" || fail "$2: $(head -n 20 "$BATS_TEST_TMPDIR/diff")"
}

# with FORMAT CODEC: runs the rest of the line for each pair that goes into a registry, as NAME:TAG in $REGISTRY.
each_in_registry() {
	local pair
	for pair in oci-gzip oci-zstd oci-none docker-gzip docker-none; do
		[ -e "$BATS_FILE_TMPDIR/$pair" ] || cooper push -q "$TLS" --format "${pair%-*}" --compression-format "${pair#*-}" tricky "$REGISTRY/tricky:$pair"
		: >"$BATS_FILE_TMPDIR/$pair"
		"$@" "$pair"
	done
}

podman_from_registry() {
	tree_by_podman "docker://$REGISTRY/tricky:$1" >"$BATS_TEST_TMPDIR/out"
	same_tree "$BATS_TEST_TMPDIR/out" "podman, $1"
}

containerd_from_registry() {
	tree_by_containerd "$REGISTRY/tricky:$1" >"$BATS_TEST_TMPDIR/out"
	same_tree "$BATS_TEST_TMPDIR/out" "containerd, $1"
}

skopeo_from_registry() {
	skopeo_takes "docker://$REGISTRY/tricky:$1" || fail "skopeo, $1"
}

@test "skopeo, from a registry" {
	skip_unless skopeo
	each_in_registry skopeo_from_registry
}

@test "podman, from a registry" {
	skip_unless podman
	each_in_registry podman_from_registry
}

@test "containerd, from a registry" {
	skip_unless containerd ctr
	each_in_registry containerd_from_registry
}

# What Debian's dockerd reads; it knows no zstd.
dockerd_from_registry() {
	[ "$1" != oci-zstd ] || return 0
	tree_by_dockerd "$REGISTRY/tricky:$1" >"$BATS_TEST_TMPDIR/out"
	same_tree "$BATS_TEST_TMPDIR/out" "dockerd, $1" "$TREE.plain"
}

@test "dockerd, from a registry and from an archive" {
	skip_unless dockerd
	[ -d /etc/docker ] || skip "there is no /etc/docker"
	# Its vfs driver copies no attributes of users from layer to layer.
	sed 's/|user\.[^|]*|/|-|/' "$TREE" >"$TREE.plain"
	each_in_registry dockerd_from_registry
	cd "$BATS_TEST_TMPDIR"
	cooper push -q tricky docker-archive:docker.tar:example.org/tricky:1
	tree_by_dockerd --load "$PWD/docker.tar" >out
	same_tree out "dockerd, archive" "$TREE.plain"
	cooper image copy -q "$TLS" "docker://$REGISTRY/tricky:oci-gzip" docker-archive:copied.tar:example.org/tricky:2
	tree_by_dockerd --load "$PWD/copied.tar" >out
	same_tree out "dockerd, archive of a copy" "$TREE.plain"
}

@test "umoci, from a layout" {
	skip_unless umoci
	cd "$BATS_TEST_TMPDIR"
	for codec in gzip none; do # it knows no zstd
		cooper push -q --compression-format "$codec" tricky "oci:layout:$codec"
		tree_by_umoci "layout:$codec" >out
		same_tree out "umoci, $codec"
	done
}

@test "skopeo and podman, from layouts and directories" {
	skip_unless skopeo podman
	cd "$BATS_TEST_TMPDIR"
	for codec in gzip zstd none; do
		cooper push -q --compression-format "$codec" tricky "oci:layout:$codec"
		cooper push -q --compression-format "$codec" tricky "dir:dir-$codec"
		cooper push -q --compression-format "$codec" tricky "oci-archive:$codec.tar:x"
		for place in "oci:$PWD/layout:$codec" "dir:$PWD/dir-$codec" "oci-archive:$PWD/$codec.tar:x"; do
			skopeo_takes "$place" || fail "skopeo, $place"
		done
	done
	for codec in gzip zstd none; do
		tree_by_podman "oci-archive:$PWD/$codec.tar" >out
		same_tree out "podman, layout"
	done
	cooper push -q --format docker tricky dir:dir-docker
	skopeo_takes "dir:$PWD/dir-docker"
}

@test "skopeo, podman and containerd, from docker's archives" {
	skip_unless skopeo podman containerd ctr
	cd "$BATS_TEST_TMPDIR"
	cooper push -q tricky docker-archive:a.tar:example.org/tricky:1
	skopeo_takes "docker-archive:$PWD/a.tar"
	tree_by_podman "docker-archive:$PWD/a.tar" >out
	same_tree out "podman, archive"
	tree_by_containerd --import "$PWD/a.tar" >out
	same_tree out "containerd, archive"
}

@test "what image copy has packed anew is taken, too" {
	skip_unless podman containerd ctr
	cooper image copy -q "$TLS" --compression-format gzip tricky "docker://$REGISTRY/recopied:gzip"
	cooper image copy -q "$TLS" --compression-format zstd "docker://$REGISTRY/recopied:gzip" "docker://$REGISTRY/recopied:zstd"
	cooper image copy -q "$TLS" --format v2s2 "docker://$REGISTRY/recopied:zstd" "docker://$REGISTRY/recopied:docker"
	for tag in zstd docker; do
		tree_by_podman "docker://$REGISTRY/recopied:$tag" >"$BATS_TEST_TMPDIR/out"
		same_tree "$BATS_TEST_TMPDIR/out" "podman, copied $tag"
		tree_by_containerd "$REGISTRY/recopied:$tag" >"$BATS_TEST_TMPDIR/out"
		same_tree "$BATS_TEST_TMPDIR/out" "containerd, copied $tag"
	done
}
