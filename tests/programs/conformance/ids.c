/* Who am I, and be somebody else: setresuid(2) and its kin, setgroups(2), capabilities(7). */
#include "conformance.h"

#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static void drop_all(void)
{
	const gid_t groups[] = {100, 200};

	print_ids();
	SHOW(setgroups(2, groups));
	SHOW(setgid(1000));
	SHOW(setuid(1000));
	print_ids();
	SHOW(setuid(0));
	SHOW(seteuid(0));
	SHOW(setgid(0));
	SHOW(setgroups(0, NULL));
	SHOW(setresuid(-1, 0, -1));
	SHOW(chown("file", 0, 0));
	SHOW(getgroups(1, (gid_t[]){0}));
	SHOW(syscall(SYS_getgroups, -1, NULL));
	print_ids();
}

static void go_and_return(void)
{
	SHOW(setegid(8));
	SHOW(seteuid(5));
	print_ids();
	SHOW(seteuid(6));
	SHOW(setreuid(5, 0));
	print_ids();
	SHOW(setregid(8, 8));
	SHOW(seteuid(0));
	print_ids();
	SHOW(setfsuid(9));
	SHOW(setfsuid(-1));
	SHOW(setfsgid(9));
	print_ids();
	SHOW(setresuid(1, 2, 3));
	print_ids();
	SHOW(setresuid(3, 1, 2));
	SHOW(setresuid(4, -1, -1));
	SHOW(setresgid(-1, -1, -1));
	SHOW(setreuid(-1, -1));
	print_ids();
}

static void keep_capabilities(void)
{
	SHOW(prctl(PR_SET_KEEPCAPS, 1));
	SHOW(prctl(PR_SET_KEEPCAPS, 2));
	SHOW(setresuid(7, 7, 7));
	print_ids();
	SHOW(setresgid(7, 7, 7));
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{.effective = 1 << CAP_SETGID, .permitted = 1 << CAP_SETGID}};
	SHOW(syscall(SYS_capset, &header, data));
	print_ids();
	SHOW(setresgid(9, 9, 9));
	SHOW(setresuid(9, 9, 9));
	data[0].permitted |= 1 << CAP_SETUID;
	SHOW(syscall(SYS_capset, &header, data));
	SHOW(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT));
	SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SETGID, 0, 0));
	header.version = 1;
	SHOW(syscall(SYS_capget, &header, NULL));
	printf("version %x\n", header.version);
}

/* A child that asks first after its parent has changed, and one whose parent is gone. */
static void inherit(void)
{
	int gate[2], back[2];
	char byte;

	if (pipe(gate) < 0 || pipe(back) < 0)
		return;
	fflush(stdout);
	if (fork() == 0) {
		if (read(gate[0], &byte, 1) == 1)
			printf("child of root: %u\n", getuid());
		fflush(stdout);
		_exit(0);
	}
	SHOW(setuid(55));
	fflush(stdout);
	if (write(gate[1], "x", 1) != 1)
		return;
	wait(NULL);
	if (fork() == 0) {
		if (fork() == 0) {
			usleep(20000);
			printf("grandchild without parent: %u\n", getuid());
			fflush(stdout);
			if (write(back[1], "x", 1) != 1)
				_exit(1);
			_exit(0);
		}
		_exit(0);
	}
	wait(NULL);
	if (read(back[0], &byte, 1) == 1)
		printf("done\n");
}

/* The kernel keeps them sorted. */
static void groups(void)
{
	const gid_t some[] = {500, 100, 300, 100, 60000};
	const gid_t bad[] = {4294967295U};

	SHOW(setgroups(5, some));
	print_ids();
	SHOW(getgroups(0, NULL));
	SHOW(syscall(SYS_getgroups, 5, 1L));
	SHOW(syscall(SYS_setgroups, 1, bad));
	SHOW(syscall(SYS_setgroups, 1, 1L));
	SHOW(syscall(SYS_setgroups, -1, some));
	SHOW(syscall(SYS_setgroups, 65537, some));
	print_ids();
	SHOW(setuid(9));
	SHOW(syscall(SYS_setgroups, 65537, some));
	SHOW(syscall(SYS_setgroups, 1, 1L));
	SHOW(setgroups(0, NULL));
	print_ids();
}

static void wrong_arguments(void)
{
	uid_t id;

	SHOW(syscall(SYS_setuid, -1));
	SHOW(syscall(SYS_setgid, -1));
	SHOW(syscall(SYS_setuid, 0x100000001L));
	SHOW(syscall(SYS_getresuid, &id, &id, 1L));
	SHOW(syscall(SYS_getresgid, NULL, &id, &id));
	SHOW(setfsgid(77));
	SHOW(setfsgid(-1));
	print_ids();
}

/* Saved ids, as su and sudo use them. */
static void swap(void)
{
	SHOW(setresuid(-1, 1, 0));
	print_ids();
	SHOW(setreuid(1, -1));
	print_ids();
	SHOW(setreuid(0, 1));
	print_ids();
	SHOW(setuid(0));
	print_ids();
	SHOW(setuid(4));
	SHOW(setresuid(0, 0, 0));
	print_ids();
	SHOW(setuid(4));
	SHOW(setuid(1));
	print_ids();
}

void test_ids(void)
{
	make("file", "x");
	SHOW(chown("file", 21, 22));
	apart(drop_all);
	apart(go_and_return);
	apart(groups);
	apart(wrong_arguments);
	apart(swap);
	apart(inherit);
}

/* ---- capabilities ---- */

static void print_bounding(void)
{
	uint64_t bounding = 0;

	for (int i = 0; i < 41; i++)
		if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1)
			bounding |= (uint64_t)1 << i;
	printf("bounding has chown %d\n", (int)(bounding >> CAP_CHOWN & 1));
}

static void bounding(void)
{
	print_bounding();
	SHOW(prctl(PR_CAPBSET_READ, 99, 0, 0, 0));
	SHOW(prctl(PR_CAPBSET_DROP, 99, 0, 0, 0));
	SHOW(prctl(PR_CAPBSET_DROP, CAP_CHOWN, 0, 0, 0));
	print_bounding();
	print_ids();
	copy_self("who");
	fflush(stdout);
	execl("./who", "who", "--ids", NULL);
}

static void bounding_of_user(void)
{
	SHOW(setuid(5));
	SHOW(prctl(PR_CAPBSET_DROP, CAP_CHOWN, 0, 0, 0));
	print_bounding();
}

static void ambient(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};

	SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN, 0, 0));
	SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0));
	syscall(SYS_capget, &header, data);
	data[0].inheritable = 1 << CAP_CHOWN;
	SHOW(syscall(SYS_capset, &header, data));
	SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0));
	SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 63, 0, 0));
	SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 1, 0));
	SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN, 0, 0));
	SHOW(prctl(PR_CAP_AMBIENT, 77, CAP_CHOWN, 0, 0));
	SHOW(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
	SHOW(setresuid(5, 5, 5));
	print_ids();
	SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN, 0, 0));
	copy_self("who");
	fflush(stdout);
	execl("./who", "who", "--ids", NULL);
}

static void secure_bits(void)
{
	SHOW(prctl(PR_SET_SECUREBITS, 0x10000));
	SHOW(prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED));
	SHOW(prctl(PR_SET_SECUREBITS, 0));
	SHOW(setresuid(5, 5, 5));
	print_ids();
	SHOW(prctl(PR_SET_SECUREBITS,
		   SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED));
	SHOW(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
	print_ids();
}

static void other_versions(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_1};
	struct __user_cap_data_struct data[2] = {0};

	SHOW(syscall(SYS_capget, &header, data));
	printf("%d %d\n", data[0].permitted != 0, data[1].permitted != 0);
	header.version = _LINUX_CAPABILITY_VERSION_3;
	header.pid = getpid();
	SHOW(syscall(SYS_capget, &header, data));
	SHOW(syscall(SYS_capset, &header, data));
	header.pid = -1;
	SHOW(syscall(SYS_capget, &header, data));
	SHOW(syscall(SYS_capset, &header, data));
	header.pid = getppid();
	SHOW(syscall(SYS_capset, &header, data));
	header.pid = 0;
	SHOW(syscall(SYS_capset, &header, NULL));
	SHOW(syscall(SYS_capget, NULL, data));
	header.version = 5;
	SHOW(syscall(SYS_capget, &header, data));
	data[0].effective = 0xffffffff;
	data[0].permitted = 1;
	header.version = _LINUX_CAPABILITY_VERSION_3;
	SHOW(syscall(SYS_capset, &header, data));
}

void test_capabilities(void)
{
	make("file", "x");
	apart(keep_capabilities);
	apart(bounding);
	apart(bounding_of_user);
	apart(ambient);
	apart(secure_bits);
	apart(other_versions);
}
