/*
 * The open family: the supervisor opens, and hands the descriptor over. What the kernel's own call would have done
 * besides (the umask, an owner, a controlling terminal) is done or left out here.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "run/loader/protocol.h"
#include "run/translate_internal.h"

#define KNOWN_FLAGS                                                                                               \
	(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC | O_DSYNC | O_ASYNC | \
	 O_DIRECT | O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH | O_TMPFILE)
#define PATH_FLAGS (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

struct request {
	int flags;
	mode_t mode;
};

static bool wants_to_write(const struct request *request)
{
	return (request->flags & O_ACCMODE) != O_RDONLY || request->flags & O_TRUNC;
}

static void give(struct answer *answer, int fd, const struct request *request)
{
	answer->kind = ANSWER_FD;
	answer->fd = fd;
	answer->cloexec = request->flags & O_CLOEXEC;
	answer->alone = wants_to_write(request);
}

/* The thing that an O_PATH descriptor of ours holds, opened anew. */
static int reopen(const struct translation *t, int fd, int flags)
{
	char number[16];
	snprintf(number, sizeof(number), "%d", fd);
	int opened = openat(t->own_fds, number, (flags & ~(O_CREAT | O_EXCL | O_NOFOLLOW)) | O_CLOEXEC | O_NOCTTY);

	return opened < 0 ? -errno : opened;
}

/* ---- What is there ---- */

/* /proc/PID/mem for writing would be a hand in the process's memory that others can be given, and that no stop holds
 * still (trace_hold_others()). */
static bool is_memory(const struct spot *spot)
{
	const char *path = buf_str(&spot->path);
	const char *slash = strrchr(path, '/');

	return spot->mount->kind == VIEW_PROC && !spot->is_magic && slash && strcmp(slash, "/mem") == 0;
}

static int check_existing(const struct translation *t, const struct spot *spot, const struct stat *st,
			  const struct request *request)
{
	if (S_ISLNK(st->st_mode))
		return -ELOOP;
	if (request->flags & O_DIRECTORY && !S_ISDIR(st->st_mode))
		return -ENOTDIR;
	if (S_ISDIR(st->st_mode) && (wants_to_write(request) || request->flags & O_CREAT))
		return -EISDIR;
	if (S_ISSOCK(st->st_mode))
		return -ENXIO;
	if (wants_to_write(request) && (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode))) {
		int rc = view_check_writable(spot);
		/* Of /proc only what is a process's own may be written. */
		if (rc == 0 && spot->mount->kind == VIEW_PROC && !spot->is_magic &&
		    !(buf_str(&spot->path)[strlen("/proc/")] <= '9'))
			rc = -EACCES;
		if (rc == 0 && is_memory(spot))
			rc = -EACCES;
		if (rc < 0)
			return rc;
	}
	/* An image has no devices (they are recorded, and empty files); where a volume has one it stays shut. */
	if ((S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)) && !spot->is_magic && spot->mount->kind != VIEW_DEV &&
	    !terminal_is_of_step(t, spot, st))
		return -EACCES;
	return (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode)) && view_is_hosts(t, spot) ? -EACCES : 0;
}

/* A FIFO waits for its other end, and we must not: a process of ours does, and answers. */
static int open_fifo(struct translation *t, const struct trap *trap, const struct spot *spot,
		     const struct request *request, struct answer *answer)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		/* It holds what we hold, the container's lock as well, and nobody else would wake it. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(0);
		struct answer own = {.kind = ANSWER_RETURN, .fd = -1};
		sigset_t none;
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		/* The descriptors of its own: the parent's are closed meanwhile. */
		t->own_fds = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
		int fd = reopen(t, spot->fd, request->flags);
		if (fd >= 0)
			give(&own, fd, request);
		else
			own.value = fd;
		supervisor_answer(&t->emulation.supervisor, trap, &own);
		_exit(0);
	}
	trace_add_helper(t, pid);
	answer->kind = ANSWER_LATER;
	return 0;
}

static int open_existing(struct translation *t, const struct trap *trap, struct spot *spot,
			 const struct request *request, struct answer *answer)
{
	struct stat st;

	if (request->flags & O_CREAT && request->flags & O_EXCL)
		return -EEXIST;
	if (fstat(spot->fd, &st) < 0)
		return -errno;
	int rc = check_existing(t, spot, &st, request);
	if (rc < 0)
		return rc;
	if (spot->mount->kind == VIEW_PROC && !spot->is_magic) {
		if (strcmp(buf_str(&spot->path), "/proc") == 0)
			return proc_open_list(t);
		int text = S_ISREG(st.st_mode) ? proc_open_text(t, spot) : -ENODATA;
		if (text != -ENODATA)
			return text;
	}
	if (spot->mount->kind == VIEW_DEV && st.st_rdev == makedev(5, 0))
		return terminal_open_own(trap, request->flags & ~(O_CREAT | O_EXCL | O_TRUNC));
	if (S_ISFIFO(st.st_mode) && !(request->flags & O_NONBLOCK) && (request->flags & O_ACCMODE) != O_RDWR)
		return open_fifo(t, trap, spot, request, answer);
	if (S_ISREG(st.st_mode) && wants_to_write(request)) {
		rc = request->flags & O_TRUNC ? make_private_empty(t, spot) : make_private(t, spot);
		if (rc < 0)
			return rc;
	}
	int fd = reopen(t, spot->fd, request->flags);
	/* O_NOATIME is for the owner: who believes to be root has the right. */
	if (fd == -EPERM && request->flags & O_NOATIME)
		fd = reopen(t, spot->fd, request->flags & ~O_NOATIME);
	if (fd == -EACCES && make_accessible(t, spot->fd) == 0)
		fd = reopen(t, spot->fd, request->flags);
	if (fd >= 0 && request->flags & O_TRUNC && S_ISREG(st.st_mode))
		make_written(t, fd);
	return fd;
}

/* ---- What is made ---- */

static int create(struct translation *t, const struct trap *trap, const struct spot *spot,
		  const struct request *request)
{
	int how = (request->flags | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY) & ~(O_TRUNC | O_DIRECTORY);
	struct birth birth;

	if (spot->wants_directory)
		return -EISDIR;
	int rc = spot->parent < 0 ? -ENOENT : view_check_writable(spot);
	if (rc == 0 && spot->mount->kind == VIEW_PROC)
		rc = -ENOENT;
	if (rc == 0)
		rc = make_birth(t, trap, spot->mount, spot->parent, &birth);
	if (rc < 0)
		return rc;
	mode_t mode = birth_mode(&birth, request->mode);
	mode_t bits = birth_bits(S_IFREG, mode);
	cleanup_close int fd = openat(spot->parent, spot->leaf, how, bits);
	if (fd < 0 && errno == EACCES && make_accessible(t, spot->parent) == 0)
		fd = openat(spot->parent, spot->leaf, how, bits);
	if (fd < 0)
		return -errno;
	rc = make_dressed_file(t, fd, mode, &birth.owner);
	if (rc < 0) {
		unlinkat(spot->parent, spot->leaf, 0);
		return rc;
	}
	return take_fd(&fd);
}

static int open_unnamed(struct translation *t, const struct trap *trap, const struct spot *spot,
			const struct request *request)
{
	char proc[FD_PROC_PATH_SIZE];
	struct birth birth;
	int rc = view_check_writable(spot);

	if (rc == 0)
		rc = make_birth(t, trap, spot->mount, spot->fd, &birth);
	if (rc < 0)
		return rc;
	cleanup_close int fd = open(fd_proc_path(spot->fd, proc), request->flags | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	rc = make_dressed_file(t, fd, birth_mode(&birth, request->mode), &birth.owner);
	return rc < 0 ? rc : take_fd(&fd);
}

/* ---- The calls ---- */

static int open_spot(struct translation *t, const struct trap *trap, struct spot *spot, struct request *request,
		     struct answer *answer)
{
	if (request->flags & O_PATH)
		request->flags = (request->flags & (O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) | O_RDONLY | O_NONBLOCK;
	if ((request->flags & O_TMPFILE) == O_TMPFILE)
		return open_unnamed(t, trap, spot, request);
	return spot->fd < 0 ? create(t, trap, spot, request) : open_existing(t, trap, spot, request, answer);
}

/* Most opens: a file or a directory that is there, to be read, where its directory is known. It is opened by its name,
 * which leads to nothing else since we have looked: only we change names there. -EAGAIN: another way is to be gone. */
static int open_in_place(struct translation *t, const struct trap *trap, const char *path,
			 const struct request *request)
{
	struct leaf leaf;

	if (request->flags & (O_CREAT | O_PATH | (O_TMPFILE & ~O_DIRECTORY)) || wants_to_write(request))
		return -EAGAIN;
	int rc = view_look_in_place(t, trap, path, request->flags & O_NOFOLLOW ? 0 : VIEW_FOLLOW, &leaf);
	if (rc <= 0)
		return rc < 0 ? rc : -EAGAIN;
	if (!S_ISDIR(leaf.st.st_mode) && (!S_ISREG(leaf.st.st_mode) || request->flags & O_DIRECTORY))
		return -EAGAIN;
	int fd = openat(leaf.place->fd, leaf.name, request->flags | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -EAGAIN;
	/* Whoever opens a file asks next what it is. */
	if (S_ISREG(leaf.st.st_mode))
		plain_learn_open(t, fd, &leaf.st);
	return fd;
}

static void open_any(struct translation *t, const struct trap *trap, int dirfd, uint64_t address,
		     struct request *request, unsigned resolve, struct answer *answer)
{
	cleanup(spot_done) struct spot spot = SPOT_INIT;
	char path[PATH_MAX];
	bool may_make = request->flags & O_CREAT && !(request->flags & O_PATH);
	bool follows = !(request->flags & O_NOFOLLOW) && !(may_make && request->flags & O_EXCL);

	/* Linux 6.4: neither makes a directory nor a file. */
	if (may_make && request->flags & O_DIRECTORY && (request->flags & O_TMPFILE) != O_TMPFILE) {
		emul_return(answer, -EINVAL);
		return;
	}

	if (!(request->flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))))
		request->mode = 0;
	ssize_t length = emul_read_text(&t->emulation, trap, address, path, sizeof(path));
	int rc = length < 0 ? (int)length : resolve ? -EAGAIN : open_in_place(t, trap, path, request);
	if (rc == -EAGAIN) {
		rc = view_find_path(t, trap, dirfd, path,
				    (follows ? VIEW_FOLLOW : 0) | (may_make ? VIEW_MISSING : 0) | resolve, &spot);
		if (rc == 0)
			rc = open_spot(t, trap, &spot, request, answer);
	}
	if (answer->kind == ANSWER_LATER)
		return;
	if (rc < 0)
		emul_return(answer, rc);
	else
		give(answer, rc, request);
}

void tr_open(void *context, const struct trap *trap, struct answer *answer)
{
	struct request request = {.flags = (int)trap->args[1] & KNOWN_FLAGS, .mode = (mode_t)trap->args[2]};

	open_any(context, trap, AT_FDCWD, trap->args[0], &request, 0, answer);
}

void tr_creat(void *context, const struct trap *trap, struct answer *answer)
{
	struct request request = {.flags = O_CREAT | O_WRONLY | O_TRUNC, .mode = (mode_t)trap->args[1]};

	open_any(context, trap, AT_FDCWD, trap->args[0], &request, 0, answer);
}

void tr_openat(void *context, const struct trap *trap, struct answer *answer)
{
	struct request request = {.flags = (int)trap->args[2] & KNOWN_FLAGS, .mode = (mode_t)trap->args[3]};

	if ((int)trap->args[0] == LOADER_ASK) {
		translate_orders(context, trap, answer);
		return;
	}
	open_any(context, trap, (int)trap->args[0], trap->args[1], &request, 0, answer);
}

#define KNOWN_WAYS                                                                                           \
	(RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH | RESOLVE_IN_ROOT | \
	 RESOLVE_CACHED)

/* openat2(2), "Extensibility": what is behind the struct that we know has to be zeros. */
static int read_how(struct translation *t, const struct trap *trap, struct open_how *how)
{
	char more[4096 - sizeof(*how)];
	uint64_t size = trap->args[3];

	if (size < sizeof(*how))
		return -EINVAL;
	if (size > sizeof(*how) + sizeof(more))
		return -E2BIG;
	if (emul_read(&t->emulation, trap, trap->args[2], how, sizeof(*how)) < 0 ||
	    emul_read(&t->emulation, trap, trap->args[2] + sizeof(*how), more, size - sizeof(*how)) < 0)
		return -EFAULT;
	for (size_t i = 0; i < size - sizeof(*how); i++)
		if (more[i])
			return -E2BIG;
	bool may_make = how->flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY));
	if (how->flags & ~(uint64_t)KNOWN_FLAGS || how->resolve & ~(uint64_t)KNOWN_WAYS ||
	    how->mode & ~(uint64_t)(may_make ? 07777 : 0))
		return -EINVAL;
	if (how->resolve & RESOLVE_BENEATH && how->resolve & RESOLVE_IN_ROOT)
		return -EINVAL;
	/* It only names the thing, and the flags that say more are refused here, not ignored. */
	return how->flags & O_PATH && how->flags & ~(uint64_t)PATH_FLAGS ? -EINVAL : 0;
}

/* RESOLVE_CACHED, which may always fail, is a wish: all that we look up is in the cache soon. */
static unsigned ways_of(uint64_t resolve)
{
	return (resolve & RESOLVE_BENEATH ? VIEW_BENEATH : 0) | (resolve & RESOLVE_IN_ROOT ? VIEW_IN_ROOT : 0) |
	       (resolve & RESOLVE_NO_SYMLINKS ? VIEW_NO_LINKS : 0) |
	       (resolve & RESOLVE_NO_MAGICLINKS ? VIEW_NO_MAGIC : 0) | (resolve & RESOLVE_NO_XDEV ? VIEW_ONE_MOUNT : 0);
}

void tr_openat2(void *context, const struct trap *trap, struct answer *answer)
{
	struct translation *t = context;
	struct open_how how;

	int rc = read_how(t, trap, &how);
	if (rc < 0) {
		emul_return(answer, rc);
		return;
	}
	struct request request = {.flags = (int)how.flags, .mode = (mode_t)how.mode};
	open_any(t, trap, (int)trap->args[0], trap->args[1], &request, ways_of(how.resolve), answer);
}
