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
	if (lstat(path, &st) < 0 || (st.st_mode & 0600) != 0)
		return false;
	/* So is one of access mode 3, for ioctl(2) alone (open(2)). */
	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", trap->tid, fd);
	cleanup(buf_done) struct buf text = BUF_INIT(1 << 16);
	const char *flags = fd_read_file(AT_FDCWD, path, &text, NULL) < 0 ? NULL : strstr(buf_str(&text), "flags:");
	unsigned value;
	return flags && sscanf(flags, "flags: %o", &value) == 1 && value & O_PATH;
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

/* A directory's path as the caller would write it, of the one that we have: what lies above its root is taken off. */
static int name_from_root(struct emulation *e, const struct trap *trap, const char *text, struct buf *path)
{
	cleanup_free char *root = mem_alloc(PATH_MAX);

	if (text[0] != '/')
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

static int name_directory(struct emulation *e, const struct trap *trap, int dirfd, struct buf *path)
{
	cleanup_free char *text = mem_alloc(PATH_MAX);
	char what[32] = "cwd";

	if (dirfd != AT_FDCWD)
		snprintf(what, sizeof(what), "fd/%d", dirfd);
	if (read_link(trap, what, text, PATH_MAX) < 0)
		return -ENOENT;
	return name_from_root(e, trap, text, path);
}

static int open_absolute(struct emulation *e, const struct trap *trap, const char *path, int flags, uint64_t resolve)
{
	int root = open_root(e, trap);
	int fd = root < 0 ? root : open_resolved(root, path, flags, resolve | RESOLVE_IN_ROOT);

	close_root(e, root);
	return fd;
}

#define REMOVED " (deleted)" /* behind the name of what has none any more (proc(5), /proc/pid/cwd) */

/* A directory that was removed has no name, but what it was in is still above it: there *base and *path go together.
 * `name` is then that of *base. */
static int leave_removed(struct emulation *e, const struct trap *trap, int *base, const char **path, struct buf *name)
{
	char proc[FD_PROC_PATH_SIZE];
	cleanup_free char *text = mem_alloc(PATH_MAX);

	for (;;) {
		ssize_t length = readlink(fd_proc_path(*base, proc), text, PATH_MAX - 1);
		text[length > 0 ? length : 0] = '\0';
		buf_clear(name);
		int rc = name_from_root(e, trap, text, name);
		if (rc < 0)
			return rc;
		bool goes_up = strncmp(*path, "..", 2) == 0 && ((*path)[2] == '/' || (*path)[2] == '\0');
		/* There is no way up from a root, removed or not. */
		if (!text_has_suffix(buf_str(name), REMOVED) || !goes_up)
			return 0;
		int above = openat(*base, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (above < 0)
			return -errno;
		fd_close(*base);
		*base = above;
		*path += 2 + strspn(*path + 2, "/");
		if (**path == '\0')
			*path = ".";
	}
}

/* `base` is taken. */
static int open_from_removed(struct emulation *e, const struct trap *trap, int base, const char *path, int flags,
			     uint64_t resolve)
{
	cleanup_close int at = base;
	cleanup(buf_done) struct buf whole = BUF_INIT((size_t)2 * PATH_MAX);
	int rc = leave_removed(e, trap, &at, &path, &whole);
	int fd = rc < 0 ? rc : open_resolved(at, path, flags, resolve | RESOLVE_BENEATH);

	if (fd != -EXDEV)
		return fd;
	buf_append_char(&whole, '/');
	buf_append_str(&whole, path);
	return open_absolute(e, trap, buf_str(&whole), flags, resolve);
}

static int open_relative(struct emulation *e, const struct trap *trap, int dirfd, const char *path, int flags,
			 uint64_t resolve)
{
	cleanup_close int base = emul_open_fd(e, trap, dirfd);
	int fd = base < 0 ? base : open_resolved(base, path, flags, resolve | RESOLVE_BENEATH);

	if (fd != -EXDEV)
		return fd;
	cleanup(buf_done) struct buf whole = BUF_INIT((size_t)2 * PATH_MAX);
	int rc = name_directory(e, trap, dirfd, &whole);
	if (rc < 0)
		return rc;
	if (text_has_suffix(buf_str(&whole), REMOVED))
		return open_from_removed(e, trap, take_fd(&base), path, flags, resolve);
	buf_append_char(&whole, '/');
	buf_append_str(&whole, path);
	return open_absolute(e, trap, buf_str(&whole), flags, resolve);
}

/* "/proc/self/fd/5" and "/dev/fd/5": the caller's descriptor 5, and what is behind it in `rest`. */
static bool names_descriptor(const char *path, int *fd, const char **rest)
{
	static const char *const prefixes[] = {"/proc/self/fd/", "/proc/thread-self/fd/", "/dev/fd/"};
	char digits[16];
	uint64_t number;

	for (size_t i = 0; i < ARRAY_COUNT(prefixes); i++) {
		if (!text_has_prefix(path, prefixes[i]))
			continue;
		const char *text = path + strlen(prefixes[i]);
		size_t length = strcspn(text, "/");
		snprintf(digits, sizeof(digits), "%.*s", (int)length, text);
		if (length >= sizeof(digits) || parse_u64(digits, INT_MAX, "fd", &number, NULL) < 0)
			continue;
		*fd = (int)number;
		*rest = text + length;
		return true;
	}
	return false;
}

/* "/proc/self/cwd" and "/proc/self/root". */
static bool names_directory(const char *path, const char *name, const char **rest)
{
	static const char *const prefixes[] = {"/proc/self/", "/proc/thread-self/"};

	for (size_t i = 0; i < ARRAY_COUNT(prefixes); i++) {
		if (!text_has_prefix(path, prefixes[i]) || !text_has_prefix(path + strlen(prefixes[i]), name))
			continue;
		*rest = path + strlen(prefixes[i]) + strlen(name);
		return **rest == '/' || **rest == '\0';
	}
	return false;
}

/* The caller's own magic links at the start of a path are stepped through: such links lead anywhere, and "self" is not
 * us. A link at the end is followed with `follow` alone. */
static void step_through(int *dirfd, const char **path, bool follow)
{
	const char *rest;

	for (;;) {
		if (names_directory(*path, "root", &rest) && (*rest || follow)) {
			*path = *rest ? rest : "/";
			continue;
		}
		if (names_directory(*path, "cwd", &rest) && (*rest || follow))
			*dirfd = AT_FDCWD;
		else if (!names_descriptor(*path, dirfd, &rest) || !(*rest || follow))
			return;
		*path = rest + strspn(rest, "/");
		/* What has a slash behind it is a directory. */
		if (**path == '\0' && *rest)
			*path = ".";
		return;
	}
}

/* A symlink such as /dev/stdout, which ends at a descriptor. */
static int open_behind_link(struct emulation *e, const struct trap *trap, int dirfd, const char *path)
{
	char text[64];
	const char *rest;
	int number;
	cleanup_close int link = path[0] == '/' ? open_absolute(e, trap, path, O_NOFOLLOW, 0)
						: open_relative(e, trap, dirfd, path, O_NOFOLLOW, 0);

	if (link < 0)
		return link;
	ssize_t length = readlinkat(link, "", text, sizeof(text) - 1);
	if (length <= 0)
		return -ENOENT;
	text[length] = '\0';
	return names_descriptor(text, &number, &rest) && !*rest ? emul_open_fd(e, trap, number) : -ENOENT;
}

static int open_path(struct emulation *e, const struct trap *trap, int dirfd, const char *path, unsigned flags)
{
	int nofollow = flags & EMUL_FOLLOW ? 0 : O_NOFOLLOW;

	if (path[0] == '\0')
		return flags & EMUL_EMPTY ? emul_open_fd(e, trap, dirfd) : -ENOENT;
	step_through(&dirfd, &path, !nofollow);
	if (path[0] == '\0')
		return emul_open_fd(e, trap, dirfd);
	int fd = path[0] == '/' ? open_absolute(e, trap, path, nofollow, 0)
				: open_relative(e, trap, dirfd, path, nofollow, 0);
	if ((fd == -ENOENT || fd == -ELOOP) && !nofollow && !(flags & EMUL_PEEK))
		return open_behind_link(e, trap, dirfd, path);
	return fd;
}

int emul_read_path(struct emulation *e, const struct trap *trap, uint64_t address, unsigned flags, char *path)
{
	if (!address && flags & EMUL_EMPTY)
		path[0] = '\0';
	else if (emul_read_text(e, trap, address, path, PATH_MAX) < 0)
		return -EFAULT;
	return 0;
}

int emul_open_text(struct emulation *e, const struct trap *trap, int dirfd, const char *path, unsigned flags)
{
	cleanup_close int fd = open_path(e, trap, dirfd, path, flags);

	if (fd >= 0 && !(flags & EMUL_PEEK) && !supervisor_still_waits(&e->supervisor, trap))
		return -ESRCH;
	return take_fd(&fd);
}

int emul_open(struct emulation *e, const struct trap *trap, int dirfd, uint64_t address, unsigned flags)
{
	char path[PATH_MAX];
	int rc = emul_read_path(e, trap, address, flags, path);

	return rc < 0 ? rc : emul_open_text(e, trap, dirfd, path, flags);
}

/* ---- what is made ---- */

/* The last component goes to `leaf`, and what is before it stays in `path`. */
static int split(char *path, char *leaf)
{
	char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strlen(name) > NAME_MAX)
		return -EINVAL;
	memcpy(leaf, name, strlen(name) + 1);
	if (slash)
		slash[slash == path] = '\0'; /* the root's own slash stays */
	else
		memcpy(path, ".", sizeof("."));
	return 0;
}

static int open_by_rules(struct emulation *e, const struct trap *trap, int dirfd, const char *path, uint64_t resolve)
{
	if (resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) {
		cleanup_close int base = emul_open_fd(e, trap, dirfd);
		return base < 0 ? base : open_resolved(base, path, 0, resolve);
	}
	return path[0] == '/' ? open_absolute(e, trap, path, 0, resolve)
			      : open_relative(e, trap, dirfd, path, 0, resolve);
}

int emul_open_directory(struct emulation *e, const struct trap *trap, int dirfd, const char *path, uint64_t resolve)
{
	cleanup_close int fd =
		resolve ? open_by_rules(e, trap, dirfd, path, resolve) : open_path(e, trap, dirfd, path, EMUL_FOLLOW);

	if (fd >= 0 && !supervisor_still_waits(&e->supervisor, trap))
		return -ESRCH;
	return take_fd(&fd);
}

int emul_open_parent_text(struct emulation *e, const struct trap *trap, int dirfd, char *path, uint64_t resolve,
			  char *leaf)
{
	int rc = path[0] == '\0' ? -ENOENT : split(path, leaf);

	return rc < 0 ? rc : emul_open_directory(e, trap, dirfd, path, resolve);
}

int emul_open_parent(struct emulation *e, const struct trap *trap, int dirfd, uint64_t address, char *leaf)
{
	char path[PATH_MAX];
	int rc = emul_read_path(e, trap, address, 0, path);

	return rc < 0 ? rc : emul_open_parent_text(e, trap, dirfd, path, 0, leaf);
}

int emul_follow_leaf(int parent, const char *leaf, char *path)
{
	char target[PATH_MAX], whole[PATH_MAX];
	ssize_t length = readlinkat(parent, leaf, target, sizeof(target) - 1);

	if (length < 0)
		return -errno;
	target[length] = '\0';
	int size = target[0] == '/' ? snprintf(whole, sizeof(whole), "%s", target)
				    : snprintf(whole, sizeof(whole), "%s/%s", path, target);
	if (size >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(path, whole, (size_t)size + 1);
	return 0;
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
