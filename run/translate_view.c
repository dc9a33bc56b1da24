/*
 * What a path of the step means: its root and what is mounted over it (translate_mounts.c), as descriptors of ours,
 * without a mount.
 *
 * Two ways, with one result. The short one: the kernel walks it, kept in by openat2(2), and what it came to is asked
 * for its name; when that, or the text, comes near a place where something is mounted, or nothing was found, the long
 * way decides (translate_walk.c). Mounts are crossed by name only there.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "run/translate_internal.h"

void spot_done(struct spot *spot)
{
	fd_close(spot->fd);
	fd_close(spot->parent);
	buf_done(&spot->path);
	*spot = SPOT_INIT;
}

struct task *view_task(struct translation *t, const struct trap *trap)
{
	return tasks_find(t->emulation.tasks, trap->tid);
}

/* ---- Descriptors of the caller's ---- */

int view_open_fd(struct translation *t, const struct trap *trap, int fd)
{
	char path[64];

	if (fd < 0)
		return -EBADF;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", trap->tid, fd);
	int opened = open(path, O_PATH | O_CLOEXEC);
	return opened >= 0 ? opened : errno == ENOENT ? -EBADF : -errno;
}

int view_look_at_fd(struct translation *t, const struct trap *trap, int fd, struct stat *st)
{
	char path[64];

	if (fd < 0)
		return -EBADF;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", trap->tid, fd);
	if (stat(path, st) < 0)
		return errno == ENOENT ? -EBADF : -errno;
	return supervisor_still_waits(&t->emulation.supervisor, trap) ? 0 : -ESRCH;
}

bool view_is_hosts(const struct translation *t, const struct spot *spot)
{
	cleanup(buf_done) struct buf name = BUF_INIT((size_t)2 * PATH_MAX);
	/* What has a path in the step is the step's. */
	bool is_doubtful = spot->is_magic && spot->fd >= 0 && spot->path.len == 0;
	cleanup_free char *real = is_doubtful ? view_real_name(t, spot->fd) : NULL;

	/* What has no name of a path is a pipe, a socket and the like. */
	return real && !text_has_prefix(real, "/memfd:") && !view_name_of_real(t, real, &name);
}

/* ---- The short way ---- */

/* The directory of a name that may be missing, and the name. `rest` is below `base`, which is the step's root when
 * base_name is "". 1: found. 0: the long way is to be gone. */
static int find_leaf_short(struct translation *t, int base, const char *base_name, const char *rest, unsigned flags,
			   struct spot *spot)
{
	const char *slash = strrchr(rest, '/');
	const char *leaf = slash ? slash + 1 : rest;
	cleanup_free char *above = slash ? mem_strndup(rest, (size_t)(slash - rest)) : mem_strdup(".");
	struct stat st;

	if (*leaf == '\0' || strcmp(leaf, ".") == 0 || strlen(leaf) > NAME_MAX)
		return 0;
	cleanup_close int parent = text_open_above(t, base, base_name, above, &spot->path);
	if (text_is_missing(parent))
		return parent;
	if (parent < 0 || view_mount_of(t, buf_str(&spot->path)) != view_mount_of(t, base_name))
		return 0;
	buf_append_char(&spot->path, '/');
	buf_append_str(&spot->path, leaf);
	if (spot->path.overflow || view_is_mount_point(t, buf_str(&spot->path)))
		return 0;
	cleanup_close int fd = openat(parent, leaf, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT)
		return 0;
	if (fd >= 0 && flags & VIEW_FOLLOW && (fstat(fd, &st) < 0 || S_ISLNK(st.st_mode)))
		return 0;
	spot->fd = take_fd(&fd);
	spot->parent = take_fd(&parent);
	spot->mount = view_mount_of(t, buf_str(&spot->path));
	snprintf(spot->leaf, sizeof(spot->leaf), "%s", leaf);
	return 1;
}

/* The same by view_find_place(). */
static int find_in_place(struct translation *t, const struct trap *trap, const char *path, unsigned flags,
			 struct spot *spot)
{
	const struct place *place;
	const char *leaf;
	struct stat st;
	int found = flags & VIEW_WAYS ? 0 : view_find_place(t, trap, path, &place, &leaf);

	if (found <= 0)
		return found;
	cleanup_close int fd = openat(place->fd, leaf, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && (errno != ENOENT || !(flags & VIEW_MISSING)))
		return text_is_missing(-errno) ? -errno : 0;
	if (fd >= 0 && flags & VIEW_FOLLOW && (fstat(fd, &st) < 0 || S_ISLNK(st.st_mode)))
		return 0;
	if (flags & VIEW_MISSING) {
		spot->parent = fcntl(place->fd, F_DUPFD_CLOEXEC, 0);
		if (spot->parent < 0)
			return 0;
		snprintf(spot->leaf, sizeof(spot->leaf), "%s", leaf);
	}
	text_name(place->name, leaf, &spot->path);
	spot->fd = take_fd(&fd);
	spot->mount = &t->mounts[0];
	return 1;
}

/* 1: found. 0: the long way is to be gone. */
static int walk_short(struct translation *t, int base, const char *base_name, const char *path, unsigned flags,
		      struct spot *spot)
{
	const char *rest = path;

	if (strstr(path, "..") || flags & VIEW_WAYS)
		return 0;
	if (path[0] == '/') {
		if (!text_is_in_root(t, path))
			return 0;
		rest++;
		base = t->mounts[0].fd;
	} else if (view_has_mounts(t, base_name) || view_mount_of(t, base_name)->kind == VIEW_PROC) {
		return 0;
	}
	if (*rest == '\0')
		return 0;
	if (path[0] == '/')
		base_name = "";
	if (flags & VIEW_MISSING)
		return find_leaf_short(t, base, base_name, rest, flags, spot);
	uint64_t how = flags & VIEW_FOLLOW ? 0 : O_NOFOLLOW;
	cleanup_close int fd = text_open(base, rest, how);
	if (text_is_missing(fd))
		return fd;
	if (fd >= 0) {
		text_name(base_name, rest, &spot->path);
	} else {
		fd = view_open_in(base, rest, how, path[0] == '/' ? RESOLVE_IN_ROOT : RESOLVE_BENEATH);
		if (fd < 0 || !view_name(t, fd, &spot->path) ||
		    view_mount_of(t, buf_str(&spot->path)) != view_mount_of(t, base_name))
			return 0;
	}
	if (spot->path.overflow)
		return -ENAMETOOLONG;
	if (spot->path.len == 0)
		buf_append_str(&spot->path, "/");
	spot->mount = view_mount_of(t, spot->path.len == 1 ? "" : buf_str(&spot->path));
	spot->fd = take_fd(&fd);
	return 1;
}

/* ---- The door ---- */

/* What relative paths start from. */
static int open_base(struct translation *t, const struct trap *trap, int dirfd)
{
	if (dirfd != AT_FDCWD)
		return view_open_fd(t, trap, dirfd);
	const struct task *task = view_task(t, trap);
	if (!task || !task->fs)
		return -ESRCH;
	return fcntl(task->fs->cwd, F_DUPFD_CLOEXEC, 0);
}

static int find_empty(struct translation *t, const struct trap *trap, int dirfd, unsigned flags, struct spot *spot)
{
	if (!(flags & VIEW_EMPTY))
		return -ENOENT;
	spot->fd = open_base(t, trap, dirfd);
	if (spot->fd < 0)
		return spot->fd;
	spot->is_magic = dirfd != AT_FDCWD;
	if (!view_name(t, spot->fd, &spot->path))
		buf_clear(&spot->path);
	else if (spot->path.len == 0)
		buf_append_str(&spot->path, "/");
	spot->mount = view_mount_of(t, buf_str(&spot->path));
	return 0;
}

static size_t root_name(struct translation *t, const struct trap *trap, struct buf *path)
{
	const struct task *task = view_task(t, trap);

	if (!task || !task->fs || task->fs->root < 0 || !view_name(t, task->fs->root, path))
		buf_clear(path);
	return path->len;
}

/* A directory that was removed has no names in it, and no name; but what it was in is still above it. *path is cut. */
static int leave_removed(int *base, const char **path)
{
	struct stat st;

	for (;;) {
		if (fstat(*base, &st) < 0)
			return -errno;
		if (st.st_nlink > 0)
			return 0;
		if (strncmp(*path, "..", 2) != 0 || ((*path)[2] != '/' && (*path)[2] != '\0'))
			return strcmp(*path, ".") == 0 ? 0 : -ENOENT;
		*path += 2 + strspn(*path + 2, "/");
		int above = openat(*base, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (above < 0)
			return -errno;
		fd_close(*base);
		*base = above;
		if (**path == '\0')
			*path = ".";
	}
}

int view_find_text(struct translation *t, const struct trap *trap, int dirfd, const char *path, unsigned flags,
		   struct spot *spot)
{
	cleanup(buf_done) struct buf root = BUF_INIT((size_t)2 * PATH_MAX);
	cleanup(buf_done) struct buf from = BUF_INIT((size_t)2 * PATH_MAX);
	cleanup_close int base = -1;

	if (*path == '\0')
		return find_empty(t, trap, dirfd, flags, spot);
	if (path[0] == '/' && flags & VIEW_BENEATH)
		return -EXDEV;
	spot->wants_directory = path[strlen(path) - 1] == '/';
	int found = find_in_place(t, trap, path, flags, spot);
	if (found != 0)
		return found < 0 ? found : 0;
	size_t floor = root_name(t, trap, &root);
	buf_append_str(&from, buf_str(&root));
	bool is_scoped = flags & (VIEW_BENEATH | VIEW_IN_ROOT);
	if (path[0] != '/' || is_scoped) {
		struct stat st;
		base = open_base(t, trap, dirfd);
		if (base < 0)
			return base;
		if (fstat(base, &st) < 0 || !S_ISDIR(st.st_mode))
			return -ENOTDIR;
		if (st.st_nlink == 0) {
			int rc = is_scoped ? -ENOENT : leave_removed(&base, &path);
			if (rc < 0)
				return rc;
		}
		if (!view_name(t, base, &from))
			return dirfd == AT_FDCWD ? -ENOENT : -EACCES;
		/* Who stands outside of his own root meets none on the way up. */
		if (!view_is_in(buf_str(&from), buf_str(&root), floor))
			floor = 0;
		if (is_scoped)
			floor = from.len;
	}
	if (!spot->wants_directory && (path[0] != '/' || floor == 0)) {
		found = walk_short(t, base, buf_str(&from), path, flags, spot);
		if (found != 0)
			return found < 0 ? found : 0;
		buf_clear(&spot->path);
	}
	const struct view_start start = {.path = buf_str(&from), .floor = floor};
	return view_walk(t, trap, &start, path, flags, spot);
}

int view_find_at(struct translation *t, const struct trap *trap, int dirfd, uint64_t address, unsigned flags,
		 struct spot *spot)
{
	char path[PATH_MAX];
	ssize_t length = emul_read_text(&t->emulation, trap, address, path, sizeof(path));

	return length < 0 ? (int)length : view_find_text(t, trap, dirfd, path, flags, spot);
}

int view_find_path(struct translation *t, const struct trap *trap, int dirfd, const char *path, unsigned flags,
		   struct spot *spot)
{
	int rc = view_find_text(t, trap, dirfd, path, flags, spot);

	/* What was opened below /proc was the caller's only if it still waits. */
	if (rc == 0 && dirfd != AT_FDCWD && !supervisor_still_waits(&t->emulation.supervisor, trap))
		return -ESRCH;
	return rc;
}

int view_find(struct translation *t, const struct trap *trap, int dirfd, uint64_t address, unsigned flags,
	      struct spot *spot)
{
	char path[PATH_MAX];
	ssize_t length = emul_read_text(&t->emulation, trap, address, path, sizeof(path));

	return length < 0 ? (int)length : view_find_path(t, trap, dirfd, path, flags, spot);
}

bool view_is_mount(const struct translation *t, const struct spot *spot)
{
	return view_is_mount_point(t, buf_str(&spot->path));
}

int view_check_writable(const struct spot *spot)
{
	return spot->mount && spot->mount->read_only ? -EROFS : 0;
}
