/*
 * Walking, removing and measuring trees. The walk is a loop over a stack of directories, so that no depth of a hostile
 * tree can exhaust the C stack, and only the innermost directories of the stack are held open.
 */
#include "base/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/inodetable.h"
#include "base/strlist.h"

/* Directories held open at once: far below the usual limit of 1024 descriptors. What lies further out is closed and
 * opened again through ".." of its child when the walk comes back. */
#define OPEN_DIRS_MAX 128
#define TREE_PATH_MAX BUF_MAX_DEFAULT
#define DIRENT_BUFFER ((size_t)32 << 10)

struct level {
	int fd; /* owned; -1 while closed */
	struct stat st;
	struct strlist names;
	size_t next;	 /* index in names */
	size_t path_len; /* of the directory itself in walk.path */
	size_t name_at;	 /* where its last component starts */
};

struct walk {
	struct level *levels;
	size_t depth; /* levels in use */
	size_t cap;
	struct buf path;
	char *dirents; /* DIRENT_BUFFER */
	tree_visit *visit;
	tree_visit *after;
	tree_names *names; /* NULL: all */
	void *context;
};

static void walk_done(struct walk *walk)
{
	for (size_t i = 0; i < walk->depth; i++) {
		strlist_done(&walk->levels[i].names);
		fd_close(walk->levels[i].fd);
	}
	free(walk->levels);
	free(walk->dirents);
	buf_done(&walk->path);
}
CLEANUP_FOR_VALUE(struct walk, walk_done)

static const char *shown(const char *path)
{
	return *path ? path : ".";
}

/* All names of a directory, sorted. Read at once: what the visitor removes or adds does not disturb the reading. */
static int read_names(struct walk *walk, int fd, struct strlist *names, struct error **err)
{
	for (;;) {
		ssize_t got = getdents64(fd, walk->dirents, DIRENT_BUFFER);
		/* The directory was removed while it was open. */
		if (got < 0 && errno == ENOENT)
			break;
		if (got < 0)
			return error_set_errno(err, "read directory '%s'", shown(buf_str(&walk->path)));
		if (got == 0)
			break;
		for (ssize_t at = 0; at < got;) {
			const struct dirent64 *entry = (const void *)(walk->dirents + at);
			if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
				strlist_append(names, entry->d_name);
			at += entry->d_reclen;
		}
	}
	strlist_sort(names);
	return 0;
}

/* Makes the directory `fd`, whose path stands in walk->path, the innermost level. The level has taken fd, also on
 * failure. */
static int push(struct walk *walk, int fd, const struct stat *st, size_t name_at, struct error **err)
{
	if (walk->depth == walk->cap) {
		walk->cap = walk->cap ? walk->cap * 2 : 16;
		walk->levels = mem_grow(walk->levels, walk->cap, sizeof(*walk->levels));
	}
	struct level *level = &walk->levels[walk->depth++];
	*level = (struct level){.fd = fd, .st = *st, .path_len = walk->path.len, .name_at = name_at};
	if (walk->depth > OPEN_DIRS_MAX) {
		struct level *outer = &walk->levels[walk->depth - 1 - OPEN_DIRS_MAX];
		fd_close(outer->fd);
		outer->fd = -1;
	}
	if (walk->names && walk->names(buf_str(&walk->path), walk->context, &level->names))
		return 0;
	return read_names(walk, fd, &level->names, err);
}

static void set_path(struct walk *walk, size_t len)
{
	walk->path.len = len;
	if (walk->path.data)
		walk->path.data[len] = '\0';
}

/* The parent of the innermost level must be open for what comes next. */
static int reopen_parent(struct walk *walk, struct error **err)
{
	const struct level *child = &walk->levels[walk->depth - 1];
	struct level *parent = &walk->levels[walk->depth - 2];
	struct stat st;

	if (parent->fd >= 0)
		return 0;
	cleanup_close int fd = openat(child->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set_errno(err, "go back up from directory '%s'", buf_str(&walk->path));
	/* Whoever moved the child elsewhere must not lead us there. */
	if (st.st_dev != parent->st.st_dev || st.st_ino != parent->st.st_ino)
		return error_set(err, ESTALE, "directory '%s' was moved while it was walked", buf_str(&walk->path));
	parent->fd = take_fd(&fd);
	return 0;
}

/* Leaves the innermost level: its `after`, then it is gone. */
static int pop(struct walk *walk, struct error **err)
{
	struct level *level = &walk->levels[walk->depth - 1];
	int verdict = TREE_GO_ON;

	set_path(walk, level->path_len);
	if (walk->depth > 1) {
		int rc = reopen_parent(walk, err);
		if (rc < 0)
			return rc;
	}
	if (walk->after) {
		const char *path = buf_str(&walk->path);
		struct tree_entry entry = {
			.path = path,
			.name = path + level->name_at,
			.dirfd = walk->depth > 1 ? walk->levels[walk->depth - 2].fd : level->fd,
			.st = &level->st,
		};
		verdict = walk->after(&entry, walk->context, err);
	}
	strlist_done(&level->names);
	fd_close(level->fd);
	walk->depth--;
	return verdict;
}

static struct stat stat_of(const struct statx *x)
{
	return (struct stat){
		.st_dev = makedev(x->stx_dev_major, x->stx_dev_minor),
		.st_ino = x->stx_ino,
		.st_mode = x->stx_mode,
		.st_nlink = x->stx_nlink,
		.st_uid = x->stx_uid,
		.st_gid = x->stx_gid,
		.st_rdev = makedev(x->stx_rdev_major, x->stx_rdev_minor),
		.st_size = (off_t)x->stx_size,
		.st_blksize = (blksize_t)x->stx_blksize,
		.st_blocks = (blkcnt_t)x->stx_blocks,
		.st_atim = {.tv_sec = x->stx_atime.tv_sec, .tv_nsec = x->stx_atime.tv_nsec},
		.st_mtim = {.tv_sec = x->stx_mtime.tv_sec, .tv_nsec = x->stx_mtime.tv_nsec},
		.st_ctim = {.tv_sec = x->stx_ctime.tv_sec, .tv_nsec = x->stx_ctime.tv_nsec},
	};
}

/* What stands under a name, and whether it is mounted there: one call for both (STATX_ATTR_MOUNT_ROOT, statx(2), Linux
 * 5.8). Where the kernel does not say, or a seccomp profile that is older than statx answers EPERM, another device than
 * that of the directory around it (NULL: not known) gives a mounted directory away; a bind mount from the same file
 * system is then not noticed. */
static int stat_entry(int dirfd, const char *name, const struct stat *around, struct stat *st, bool *is_mount)
{
	struct statx x;

	if (statx(dirfd, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &x) == 0) {
		*st = stat_of(&x);
		*is_mount = x.stx_attributes & STATX_ATTR_MOUNT_ROOT;
		if (x.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT)
			return 0;
	} else if (errno != EPERM || fstatat(dirfd, name, st, AT_SYMLINK_NOFOLLOW) < 0) {
		return -1;
	}
	*is_mount = around && S_ISDIR(st->st_mode) && st->st_dev != around->st_dev;
	return 0;
}

/* Makes the directory that was just visited the innermost level. */
static int enter(struct walk *walk, const struct tree_entry *entry, struct error **err)
{
	int fd = openat(entry->dirfd, entry->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? TREE_GO_ON : error_set_errno(err, "open directory '%s'", entry->path);
	return push(walk, fd, entry->st, (size_t)(entry->name - entry->path), err);
}

/* Visits one name of the innermost level and enters it when it is a directory. */
static int visit_name(struct walk *walk, const char *name, struct error **err)
{
	const struct level *level = &walk->levels[walk->depth - 1];
	struct stat st;
	bool is_mount;

	set_path(walk, level->path_len);
	if (level->path_len > 0)
		buf_append_char(&walk->path, '/');
	size_t name_at = walk->path.len;
	buf_append_str(&walk->path, name);
	if (walk->path.overflow)
		return error_set(err, ENAMETOOLONG, "the tree is too deep: its paths have more than %zu bytes",
				 TREE_PATH_MAX);
	const char *path = buf_str(&walk->path);
	if (stat_entry(level->fd, name, &level->st, &st, &is_mount) < 0)
		return errno == ENOENT ? TREE_GO_ON : error_set_errno(err, "stat '%s'", path);
	struct tree_entry entry = {
		.path = path, .name = path + name_at, .dirfd = level->fd, .st = &st, .is_mount = is_mount};
	int verdict = walk->visit(&entry, walk->context, err);
	if (verdict != TREE_GO_ON || !S_ISDIR(st.st_mode) || is_mount)
		return verdict;
	return enter(walk, &entry, err);
}

int tree_walk(int dirfd, tree_visit *visit, tree_visit *after, void *context, struct error **err)
{
	return tree_walk_some(dirfd, visit, after, /* names */ NULL, context, err);
}

int tree_walk_some(int dirfd, tree_visit *visit, tree_visit *after, tree_names *names, void *context,
		   struct error **err)
{
	cleanup(walk_done) struct walk walk = {.visit = visit, .after = after, .names = names, .context = context};
	struct stat st;

	buf_init(&walk.path, TREE_PATH_MAX);
	walk.dirents = mem_grow(NULL, DIRENT_BUFFER, 1);
	/* A descriptor of our own: the caller's may be O_PATH, or be read by another walk. */
	cleanup_close int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set_errno(err, "open the root of a tree");
	struct tree_entry root = {.path = "", .name = "", .dirfd = fd, .st = &st};
	int verdict = visit(&root, context, err);
	if (verdict != TREE_GO_ON)
		return verdict < 0 ? verdict : 0;
	verdict = push(&walk, take_fd(&fd), &st, 0, err);
	while (verdict == TREE_GO_ON && walk.depth > 0) {
		struct level *level = &walk.levels[walk.depth - 1];
		/* The level may move in memory when another is pushed; the name is its own allocation. */
		if (level->next < level->names.count)
			verdict = visit_name(&walk, level->names.items[level->next++], err);
		else
			verdict = pop(&walk, err);
		if (verdict == TREE_SKIP_CHILDREN)
			verdict = TREE_GO_ON;
	}
	return verdict < 0 ? verdict : 0;
}

/* ---- Removing ---- */

/* A directory must let us read, search and change it. Failing is no error here: root does not need it, and for others
 * the removal says what it could not do. */
static void open_up(int dirfd, const char *name, mode_t mode)
{
	char proc[FD_PROC_PATH_SIZE];

	if ((mode & 0700) == 0700)
		return;
	/* By descriptor: chmod(2) by name would follow a symlink that has come into its place. */
	cleanup_close int fd = openat(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && chmod(fd_proc_path(fd, proc), (mode & 07777) | 0700) < 0)
		return;
}

static int remove_entry(const struct tree_entry *entry, void *context, struct error **err)
{
	if (*entry->path == '\0')
		return TREE_GO_ON;
	if (entry->is_mount)
		return error_set(err, EBUSY, "'%s' is a mount point", entry->path);
	if (S_ISDIR(entry->st->st_mode)) {
		open_up(entry->dirfd, entry->name, entry->st->st_mode);
		return TREE_GO_ON;
	}
	if (unlinkat(entry->dirfd, entry->name, 0) < 0 && errno != ENOENT)
		return error_set_errno(err, "remove '%s'", entry->path);
	return TREE_GO_ON;
}

static int remove_dir(const struct tree_entry *entry, void *context, struct error **err)
{
	/* The root of the walk is removed by its own name, by who opened it. */
	if (*entry->path == '\0')
		return TREE_GO_ON;
	if (unlinkat(entry->dirfd, entry->name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return error_set_errno(err, "remove directory '%s'", entry->path);
	return TREE_GO_ON;
}

int tree_remove(int dirfd, const char *name, struct error **err)
{
	struct stat st;
	bool is_mount;

	if (stat_entry(dirfd, name, /* around */ NULL, &st, &is_mount) < 0)
		return errno == ENOENT ? 0 : error_set_errno(err, "remove '%s'", name);
	/* rmdir(2) would refuse it in the end, when it is empty. */
	if (is_mount)
		return error_set(err, EBUSY, "remove '%s': it is a mount point", name);
	if (!S_ISDIR(st.st_mode)) {
		if (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT)
			return error_set_errno(err, "remove '%s'", name);
		return 0;
	}
	open_up(dirfd, name, st.st_mode);
	cleanup_close int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : error_set_errno(err, "remove '%s'", name);
	int rc = tree_walk(fd, remove_entry, remove_dir, NULL, err);
	if (rc < 0)
		return error_prefix(err, "remove '%s'", name);
	if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return error_set_errno(err, "remove directory '%s'", name);
	return 0;
}

/* ---- Measuring ---- */

struct measure {
	struct tree_usage usage;
	struct inode_table seen;
};

static int measure_entry(const struct tree_entry *entry, void *context, struct error **err)
{
	struct measure *measure = context;
	const struct stat *st = entry->st;

	if (*entry->path == '\0')
		return TREE_GO_ON;
	measure->usage.entries++;
	if (entry->is_mount)
		return TREE_GO_ON;
	if (!S_ISDIR(st->st_mode) && st->st_nlink > 1 && inode_table_visit(&measure->seen, st, entry->path))
		return TREE_GO_ON;
	if (S_ISREG(st->st_mode))
		measure->usage.bytes += (uint64_t)st->st_size;
	measure->usage.blocks += (uint64_t)st->st_blocks * 512;
	return TREE_GO_ON;
}

int tree_usage(int dirfd, struct tree_usage *usage, struct error **err)
{
	struct measure measure = {0};
	int rc = tree_walk(dirfd, measure_entry, /* after */ NULL, &measure, err);

	inode_table_done(&measure.seen);
	if (rc < 0)
		return rc;
	*usage = measure.usage;
	return 0;
}
