/*
 * Mode, owner, size and times of what is there.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>
#include <unistd.h>
#include <utime.h>

#include "base/fd.h"
#include "run/translate_internal.h"

typedef int change(struct translation *t, const struct trap *trap, struct spot *spot, const void *how);

static unsigned how_of(int flags)
{
	return (flags & AT_SYMLINK_NOFOLLOW ? 0 : VIEW_FOLLOW) | (flags & AT_EMPTY_PATH ? VIEW_EMPTY : 0);
}

static int check_changeable(const struct spot *spot)
{
	int rc = view_check_writable(spot);

	return rc == 0 && spot->mount->kind == VIEW_PROC && !spot->is_magic ? -EPERM : rc;
}

static void answer_change(struct translation *t, const struct trap *trap, int dirfd, uint64_t path, unsigned flags,
			  change *apply, const void *how, struct answer *answer)
{
	cleanup(spot_done) struct spot spot = SPOT_INIT;
	int rc = view_find(t, trap, dirfd, path, flags, &spot);

	if (rc == 0)
		rc = check_changeable(&spot);
	if (rc == 0)
		rc = make_private(t, &spot);
	emul_return(answer, rc < 0 ? rc : apply(t, trap, &spot, how));
}

static void answer_change_fd(struct translation *t, const struct trap *trap, int fd, change *apply, const void *how,
			     struct answer *answer)
{
	cleanup(spot_done) struct spot spot = SPOT_INIT;
	/* One that only names a thing is no way to change it (open(2), O_PATH). */
	int rc = fd < 0 || emul_fd_is_path(trap, fd) ? -EBADF : view_find_text(t, trap, fd, "", VIEW_EMPTY, &spot);

	if (rc == 0 && !supervisor_still_waits(&t->emulation.supervisor, trap))
		rc = -ESRCH;
	if (rc == 0)
		rc = check_changeable(&spot);
	if (rc == 0)
		rc = make_private_by_fd(t, trap, fd, &spot);
	emul_return(answer, rc < 0 ? rc : apply(t, trap, &spot, how));
}

/* ---- chmod ---- */

/* `st` is what the kernel says of it. */
static bool is_foreign(const struct translation *t, const struct spot *spot, const struct stat *st)
{
	/* What is reached by a descriptor and has no name is ours to judge by itself. */
	if (spot->mount->kind != VIEW_TREE && !spot->is_magic)
		return true;
	if (S_ISCHR(st->st_mode))
		return !terminal_is_of_step(t, spot, st);
	return !owner_is_root() && st->st_uid != t->uid;
}

static int change_mode(struct translation *t, const struct trap *trap, struct spot *spot, const void *how)
{
	const mode_t *mode = how;
	const struct task *task = view_task(t, trap);
	struct sight seen;
	int rc = view_look(t, spot_mount(spot), spot->fd, &seen);

	if (rc < 0 || !task)
		return rc < 0 ? rc : -ESRCH;
	if (S_ISLNK(seen.shown.st_mode))
		return -EOPNOTSUPP;
	const struct credentials *c = task->credentials;
	if (c->uid[ID_FS] != seen.shown.st_uid && !credentials_can(c, CAP_FOWNER))
		return -EPERM;
	mode_t wanted = *mode & 07777;
	/* chmod(2): who is not of the file's group cannot set that bit. */
	if (!S_ISDIR(seen.shown.st_mode) && !credentials_in_group(c, seen.shown.st_gid) &&
	    !credentials_can(c, CAP_FSETID))
		wanted &= ~(mode_t)S_ISGID;
	/* Of devices and the like that are the host's nothing is changed. */
	return is_foreign(t, spot, &seen.real) ? -EPERM : make_mode(t, spot->fd, &seen, wanted);
}

void tr_chmod(void *context, const struct trap *trap, struct answer *answer)
{
	mode_t mode = (mode_t)trap->args[1];

	answer_change(context, trap, AT_FDCWD, trap->args[0], VIEW_FOLLOW, change_mode, &mode, answer);
}

void tr_fchmod(void *context, const struct trap *trap, struct answer *answer)
{
	mode_t mode = (mode_t)trap->args[1];

	answer_change_fd(context, trap, (int)trap->args[0], change_mode, &mode, answer);
}

void tr_fchmodat(void *context, const struct trap *trap, struct answer *answer)
{
	mode_t mode = (mode_t)trap->args[2];

	answer_change(context, trap, (int)trap->args[0], trap->args[1], VIEW_FOLLOW, change_mode, &mode, answer);
}

void tr_fchmodat2(void *context, const struct trap *trap, struct answer *answer)
{
	mode_t mode = (mode_t)trap->args[2];
	int flags = (int)trap->args[3];

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		emul_return(answer, -EINVAL);
	else
		answer_change(context, trap, (int)trap->args[0], trap->args[1], how_of(flags), change_mode, &mode,
			      answer);
}

/* ---- chown ---- */

struct new_owner {
	uint32_t uid, gid;
};

/* Linux' chown_ok() and chgrp_ok(). */
static bool may_give(const struct credentials *c, const struct stat *now, const struct new_owner *new)
{
	bool is_owner = c->uid[ID_FS] == now->st_uid;

	if (credentials_can(c, CAP_CHOWN))
		return true;
	if (new->uid != ID_KEEP && !(is_owner && new->uid == now->st_uid))
		return false;
	return new->gid == ID_KEEP || (is_owner && (new->gid == now->st_gid || credentials_in_group(c, new->gid)));
}

static int change_owner(struct translation *t, const struct trap *trap, struct spot *spot, const void *how)
{
	const struct new_owner *new = how;
	const struct task *task = view_task(t, trap);
	struct sight seen;
	int rc = view_look(t, spot_mount(spot), spot->fd, &seen);
	const struct stat st = seen.shown;

	if (rc < 0 || !task)
		return rc < 0 ? rc : -ESRCH;
	if (!may_give(task->credentials, &st, new))
		return -EPERM;
	if (is_foreign(t, spot, &seen.real))
		return new->uid == ID_KEEP &&new->gid == ID_KEEP ? 0 : -EPERM;
	/* A new owner, and also the same again, takes the set-id bits away. */
	if (!S_ISDIR(st.st_mode) && st.st_mode & (S_ISUID | S_ISGID))
		rc = make_mode(t, spot->fd, &seen, mode_without_set_ids(st.st_mode));
	if (rc == 0 && S_ISREG(st.st_mode))
		xattr_drop_capability(spot->fd);
	struct owner_record record = seen.record;
	record.uid = new->uid == ID_KEEP ? st.st_uid : new->uid;
	record.gid = new->gid == ID_KEEP ? st.st_gid : new->gid;
	/* Most are given to whom they belong already. */
	if (rc < 0 || records_are_same(&seen.record, &record))
		return rc;
	return make_record(t, spot->fd, &record);
}

void tr_chown(void *context, const struct trap *trap, struct answer *answer)
{
	const struct new_owner new = {(uint32_t)trap->args[1], (uint32_t)trap->args[2]};

	answer_change(context, trap, AT_FDCWD, trap->args[0], VIEW_FOLLOW, change_owner, &new, answer);
}

void tr_lchown(void *context, const struct trap *trap, struct answer *answer)
{
	const struct new_owner new = {(uint32_t)trap->args[1], (uint32_t)trap->args[2]};

	answer_change(context, trap, AT_FDCWD, trap->args[0], 0, change_owner, &new, answer);
}

void tr_fchown(void *context, const struct trap *trap, struct answer *answer)
{
	const struct new_owner new = {(uint32_t)trap->args[1], (uint32_t)trap->args[2]};

	answer_change_fd(context, trap, (int)trap->args[0], change_owner, &new, answer);
}

void tr_fchownat(void *context, const struct trap *trap, struct answer *answer)
{
	const struct new_owner new = {(uint32_t)trap->args[2], (uint32_t)trap->args[3]};
	int flags = (int)trap->args[4];

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		emul_return(answer, -EINVAL);
	else
		answer_change(context, trap, (int)trap->args[0], trap->args[1], how_of(flags), change_owner, &new,
			      answer);
}

/* ---- truncate ---- */

static int change_size(struct translation *t, const struct trap *trap, struct spot *spot, const void *how)
{
	const int64_t *size = how;
	char proc[FD_PROC_PATH_SIZE];
	struct stat st;

	if (fstat(spot->fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	fd_proc_path(spot->fd, proc);
	if (truncate(proc, *size) < 0 &&
	    (errno != EACCES || make_accessible(t, spot->fd) < 0 || truncate(proc, *size) < 0))
		return -errno;
	return make_written(t, spot->fd);
}

void tr_truncate(void *context, const struct trap *trap, struct answer *answer)
{
	int64_t size = (int64_t)trap->args[1];

	answer_change(context, trap, AT_FDCWD, trap->args[0], VIEW_FOLLOW, change_size, &size, answer);
}

/* ---- fsync ---- */

/* As under an overlay that is mounted volatile: a step that a crash has interrupted is thrown away, so that nothing of
 * its root has to be on the disk before it has ended. In a volume it is what it says. */
void tr_fsync(void *context, const struct trap *trap, struct answer *answer)
{
	struct translation *t = context;
	cleanup(buf_done) struct buf name = BUF_INIT((size_t)2 * PATH_MAX);
	char path[64];
	char real[PATH_MAX];
	int fd = (int)trap->args[0];

	if (fd < 0 || emul_fd_is_path(trap, fd))
		return;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", trap->tid, fd);
	ssize_t length = readlink(path, real, sizeof(real) - 1);
	real[length > 0 ? length : 0] = '\0';
	/* If it was another's descriptor, who is told so is gone. */
	if (real[0] == '/' && view_name_of_real(t, real, &name) && view_mount_of(t, buf_str(&name)) == &t->mounts[0])
		emul_return(answer, 0);
}

/* ---- times ---- */

static int change_times(struct translation *t, const struct trap *trap, struct spot *spot, const void *how)
{
	return utimensat(spot->fd, "", how, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

/* Where the directory is known: what lies there is changed by its name, which only we change. */
static bool change_times_in_place(struct translation *t, const struct trap *trap, uint64_t address, unsigned flags,
				  const struct timespec *times, struct answer *answer)
{
	char path[PATH_MAX];
	struct leaf leaf;

	if (t->mounts[0].read_only || emul_read_text(&t->emulation, trap, address, path, sizeof(path)) < 0 ||
	    view_look_in_place(t, trap, path, flags, &leaf) <= 0 || view_is_shared(t, &leaf.st))
		return false;
	int rc = utimensat(leaf.place->fd, leaf.name, times, AT_SYMLINK_NOFOLLOW);
	emul_return(answer, rc < 0 ? -errno : 0);
	return true;
}

static void answer_times(struct translation *t, const struct trap *trap, int dirfd, uint64_t path, unsigned flags,
			 const struct timespec *times, struct answer *answer)
{
	/* A NULL path is the descriptor itself (futimens(3)). */
	if (path == 0)
		answer_change_fd(t, trap, dirfd, change_times, times, answer);
	else if (!change_times_in_place(t, trap, path, flags, times, answer))
		answer_change(t, trap, dirfd, path, flags, change_times, times, answer);
}

static void answer_utimes(struct translation *t, const struct trap *trap, int dirfd, uint64_t path, uint64_t address,
			  struct answer *answer)
{
	struct timeval values[2];
	struct timespec times[2];

	if (address && emul_read(&t->emulation, trap, address, values, sizeof(values)) < 0) {
		emul_return(answer, -EFAULT);
		return;
	}
	for (size_t i = 0; address && i < ARRAY_COUNT(times); i++) {
		if (values[i].tv_usec < 0 || values[i].tv_usec > 999999) {
			emul_return(answer, -EINVAL);
			return;
		}
		times[i] = (struct timespec){values[i].tv_sec, values[i].tv_usec * 1000};
	}
	answer_times(t, trap, dirfd, path, VIEW_FOLLOW, address ? times : NULL, answer);
}

void tr_utimes(void *context, const struct trap *trap, struct answer *answer)
{
	answer_utimes(context, trap, AT_FDCWD, trap->args[0], trap->args[1], answer);
}

void tr_futimesat(void *context, const struct trap *trap, struct answer *answer)
{
	answer_utimes(context, trap, (int)trap->args[0], trap->args[1], trap->args[2], answer);
}

void tr_utime(void *context, const struct trap *trap, struct answer *answer)
{
	struct translation *t = context;
	struct utimbuf buffer;

	if (trap->args[1] && emul_read(&t->emulation, trap, trap->args[1], &buffer, sizeof(buffer)) < 0) {
		emul_return(answer, -EFAULT);
		return;
	}
	const struct timespec times[2] = {{.tv_sec = trap->args[1] ? buffer.actime : 0},
					  {.tv_sec = trap->args[1] ? buffer.modtime : 0}};
	answer_times(t, trap, AT_FDCWD, trap->args[0], VIEW_FOLLOW, trap->args[1] ? times : NULL, answer);
}

void tr_utimensat(void *context, const struct trap *trap, struct answer *answer)
{
	struct translation *t = context;
	struct timespec times[2];
	int flags = (int)trap->args[3];

	if (trap->args[2] && emul_read(&t->emulation, trap, trap->args[2], times, sizeof(times)) < 0) {
		emul_return(answer, -EFAULT);
		return;
	}
	/* Nothing to do: then nothing is looked at. */
	if (trap->args[2] && times[0].tv_nsec == UTIME_OMIT && times[1].tv_nsec == UTIME_OMIT) {
		emul_return(answer, 0);
		return;
	}
	bool by_fd = trap->args[1] == 0;
	if (by_fd && (int)trap->args[0] == AT_FDCWD) {
		emul_return(answer, -EFAULT);
		return;
	}
	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) || (by_fd && flags)) {
		emul_return(answer, -EINVAL);
		return;
	}
	answer_times(t, trap, (int)trap->args[0], trap->args[1], how_of(flags), trap->args[2] ? times : NULL, answer);
}
