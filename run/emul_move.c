/*
 * Symlinks and FIFOs of lower layers that have a record. An overlay copies them up when they are renamed, linked or
 * given another mode, time or attribute, and the copy is another inode, without the record. So they are copied up
 * before, by the supervisor, who then writes the record down for the copy. Trapped only where layers have such records
 * at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "run/emul_internal.h"

void emul_keep_record(struct emulation *e, int changed)
{
	cleanup_close int fd = changed;
	struct owner_record record;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) ||
	    !emul_record_find(e, fd, &record))
		return;
	/* Where that is refused, the kernel will refuse the caller as well. */
	if (emul_copy_up(fd) == 0)
		emul_record_set_aside(e, fd, &record);
}

/* Where no user namespace has made us root, what is moved into a tree is to be open to us as all else there. `moved` is
 * closed. */
static void take_in(struct emulation *e, const struct trap *trap, int moved, int dirfd, uint64_t path)
{
	cleanup_close int fd = moved;
	char leaf[NAME_MAX + 1];
	struct stat st;
	bool is_recorded;

	if (fd < 0 || !e->options.without_namespace || owner_is_root() || fstat(fd, &st) < 0 ||
	    !emul_is_shut(st.st_mode))
		return;
	cleanup_close int parent = emul_open_parent(e, trap, dirfd, path, leaf);
	if (parent >= 0 && emul_keeps_modes(e, parent) && emul_stat(e, fd, &st, &is_recorded) == 0)
		emul_set_mode(e, fd, st.st_mode);
}

static void move(struct emulation *e, const struct trap *trap, int dirfd, uint64_t path, int to_dirfd, uint64_t to)
{
	cleanup_close int fd = emul_open(e, trap, dirfd, path, 0);

	if (fd < 0)
		return;
	take_in(e, trap, fcntl(fd, F_DUPFD_CLOEXEC, 0), to_dirfd, to);
	emul_keep_record(e, take_fd(&fd));
}

/* rename(2): the first argument is what moves. */
void emul_move(void *context, const struct trap *trap, struct answer *answer)
{
	move(context, trap, AT_FDCWD, trap->args[0], AT_FDCWD, trap->args[1]);
}

/* link(2): the same, but that it stays where it is, too, with the mode that it has. */
void emul_link(void *context, const struct trap *trap, struct answer *answer)
{
	emul_keep_record(context, emul_open(context, trap, AT_FDCWD, trap->args[0], 0));
}

/* Of renameat2(2), which has flags: both names move. What is no flag of renameat(2)'s costs a look at most. */
static bool is_exchange(const struct trap *trap)
{
	return trap->args[4] & RENAME_EXCHANGE;
}

/* renameat(2), renameat2(2) */
void emul_moveat(void *context, const struct trap *trap, struct answer *answer)
{
	const uint64_t *args = trap->args;

	move(context, trap, (int)args[0], args[1], (int)args[2], args[3]);
	if (is_exchange(trap))
		move(context, trap, (int)args[2], args[3], (int)args[0], args[1]);
}

/* A descriptor gets a name. The kernel allows that to who has opened it himself, or as root of the machine, and what a
 * fake user has made was opened by us; so the supervisor does it, as the caller could by /proc/self/fd. */
static void link_descriptor(struct emulation *e, const struct trap *trap, int fd, struct answer *answer)
{
	char leaf[NAME_MAX + 1], proc[FD_PROC_PATH_SIZE];
	cleanup_close int parent = emul_open_parent(e, trap, (int)trap->args[2], trap->args[3], leaf);

	if (parent < 0)
		return;
	int rc = linkat(AT_FDCWD, fd_proc_path(fd, proc), parent, leaf, AT_SYMLINK_FOLLOW);
	emul_return(answer, rc < 0 ? -errno : 0);
}

void emul_linkat(void *context, const struct trap *trap, struct answer *answer)
{
	struct emulation *e = context;
	char path[PATH_MAX];
	int dirfd = (int)trap->args[0];
	int flags = (int)trap->args[4];
	unsigned how = (flags & AT_SYMLINK_FOLLOW ? EMUL_FOLLOW : 0) | (flags & AT_EMPTY_PATH ? EMUL_EMPTY : 0);

	if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH) || emul_read_path(e, trap, trap->args[1], how, path) < 0)
		return;
	cleanup_close int fd = emul_open_text(e, trap, dirfd, path, how);
	if (fd < 0)
		return;
	emul_keep_record(e, fcntl(fd, F_DUPFD_CLOEXEC, 0));
	if (path[0] == '\0' && dirfd != AT_FDCWD)
		link_descriptor(e, trap, fd, answer);
}

/* utimensat(2), and what has its flags in the same place */
void emul_utimensat(void *context, const struct trap *trap, struct answer *answer)
{
	unsigned follow = trap->args[3] & AT_SYMLINK_NOFOLLOW ? 0 : EMUL_FOLLOW;

	emul_keep_record(context, emul_open(context, trap, (int)trap->args[0], trap->args[1], EMUL_EMPTY | follow));
}

/* utime(2), utimes(2) */
void emul_change(void *context, const struct trap *trap, struct answer *answer)
{
	emul_keep_record(context, emul_open(context, trap, AT_FDCWD, trap->args[0], EMUL_FOLLOW));
}

/* futimesat(2), whose path may be none */
void emul_changeat(void *context, const struct trap *trap, struct answer *answer)
{
	emul_keep_record(context,
			 emul_open(context, trap, (int)trap->args[0], trap->args[1], EMUL_EMPTY | EMUL_FOLLOW));
}
