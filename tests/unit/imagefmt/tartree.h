/*
 * For tests of tars and trees: a directory to unpack into that has a neighbour which nothing may touch, tars made by
 * hand, and trees told by their digest.
 */
#ifndef COOPER_TESTS_UNIT_IMAGEFMT_TARTREE_H
#define COOPER_TESTS_UNIT_IMAGEFMT_TARTREE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/tree.h"
#include "imagefmt/pack.h"
#include "imagefmt/tar.h"
#include "imagefmt/tarread.h"
#include "imagefmt/unpack.h"

struct tartree {
	char *dir; /* holds `root` and `outside` */
	int dirfd;
	int root;	      /* where layers go */
	int outside;	      /* what must stay as it is */
	struct digest before; /* of outside */
	struct buf tar;
	struct tar_writer w;
	struct error *error; /* of the last unpacking */
};

static inline int tartree_sink(const void *data, size_t size, void *context, struct error **err)
{
	buf_append(context, data, size);
	return 0;
}

static inline struct digest tartree_digest(int dirfd)
{
	struct pack_result result;

	assert_int_equal(pack_tree(dirfd, /* owners */ NULL, NULL, NULL, &result, NULL), 0);
	return result.diff_id;
}

static inline int tartree_setup(void **state)
{
	struct tartree *t = mem_alloc(sizeof(*t));
	const char *tmp = getenv("TMPDIR");

	t->dir = mem_printf("%s/cooper-tree-XXXXXX", tmp != NULL ? tmp : "/tmp");
	assert_non_null(mkdtemp(t->dir));
	t->dirfd = open(t->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(t->dirfd, "root", 0755), 0);
	assert_int_equal(mkdirat(t->dirfd, "outside", 0755), 0);
	t->root = fd_open_dir(t->dirfd, "root", NULL);
	t->outside = fd_open_dir(t->dirfd, "outside", NULL);
	cleanup_close int file = openat(t->outside, "secret", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(fd_write_all(file, "secret", 6, NULL), 0);
	t->before = tartree_digest(t->outside);
	buf_init(&t->tar, (size_t)1 << 28);
	tar_writer_init(&t->w, tartree_sink, &t->tar);
	*state = t;
	return 0;
}

static inline int tartree_teardown(void **state)
{
	struct tartree *t = *state;
	struct digest after = tartree_digest(t->outside);

	assert_true(digest_equal(&t->before, &after));
	fd_close(t->root);
	fd_close(t->outside);
	fd_close(t->dirfd);
	assert_int_equal(tree_remove(AT_FDCWD, t->dir, NULL), 0);
	free(t->dir);
	buf_done(&t->tar);
	error_free(t->error);
	free(t);
	return 0;
}

/* Appends an entry; owner and time are filled in where they are 0. */
static inline void put(struct tartree *t, struct tar_entry entry, const char *data)
{
	if (entry.uid == 0)
		entry.uid = geteuid();
	if (entry.gid == 0)
		entry.gid = getegid();
	if (entry.mtime == 0)
		entry.mtime = 1700000000;
	if (entry.mode == 0)
		entry.mode = entry.type == TAR_DIRECTORY ? 0755 : 0644;
	if (data != NULL && entry.size == 0)
		entry.size = strlen(data);
	assert_int_equal(tar_write_entry(&t->w, &entry, NULL), 0);
	if (data != NULL)
		assert_int_equal(tar_write_data(&t->w, data, entry.size, NULL), 0);
}

static inline void put_file(struct tartree *t, const char *path, const char *data)
{
	put(t, (struct tar_entry){.path = path, .type = TAR_FILE}, data);
}

static inline void put_dir(struct tartree *t, const char *path)
{
	put(t, (struct tar_entry){.path = path, .type = TAR_DIRECTORY}, NULL);
}

static inline void put_link(struct tartree *t, enum tar_type type, const char *path, const char *link)
{
	put(t, (struct tar_entry){.path = path, .type = type, .link = link}, NULL);
}

/* Unpacks the bytes so far, with the end of the archive behind them. */
static inline int unpack_with(struct tartree *t, const struct unpack_options *options, struct unpack_result *result)
{
	assert_int_equal(tar_write_end(&t->w, NULL), 0);
	cleanup_close int fd = fd_from_memory("layer", t->tar.data, t->tar.len, NULL);
	assert_true(fd >= 0);
	error_clear(&t->error);
	int rc = unpack_layer(fd, CODEC_NONE, t->root, options, result, &t->error);
	if (rc < 0)
		assert_non_null(t->error);
	buf_clear(&t->tar);
	tar_writer_init(&t->w, tartree_sink, &t->tar);
	return rc;
}

static inline int unpack(struct tartree *t)
{
	struct unpack_result result;

	return unpack_with(t, NULL, &result);
}

static inline mode_t type_in(int dirfd, const char *path)
{
	struct stat st;

	return fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_mode & S_IFMT : 0;
}

static inline void assert_holds(int dirfd, const char *path, const char *text)
{
	cleanup(buf_done) struct buf bytes = BUF_INIT(1 << 20);

	assert_int_equal(fd_read_file(dirfd, path, &bytes, NULL), 0);
	assert_string_equal(buf_str(&bytes), text);
}

/* False where the file system keeps no user.* attributes. */
static inline bool has_user_xattrs(struct tartree *t)
{
	return fsetxattr(t->root, "user.probe", "", 0, 0) == 0 && fremovexattr(t->root, "user.probe") == 0;
}

/* False where character devices 0:0 cannot be made, as some sandboxes have it. */
static inline bool has_whiteouts(struct tartree *t)
{
	return mknodat(t->root, "probe", S_IFCHR, 0) == 0 && unlinkat(t->root, "probe", 0) == 0;
}

#endif
