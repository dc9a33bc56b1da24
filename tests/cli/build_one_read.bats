# cooper build: a COPY that cannot be in the cache reads its sources once, for the file, for the key of its step and for
# the tar of its layer.
load lib/common
load lib/build
load lib/kinds
load lib/one_read

@test "the first build reads a file once, one that looks first twice" {
	large_file
	bytes_read cooper build -q -t made "$context"
	[ "$mib" -lt $((2 * 32)) ] || fail "$mib MiB were read"
	forget_all
	bytes_read cooper build -q --explain -t made "$context"
	[ "$mib" -ge $((2 * 32)) ] || fail "only $mib MiB were read"
	[ "$mib" -lt $((3 * 32)) ] || fail "$mib MiB were read"
}

@test "--no-cache reads a file once, too" {
	large_file
	build
	printf changed >>large
	bytes_read cooper build -q --no-cache -t made "$context"
	[ "$mib" -lt $((2 * 32)) ] || fail "$mib MiB were read"
}

@test "what a copy has learned about files is known to the next build" {
	large_file
	build --no-cache
	printf 'FROM scratch\nCOPY large /e/\n' | dockerfile
	bytes_read cooper build -q --explain -t made "$context"
	[ "$mib" -lt $((2 * 32)) ] || fail "$mib MiB were read"
}

@test "so is what the same build has looked at before that" {
	large_file
	build
	printf changed >>large
	cp large other
	printf 'FROM scratch\nCOPY large /d/\nCOPY other /d/\n' | dockerfile
	settle
	build
	cached 0
	printf 'FROM scratch\nCOPY large other /e/\n' | dockerfile
	bytes_read cooper build -q --explain -t made "$context"
	[ "$mib" -lt $((3 * 32)) ] || fail "$mib MiB were read"
}

@test "a cached build reads nothing, and neither does one behind --no-cache" {
	large_file
	build --no-cache
	bytes_read cooper build -q -t made "$context"
	[ "$mib" -lt 16 ] || fail "$mib MiB were read"
	build
	cached 1
}

# The image is the same whether its files were looked at first or not, and the step is found by who looks first. Its
# layers are those of ADD, which are packed by a walk over the finished tree, as they are here when they are pushed.
is_found_again() {
	local first
	forget_all
	build
	first=$output
	cached 0
	build
	assert_output_is "$first"
	cached "$1"
	cooper push -q made "oci:$BATS_TEST_TMPDIR/pushed-$((pushed += 1)):made"
	forget_all
	build -q --explain
	assert_output_is "$first"
	of_copy=$(layers)
	sed -i 's/^COPY/ADD/' Dockerfile
	build -q
	[ "$(layers)" = "$of_copy" ] || fail "ADD has other layers"
}

@test "any tree: the key that its copy gives is that of a look" {
	export SOURCE_DATE_EPOCH=1700000000
	for number in $(seq 12); do
		rm -rf src && shape "$number" && settle
		printf 'FROM scratch\nCOPY src /d\n' | dockerfile
		is_found_again 1
	done
}

@test "any sources: the key that their copy gives is that of a look" {
	local line
	export SOURCE_DATE_EPOCH=1700000000
	shape 7 && ln -s one link && printf '%s\n' dir/flat '**/b' Dockerfile >.dockerignore && settle
	for line in 'one two /d/' 'one /two' 'link /' 'o* dir /d/' 'src dir /d/' '. /' 'nothing* one /' '--chmod=600 src /d' \
		'--chown=1:2 src /d' '--link src /d' '--exclude=*/a src /d' 'src/dir/always src/dir /x/' 'src/d*/a* /x/'; do
		printf 'FROM scratch\nCOPY %s\nCOPY one /last\n' "$line" | dockerfile
		is_found_again 2
	done
}

@test "a plain tree, a large file and what is put beside others are packed while they are copied" {
	shape 3 && head -c $((6 << 20)) /dev/urandom >large
	for line in 'src /d' 'large /d/e/' 'dir/flat one /etc/' '. /x' '--chown=7:8 --chmod=640 one /d' '--link dir /d'; do
		printf 'FROM busybox\nCOPY %s\n' "$line" | dockerfile
		COOPER_TRACE=store,build build --no-cache
		[[ $stderr == *"packed ahead: as it is"* ]] || fail "COPY $line was packed by a walk: $stderr"
		cooper push -q made "oci:$BATS_TEST_TMPDIR/pushed-$((pushed += 1)):made"
	done
}

@test "with one id and without namespaces what is copied into the directories of others is packed so, too" {
	local kind archive
	archive=$(busybox_archive)
	printf 'FROM busybox\nRUN mkdir -p /home/app/own && chown 1000:1000 /home/app/own\nCOPY dir /home/app/own/d\n' | dockerfile
	for kind in alone translated; do
		fresh_store "$kind"
		cooper_as "$kind" tag "$(cooper_as "$kind" pull -q "oci-archive:$archive")" busybox
		COOPER_TRACE=store run --separate-stderr cooper_as "$kind" build -q -t made "$context"
		assert_succeeds
		[[ $stderr == *"packed ahead: as it is"* ]] || fail "$kind: it was packed by a walk: $stderr"
		cooper_as "$kind" push -q made "oci:$BATS_TEST_TMPDIR/$kind:made"
	done
}

@test "behind another layer a step that was asked for is looked for" {
	printf 'FROM busybox\nARG V\nRUN echo $V >/v\nCOPY dir /d\n' | dockerfile
	build --build-arg V=1
	build --build-arg V=2
	cached 0
	build --build-arg V=1
	cached 2
}

@test "a question whose record is gone leads to a look, and what is asked for in vain is made once" {
	printf 'FROM busybox\nCOPY dir /d\n' | dockerfile
	build
	rm -rf "$COOPER_ROOT"/cache/step*
	build
	cached 0
	build
	cached 1
	cooper prune --build-cache --all >/dev/null
	build
	build
	cached 1
}

@test "a step that failed in the middle was not asked for" {
	printf 'FROM scratch\nCOPY dir /d\nCOPY two dir /two\n' | dockerfile
	refuses "'/two'"
	rm two
	mkdir two
	build
	cached 1
	build
	cached 2
}

@test "a source that is missing is told as ever" {
	printf 'FROM busybox\nRUN echo made >&2\nCOPY nothing /\n' | dockerfile
	refuses '"/nothing": not found'
	printf 'FROM scratch\nCOPY one /\nCOPY missing /\n' | dockerfile
	refuses '"/missing": not found' --no-cache
}

@test "two stages that have a step in common make it once" {
	dockerfile <<-'EOF'
		FROM scratch AS a
		COPY dir /d
		FROM scratch AS b
		COPY dir /d
		FROM scratch
		COPY --from=a /d/flat /1
		COPY --from=b /d/flat /2
	EOF
	build --jobs 2
	build
	cached 4
}

@test "what changes while it is copied is never found under a key of something else" {
	printf 'FROM scratch\nCOPY changing /\n' | dockerfile
	head -c $((24 << 20)) /dev/zero | tr '\0' a >changing
	for round in 1 2 3; do
		bash -c 'for n in $(seq 200); do printf %s "$n" | dd of=changing bs=1 seek=$((n * 100000)) conv=notrunc status=none; done' &
		writer=$!
		build
		wait "$writer"
		build -o type=local,dest="out-$round"
		cmp changing "out-$round/changing" || fail "round $round: the image has another file"
	done
}

@test "a new file of the same tick of the clock is copied as it is" {
	printf 'FROM scratch\nCOPY young /\n' | dockerfile
	for n in $(seq 10); do
		echo "$n" >young
		build -o type=local,dest="out"
		cmp young out/young || fail "$n: it was another file"
		rm -rf out
	done
}
