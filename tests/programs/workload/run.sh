#!/bin/bash
# run.sh PART: what a step does with ordinary tools, in an empty directory of its own. What it says does not depend on
# how the step is isolated.
set -u
export HOME=/root GIT_AUTHOR_DATE=2020-01-01T00:00:00Z GIT_COMMITTER_DATE=2020-01-01T00:00:00Z GIT_CONFIG_NOSYSTEM=1
mkdir -p "/tmp/$1" && cd "/tmp/$1" || exit 1

compile() {
	gcc -O1 -pthread -o threads /w/threads.c && ./threads
	gcc -O1 -pthread -static -o threads-static /w/threads.c && ./threads-static
	gcc -O1 -pthread -fPIC -no-pie -o threads-fixed /w/threads.c && ./threads-fixed
}

make_all() {
	for i in 1 2 3 4 5 6; do echo "int f$i(void) { return $i; }" >"f$i.c"; done
	echo 'int main(void) { return 0; }' >main.c
	# shellcheck disable=SC2016 # make expands them
	printf '%s\n' 'OBJECTS := $(patsubst %.c,%.o,$(sort $(wildcard *.c)))' 'prog: $(OBJECTS)' \
		$'\t@$(CC) -o $@ $^' '%.o: %.c' $'\t@$(CC) -c -o $@ $<' >Makefile
	make -j4 && ./prog && make -q
	echo "up to date: $?"
	touch f1.c && make -q
	echo "touched: $?"
}

use_git() {
	git config --global user.email a@b.example
	git config --global user.name n
	git config --global init.defaultBranch main
	git config --global protocol.file.allow always
	git init -q one
	for i in 1 2 3; do
		echo "$i" >"one/f$i"
		git -C one add . && git -C one commit -q -m "$i"
	done
	git -C one checkout -q -b side && echo x >one/f1 && git -C one commit -q -a -m side
	git -C one checkout -q main && git -C one merge -q --no-edit side
	git -C one gc -q && git -C one fsck
	git clone -q one two && git -C two log --format=%H
	git clone -q --bare "file://$PWD/one" three
	git -C two worktree add -q ../tree -b tree && git -C two submodule --quiet add "file://$PWD/three" sub
	git -C two commit -q -m sub && git -C two status --short
}

use_shell() {
	flock lock -c 'echo locked; flock -n lock true || echo busy'
	(exec 9>other && flock 9)
	flock -n other echo free
	mkfifo pipe && (echo through >pipe &) && cat pipe
	mkdir tree && cp -a /usr/include/linux/. tree/ && tar cf - tree | (mkdir again && tar xf - -C again) && diff -r again/tree /usr/include/linux
	dd if=/dev/zero of=sparse bs=1 count=1 seek=1M status=none && cp --sparse=always sparse copy && cmp sparse copy
	truncate -s 3 copy && stat -c '%s %U %a' copy
	install -o 33 -g 44 -m 4750 copy installed && stat -c '%u:%g %a' installed
	ln -s copy link && readlink -f link
	cat <(echo one) <(echo two)
	coproc cat && echo three >&"${COPROC[1]}" && read -r line <&"${COPROC[0]}" && echo "$line"
	timeout 1 sleep 5
	echo "timeout: $?"
	trap 'echo trapped' USR1 && kill -USR1 $$
	{ bash -c 'kill -SEGV $$'; } 2>/dev/null
	echo "signal: $?"
	find . -newer lock -type l
	ulimit -n && umask && id
}

case $1 in
compile) compile ;;
make) make_all ;;
git) use_git ;;
shell) use_shell ;;
python) python3 /w/work.py ;;
perl) perl /w/work.pl ;;
esac
