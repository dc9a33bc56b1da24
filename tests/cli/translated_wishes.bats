# What is asked of a step that a root without namespaces has in another way, or not at all: never skipped without a word.
load lib/common

setup_file() {
	common_setup_file
	export COOPER_ISOLATION=translated
	use_busybox
	cooper from --name c busybox
}

@test "what cannot be had is refused by run, and by from and build before anything is done" {
	printf 'FROM busybox\nRUN echo reached >&2\nRUN true\n' >"$BATS_TEST_TMPDIR/Dockerfile"
	before=$(cooper containers -q | wc -l)
	for wish in "--network private" "--memory 100m" "--cpu-shares 5" "--pids-limit 50" "--device /dev/null" "--pid host" \
		"--security-opt mask=/etc" "--security-opt unmask=ALL" "--security-opt apparmor=none-such" \
		"--security-opt label=type:x" "-v $BATS_TEST_TMPDIR:/v:O,upperdir=/tmp,workdir=/tmp"; do
		# shellcheck disable=SC2086 # two words
		run cooper run $wish c true
		assert_fails_with 125 "cannot be had in a root without namespaces"
		# shellcheck disable=SC2086
		run cooper from $wish busybox
		assert_fails_with 125 "cannot be had in a root without namespaces"
		# shellcheck disable=SC2086
		run cooper build --no-cache $wish "$BATS_TEST_TMPDIR"
		assert_fails_with 125 "cannot be had in a root without namespaces"
		assert_output_lacks reached
	done
	[ "$(cooper containers -q | wc -l)" = "$before" ]
	COOPER_NETWORK=private run cooper from busybox
	assert_fails_with 125 "--network private cannot be had"
	# Nothing is run, so nothing is missing.
	printf 'FROM busybox\nCOPY Dockerfile /\n' >"$BATS_TEST_TMPDIR/Dockerfile"
	run -0 cooper build --memory 100m "$BATS_TEST_TMPDIR"
	run cooper run --runtime crun c true
	assert_fails_with 125 ""
}

@test "the host's name is the step's own, or the machine's where that is asked for" {
	run -0 cooper run c sh -c 'hostname; uname -n; cat /etc/hostname; uname -s'
	[ "$output" = $'cooper\ncooper\ncooper\nLinux' ]
	run -0 cooper run --hostname box c uname -n
	[ "$output" = box ]
	run -0 cooper run --uts host c uname -n
	[ "$output" = "$(uname -n)" ]
}

@test "no-new-privileges disarms set-user-id programs" {
	gcc -x c -static -o "$BATS_TEST_TMPDIR/effective" - <<-'END' || skip "no static C library"
		#include <stdio.h>
		#include <unistd.h>
		int main(void) { return printf("%u\n", geteuid()) < 0; }
	END
	cooper copy -q --chmod 4755 c "$BATS_TEST_TMPDIR/effective" /effective
	run -0 cooper run --user app c /effective
	[ "$output" = 0 ]
	run -0 cooper run --user app --security-opt no-new-privileges c sh -c '/effective; grep NoNewPrivs /proc/self/status'
	[ "$output" = $'1000\nNoNewPrivs:\t1' ]
}

@test "sizes of memory file systems have no effect, and that is said" {
	run --separate-stderr -0 cooper run --shm-size 1m --mount type=tmpfs,target=/m,size=1m c \
		sh -c 'for d in /dev/shm /m; do dd if=/dev/zero of=$d/f bs=1k count=2000 2>/dev/null && stat -c %s $d/f; done'
	[ "$output" = $'2048000\n2048000' ]
	[[ $stderr == *"--shm-size has no effect"* && $stderr == *"the size of '/m' has no effect"* ]]
	run --separate-stderr -0 cooper run --mount type=tmpfs,target=/m c true
	[ -z "$stderr" ]
}

@test "what is mounted to be written and thrown away is a copy" {
	mkdir -p "$BATS_TEST_TMPDIR/context/deep/er"
	echo original >"$BATS_TEST_TMPDIR/context/deep/er/file"
	ln -s er/file "$BATS_TEST_TMPDIR/context/deep/link"
	mkfifo "$BATS_TEST_TMPDIR/context/fifo"
	chmod 750 "$BATS_TEST_TMPDIR/context/deep"
	touch -d @1600000000 "$BATS_TEST_TMPDIR/context/deep/er/file"
	cat >"$BATS_TEST_TMPDIR/context/Dockerfile" <<-'END'
		FROM busybox
		RUN --mount=type=bind,rw,target=/x cd /x && stat -c '%n %a %u %Y' deep deep/er/file deep/link fifo | sed 's/ [0-9]*$//' >/seen && \
			stat -c %Y deep/er/file >>/seen && echo changed >deep/er/file && cat deep/link >>/seen && rm fifo && mkdir new
		RUN --mount=type=bind,from=busybox,source=/etc,target=/y,rw echo evil >/y/passwd && cat /y/passwd >>/seen && head -n 1 /etc/passwd >>/seen
	END
	for kind in full translated; do
		fresh_store "$kind"
		export COOPER_ISOLATION=$kind
		use_busybox
		SOURCE_DATE_EPOCH=1700000000 cooper build -q --rewrite-timestamp -t made "$BATS_TEST_TMPDIR/context" >"$BATS_TEST_TMPDIR/$kind.id"
		cooper run "$(cooper from made)" cat /seen >"$BATS_TEST_TMPDIR/$kind.seen"
	done
	diff "$BATS_TEST_TMPDIR/full.seen" "$BATS_TEST_TMPDIR/translated.seen"
	diff "$BATS_TEST_TMPDIR/full.id" "$BATS_TEST_TMPDIR/translated.id"
	[ "$(tail -n 3 "$BATS_TEST_TMPDIR/full.seen" | tr '\n' ' ')" = "changed evil root:x:0:0:root:/root:/bin/sh " ]
	[ "$(cat "$BATS_TEST_TMPDIR/context/deep/er/file")" = original ]
	[ -p "$BATS_TEST_TMPDIR/context/fifo" ] && [ ! -e "$BATS_TEST_TMPDIR/context/new" ]
	export COOPER_ISOLATION=translated
	run -0 cooper run -v "$BATS_TEST_TMPDIR/context:/c:O" "$(cooper from busybox)" sh -c 'echo no >/c/no; cat /c/no'
	[ "$output" = no ] && [ ! -e "$BATS_TEST_TMPDIR/context/no" ]
}

@test "System V objects of the machine's are there with --ipc host alone" {
	skip_unless ipcmk ipcrm
	gcc -x c -static -o "$BATS_TEST_TMPDIR/remove" - <<-'END' || skip "no static C library"
		#include <stdlib.h>
		#include <sys/shm.h>
		int main(int argc, char **argv) { return shmctl(atoi(argv[1]), IPC_RMID, NULL) < 0; }
	END
	id=$(ipcmk -M 4096 | grep -o '[0-9]*$')
	run -1 cooper run -v "$BATS_TEST_TMPDIR/remove:/remove:ro" c /remove "$id"
	run -0 cooper run --ipc host -v "$BATS_TEST_TMPDIR/remove:/remove:ro" c /remove "$id"
	run ipcrm -m "$id"
	[ "$status" -ne 0 ]
}
