/*
 * An empty directory for one test, and short ways to put things into it. Needs no root.
 *
 *	cleanup(scratch_done) struct scratch dir = scratch_make();
 *	put_file(dir.fd, "a/b", "text");
 */
#ifndef COOPER_TESTS_UNIT_BASE_SCRATCH_H
#define COOPER_TESTS_UNIT_BASE_SCRATCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/tree.h"

struct scratch {
	char path[64];
	int fd;
};

static inline struct scratch scratch_make(void)
{
	struct scratch dir = {.path = "/tmp/cooper-unit-XXXXXX"};

	assert_non_null(mkdtemp(dir.path));
	dir.fd = open(dir.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir.fd >= 0);
	return dir;
}

static inline void scratch_done(struct scratch *dir)
{
	fd_close(dir->fd);
	assert_int_equal(tree_remove(AT_FDCWD, dir->path, NULL), 0);
}
CLEANUP_FOR_VALUE(struct scratch, scratch_done)

static inline void put_dir(int dirfd, const char *path)
{
	assert_int_equal(mkdirat(dirfd, path, 0755), 0);
}

static inline void put_file(int dirfd, const char *path, const char *text)
{
	cleanup_close int fd = openat(dirfd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text), NULL), 0);
}

static inline void put_link(int dirfd, const char *path, const char *target)
{
	assert_int_equal(symlinkat(target, dirfd, path), 0);
}

/* What the file holds, owned; NULL when it cannot be read. */
static inline char *text_of(int dirfd, const char *path)
{
	struct buf text = BUF_INIT(BUF_MAX_DEFAULT);

	if (fd_read_file(dirfd, path, &text, NULL) < 0) {
		buf_done(&text);
		return NULL;
	}
	return buf_take(&text);
}

/* ---- Tests that need a process of their own, because they change what the kernel does for it ---- */

#define CHILD_SKIPS 77

/* Runs `check` in a child. It must not use cmocka's assertions: it returns 0, the line that failed, or CHILD_SKIPS. */
static inline void in_child(int (*check)(const struct scratch *dir), const struct scratch *dir)
{
	int line = 0;
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		line = check(dir);
		_exit(write(ends[1], &line, sizeof(line)) != sizeof(line));
	}
	close(ends[1]);
	ssize_t got = read(ends[0], &line, sizeof(line));
	close(ends[0]);
	waitpid(child, NULL, 0);
	if (got != sizeof(line))
		fail_msg("the child died");
	if (line == CHILD_SKIPS) {
		print_message("skipped: this machine allows no user namespace here\n");
		skip();
	}
	if (line != 0)
		fail_msg("line %d, in the child", line);
}

#define CHILD_CHECK(condition)           \
	do {                             \
		if (!(condition))        \
			return __LINE__; \
	} while (0)

static inline int write_proc(const char *path, const char *text)
{
	cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -1 : fd_write_all(fd, text, strlen(text), NULL);
}

/* The child becomes root of a user namespace, with mounts of its own. */
static inline bool enter_namespaces(void)
{
	cleanup_free char *uids = mem_printf("0 %u 1", geteuid());
	cleanup_free char *gids = mem_printf("0 %u 1", getegid());

	return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && write_proc("/proc/self/setgroups", "deny") == 0 &&
	       write_proc("/proc/self/uid_map", uids) == 0 && write_proc("/proc/self/gid_map", gids) == 0 &&
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

/* From now on the system call fails with `code`, as on an older kernel or under a filter. */
static inline bool refuse_call(unsigned number, unsigned code)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | code),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = ARRAY_COUNT(filter), .filter = filter};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

#endif
