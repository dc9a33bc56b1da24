# The Dockerfile language: ADD of archives, downloads and repositories.
load lib/common
load lib/build
load lib/language

setup_file() {
	web_setup_file
	echo downloaded >"$BATS_FILE_TMPDIR/web/file.txt"
	touch -d 2001-02-03T04:05:06Z "$BATS_FILE_TMPDIR/web/file.txt"
	tar -C "$BATS_FILE_TMPDIR/web" -czf "$BATS_FILE_TMPDIR/web/a.tar.gz" file.txt
	make_repository "$BATS_FILE_TMPDIR/web/repo.git"
	start_git
}

teardown_file() {
	[ ! -e "$BATS_FILE_TMPDIR/git.pid" ] || stop_process "$BATS_FILE_TMPDIR/git.pid"
	web_teardown_file
}

setup() {
	make_context
}

git_as() {
	git -c user.name=t -c user.email=t@t -c init.defaultBranch=main -C "$1" "${@:2}" >/dev/null 2>&1
}

# Exports GIT, the address of what lies beside the web server's files.
start_git() {
	local address
	address=127.0.0.1:$(free_port)
	export GIT=git://$address
	[ -x "$(git --exec-path)/git-daemon" ] || return 0
	git daemon --base-path="$BATS_FILE_TMPDIR/web" --export-all --listen=127.0.0.1 --port="${address##*:}" >/dev/null 2>&1 3>&- &
	printf '%s\n' "$!" >"$BATS_FILE_TMPDIR/git.pid"
	wait_for_port "$address" "$BATS_FILE_TMPDIR/git.pid"
}

# A bare repository: branch main, tag v1, a directory sub.
make_repository() {
	local work=$BATS_FILE_TMPDIR/work
	command -v git >/dev/null || return 0
	mkdir -p "$work/sub" && git_as "$work" init && echo first >"$work/f" && echo s >"$work/sub/g" && chmod +x "$work/sub/g"
	git_as "$work" add . && git_as "$work" commit -m 1 && git_as "$work" tag v1
	echo second >"$work/f" && git_as "$work" commit -am 2
	git clone -q --bare "$work" "$1"
	git -C "$work" rev-parse v1 >"$BATS_FILE_TMPDIR/v1"
}

@test "archives by content: every compression, any name, into a directory" {
	mkdir -p t/in && echo packed >t/in/file && chmod 640 t/in/file && touch -d 2001-02-03T04:05:06Z t/in/file
	tar -C t --owner=1000 --group=2000 -cf plain in && gzip -k <plain >gz && bzip2 <plain >bz && xz <plain >xz
	skip_unless zstd
	zstd -q <plain >zst
	local kind
	for kind in plain gz bz xz zst; do
		printf 'FROM busybox\nADD %s /x\nRUN test "$(stat -c %%a:%%u:%%g:%%Y /x/in/file)" = 640:1000:2000:981173106 && test "$(stat -c %%a:%%u /x)" = 755:0\n' "$kind" | dockerfile
		build
	done
}

@test "archives: several, --chown, --unpack, in a directory, and COPY" {
	mkdir -p t/in d && echo 1 >t/in/a && tar -C t -cf 1.tar in && echo 2 >t/in/b && tar -C t -czf 2.tgz in && cp 1.tar d/
	dockerfile <<-'EOF'
		FROM busybox
		ADD 1.tar 2.tgz /s/
		ADD *.t* /wild/
		ADD --chown=7:8 1.tar /own/
		ADD --unpack=false 1.tar /raw
		ADD --unpack=true 1.tar /un/
		ADD d /dir/
		COPY 1.tar /copied
		ADD one /plain
		RUN test -e /s/in/a -a -e /s/in/b -a -e /wild/in/b && test "$(stat -c %u:%g /own/in/a)" = 7:8
		RUN test -f /raw -a -f /copied -a -f /dir/1.tar -a -e /un/in/a -a -f /plain
	EOF
	build
}

@test "archives: an archive that is compressed and none, and an empty one" {
	gzip -c one >one.gz && tar -cf empty.tar -T /dev/null
	printf 'FROM busybox\nADD one.gz /g\nRUN gunzip -c /g | grep -q one\n' | dockerfile
	build
}

@test "archives cannot write outside, and take what is in their way" {
	skip_unless python3
	python3 - <<-'EOF'
		import tarfile, io
		t = tarfile.open("evil.tar", "w")
		def add(name, data=b"evil", **k):
		    i = tarfile.TarInfo(name); i.size = len(data) if not k else 0
		    for a, b in k.items(): setattr(i, a, b)
		    t.addfile(i, io.BytesIO(data) if not k else None)
		add("link", type=tarfile.SYMTYPE, linkname="/etc")
		add("ok")
		t.close()
	EOF
	printf 'FROM busybox\nRUN mkdir -p /x && ln -s /etc /x/ok\nADD evil.tar /x/\nRUN test ! -L /x/ok && test "$(cat /x/ok)" = evil && test -L /x/link\n' | dockerfile
	build
}

@test "an entry of an archive takes the place of what is of another kind" {
	skip_unless python3
	python3 - <<-'EOF'
		import tarfile, io
		t = tarfile.open("kinds.tar", "w")
		def add(name, data=b"new", **k):
		    i = tarfile.TarInfo(name); i.size = len(data) if not k else 0; i.mode = 0o755
		    for a, b in k.items(): setattr(i, a, b)
		    t.addfile(i, io.BytesIO(data) if not k else None)
		add("")
		add("was-directory")
		add("was-full")
		add("was-file", type=tarfile.DIRTYPE)
		add("was-file/inside")
		add("through-link", type=tarfile.DIRTYPE)
		add("through-link/inside")
		t.close()
	EOF
	dockerfile <<-'EOF'
		FROM busybox
		RUN mkdir -p /x/was-directory /x/was-full/a/b /x/real && echo old >/x/was-full/a/f && echo old >/x/was-file && ln -s real /x/through-link
		ADD kinds.tar /x/
		RUN test "$(cat /x/was-directory /x/was-full /x/was-file/inside /x/real/inside)" = newnewnewnew && test -L /x/through-link
	EOF
	build
	printf 'FROM busybox\nRUN mkdir -p /x/one\nADD one /x/\n' | dockerfile
	refuses "cannot put a file in the place of the directory '/x/one'"
}

@test "a download: name, mode, time, not unpacked" {
	dockerfile <<-'EOF'
		FROM busybox
		ARG WEB
		ADD $WEB/file.txt /d/
		ADD ${WEB}/file.txt /named
		ADD --chmod=644 --chown=7:8 $WEB/file.txt /owned
		ADD $WEB/a.tar.gz /d/
		ADD --unpack=true $WEB/a.tar.gz /un/
		ADD $WEB/file.txt?x=1 /q/
		RUN test "$(cat /d/file.txt /named /q/file.txt | uniq)" = downloaded && test -f /d/a.tar.gz && test -e /un/file.txt
		RUN test "$(stat -c %a:%u:%Y /d/file.txt)" = 600:0:981173106 && test "$(stat -c %a:%u:%g /owned)" = 644:7:8
	EOF
	build --build-arg WEB="$WEB"
}

@test "a download whose address has no name" {
	printf 'FROM busybox\nADD %s/ /d/\n' "$WEB" | dockerfile
	build
	run inside 'ls /d'
	assert_output_is __unnamed__
}

@test "a download is checked against --checksum, and is a key by its content" {
	local sum
	sum=$(sha256sum "$BATS_FILE_TMPDIR/web/file.txt" | cut -d' ' -f1)
	printf 'FROM busybox\nADD --checksum=sha256:%s %s/file.txt /x\n' "$sum" "$WEB" | dockerfile
	build
	build
	cached 1
	printf 'FROM busybox\nADD --checksum=sha256:%s %s/file.txt /x\n' "${sum//[0-9]/0}" "$WEB" | dockerfile
	refuses "${sum//[0-9]/0}"
	refuses_each <<-EOF
		ADD --checksum=sha256:$sum one / => checksum
		ADD --checksum=md5:abc $WEB/file.txt / => checksum
		ADD --checksum=sha256:$sum $WEB/file.txt $WEB/a.tar.gz /x/ => checksum
	EOF
}

@test "a download that is not there" {
	printf 'FROM busybox\nADD %s/none /x\n' "$WEB" | dockerfile
	refuses 404
	[[ $stderr == *Dockerfile:2* ]]
}

@test "an unchanged download is the same step" {
	printf 'FROM busybox\nADD %s/file.txt /x\nRUN cat /proc/sys/kernel/random/uuid\n' "$WEB" | dockerfile
	build
	build
	cached 2
}

@test "COPY takes no downloads" {
	printf 'FROM busybox\nCOPY %s/file.txt /x\n' "$WEB" | dockerfile
	refuses "Dockerfile:2"
}

@test "a repository: branch, tag, commit, directory, .git" {
	skip_unless git
	[ -e "$BATS_FILE_TMPDIR/git.pid" ] || skip "git-daemon is not installed"
	dockerfile <<-'EOF'
		FROM busybox
		ARG GIT
		ARG COMMIT
		ADD $GIT/repo.git /main
		ADD $GIT/repo.git#v1 /tag
		ADD $GIT/repo.git#$COMMIT /commit
		ADD $GIT/repo.git#v1:sub /sub
		ADD --keep-git-dir=true $GIT/repo.git#v1 /kept
		ADD $GIT/repo.git?tag=v1&subdir=sub /query
		ADD --chown=7:8 $GIT/repo.git /own
		RUN test "$(cat /main/f /tag/f /commit/f)" = "$(printf 'second\nfirst\nfirst')" && test "$(stat -c %u:%g /own/f)" = 7:8
		RUN test -e /sub/g -a ! -e /sub/f -a -e /query/g -a ! -e /main/.git -a -d /kept/.git
		RUN test "$(stat -c %a /main/f /main/sub /sub/g | tr '\n' ' ')" = "644 755 755 "
	EOF
	build --build-arg GIT="$GIT" --build-arg COMMIT="$(cat "$BATS_FILE_TMPDIR/v1")"
}

@test "a repository's --checksum is its commit" {
	skip_unless git
	[ -e "$BATS_FILE_TMPDIR/git.pid" ] || skip "git-daemon is not installed"
	local commit
	commit=$(cat "$BATS_FILE_TMPDIR/v1")
	printf 'FROM busybox\nADD --checksum=%s %s/repo.git#v1 /x\n' "${commit:0:12}" "$GIT" | dockerfile
	build
	printf 'FROM busybox\nADD --checksum=%s %s/repo.git#main /x\n' "$commit" "$GIT" | dockerfile
	refuses "checksum"
	printf 'FROM busybox\nADD %s/repo.git#nosuchref /x\n' "$GIT" | dockerfile
	refuses "nosuchref"
}

@test "flags that ADD does not have, and those that fit nothing" {
	refuses_each <<-'EOF'
		ADD --from=busybox /etc /x => from
	EOF
}
