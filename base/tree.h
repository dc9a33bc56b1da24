/*
 * Directory trees of our own: walking in a fixed order, copying, removing, measuring. Nothing here follows a symlink,
 * and nothing leaves the mount that the root is on (the root itself may be where it is mounted): what is mounted below
 * belongs to somebody else.
 */
#ifndef COOPER_BASE_TREE_H
#define COOPER_BASE_TREE_H

#include "base/error.h"
#include "base/mem.h"
#include "base/strlist.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct tree_entry {
	const char *path; /* relative to the root of the walk, no leading or trailing '/', "" for the root itself */
	const char *name; /* its last component */
	int dirfd;	  /* the directory that holds it: with `name` this is how to open it; for "" the root itself */
	const struct stat *st;
	bool is_mount; /* something is mounted here: st is about that, and a directory is not entered */
};

/* What the visitor answers, or a negative errno that ends the walk and is returned. */
enum tree_verdict { TREE_GO_ON = 0, TREE_SKIP_CHILDREN = 1, TREE_STOP = 2 };

typedef int tree_visit(const struct tree_entry *entry, void *context, struct error **err);

/* Visits everything below dirfd, parents first, each directory's entries sorted bytewise. The root is visited first
 * as "". Descriptors are bounded by depth, names by directory; a directory that vanishes on the way is skipped.
 * `after` (may be NULL) is called for each directory that was entered, once its children are done. */
int tree_walk(int dirfd, tree_visit *visit, tree_visit *after, void *context, struct error **err);

/* For who knows what a directory holds, or which of it he wants to see: true when it has put the names, sorted
 * bytewise, into *names. False: they are read. It is asked for each directory once, after its visit. */
typedef bool tree_names(const char *path, void *context, struct strlist *names);
int tree_walk_some(int dirfd, tree_visit *visit, tree_visit *after, tree_names *names, void *context,
		   struct error **err);

/* Removes dirfd/name and everything below, also directories with mode 000 (overlayfs' work directories are). Missing
 * is success. A mount, here or below, is -EBUSY with its path, before anything inside of it is touched; what was walked
 * before it is gone. */
int tree_remove(int dirfd, const char *name, struct error **err);

/* Copies everything below `from` into the existing directory `to`: type, mode, owner, times (ns), xattrs (all that can
 * be read), hard links, holes, devices where permitted. Whiteouts (ovlmark.h) become what is one in `to`, other sockets
 * are left out. A mount becomes an empty directory (0755) or file (0644) of our own: what lies beneath it cannot be
 * seen. Data by reflink where the file system has it. */
int tree_copy(int from, int to, struct error **err);
/* The same for one visited entry, which is no directory, under its own name. */
int tree_copy_one(const struct tree_entry *entry, int to, struct error **err);

/* The files that tree_link() has not copied, by inode number, in no order; one may stand there twice, or be a copy
 * after all. */
struct tree_links {
	uint64_t *inodes;
	size_t count, cap;
};
void tree_links_done(struct tree_links *links);
CLEANUP_FOR_VALUE(struct tree_links, tree_links_done)
/* As tree_copy(), but a regular file that has one name below `from` gets a further one below `to`, where the kernel
 * allows it (one file system, our own file: protected_hardlinks, proc_sys_fs(5)). Two names below `from` are two names
 * of one copy. Marks of overlayfs (ovlmark.h) are left out. Who changes anything in `to` then must know what is not its
 * own. */
int tree_link(int from, int to, struct tree_links *links, struct error **err);

/* Of a mount only the entry counts. */
struct tree_usage {
	uint64_t bytes;	 /* apparent size of regular files, hard links once */
	uint64_t blocks; /* bytes on disk */
	uint64_t entries;
};
int tree_usage(int dirfd, struct tree_usage *usage, struct error **err);

#endif
