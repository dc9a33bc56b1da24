/*
 * Directories of a large tree, made where the file system finds inodes quickly.
 *
 * ext4 puts a file into the part of the disk where its directory is, and a directory near its parent. Without a
 * journal (the disks of many micro-VMs have none) it does not use an inode again in the minutes after it was freed, and
 * looks at each of those before every file that it makes (recently_deleted() in fs/ext4/ialloc.c): where trees of
 * 50,000 files have just been removed, making the next one takes twenty seconds instead of one. Where making
 * directories turns out to be slow in that way, they are born in another part of the disk and moved to their place by
 * rename(2).
 *
 *	cleanup(nursery_done) struct nursery nursery = nursery_at(tmp);
 *	if (nursery_mkdir(&nursery, dirfd, "lib", 0755) < 0) ...
 */
#ifndef COOPER_BASE_NURSERY_H
#define COOPER_BASE_NURSERY_H

#include "base/mem.h"

#include <stdint.h>
#include <sys/types.h>

struct nursery {
	int place;	 /* where nurseries can be made; -1: there is no use in it */
	int fd;		 /* the nursery; -1: none, directories are born where they belong */
	char *name;	 /* its name in `place` */
	unsigned number; /* of it */
	unsigned slow;	 /* that many of the last directories in a row took long */
};

/* `place` is a directory of our own on the same file system as the tree, borrowed, in which the names "nursery-…" are
 * free; -1: there is none, and nursery_mkdir() is mkdirat(2). */
struct nursery nursery_at(int place);
/* As mkdirat(2): -1 with errno. What is made never takes the place of something. */
int nursery_mkdir(struct nursery *nursery, int dirfd, const char *name, mode_t mode);
void nursery_done(struct nursery *nursery);
CLEANUP_FOR_VALUE(struct nursery, nursery_done)

#endif
