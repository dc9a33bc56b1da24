/*
 * Files that the root shares with layers (spec.h, `shared`): their inodes are never changed. What a step is about to
 * change is replaced by a copy first, under its name, by whoever is about to change it or to make that possible: every
 * open for writing, every change of mode, owner, size, times and attributes, every new link. The kernel does none of
 * these without us: what a step has open of such a file it can only read.
 *
 * A descriptor that was opened before stays with the old contents, as with overlayfs before Linux 4.19; asked by such
 * a descriptor to change the file, we change the one that has taken its place, and give the descriptor that, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/attributes.h"
#include "base/fd.h"
#include "run/translate_internal.h"

#define COPY_NAME "private"

static int compare_inodes(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static bool is_in_set(const struct translation *t, const struct stat *st)
{
	const struct run_root *root = &t->spec->root;
	uint64_t ino = st->st_ino;

	return root->shared_count > 0 && S_ISREG(st->st_mode) && st->st_dev == t->root_device &&
	       bsearch(&ino, root->shared, root->shared_count, sizeof(ino), compare_inodes);
}

bool view_is_shared(const struct translation *t, const struct stat *st)
{
	return st->st_nlink > 1 && is_in_set(t, st);
}

/* It may have no name in the root any more, and one in a layer: who has it open reaches it still. Or it is one of ours
 * whose number is in the set, with its name in the root: where it has one, it is. */
static bool may_be_left(const struct translation *t, const struct stat *st)
{
	return st->st_nlink == 1 && is_in_set(t, st);
}

/* ---- What has taken a file's place ---- */

struct replaced {
	uint64_t before, after; /* inodes */
	char *path;		/* where it was then */
};

static const struct replaced *find_replaced(const struct translation *t, uint64_t ino)
{
	for (size_t i = t->replaced_count; i-- > 0;)
		if (t->replaced[i].before == ino)
			return &t->replaced[i];
	return NULL;
}

static void note_replaced(struct translation *t, uint64_t before, int after, const char *path)
{
	struct stat st;

	if (fstat(after, &st) < 0)
		return;
	t->replaced = mem_grow(t->replaced, t->replaced_count + 1, sizeof(*t->replaced));
	t->replaced[t->replaced_count++] =
		(struct replaced){.before = before, .after = st.st_ino, .path = mem_strdup(path)};
}

void private_free(struct translation *t)
{
	for (size_t i = 0; i < t->replaced_count; i++)
		free(t->replaced[i].path);
	free(t->replaced);
}

/* ---- Copying ---- */

/* Owner first: chown(2) takes set-id bits and capabilities away. */
static int copy_file(int from, int to, const struct stat *st, bool with_contents)
{
	const struct timespec times[2] = {st->st_atim, st->st_mtim};
	int rc = with_contents ? fd_copy(from, to, /* copied */ NULL, NULL) : 0;

	if (rc >= 0 && owner_is_root() && fchown(to, st->st_uid, st->st_gid) < 0)
		rc = -errno;
	if (rc >= 0)
		rc = attributes_copy(from, to, /* wanted */ NULL, /* flags */ 0, NULL);
	if (rc >= 0 && (fchmod(to, st->st_mode & 07777) < 0 || futimens(to, times) < 0))
		rc = -errno;
	return rc < 0 ? rc : 0;
}

/* A copy in our own directory, under COPY_NAME. */
static int make_copy(struct translation *t, int file, const struct stat *st, bool with_contents)
{
	char proc[FD_PROC_PATH_SIZE];
	cleanup_close int from = open(fd_proc_path(file, proc), O_RDONLY | O_CLOEXEC);

	if (from < 0)
		return -errno;
	unlinkat(t->scratch, COPY_NAME, 0);
	cleanup_close int to = openat(t->scratch, COPY_NAME, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return -errno;
	int rc = copy_file(from, to, st, with_contents);
	plain_forget(t, to);
	if (rc < 0)
		unlinkat(t->scratch, COPY_NAME, 0);
	return rc < 0 ? rc : take_fd(&to);
}

/* One that has no name, and will have none, in the root: what is elsewhere is the host's. */
static int make_nameless_copy(struct translation *t, int file, const struct stat *st)
{
	char proc[FD_PROC_PATH_SIZE];
	cleanup_close int from = open(fd_proc_path(file, proc), O_RDONLY | O_CLOEXEC);
	cleanup_close int to =
		from < 0 ? -1 : openat(t->mounts[0].fd, ".", O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600);

	if (to < 0)
		return -errno;
	int rc = copy_file(from, to, st, /* with_contents */ true);
	plain_forget(t, to);
	return rc < 0 ? rc : take_fd(&to);
}

/* ---- Places ---- */

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

/* The place of a thing, when it still is at the name that it was found by: what was removed has one no more. */
static bool find_place(struct translation *t, struct spot *spot, const struct stat *st)
{
	const char *path = buf_str(&spot->path);
	const char *slash = strrchr(path, '/');
	struct stat there;

	if (spot->parent < 0) {
		if (!slash || slash[1] == '\0' || strlen(slash + 1) > NAME_MAX)
			return false;
		cleanup_free char *above = mem_strndup(path, (size_t)(slash - path));
		spot->parent = view_open_canonical(t, above, 0);
		if (spot->parent < 0) {
			spot->parent = -1;
			return false;
		}
		snprintf(spot->leaf, sizeof(spot->leaf), "%s", slash + 1);
	}
	return fstatat(spot->parent, spot->leaf, &there, AT_SYMLINK_NOFOLLOW) == 0 && is_same(&there, st);
}

/* The copy under the file's name. A directory's time does not tell of it: nothing has changed yet. */
static int put_in_place(struct translation *t, const struct spot *spot)
{
	char proc[FD_PROC_PATH_SIZE];
	struct stat above;

	if (fstat(spot->parent, &above) < 0)
		return -errno;
	if (renameat(t->scratch, COPY_NAME, spot->parent, spot->leaf) < 0 &&
	    (errno != EACCES || make_accessible(t, spot->parent) < 0 ||
	     renameat(t->scratch, COPY_NAME, spot->parent, spot->leaf) < 0))
		return -errno;
	const struct timespec times[2] = {above.st_atim, above.st_mtim};
	utimensat(AT_FDCWD, fd_proc_path(spot->parent, proc), times, 0);
	return 0;
}

static void stand_on(struct spot *spot, int fd)
{
	fd_close(spot->fd);
	spot->fd = fd;
}

/* A descriptor of a file that was replaced, or removed: what is at its old name now if that has its place, else a copy
 * that has no name either. */
static int stand_on_successor(struct translation *t, struct spot *spot, const struct stat *st)
{
	const struct replaced *replaced = find_replaced(t, st->st_ino);
	struct stat there;

	if (replaced) {
		int fd = view_open_canonical(t, replaced->path, 0);
		if (fd >= 0 && fstat(fd, &there) == 0 && there.st_ino == replaced->after) {
			stand_on(spot, fd);
			return 0;
		}
		fd_close(fd);
	}
	cleanup_close int copy = make_nameless_copy(t, spot->fd, st);
	if (copy < 0)
		return copy;
	char proc[FD_PROC_PATH_SIZE];
	int fd = open(fd_proc_path(copy, proc), O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	stand_on(spot, fd);
	return 0;
}

/* ---- The doors ---- */

static int replace(struct translation *t, struct spot *spot, bool with_contents)
{
	struct stat st;

	if (view_is_hosts(t, spot))
		return -EACCES;
	if (spot->fd < 0 || t->spec->root.shared_count == 0)
		return 0;
	if (fstat(spot->fd, &st) < 0)
		return -errno;
	bool is_left = may_be_left(t, &st);
	if (!is_left && !view_is_shared(t, &st))
		return 0;
	if (!find_place(t, spot, &st))
		return stand_on_successor(t, spot, &st);
	if (is_left)
		return 0;
	cleanup_close int copy = make_copy(t, spot->fd, &st, with_contents);
	int rc = copy < 0 ? copy : put_in_place(t, spot);
	if (rc < 0) {
		unlinkat(t->scratch, COPY_NAME, 0);
		return rc;
	}
	note_replaced(t, st.st_ino, copy, buf_str(&spot->path));
	int fd = openat(spot->parent, spot->leaf, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	stand_on(spot, fd);
	return 0;
}

int make_private(struct translation *t, struct spot *spot)
{
	return replace(t, spot, /* with_contents */ true);
}

int make_private_empty(struct translation *t, struct spot *spot)
{
	return replace(t, spot, /* with_contents */ false);
}

/* Flags and position of a descriptor of the caller's (proc(5), /proc/pid/fdinfo). */
static int read_fdinfo(const struct trap *trap, int number, int64_t *position, unsigned *flags)
{
	cleanup_free char *path = mem_printf("/proc/%d/fdinfo/%d", trap->tid, number);
	cleanup(buf_done) struct buf text = BUF_INIT(1 << 16);
	long long at = 0;

	if (fd_read_file(AT_FDCWD, path, &text, NULL) < 0 ||
	    sscanf(buf_str(&text), "pos:\t%lld\nflags:\t%o", &at, flags) != 2)
		return -EBADF;
	*position = at;
	return 0;
}

int make_private_by_fd(struct translation *t, const struct trap *trap, int number, struct spot *spot)
{
	char proc[FD_PROC_PATH_SIZE];
	struct stat before, after;
	int64_t position = 0;
	unsigned flags = 0;

	if (fstat(spot->fd, &before) < 0 || (!view_is_shared(t, &before) && !may_be_left(t, &before)))
		return 0;
	int rc = make_private(t, spot);
	if (rc == 0 && fstat(spot->fd, &after) < 0)
		rc = -errno;
	if (rc == 0 && is_same(&before, &after))
		return 0;
	if (rc == 0)
		rc = read_fdinfo(trap, number, &position, &flags);
	if (rc < 0)
		return rc;
	/* It was open for reading only, or there would have been a copy then. */
	cleanup_close int fd =
		open(fd_proc_path(spot->fd, proc), (int)(flags & (O_NONBLOCK | O_NOATIME)) | O_RDONLY | O_CLOEXEC);
	if (fd < 0 || lseek(fd, position, SEEK_SET) < 0)
		return -errno;
	return supervisor_replace(&t->emulation.supervisor, trap, fd, number, (flags & O_CLOEXEC) != 0);
}

void tr_flock(void *context, const struct trap *trap, struct answer *answer)
{
	struct translation *t = context;
	cleanup(spot_done) struct spot spot = SPOT_INIT;
	int number = (int)trap->args[0];

	/* By one that only names a file the kernel refuses it. */
	if (number < 0 || emul_fd_is_path(trap, number))
		return;
	/* A lock on what a layer shares would be one on every root of it. */
	if (view_find_text(t, trap, number, "", VIEW_EMPTY, &spot) == 0 &&
	    supervisor_still_waits(&t->emulation.supervisor, trap)) {
		int rc = make_private_by_fd(t, trap, number, &spot);
		if (rc < 0)
			emul_return(answer, rc);
	}
}

/* Other requests of file systems than the filter lets pass change an inode also by a descriptor that is open for
 * reading. */
void tr_ioctl(void *context, const struct trap *trap, struct answer *answer)
{
	const struct translation *t = context;
	uint32_t request = (uint32_t)trap->args[1];

	/* Whom a socket's SIGIO goes to: as F_SETOWN_EX (tr_fcntl()). */
	if ((request & 0xff00) == (FIOSETOWN & 0xff00)) {
		if (!t->has_signal_scope && (request == FIOSETOWN || request == SIOCSPGRP))
			emul_return(answer, -EPERM);
		return;
	}
	emul_return(answer, -EOPNOTSUPP);
}
