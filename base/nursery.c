/*
 * The kernel does not tell which parts of a disk are slow, so it is measured, as processor time, which is what the
 * search takes (fresh parts cost a read from the disk once, which is no reason against them). When some directories in
 * a row were slow, ext4 is told that what is in `place` does not belong together (the flag that chattr(1) calls "T"):
 * each directory made there then goes to another part, and the first quick one becomes the nursery. What is made in it
 * stays in its part of the disk, until that is full and it goes on in the next one.
 */
#include "base/nursery.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"

/* 10 to 25 us are usual; among thousands of freed inodes it is half a millisecond. */
#define SLOW_NS ((int64_t)80 * 1000)
#define SLOW_IN_A_ROW 3
#define TRIES 16
#define NEWBORN "new"

static int64_t spent_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

struct nursery nursery_at(int place)
{
	return (struct nursery){.place = place, .fd = -1};
}

static void close_nursery(struct nursery *n)
{
	fd_close(n->fd);
	n->fd = -1;
	if (n->name)
		unlinkat(n->place, n->name, AT_REMOVEDIR);
	free(n->name);
	n->name = NULL;
}

void nursery_done(struct nursery *n)
{
	close_nursery(n);
}

/* False where directories cannot be spread over the disk: another file system, or a directory that is not ours. */
static bool spread_children(int dirfd)
{
	struct statfs fs;
	int flags = 0;

	if (fstatfs(dirfd, &fs) < 0 || fs.f_type != EXT4_SUPER_MAGIC || ioctl(dirfd, FS_IOC_GETFLAGS, &flags) < 0)
		return false;
	if (flags & FS_TOPDIR_FL)
		return true;
	flags |= FS_TOPDIR_FL;
	return ioctl(dirfd, FS_IOC_SETFLAGS, &flags) == 0;
}

/* Whether something is made quickly in dirfd. The first in a part of the disk that nobody has used yet says nothing. */
static bool is_quick(int dirfd)
{
	int64_t start = spent_ns();
	int rc = mkdirat(dirfd, NEWBORN, 0700);
	int64_t end = spent_ns();

	return rc == 0 && unlinkat(dirfd, NEWBORN, AT_REMOVEDIR) == 0 && end - start < SLOW_NS;
}

static int make_one(struct nursery *n, char **name)
{
	cleanup_free char *made = mem_printf("nursery-%u", n->number++);

	if (mkdirat(n->place, made, 0700) < 0)
		return -errno;
	int fd = openat(n->place, made, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		fd = -errno;
		unlinkat(n->place, made, AT_REMOVEDIR);
		return fd;
	}
	*name = take_ptr(&made);
	return fd;
}

/* Those that are slow stay until the end: the next one goes elsewhere. */
static void find_quick_one(struct nursery *n)
{
	char *slow[TRIES];
	int count = 0;

	while (n->fd < 0 && count < TRIES) {
		char *name = NULL;
		cleanup_close int fd = make_one(n, &name);
		if (fd < 0)
			break;
		if (is_quick(fd)) {
			n->fd = take_fd(&fd);
			n->name = name;
		} else {
			slow[count++] = name;
		}
	}
	for (int i = 0; i < count; i++) {
		unlinkat(n->place, slow[i], AT_REMOVEDIR);
		free(slow[i]);
	}
}

static void move_on(struct nursery *n)
{
	close_nursery(n);
	if (spread_children(n->place))
		find_quick_one(n);
	log_debug("making directories is slow: %s", n->fd >= 0 ? "going on elsewhere" : "so it is everywhere");
	if (n->fd < 0)
		n->place = -1;
}

static int make(struct nursery *n, int dirfd, const char *name, mode_t mode)
{
	if (n->fd < 0 || mkdirat(n->fd, NEWBORN, mode) < 0)
		return mkdirat(dirfd, name, mode);
	if (renameat2(n->fd, NEWBORN, dirfd, name, RENAME_NOREPLACE) == 0)
		return 0;
	int code = errno;
	unlinkat(n->fd, NEWBORN, AT_REMOVEDIR);
	if (code == EEXIST) {
		errno = code;
		return -1;
	}
	return mkdirat(dirfd, name, mode); /* another file system, or a project quota */
}

int nursery_mkdir(struct nursery *n, int dirfd, const char *name, mode_t mode)
{
	if (n->place < 0)
		return mkdirat(dirfd, name, mode);
	int64_t start = spent_ns();
	int rc = make(n, dirfd, name, mode);
	if (rc < 0)
		return rc;
	n->slow = spent_ns() - start < SLOW_NS ? 0 : n->slow + 1;
	if (n->slow == SLOW_IN_A_ROW) {
		move_on(n);
		n->slow = 0;
	}
	return 0;
}
