/*
 * Copying a tree of ours, everything that makes up a file included. In: two directories; out: the same below the
 * second as below the first. Types are made first, then dressed through an O_PATH descriptor in the one order that
 * works: owner (the kernel clears set-id bits and capabilities with it), attributes, mode, times.
 */
#include "base/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/attributes.h"
#include "base/fd.h"
#include "base/inodetable.h"
#include "base/log.h"
#include "base/owner.h"
#include "base/ovlmark.h"
#include "base/parse.h"

struct copier {
	int to;
	/* The directory of the target in which the walk is, kept open between its entries. */
	int dirfd;
	char *dir_path; /* relative to `to`; NULL while dirfd is -1 */
	struct inode_table links;
	struct tree_links *linked; /* tree_link(): what is not copied; NULL */
};

static void copier_done(struct copier *copier)
{
	fd_close(copier->dirfd);
	free(copier->dir_path);
	inode_table_done(&copier->links);
}
CLEANUP_FOR_VALUE(struct copier, copier_done)

/* Steps down from `fd`, which it takes, through "a/b/c". Name by name: the path may be longer than PATH_MAX, and
 * nothing in the target is a symlink on this way unless somebody is at work there. */
static int step_down(int fd, const char *path)
{
	while (fd >= 0 && *(path += strspn(path, "/")) != '\0') {
		size_t len = strcspn(path, "/");
		cleanup_free char *name = mem_strndup(path, len);
		int child = openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		fd_close(fd);
		fd = child;
		path += len;
	}
	return fd;
}

/* True when path lies in the directory `dir` or is it; *rest is what is left of it. */
static bool lies_in(const char *path, const char *dir, const char **rest)
{
	size_t len = strlen(dir);

	if (strncmp(path, dir, len) != 0 || (len > 0 && path[len] != '\0' && path[len] != '/'))
		return false;
	*rest = path + len;
	return true;
}

/* True when `path` is the directory that holds `dir`. */
static bool is_parent(const char *path, const char *dir)
{
	const char *slash = strrchr(dir, '/');
	size_t len = slash ? (size_t)(slash - dir) : 0;

	return *dir != '\0' && strlen(path) == len && strncmp(path, dir, len) == 0;
}

/* Opens the target's directory of that path from where the copier stands: below it, one above it (by "..", so that a
 * deep tree does not cost depth times depth; the target is ours, nobody moves its directories), or from the top. */
static int open_target_dir(const struct copier *copier, const char *path)
{
	const char *rest = path;

	if (copier->dir_path && is_parent(path, copier->dir_path))
		return openat(copier->dirfd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int start = copier->dir_path && lies_in(path, copier->dir_path, &rest) ? copier->dirfd : copier->to;
	return step_down(openat(start, ".", O_PATH | O_DIRECTORY | O_CLOEXEC), rest);
}

/* Makes copier->dirfd the target's directory of that path. */
static int go_to(struct copier *copier, const char *path, struct error **err)
{
	if (copier->dir_path && strcmp(copier->dir_path, path) == 0)
		return 0;
	int fd = open_target_dir(copier, path);
	if (fd < 0)
		return error_set_errno(err, "open directory '%s' of the copy", path);
	fd_close(copier->dirfd);
	copier->dirfd = fd;
	mem_replace(&copier->dir_path, path);
	return 0;
}

static char *dir_of(const struct tree_entry *entry)
{
	size_t len = (size_t)(entry->name - entry->path);

	return mem_strndup(entry->path, len > 0 ? len - 1 : 0);
}

/* ---- Dressing ---- */

/* What a tree of links is made without: marks of overlayfs. What cooper has recorded of a file belongs to it. */
static bool is_no_mark(const char *name)
{
	return ovlmark_classify(name) != OVLMARK_KERNEL || text_has_prefix(name, "user.cooper.");
}

/* Gives copier->dirfd/name what the entry has besides type and contents. */
static int dress(struct copier *copier, const struct tree_entry *entry, struct error **err)
{
	const struct stat *st = entry->st;
	char to_path[FD_PROC_PATH_SIZE];

	cleanup_close int from = openat(entry->dirfd, entry->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (from < 0)
		return error_set_errno(err, "open '%s'", entry->path);
	cleanup_close int to = openat(copier->dirfd, entry->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (to < 0)
		return error_set_errno(err, "open the copy of '%s'", entry->path);
	if (fchownat(to, "", st->st_uid, st->st_gid, AT_EMPTY_PATH) < 0)
		return error_set_errno(err, "give '%s' to %u:%u", entry->path, st->st_uid, st->st_gid);
	int rc = attributes_copy(from, to, copier->linked ? is_no_mark : NULL, /* flags */ 0, err);
	if (rc < 0)
		return error_prefix(err, "copy '%s'", entry->path);
	if (!S_ISLNK(st->st_mode) && chmod(fd_proc_path(to, to_path), st->st_mode & 07777) < 0)
		return error_set_errno(err, "set the mode of '%s'", entry->path);
	struct timespec times[2] = {st->st_atim, st->st_mtim};
	if (utimensat(to, "", times, AT_EMPTY_PATH) < 0)
		return error_set_errno(err, "set the times of '%s'", entry->path);
	return 0;
}

/* ---- Making ---- */

/* Copies what is between the holes. */
static int copy_sparse(int from, int to, off_t size, struct error **err)
{
	for (off_t at = 0; at < size;) {
		off_t data = lseek(from, at, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			break;
		off_t hole = data < 0 ? -1 : lseek(from, data, SEEK_HOLE);
		if (hole < 0 || lseek(from, data, SEEK_SET) < 0 || lseek(to, data, SEEK_SET) < 0)
			return error_set_errno(err, "seek");
		int rc = fd_copy_range(from, to, (uint64_t)(hole - data), err);
		if (rc < 0)
			return rc;
		at = hole;
	}
	return ftruncate(to, size) < 0 ? error_set_errno(err, "set the size") : 0;
}

static int copy_contents(int from, int to, const struct stat *st, struct error **err)
{
	uint64_t copied;

	if (fd_clone(from, to, &copied))
		return 0;
	if ((uint64_t)st->st_blocks * 512 < (uint64_t)st->st_size)
		return copy_sparse(from, to, st->st_size, err);
	return fd_copy(from, to, /* copied */ NULL, err);
}

static int copy_file(struct copier *copier, const struct tree_entry *entry, struct error **err)
{
	cleanup_close int from = openat(entry->dirfd, entry->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (from < 0)
		return error_set_errno(err, "open '%s'", entry->path);
	cleanup_close int to = openat(copier->dirfd, entry->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to < 0)
		return error_set_errno(err, "make the copy of '%s'", entry->path);
	int rc = copy_contents(from, to, entry->st, err);
	return rc < 0 ? error_prefix(err, "copy '%s'", entry->path) : 0;
}

static int copy_symlink(struct copier *copier, const struct tree_entry *entry, struct error **err)
{
	char target[PATH_MAX];
	ssize_t len = readlinkat(entry->dirfd, entry->name, target, sizeof(target) - 1);

	if (len < 0)
		return error_set_errno(err, "read the link '%s'", entry->path);
	target[len] = '\0';
	if (symlinkat(target, copier->dirfd, entry->name) < 0)
		return error_set_errno(err, "make the link '%s'", entry->path);
	return 0;
}

/* Whether the entry stands in the copy now, or was left out. */
enum made { MADE = 0, LEFT_OUT = 1 };

static int copy_node(struct copier *copier, const struct tree_entry *entry, struct error **err)
{
	const struct stat *st = entry->st;
	bool is_device = S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode);

	/* May be made by everybody (Linux 5.8); losing one would show a deleted file. */
	if (ovlmark_is_whiteout(st))
		return ovlmark_make_whiteout(copier->dirfd, entry->name, err);
	if (mknodat(copier->dirfd, entry->name, (st->st_mode & S_IFMT) | 0600, st->st_rdev) == 0)
		return MADE;
	if (is_device && errno == EPERM) {
		log_debug("'%s': cannot make a device here, leaving it out", entry->path);
		return LEFT_OUT;
	}
	return error_set_errno(err, "make the node '%s'", entry->path);
}

/* What an existing directory has of its own, its record above all, is not the entry's. Marks of layers stay: whoever
 * merges layers minds them. */
static int undress(int dirfd, const char *name, struct error **err)
{
	cleanup_free char *names = mem_alloc(XATTR_LIST_MAX);
	cleanup_close int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t size = fd < 0 ? -1 : flistxattr(fd, names, XATTR_LIST_MAX);

	for (const char *at = names; size > 0 && at < names + size; at += strlen(at) + 1) {
		bool is_mark = text_has_prefix(at, "user.overlay.") || text_has_prefix(at, "user.cooper.");
		bool is_own = text_has_prefix(at, "user.") && !is_mark;
		if (!is_own && strcmp(at, OWNER_XATTR) != 0 && !text_has_prefix(at, "system.posix_acl_"))
			continue;
		if (fremovexattr(fd, at) < 0 && errno != ENODATA)
			return error_set_errno(err, "remove the attribute %s of '%s'", at, name);
	}
	return 0;
}

/* Into an existing directory we copy as into a new one: it gets the entry's owner and mode in the end. */
static int make_directory(struct copier *copier, const struct tree_entry *entry, struct error **err)
{
	if (mkdirat(copier->dirfd, entry->name, 0700) == 0)
		return MADE;
	if (errno != EEXIST)
		return error_set_errno(err, "make the directory '%s'", entry->path);
	int rc = undress(copier->dirfd, entry->name, err);
	return rc < 0 ? rc : MADE;
}

static int make_entry(struct copier *copier, const struct tree_entry *entry, struct error **err)
{
	switch (entry->st->st_mode & S_IFMT) {
	case S_IFDIR:
		return make_directory(copier, entry, err);
	case S_IFREG:
		return copy_file(copier, entry, err);
	case S_IFLNK:
		return copy_symlink(copier, entry, err);
	case S_IFSOCK:
		if (ovlmark_is_whiteout(entry->st) && !ovlmark_kernel_reads(entry->dirfd))
			return copy_node(copier, entry, err);
		log_debug("'%s' is a socket, nothing without its server: leaving it out", entry->path);
		return LEFT_OUT;
	default:
		return copy_node(copier, entry, err);
	}
}

static int make_mount_point(struct copier *copier, const struct tree_entry *entry, struct error **err)
{
	cleanup_close int fd = -1;

	if (S_ISDIR(entry->st->st_mode)) {
		if (mkdirat(copier->dirfd, entry->name, 0755) == 0 || errno == EEXIST)
			return TREE_SKIP_CHILDREN;
	} else {
		fd = openat(copier->dirfd, entry->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd >= 0)
			return TREE_GO_ON;
	}
	return error_set_errno(err, "make the mount point '%s'", entry->path);
}

/* The name that was not copied because nobody knew of this second one is made one of the copy's. Its directory may be
 * finished, and keeps its time. */
static int replace_first(struct copier *copier, int dirfd, const char *first, const struct tree_entry *entry,
			 struct error **err)
{
	struct stat above;
	int rc = make_entry(copier, entry, err);

	if (rc >= 0)
		rc = dress(copier, entry, err);
	if (rc < 0)
		return rc;
	if (fstat(dirfd, &above) < 0 || unlinkat(dirfd, first, 0) < 0 ||
	    linkat(copier->dirfd, entry->name, dirfd, first, 0) < 0)
		return error_set_errno(err, "link '%s' to '%s'", first, entry->path);
	const struct timespec times[2] = {above.st_atim, above.st_mtim};
	if (utimensat(dirfd, "", times, AT_EMPTY_PATH) < 0)
		return error_set_errno(err, "set the times above '%s'", entry->path);
	return 0;
}

/* A further name of a file that was copied under `first`. */
static int copy_link(struct copier *copier, const char *first, const struct tree_entry *entry, struct error **err)
{
	const char *slash = strrchr(first, '/');
	const char *leaf = slash ? slash + 1 : first;
	cleanup_free char *dir = mem_strndup(first, slash ? (size_t)(slash - first) : 0);
	cleanup_close int dirfd = step_down(openat(copier->to, ".", O_PATH | O_DIRECTORY | O_CLOEXEC), dir);
	struct stat st;

	if (dirfd < 0)
		return error_set_errno(err, "open directory '%s' of the copy", dir);
	if (copier->linked && fstatat(dirfd, leaf, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == entry->st->st_ino &&
	    st.st_dev == entry->st->st_dev)
		return replace_first(copier, dirfd, leaf, entry, err);
	if (linkat(dirfd, leaf, copier->dirfd, entry->name, 0) == 0)
		return 0;
	/* ENOENT: the first name was left out (a device, a socket), and so is this one. */
	return errno == ENOENT ? 0 : error_set_errno(err, "link '%s' to '%s'", entry->path, first);
}

#define OWNER_ACCESS 0600

/* True when the entry stands in the target under a further name of its own. What we may not read and write by its mode
 * is copied: nothing could be done about that later. */
static bool share(struct copier *copier, const struct tree_entry *entry)
{
	struct tree_links *linked = copier->linked;

	if (!S_ISREG(entry->st->st_mode) || (entry->st->st_mode & OWNER_ACCESS) != OWNER_ACCESS)
		return false;
	if (linkat(entry->dirfd, entry->name, copier->dirfd, entry->name, 0) < 0)
		return false;
	if (linked->count == linked->cap) {
		linked->cap = linked->cap ? linked->cap * 2 : 1024;
		linked->inodes = mem_grow(linked->inodes, linked->cap, sizeof(*linked->inodes));
	}
	linked->inodes[linked->count++] = entry->st->st_ino;
	return true;
}

void tree_links_done(struct tree_links *links)
{
	free(links->inodes);
	*links = (struct tree_links){0};
}

static int copy_entry(const struct tree_entry *entry, void *context, struct error **err)
{
	struct copier *copier = context;

	if (*entry->path == '\0')
		return TREE_GO_ON;
	if (copier->linked && ovlmark_is_whiteout(entry->st))
		return TREE_GO_ON;
	cleanup_free char *dir = dir_of(entry);
	int rc = go_to(copier, dir, err);
	if (rc < 0)
		return rc;
	if (entry->is_mount)
		return make_mount_point(copier, entry, err);
	if (!S_ISDIR(entry->st->st_mode) && entry->st->st_nlink > 1) {
		const char *first = inode_table_visit(&copier->links, entry->st, entry->path);
		if (first)
			return copy_link(copier, first, entry, err);
	}
	if (copier->linked && share(copier, entry))
		return TREE_GO_ON;
	rc = make_entry(copier, entry, err);
	if (rc == LEFT_OUT)
		return TREE_GO_ON;
	/* Directories wait until they are full: their mode could keep us out, and filling them changes their times. */
	return rc < 0 || S_ISDIR(entry->st->st_mode) ? rc : dress(copier, entry, err);
}

static int dress_dir(const struct tree_entry *entry, void *context, struct error **err)
{
	struct copier *copier = context;

	/* The target's root is the caller's. */
	if (*entry->path == '\0')
		return TREE_GO_ON;
	cleanup_free char *dir = dir_of(entry);
	int rc = go_to(copier, dir, err);
	return rc < 0 ? rc : dress(copier, entry, err);
}

static struct copier copier_to(int to)
{
	return (struct copier){.to = to, .dirfd = -1};
}

int tree_copy_one(const struct tree_entry *entry, int to, struct error **err)
{
	cleanup(copier_done) struct copier copier = copier_to(to);
	int rc = go_to(&copier, "", err);

	if (rc >= 0)
		rc = make_entry(&copier, entry, err);
	return rc == MADE ? dress(&copier, entry, err) : rc;
}

static int copy_tree(int from, int to, struct tree_links *linked, struct error **err)
{
	cleanup(copier_done) struct copier copier = copier_to(to);

	copier.linked = linked;
	return tree_walk(from, copy_entry, dress_dir, &copier, err);
}

int tree_copy(int from, int to, struct error **err)
{
	return copy_tree(from, to, /* linked */ NULL, err);
}

int tree_link(int from, int to, struct tree_links *links, struct error **err)
{
	return copy_tree(from, to, links, err);
}
