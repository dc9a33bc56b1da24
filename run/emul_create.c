/*
 * Files, directories and links that are made by a fake user, or in a directory that hands its group on: the kernel
 * would make them root's. The supervisor makes them itself and writes their owner down before anybody sees them; an
 * open file is handed to the caller. Everything that root makes elsewhere is the kernel's, and so is what exists.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "run/emul_internal.h"

/* Where the caller makes something, and whose it will be. */
struct birth {
	int parent;
	char leaf[NAME_MAX + 1];
	const struct credentials *credentials; /* of the caller */
	struct owner_record owner;
	mode_t umask;
};

static void birth_done(struct birth *birth)
{
	fd_close(birth->parent);
}
CLEANUP_FOR_VALUE(struct birth, birth_done)

/* Of what is made in birth->parent with this type and mode. False when the kernel is to go on: also when the owner is
 * root, as what it makes is anyway, and its mode leaves it open to us. */
static bool find_owner(struct emulation *e, const struct trap *trap, struct birth *birth, mode_t mode)
{
	struct emul_status status;
	const struct task *task = emul_task(e, trap);

	if (!task || emul_new_owner(e, task->credentials, birth->parent, &birth->owner) < 0)
		return false;
	bool is_roots = birth->owner.uid == 0 && birth->owner.gid == 0;
	if (is_roots && (S_ISLNK(mode) || !emul_keeps_modes(e, birth->parent)))
		return false;
	if (emul_read_status(trap, &status) < 0 || (is_roots && !emul_is_shut(mode & ~status.umask)))
		return false;
	birth->credentials = task->credentials;
	birth->umask = status.umask;
	return true;
}

/* ---- open ---- */

/* What open(2), creat(2) and openat2(2) ask for. */
struct wish {
	int dirfd;
	uint64_t path;
	int flags;
	mode_t mode;
	uint64_t resolve; /* openat2(2)'s */
};

#define LINKS_MAX 40 /* path_resolution(7) */

/* False: there is something to be opened already, which changes no owner, or the kernel is to say why not. A link that
 * leads nowhere yet is followed: what it names is what is made. */
static bool find_free(struct emulation *e, const struct trap *trap, const struct wish *wish, struct birth *birth)
{
	char path[PATH_MAX];

	if (emul_read_path(e, trap, wish->path, 0, path) < 0)
		return false;
	for (int links = 0; links < LINKS_MAX; links++) {
		fd_close(birth->parent);
		birth->parent = emul_open_parent_text(e, trap, wish->dirfd, path, wish->resolve, birth->leaf);
		if (birth->parent < 0)
			return false;
		int rc = emul_follow_leaf(birth->parent, birth->leaf, path);
		if (rc < 0)
			return rc == -ENOENT;
		if (wish->flags & (O_EXCL | O_NOFOLLOW) || wish->resolve & RESOLVE_NO_SYMLINKS)
			return false;
	}
	return false;
}

/* Mode and owner of what was made. */
static int finish_birth(struct emulation *e, int fd, const struct birth *birth, mode_t mode)
{
	struct owner_record record = birth->owner;
	int rc = emul_dress(e, fd, birth->parent, mode, birth->umask, &record);

	return rc < 0 ? rc : emul_record_set(e, fd, &record);
}

static int make_file(struct emulation *e, const struct birth *birth, const struct wish *wish)
{
	int how = (wish->flags & ~O_CREAT) | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	mode_t mode = emul_new_mode(birth->credentials, &birth->owner, wish->mode);
	cleanup_close int fd = openat(birth->parent, birth->leaf, how, mode & 0777);

	if (fd < 0)
		return -errno;
	int rc = finish_birth(e, fd, birth, mode);
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

/* What is there, in a tree that the kernel does not open to us as to root, is opened to us; and what is written has the
 * capabilities no more that are written down. That they go with the open, and not with the first write, is the side to
 * err on. */
static void prepare_write(struct emulation *e, const struct trap *trap, const struct wish *wish)
{
	if (!e->options.without_namespace || owner_is_root() || wish->resolve || wish->flags & O_EXCL)
		return;
	cleanup_close int fd = emul_open(e, trap, wish->dirfd, wish->path, wish->flags & O_NOFOLLOW ? 0 : EMUL_FOLLOW);
	struct stat real, shown;
	bool is_recorded;
	if (fd < 0 || fstat(fd, &real) < 0 || !S_ISREG(real.st_mode) || !emul_keeps_modes(e, fd))
		return;
	if (emul_is_shut(real.st_mode) && emul_stat(e, fd, &shown, &is_recorded) == 0)
		emul_set_mode(e, fd, shown.st_mode);
	if (wish->flags & (O_ACCMODE | O_TRUNC))
		emul_drop_capability(e, fd);
}

static void answer_open(struct emulation *e, const struct trap *trap, const struct wish *wish, struct answer *answer)
{
	cleanup(birth_done) struct birth birth = {.parent = -1};

	if (wish->flags & (O_PATH | O_DIRECTORY))
		return;
	if (!find_free(e, trap, wish, &birth)) {
		prepare_write(e, trap, wish);
		return;
	}
	if (!find_owner(e, trap, &birth, S_IFREG | (wish->mode & 07777)))
		return;
	int fd = make_file(e, &birth, wish);
	if (fd >= 0)
		give(answer, fd, wish->flags);
	else if (fd != -EEXIST || wish->flags & O_EXCL)
		emul_return(answer, fd);
}

/* A file without a name; it may get one later, and has its owner then. */
static void answer_tmpfile(struct emulation *e, const struct trap *trap, const struct wish *wish, struct answer *answer)
{
	char path[PATH_MAX];
	cleanup(birth_done) struct birth birth = {.parent = -1};

	if (emul_read_path(e, trap, wish->path, 0, path) < 0)
		return;
	birth.parent = emul_open_directory(e, trap, wish->dirfd, path, wish->resolve);
	if (birth.parent < 0 || !find_owner(e, trap, &birth, S_IFREG | (wish->mode & 07777)))
		return;
	mode_t mode = emul_new_mode(birth.credentials, &birth.owner, wish->mode);
	cleanup_close int fd = openat(birth.parent, ".", wish->flags | O_CLOEXEC, mode & 0777);
	if (fd < 0) {
		emul_return(answer, -errno);
		return;
	}
	int rc = finish_birth(e, fd, &birth, mode);
	if (rc < 0)
		emul_return(answer, rc);
	else
		give(answer, take_fd(&fd), wish->flags);
}

static void answer_any_open(struct emulation *e, const struct trap *trap, const struct wish *wish,
			    struct answer *answer)
{
	if ((wish->flags & O_TMPFILE) == O_TMPFILE)
		answer_tmpfile(e, trap, wish, answer);
	else if (wish->flags & O_CREAT)
		answer_open(e, trap, wish, answer);
	else if (!(wish->flags & O_PATH))
		prepare_write(e, trap, wish);
}

void emul_open_call(void *context, const struct trap *trap, struct answer *answer)
{
	const uint64_t *args = trap->args;
	const struct wish wish = {.dirfd = AT_FDCWD, .path = args[0], .flags = (int)args[1], .mode = (mode_t)args[2]};

	answer_any_open(context, trap, &wish, answer);
}

void emul_openat(void *context, const struct trap *trap, struct answer *answer)
{
	const uint64_t *args = trap->args;
	const struct wish wish = {
		.dirfd = (int)args[0], .path = args[1], .flags = (int)args[2], .mode = (mode_t)args[3]};

	answer_any_open(context, trap, &wish, answer);
}

void emul_creat(void *context, const struct trap *trap, struct answer *answer)
{
	const uint64_t *args = trap->args;
	const struct wish wish = {
		.dirfd = AT_FDCWD, .path = args[0], .flags = O_CREAT | O_WRONLY | O_TRUNC, .mode = (mode_t)args[1]};

	answer_any_open(context, trap, &wish, answer);
}

#define RULES_KNOWN \
	((uint64_t)(RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH | RESOLVE_IN_ROOT))

/* What the kernel refuses it refuses by itself: other bits, and RESOLVE_CACHED, with which nothing is made. */
void emul_openat2(void *context, const struct trap *trap, struct answer *answer)
{
	const uint64_t *args = trap->args;
	struct open_how how;

	if (args[3] < sizeof(how) || emul_read(context, trap, args[2], &how, sizeof(how)) < 0 ||
	    how.resolve & ~RULES_KNOWN || how.flags > INT_MAX || how.mode & ~UINT64_C(07777))
		return;
	const struct wish wish = {
		.dirfd = (int)args[0],
		.path = args[1],
		.flags = (int)how.flags,
		.mode = (mode_t)how.mode,
		.resolve = how.resolve,
	};
	answer_any_open(context, trap, &wish, answer);
}

/* ---- directories ---- */

static int make_directory(struct emulation *e, const struct birth *birth, mode_t mode)
{
	if (mkdirat(birth->parent, birth->leaf, mode & 0777) < 0)
		return -errno;
	cleanup_close int fd = openat(birth->parent, birth->leaf, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int rc = fd < 0 ? -errno : finish_birth(e, fd, birth, mode);

	if (rc < 0)
		unlinkat(birth->parent, birth->leaf, AT_REMOVEDIR);
	return rc;
}

/* Only a directory can be made with slashes behind its name. */
static void drop_slashes(char *path)
{
	size_t length = strlen(path);

	while (length > 1 && path[length - 1] == '/')
		path[--length] = '\0';
}

static void answer_mkdir(struct emulation *e, const struct trap *trap, int dirfd, uint64_t path, uint64_t mode,
			 struct answer *answer)
{
	char text[PATH_MAX];
	cleanup(birth_done) struct birth birth = {.parent = -1};

	if (emul_read_path(e, trap, path, 0, text) < 0)
		return;
	drop_slashes(text);
	birth.parent = emul_open_parent_text(e, trap, dirfd, text, /* resolve */ 0, birth.leaf);
	if (birth.parent < 0 || !find_owner(e, trap, &birth, S_IFDIR | ((mode_t)mode & 07777)))
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

	if (emul_read_text(e, trap, target, text, sizeof(text)) <= 0)
		return;
	birth.parent = emul_open_parent(e, trap, dirfd, path, birth.leaf);
	if (birth.parent < 0 || !find_owner(e, trap, &birth, S_IFLNK))
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
