# Compilers, git, Python, Perl and shells of this machine's own packages, in a root without namespaces, with one id, and with
# everything: they say the same, and leave the same behind. What else was tried stands in docs/rootless.md.
#
# Takes long.
load lib/common
load lib/packages

setup_file() {
	common_setup_file
	command -v apt-cache >/dev/null || skip "the packages of a Debian system are needed"
	mkdir "$BATS_FILE_TMPDIR/context"
	cp -R "$BATS_TEST_DIRNAME/../programs/workload" "$BATS_FILE_TMPDIR/context/w"
	pack_packages "$BATS_FILE_TMPDIR/context/root.tar" bash coreutils dash diffutils findutils gcc git grep libc-bin libc6-dev make \
		perl-base python3 sed tar util-linux
	cat >"$BATS_FILE_TMPDIR/context/Dockerfile" <<-'END'
		FROM scratch AS tools
		ADD root.tar /
		RUN ["/sbin/ldconfig"]
		FROM tools AS worked
		COPY w /w
		RUN mkdir -p -m 1777 /tmp && mkdir /results
		RUN for part in compile make git shell python perl; do \
				/bin/bash /w/run.sh $part >/results/$part 2>&1; echo "status $?" >>/results/$part; \
			done; rm -rf /tmp/* /root/.[a-z]*
		FROM scratch
		COPY --from=worked /results /
	END
}

# build_at KIND COMMAND...
build_at() {
	local kind=$1
	shift
	fresh_store "$kind"
	SOURCE_DATE_EPOCH=1700000000 "$@" build -q --rewrite-timestamp -t worked -o "type=local,dest=$BATS_FILE_TMPDIR/results-$kind" \
		-o type=image "$BATS_FILE_TMPDIR/context" >"$BATS_FILE_TMPDIR/id-$kind"
}

# same_as_full KIND
same_as_full() {
	diff -r "$BATS_FILE_TMPDIR/results-full" "$BATS_FILE_TMPDIR/results-$1"
	diff "$BATS_FILE_TMPDIR/id-full" "$BATS_FILE_TMPDIR/id-$1"
}

@test "with real ids every program does its work" {
	build_at full cooper
	for part in compile make git shell python perl; do
		result=$BATS_FILE_TMPDIR/results-full/$part
		[ "$(tail -n 1 "$result")" = "status 0" ] || fail "$part: $(cat "$result")"
		[ "$(wc -l <"$result")" -ge 3 ] || fail "$part: $(cat "$result")"
	done
	[ "$(grep -c 'failures 0' "$BATS_FILE_TMPDIR/results-full/compile")" = 3 ]
}

@test "in a root without namespaces they say the same, and the image is the same" {
	[ -d "$BATS_FILE_TMPDIR/results-full" ] || skip "there is nothing to compare with"
	COOPER_ISOLATION=translated build_at translated cooper
	same_as_full translated
}

@test "with one id they say the same, and the image is the same" {
	[ -d "$BATS_FILE_TMPDIR/results-full" ] || skip "there is nothing to compare with"
	build_at alone unshare --map-root-user cooper
	same_as_full alone
}
