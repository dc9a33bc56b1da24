# Steps for arm64 on amd64, on each rung that a machine may have, and where it cannot be.
load lib/common
load lib/multiarch

setup_file() {
	common_setup_file
	need_emulation
	[ ! -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] || skip "somebody has set the machine up for it"
	use_busybox
	make_base_list
	mkdir -p "$BATS_FILE_TMPDIR/context"
	printf 'FROM base\nRUN ["/hello", "/machine"]\n' >"$BATS_FILE_TMPDIR/context/Dockerfile"
	export CONTEXT=$BATS_FILE_TMPDIR/context
	cooper push -q --all base "oci:$BATS_FILE_TMPDIR/base:x"
}

# A store of its own, for the ids that it is for.
alone() {
	fresh_store "$1"
	shift
	"$@" cooper pull -q --arch arm64 "oci:$BATS_FILE_TMPDIR/base:x" >/dev/null || return
	ctr=$("$@" cooper from --name arm --platform linux/arm64 "oci:$BATS_FILE_TMPDIR/base:x")
}

@test "all ids: run and build" {
	cooper build -q --min-isolation 1p --platform linux/arm64 -t full "$CONTEXT"
	[ "$(file_of linux/arm64 full /machine)" = aarch64 ]
}

@test "one id" {
	local one=(unshare --map-root-user)
	alone one-id "${one[@]}"
	"${one[@]}" cooper info --format '{{.isolation.rung}}' | grep -qx '2p\?'
	[ "$("${one[@]}" cooper run arm -- /hello)" = aarch64 ]
	[ "$("${one[@]}" cooper run --user 1000:1000 arm -- /hello)" = aarch64 ]
	"${one[@]}" cooper rm arm
	remove_store "$COOPER_ROOT"
}

@test "a /proc that is not fresh" {
	# Something that lies over a part of /proc keeps the kernel from giving out a whole one.
	local masked=(unshare --map-root-user --mount sh -c 'mount --bind /dev/null /proc/timer_list && exec unshare --user --map-root-user --mount "$@"' -)
	alone masked "${masked[@]}"
	[ "$("${masked[@]}" cooper info --format '{{.isolation.rung}}')" = 2p ]
	[ "$("${masked[@]}" cooper run arm -- /hello)" = aarch64 ]
	"${masked[@]}" cooper rm arm
	remove_store "$COOPER_ROOT"
}

@test "without namespaces: an error that says what is missing" {
	export COOPER_ISOLATION=translated
	alone translated env
	run -126 cooper run arm -- /hello
	[[ $output == *"programs for arm64 cannot be executed on this machine: there is no user namespace to register qemu in"* ]]
	[[ $output == *"package qemu-user-static with binfmt-support or systemd-binfmt"* ]]
	cooper rm arm
	remove_store "$COOPER_ROOT"
}

@test "a kernel before 6.7: an error that says so, for run and for build" {
	cc -shared -fPIC -O1 -o "$BATS_TEST_TMPDIR/older_kernel.so" "$BATS_TEST_DIRNAME/../programs/older_kernel.c" ||
		skip "no C compiler"
	export LD_PRELOAD=$BATS_TEST_TMPDIR/older_kernel.so ASAN_OPTIONS=verify_asan_link_order=0
	local ctr
	ctr=$(cooper from --platform linux/arm64 base)
	run -126 cooper run "$ctr" -- /hello
	[[ $output == *"programs for arm64 cannot be executed on this machine: "*"binfmt_misc"* ]]
	[[ $output == *"that needs Linux 6.7, or an administrator who registers it for all with the flag F"* ]]
	run -126 cooper build --no-cache --platform linux/arm64 "$CONTEXT"
	[[ $output == *"Dockerfile:2"*"that needs Linux 6.7"* ]]
	# What is native is not touched by it.
	cooper build -q --no-cache --platform linux/amd64 "$CONTEXT"
	cooper rm "$ctr"
	cooper rm -a >/dev/null
}
