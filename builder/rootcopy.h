/*
 * Where the kernel refuses overlays (a store that lies on an overlay, a pod without the right): a container's root as a
 * plain directory, containers/<id>/copy, made of its layers by copying, with reflinks where the file system has them.
 * A list (copy.list) remembers what it looked like, so that a commit can tell what has changed since.
 *
 * All of it happens inside the user namespace, by who holds the container. `dir` is containers/<id>.
 */
#ifndef COOPER_BUILDER_ROOTCOPY_H
#define COOPER_BUILDER_ROOTCOPY_H

#include "base/error.h"

#include <stdbool.h>

#define ROOTCOPY "copy"

bool rootcopy_exists(int dir);
/* Merges layer trees (topmost first) into the empty directory `to`. */
int rootcopy_merge(const int *lowers, size_t count, int to, struct error **err);
/* Makes dir/copy of the layers with `upper` on them. */
int rootcopy_make(int dir, const int *lowers, size_t count, int upper, struct error **err);
/* Fills dir/upper (what was in it is removed) with what has changed since the list was written, as overlayfs would have
 * it: changed and new files with the directories above, whiteouts for what is gone. */
int rootcopy_fill_upper(int dir, struct error **err);
/* Writes the list anew: what is there now is the unchanged state. */
int rootcopy_mark(int dir, struct error **err);

#endif
