/*
 * Terminals of a translated root: /dev/pts is the host's, and all terminals of our user's are there to be opened. A
 * step opens its own controlling terminal, and those whose other end it holds.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "run/translate_internal.h"

#define FIRST_PTY_MAJOR 136 /* Linux Documentation/admin-guide/devices.txt: eight of them, 256 numbers each */
#define LAST_PTY_MAJOR 143

/* The number in /dev/pts of a device's; -1: it is none. */
static int64_t index_of(dev_t device)
{
	if (major(device) < FIRST_PTY_MAJOR || major(device) > LAST_PTY_MAJOR)
		return -1;
	return (int64_t)(major(device) - FIRST_PTY_MAJOR) * 256 + minor(device);
}

static int64_t index_of_own(pid_t tid)
{
	cleanup_free char *path = mem_printf("/proc/%d/stat", tid);
	cleanup(buf_done) struct buf text = BUF_INIT(4096);
	int number = 0;

	if (fd_read_file(AT_FDCWD, path, &text, NULL) < 0)
		return -1;
	/* Behind the name, which may hold anything: state, parent, group, session, terminal (proc_pid_stat(5)). */
	const char *at = strrchr(buf_str(&text), ')');
	if (!at || sscanf(at, ") %*c %*d %*d %*d %d", &number) != 1)
		return -1;
	unsigned device = (unsigned)number;
	return index_of(makedev(device >> 8 & 0xfff, (device & 0xff) | (device >> 12 & 0xfff00)));
}

int terminal_open_own(const struct trap *trap, int flags)
{
	int64_t index = index_of_own(trap->tid);

	if (index < 0)
		return -ENXIO;
	cleanup_free char *name = mem_printf("/dev/pts/%lld", (long long)index);
	/* Not ours: we have no terminal. */
	int fd = open(name, flags | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The line "tty-index:" that fdinfo has for a master (Linux 4.14). */
static bool holds_master(pid_t tid, const char *fd, int64_t index)
{
	cleanup_free char *path = mem_printf("/proc/%d/fdinfo/%s", tid, fd);
	cleanup(buf_done) struct buf text = BUF_INIT((size_t)64 << 10);
	long long found;

	if (fd_read_file(AT_FDCWD, path, &text, NULL) < 0)
		return false;
	const char *at = strstr(buf_str(&text), "tty-index:");
	return at && sscanf(at, "tty-index: %lld", &found) == 1 && found == index;
}

/* This end of it, or the other. */
static bool holds_terminal(pid_t tid, const void *what)
{
	const int64_t *index = what;
	cleanup_free char *path = mem_printf("/proc/%d/fd", tid);
	struct stat st;
	bool found = index_of_own(tid) == *index;
	DIR *dir = found ? NULL : opendir(path);

	for (const struct dirent *entry; !found && dir && (entry = readdir(dir)) != NULL;) {
		if (entry->d_name[0] == '.' || fstatat(dirfd(dir), entry->d_name, &st, 0) < 0 || !S_ISCHR(st.st_mode))
			continue;
		found = index_of(st.st_rdev) == *index ||
			(st.st_rdev == makedev(5, 2) && holds_master(tid, entry->d_name, *index));
	}
	if (dir)
		closedir(dir);
	return found;
}

bool terminal_is_of_step(const struct translation *t, const struct spot *spot, const struct stat *st)
{
	if (!text_has_prefix(buf_str(&spot->path), "/dev/pts/"))
		return false;
	int64_t index = index_of(st->st_rdev);
	/* Beside them only what makes new ones. */
	return index < 0 ? st->st_rdev == makedev(5, 2) : trace_any(t, holds_terminal, &index);
}
