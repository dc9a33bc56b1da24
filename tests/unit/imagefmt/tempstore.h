/*
 * A store in a fresh directory of its own, for one test.
 */
#ifndef COOPER_TESTS_UNIT_IMAGEFMT_TEMPSTORE_H
#define COOPER_TESTS_UNIT_IMAGEFMT_TEMPSTORE_H

#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/tree.h"
#include "imagefmt/store.h"

struct tempstore {
	char *dir; /* holds the store and whatever a test puts beside it */
	struct store *store;
};

static inline struct store *tempstore_reopen(struct tempstore *t)
{
	store_close(take_ptr(&t->store));
	cleanup_free char *root = mem_printf("%s/store", t->dir);
	cleanup_free char *runroot = mem_printf("%s/run", t->dir);
	struct store_options options = {.root = root, .runroot = runroot};
	assert_int_equal(store_open(&options, &t->store, NULL), 0);
	return t->store;
}

static inline int tempstore_setup(void **state)
{
	struct tempstore *t = mem_alloc(sizeof(*t));
	t->dir = mem_strdup("/tmp/cooper-unit-XXXXXX");
	assert_non_null(mkdtemp(t->dir));
	tempstore_reopen(t);
	*state = t;
	return 0;
}

static inline int tempstore_teardown(void **state)
{
	struct tempstore *t = *state;
	store_close(t->store);
	assert_int_equal(tree_remove(AT_FDCWD, t->dir, NULL), 0);
	free(t->dir);
	free(t);
	return 0;
}

/* "<dir>/<name>", to be freed. */
static inline char *tempstore_path(const struct tempstore *t, const char *name)
{
	return mem_printf("%s/%s", t->dir, name);
}

static inline void write_file(const char *path, const void *data, size_t size)
{
	cleanup_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, data, size, NULL), 0);
}

#define test_with_store(f) cmocka_unit_test_setup_teardown(f, tempstore_setup, tempstore_teardown)

#endif
