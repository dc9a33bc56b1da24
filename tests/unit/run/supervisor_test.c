/* run/supervisor.c and run/supervisor_filter.c: a child under the filter, answered by the test. */
#include "run/supervisor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "run/channel.h"
#include "run/taskmem.h"

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE AUDIT_ARCH_AARCH64
#endif

struct answers {
	struct supervisor *supervisor;
	unsigned ids, opens, chdirs;
};

static void answer_getuid(void *context, const struct trap *trap, struct answer *answer)
{
	struct answers *seen = context;

	seen->ids++;
	*answer = (struct answer){.kind = ANSWER_RETURN, .value = 4711, .fd = -1};
}

static void answer_creating_open(void *context, const struct trap *trap, struct answer *answer)
{
	struct answers *seen = context;

	seen->opens++;
	*answer = (struct answer){
		.kind = ANSWER_FD,
		.fd = open("/dev/zero", O_RDONLY | O_CLOEXEC),
		.cloexec = true,
		.alone = trap->args[2] & O_APPEND,
	};
}

/* Reads its path as a supervisor does, refuses one and lets the other through. */
static void answer_chdir(void *context, const struct trap *trap, struct answer *answer)
{
	struct answers *seen = context;
	struct taskmem mem = TASKMEM_INIT;
	char path[16];

	seen->chdirs++;
	ssize_t length = taskmem_read_string(&mem, trap->tid, trap->args[0], path, sizeof(path));
	bool refuse = length < 0 || strcmp(path, "/proc") == 0;
	taskmem_drop(&mem);
	if (refuse && supervisor_still_waits(seen->supervisor, trap))
		*answer = (struct answer){.kind = ANSWER_RETURN, .value = length < 0 ? length : -EXDEV, .fd = -1};
}

static const struct trap_entry entries[] = {
	{.arch = NATIVE, .number = SYS_getuid, .handle = answer_getuid},
	{.arch = NATIVE, .number = SYS_openat, .handle = answer_creating_open, .when = {.arg = 2, .mask = O_CREAT}},
	{.arch = NATIVE, .number = SYS_chdir, .handle = answer_chdir},
	{.arch = NATIVE,
	 .number = SYS_mknodat,
	 .handle = answer_getuid,
	 .when = {.arg = 2, .mask = S_IFMT, .values = {S_IFCHR, S_IFBLK}, .count = 2}},
	{.arch = NATIVE, .number = SYS_getpriority},
};
static const struct trap_table table = {.entries = entries, .count = ARRAY_COUNT(entries)};

/* ---- The child: each line of what it checks has a number, which it exits with when it does not hold. ---- */

/* Whatever the supervisor does while a descriptor is taken, the program does not see it. */
static bool keeps_its_processors(void)
{
	cpu_set_t before, after;

	sched_getaffinity(0, sizeof(before), &before);
	for (unsigned i = 0; i < 200; i++) {
		int made = open("/nowhere/at/all", O_WRONLY | O_CREAT, 0600);
		CPU_ZERO(&after);
		if (made < 0 || close(made) < 0 || sched_getaffinity(0, sizeof(after), &after) < 0 ||
		    !CPU_EQUAL(&before, &after))
			return false;
	}
	return true;
}

static int check(void)
{
	char zeros[4] = "abc";

	if (getuid() != 4711)
		return 1;
	int made = open("/nowhere/at/all", O_WRONLY | O_CREAT, 0600);
	if (made < 0 || read(made, zeros, 3) != 3 || zeros[0] != 0 || !(fcntl(made, F_GETFD) & FD_CLOEXEC))
		return 2;
	made = open("/nowhere/at/all", O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (made < 0 || read(made, zeros, 3) != 3 || !(fcntl(made, F_GETFD) & FD_CLOEXEC))
		return 11;
	if (!keeps_its_processors())
		return 12;
	if (open("/nowhere/at/all", O_RDONLY) >= 0 || errno != ENOENT)
		return 3;
	if (chdir("/proc") == 0 || errno != EXDEV)
		return 4;
	if (chdir("/") != 0)
		return 5;
	if (syscall(SYS_chdir, 1L) == 0 || errno != EFAULT)
		return 6;
	if (syscall(SYS_mknodat, AT_FDCWD, "/nowhere/x", S_IFBLK | 0600, 0x801) != 4711)
		return 7;
	if (syscall(SYS_mknodat, AT_FDCWD, "/nowhere/x", S_IFIFO | 0600, 0) == 0 || errno != ENOENT)
		return 8;
	if (syscall(SYS_getpriority, 0, 0) >= 0 || errno != ENOSYS)
		return 9;
#ifdef __x86_64__
	if (syscall(SYS_getpid | 0x40000000) >= 0 || errno != ENOSYS)
		return 10;
#endif
	return 0;
}

static _Noreturn void child_main(int channel)
{
	cleanup(buf_done) struct buf program = BUF_INIT(BUF_MAX_DEFAULT);

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (supervisor_program(&table, &program, NULL) < 0)
		_exit(100);
	int listener = supervisor_install(&program, NULL);
	if (listener < 0 || channel_send(channel, CHANNEL_LISTENER, 0, NULL, 0, listener) < 0)
		_exit(101);
	close(listener);
	_exit(check());
}

static void traps_what_the_table_says_and_nothing_else(void **state)
{
	cleanup(supervisor_done) struct supervisor supervisor = SUPERVISOR_INIT;
	struct answers seen = {.supervisor = &supervisor};
	struct channel_message message;
	int ours, childs, status = -1;

	assert_int_equal(supervisor_init(&supervisor, &table, &seen, NULL), 0);
	assert_int_equal(channel_open(&ours, &childs, NULL), 0);
	pid_t pid = fork();
	if (pid == 0)
		child_main(childs);
	close(childs);
	assert_int_equal(channel_receive(ours, &message, NULL), 0);
	assert_int_equal(message.kind, CHANNEL_LISTENER);
	supervisor_take(&supervisor, message.fd);
	supervisor_arm(&supervisor);
	while (supervisor.listener >= 0) {
		struct pollfd waiting = {.fd = supervisor.listener, .events = POLLIN};
		assert_true(poll(&waiting, 1, -1) >= 0);
		assert_int_equal(supervisor_serve(&supervisor, waiting.revents, NULL), 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(seen.ids, 2);
	assert_int_equal(seen.opens, 202);
	assert_int_equal(seen.chdirs, 3);
	close(ours);
}

static void a_string_ends_where_its_page_does(void **state)
{
	struct taskmem mem = TASKMEM_INIT;
	const char text[] = "in our own memory";
	char back[sizeof(text)];

	assert_int_equal(taskmem_read_string(&mem, getpid(), (uintptr_t)text, back, sizeof(back)), sizeof(text) - 1);
	assert_string_equal(back, text);
	assert_int_equal(taskmem_read_string(&mem, getpid(), (uintptr_t)text, back, 4), -ENAMETOOLONG);
	assert_int_equal(taskmem_read_string(&mem, getpid(), 1, back, sizeof(back)), -EFAULT);
	assert_int_equal(taskmem_read_string(&mem, getpid(), UINT64_MAX, back, sizeof(back)), -EFAULT);
	assert_int_equal(taskmem_write(&mem, getpid(), (uintptr_t)back, "out", 3), 0);
	assert_memory_equal(back, "out", 3);
	taskmem_drop(&mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(traps_what_the_table_says_and_nothing_else),
		cmocka_unit_test(a_string_ends_where_its_page_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
