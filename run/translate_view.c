/*
 * What a path of the step means: its root and what is mounted over it, as descriptors of ours, without a mount.
 *
 * Two ways, with one result. The short one: the kernel walks it, kept in by openat2(2), and what it came to is asked
 * for its name; when that, or the text, comes near a place where something is mounted, or nothing was found, the long
 * way decides: component by component, links read and put in front of the rest. Mounts are crossed by name only there.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/rootpath.h"
#include "run/translate_internal.h"

#define LINKS_MAX 40 /* path_resolution(7) */

void spot_done(struct spot *spot)
{
	fd_close(spot->fd);
	fd_close(spot->parent);
	buf_done(&spot->path);
	*spot = SPOT_INIT;
}

struct task *view_task(struct translation *t, const struct trap *trap)
{
	return tasks_find(t->emulation.tasks, trap->tid);
}

/* ---- Names ---- */

/* "/a/b" is in "/a", and everything in "". */
static bool is_in(const char *path, const char *above, size_t length)
{
	return strncmp(path, above, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

const struct view_mount *view_mount_of(const struct translation *t, const char *path)
{
	for (size_t i = 1; i < t->mount_count; i++)
		if (is_in(path, t->mounts[i].target, t->mounts[i].target_length))
			return &t->mounts[i];
	return &t->mounts[0];
}

static bool is_mount_point(const struct translation *t, const char *path)
{
	const struct view_mount *mount = view_mount_of(t, path);

	return mount->target_length == strlen(path);
}

/* Is something mounted below this directory, or at it? */
static bool has_mounts(const struct translation *t, const char *path)
{
	size_t length = strlen(path);

	for (size_t i = 1; i < t->mount_count; i++)
		if (is_in(t->mounts[i].target, path, length))
			return true;
	return false;
}

bool view_name_of_real(const struct translation *t, const char *real, struct buf *path)
{
	const struct view_mount *best = NULL;

	for (size_t i = 0; i < t->mount_count; i++) {
		const struct view_mount *mount = &t->mounts[i];
		if (!is_in(real, mount->real, mount->real_length) || (mount->is_file && real[mount->real_length]))
			continue;
		if (!best || mount->real_length > best->real_length)
			best = mount;
	}
	if (!best)
		return false;
	buf_clear(path);
	buf_append_str(path, best->target);
	buf_append_str(path, real + best->real_length);
	return true;
}

static bool real_name(int fd, char real[PATH_MAX])
{
	char proc[FD_PROC_PATH_SIZE];
	ssize_t length = readlink(fd_proc_path(fd, proc), real, PATH_MAX - 1);

	if (length <= 0 || real[0] != '/')
		return false;
	real[length] = '\0';
	return true;
}

bool view_name(const struct translation *t, int fd, struct buf *path)
{
	char real[PATH_MAX];

	return real_name(fd, real) && view_name_of_real(t, real, path);
}

/* ---- Descriptors of the caller's ---- */

int view_open_fd(struct translation *t, const struct trap *trap, int fd)
{
	char path[64];

	if (fd < 0)
		return -EBADF;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", trap->tid, fd);
	int opened = open(path, O_PATH | O_CLOEXEC);
	return opened >= 0 ? opened : errno == ENOENT ? -EBADF : -errno;
}

/* ---- Walking ---- */

static int open_in(int dirfd, const char *path, uint64_t flags, uint64_t resolve)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC | flags, .resolve = resolve | RESOLVE_NO_MAGICLINKS};
	long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/* A path of the step without links: from the mount that it is in. */
static int open_canonical(const struct translation *t, const char *path, uint64_t flags)
{
	const struct view_mount *mount = view_mount_of(t, path);
	const char *rest = path + mount->target_length;

	while (*rest == '/')
		rest++;
	if (*rest == '\0')
		return fcntl(mount->fd, F_DUPFD_CLOEXEC, 0);
	return open_in(mount->fd, rest, O_NOFOLLOW | flags, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

int view_open_name(const struct translation *t, const char *path)
{
	return open_canonical(t, path, 0);
}

struct walk {
	struct translation *t;
	const struct trap *trap;
	unsigned flags;
	size_t floor;	 /* of `path`: the caller's root */
	struct buf path; /* so far; no link in it */
	int fd;		 /* what stands there; -1: to be opened */
	struct buf todo;
	size_t at; /* of todo */
	unsigned links;
};

static void walk_done(struct walk *walk)
{
	buf_done(&walk->path);
	buf_done(&walk->todo);
	fd_close(walk->fd);
}
CLEANUP_FOR_VALUE(struct walk, walk_done)

static void cut(struct buf *path, size_t length)
{
	path->len = length;
	if (path->data)
		path->data[length] = '\0';
}

static void go_up(struct walk *walk)
{
	const char *path = buf_str(&walk->path);
	const char *slash = strrchr(path, '/');

	fd_close(take_fd(&walk->fd));
	if (slash && walk->path.len > walk->floor)
		cut(&walk->path, (size_t)(slash - path));
}

static int stand(struct walk *walk)
{
	if (walk->fd >= 0)
		return 0;
	walk->fd = open_canonical(walk->t, buf_str(&walk->path), O_DIRECTORY);
	return walk->fd < 0 ? walk->fd : 0;
}

/* The link's text comes before what is left. */
static int follow(struct walk *walk, const char *text)
{
	if (++walk->links > LINKS_MAX || walk->flags & VIEW_BENEATH)
		return -ELOOP;
	cleanup_free char *rest = mem_strdup(buf_str(&walk->todo) + walk->at);
	buf_clear(&walk->todo);
	walk->at = 0;
	buf_append_str(&walk->todo, text);
	if (*rest) {
		buf_append_char(&walk->todo, '/');
		buf_append_str(&walk->todo, rest);
	}
	if (text[0] == '/') {
		fd_close(take_fd(&walk->fd));
		cut(&walk->path, walk->floor);
	}
	return walk->todo.overflow ? -ENAMETOOLONG : 0;
}

static int follow_link(struct walk *walk, int link)
{
	char text[PATH_MAX];
	ssize_t length = readlinkat(link, "", text, sizeof(text) - 1);

	if (length < 0)
		return -errno;
	text[length] = '\0';
	return length ? follow(walk, text) : -ENOENT;
}

/* The next component; false: there is none. */
static bool take_component(struct walk *walk, char name[NAME_MAX + 1], bool *is_last, int *rc)
{
	const char *text = buf_str(&walk->todo);

	while (text[walk->at] == '/')
		walk->at++;
	size_t length = strcspn(text + walk->at, "/");
	if (length == 0)
		return false;
	if (length > NAME_MAX) {
		*rc = -ENAMETOOLONG;
		return false;
	}
	memcpy(name, text + walk->at, length);
	name[length] = '\0';
	walk->at += length;
	*is_last = text[walk->at + strspn(text + walk->at, "/")] == '\0';
	return true;
}

/* The end of the walk at what it stands on. */
static int arrive(struct walk *walk, struct spot *spot)
{
	if (walk->fd < 0) {
		walk->fd = open_canonical(walk->t, buf_str(&walk->path), 0);
		if (walk->fd < 0)
			return walk->fd;
	}
	spot->fd = take_fd(&walk->fd);
	spot->mount = view_mount_of(walk->t, buf_str(&walk->path));
	buf_append_str(&spot->path, walk->path.len ? buf_str(&walk->path) : "/");
	return 0;
}

/* A name that is not followed further: the thing, or, if it may be missing, only its place. `fd` is taken. */
static int arrive_at_leaf(struct walk *walk, const char *name, int fd, struct spot *spot)
{
	spot->fd = fd;
	spot->parent = take_fd(&walk->fd);
	snprintf(spot->leaf, sizeof(spot->leaf), "%s", name);
	buf_append_str(&spot->path, buf_str(&walk->path));
	buf_append_char(&spot->path, '/');
	buf_append_str(&spot->path, name);
	spot->mount = view_mount_of(walk->t, buf_str(&spot->path));
	return spot->path.overflow ? -ENAMETOOLONG : 0;
}

/* Names of /proc that are not what the kernel would make of them. 1: the walk has ended in *spot. */
static int step_in_proc(struct walk *walk, const char *name, bool is_last, struct spot *spot, bool *is_plain)
{
	cleanup(buf_done) struct buf path = BUF_INIT((size_t)2 * PATH_MAX);
	cleanup(buf_done) struct buf to = BUF_INIT((size_t)2 * PATH_MAX);
	int fd = -1;

	*is_plain = false;
	buf_printf(&path, "%s/%s", buf_str(&walk->path), name);
	bool follows = !is_last || walk->flags & VIEW_FOLLOW || spot->wants_directory;
	switch (proc_judge(walk->t, walk->trap, buf_str(&path), follows, &to, &fd)) {
	case PROC_PLAIN:
		*is_plain = true;
		return 0;
	case PROC_HIDDEN:
		return -ENOENT;
	case PROC_JUMP:
		return follow(walk, buf_str(&to));
	case PROC_DESCRIPTOR:
		break;
	}
	if (!is_last) {
		fd_close(fd);
		return -ENOTDIR;
	}
	spot->fd = fd;
	spot->is_magic = true;
	spot->mount = view_mount_of(walk->t, buf_str(&path));
	return 1;
}

/* One component that is a name. 1: the walk has ended in *spot. */
static int step(struct walk *walk, const char *name, bool is_last, struct spot *spot)
{
	struct stat st;
	size_t before = walk->path.len;
	bool is_plain = true;
	int rc = stand(walk);

	if (rc < 0)
		return rc;
	if (view_mount_of(walk->t, buf_str(&walk->path))->kind == VIEW_PROC) {
		rc = step_in_proc(walk, name, is_last, spot, &is_plain);
		if (!is_plain)
			return rc;
	}
	buf_append_char(&walk->path, '/');
	buf_append_str(&walk->path, name);
	if (walk->path.overflow)
		return -ENAMETOOLONG;
	if (is_mount_point(walk->t, buf_str(&walk->path))) {
		const struct view_mount *mount = view_mount_of(walk->t, buf_str(&walk->path));
		fd_close(take_fd(&walk->fd));
		return mount->is_file && !is_last ? -ENOTDIR : 0;
	}
	cleanup_close int fd = open_in(walk->fd, name, O_NOFOLLOW, RESOLVE_BENEATH);
	if (fd < 0) {
		cut(&walk->path, before);
		if (fd == -ENOENT && is_last && walk->flags & VIEW_MISSING)
			return arrive_at_leaf(walk, name, -1, spot), 1;
		return fd;
	}
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode) && (!is_last || walk->flags & VIEW_FOLLOW || spot->wants_directory)) {
		cut(&walk->path, before);
		return follow_link(walk, fd);
	}
	if (is_last) {
		cut(&walk->path, before);
		rc = arrive_at_leaf(walk, name, take_fd(&fd), spot);
		return rc < 0 ? rc : 1;
	}
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	fd_close(walk->fd);
	walk->fd = take_fd(&fd);
	return 0;
}

static int walk_all(struct walk *walk, struct spot *spot)
{
	char name[NAME_MAX + 1];
	bool is_last;
	int rc = 0;

	while (take_component(walk, name, &is_last, &rc)) {
		if (strcmp(name, ".") == 0) {
			rc = stand(walk);
		} else if (strcmp(name, "..") == 0) {
			rc = stand(walk);
			if (rc == 0 && walk->flags & VIEW_BENEATH && walk->path.len <= walk->floor)
				rc = -EXDEV;
			if (rc == 0)
				go_up(walk);
		} else {
			rc = step(walk, name, is_last, spot);
		}
		if (rc != 0)
			return rc < 0 ? rc : 0;
	}
	return rc < 0 ? rc : arrive(walk, spot);
}

/* ---- The short way ---- */

/* The directory of a name that may be missing, and the name. `rest` is below `base`, which is the step's root when
 * base_name is "". 1: found. 0: the long way is to be gone. */
static int find_leaf_short(struct translation *t, int base, const char *base_name, const char *rest, unsigned flags,
			   struct spot *spot)
{
	const char *slash = strrchr(rest, '/');
	const char *leaf = slash ? slash + 1 : rest;
	cleanup_free char *above = slash ? mem_strndup(rest, (size_t)(slash - rest)) : mem_strdup(".");
	struct stat st;

	if (*leaf == '\0' || strcmp(leaf, ".") == 0 || strlen(leaf) > NAME_MAX)
		return 0;
	cleanup_close int parent =
		open_in(base, *above ? above : ".", O_DIRECTORY, *base_name ? RESOLVE_BENEATH : RESOLVE_IN_ROOT);
	if (parent < 0 || !view_name(t, parent, &spot->path) ||
	    view_mount_of(t, buf_str(&spot->path)) != view_mount_of(t, base_name))
		return 0;
	buf_append_char(&spot->path, '/');
	buf_append_str(&spot->path, leaf);
	if (spot->path.overflow || is_mount_point(t, buf_str(&spot->path)))
		return 0;
	cleanup_close int fd = openat(parent, leaf, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT)
		return 0;
	if (fd >= 0 && flags & VIEW_FOLLOW && (fstat(fd, &st) < 0 || S_ISLNK(st.st_mode)))
		return 0;
	spot->fd = take_fd(&fd);
	spot->parent = take_fd(&parent);
	spot->mount = view_mount_of(t, buf_str(&spot->path));
	snprintf(spot->leaf, sizeof(spot->leaf), "%s", leaf);
	return 1;
}

/* 1: found. 0: the long way is to be gone. */
static int walk_short(struct translation *t, int base, const char *base_name, const char *path, unsigned flags,
		      struct spot *spot)
{
	const char *rest = path;
	struct stat st;

	if (strstr(path, "..") || flags & VIEW_BENEATH)
		return 0;
	if (path[0] == '/') {
		if (strstr(path, "//") || strstr(path, "/./"))
			return 0;
		for (size_t i = 1; i < t->mount_count; i++)
			if (is_in(path, t->mounts[i].target, t->mounts[i].target_length))
				return 0;
		rest++;
		base = t->mounts[0].fd;
	} else if (has_mounts(t, base_name) || view_mount_of(t, base_name)->kind == VIEW_PROC) {
		return 0;
	}
	if (*rest == '\0')
		return 0;
	if (flags & VIEW_MISSING)
		return find_leaf_short(t, base, path[0] == '/' ? "" : base_name, rest, flags, spot);
	cleanup_close int fd = open_in(base, rest, flags & VIEW_FOLLOW ? 0 : O_NOFOLLOW,
				       path[0] == '/' ? RESOLVE_IN_ROOT : RESOLVE_BENEATH);
	if (fd == -ENOENT && !(flags & VIEW_FOLLOW))
		return 0;
	if (fd < 0) {
		/* Where no link is on the way, what is not there is not there. */
		cleanup_close int again =
			fd != -ENOENT ? -1 : open_in(base, rest, 0, RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH);
		return again == -ENOENT && fd == -ENOENT ? -ENOENT : 0;
	}
	if (!view_name(t, fd, &spot->path) ||
	    view_mount_of(t, buf_str(&spot->path)) != view_mount_of(t, path[0] == '/' ? "" : base_name))
		return 0;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (spot->path.len == 0)
		buf_append_str(&spot->path, "/");
	spot->mount = view_mount_of(t, spot->path.len == 1 ? "" : buf_str(&spot->path));
	spot->fd = take_fd(&fd);
	return 1;
}

/* ---- The door ---- */

/* What relative paths start from. */
static int open_base(struct translation *t, const struct trap *trap, int dirfd)
{
	if (dirfd != AT_FDCWD)
		return view_open_fd(t, trap, dirfd);
	const struct task *task = view_task(t, trap);
	if (!task || !task->fs)
		return -ESRCH;
	return fcntl(task->fs->cwd, F_DUPFD_CLOEXEC, 0);
}

static int find_empty(struct translation *t, const struct trap *trap, int dirfd, unsigned flags, struct spot *spot)
{
	if (!(flags & VIEW_EMPTY))
		return -ENOENT;
	spot->fd = open_base(t, trap, dirfd);
	if (spot->fd < 0)
		return spot->fd;
	spot->is_magic = dirfd != AT_FDCWD;
	if (!view_name(t, spot->fd, &spot->path))
		buf_clear(&spot->path);
	else if (spot->path.len == 0)
		buf_append_str(&spot->path, "/");
	spot->mount = view_mount_of(t, buf_str(&spot->path));
	return 0;
}

static size_t root_name(struct translation *t, const struct trap *trap, struct buf *path)
{
	const struct task *task = view_task(t, trap);

	if (!task || !task->fs || task->fs->root < 0 || !view_name(t, task->fs->root, path))
		buf_clear(path);
	return path->len;
}

int view_find_text(struct translation *t, const struct trap *trap, int dirfd, const char *path, unsigned flags,
		   struct spot *spot)
{
	cleanup(walk_done) struct walk walk = {
		.t = t,
		.trap = trap,
		.flags = flags,
		.path = BUF_INIT((size_t)2 * PATH_MAX),
		.fd = -1,
		.todo = BUF_INIT((size_t)4 * PATH_MAX),
	};
	cleanup_close int base = -1;

	if (*path == '\0')
		return find_empty(t, trap, dirfd, flags, spot);
	walk.floor = root_name(t, trap, &walk.path);
	size_t length = strlen(path);
	spot->wants_directory = path[length - 1] == '/';
	if (path[0] != '/' || flags & VIEW_BENEATH) {
		struct stat st;
		base = open_base(t, trap, dirfd);
		if (base < 0)
			return base;
		if (fstat(base, &st) < 0 || !S_ISDIR(st.st_mode))
			return -ENOTDIR;
		size_t floor = walk.floor;
		if (!view_name(t, base, &walk.path))
			return dirfd == AT_FDCWD ? -ENOENT : -EACCES;
		walk.floor = flags & VIEW_BENEATH ? walk.path.len : walk.path.len >= floor ? floor : 0;
	}
	if (!spot->wants_directory && (path[0] != '/' || walk.floor == 0)) {
		int found = walk_short(t, base, buf_str(&walk.path), path, flags, spot);
		if (found != 0)
			return found < 0 ? found : 0;
		buf_clear(&spot->path);
	}
	buf_append_str(&walk.todo, path);
	int rc = walk_all(&walk, spot);
	if (rc < 0)
		return rc;
	struct stat st;
	if (spot->wants_directory && spot->fd >= 0 && fstat(spot->fd, &st) == 0 && !S_ISDIR(st.st_mode))
		return -ENOTDIR;
	return 0;
}

int view_find_at(struct translation *t, const struct trap *trap, int dirfd, uint64_t address, unsigned flags,
		 struct spot *spot)
{
	char path[PATH_MAX];
	ssize_t length = emul_read_text(&t->emulation, trap, address, path, sizeof(path));

	return length < 0 ? (int)length : view_find_text(t, trap, dirfd, path, flags, spot);
}

int view_find(struct translation *t, const struct trap *trap, int dirfd, uint64_t address, unsigned flags,
	      struct spot *spot)
{
	int rc = view_find_at(t, trap, dirfd, address, flags, spot);

	/* What was opened below /proc was the caller's only if it still waits. */
	if (rc == 0 && dirfd != AT_FDCWD && !supervisor_still_waits(&t->emulation.supervisor, trap))
		return -ESRCH;
	return rc;
}

bool view_is_mount(const struct translation *t, const struct spot *spot)
{
	return is_mount_point(t, buf_str(&spot->path));
}

int view_check_writable(const struct spot *spot)
{
	return spot->mount && spot->mount->read_only ? -EROFS : 0;
}

/* ---- Life ---- */

static void add_mount(struct translation *t, const char *target, int fd, enum view_kind kind, bool read_only)
{
	char real[PATH_MAX] = "/";
	struct stat st;

	t->mounts = mem_grow(t->mounts, t->mount_count + 1, sizeof(*t->mounts));
	struct view_mount *mount = &t->mounts[t->mount_count++];
	*mount = (struct view_mount){.target = mem_strdup(target), .fd = fd, .kind = kind, .read_only = read_only};
	mount->target_length = strlen(target);
	if (!real_name(fd, real))
		snprintf(real, sizeof(real), "/memfd:%p", (void *)mount);
	mount->real = mem_strdup(strcmp(real, "/") == 0 ? "" : real);
	mount->real_length = strlen(mount->real);
	mount->is_file = fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode);
}

static int add_directory(struct translation *t, const char *target, const char *source, enum view_kind kind,
			 bool read_only, struct error **err)
{
	int fd = open(source, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return error_set_errno(err, "open '%s'", source);
	add_mount(t, target, fd, kind, read_only);
	return 0;
}

static const char *const dev_names[] = {"null", "zero", "full", "random", "urandom", "tty"};
static const struct {
	const char *name, *target;
} dev_links[] = {{"fd", "/proc/self/fd"},
		 {"stdin", "/proc/self/fd/0"},
		 {"stdout", "/proc/self/fd/1"},
		 {"stderr", "/proc/self/fd/2"},
		 {"ptmx", "pts/ptmx"}};

/* Names that stand for devices: the directory that lists them is ours, the devices are the host's. */
static int add_dev(struct translation *t, struct error **err)
{
	if (mkdirat(t->scratch, "dev", 0755) < 0)
		return error_set_errno(err, "make a directory for /dev");
	cleanup_close int dev = fd_open_dir(t->scratch, "dev", err);
	if (dev < 0)
		return dev;
	for (size_t i = 0; i < ARRAY_COUNT(dev_names); i++)
		if (mknodat(dev, dev_names[i], S_IFREG | 0666, 0) < 0)
			return error_set_errno(err, "make '/dev/%s'", dev_names[i]);
	for (size_t i = 0; i < ARRAY_COUNT(dev_links); i++)
		if (symlinkat(dev_links[i].target, dev, dev_links[i].name) < 0)
			return error_set_errno(err, "make '/dev/%s'", dev_links[i].name);
	if (mkdirat(dev, "shm", 0700) < 0 || fchmodat(dev, "shm", 01777, 0) < 0 || mkdirat(dev, "mqueue", 0700) < 0 ||
	    mkdirat(dev, "pts", 0755) < 0)
		return error_set_errno(err, "make directories of /dev");
	int fd = openat(dev, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_set_errno(err, "open /dev");
	add_mount(t, "/dev", fd, VIEW_TREE, /* read_only */ false);
	for (size_t i = 0; i < ARRAY_COUNT(dev_names); i++) {
		cleanup_free char *path = mem_printf("/dev/%s", dev_names[i]);
		int node = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		struct stat st;
		if (node < 0 || fstat(node, &st) < 0 || !S_ISCHR(st.st_mode)) {
			fd_close(node);
			if (strcmp(dev_names[i], "tty") == 0)
				continue;
			return error_set(err, ENODEV, "'%s' is not a device", path);
		}
		add_mount(t, path, node, VIEW_DEV, /* read_only */ false);
	}
	return add_directory(t, "/dev/pts", "/dev/pts", VIEW_TREE, false, err);
}

static int add_text(struct translation *t, const char *path, const char *text, struct error **err)
{
	cleanup_free char *where = NULL;

	if (!text)
		return 0;
	int fd = fd_from_memory("text", text, strlen(text), err);
	if (fd < 0)
		return fd;
	fchmod(fd, 0644);
	int rc = rootpath_resolve(t->mounts[0].fd, path, &where, err);
	if (rc < 0) {
		fd_close(fd);
		return error_prefix(err, "%s", path);
	}
	add_mount(t, where, fd, VIEW_TREE, /* read_only */ false);
	return 0;
}

static int add_volume(struct translation *t, const struct run_mount *mount, struct error **err)
{
	cleanup_free char *whole = mount->target[0] == '/'
					   ? mem_strdup(mount->target)
					   : mem_printf("%s/%s", t->spec->cwd ? t->spec->cwd : "", mount->target);
	cleanup_free char *where = NULL;
	int rc = rootpath_resolve(t->mounts[0].fd, whole, &where, err);

	if (rc < 0)
		return error_prefix(err, "mount on '%s'", mount->target);
	if (mount->type == RUN_MOUNT_OVERLAY)
		return error_set(err, ENOTSUP,
				 "mount on '%s': a root without namespaces has no overlays (see 'cooper info')",
				 mount->target);
	if (mount->type == RUN_MOUNT_TMPFS) {
		cleanup_free char *name = mem_printf("volume-%zu", t->mount_count);
		if (mkdirat(t->scratch, name, 0700) < 0 ||
		    fchmodat(t->scratch, name, mount->mode ? mount->mode : 01777, 0) < 0)
			return error_set_errno(err, "make a directory for '%s'", mount->target);
		int fd = openat(t->scratch, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return error_set_errno(err, "open the directory for '%s'", mount->target);
		add_mount(t, where, fd, VIEW_TREE, mount->flags & RUN_MOUNT_READ_ONLY);
		return 0;
	}
	int fd = mount->source ? open(mount->source, O_PATH | O_CLOEXEC) : fcntl(mount->source_fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0 && mount->flags & RUN_MOUNT_OPTIONAL)
		return 0;
	if (fd < 0)
		return error_set_errno(err, "mount '%s' on '%s'", mount->source ? mount->source : "", mount->target);
	add_mount(t, where, fd, VIEW_TREE, mount->flags & RUN_MOUNT_READ_ONLY);
	return 0;
}

/* The root stays first; of the others the one that is mounted in another before that. */
static int compare_mounts(const void *a, const void *b)
{
	const struct view_mount *x = a, *y = b;

	return x->target_length > y->target_length ? -1 : x->target_length < y->target_length;
}

int view_open(struct translation *t, struct error **err)
{
	const struct run_spec *spec = t->spec;
	int root = spec->root.mounted >= 0 ? spec->root.mounted : spec->root.upper;
	int fd = openat(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int rc = 0;

	if (fd < 0)
		return error_set_errno(err, "open the step's root");
	add_mount(t, "", fd, VIEW_TREE, spec->root.read_only);
	rc = add_directory(t, "/proc", "/proc", VIEW_PROC, /* read_only */ false, err);
	if (rc == 0)
		rc = add_directory(t, "/sys", "/sys", VIEW_TREE, /* read_only */ true, err);
	if (rc == 0)
		rc = add_dev(t, err);
	if (rc == 0)
		rc = add_text(t, "/etc/hosts", spec->etc_hosts, err);
	if (rc == 0)
		rc = add_text(t, "/etc/resolv.conf", spec->etc_resolv_conf, err);
	if (rc == 0)
		rc = add_text(t, "/etc/hostname", spec->etc_hostname, err);
	if (rc == 0)
		rc = add_text(t, "/run/.containerenv", spec->containerenv, err);
	for (size_t i = 0; rc == 0 && i < spec->mount_count; i++)
		rc = add_volume(t, &spec->mounts[i], err);
	if (rc == 0)
		qsort(t->mounts + 1, t->mount_count - 1, sizeof(*t->mounts), compare_mounts);
	return rc;
}

void view_close(struct translation *t)
{
	for (size_t i = 0; i < t->mount_count; i++) {
		free(t->mounts[i].target);
		free(t->mounts[i].real);
		fd_close(t->mounts[i].fd);
	}
	free(t->mounts);
	t->mounts = NULL;
	t->mount_count = 0;
}
