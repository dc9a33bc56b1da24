# rpm and dnf: packages with owners, set-user-id files, file capabilities, scripts and a user of their own are built, put into a
# repository, installed, verified, changed, removed and installed into another root, with real ids, with one id and without
# namespaces. What the programs say and the tree they leave are the same.
#
# Takes long.
# Not under sanitizers: what it adds is the work of rpm and dnf and a comparison; emulation.bats and translated*.bats ask for the same calls
load lib/common
load lib/kinds
load lib/packages

setup_file() {
	common_setup_file
	skip_unless dnf rpmbuild createrepo_c apt-cache
	mkdir "$BATS_FILE_TMPDIR/context"
	cp -R "$BATS_TEST_DIRNAME/../programs/rpm" "$BATS_FILE_TMPDIR/context/rpm"
	pack_packages "$BATS_FILE_TMPDIR/context/root.tar" bash coreutils createrepo-c dash diffutils dnf findutils grep gzip libcap2-bin \
		libc-bin passwd rpm sed tar util-linux
	cat >"$BATS_FILE_TMPDIR/context/Dockerfile" <<-'END'
		FROM scratch
		ADD root.tar /
		RUN ["/sbin/ldconfig"]
		COPY rpm /w
		RUN mkdir -p -m 1777 /tmp /var/tmp && echo daemon:x:1:1::/:/bin/sh >>/etc/passwd && echo games:x:5:60::/:/bin/sh >>/etc/passwd
		RUN printf '%s\n' daemon:x:1: mail:x:8: www-data:x:33: games:x:60: >>/etc/group
		RUN sh /w/work.sh >/said 2>&1 || echo "status $?" >>/said
	END
}

build_at() {
	local kind=$1 list ctr
	fresh_store "$kind"
	list=$(build_list "$kind" worked "$BATS_FILE_TMPDIR/context")
	grep -v '^var/lib/rpm' <<<"$list" >"$BATS_FILE_TMPDIR/$kind.list"
	ctr=$(cooper_as "$kind" from worked)
	cooper_as "$kind" run "$ctr" -- cat /said >"$BATS_FILE_TMPDIR/$kind.said"
	cooper_as "$kind" rm "$ctr" >/dev/null
}

@test "with real ids dnf installs, verifies, removes and installs what the packages ask for" {
	build_at full
	run cat "$BATS_FILE_TMPDIR/full.said"
	assert_output_lacks status
	assert_output_has "as it was"
	run cat "$BATS_FILE_TMPDIR/full.list"
	assert_output_has "opt/first/bin/elevated|file|0o4755|0:0|-|"
	assert_output_has "opt/first/bin/mailer|file|0o2755|1:8|-|"
	assert_output_has "opt/first/bin/sendmail|file|0o2755|1:8|-|same:opt/first/bin/mailer"
	assert_output_has "opt/first/bin/ping|file|0o755|0:0|security.capability=0000000200200000000000000000000000000000|"
	assert_output_has "opt/first/spool|dir|0o2770|777:8|-|-"
	assert_output_has "opt/first/etc/installed|file|0o644|777:777|-|"
	assert_output_has "opt/second/made|file|0o644|0:0|-|"
	assert_output_has "opt/second/numbers|file|0o644|5:60|-|"
	assert_output_has "target/opt/first/etc/secret|file|0o600|777:777|-|"
	assert_output_has "target/opt/first/bin/elevated|file|0o4755|0:0|-|"
}

@test "with one id they say the same, and leave the same tree" {
	build_at alone
	same_as_full alone said list
}

@test "in a root without namespaces they say the same, and leave the same tree" {
	build_at translated
	same_as_full translated said list
}
