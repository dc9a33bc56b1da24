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
#include <stdio.h>
#include <sys/stat.h>
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

#endif
