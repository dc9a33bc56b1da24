/*
 * For tests of single handlers of the root emulation: a child that sleeps in a directory of its own stands for a
 * caller, and a trap is made by hand. Its memory is a page that both have, its descriptors those that were opened
 * before.
 *
 * The test is root, or makes itself that of a user namespace: what a handler does to files is what it would do beside a
 * step.
 */
#ifndef COOPER_TESTS_FAKE_CALLER_H
#define COOPER_TESTS_FAKE_CALLER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "run/emul_internal.h"

#define FAKE_PAGE ((size_t)16384)
#define FAKE_CAPS                                                                           \
	(UINT64_C(1) << CAP_CHOWN | UINT64_C(1) << CAP_SETUID | UINT64_C(1) << CAP_SETGID | \
	 UINT64_C(1) << CAP_SETPCAP | UINT64_C(1) << CAP_SYS_CHROOT | UINT64_C(1) << CAP_SETFCAP)

#if defined(__x86_64__)
#define FAKE_ARCH AUDIT_ARCH_X86_64
#else
#define FAKE_ARCH AUDIT_ARCH_AARCH64
#endif

struct fake {
	struct emulation *e;
	struct owner_table owners;
	char directory[64];
	int dir;		      /* of ours, for a look at what was done */
	int file_fd, path_fd, dir_fd; /* the caller's: "file", "file" as O_PATH, "." */
	int ioctl_fd;		      /* "file", to be neither read nor written */
	pid_t pid;
	char *page;
	size_t used;
};

static int fake_remove(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	return remove(path);
}

/* Outside of a group's tests: root of a namespace, where we are not. False: there is none to be had. */
static bool fake_become_root(void)
{
	char line[64];
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (uid == 0)
		return true;
	if (unshare(CLONE_NEWUSER) < 0)
		return false;
	const struct {
		const char *path;
		unsigned id;
	} maps[] = {{"/proc/self/uid_map", uid}, {"/proc/self/gid_map", gid}};
	int deny = open("/proc/self/setgroups", O_WRONLY | O_CLOEXEC);
	bool done = deny >= 0 && write(deny, "deny", 4) == 4;
	close(deny);
	for (size_t i = 0; i < ARRAY_COUNT(maps); i++) {
		int fd = open(maps[i].path, O_WRONLY | O_CLOEXEC);
		int length = snprintf(line, sizeof(line), "0 %u 1\n", maps[i].id);
		done = done && fd >= 0 && write(fd, line, (size_t)length) == length;
		close(fd);
	}
	return done;
}

/* What lies in the directory: "file" of mode 0644, "dir", "link" to it. */
static inline int fake_set_up(void **state)
{
	static const struct emulation_options options = {.scope = EMULATE_IDS, .upper = -1};
	struct fake *fake = mem_alloc(sizeof(*fake));
	struct emulation_options own = options;

	umask(022);
	snprintf(fake->directory, sizeof(fake->directory), "/var/tmp/cooper-unit.XXXXXX");
	if (!mkdtemp(fake->directory))
		return -1;
	fake->dir = open(fake->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int file = openat(fake->dir, "file", O_WRONLY | O_CREAT, 0644);
	if (file < 0 || write(file, "text", 4) != 4 || mkdirat(fake->dir, "dir", 0755) < 0 ||
	    symlinkat("file", fake->dir, "link") < 0)
		return -1;
	close(file);
	fake->file_fd = openat(fake->dir, "file", O_RDONLY);
	fake->path_fd = openat(fake->dir, "file", O_PATH);
	fake->dir_fd = openat(fake->dir, ".", O_RDONLY | O_DIRECTORY);
	fake->ioctl_fd = openat(fake->dir, "file", O_ACCMODE);
	fake->page = mmap(NULL, FAKE_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fake->pid = fork();
	if (fake->pid == 0) {
		if (fchdir(fake->dir) == 0)
			for (umask(027);;)
				pause();
		_exit(1);
	}
	/* It has its directory and its umask when it is asleep. */
	for (char text[4096] = ""; !strstr(text, ") S");) {
		char path[64];
		snprintf(path, sizeof(path), "/proc/%d/stat", fake->pid);
		int fd = open(path, O_RDONLY);
		ssize_t got = read(fd, text, sizeof(text) - 1);
		text[got > 0 ? got : 0] = '\0';
		close(fd);
		sched_yield();
	}
	own.owners = &fake->owners;
	fake->e = emulation_new(&own);
	cleanup(credentials_free) struct credentials *root = credentials_new(0, 0, NULL, 0, FAKE_CAPS);
	fake->e->tasks = tasks_new(fake->pid, root);
	fake->e->first = fake->pid;
	emul_find_root(fake->e, fake->pid);
	*state = fake;
	return 0;
}

static inline int fake_tear_down(void **state)
{
	struct fake *fake = *state;

	kill(fake->pid, SIGKILL);
	waitpid(fake->pid, NULL, 0);
	emulation_free(fake->e);
	owner_table_done(&fake->owners);
	munmap(fake->page, FAKE_PAGE);
	close(fake->dir);
	close(fake->file_fd);
	close(fake->path_fd);
	close(fake->ioctl_fd);
	close(fake->dir_fd);
	nftw(fake->directory, fake_remove, 16, FTW_DEPTH | FTW_PHYS);
	free(fake);
	return 0;
}

/* Puts something into the caller's memory: its address there. */
static inline uint64_t fake_put(struct fake *fake, const void *data, size_t size)
{
	size_t at = fake->used;

	assert_true(at + size <= FAKE_PAGE);
	memcpy(fake->page + at, data, size);
	fake->used = (at + size + 15) & ~(size_t)15;
	return (uint64_t)(uintptr_t)(fake->page + at);
}

static inline uint64_t fake_text(struct fake *fake, const char *text)
{
	return fake_put(fake, text, strlen(text) + 1);
}

/* Room for an answer. */
static inline void *fake_room(struct fake *fake, size_t size)
{
	static const char zeros[4096];

	return (void *)(uintptr_t)fake_put(fake, zeros, size);
}

#define ADDRESS(pointer) ((uint64_t)(uintptr_t)(pointer))

static inline struct answer fake_call_of(struct fake *fake, uint32_t arch, trap_handler *handle, const uint64_t args[6])
{
	struct answer answer = {.kind = ANSWER_CONTINUE, .fd = -1};
	struct trap trap = {.tid = fake->pid, .arch = arch};

	memcpy(trap.args, args, sizeof(trap.args));
	handle(fake->e, &trap, &answer);
	return answer;
}

/* call(fake, handler, arguments…) */
#define CALL(fake, handler, ...) fake_call_of((fake), FAKE_ARCH, (handler), (const uint64_t[6]){__VA_ARGS__})

#define assert_continues(call) assert_int_equal((call).kind, ANSWER_CONTINUE)
#define assert_returns(call, expected)                      \
	do {                                                \
		struct answer got_ = (call);                \
		assert_int_equal(got_.kind, ANSWER_RETURN); \
		assert_int_equal(got_.value, (expected));   \
		assert_int_equal(got_.fd, -1);              \
	} while (0)

static inline struct task *fake_task(struct fake *fake)
{
	return tasks_find(fake->e->tasks, fake->pid);
}

/* A user without rights from here on. */
static inline void fake_become(struct fake *fake, uint32_t uid, uint32_t gid)
{
	struct task *task = fake_task(fake);

	assert_int_equal(credentials_setresgid(&task->credentials, (uint32_t[]){gid, gid, gid}), 0);
	assert_int_equal(credentials_setresuid(&task->credentials, (uint32_t[]){uid, uid, uid}), 0);
}

static inline bool fake_record(struct fake *fake, const char *name, struct owner_record *record)
{
	cleanup_close int fd = openat(fake->dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	*record = (struct owner_record){0};
	return fd >= 0 && emul_record_find(fake->e, fd, record);
}

static inline void fake_give(struct fake *fake, const char *name, uint32_t uid, uint32_t gid)
{
	cleanup_close int fd = openat(fake->dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	assert_int_equal(emul_record_set(fake->e, fd, &(struct owner_record){.uid = uid, .gid = gid}), 0);
}

#define assert_owner(fake, name, owner, group)                      \
	do {                                                        \
		struct owner_record record_;                        \
		assert_true(fake_record((fake), (name), &record_)); \
		assert_int_equal(record_.uid, (owner));             \
		assert_int_equal(record_.gid, (group));             \
	} while (0)

static inline mode_t fake_mode(struct fake *fake, const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(fake->dir, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_mode;
}

#define FAKE_TEST(name) cmocka_unit_test_setup_teardown(name, fake_set_up, fake_tear_down)
#define FAKE_MAIN(tests)                                                             \
	do {                                                                         \
		if (!fake_become_root()) {                                           \
			print_message("skipped: no user namespace to be root in\n"); \
			return 0;                                                    \
		}                                                                    \
		return cmocka_run_group_tests(tests, NULL, NULL);                    \
	} while (0)

#endif
