/*
 * The component walker behind rootpath.c: what openat2(2) does, in steps of one name each, and the only one of the two
 * that can say where a path leads. Its results are negative errno values without a text.
 *
 * It goes down with openat(dir, name, O_PATH | O_NOFOLLOW) and reads links itself. It never opens "..": the way that
 * was taken is remembered by name, and one step up is the same way from the root again, one name shorter. So a
 * directory that is moved out of the root meanwhile cannot take us along.
 */
#ifndef COOPER_BASE_ROOTPATH_INTERNAL_H
#define COOPER_BASE_ROOTPATH_INTERNAL_H

#include "base/strlist.h"

#include <stdbool.h>
#include <sys/types.h>

/* As openat2(rootfd, path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS). Returns the descriptor. */
MUST_CHECK int rootpath_walk_open(int rootfd, const char *path, int flags, mode_t mode);

struct rootpath_end {
	struct strlist names; /* from the root to the end, without links; what does not exist is as written */
	bool dangling;	      /* the first missing name came out of a symlink */
};

void rootpath_end_done(struct rootpath_end *end);
CLEANUP_FOR_VALUE(struct rootpath_end, rootpath_end_done)

/* Where path ends. `end` is zero before, and to be freed with rootpath_end_done() also on failure. */
int rootpath_walk_resolve(int rootfd, const char *path, struct rootpath_end *end);

#endif
