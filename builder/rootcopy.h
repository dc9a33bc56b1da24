/*
 * A container's root as a plain directory, containers/<id>/copy: where the kernel refuses overlays (a store that lies
 * on an overlay, a pod without the right), and where a step has a translated root (run/translate.h).
 *
 * Two kinds. Of copies every file is the container's own, copied from the layers (by reflink where the file system has
 * them). Of links a regular file is a further name of the layer's, until somebody is about to change it; then it is
 * replaced by a copy. Nothing protects the layer but that rule, so only these may work in such a root:
 *
 *	the supervisor of a translated root, which gets the set of shared files (rootcopy_load_links())
 *	who puts files there by making new ones and renaming them (builder/copy_place.c)
 *	who reads
 *
 * For everybody else rootcopy_own() comes first: then it is of the first kind, and stays so.
 *
 * What has changed is found by looking, not by a journal: a list (copy.list) remembers the state that the layers have
 * made, and says where to look (rootcopy_internal.h). So it does not matter who has made a change, or what was killed.
 *
 * All of it happens inside the user namespace, if there is one, by who holds the container. `dir` is containers/<id>.
 */
#ifndef COOPER_BUILDER_ROOTCOPY_H
#define COOPER_BUILDER_ROOTCOPY_H

#include "base/error.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROOTCOPY "copy"

enum rootcopy_kind { ROOTCOPY_COPIES, ROOTCOPY_LINKS };

bool rootcopy_exists(int dir);
/* Merges layer trees (topmost first) into the empty directory `to`. Of links: to be read only. */
int rootcopy_merge(const int *lowers, size_t count, int to, enum rootcopy_kind kind, struct error **err);
/* Makes dir/copy of the layers with `upper` on them. ROOTCOPY_LINKS is a wish: not after rootcopy_own(). */
int rootcopy_make(int dir, const int *lowers, size_t count, int upper, enum rootcopy_kind kind, struct error **err);
/* Fills dir/upper (what was in it is removed) with what has changed since the list was written, as overlayfs would have
 * it: changed and new files with the directories above, whiteouts for what is gone. In a root of links upper's files
 * are the root's own, which are shared from then on. New sockets are removed from the root, and
 * access lists from what has changed: no layer has any. */
int rootcopy_fill_upper(int dir, struct error **err);
/* The state that rootcopy_fill_upper() has found is the unchanged one from now on. */
int rootcopy_mark(int dir, struct error **err);
/* Makes every file the container's own, and remembers it for roots that are made later. */
int rootcopy_own(int dir, struct error **err);

/* Inode numbers on the store's file system, sorted; more may be in it than is shared, never less. */
struct rootcopy_links {
	uint64_t *inodes;
	size_t count;
};
void rootcopy_links_done(struct rootcopy_links *links);
CLEANUP_FOR_VALUE(struct rootcopy_links, rootcopy_links_done)
/* 1; 0 for a root of copies, which has no such set. */
int rootcopy_load_links(int dir, struct rootcopy_links *links, struct error **err);

#endif
