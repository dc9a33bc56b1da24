/*
 * Symlinks and FIFOs of lower layers that have a record. An overlay copies them up when they are renamed, linked or
 * given another time, and the copy is another inode, without the record. So they are copied up before, by the
 * supervisor, who then writes the record down for the copy. Trapped only where layers have such records at all.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "run/emul_internal.h"

/* `moved` is closed. */
static void keep_record(struct emulation *e, int moved)
{
	cleanup_close int fd = moved;
	struct owner_record record;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) ||
	    !emul_record_find(e, fd, &record))
		return;
	/* Changes nothing but where it lies. Where that is refused, the kernel will refuse the caller as well. */
	if (fchownat(fd, "", 0, 0, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) == 0)
		emul_record_set_aside(e, fd, &record);
}

/* rename(2), link(2): the first argument is what moves. */
void emul_move(void *context, const struct trap *trap, struct answer *answer)
{
	keep_record(context, emul_open(context, trap, AT_FDCWD, trap->args[0], 0));
}

/* renameat(2), renameat2(2) */
void emul_moveat(void *context, const struct trap *trap, struct answer *answer)
{
	keep_record(context, emul_open(context, trap, (int)trap->args[0], trap->args[1], 0));
	/* RENAME_EXCHANGE moves both. */
	keep_record(context, emul_open(context, trap, (int)trap->args[2], trap->args[3], 0));
}

void emul_linkat(void *context, const struct trap *trap, struct answer *answer)
{
	int flags = (int)trap->args[4];
	unsigned how = (flags & AT_SYMLINK_FOLLOW ? EMUL_FOLLOW : 0) | (flags & AT_EMPTY_PATH ? EMUL_EMPTY : 0);

	keep_record(context, emul_open(context, trap, (int)trap->args[0], trap->args[1], how));
}

void emul_utimensat(void *context, const struct trap *trap, struct answer *answer)
{
	unsigned follow = trap->args[3] & AT_SYMLINK_NOFOLLOW ? 0 : EMUL_FOLLOW;

	keep_record(context, emul_open(context, trap, (int)trap->args[0], trap->args[1], EMUL_EMPTY | follow));
}
