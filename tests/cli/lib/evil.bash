# A root full of traps: what a builder must not run, load or believe when it lies in an image.  load lib/evil
# shellcheck shell=bash

# evil_tree TREE: adds them to a tree. Its /bin/busybox and /bin/sh stay what they are: a step may run those.
evil_tree() {
	local tree=$1 source=$BATS_TEST_DIRNAME/../pods/evil.c directory name
	cc -shared -fPIC -O1 -fno-stack-protector -nostdlib -DLIBRARY -o "$BATS_FILE_TMPDIR/evil.so" "$source"
	cc -static -O1 -fno-stack-protector -nostdlib -o "$BATS_FILE_TMPDIR/evil" "$source"
	triplet=$(cc -print-multiarch)
	mkdir -p "$tree"/{etc/ssl/certs,etc/containers,etc/pki/tls/certs,etc/gnutls,usr/bin,usr/sbin,usr/local/bin,root/.docker,usr/lib64}
	for directory in lib/$triplet usr/lib/$triplet lib lib64 usr/lib; do
		mkdir -p "$tree/$directory"
		for name in libcurl.so.4 libarchive.so.13 libcrypto.so.3 libssl.so.3 libzstd.so.1 libisal.so.2 libz.so.1 \
			libseccomp.so.2 libyaml-0.so.2 libmd.so.0 libc.so.6 libjansson.so.4 libcap.so.2 libgcc_s.so.1 \
			libnss_evil.so.2 libnss_dns.so.2 libnss_files.so.2; do
			cp "$BATS_FILE_TMPDIR/evil.so" "$tree/$directory/$name"
		done
		mkdir -p "$tree/$directory"/{ossl-modules,engines-3,gconv}
		cp "$BATS_FILE_TMPDIR/evil.so" "$tree/$directory/ossl-modules/evil.so"
		mkdir -p "$tree/$directory/ssl"
		evil_openssl "/$directory/ossl-modules/evil.so" >"$tree/$directory/ssl/openssl.cnf"
	done
	evil_openssl "/lib/ossl-modules/evil.so" >"$tree/etc/ssl/openssl.cnf"
	cp "$BATS_FILE_TMPDIR/evil.so" "$tree/lib/evil.so"
	echo /lib/evil.so >"$tree/etc/ld.so.preload"
	for name in passwd group hosts networks services; do echo "$name: evil files"; done >"$tree/etc/nsswitch.conf"
	for name in newuidmap newgidmap git tar gzip xz zstd gpg ssh pasta slirp4netns crun runc cooper qemu-aarch64-static \
		docker-credential-evil; do
		for directory in usr/bin usr/sbin usr/local/bin bin; do
			rm -f "$tree/$directory/$name"
			cp "$BATS_FILE_TMPDIR/evil" "$tree/$directory/$name"
		done
	done
	echo '{"credsStore": "evil"}' >"$tree/root/.docker/config.json"
	echo '{"default": [{"type": "reject"}]}' >"$tree/etc/containers/policy.json"
	echo 'this is no TOML' | tee "$tree/etc/containers/registries.conf" "$tree/etc/containers/storage.conf" \
		>"$tree/etc/containers/containers.conf"
}

evil_openssl() {
	printf '%s\n' 'openssl_conf = init' '[init]' 'providers = list' '[list]' 'evil = evil_section' '[evil_section]' \
		"module = $1" 'activate = 1'
}

# Nothing of it has run: neither in what was said nor as a file, here or below the given roots.
assert_no_evil() {
	local root
	[[ "$output${stderr:-}" != *"EVIL WAS HERE"* ]] || fail "something of the image was run or loaded"
	for root in '' "$@"; do
		[ ! -e "$root/tmp/evil-was-here" ] || fail "something of the image was run or loaded: $root/tmp/evil-was-here"
	done
}
