# cooper build: COPY and ADD of the context's files.
load lib/common
load lib/build

@test "files: to a name, into a directory, relative to WORKDIR" {
	dockerfile <<-'EOF'
		FROM busybox
		WORKDIR /work
		COPY one /as-name
		COPY one two /into/
		COPY one ./
		COPY two sub/deeper/two
		COPY one /tmp
		COPY /one ../one /clamped/
		RUN test "$(cat /as-name /into/two one sub/deeper/two /tmp/one /clamped/one)" = "$(printf 'one\ntwo\none\ntwo\none\none')"
		RUN test "$(stat -c %a:%u:%g /into sub/deeper)" = "$(printf '755:0:0\n755:0:0')"
	EOF
	build
}

@test "directories bring their contents" {
	mkdir empty
	chmod 700 dir dir/sub
	dockerfile <<-'EOF'
		FROM busybox
		COPY dir /d
		COPY dir/ /e/
		COPY dir one /several/
		COPY . /all
		COPY empty /empty
		RUN test "$(cat /d/flat /d/sub/deep /e/flat /several/flat /several/one)" = "$(printf 'flat\ndeep\nflat\nflat\none')"
		RUN test "$(stat -c %a /d /d/sub /all/dir /empty)" = "$(printf '755\n700\n700\n755')"
		RUN test -e /all/Dockerfile
	EOF
	build
}

@test "a sub-directory that is there takes the source's mode, the destination does not" {
	chmod 750 dir dir/sub
	dockerfile <<-'EOF'
		FROM busybox
		RUN mkdir -p -m 711 /d /d/sub && chown 1000:1000 /d /d/sub && chmod 711 /d/sub && echo keep >/d/sub/keep
		COPY dir /d
		RUN test "$(stat -c %a:%u /d /d/sub)" = "$(printf '711:1000\n750:0')" && test -e /d/sub/keep
	EOF
	build
}

@test "several sources without a trailing slash overwrite each other" {
	dockerfile <<-'EOF'
		FROM busybox
		COPY one two /name
		RUN test "$(cat /name)" = two
	EOF
	build
}

@test "a directory onto a file is refused" {
	dockerfile <<-'EOF'
		FROM busybox
		COPY one /name
		COPY dir /name
	EOF
	refuses "Dockerfile:3"
}

@test "an address is no source of COPY, and that is said before anything is built" {
	printf 'FROM nosuch.invalid/base AS base\nFROM busybox\nRUN echo built\nCOPY https://example.invalid/f /\n' >Dockerfile
	refuses "source can't be a URL for COPY"
	[[ $stderr != *STEP* ]]
	printf 'FROM busybox\nCOPY https://example.invalid/repo.git /\n' >Dockerfile
	refuses "source can't be a git ref for COPY"
	# A name that only looks like one.
	mkdir -p github.com/owner && echo 1 >github.com/owner/repo
	printf 'FROM busybox\nCOPY github.com/owner/repo /\nRUN cat /repo\n' >Dockerfile
	build
}

@test "wildcards stay in their directory; nothing found is fine" {
	mkdir -p w/x w/y && echo 1 >w/x/a.txt && echo 2 >w/y/b.txt && echo 3 >w/c.txt
	dockerfile <<-'EOF'
		FROM busybox
		COPY *.txt /none/
		COPY w/*.txt /top/
		COPY w/*/*.txt /both/
		COPY w/[xy] /merged/
		COPY w/?.txt /named
		COPY **/*.txt /no-depth/
		COPY --parents w/**/*.txt /depth/
		RUN test "$(ls /top /both /merged | tr '\n' ' ')" = "/both: a.txt b.txt  /merged: a.txt b.txt  /top: c.txt "
		RUN test -f /named && test "$(ls /no-depth)" = c.txt && test "$(find /depth -type f | wc -l)" = 3
	EOF
	build
}

@test "a missing source is an error that names it" {
	dockerfile <<-'EOF'
		FROM busybox
		COPY nothing /
	EOF
	refuses '"/nothing": not found'
	refuses "Dockerfile:2"
}

@test "blanks in names need the JSON form" {
	echo blank >"with blank"
	dockerfile <<-'EOF'
		FROM busybox
		COPY ["with blank", "one", "/to blank/"]
		RUN test "$(cat '/to blank/with blank')" = blank
	EOF
	build
}

@test "links: followed as a source, kept in a tree, never out of the context" {
	ln -s one link && ln -s dir dirlink && ln -s ../one dir/inner && ln -s /etc/passwd dir/absolute
	ln -s ../../../../../one escape && ln -s nothing dangling
	dockerfile <<-'EOF'
		FROM busybox
		COPY link /link
		COPY dirlink /dirlink
		COPY escape /escape
		COPY dir /dir
		RUN test ! -L /link && test "$(cat /link /dirlink/flat /escape)" = "$(printf 'one\nflat\none')"
		RUN test "$(readlink /dir/inner)" = ../one && test "$(readlink /dir/absolute)" = /etc/passwd
	EOF
	build
	dockerfile <<-'EOF'
		FROM busybox
		COPY dangling /
	EOF
	refuses "not found"
}

@test "a link as the destination is followed inside the root, but not by --link" {
	dockerfile <<-'EOF'
		FROM busybox
		RUN mkdir /real && ln -s /real /way && ln -s ../../../real /out
		COPY one /way/
		COPY two /out/
		RUN test "$(cat /real/one /real/two)" = "$(printf 'one\ntwo')" && test -L /way
		COPY --link one /way/
		RUN test ! -L /way && test -e /way/one
	EOF
	build
}

@test "--chown: names of the image, numbers, what is made on the way" {
	dockerfile <<-'EOF'
		FROM busybox
		COPY --chown=app one /new/dir/one
		COPY --chown=app:extra one /b
		COPY --chown=77 one /c
		COPY --chown=0:app dir /d
		ARG WHO=5:6
		COPY --chown=$WHO one /e
		RUN test "$(stat -c %u:%g /new/dir /new/dir/one /b /c /d /d/sub/deep /e | tr '\n' ' ')" = "1000:1000 1000:1000 1000:2000 77:77 0:1000 0:1000 5:6 "
	EOF
	build
	dockerfile <<-'EOF'
		FROM busybox
		COPY --chown=nobody-knows one /
	EOF
	refuses nobody-knows
}

@test "--chmod: octal, symbolic, variables, errors" {
	dockerfile <<-'EOF'
		FROM busybox
		COPY --chmod=4751 one /a
		COPY --chmod=u=rwX,go=rX dir /d
		ENV M=600
		COPY --chmod=$M one /b
		RUN test "$(stat -c %a /a /d/sub /d/flat /b | tr '\n' ' ')" = "4751 755 644 600 "
	EOF
	build
	dockerfile <<-'EOF'
		FROM busybox
		COPY --chmod=99999 one /
	EOF
	refuses 99999
}

@test "--exclude and --parents" {
	mkdir -p p/a p/b && echo 1 >p/a/x.o && echo 2 >p/a/y.c && echo 3 >p/b/z.o && echo 4 >p/top.o
	dockerfile <<-'EOF'
		FROM busybox
		COPY --exclude=*.o p /top
		COPY --exclude=**/*.o --exclude=!a/x.o p /all
		COPY --exclude=one one two /files/
		COPY --parents p/a/y.c p/b /par/
		COPY --parents p/./a/y.c /pivot/
		RUN test "$(cd /top && find . -type f | sort | tr '\n' ' ')" = "./a/x.o ./a/y.c ./b/z.o "
		RUN test "$(cd /all && find . -type f | sort | tr '\n' ' ')" = "./a/x.o ./a/y.c "
		RUN test "$(ls /files)" = two
		RUN test -e /par/p/a/y.c && test -e /par/p/b/z.o && test ! -e /par/p/a/x.o && test -e /pivot/a/y.c
	EOF
	build
	dockerfile <<-'EOF'
		FROM busybox
		COPY --parents p/none /x/
	EOF
	refuses "not found"
}

@test "here-documents as files" {
	dockerfile <<-'EOF'
		FROM busybox
		ENV V=value
		WORKDIR /w
		COPY <<one <<-'two' /docs/
		$V \$V "q" \\
		one
		literal $V
		two
		COPY --chmod=755 --chown=1:2 <<script named
		#!/bin/sh
		echo ran
		script
		RUN test "$(cat /docs/one)" = 'value $V "q" \' && test "$(cat /docs/two)" = 'literal $V'
		RUN test "$(./named)" = ran && test "$(stat -c %a:%u:%g named /docs/one | tr '\n' ' ')" = "755:1:2 644:0:0 "
	EOF
	build
	has_config 'any(h == "COPY <<one <<two /docs/ # buildkit" for h in history)'
}

@test "ADD unpacks what is an archive by its content, and copies the rest" {
	mkdir -p t/in && echo packed >t/in/file && chmod 640 t/in/file
	tar -C t --owner=1000 --group=1000 -cf archive in && tar -C t -czf odd.name in && gzip -c one >one.gz
	dockerfile <<-'EOF'
		FROM busybox
		ADD archive odd.name /a/
		ADD one.gz one /a/
		ADD --unpack=false archive /kept
		COPY archive /copied
		ADD --chown=5:6 archive /own/
		RUN test "$(cat /a/in/file)" = packed && test "$(stat -c %a:%u /own/in/file)" = 640:5
		RUN test -f /a/one.gz && test "$(cat /a/one)" = one && test -f /kept && test -f /copied
	EOF
	build
}

@test "what is left out: .dockerignore, its exceptions, and the Dockerfile itself" {
	printf '# comment\n*\n!one\n!dir/sub\n' >.dockerignore
	dockerfile <<-'EOF'
		FROM busybox
		COPY . /all/
		RUN test "$(cd /all && find . | sort | tr '\n' ' ')" = ". ./dir ./dir/sub ./dir/sub/deep ./one "
		RUN --mount=target=/m test "$(ls /m | tr '\n' ' ')" = "dir one "
	EOF
	build
	dockerfile <<-'EOF'
		FROM busybox
		COPY two /
	EOF
	refuses "not found"
}

@test "--context-modes=git makes modes those of a checkout" {
	chmod 600 one && chmod 710 two && chmod 700 dir
	dockerfile <<-'EOF'
		FROM busybox
		COPY . /c/
		RUN test "$(stat -c %a /c/one /c/two /c/dir | tr '\n' ' ')" = "644 755 755 "
		RUN --mount=type=bind,target=/m test "$(stat -c %a /m/one /m/two /m/dir | tr '\n' ' ')" = "644 755 755 "
		RUN --mount=type=bind,source=one,target=/f test "$(stat -c %a /f)" = 644
	EOF
	build --context-modes=git
	chmod 664 one
	run cooper build --context-modes=git "$context"
	assert_output_has "Using cache"
}

@test "names of one file in several sources stay that file, also where one of them is replaced" {
	mkdir x y
	echo first >x/a && echo second >y/a && ln x/a y/b && ln x/a y/c
	dockerfile <<-'EOF'
		FROM busybox
		COPY x y /both/
		RUN test "$(cd /both && cat a b c | tr '\n' ' ')" = "second first first " && test /both/b -ef /both/c
		COPY y x /again/
		RUN test "$(cd /again && cat a b c | tr '\n' ' ')" = "first first first " && test /again/a -ef /again/b
	EOF
	build
}
