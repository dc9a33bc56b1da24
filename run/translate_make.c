/*
 * Owner and mode of what is made and changed in a translated root. The one id that we are has to keep access to all of
 * it: what the step's root may read, we must be able to read. So a mode that would lock us out is written down, and the
 * file's own has the owner's bits besides.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "run/translate_internal.h"

static mode_t needed_bits(mode_t type)
{
	return S_ISDIR(type) ? 0700 : 0600;
}

/* What belongs to us is root's; there is nobody else. */
static void see_ids(struct stat *st)
{
	if (st->st_uid == geteuid())
		st->st_uid = 0;
	if (st->st_gid == getegid())
		st->st_gid = 0;
}

int view_stat(struct translation *t, int fd, struct stat *st)
{
	struct owner_record record;

	if (fstat(fd, st) < 0)
		return -errno;
	see_ids(st);
	if (emul_record_find(&t->emulation, fd, &record))
		owner_apply(&record, st);
	return 0;
}

static bool is_same_record(const struct owner_record *a, const struct owner_record *b)
{
	return a->uid == b->uid && a->gid == b->gid && a->mode == b->mode && a->major == b->major &&
	       a->minor == b->minor;
}

int make_mode(struct translation *t, int fd, mode_t mode)
{
	char proc[FD_PROC_PATH_SIZE];
	struct owner_record before = {0};
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	mode &= 07777;
	mode_t real = mode | needed_bits(st.st_mode);
	emul_record_find(&t->emulation, fd, &before);
	struct owner_record after = before;
	after.mode = (before.mode & S_IFMT) | (real != mode ? OWNER_HAS_MODE | mode : 0);
	/* The record first: killed in between, the file is closed rather than open. */
	int rc = is_same_record(&before, &after) ? 0 : emul_record_set(&t->emulation, fd, &after);
	if (rc == 0 && chmod(fd_proc_path(fd, proc), real) < 0)
		rc = -errno;
	return rc;
}

int make_dressed(struct translation *t, int fd, mode_t mode, const struct owner_record *owner)
{
	char proc[FD_PROC_PATH_SIZE];
	struct owner_record record = *owner;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	mode &= 07777;
	mode_t real = mode | needed_bits(st.st_mode);
	if (real != mode)
		record.mode |= OWNER_HAS_MODE | mode;
	if (!S_ISLNK(st.st_mode) && (st.st_mode & 07777) != real && chmod(fd_proc_path(fd, proc), real) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode))
		record.mode = 0;
	return record.uid || record.gid || record.mode ? emul_record_set(&t->emulation, fd, &record) : 0;
}

int make_birth(struct translation *t, const struct trap *trap, int parent, struct owner_record *owner, mode_t *umask)
{
	const struct task *task = view_task(t, trap);
	struct stat st;

	if (!task || !task->fs)
		return -ESRCH;
	*owner = (struct owner_record){.uid = task->credentials->uid[ID_FS], .gid = task->credentials->gid[ID_FS]};
	*umask = task->fs->umask;
	int rc = view_stat(t, parent, &st);
	if (rc == 0 && st.st_mode & S_ISGID)
		owner->gid = st.st_gid;
	return rc;
}

int make_accessible(struct translation *t, int fd)
{
	struct stat st;
	struct stat seen;

	if (fstat(fd, &st) < 0)
		return -errno;
	mode_t needed = needed_bits(st.st_mode);
	if (st.st_uid != geteuid() || (st.st_mode & needed) == needed || S_ISLNK(st.st_mode))
		return -EACCES;
	int rc = view_stat(t, fd, &seen);
	return rc < 0 ? rc : make_mode(t, fd, seen.st_mode);
}

/* ---- Files of layers ---- */

static int copy_attributes(int from, int to)
{
	cleanup_free char *names = mem_alloc(XATTR_LIST_MAX);
	cleanup_free char *value = mem_alloc(XATTR_SIZE_MAX);
	ssize_t size = flistxattr(from, names, XATTR_LIST_MAX);

	for (const char *name = names; size > 0 && name < names + size; name += strlen(name) + 1) {
		ssize_t got = fgetxattr(from, name, value, XATTR_SIZE_MAX);
		if (got >= 0 && fsetxattr(to, name, value, (size_t)got, 0) < 0 && strncmp(name, "user.", 5) == 0)
			return -errno;
	}
	return 0;
}

static int copy_file(struct translation *t, int from, const struct stat *st, const char *name)
{
	const struct timespec times[2] = {st->st_atim, st->st_mtim};
	cleanup_close int to = openat(t->scratch, name, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (to < 0)
		return -errno;
	int rc = fd_copy(from, to, /* copied */ NULL, NULL);
	if (rc >= 0)
		rc = copy_attributes(from, to);
	if (rc >= 0 && geteuid() == 0 && fchown(to, st->st_uid, st->st_gid) < 0)
		rc = -errno;
	if (rc >= 0 && (fchmod(to, st->st_mode & 07777) < 0 || futimens(to, times) < 0))
		rc = -errno;
	return rc;
}

static bool is_before(const struct statx_timestamp *a, const struct timespec *b)
{
	return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec <= (uint32_t)b->tv_nsec);
}

/* A layer's file is older than the tree that it was linked into, and has a name elsewhere. */
static bool is_of_layer(const struct translation *t, int fd)
{
	const struct timespec *since = &t->spec->root.linked_at;
	struct statx st;

	if (since->tv_sec == 0 || statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &st) < 0)
		return false;
	return S_ISREG(st.stx_mode) && st.stx_nlink > 1 &&
	       (!(st.stx_mask & STATX_BTIME) || is_before(&st.stx_btime, since));
}

/* The place of a thing that was found by the short way. */
static int find_place(struct translation *t, struct spot *spot)
{
	const char *path = buf_str(&spot->path);
	const char *slash = strrchr(path, '/');

	if (spot->parent >= 0)
		return 0;
	if (!slash || slash[1] == '\0' || strlen(slash + 1) > NAME_MAX)
		return -EBUSY;
	cleanup_free char *above = mem_strndup(path, (size_t)(slash - path));
	spot->parent = view_open_canonical(t, above, 0);
	if (spot->parent < 0)
		return spot->parent;
	snprintf(spot->leaf, sizeof(spot->leaf), "%s", slash + 1);
	return 0;
}

int make_private(struct translation *t, struct spot *spot)
{
	char proc[FD_PROC_PATH_SIZE];
	struct stat st;

	if (spot->fd < 0 || spot->mount != &t->mounts[0] || !is_of_layer(t, spot->fd))
		return 0;
	int rc = find_place(t, spot);
	if (rc < 0 || fstat(spot->fd, &st) < 0)
		return rc < 0 ? rc : -errno;
	cleanup_close int from = open(fd_proc_path(spot->fd, proc), O_RDONLY | O_CLOEXEC);
	if (from < 0)
		return -errno;
	rc = copy_file(t, from, &st, "private");
	if (rc == 0 && renameat(t->scratch, "private", spot->parent, spot->leaf) < 0)
		rc = -errno;
	if (rc < 0) {
		unlinkat(t->scratch, "private", 0);
		return rc;
	}
	fd_close(spot->fd);
	spot->fd = openat(spot->parent, spot->leaf, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return spot->fd < 0 ? -errno : 0;
}
