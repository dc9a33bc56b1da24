/*
 * The long way of a path (translate_view.c): component by component, links read and put in front of the rest, mounts
 * crossed by their names.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "run/translate_internal.h"

#define LINKS_MAX 40 /* path_resolution(7) */

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
	const struct view_mount *mount; /* where it starts */
	bool has_seen_root;
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
	walk->fd = view_open_canonical(walk->t, buf_str(&walk->path), O_DIRECTORY);
	return walk->fd < 0 ? walk->fd : 0;
}

/* The link's text comes before what is left. */
static int follow(struct walk *walk, const char *text)
{
	if (++walk->links > LINKS_MAX || walk->flags & VIEW_NO_LINKS)
		return -ELOOP;
	if (walk->flags & VIEW_BENEATH && text[0] == '/')
		return -EXDEV;
	/* Linux compares with the root's mount before it has looked for the root, unless the path had it look
	 * (fs/namei.c, nd_jump_root()). */
	if (walk->flags & VIEW_ONE_MOUNT && text[0] == '/' && !walk->has_seen_root)
		return -EXDEV;
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
		walk->fd = view_open_canonical(walk->t, buf_str(&walk->path), 0);
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

/* A link of a process that leads to a thing and not by a text (path_resolution(7), openat2(2)). */
static int check_jump(const struct walk *walk)
{
	if (walk->flags & (VIEW_NO_MAGIC | VIEW_NO_LINKS))
		return -ELOOP;
	return walk->flags & (VIEW_BENEATH | VIEW_IN_ROOT | VIEW_ONE_MOUNT) ? -EXDEV : 0;
}

/* Names of /proc that are not what the kernel would make of them. 1: the walk has ended in *spot. */
static int step_in_proc(struct walk *walk, const char *name, bool is_last, struct spot *spot, bool *is_plain)
{
	cleanup(buf_done) struct buf path = BUF_INIT((size_t)2 * PATH_MAX);
	cleanup(buf_done) struct buf to = BUF_INIT((size_t)2 * PATH_MAX);
	cleanup_close int fd = -1;

	*is_plain = false;
	buf_printf(&path, "%s/%s", buf_str(&walk->path), name);
	bool follows = !is_last || walk->flags & VIEW_FOLLOW || spot->wants_directory;
	enum proc_verdict verdict = proc_judge(walk->t, walk->trap, buf_str(&path), follows, &to, &fd);
	if (verdict == PROC_PLAIN) {
		*is_plain = true;
		return 0;
	}
	if (verdict == PROC_HIDDEN)
		return -ENOENT;
	/* "self" and "thread-self" have a text, which starts where they stand. */
	if (verdict == PROC_JUMP && strcmp(buf_str(&walk->path), "/proc") == 0)
		return follow(walk, buf_str(&to) + strlen("/proc/"));
	int rc = check_jump(walk);
	if (rc < 0)
		return rc;
	if (verdict == PROC_JUMP)
		return follow(walk, buf_str(&to));
	if (!is_last)
		return -ENOTDIR;
	spot->fd = take_fd(&fd);
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
	if (view_is_mount_point(walk->t, buf_str(&walk->path))) {
		const struct view_mount *mount = view_mount_of(walk->t, buf_str(&walk->path));
		fd_close(take_fd(&walk->fd));
		return mount->is_file && !is_last ? -ENOTDIR : 0;
	}
	cleanup_close int fd = view_open_in(walk->fd, name, O_NOFOLLOW, RESOLVE_BENEATH);
	if (fd < 0) {
		cut(&walk->path, before);
		if (fd == -ENOENT && is_last && walk->flags & VIEW_MISSING)
			return arrive_at_leaf(walk, name, -1, spot), 1;
		return fd;
	}
	if (fstat(fd, &st) < 0)
		return -errno;
	/* A '/' at the end follows a link, but not where a name is made, moved or removed. */
	bool goes_on = walk->flags & VIEW_FOLLOW || (spot->wants_directory && !(walk->flags & VIEW_MISSING));
	if (S_ISLNK(st.st_mode) && (!is_last || goes_on)) {
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

/* With RESOLVE_NO_XDEV: is it in another mount than where it has started? `at` is that of what was found, or NULL. */
static bool has_left(const struct walk *walk, const struct view_mount *at)
{
	if (!(walk->flags & VIEW_ONE_MOUNT))
		return false;
	return (at ? at : view_mount_of(walk->t, buf_str(&walk->path))) != walk->mount;
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
			walk->has_seen_root = true;
			if (rc == 0 && walk->flags & VIEW_BENEATH && walk->path.len <= walk->floor)
				rc = -EXDEV;
			if (rc == 0)
				go_up(walk);
		} else {
			rc = step(walk, name, is_last, spot);
		}
		if (rc < 0)
			return rc;
		if (has_left(walk, rc > 0 ? spot->mount : NULL))
			return -EXDEV;
		if (rc > 0)
			return 0;
	}
	return rc < 0 ? rc : arrive(walk, spot);
}

int view_walk(struct translation *t, const struct trap *trap, const struct view_start *start, const char *path,
	      unsigned flags, struct spot *spot)
{
	cleanup(walk_done) struct walk walk = {
		.t = t,
		.trap = trap,
		.flags = flags,
		.floor = start->floor,
		.path = BUF_INIT((size_t)2 * PATH_MAX),
		.fd = -1,
		.todo = BUF_INIT((size_t)4 * PATH_MAX),
	};
	struct stat st;

	buf_append_str(&walk.path, start->path);
	buf_append_str(&walk.todo, path);
	walk.mount = view_mount_of(t, start->path);
	walk.has_seen_root = path[0] == '/' || flags & VIEW_IN_ROOT;
	int rc = walk_all(&walk, spot);
	if (rc < 0)
		return rc;
	if (spot->wants_directory && spot->fd >= 0 && fstat(spot->fd, &st) == 0 && !S_ISDIR(st.st_mode))
		return -ENOTDIR;
	return 0;
}
