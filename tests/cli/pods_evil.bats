# An image full of traps (lib/evil.bash): libraries, loader and OpenSSL configuration, name services, authorities,
# credential helpers and programs that say so when they are used. Nothing of it is, by no command.
load lib/common
load lib/evil

setup_file() {
	common_setup_file
	rm -f /tmp/evil-was-here
	busybox_tree "$BATS_FILE_TMPDIR/tree"
	evil_tree "$BATS_FILE_TMPDIR/tree"
	start_registry tls
	cp "$REGISTRY_CERTS/ca.crt" "$BATS_FILE_TMPDIR/tree/etc/ssl/certs/ca-certificates.crt"
	cp "$REGISTRY_CERTS/ca.crt" "$BATS_FILE_TMPDIR/tree/etc/pki/tls/certs/ca-bundle.crt"
	ctr=$(cooper from scratch)
	cooper copy -q --chown 0:0 "$ctr" "$BATS_FILE_TMPDIR/tree" /
	cooper config --env PATH=/usr/local/bin:/usr/bin:/bin --env LD_PRELOAD=/lib/evil.so --env LD_LIBRARY_PATH=/lib "$ctr"
	cooper commit -q --rm "$ctr" evil >/dev/null
}

@test "the traps work: what loads or runs them says so" {
	skip_unless cc
	LD_PRELOAD=$BATS_FILE_TMPDIR/evil.so run /bin/true
	assert_output_has "EVIL WAS HERE"
	run "$BATS_FILE_TMPDIR/evil"
	assert_output_has "EVIL WAS HERE"
	rm -f /tmp/evil-was-here
	ctr=$(cooper from evil)
	run cooper run "$ctr" git
	assert_output_has "EVIL WAS HERE"
	cooper rm "$ctr"
}

@test "run, by name of a user and of a group, with and without network" {
	for network in host none; do
		ctr=$(cooper from evil)
		run cooper run --network "$network" --user app:extra "$ctr" /bin/busybox id
		assert_succeeds
		assert_output_has "uid=1000"
		assert_no_evil
		run cooper unshare sh -c 'test ! -e "$(cooper mount "$1")/tmp/evil-was-here"' sh "$ctr"
		assert_succeeds
		cooper rm "$ctr"
	done
}

@test "copy, add of archives in every compression, config, commit and mount" {
	cd "$BATS_TEST_TMPDIR"
	echo data >file
	tar -cf plain.tar file && gzip -k plain.tar && xz -k plain.tar && zstd -q plain.tar
	ctr=$(cooper from evil)
	run cooper copy --chown app:extra "$ctr" file /copied
	assert_succeeds
	assert_no_evil
	for archive in plain.tar plain.tar.gz plain.tar.xz plain.tar.zst; do
		run cooper add --chown app "$ctr" "$archive" "/added/$archive/"
		assert_succeeds
		assert_no_evil
	done
	cooper config --user app --workingdir /work "$ctr"
	run cooper commit "$ctr" changed
	assert_succeeds
	assert_no_evil
	run cooper unshare sh -c 'cd "$(cooper mount "$1")" && cat added/plain.tar.xz/file && test ! -e tmp/evil-was-here' sh "$ctr"
	assert_succeeds
	assert_output_is data
	assert_no_evil
	cooper rm "$ctr"
}

@test "a build that copies, adds, runs as users and mounts what the image has" {
	cd "$BATS_TEST_TMPDIR"
	echo data >file && tar -cJf packed.tar.xz file
	cat >Dockerfile <<-END
		FROM evil AS base
		ADD packed.tar.xz /added/
		COPY --chown=app:extra file /copied
		WORKDIR /work
		RUN --mount=type=cache,target=/cache --mount=type=bind,from=evil,target=/other /bin/busybox touch /cache/x
		RUN --network=none ["/bin/busybox", "true"]
		USER app:extra
		RUN ["/bin/busybox", "touch", "/tmp/mine"]
		FROM evil
		COPY --from=base /added /copied /final/
	END
	run cooper build -t built .
	assert_succeeds
	assert_no_evil
	ctr=$(cooper from built)
	run cooper run "$ctr" /bin/busybox ls /tmp /final
	assert_output_has copied
	assert_output_lacks evil-was-here
	cooper rm "$ctr"
}

@test "pull, push and save: the image's authorities, policies and helpers count for nothing" {
	run cooper push -q evil "$REGISTRY/evil:1"
	assert_fails_with 120 certificate
	assert_no_evil
	run cooper push -q --cert-dir "$REGISTRY_CERTS" evil "$REGISTRY/evil:1"
	assert_succeeds
	assert_no_evil
	# The same from a session that has it mounted, where a mistake would take the root's files.
	ctr=$(cooper from evil)
	run cooper unshare sh -c 'cd "$(cooper mount "$1")" && cooper push -q evil "$2/evil:2"' sh "$ctr" "$REGISTRY"
	assert_fails_with 120 certificate
	assert_no_evil
	cooper rm "$ctr"
	fresh_store pulled
	run cooper pull -q --cert-dir "$REGISTRY_CERTS" "$REGISTRY/evil:1"
	assert_succeeds
	assert_no_evil
	remove_store "$COOPER_ROOT" "$COOPER_RUNROOT"
}
