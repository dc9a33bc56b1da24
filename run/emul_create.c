/*
 * Files, directories and links that are made by a fake user, or in a directory that hands its group on: the kernel
 * would make them root's. The supervisor makes them itself and writes their owner down before anybody sees them; an
 * open file is handed to the caller. Everything that root makes elsewhere is the kernel's, and so is what exists.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "run/emul_internal.h"

/* Where the caller makes something, and whose it will be. */
struct birth {
	int parent;
	char leaf[NAME_MAX + 1];
	struct owner_record owner;
	mode_t umask;
};

static void birth_done(struct birth *birth)
{
	fd_close(birth->parent);
}
CLEANUP_FOR_VALUE(struct birth, birth_done)

/* False when the kernel is to go on: also when the owner is root, as what it makes is anyway. */
static bool find_birth(struct emulation *e, const struct trap *trap, int dirfd, uint64_t path, struct birth *birth)
{
	struct emul_status status;
	const struct task *task = emul_task(e, trap);

	if (!task)
		return false;
	cleanup_close int parent = emul_open_parent(e, trap, dirfd, path, birth->leaf);
	if (parent < 0 || emul_new_owner(e, task->credentials, parent, &birth->owner) < 0)
		return false;
	if (birth->owner.uid == 0 && birth->owner.gid == 0)
		return false;
	if (emul_read_status(trap, &status) < 0)
		return false;
	birth->umask = status.umask;
	birth->parent = take_fd(&parent);
	return true;
}

/* ---- open ---- */

static bool exists(const struct birth *birth)
{
	struct stat st;

	return fstatat(birth->parent, birth->leaf, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int make_file(struct emulation *e, const struct birth *birth, int flags, mode_t mode)
{
	int how = (flags & ~O_CREAT) | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	cleanup_close int fd = openat(birth->parent, birth->leaf, how, 0600);

	if (fd < 0)
		return -errno;
	int rc = fchmod(fd, mode & ~birth->umask & 07777) < 0 ? -errno : emul_record_set(e, fd, &birth->owner);
	if (rc < 0) {
		unlinkat(birth->parent, birth->leaf, 0);
		return rc;
	}
	return take_fd(&fd);
}

static void give(struct answer *answer, int fd, int flags)
{
	answer->kind = ANSWER_FD;
	answer->fd = fd;
	answer->cloexec = flags & O_CLOEXEC;
	answer->alone = true;
}

static void answer_open(struct emulation *e, const struct trap *trap, int dirfd, uint64_t path, int flags, mode_t mode,
			struct answer *answer)
{
	cleanup(birth_done) struct birth birth = {.parent = -1};

	if (flags & (O_PATH | O_DIRECTORY) || !find_birth(e, trap, dirfd, path, &birth))
		return;
	/* Opening what is there changes no owner. A dangling link is followed by the kernel. */
	if (exists(&birth))
		return;
	int fd = make_file(e, &birth, flags, mode);
	if (fd >= 0)
		give(answer, fd, flags);
	else if (fd != -EEXIST || flags & O_EXCL)
		emul_return(answer, fd);
}

/* A file without a name; it may get one later, and has its owner then. */
static void answer_tmpfile(struct emulation *e, const struct trap *trap, int dirfd, uint64_t path, int flags,
			   mode_t mode, struct answer *answer)
{
	struct emul_status status;
	struct owner_record owner;
	const struct task *task = emul_task(e, trap);
	cleanup_close int dir = task ? emul_open(e, trap, dirfd, path, EMUL_FOLLOW) : -1;

	if (dir < 0 || emul_new_owner(e, task->credentials, dir, &owner) < 0 || (owner.uid == 0 && owner.gid == 0) ||
	    emul_read_status(trap, &status) < 0)
		return;
	cleanup_close int fd = openat(dir, ".", flags | O_CLOEXEC, 0600);
	if (fd < 0) {
		emul_return(answer, -errno);
		return;
	}
	int rc = fchmod(fd, mode & ~status.umask & 07777) < 0 ? -errno : emul_record_set(e, fd, &owner);
	if (rc < 0)
		emul_return(answer, rc);
	else
		give(answer, take_fd(&fd), flags);
}

static void answer_any_open(struct emulation *e, const struct trap *trap, int dirfd, uint64_t path, int flags,
			    mode_t mode, struct answer *answer)
{
	if ((flags & O_TMPFILE) == O_TMPFILE)
		answer_tmpfile(e, trap, dirfd, path, flags, mode, answer);
	else if (flags & O_CREAT)
		answer_open(e, trap, dirfd, path, flags, mode, answer);
}

void emul_open_call(void *context, const struct trap *trap, struct answer *answer)
{
	answer_any_open(context, trap, AT_FDCWD, trap->args[0], (int)trap->args[1], (mode_t)trap->args[2], answer);
}

void emul_openat(void *context, const struct trap *trap, struct answer *answer)
{
	answer_any_open(context, trap, (int)trap->args[0], trap->args[1], (int)trap->args[2], (mode_t)trap->args[3],
			answer);
}

void emul_creat(void *context, const struct trap *trap, struct answer *answer)
{
	answer_any_open(context, trap, AT_FDCWD, trap->args[0], O_CREAT | O_WRONLY | O_TRUNC, (mode_t)trap->args[1],
			answer);
}

/* With other ways to resolve the path than the usual one it is the kernel's: what it makes is root's then. */
void emul_openat2(void *context, const struct trap *trap, struct answer *answer)
{
	struct open_how how;

	if (trap->args[3] < sizeof(how) || emul_read(context, trap, trap->args[2], &how, sizeof(how)) < 0 ||
	    how.resolve & ~(uint64_t)(RESOLVE_CACHED | RESOLVE_NO_MAGICLINKS))
		return;
	answer_any_open(context, trap, (int)trap->args[0], trap->args[1], (int)how.flags, (mode_t)how.mode, answer);
}

/* ---- directories ---- */

static int make_directory(struct emulation *e, const struct birth *birth, mode_t mode)
{
	if (mkdirat(birth->parent, birth->leaf, 0700) < 0)
		return -errno;
	cleanup_close int fd = openat(birth->parent, birth->leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	int rc = fd < 0 || fstat(fd, &st) < 0 ? -errno : 0;

	/* The kernel has handed the set-group-id bit on. */
	if (rc == 0 && fchmod(fd, (mode & ~birth->umask & 01777) | (st.st_mode & S_ISGID)) < 0)
		rc = -errno;
	if (rc == 0)
		rc = emul_record_set(e, fd, &birth->owner);
	if (rc < 0)
		unlinkat(birth->parent, birth->leaf, AT_REMOVEDIR);
	return rc;
}

static void answer_mkdir(struct emulation *e, const struct trap *trap, int dirfd, uint64_t path, uint64_t mode,
			 struct answer *answer)
{
	cleanup(birth_done) struct birth birth = {.parent = -1};

	if (!find_birth(e, trap, dirfd, path, &birth))
		return;
	emul_return(answer, make_directory(e, &birth, (mode_t)mode));
}

void emul_mkdir(void *context, const struct trap *trap, struct answer *answer)
{
	answer_mkdir(context, trap, AT_FDCWD, trap->args[0], trap->args[1], answer);
}

void emul_mkdirat(void *context, const struct trap *trap, struct answer *answer)
{
	answer_mkdir(context, trap, (int)trap->args[0], trap->args[1], trap->args[2], answer);
}

/* ---- links ---- */

static int make_link(struct emulation *e, const struct birth *birth, const char *target)
{
	if (symlinkat(target, birth->parent, birth->leaf) < 0)
		return -errno;
	cleanup_close int fd = openat(birth->parent, birth->leaf, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int rc = fd < 0 ? -errno : emul_record_set(e, fd, &birth->owner);
	if (rc < 0)
		unlinkat(birth->parent, birth->leaf, 0);
	return rc;
}

static void answer_symlink(struct emulation *e, const struct trap *trap, uint64_t target, int dirfd, uint64_t path,
			   struct answer *answer)
{
	char text[PATH_MAX];
	cleanup(birth_done) struct birth birth = {.parent = -1};

	if (emul_read_text(e, trap, target, text, sizeof(text)) <= 0 || !find_birth(e, trap, dirfd, path, &birth))
		return;
	emul_return(answer, make_link(e, &birth, text));
}

void emul_symlink(void *context, const struct trap *trap, struct answer *answer)
{
	answer_symlink(context, trap, trap->args[0], AT_FDCWD, trap->args[1], answer);
}

void emul_symlinkat(void *context, const struct trap *trap, struct answer *answer)
{
	answer_symlink(context, trap, trap->args[0], (int)trap->args[1], trap->args[2], answer);
}
