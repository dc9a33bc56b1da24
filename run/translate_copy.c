/*
 * A copy of what a step may write to and nobody keeps (RUN --mount=type=bind,rw): where there are overlays it is one of
 * those. Whose the files are does not come along where it cannot: in the step they look the same, as root's.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/attributes.h"
#include "base/fd.h"
#include "base/owner.h"
#include "base/rootpath.h"
#include "base/tree.h"
#include "run/translate_internal.h"

static int fail(const struct tree_entry *entry, struct error **err)
{
	return error_set_errno(err, "copy '%s'", entry->path);
}

/* Owner, attributes, mode, times, in the order in which they do not undo each other. We keep access to all of it. */
static int dress_copy(const struct tree_entry *entry, int from, int fd, struct error **err)
{
	const struct stat *st = entry->st;
	const struct timespec times[2] = {st->st_atim, st->st_mtim};
	mode_t needed = S_ISDIR(st->st_mode) ? 0700 : 0600;

	if (owner_is_root() && fchown(fd, st->st_uid, st->st_gid) < 0)
		return fail(entry, err);
	if (attributes_copy(from, fd, /* wanted */ NULL, ATTRIBUTES_AT_BEST, err) < 0)
		return error_prefix(err, "copy '%s'", entry->path);
	if (fchmod(fd, (st->st_mode & 07777) | needed) < 0 || futimens(fd, times) < 0)
		return fail(entry, err);
	return 0;
}

static int copy_file(const struct tree_entry *entry, int parent, struct error **err)
{
	cleanup_close int from = openat(entry->dirfd, entry->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	cleanup_close int to = openat(parent, entry->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (from < 0 || to < 0)
		return fail(entry, err);
	int rc = fd_copy(from, to, /* copied */ NULL, err);
	return rc < 0 ? rc : dress_copy(entry, from, to, err);
}

static int copy_link(const struct tree_entry *entry, int parent, struct error **err)
{
	char target[PATH_MAX];
	ssize_t length = readlinkat(entry->dirfd, entry->name, target, sizeof(target) - 1);

	if (length < 0)
		return fail(entry, err);
	target[length] = '\0';
	return symlinkat(target, parent, entry->name) < 0 ? fail(entry, err) : 0;
}

/* Modes of directories come when they are full. */
static int copy_entry(const struct tree_entry *entry, void *context, struct error **err)
{
	const int *to = context;

	if (entry->path[0] == '\0')
		return 0;
	const char *slash = strrchr(entry->path, '/');
	cleanup_free char *above = slash ? mem_strndup(entry->path, (size_t)(slash - entry->path)) : mem_strdup(".");
	cleanup_close int parent = rootpath_open(*to, above, O_RDONLY | O_DIRECTORY, 0, err);
	if (parent < 0)
		return parent;
	switch (entry->st->st_mode & S_IFMT) {
	case S_IFDIR:
		return mkdirat(parent, entry->name, 0700) < 0 ? fail(entry, err) : 0;
	case S_IFREG:
		return copy_file(entry, parent, err);
	case S_IFLNK:
		return copy_link(entry, parent, err);
	case S_IFIFO:
		return mkfifoat(parent, entry->name, (entry->st->st_mode & 07777) | 0600) < 0 ? fail(entry, err) : 0;
	default: /* sockets and devices are nothing without who made them */
		return 0;
	}
}

static int finish_directory(const struct tree_entry *entry, void *context, struct error **err)
{
	const int *to = context;
	cleanup_close int fd = rootpath_open(*to, *entry->path ? entry->path : ".", O_RDONLY | O_DIRECTORY, 0, err);

	cleanup_close int from =
		openat(entry->dirfd, *entry->path ? entry->name : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return fd;
	return from < 0 ? fail(entry, err) : dress_copy(entry, from, fd, err);
}

int copy_for_writing(int from, int to, struct error **err)
{
	return tree_walk(from, copy_entry, finish_directory, &to, err);
}
