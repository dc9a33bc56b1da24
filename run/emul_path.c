/*
 * Paths and descriptors of a step, as its supervisor reaches them: through /proc/TID/{root,cwd,fd}, in the mounts that
 * the step sees. Everything is opened O_PATH, so that a FIFO does not block and a device is not touched.
 *
 * A path from the root is resolved in the root (RESOLVE_IN_ROOT). A relative one starts where the kernel would start
 * and may not leave that directory (RESOLVE_BENEATH); where it does, by ".." or a link, it is resolved once more from
 * the root, behind the directory's own path.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/parse.h"
#include "run/emul_internal.h"

#define STATUS_SIZE ((size_t)4096)

static int open_resolved(int dirfd, const char *path, int flags, uint64_t resolve)
{
	struct open_how how = {
		.flags = (uint64_t)(O_PATH | O_CLOEXEC | flags),
		.resolve = resolve | RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/* /proc/TID/what, which is a magic link. */
static int open_proc(const struct trap *trap, const char *what, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", trap->tid, what);
	int fd = open(path, O_PATH | O_CLOEXEC | flags);
	return fd < 0 ? -errno : fd;
}

int emul_open_fd(struct emulation *e, const struct trap *trap, int fd)
{
	char what[32];

	if (fd == AT_FDCWD)
		return open_proc(trap, "cwd", 0);
	if (fd < 0)
		return -EBADF;
	snprintf(what, sizeof(what), "fd/%d", fd);
	return open_proc(trap, what, 0);
}

bool emul_fd_is_path(const struct trap *trap, int fd)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", trap->tid, fd);
	return lstat(path, &st) == 0 && (st.st_mode & 0700) == 0;
}

/* ---- the root ---- */

void emul_find_root(struct emulation *e, pid_t pid)
{
	const struct trap first = {.tid = pid};
	struct statx st;

	e->root = open_proc(&first, "root", O_DIRECTORY);
	if (e->root >= 0 && statx(e->root, "", AT_EMPTY_PATH, STATX_MNT_ID, &st) == 0)
		e->root_mount = st.stx_mnt_id;
}

/* Borrowed when it is e->root, else to be closed. */
static int open_root(struct emulation *e, const struct trap *trap)
{
	return !e->roots_differ && e->root >= 0 ? e->root : open_proc(trap, "root", O_DIRECTORY);
}

static void close_root(const struct emulation *e, int root)
{
	if (root != e->root)
		fd_close(root);
}

/* ---- paths ---- */

static ssize_t read_link(const struct trap *trap, const char *what, char *text, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", trap->tid, what);
	ssize_t length = readlink(path, text, size - 1);
	if (length < 0)
		return -errno;
	text[length] = '\0';
	return length;
}

/* The directory's path as the caller would write it: what lies above its root is taken off. */
static int name_directory(struct emulation *e, const struct trap *trap, int dirfd, struct buf *path)
{
	cleanup_free char *text = mem_alloc(PATH_MAX);
	cleanup_free char *root = mem_alloc(PATH_MAX);
	char what[32] = "cwd";

	if (dirfd != AT_FDCWD)
		snprintf(what, sizeof(what), "fd/%d", dirfd);
	if (read_link(trap, what, text, PATH_MAX) < 0 || text[0] != '/')
		return -ENOENT;
	if (!e->roots_differ) {
		buf_append_str(path, text);
		return 0;
	}
	if (read_link(trap, "root", root, PATH_MAX) < 0)
		return -ENOENT;
	size_t above = strcmp(root, "/") == 0 ? 0 : strlen(root);
	if (strncmp(text, root, above) != 0 || (text[above] != '/' && text[above] != '\0'))
		return -ENOENT;
	buf_append_str(path, text + above);
	return 0;
}

static int open_absolute(struct emulation *e, const struct trap *trap, const char *path, int flags)
{
	int root = open_root(e, trap);
	int fd = root < 0 ? root : open_resolved(root, path, flags, RESOLVE_IN_ROOT);

	close_root(e, root);
	return fd;
}

static int open_relative(struct emulation *e, const struct trap *trap, int dirfd, const char *path, int flags)
{
	cleanup_close int base = emul_open_fd(e, trap, dirfd);
	int fd = base < 0 ? base : open_resolved(base, path, flags, RESOLVE_BENEATH);

	if (fd != -EXDEV)
		return fd;
	cleanup(buf_done) struct buf whole = BUF_INIT((size_t)2 * PATH_MAX);
	int rc = name_directory(e, trap, dirfd, &whole);
	if (rc < 0)
		return rc;
	buf_append_char(&whole, '/');
	buf_append_str(&whole, path);
	return open_absolute(e, trap, buf_str(&whole), flags);
}

/* "/proc/self/fd/5" and "/dev/fd/5": the caller's descriptor 5. Such links lead anywhere, and "self" is not us. */
static bool names_descriptor(const char *path, int *fd)
{
	static const char *const prefixes[] = {"/proc/self/fd/", "/proc/thread-self/fd/", "/dev/fd/"};
	uint64_t number;

	for (size_t i = 0; i < ARRAY_COUNT(prefixes); i++) {
		if (!text_has_prefix(path, prefixes[i]) ||
		    parse_u64(path + strlen(prefixes[i]), INT_MAX, "fd", &number, NULL) < 0)
			continue;
		*fd = (int)number;
		return true;
	}
	return false;
}

/* A symlink such as /dev/stdout, which ends at a descriptor. */
static int open_behind_link(struct emulation *e, const struct trap *trap, int dirfd, const char *path)
{
	char text[64];
	int number;
	cleanup_close int link = path[0] == '/' ? open_absolute(e, trap, path, O_NOFOLLOW)
						: open_relative(e, trap, dirfd, path, O_NOFOLLOW);

	if (link < 0)
		return link;
	ssize_t length = readlinkat(link, "", text, sizeof(text) - 1);
	if (length <= 0)
		return -ENOENT;
	text[length] = '\0';
	return names_descriptor(text, &number) ? emul_open_fd(e, trap, number) : -ENOENT;
}

static int open_path(struct emulation *e, const struct trap *trap, int dirfd, const char *path, unsigned flags)
{
	int nofollow = flags & EMUL_FOLLOW ? 0 : O_NOFOLLOW;
	int number;

	if (path[0] == '\0')
		return flags & EMUL_EMPTY ? emul_open_fd(e, trap, dirfd) : -ENOENT;
	if (!nofollow && names_descriptor(path, &number))
		return emul_open_fd(e, trap, number);
	int fd =
		path[0] == '/' ? open_absolute(e, trap, path, nofollow) : open_relative(e, trap, dirfd, path, nofollow);
	if ((fd == -ENOENT || fd == -ELOOP) && !nofollow && !(flags & EMUL_PEEK))
		return open_behind_link(e, trap, dirfd, path);
	return fd;
}

int emul_open(struct emulation *e, const struct trap *trap, int dirfd, uint64_t address, unsigned flags)
{
	char path[PATH_MAX];

	if (!address && flags & EMUL_EMPTY)
		path[0] = '\0';
	else if (emul_read_text(e, trap, address, path, sizeof(path)) < 0)
		return -EFAULT;
	cleanup_close int fd = open_path(e, trap, dirfd, path, flags);
	if (fd >= 0 && !(flags & EMUL_PEEK) && !supervisor_still_waits(&e->supervisor, trap))
		return -ESRCH;
	return take_fd(&fd);
}

int emul_open_text(struct emulation *e, const struct trap *trap, const char *path)
{
	return open_path(e, trap, AT_FDCWD, path, EMUL_FOLLOW | EMUL_PEEK);
}

int emul_open_parent(struct emulation *e, const struct trap *trap, int dirfd, uint64_t address, char *leaf)
{
	char path[PATH_MAX];
	ssize_t length = emul_read_text(e, trap, address, path, sizeof(path));

	if (length <= 0)
		return length < 0 ? -EFAULT : -ENOENT;
	char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strlen(name) > NAME_MAX)
		return -EINVAL;
	memcpy(leaf, name, strlen(name) + 1);
	if (slash)
		slash[slash == path] = '\0'; /* the root's own slash stays */
	cleanup_close int fd = open_path(e, trap, dirfd, slash ? path : ".", EMUL_FOLLOW);
	if (fd >= 0 && !supervisor_still_waits(&e->supervisor, trap))
		return -ESRCH;
	return take_fd(&fd);
}

/* ---- status ---- */

/* The last number of the line "NSpid:", which has one for each namespace from ours to the caller's. */
static pid_t read_own_tid(const char *text)
{
	const char *at = strstr(text, "\nNSpid:");
	pid_t own = 0;
	int length;

	for (at = at ? at + strlen("\nNSpid:") : ""; sscanf(at, "%*[ \t]%d%n", &own, &length) == 1; at += length)
		;
	return own;
}

int emul_read_status(const struct trap *trap, struct emul_status *status)
{
	char path[64];
	char text[STATUS_SIZE];
	unsigned umask, fs_uid, no_new_privs = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", trap->tid);
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : fd_read_full(fd, text, sizeof(text) - 1, NULL);
	if (got <= 0)
		return -ESRCH;
	text[got] = '\0';
	const char *mask = strstr(text, "\nUmask:");
	const char *ids = strstr(text, "\nUid:");
	const char *privs = strstr(text, "\nNoNewPrivs:");
	if (!mask || !ids || sscanf(mask, "\nUmask: %o", &umask) != 1 ||
	    sscanf(ids, "\nUid: %*u %*u %*u %u", &fs_uid) != 1)
		return -EINVAL;
	if (privs)
		sscanf(privs, "\nNoNewPrivs: %u", &no_new_privs);
	*status = (struct emul_status){
		.umask = umask,
		.fs_uid = fs_uid,
		.own_tid = read_own_tid(text),
		.no_new_privs = no_new_privs != 0,
	};
	return 0;
}
