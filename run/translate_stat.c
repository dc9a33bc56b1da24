/*
 * Calls that only look: the stat family, access, readlink, statfs.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "run/translate_internal.h"

static unsigned how_of(int flags)
{
	return (flags & AT_SYMLINK_NOFOLLOW ? 0 : VIEW_FOLLOW) | (flags & AT_EMPTY_PATH ? VIEW_EMPTY : 0);
}

/* ---- stat ---- */

/* The kernel's struct stat is the C library's on 64-bit machines. */
static int write_stat(struct translation *t, const struct trap *trap, const struct spot *spot, uint64_t address)
{
	struct stat st;
	int rc = view_stat(t, spot_mount(spot), spot->fd, &st);

	return rc < 0 ? rc : emul_write(&t->emulation, trap, address, &st, sizeof(st));
}

/* What the dynamic loader and every stream asks of all that they open. Most of it has no record, which is known. */
static void answer_stat_of_fd(struct translation *t, const struct trap *trap, int number, uint64_t result,
			      struct answer *answer)
{
	struct stat st;
	int rc = view_look_at_fd(t, trap, number, &st);

	if (rc < 0 || plain_has(t, /* mount */ NULL, &st)) {
		if (rc == 0)
			view_show(t, &st);
		emul_return(answer, rc < 0 ? rc : emul_write(&t->emulation, trap, result, &st, sizeof(st)));
		return;
	}
	cleanup(spot_done) struct spot spot = SPOT_INIT;
	spot.fd = view_open_fd(t, trap, number);
	if (spot.fd >= 0 && !supervisor_still_waits(&t->emulation.supervisor, trap))
		fd_close(take_fd(&spot.fd));
	emul_return(answer, spot.fd < 0 ? spot.fd : write_stat(t, trap, &spot, result));
}

static void answer_stat(struct translation *t, const struct trap *trap, int dirfd, uint64_t address, unsigned how,
			uint64_t result, struct answer *answer)
{
	cleanup(spot_done) struct spot spot = SPOT_INIT;
	char path[PATH_MAX];
	struct leaf leaf;
	ssize_t length = emul_read_text(&t->emulation, trap, address, path, sizeof(path));

	if (length == 0 && how & VIEW_EMPTY && dirfd != AT_FDCWD) {
		answer_stat_of_fd(t, trap, dirfd, result, answer);
		return;
	}
	int rc = length < 0 ? (int)length : view_look_in_place(t, trap, path, how, &leaf);
	/* Most paths: one look is enough where the directory is known. */
	if (rc > 0 && (plain_has(t, &t->mounts[0], &leaf.st) || plain_learn(t, &leaf))) {
		view_show(t, &leaf.st);
		emul_return(answer, emul_write(&t->emulation, trap, result, &leaf.st, sizeof(leaf.st)));
		return;
	}
	if (rc >= 0)
		rc = view_find_path(t, trap, dirfd, path, how, &spot);
	emul_return(answer, rc < 0 ? rc : write_stat(t, trap, &spot, result));
}

void tr_stat(void *context, const struct trap *trap, struct answer *answer)
{
	answer_stat(context, trap, AT_FDCWD, trap->args[0], VIEW_FOLLOW, trap->args[1], answer);
}

void tr_lstat(void *context, const struct trap *trap, struct answer *answer)
{
	answer_stat(context, trap, AT_FDCWD, trap->args[0], 0, trap->args[1], answer);
}

void tr_fstat(void *context, const struct trap *trap, struct answer *answer)
{
	answer_stat_of_fd(context, trap, (int)trap->args[0], trap->args[1], answer);
}

void tr_fstatat(void *context, const struct trap *trap, struct answer *answer)
{
	int flags = (int)trap->args[3];

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT))
		emul_return(answer, -EINVAL);
	else if (trap->args[1] == 0 && flags & AT_EMPTY_PATH && (int)trap->args[0] >= 0)
		answer_stat_of_fd(context, trap, (int)trap->args[0], trap->args[2], answer); /* as statx(2) below */
	else
		answer_stat(context, trap, (int)trap->args[0], trap->args[1], how_of(flags), trap->args[2], answer);
}

static int write_statx(struct translation *t, const struct trap *trap, const struct spot *spot)
{
	struct statx x;
	struct stat st;
	int flags = (int)trap->args[2];

	if (statx(spot->fd, "", AT_EMPTY_PATH | (flags & AT_STATX_SYNC_TYPE), (unsigned)trap->args[3], &x) < 0)
		return -errno;
	int rc = view_stat(t, spot_mount(spot), spot->fd, &st);
	if (rc < 0)
		return rc;
	x.stx_nlink = (uint32_t)st.st_nlink;
	x.stx_uid = st.st_uid;
	x.stx_gid = st.st_gid;
	x.stx_mode = (uint16_t)st.st_mode;
	x.stx_rdev_major = major(st.st_rdev);
	x.stx_rdev_minor = minor(st.st_rdev);
	return emul_write(&t->emulation, trap, trap->args[4], &x, sizeof(x));
}

void tr_statx(void *context, const struct trap *trap, struct answer *answer)
{
	cleanup(spot_done) struct spot spot = SPOT_INIT;
	int flags = (int)trap->args[2];
	int rc = -EINVAL;

	if (!(flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_SYNC_TYPE))) {
		/* A NULL path with AT_EMPTY_PATH is as good as "" (Linux 6.11). */
		rc = trap->args[1] == 0 && flags & AT_EMPTY_PATH
			     ? view_find_text(context, trap, (int)trap->args[0], "", how_of(flags), &spot)
			     : view_find(context, trap, (int)trap->args[0], trap->args[1], how_of(flags), &spot);
	}
	emul_return(answer, rc < 0 ? rc : write_statx(context, trap, &spot));
}

/* ---- access ---- */

/* As the kernel decides it: for root all but executing what nobody may execute (CAP_DAC_OVERRIDE). */
static int check_access(struct translation *t, const struct trap *trap, const struct spot *spot, int mode,
			bool effective)
{
	const struct task *task = view_task(t, trap);
	struct stat st;
	int rc = view_stat(t, spot_mount(spot), spot->fd, &st);

	if (rc < 0 || !task)
		return rc < 0 ? rc : -ESRCH;
	if (mode & W_OK && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) && view_check_writable(spot) < 0)
		return -EROFS;
	const struct credentials *c = task->credentials;
	uint32_t uid = c->uid[effective ? ID_EFFECTIVE : ID_REAL];
	if (uid == 0)
		return mode & X_OK && !S_ISDIR(st.st_mode) && !(st.st_mode & 0111) ? -EACCES : 0;
	unsigned shift = uid == st.st_uid						      ? 6
			 : st.st_gid == c->gid[ID_REAL] || credentials_in_group(c, st.st_gid) ? 3
											      : 0;
	return ((unsigned)mode & ~(st.st_mode >> shift) & 7) ? -EACCES : 0;
}

static void answer_access(struct translation *t, const struct trap *trap, int dirfd, uint64_t path, int mode, int flags,
			  struct answer *answer)
{
	cleanup(spot_done) struct spot spot = SPOT_INIT;
	int rc = -EINVAL;

	if (!(mode & ~(R_OK | W_OK | X_OK)) && !(flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)))
		rc = view_find(t, trap, dirfd, path, how_of(flags), &spot);
	if (rc == 0)
		rc = check_access(t, trap, &spot, mode, flags & AT_EACCESS);
	emul_return(answer, rc);
}

void tr_access(void *context, const struct trap *trap, struct answer *answer)
{
	answer_access(context, trap, AT_FDCWD, trap->args[0], (int)trap->args[1], 0, answer);
}

void tr_faccessat(void *context, const struct trap *trap, struct answer *answer)
{
	answer_access(context, trap, (int)trap->args[0], trap->args[1], (int)trap->args[2], 0, answer);
}

void tr_faccessat2(void *context, const struct trap *trap, struct answer *answer)
{
	answer_access(context, trap, (int)trap->args[0], trap->args[1], (int)trap->args[2], (int)trap->args[3], answer);
}

/* ---- readlink ---- */

static int read_link(struct translation *t, const struct trap *trap, const struct spot *spot, uint64_t address,
		     uint64_t size)
{
	cleanup(buf_done) struct buf text = BUF_INIT((size_t)2 * PATH_MAX);
	char target[PATH_MAX];

	if ((int64_t)(int)size <= 0)
		return -EINVAL;
	if (spot->mount->kind != VIEW_PROC || !proc_read_link(t, trap, spot, &text)) {
		ssize_t length = readlinkat(spot->fd, "", target, sizeof(target));
		/* A descriptor that holds no link is no file of that name; a path is told otherwise. */
		if (length < 0)
			return errno == ENOENT && !spot->is_magic ? -EINVAL : -errno;
		buf_append(&text, target, (size_t)length);
	}
	size_t length = text.len < size ? text.len : size;
	int rc = emul_write(&t->emulation, trap, address, text.data, length);
	return rc < 0 ? rc : (int)length;
}

static void answer_readlink(struct translation *t, const struct trap *trap, int dirfd, uint64_t path, uint64_t address,
			    uint64_t size, struct answer *answer)
{
	cleanup(spot_done) struct spot spot = SPOT_INIT;
	int rc = view_find(t, trap, dirfd, path, VIEW_EMPTY, &spot);

	emul_return(answer, rc < 0 ? rc : read_link(t, trap, &spot, address, size));
}

void tr_readlink(void *context, const struct trap *trap, struct answer *answer)
{
	answer_readlink(context, trap, AT_FDCWD, trap->args[0], trap->args[1], trap->args[2], answer);
}

void tr_readlinkat(void *context, const struct trap *trap, struct answer *answer)
{
	answer_readlink(context, trap, (int)trap->args[0], trap->args[1], trap->args[2], trap->args[3], answer);
}

/* ---- statfs ---- */

void tr_statfs(void *context, const struct trap *trap, struct answer *answer)
{
	struct translation *t = context;
	cleanup(spot_done) struct spot spot = SPOT_INIT;
	struct statfs fs;
	int rc = view_find(t, trap, AT_FDCWD, trap->args[0], VIEW_FOLLOW, &spot);

	if (rc == 0 && fstatfs(spot.fd, &fs) < 0)
		rc = -errno;
	if (rc == 0)
		rc = emul_write(&t->emulation, trap, trap->args[1], &fs, sizeof(fs));
	emul_return(answer, rc);
}
