# cooper build: a COPY --from that cannot be in the cache reads its sources once, for the file, for the key by which it is
# found when its stage comes out the same, and for the tar of its layer.
load lib/common
load lib/build
load lib/kinds
load lib/one_read

copy_of_large() {
	large_file
	echo first >other
	printf 'FROM scratch AS a\nCOPY large /d/\nCOPY other /\nFROM scratch\nCOPY --from=a /d/large /e/\n' | dockerfile
	settle
}

# The stage comes out otherwise, what is copied from it does not.
change_other() {
	echo "$1" >other
	touch -d 2020-01-01 other
	sleep 0.05
}

@test "a copy from a stage reads a file once, also with --no-cache, and looks first where it was asked for" {
	copy_of_large
	bytes_read cooper build -q -t made "$context"
	[ "$mib" -lt $((3 * 32)) ] || fail "$mib MiB were read"
	bytes_read cooper build -q --no-cache -t made "$context"
	[ "$mib" -lt $((3 * 32)) ] || fail "$mib MiB were read"
	# Only for the key: it is found.
	change_other second
	bytes_read cooper build -q -t made "$context"
	[ "$mib" -ge 32 ] || fail "only $mib MiB were read"
	[ "$mib" -lt $((2 * 32)) ] || fail "$mib MiB were read"
	bytes_read cooper build -q -t made "$context"
	[ "$mib" -lt 16 ] || fail "$mib MiB were read"
}

@test "what a copy has seen of a stage is what it is found by" {
	copy_of_large
	build --no-cache
	change_other second
	build
	[[ $stderr == *"COPY --from=a"*"Using cache"* ]] || fail "it was made again: $stderr"
	# By a look that came first as well.
	forget_all
	build --explain
	change_other third
	build
	[[ $stderr == *"COPY --from=a"*"Using cache"* ]] || fail "it was made again: $stderr"
	change_other fourth
	printf changed >>large
	build -o type=local,dest=out
	cached 0
	cmp large out/e/large
}

@test "another owner, mode, attribute or content of what is copied is no such thing" {
	local change
	use_busybox
	for change in 'chown 7:8 /d/f' 'chmod 600 /d/f' 'echo 2 >/d/f' 'ln -sf f /d/l' 'chown -h 7:8 /d/l' 'chown 7:8 /d/sub' 'rm /d/f' \
		'mkfifo /d/p'; do
		rm -rf out
		printf 'FROM busybox AS a\nRUN mkdir -p /d/sub && echo 1 >/d/f && ln -s g /d/l\nRUN true\nFROM scratch\nCOPY --from=a /d /e\n' |
			dockerfile
		build
		sed -i "s,^RUN true,RUN $change," Dockerfile
		build
		[[ $stderr != *"COPY --from=a"*"Using cache"* ]] || fail "$change: it was taken from the cache: $stderr"
		build --no-cache -q
		forget_all
	done
}

@test "from a stage or an image any tree has the layer that a walk makes of it" {
	export SOURCE_DATE_EPOCH=1700000000
	local first line
	for number in $(seq 4); do
		rm -rf src && shape "$number" && settle
		printf 'FROM scratch\nCOPY src /s\n' | dockerfile
		cooper build -q -t localhost/tree "$context" >/dev/null
		for line in '--from=a /s /t' '--from=localhost/tree /s /t' '--from=a --chown=7:8 /s /t' '--from=a --chmod=o-rwx /s /t' \
			'--from=a --link /s /t' '--from=a --exclude=**/a /s /t' '--from=a /s/d*/a* /s/dir /x/' '--from=a / /'; do
			printf 'FROM scratch AS a\nCOPY src /s\nFROM scratch\nCOPY %s\n' "$line" | dockerfile
			forget_all
			build
			first=$output
			of_copy=$(layers)
			cooper push -q made "oci:$BATS_TEST_TMPDIR/pushed-$((pushed += 1)):made"
			forget_all
			build -q --explain
			assert_output_is "$first"
			forget_all
			# All in one layer, which is packed by a walk.
			build -q --layers=false
			[ "$(layers)" = "$of_copy" ] || fail "$number, COPY $line: a walk gives another layer"
		done
	done
}

@test "a copy from a stage is packed while it is copied" {
	shape 3
	use_busybox
	for line in '--from=a /s /d' '--from=a --chown=7:8 /s/dir /etc/' '--from=a /s/dir/always /x/'; do
		printf 'FROM busybox AS a\nCOPY src /s\nRUN chown 5:6 /s/dir/always\nFROM busybox\nCOPY %s\n' "$line" | dockerfile
		COOPER_TRACE=store,build build --no-cache
		[ "$(grep -c "packed ahead: as it is" <<<"$stderr")" -eq 2 ] || fail "COPY $line was packed by a walk: $stderr"
		cooper push -q made "oci:$BATS_TEST_TMPDIR/pushed-$((pushed += 1)):made"
	done
}

@test "with one id and without namespaces owners that are recorded are copied, and change the key" {
	local kind archive
	use_busybox
	archive=$(busybox_archive)
	for kind in alone translated; do
		fresh_store "$kind"
		cooper_as "$kind" tag "$(cooper_as "$kind" pull -q "oci-archive:$archive")" busybox
		for owner in 5:6 7:8; do
			printf 'FROM busybox AS a\nRUN mkdir /d && echo 1 >/d/f && ln -s f /d/l && chown -h %s /d /d/f /d/l\nFROM busybox\nCOPY --from=a /d /e/\nRUN stat -c %%u:%%g /e/f /e/l\n' \
				"$owner" | dockerfile
			run --separate-stderr cooper_as "$kind" build -t made "$context"
			assert_succeeds
			[ "$(grep -c " $owner\$" <<<"$stderr")" -eq 2 ] || fail "$kind: not $owner: $stderr"
			cooper_as "$kind" push -q made "oci:$BATS_TEST_TMPDIR/$kind-${owner%:*}:made"
		done
	done
}

@test "with one id and without namespaces what has another owner alone is copied again, and what has not is found" {
	local kind path archive
	use_busybox
	archive=$(busybox_archive)
	for kind in alone translated; do
		fresh_store "$kind-owners"
		cooper_as "$kind" tag "$(cooper_as "$kind" pull -q "oci-archive:$archive")" busybox
		for path in d/sub d/link d/fifo; do
			printf 'FROM busybox AS a\nRUN mkdir -p /d/sub && ln -s f /d/link && mkfifo /d/fifo\nRUN chown -h 5:6 /%s\nFROM scratch\nCOPY --from=a /d /d\n' \
				"$path" | dockerfile
			build_list "$kind" made "$context" >/dev/null
			sed -i 's/chown -h 5:6/chown -h 7:8/' Dockerfile
			build_list "$kind" made "$context" | grep -w "$path" | grep -w "7:8" || fail "$kind: the old owner of $path is in the image"
			sed -i 's/^RUN chown.*/& \&\& true/' Dockerfile
			run --separate-stderr cooper_as "$kind" build -t made "$context"
			assert_succeeds
			[[ $stderr == *"COPY --from=a"*"Using cache"* ]] || fail "$kind, $path: it was made again: $stderr"
		done
	done
}

@test "a source that a stage does not have is told as ever" {
	printf 'FROM scratch AS a\nCOPY one /\nFROM scratch\nCOPY --from=a /nothing /\n' | dockerfile
	refuses '"/nothing": not found'
	refuses '"/nothing": not found' --no-cache
	printf 'FROM scratch AS a\nCOPY one /\nFROM scratch\nCOPY --from=a /one /missing /\n' | dockerfile
	refuses '"/missing": not found'
}
