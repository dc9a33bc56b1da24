/*
 * Directories of a tree that is being unpacked. The path that was walked last stays open, component by component: the
 * next entry is most often in the same directory or near it, and needs no path resolution at all.
 */
#include "imagefmt/extract_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/ovlmark.h"
#include "base/owner.h"
#include "base/rootpath.h"
#include "base/tree.h"

/* Of a path with more components only the last ones stay open. */
#define DIRS_OPEN_MAX 128
#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

static void close_dirs(struct extractor *x, size_t keep)
{
	while (x->dir_count > keep) {
		struct open_dir *dir = &x->dirs[--x->dir_count];
		fd_close(dir->fd);
		free(dir->name);
	}
}

void extract_dirs_done(struct extractor *x)
{
	close_dirs(x, 0);
	free(x->dirs);
	for (size_t i = 0; i < x->late_count; i++)
		free(x->late[i].path);
	free(x->late);
	path_map_done(&x->late_index);
}

int extract_make_way(struct extractor *x, int dirfd, const char *leaf, struct error **err)
{
	x->is_stale = true;
	if (unlinkat(dirfd, leaf, 0) == 0 || errno == ENOENT)
		return 0;
	/* A directory is EISDIR on Linux, EPERM by POSIX. */
	if (errno != EISDIR && errno != EPERM)
		return error_set_errno(err, "remove what is there");
	return tree_remove(dirfd, leaf, err);
}

/* Until all is there we must be able to write into it, whatever its mode, and nothing may inherit from it. */
static mode_t mode_meanwhile(mode_t mode)
{
	return (mode & 0777) | 0700;
}

static int make_dir(struct extractor *x, int dirfd, const char *leaf, mode_t mode)
{
	struct nursery *nursery = x->options.nursery;

	return nursery != NULL ? nursery_mkdir(nursery, dirfd, leaf, mode_meanwhile(mode))
			       : mkdirat(dirfd, leaf, mode_meanwhile(mode));
}

int extract_make_dir(struct extractor *x, int dirfd, const char *leaf, mode_t mode, struct error **err)
{
	struct stat st;
	bool replaces_whiteout = false;

	if (make_dir(x, dirfd, leaf, mode) < 0) {
		if (errno != EEXIST)
			return error_set_errno(err, "make the directory");
		if (fstatat(dirfd, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return error_set_errno(err, "stat");
		if (!S_ISDIR(st.st_mode)) {
			/* Removed below and made anew: nothing of the lower directory may shine through. */
			replaces_whiteout = !x->options.plain && ovlmark_is_whiteout(&st);
			int rc = extract_make_way(x, dirfd, leaf, err);
			if (rc < 0)
				return rc;
			if (make_dir(x, dirfd, leaf, mode) < 0)
				return error_set_errno(err, "make the directory");
		}
	}
	cleanup_close int fd = openat(dirfd, leaf, DIR_FLAGS | O_NOFOLLOW);
	if (fd < 0)
		return error_set_errno(err, "open the directory");
	if (replaces_whiteout) {
		int rc = ovlmark_set_opaque(fd, err);
		if (rc < 0)
			return rc;
	}
	return take_fd(&fd);
}

/* A parent that the tar does not bring itself: root's, as other tools make it; its time is the entry's, so that the
 * same tar always gives the same tree. */
static int make_parent(struct extractor *x, int dirfd, const char *leaf, const char *path, size_t length, int64_t mtime,
		       struct error **err)
{
	struct tar_entry entry = {.path = path, .type = TAR_DIRECTORY, .mode = 0755};
	cleanup_close int fd = extract_make_dir(x, dirfd, leaf, entry.mode, err);

	if (fd < 0)
		return fd;
	/* No tar asks for this owner: whoever is not root even in a namespace has it as their own. */
	if (extract_set_owner(x, &(struct extract_place){.fd = fd}, &entry, /* err */ NULL) < 0)
		log_debug("the directory '%.*s' does not get root as its owner", (int)length, path);
	int rc = extract_dir_later(x, fd, path, length, entry.mode, mtime, err);
	return rc < 0 ? rc : take_fd(&fd);
}

/* Opens dirfd/leaf; `path` up to `length` is its path from the root, for a symlink is resolved from there. */
static int open_component(struct extractor *x, int dirfd, const char *leaf, const char *path, size_t length,
			  int64_t mtime, struct error **err)
{
	struct stat st;
	int fd = openat(dirfd, leaf, DIR_FLAGS | O_NOFOLLOW);

	if (fd >= 0)
		return fd;
	if (errno == ENOENT && !x->is_finishing)
		return make_parent(x, dirfd, leaf, path, length, mtime, err);
	if (errno != ENOTDIR && errno != ELOOP) /* of O_DIRECTORY | O_NOFOLLOW on a symlink */
		return error_set_errno(err, "open the directory '%.*s'", (int)length, path);
	if (fstatat(dirfd, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_set_errno(err, "stat '%.*s'", (int)length, path);
	if (S_ISLNK(st.st_mode)) {
		cleanup_free char *whole = mem_strndup(path, length);
		fd = rootpath_open(x->root, whole, DIR_FLAGS, 0, err);
		return fd < 0 ? error_prefix(err, "the symlink '%s'", whole) : fd;
	}
	if (!x->options.plain && !x->is_finishing && ovlmark_is_whiteout(&st))
		return make_parent(x, dirfd, leaf, path, length, mtime, err);
	return error_set(err, ENOTDIR, "'%.*s' is not a directory", (int)length, path);
}

static void push_dir(struct extractor *x, const char *name, size_t length, int fd)
{
	if (x->dir_count == x->dir_cap) {
		x->dir_cap = x->dir_cap == 0 ? 32 : x->dir_cap * 2;
		x->dirs = mem_grow(x->dirs, x->dir_cap, sizeof(*x->dirs));
	}
	x->dirs[x->dir_count++] = (struct open_dir){.name = mem_strndup(name, length), .fd = fd};
	if (x->dir_count > DIRS_OPEN_MAX) {
		struct open_dir *old = &x->dirs[x->dir_count - 1 - DIRS_OPEN_MAX];
		fd_close(old->fd);
		old->fd = -1;
	}
}

void extract_enter_dir(struct extractor *x, const char *leaf, int fd)
{
	push_dir(x, leaf, strlen(leaf), fd);
}

static size_t component_length(const char *path, const char *end)
{
	const char *slash = memchr(path, '/', (size_t)(end - path));

	return (size_t)((slash != NULL ? slash : end) - path);
}

/* How many of the open directories are on the way; *at is moved behind their names. */
static size_t common_dirs(const struct extractor *x, const char **at, const char *end)
{
	size_t i = 0;

	while (i < x->dir_count && *at < end) {
		size_t length = component_length(*at, end);
		if (strncmp(x->dirs[i].name, *at, length) != 0 || x->dirs[i].name[length] != '\0')
			break;
		*at += length + (*at + length < end);
		i++;
	}
	return i;
}

int extract_open_dir(struct extractor *x, const char *path, size_t length, int64_t mtime, struct error **err)
{
	const char *at = path;
	const char *end = path + length;

	if (x->is_stale)
		close_dirs(x, 0);
	x->is_stale = false;
	close_dirs(x, common_dirs(x, &at, end));
	if (x->dir_count > 0 && x->dirs[x->dir_count - 1].fd < 0) {
		close_dirs(x, 0); /* long ago, far down: walk again */
		at = path;
	}
	while (at < end) {
		size_t name_length = component_length(at, end);
		cleanup_free char *name = mem_strndup(at, name_length);
		int dirfd = x->dir_count > 0 ? x->dirs[x->dir_count - 1].fd : x->root;
		int fd = open_component(x, dirfd, name, path, (size_t)(at - path) + name_length, mtime, err);
		if (fd < 0)
			return fd;
		push_dir(x, at, name_length, fd);
		at += name_length + (at + name_length < end);
	}
	return x->dir_count > 0 ? x->dirs[x->dir_count - 1].fd : x->root;
}

int extract_dir_later(struct extractor *x, int fd, const char *path, size_t length, mode_t mode, int64_t mtime,
		      struct error **err)
{
	struct stat st;
	bool added;

	if (fstat(fd, &st) < 0)
		return error_set_errno(err, "stat");
	if ((st.st_mode & 07777) != mode_meanwhile(mode) && fchmod(fd, mode_meanwhile(mode)) < 0)
		return error_set_errno(err, "set the mode");
	size_t at = *path_map_put(&x->late_index, path, length, x->late_count, &added);
	if (added) {
		if (x->late_count == x->late_cap) {
			x->late_cap = x->late_cap == 0 ? 64 : x->late_cap * 2;
			x->late = mem_grow(x->late, x->late_cap, sizeof(*x->late));
		}
		x->late[x->late_count++] = (struct late_dir){.path = mem_strndup(path, length)};
	}
	struct late_dir *late = &x->late[at];
	late->ino = st.st_ino;
	late->dev = st.st_dev;
	late->mode = mode & 07777;
	late->mtime = mtime;
	return 0;
}

static int finish_dir(struct extractor *x, const struct late_dir *late, struct error **err)
{
	cleanup_error struct error *error = NULL;
	struct stat st;
	int fd = extract_open_dir(x, late->path, strlen(late->path), 0, &error);

	/* A later entry has removed it, or put something else there: nothing to finish. */
	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP)
		return 0;
	if (fd < 0) {
		if (err != NULL)
			*err = take_ptr(&error);
		return fd;
	}
	if (fstat(fd, &st) < 0)
		return error_set_errno(err, "'%s': stat", late->path);
	if (st.st_ino != late->ino || st.st_dev != late->dev)
		return 0;
	bool is_done = (late->mode & 07000) == 0 && (late->mode & 0700) == 0700;
	int set = is_done ? 0 : owner_set_mode(fd, late->mode);
	if (set < 0)
		return error_set(err, -set, "'%s': set the mode: %s", late->path, strerror(-set));
	int rc = extract_set_time(&(struct extract_place){.fd = fd}, late->mtime, err);
	return rc < 0 ? error_prefix(err, "'%s'", late->path) : 0;
}

int extract_finish_dirs(struct extractor *x, struct error **err)
{
	int rc = 0;

	x->is_finishing = true;
	/* Children stand behind their parents: from the end, so that a parent that may not be searched closes last. */
	for (size_t i = x->late_count; rc == 0 && i-- > 0;)
		rc = finish_dir(x, &x->late[i], err);
	return rc;
}
