# The bundle (contrib/bundle/make) and the cooper image made of it: they run where there is nothing, and where there is
# something else, they use nothing of it.
#
# Not under sanitizers: the bundle is always of the release
load lib/common
load lib/evil

setup_file() {
	common_setup_file
	export BUNDLE=${COOPER_TEST_STAGE:-/nowhere}/bundle/cooper.tar.gz MADE=${COOPER_TEST_CACHE:-/nowhere}/pods
	[ -e "$BUNDLE" ] || return 0
	mkdir "$BATS_FILE_TMPDIR/opt"
	tar -xzf "$BUNDLE" -C "$BATS_FILE_TMPDIR/opt" --strip-components=1
	export OPT=$BATS_FILE_TMPDIR/opt
	use_busybox
	start_registry tls
	cooper push -q --cert-dir "$REGISTRY_CERTS" busybox "$REGISTRY/busybox:1"
	host_trees
}

# Two systems: one without anything, one that is all traps and keeps its authorities where Fedora does.
host_trees() {
	local ctr tree=$BATS_FILE_TMPDIR/tree
	busybox_tree "$tree"
	evil_tree "$tree"
	rm -rf "$tree"/etc/ssl "$tree"/root/.docker "$tree"/etc/containers
	cp "$REGISTRY_CERTS/ca.crt" "$tree/etc/pki/tls/certs/ca-bundle.crt"
	ctr=$(cooper from scratch)
	cooper copy -q --chown 0:0 "$ctr" "$tree" /
	cooper config --env PATH=/usr/bin:/bin "$ctr"
	cooper commit -q --rm "$ctr" evil >/dev/null
	cooper from --name evil-host evil
	cooper from --name bare-host busybox
}

setup() {
	[ -e "$BUNDLE" ] || skip "there is no bundle (make bundle)"
}

# on HOST COMMAND...: with the bundle somewhere else than where it was made.
on() {
	local host=$1
	shift
	cooper run -v "$OPT:/opt/elsewhere/cooper:ro" --env HOME=/tmp "$host" "$@"
}

@test "it runs on a system without any library, from any place, by any name" {
	run on bare-host /opt/elsewhere/cooper/bin/cooper version
	assert_succeeds
	assert_output_has "linux/"
	run on bare-host sh -c 'ln -s /opt/elsewhere/cooper/bin/cooper /usr/bin/cooper && cd / && cooper images && exec -a other /usr/bin/cooper images -q'
	assert_succeeds
	run on bare-host sh -c 'cp -R /opt/elsewhere/cooper /moved && /moved/bin/cooper from scratch'
	assert_output_is working-container
	run on bare-host /opt/elsewhere/cooper/bin/cooper nosuch
	assert_fails_with 125 nosuch
}

# What a system without anything and one full of traps have to give: an image over TLS, a tar as context, a copy
# that is compressed anew. These load all but libseccomp and libyaml.
use_libraries='
	set -e
	cd /tmp
	cooper=/opt/elsewhere/cooper/bin/cooper
	$cooper image inspect --format "{{.Architecture}}" "docker://$1/busybox:1"
	$cooper image copy -q --dest-compress-format zstd "docker://$1/busybox:1" oci:zstd
	$cooper image copy -q --dest-compress-format gzip oci:zstd oci:gzip
	printf "FROM scratch\nCOPY Dockerfile /\n" >Dockerfile
	/bin/busybox tar -cf context.tar Dockerfile
	$cooper build --check - <context.tar
	grep -h "calling init:" loads.*'

@test "on a system full of traps it loads its own libraries and no others" {
	run cooper run -v "$OPT:/opt/elsewhere/cooper:ro" --env HOME=/tmp --env LD_DEBUG=files --env LD_DEBUG_OUTPUT=/tmp/loads evil-host \
		/bin/busybox sh -c "$use_libraries" sh "$REGISTRY"
	assert_succeeds
	assert_no_evil
	loaded=$(grep -o 'calling init: .*' <<<"$output" | cut -d' ' -f3 | sort -u)
	foreign=$(grep -v '^/opt/elsewhere/cooper/lib/' <<<"$loaded" || true)
	[ -z "$foreign" ] || fail "loaded: $foreign"
	for library in libc.so.6 libjansson.so.4 libcurl.so.4 libssl.so.3 libcrypto.so.3 libarchive.so.13 libzstd.so.1; do
		grep -qx "/opt/elsewhere/cooper/lib/$library" <<<"$loaded" || fail "$library was not loaded: the test shows nothing"
	done
	run cooper run evil-host ls /tmp
	assert_output_lacks evil-was-here
}

@test "what the caller preloads is not loaded into it, and stays for those that it starts" {
	run on evil-host env LD_PRELOAD=/lib/evil.so LD_LIBRARY_PATH=/lib /opt/elsewhere/cooper/bin/cooper version
	assert_succeeds
	assert_no_evil
}

@test "authorities are found where the distribution keeps them" {
	# evil-host has them where Fedora does; bare-host has none, and says what is missing.
	run on evil-host /opt/elsewhere/cooper/bin/cooper image inspect "docker://$REGISTRY/busybox:1"
	assert_succeeds
	run on bare-host /opt/elsewhere/cooper/bin/cooper image inspect "docker://$REGISTRY/busybox:1"
	[ "$status" -ne 0 ]
	assert_output_has ertificate
}

@test "names are resolved by the system's /etc/hosts, whatever its nsswitch.conf says" {
	port=${REGISTRY##*:}
	run cooper run -v "$OPT:/opt/elsewhere/cooper:ro" --env HOME=/tmp --add-host registry.test:127.0.0.1 evil-host \
		/opt/elsewhere/cooper/bin/cooper image inspect --tls-verify=false --format '{{.Os}}' "docker://registry.test:$port/busybox:1"
	assert_succeeds
	assert_output_is linux
	assert_no_evil
}

@test "it names the licence of every library, and is made of nothing but them" {
	run ls "$OPT"
	assert_output_is $'bin\nlib\nlibexec\nshare'
	run ls "$OPT/lib"
	assert_output_lacks icu
	assert_output_lacks stdc++
	[ "$(find "$OPT/share/doc" -type f -size +0 | wc -l)" -gt 30 ]
	[ -z "$(find "$OPT" ! -type f ! -type d)" ]
	for library in libcurl.so.4 libarchive.so.13 libcrypto.so.3 libzstd.so.1 libisal.so.2 libz.so.1 libseccomp.so.2 \
		libyaml-0.so.2 libmd.so.0 libjansson.so.4 libc.so.6; do
		[ -e "$OPT/lib/$library" ] || fail "$library is missing"
	done
}

@test "the cooper image is below 25 MiB, with and without a shell" {
	for archive in cooper.tar cooper-shell.tar; do
		[ "$(stat -c %s "$MADE/$archive")" -lt $((25 << 20)) ]
	done
}

@test "the cooper image: a numeric user, a volume, helpers with file capabilities, files for group 0" {
	id=$(cooper pull -q "oci-archive:$MADE/cooper.tar")
	run cooper inspect --type image --format '{{.OCIv1.Config.User}} {{json .OCIv1.Config.Volumes}} {{json .OCIv1.Config.Entrypoint}}' "$id"
	assert_output_is '1000:1000 {"/var/lib/cooper":{}} ["/usr/bin/cooper"]'
	cooper from --name image "$id"
	run cooper unshare sh -c 'cd "$(cooper mount image)" && getcap usr/bin/newuidmap usr/bin/newgidmap &&
		stat -c "%n %u:%g %a" var/lib/cooper home/cooper tmp && ls usr/bin && find . -perm /6000'
	assert_succeeds
	assert_output_is "usr/bin/newuidmap cap_setuid=ep
usr/bin/newgidmap cap_setgid=ep
var/lib/cooper 1000:0 775
home/cooper 1000:0 775
tmp 0:0 1777
cooper
newgidmap
newuidmap"
	run cooper run --user 12345:0 image /usr/bin/cooper version
	assert_succeeds
	run cooper run --read-only image /usr/bin/cooper --root /dev/shm/store from scratch
	assert_output_is working-container
}
