/*
 * Paths inside a root that is not ours. Everything goes through rootpath_open(); directories are made from descriptors,
 * one name at a time.
 */
#include "base/rootpath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/owner.h"
#include "base/rootpath_internal.h"

/* openat2(2) gives EAGAIN when something, anywhere, was renamed while it went through "..". On a busy machine that
 * happens again and again; the walker does not mind. */
#define OPENAT2_TRIES 64

/* O_PATH takes only these beside it (openat2(2), EINVAL). */
#define PATH_FLAGS (O_PATH | O_DIRECTORY | O_NOFOLLOW)

static int open_in_root(int rootfd, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.mode = mode,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};

	for (int i = 0; i < OPENAT2_TRIES; i++) {
		int fd = (int)syscall(SYS_openat2, rootfd, path, &how, sizeof(how));
		if (fd >= 0)
			return fd;
		if (errno == ENOSYS || errno == EPERM)
			break;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
	return rootpath_walk_open(rootfd, path, flags, mode);
}

/* What openat2 is strict about and open is not, and what keeps a FIFO or terminal in the image from getting at us. */
static int sane_flags(int flags)
{
	return flags & O_PATH ? flags & PATH_FLAGS : flags | O_NONBLOCK | O_NOCTTY;
}

static bool makes_file(int flags)
{
	return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
}

static int fail(struct error **err, int rc, const char *doing, const char *path)
{
	errno = -rc;
	return error_set_errno(err, "%s '%s'", doing, path);
}

int rootpath_open(int rootfd, const char *path, int flags, mode_t mode, struct error **err)
{
	flags = sane_flags(flags);
	int fd = open_in_root(rootfd, path, flags, makes_file(flags) ? mode & 07777 : 0);

	return fd < 0 ? fail(err, fd, "open", path) : fd;
}

int rootpath_open_file(int rootfd, const char *path, uint64_t max, struct error **err)
{
	cleanup_close int fd = open_in_root(rootfd, path, sane_flags(O_RDONLY), 0);
	struct stat st;

	/* ENXIO: a socket, or a device without a driver, as overlayfs' whiteouts are. */
	if (fd == -ENXIO)
		return error_set(err, EINVAL, "'%s' is not a regular file", path);
	if (fd < 0)
		return fail(err, fd, "open", path);
	if (fstat(fd, &st) < 0)
		return error_set_errno(err, "stat '%s'", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, EINVAL, "'%s' is not a regular file", path);
	if ((uint64_t)st.st_size > max)
		return error_set(err, EFBIG, "'%s' has %lld bytes, more than the %llu that are allowed", path,
				 (long long)st.st_size, (unsigned long long)max);
	return take_fd(&fd);
}

int rootpath_open_parent(int rootfd, const char *path, bool create, char **leaf, struct error **err)
{
	size_t end = strlen(path);

	while (end > 0 && path[end - 1] == '/')
		end--;
	size_t start = end;
	while (start > 0 && path[start - 1] != '/')
		start--;
	cleanup_free char *name = mem_strndup(path + start, end - start);
	if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return error_set(err, EINVAL, "'%s' does not end in a name", path);
	cleanup_free char *parent = start > 0 ? mem_strndup(path, start) : mem_strdup("/");
	int fd = create ? rootpath_mkdirs(rootfd, parent, /* 0755 */ NULL, err)
			: rootpath_open(rootfd, parent, O_PATH | O_DIRECTORY, 0, err);
	if (fd >= 0)
		*leaf = take_ptr(&name);
	return fd;
}

static int stamp(int fd, const struct rootpath_dir *dir)
{
	if (dir->mtime < 0)
		return 0;
	struct timespec time = {.tv_sec = dir->mtime};
	return futimens(fd, (struct timespec[2]){time, time});
}

/* Owner first: it may clear bits of the mode. */
static int dress(int fd, const struct rootpath_dir *dir)
{
	const struct owner_record record = {.uid = dir->uid, .gid = dir->gid};

	if (dir->set_owner && fchown(fd, dir->uid, dir->gid) < 0)
		return -1;
	if (dir->record_owner && (dir->uid || dir->gid) && owner_set(fd, &record, NULL) < 0)
		return -1;
	/* One that shuts its owner out shuts us out where we are not root: it is written down then. */
	int rc = owner_set_mode(fd, dir->mode);
	if (rc < 0) {
		errno = -rc;
		return -1;
	}
	return stamp(fd, dir);
}

/* Makes `name` in parent, gives it what `dir` says and opens it. -EEXIST when somebody was faster; otherwise nothing is
 * left behind on failure. */
static int make_dir(int parent, const char *name, const struct rootpath_dir *dir)
{
	/* 0700, so that nobody else gets in before it has its owner, and we can open it whatever the umask. */
	if (mkdirat(parent, name, 0700) < 0)
		return -errno;
	cleanup_close int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || dress(fd, dir) < 0) {
		int rc = -errno;
		unlinkat(parent, name, AT_REMOVEDIR);
		return rc;
	}
	return take_fd(&fd);
}

/* Steps from *at, which it replaces, into `name`, making it when it is missing. */
static int step_into(int *at, bool *made, const char *name, const struct rootpath_dir *dir)
{
	int fd = openat(*at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	bool is_new = false;

	if (fd < 0 && errno == ENOENT) {
		fd = make_dir(*at, name, dir);
		is_new = fd >= 0;
		/* Its new entry has touched the parent's time; that counts only where the parent is ours. */
		if (is_new && *made)
			stamp(*at, dir);
		if (fd == -EEXIST)
			fd = openat(*at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		else if (fd < 0)
			return fd;
	}
	if (fd < 0)
		return -errno;
	fd_close(*at);
	*at = fd;
	*made = is_new;
	return 0;
}

/* The path is free of links and ".." here: each name is opened without following, so nothing that is renamed or
 * replaced meanwhile leads out. */
static int make_names(int rootfd, const struct strlist *names, const struct rootpath_dir *dir)
{
	cleanup_close int at = openat(rootfd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	bool made = false;

	if (at < 0)
		return -errno;
	for (size_t i = 0; i < names->count; i++) {
		int rc = step_into(&at, &made, names->items[i], dir);
		if (rc < 0)
			return rc;
	}
	return take_fd(&at);
}

int rootpath_mkdirs(int rootfd, const char *path, const struct rootpath_dir *dir, struct error **err)
{
	static const struct rootpath_dir plain = {.mode = 0755, .mtime = -1};
	cleanup(rootpath_end_done) struct rootpath_end end = {0};

	int fd = open_in_root(rootfd, path, O_PATH | O_DIRECTORY, 0);
	if (fd >= 0)
		return fd;
	if (fd != -ENOENT)
		return fail(err, fd, "make directory", path);
	int rc = rootpath_walk_resolve(rootfd, path, &end);
	if (rc < 0)
		return fail(err, rc, "make directory", path);
	if (end.dangling && !(dir && dir->follow_dangling))
		return error_set(err, ENOENT, "make directory '%s': a symbolic link on the way leads nowhere", path);
	fd = make_names(rootfd, &end.names, dir ? dir : &plain);
	return fd < 0 ? fail(err, fd, "make directory", path) : fd;
}

int rootpath_stat(int rootfd, const char *path, bool follow, struct stat *st, struct error **err)
{
	cleanup_close int fd = rootpath_open(rootfd, path, O_PATH | (follow ? 0 : O_NOFOLLOW), 0, err);

	if (fd < 0)
		return fd;
	if (fstat(fd, st) < 0)
		return error_set_errno(err, "stat '%s'", path);
	return 0;
}

int rootpath_readlink(int rootfd, const char *path, char **target, struct error **err)
{
	cleanup_close int fd = rootpath_open(rootfd, path, O_PATH | O_NOFOLLOW, 0, err);
	cleanup_free char *text = mem_alloc(PATH_MAX);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return error_set_errno(err, "stat '%s'", path);
	if (!S_ISLNK(st.st_mode))
		return error_set(err, EINVAL, "'%s' is not a symbolic link", path);
	/* A link holds at most PATH_MAX - 1 bytes (symlink(7)): the NUL is there from mem_alloc(). */
	if (readlinkat(fd, "", text, PATH_MAX - 1) < 0)
		return error_set_errno(err, "read the link '%s'", path);
	*target = take_ptr(&text);
	return 0;
}

static char *join_names(const struct strlist *names)
{
	cleanup_free char *joined = strlist_join(names, "/");

	return mem_printf("/%s", joined);
}

int rootpath_resolve(int rootfd, const char *path, char **resolved, struct error **err)
{
	cleanup(rootpath_end_done) struct rootpath_end end = {0};
	int rc = rootpath_walk_resolve(rootfd, path, &end);

	if (rc < 0)
		return fail(err, rc, "resolve", path);
	*resolved = join_names(&end.names);
	return 0;
}

char *rootpath_clean(const char *path)
{
	cleanup(strlist_done) struct strlist names = {0};

	while (*(path += strspn(path, "/")) != '\0') {
		size_t len = strcspn(path, "/");
		bool is_up = len == 2 && memcmp(path, "..", 2) == 0;
		if (is_up && names.count > 0)
			strlist_remove(&names, names.count - 1);
		else if (!is_up && !(len == 1 && *path == '.'))
			strlist_take(&names, mem_strndup(path, len));
		path += len;
	}
	return join_names(&names);
}
