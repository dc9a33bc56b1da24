# The Dockerfile language: COPY.
load lib/common
load lib/build
load lib/language

# Lines of stdin: what is copied, and behind " => " a command that must succeed afterwards. "; " goes to another line.
copies_each() {
	local line number=0
	{
		printf 'FROM busybox AS base\nRUN mkdir -p /was/sub && echo old >/was/file && ln -s /was /way\nWORKDIR /w\n'
		while IFS= read -r line; do
			printf 'FROM base AS case%s\n%s\nRUN %s\n' "$number" "${line%% => *}" "${line#* => }" | sed 's/; \(COPY\|ADD\|USER\)/\n\1/g'
			number=$((number + 1))
		done
		printf 'FROM scratch\n'
		while [ "$number" -gt 0 ]; do
			number=$((number - 1))
			printf 'COPY --from=case%s /bin/sh /%s\n' "$number" "$number"
		done
	} | dockerfile
	build
}

@test "where a file goes" {
	copies_each <<-'EOF'
		COPY one /new => test "$(cat /new)" = one
		COPY one /new/ => test "$(cat /new/one)" = one
		COPY one /was => test "$(cat /was/one)" = one
		COPY one /was/file => test "$(cat /was/file)" = one
		COPY one /way => test "$(cat /was/one)" = one && test -L /way
		COPY one . => test -e /w/one
		COPY one ./ => test -e /w/one
		COPY one rel => test -f /w/rel
		COPY one rel/deep/ => test -e /w/rel/deep/one
		COPY one ../up => test -e /up
		COPY one / => test -e /one
		COPY one /a/../b => test -e /b
		COPY /one /x => test -e /x
		COPY ../../one /x => test -e /x
		COPY ./dir/../one /x => test -e /x
		COPY one two /d/ => test -e /d/one && test -e /d/two
		COPY one two /was => test -e /was/one && test -e /was/two
		COPY one two /name => test "$(cat /name)" = two
	EOF
}

@test "where a directory goes" {
	copies_each <<-'EOF'
		COPY dir /new => test -e /new/flat && test -e /new/sub/deep && test ! -e /new/dir
		COPY dir /new/ => test -e /new/flat
		COPY dir/ /was => test -e /was/flat && test -e /was/sub/deep && test -e /was/file
		COPY dir dir/sub /two/ => test -e /two/flat && test -e /two/deep
		COPY dir one /mix/ => test -e /mix/flat && test -e /mix/one
		COPY . /all => test -e /all/one && test -e /all/dir/flat && test -e /all/Dockerfile
		COPY / /all => test -e /all/one
		COPY .. /all => test -e /all/one
		COPY dir . => test -e /w/flat
		COPY dir /way => test -e /was/flat && test -L /way
	EOF
}

@test "what cannot be copied onto what" {
	printf 'FROM busybox\nRUN echo >/f\nCOPY dir /f\n' | dockerfile
	refuses "'/f' is not a directory"
	[[ $stderr == *Dockerfile:3* ]]
	refuses_each <<-'EOF'
		COPY nothing / => "/nothing": not found
		COPY one nothing / => "/nothing": not found
		COPY dir/nothing/ /x => "/dir/nothing
		COPY one <<EOT\nEOT => Dockerfile:2
	EOF
}

@test "wildcards" {
	mkdir -p w/x w/y 'w/[z]'
	echo 1 >w/x/a.txt && echo 2 >w/y/b.txt && echo 3 >w/c.txt && echo 4 >'w/[z]/d' && echo 5 >w/c.tx
	copies_each <<-'EOF'
		COPY *.none /x/ => test ! -e /x/one
		COPY w/*.txt /x/ => test "$(ls /x)" = c.txt
		COPY w/c.tx? /x/ => test "$(ls /x)" = c.txt
		COPY w/*/*.txt /x/ => test "$(ls /x | tr '\n' ' ')" = "a.txt b.txt "
		COPY w/[xy] /x/ => test "$(ls /x | tr '\n' ' ')" = "a.txt b.txt "
		COPY w/[!x]* /x/ => test "$(ls /x)" = a.txt
		COPY w/[^x]/*.txt /x/ => test "$(ls /x)" = b.txt
		COPY w/\[z\]/d /x => test "$(cat /x)" = 4
		COPY w/c.* /x/ => test "$(ls /x | tr '\n' ' ')" = "c.tx c.txt "
		COPY ? /x/ => test -e /x/x -a -e /x/y
		COPY **/flat /x/ => test "$(cat /x/flat)" = flat
		COPY on? /renamed => test "$(cat /renamed)" = one
	EOF
	printf 'FROM busybox\nCOPY w/[x /\n' | dockerfile
	refuses "Dockerfile:2"
}

@test "links in the source path are followed in the context, those in a tree are kept" {
	ln -s one link && ln -s dir dirlink && ln -s /one absolute && ln -s ../../../one escape && ln -s nothing dangling
	ln -s ../one dir/inner && ln -s /etc/shadow dir/abs && ln -s nothing dir/dang
	copies_each <<-'EOF'
		COPY link /x => test ! -L /x && test "$(cat /x)" = one
		COPY absolute escape /x/ => test "$(cat /x/absolute /x/escape)" = "$(printf 'one\none')"
		COPY dirlink /x => test ! -L /x && test -e /x/flat
		COPY dirlink/sub/deep /x => test "$(cat /x)" = deep
		COPY lin? /x/ => test ! -L /x/link && test "$(cat /x/link)" = one
		COPY dir /x => test "$(readlink /x/inner)" = ../one && test "$(readlink /x/abs)" = /etc/shadow && test -L /x/dang
	EOF
	printf 'FROM busybox\nCOPY dangling /\n' | dockerfile
	refuses "not found"
}

@test "modes, times, hard links and what is no file" {
	chmod 4711 one && chmod 1777 dir/sub && touch -d 2001-02-03T04:05:06Z one dir/flat && ln one hard
	mkdir h && echo h >h/a && ln h/a h/b && mkfifo h/pipe
	copies_each <<-'EOF'
		COPY one /x => test "$(stat -c %a:%u:%g /x)" = 4711:0:0
		COPY dir /x => test "$(stat -c %a /x /x/sub | tr '\n' ' ')" = "755 1777 "
		COPY dir one /x/ => test "$(stat -c %Y /x/one /x/flat | uniq)" = 981173106
		COPY h /x => test "$(stat -c %h /x/a)" = 2 && test -p /x/pipe
		USER app; COPY one /x/y => test "$(stat -c %u /x /x/y | uniq)" = 0
	EOF
}

@test "a directory that is there keeps its owner and mode, one below takes the source's" {
	chmod 750 dir dir/sub
	dockerfile <<-'EOF'
		FROM busybox
		RUN mkdir -p -m 700 /d /d/sub && chown -R 5:6 /d
		COPY dir /d
		RUN test "$(stat -c %a:%u:%g /d /d/sub | tr '\n' ' ')" = "700:5:6 750:0:0 "
		COPY --chown=8:9 dir /d
		RUN test "$(stat -c %a:%u:%g /d /d/sub /d/flat | tr '\n' ' ')" = "700:5:6 750:8:9 644:8:9 "
	EOF
	build
}

@test "--chown" {
	copies_each <<-'EOF'
		COPY --chown=7 one /x => test "$(stat -c %u:%g /x)" = 7:7
		COPY --chown=7:8 one /x => test "$(stat -c %u:%g /x)" = 7:8
		COPY --chown=app one /x => test "$(stat -c %u:%g /x)" = 1000:1000
		COPY --chown=app:extra one /x => test "$(stat -c %u:%g /x)" = 1000:2000
		COPY --chown=app:0 one /x => test "$(stat -c %u:%g /x)" = 1000:0
		COPY --chown=0:app one /x => test "$(stat -c %u:%g /x)" = 0:1000
		COPY --chown=root one /x => test "$(stat -c %u:%g /x)" = 0:0
		COPY --chown=4:5 one /n/e/w/x => test "$(stat -c %u:%g /n /n/e/w /n/e/w/x | uniq)" = 4:5
		COPY --chown=4:5 dir /n => test "$(stat -c %u:%g /n /n/flat /n/sub/deep | uniq)" = 4:5
		COPY --from=busybox --chown=4:5 /etc /n => test "$(stat -c %u:%g /n/passwd)" = 4:5
	EOF
	refuses_each <<-'EOF'
		COPY --chown=nobody-knows one / => nobody-knows
		COPY --chown=0:no-group one / => no-group
		COPY --chown=nobody-knows --link one / => nobody-knows
	EOF
}

@test "--chown=root needs no passwd, another name does" {
	printf 'FROM scratch\nCOPY --chown=root:root one /\n' | dockerfile
	build
	printf 'FROM scratch\nCOPY --chown=app one /\n' | dockerfile
	refuses "app"
}

@test "--chmod" {
	copies_each <<-'EOF'
		COPY --chmod=600 one /x => test "$(stat -c %a /x)" = 600
		COPY --chmod=0755 one /x => test "$(stat -c %a /x)" = 755
		COPY --chmod=6755 one /x => test "$(stat -c %a /x)" = 6755
		COPY --chmod=u=rwX,go=rX dir /x => test "$(stat -c %a /x /x/sub /x/flat | tr '\n' ' ')" = "755 755 644 "
		COPY --chmod=u+x,o-r one /x => test "$(stat -c %a /x)" = 740
		COPY --chmod=a=r one /x => test "$(stat -c %a /x)" = 444
		COPY --chmod=700 dir /n/x => test "$(stat -c %a /n/x /n/x/sub /n/x/flat | uniq)" = 700
	EOF
	refuses_each <<-'EOF'
		COPY --chmod=9 one / => 9
		COPY --chmod=77777 one / => 77777
		COPY --chmod=u~x one / => u~x
		COPY --chmod=-1 one / => -1
	EOF
}

@test "--link: an own layer, which follows no link of the base" {
	dockerfile <<-'EOF'
		FROM busybox
		RUN mkdir -m 700 /real && ln -s /real /way
		WORKDIR /w
		COPY --link one /way/
		COPY --link one rel
		COPY --link dir .
		COPY --link --chown=3:4 one /own/
		COPY --link --chmod=600 one /mode
		COPY --link=false one /real/
		RUN test ! -L /way && test -e /way/one && test ! -e /real/way && test -e /w/rel && test -e /w/flat
		RUN test "$(stat -c %u:%g /own /own/one | uniq)" = 3:4 && test "$(stat -c %a /mode /real | tr '\n' ' ')" = "600 700 "
	EOF
	build
}

@test "--parents" {
	mkdir -p p/a/deep p/b && echo 1 >p/a/x && echo 2 >p/a/deep/y && echo 3 >p/b/x && echo 4 >p/top && chmod 711 p/a
	copies_each <<-'EOF'
		COPY --parents p/a/x /o/ => test "$(cat /o/p/a/x)" = 1 && test "$(stat -c %a /o/p/a)" = 711
		COPY --parents p/a/x p/b/x /o/ => test "$(cat /o/p/a/x /o/p/b/x)" = "$(printf '1\n3')"
		COPY --parents p/*/x /o/ => test -e /o/p/a/x && test -e /o/p/b/x && test ! -e /o/p/a/deep
		COPY --parents p/./a/x /o/ => test -e /o/a/x && test ! -e /o/p
		COPY --parents ./p/a /o/ => test -e /o/p/a/deep/y
		COPY --parents p/**/y /o/ => test -e /o/p/a/deep/y && test ! -e /o/p/a/x
		COPY --parents **/x /o/ => test -e /o/p/a/x && test -e /o/p/b/x
		COPY --parents p/none* /o/ => test ! -e /o/p/a
		COPY --parents p/longer*/./x p/[a-b]*/./x /o/ => test -e /o/x && test ! -e /o/p
		COPY --parents p/*/./deep/** /o/ => test "$(cat /o/deep/y)" = 2 && test ! -e /o/p
		COPY --parents p/**/./x /o/ => test "$(cat /o/x)" = 3 && test ! -e /o/a
		COPY --from=base --parents /was/file ./ => test -e /w/was/file
	EOF
	printf 'FROM busybox\nCOPY --parents p/none /x/\n' | dockerfile
	refuses "not found"
	printf 'FROM busybox\nADD --parents p/a /x/\n' | dockerfile
	refuses "parents"
}

@test "--exclude" {
	mkdir -p e/a && touch e/{1.o,1.c} e/a/{2.o,2.c}
	copies_each <<-'EOF'
		COPY --exclude=*.o e /x => test "$(cd /x && find . -type f | sort | tr '\n' ' ')" = "./1.c ./a/2.c ./a/2.o "
		COPY --exclude=**/*.o e /x => test "$(cd /x && find . -type f | sort | tr '\n' ' ')" = "./1.c ./a/2.c "
		COPY --exclude=a e /x => test "$(cd /x && find . -type f | sort | tr '\n' ' ')" = "./1.c ./1.o "
		COPY --exclude=**/*.o --exclude=!a/2.o e /x => test -e /x/a/2.o && test ! -e /x/1.o
		COPY --exclude=*.o --exclude=*.c e /x => test "$(cd /x && find . -type f | sort | tr '\n' ' ')" = "./a/2.c ./a/2.o "
		COPY --exclude=one one two /x/ => test "$(ls /x)" = two
		COPY --exclude=t* one two /x/ => test "$(ls /x)" = one
		ADD --exclude=*.o e /x => test ! -e /x/1.o && test -e /x/1.c
		COPY --from=base --exclude=sub /was /x => test ! -e /x/sub && test -e /x/file
	EOF
}

@test "sockets become empty files, pipes stay pipes" {
	skip_unless python3
	mkdir s && python3 -c 'import socket
socket.socket(socket.AF_UNIX).bind("s/sock")' && mkfifo pipe
	copies_each <<-'EOF'
		COPY s /x => test -f /x/sock && test ! -s /x/sock
		COPY s/sock /x => test -f /x
		COPY pipe /x => test -p /x
	EOF
}

@test "history of COPY and ADD: as written, expanded, with flags, without here-documents' bodies" {
	dockerfile <<-'EOF'
		FROM busybox
		ENV F=one
		COPY --chown=1:2 $F /a
		ADD one two /b/
		COPY --from=busybox /etc/passwd /c
		COPY <<EOT /d
		secret body
		EOT
	EOF
	build
	has_config 'history[2:] == ["COPY --chown=1:2 one /a # buildkit", "ADD one two /b/ # buildkit", "COPY /etc/passwd /c # buildkit", "COPY <<EOT /d # buildkit"]'
}
