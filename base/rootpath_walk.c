/*
 * Resolving a hostile path one name at a time. In: a root and a path; out: a descriptor or the names of where it ends.
 */
#include "base/rootpath_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"

/* MAXSYMLINKS of the kernel: path_resolution(7). */
#define LINKS_MAX 40
/* Links can make a path grow (40 times 4095 bytes); the kernel has no such limit, but nothing sane comes near. */
#define WALK_NAMES_MAX 4096

struct walk {
	int rootfd;
	int dir;	      /* where we are: owned, O_PATH */
	struct strlist names; /* the way from the root to `dir` */
	char *text;	      /* what is still to go, owned */
	const char *next;     /* in text */
	size_t own; /* so many bytes at the end of `next` are of the caller's path, the rest came out of links */
	unsigned links;
};

/* One name of the path, cut out. */
struct step {
	char *name;	/* owned */
	bool is_last;	/* nothing follows: it need not be a directory */
	bool from_link; /* see struct rootpath_end */
};

static void walk_done(struct walk *walk)
{
	fd_close(walk->dir);
	strlist_done(&walk->names);
	free(walk->text);
}
CLEANUP_FOR_VALUE(struct walk, walk_done)

static void step_done(struct step *step)
{
	free(step->name);
}
CLEANUP_FOR_VALUE(struct step, step_done)

static int errno_or(int fd)
{
	return fd < 0 ? -errno : fd;
}

static int open_root(const struct walk *walk)
{
	return errno_or(openat(walk->rootfd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
}

static void stand_at(struct walk *walk, int dir)
{
	fd_close(walk->dir);
	walk->dir = dir;
}

static int go_to_root(struct walk *walk)
{
	int dir = open_root(walk);

	if (dir < 0)
		return dir;
	stand_at(walk, dir);
	strlist_clear(&walk->names);
	return 0;
}

/* One up: the way from the root again, without its last name. Above the root is the root. */
static int go_up(struct walk *walk)
{
	if (walk->names.count == 0)
		return 0;
	strlist_remove(&walk->names, walk->names.count - 1);
	cleanup_close int dir = open_root(walk);
	for (size_t i = 0; dir >= 0 && i < walk->names.count; i++) {
		int child = errno_or(openat(dir, walk->names.items[i], O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
		fd_close(dir);
		dir = child;
	}
	if (dir < 0)
		return take_fd(&dir);
	stand_at(walk, take_fd(&dir));
	return 0;
}

static int walk_start(struct walk *walk, int rootfd, const char *path)
{
	size_t len = strlen(path);

	if (len == 0)
		return -ENOENT;
	if (len >= PATH_MAX)
		return -ENAMETOOLONG;
	*walk = (struct walk){.rootfd = rootfd, .dir = -1, .text = mem_strdup(path), .own = len};
	walk->next = walk->text;
	return go_to_root(walk);
}

/* Cuts the next name out of the text; false at the end. */
static bool next_step(struct walk *walk, struct step *step)
{
	const char *start = walk->next + strspn(walk->next, "/");

	if (*start == '\0') {
		walk->next = start;
		return false;
	}
	size_t len = strcspn(start, "/");
	*step = (struct step){
		.name = mem_strndup(start, len),
		.is_last = start[len] == '\0',
		.from_link = strlen(start) > walk->own,
	};
	walk->next = start + len;
	if (walk->own > strlen(walk->next))
		walk->own = strlen(walk->next);
	return true;
}

/* The links of /proc that are no text but a door to an object (RESOLVE_NO_MAGICLINKS): fd/N, exe, cwd, root, ns/…. What
 * readlink(2) says of them is absolute or has a colon; the plain ones (self, mounts, net) are relative names. */
static bool is_magic_link(int fd, const char *target)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
		return false;
	return *target == '/' || strchr(target, ':');
}

/* Puts what the link at `fd` says in front of what is still to go. */
static int follow_link(struct walk *walk, int fd)
{
	char target[PATH_MAX];

	if (++walk->links > LINKS_MAX)
		return -ELOOP;
	ssize_t len = readlinkat(fd, "", target, sizeof(target));
	if (len < 0)
		return -errno;
	if (len == 0)
		return -ENOENT;
	if ((size_t)len == sizeof(target))
		return -ENAMETOOLONG;
	target[len] = '\0';
	if (is_magic_link(fd, target))
		return -ELOOP;
	/* walk->next begins with the '/' behind the link's name, or is empty. */
	char *text = mem_printf("%s%s", target, walk->next);
	free(walk->text);
	walk->text = text;
	walk->next = text;
	return *target == '/' ? go_to_root(walk) : 0;
}

/* Steps into the directory `fd`, which it takes. */
static int enter(struct walk *walk, const char *name, int fd)
{
	if (walk->names.count >= WALK_NAMES_MAX) {
		fd_close(fd);
		return -ENAMETOOLONG;
	}
	strlist_append(&walk->names, name);
	stand_at(walk, fd);
	return 0;
}

/* Whether the step was taken, or is the last one and stands for the caller to open. */
enum taken { TAKEN = 0, LAST_IS_PLAIN = 1 };

/* Takes one step; -ENOENT when the name is missing. `keep_link`: a link in the last place is not followed. */
static int take_step(struct walk *walk, const struct step *step, bool keep_link)
{
	struct stat st;

	if (strcmp(step->name, ".") == 0)
		return TAKEN;
	if (strcmp(step->name, "..") == 0)
		return go_up(walk);
	cleanup_close int fd = openat(walk->dir, step->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode) && !(step->is_last && keep_link))
		return follow_link(walk, fd);
	if (step->is_last)
		return LAST_IS_PLAIN;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	return enter(walk, step->name, take_fd(&fd));
}

/* Opens the directory that the path ended in by itself ("/", "a/..", "a/"). */
static int open_end(const struct walk *walk, int flags)
{
	if (flags & O_CREAT)
		return flags & O_EXCL ? -EEXIST : -EISDIR;
	return errno_or(openat(walk->dir, ".", flags | O_CLOEXEC));
}

int rootpath_walk_open(int rootfd, const char *path, int flags, mode_t mode)
{
	cleanup(walk_done) struct walk walk = {.dir = -1};
	bool keep_link = (flags & O_NOFOLLOW) || ((flags & O_CREAT) && (flags & O_EXCL));

	int rc = walk_start(&walk, rootfd, path);
	while (rc == 0) {
		cleanup(step_done) struct step step = {0};
		if (!next_step(&walk, &step))
			return open_end(&walk, flags);
		rc = take_step(&walk, &step, keep_link);
		/* O_NOFOLLOW: should a link have come into its place since, -ELOOP is the answer. */
		if (rc == LAST_IS_PLAIN || (rc == -ENOENT && step.is_last && (flags & O_CREAT)))
			return errno_or(openat(walk.dir, step.name, flags | O_NOFOLLOW | O_CLOEXEC, mode));
	}
	return rc;
}

/* The way so far and, as written, what does not exist: ".." takes back the name before it. */
static void append_missing(struct walk *walk, struct step *step, struct rootpath_end *end)
{
	end->dangling = step->from_link;
	strlist_append_all(&end->names, &walk->names);
	do {
		if (strcmp(step->name, "..") == 0) {
			if (end->names.count > 0)
				strlist_remove(&end->names, end->names.count - 1);
		} else if (strcmp(step->name, ".") != 0) {
			strlist_append(&end->names, step->name);
		}
		step_done(step);
		*step = (struct step){0};
	} while (next_step(walk, step));
}

void rootpath_end_done(struct rootpath_end *end)
{
	strlist_done(&end->names);
}

int rootpath_walk_resolve(int rootfd, const char *path, struct rootpath_end *end)
{
	cleanup(walk_done) struct walk walk = {.dir = -1};

	int rc = walk_start(&walk, rootfd, path);
	while (rc == 0) {
		cleanup(step_done) struct step step = {0};
		if (!next_step(&walk, &step)) {
			strlist_copy(&end->names, &walk.names);
			return 0;
		}
		rc = take_step(&walk, &step, false);
		if (rc == LAST_IS_PLAIN) {
			strlist_copy(&end->names, &walk.names);
			strlist_append(&end->names, step.name);
			return 0;
		}
		if (rc == -ENOENT) {
			append_missing(&walk, &step, end);
			return 0;
		}
	}
	return rc;
}
