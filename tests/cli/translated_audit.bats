# A step without namespaces is not the machine's root, and does not speak to its audit: what would (sudo, PAM) finds none.
load lib/common

setup_file() {
	common_setup_file
	export COOPER_ISOLATION=translated
	use_busybox
	cat >"$BATS_FILE_TMPDIR/sockets.c" <<-'END'
		#include <errno.h>
		#include <linux/netlink.h>
		#include <stdio.h>
		#include <string.h>
		#include <sys/socket.h>

		static void try(const char *name, int family, int type, int protocol)
		{
			int fd = socket(family, type, protocol);

			printf("%s %s\n", name, fd < 0 ? strerror(errno) : "ok");
		}

		int main(void)
		{
			try("audit", AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_AUDIT);
			try("route", AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
			try("tcp", AF_INET, SOCK_STREAM, 0);
			try("unix", AF_UNIX, SOCK_DGRAM, 0);
			return 0;
		}
	END
	gcc -static -o "$BATS_FILE_TMPDIR/sockets" "$BATS_FILE_TMPDIR/sockets.c" || skip "no static C library"
}

@test "there is no audit, and other sockets are there" {
	run -0 cooper run -v "$BATS_FILE_TMPDIR/sockets:/sockets:ro" "$(cooper from busybox)" /sockets
	assert_output_has "audit Protocol not supported"
	assert_output_has "route ok"
	assert_output_has "tcp ok"
	assert_output_has "unix ok"
}

@test "without a network there are unix sockets alone" {
	run -0 cooper run --network none -v "$BATS_FILE_TMPDIR/sockets:/sockets:ro" "$(cooper from busybox)" /sockets
	assert_output_has "audit Protocol not supported"
	assert_output_has "route Address family not supported"
	assert_output_has "tcp Address family not supported"
	assert_output_has "unix ok"
}
