# cooper build: ADD of what lies elsewhere.
load lib/common
load lib/build

setup_file() {
	common_setup_file
	use_busybox
}

setup() {
	make_context
	served=$BATS_TEST_TMPDIR/served
	mkdir "$served"
	echo fetched >"$served/file.txt"
	tar -C "$context" -czf "$served/archive.tar.gz" dir
	port=$(free_port)
	python3 -m http.server --bind 127.0.0.1 --directory "$served" "$port" >/dev/null 2>&1 3>&- &
	echo $! >"$BATS_TEST_TMPDIR/pid"
	wait_for_port "127.0.0.1:$port" "$BATS_TEST_TMPDIR/pid"
	url=http://127.0.0.1:$port
}

teardown() {
	[ ! -e "$BATS_TEST_TMPDIR/gitpid" ] || stop_process "$BATS_TEST_TMPDIR/gitpid"
	stop_process "$BATS_TEST_TMPDIR/pid"
}

@test "an address: mode, time, name, not unpacked unless asked" {
	touch -d '2001-02-03 04:05:06 UTC' "$served/file.txt"
	dockerfile <<-EOF
		FROM busybox
		ADD $url/file.txt /into/
		ADD $url/file.txt /name
		ADD --chmod=755 --chown=1:2 $url/file.txt /given
		ADD $url/archive.tar.gz /kept/
		ADD --unpack=true $url/archive.tar.gz /unpacked/
		ADD $url/file.txt one /both/
		RUN test "\$(stat -c %a:%u:%g:%Y /into/file.txt)" = 600:0:0:981173106
		RUN test "\$(stat -c %a:%u:%g /given)" = 755:1:2 && test "\$(cat /name)" = fetched
		RUN test -f /kept/archive.tar.gz && test "\$(cat /unpacked/dir/flat)" = flat && test -f /both/one && test -f /both/file.txt
	EOF
	build
}

@test "the same file is the same step, another is not" {
	dockerfile <<-EOF
		FROM busybox
		ADD $url/file.txt /
		RUN true
	EOF
	build
	build
	[ "$(grep -c "Using cache" <<<"$stderr")" -eq 2 ]
	echo changed >"$served/file.txt"
	build
	[ "$(grep -c "Using cache" <<<"$stderr")" -eq 0 ]
	run inside 'cat /file.txt'
	assert_output_is changed
}

@test "--checksum: checked, and then the network is not asked again" {
	sum=$(sha256sum <"$served/file.txt" | cut -d' ' -f1)
	dockerfile <<-EOF
		FROM busybox
		ADD --checksum=sha256:$sum $url/file.txt /
	EOF
	build
	rm "$served/file.txt"
	build
	[[ $stderr == *"Using cache"* ]]
	dockerfile <<-EOF
		FROM busybox
		ADD --checksum=sha256:$sum $url/archive.tar.gz /
	EOF
	refuses "Dockerfile:2"
	dockerfile <<-EOF
		FROM busybox
		ADD $url/nothing /
	EOF
	refuses "404"
}

@test "a git repository, its reference and directory" {
	skip_unless git
	[ -x "$(git --exec-path)/git-daemon" ] || skip "git-daemon is not installed"
	git init -q -b main "$BATS_TEST_TMPDIR/repo"
	cd "$BATS_TEST_TMPDIR/repo" || return
	mkdir sub && echo v1 >sub/file && git add . && git -c user.name=a -c user.email=a@b commit -qm one && git tag v1
	echo v2 >sub/file && git -c user.name=a -c user.email=a@b commit -qam two
	git clone -q --bare . "$served/repo.git"
	cd "$context" || return
	gitport=$(free_port)
	git daemon --base-path="$served" --export-all --listen=127.0.0.1 --port="$gitport" >/dev/null 2>&1 3>&- &
	echo $! >"$BATS_TEST_TMPDIR/gitpid"
	wait_for_port "127.0.0.1:$gitport" "$BATS_TEST_TMPDIR/gitpid"
	dockerfile <<-EOF
		FROM busybox
		ADD git://127.0.0.1:$gitport/repo.git#v1 /v1
		ADD git://127.0.0.1:$gitport/repo.git#main:sub /v2
		RUN test "\$(cat /v1/sub/file /v2/file)" = "\$(printf 'v1\nv2')" && test ! -e /v1/.git
	EOF
	build
	build
	[ "$(grep -c "Using cache" <<<"$stderr")" -eq 3 ]
}
