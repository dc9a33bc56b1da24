/*
 * What the files of rootcopy.h share: the looking for changes by the list of the unchanged state (rootcopy_list.h).
 *
 * A change leaves its trace where nothing in a step can wipe it: in the ctime of a file of its own, and, because a
 * shared file is never written but replaced, in that of the directory whose entry is another then. So a directory
 * with its old ctime has its old entries, and of those only directories and files of its own need to be looked at.
 */
#ifndef COOPER_BUILDER_ROOTCOPY_INTERNAL_H
#define COOPER_BUILDER_ROOTCOPY_INTERNAL_H

#include "builder/rootcopy.h"

#include <sys/stat.h>

#include "base/tree.h"

#define ROOTCOPY_LIST "copy.list"
#define ROOTCOPY_NEXT "copy.list.next"	/* the state that rootcopy_fill_upper() has found */
#define ROOTCOPY_WITNESS "copy.witness" /* the path of a file that was made to be shared then; or it is not there */
#define ROOTCOPY_MAKING "copy.making"
#define ROOTCOPY_LINKED "copy.linked"
#define ROOTCOPY_OWN "copy.own"

enum change_kind {
	CHANGE_DIRECTORY, /* new, or of other attributes */
	CHANGE_FILE,
	CHANGE_SHARE, /* the same, and it is to become a file of the layer without being copied */
	CHANGE_REMOVAL,
};

struct change {
	enum change_kind kind;
	char *path;
	uint64_t ino;
};

struct changes {
	struct change *items; /* in the order of the tree */
	size_t count, cap;
};
void changes_done(struct changes *changes);
CLEANUP_FOR_VALUE(struct changes, changes_done)

/* What of `root` is not as the list in dir says; without that list nothing is. `changes` may be NULL. The state as it
 * is now is written to dir/`name`. `links` (NULL: none) are shared already; with `may_share` the others of one name
 * become so (CHANGE_SHARE). */
enum scan_flags {
	SCAN_MAY_SHARE = 1,
	SCAN_ANEW = 2,	    /* as if there were no list */
	SCAN_FOR_LAYER = 4, /* what no layer has is taken away, so that the next step does not find it: new sockets,
				* and the access lists of what has changed (with a warning) */
};
int rootcopy_scan(int dir, int root, const char *name, const struct rootcopy_links *links, unsigned flags,
		  struct changes *changes, struct error **err);
/* The list says of files that were shared, and now are not, what they are now. */
struct privatised {
	uint64_t before;
	struct stat now;
};
int rootcopy_list_privatise(int dir, const struct privatised *files, size_t count, struct error **err);

/* Sorted, each once. Adds to what dir has in its file. */
int rootcopy_links_save(int dir, const uint64_t *inodes, size_t count, struct error **err);
bool rootcopy_links_has(const struct rootcopy_links *links, uint64_t ino);

#endif
