/*
 * POSIX access lists (acl(5)) are no part of an image: no tar of a layer has them, so no tree of a layer may. It lies
 * in the store under what its tar contains; with lists in it, what a later step finds, and what modes its files get,
 * would depend on who made the layer first.
 *
 * What loses its list keeps the mode that stat(2) shows: the group's bits, which are the list's mask, become those of
 * the group.
 *
 *	struct access_lists lost = {0};
 *	rc = access_lists_drop(&lost, fd, path, err);
 *	access_lists_warn(&lost);
 */
#ifndef COOPER_IMAGEFMT_ACCESSLISTS_H
#define COOPER_IMAGEFMT_ACCESSLISTS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Who has lost theirs. */
struct access_lists {
	size_t count;
	char *first; /* its path in the image; NULL while there is none */
};

void access_lists_done(struct access_lists *lost);
CLEANUP_FOR_VALUE(struct access_lists, access_lists_done)

/* Is this extended attribute a list? */
bool access_lists_is_name(const char *xattr);
/* Takes away what `fd`, which may be O_PATH and of any type but a symlink, has of them. 1 when there was something, 0
 * when not. `path`, without '/' at its start, is for *lost. */
int access_lists_drop(struct access_lists *lost, int fd, const char *path, struct error **err);
/* The same for dirfd/name, itself not followed; 0 for a symlink, which has none. */
int access_lists_drop_at(struct access_lists *lost, int dirfd, const char *name, const char *path, struct error **err);
/* What is made in this directory from now on inherits none, and no other modes than were asked for. Where that cannot
 * be (a store that may only be read) nothing happens. */
void access_lists_hand_on_none(int dir);
/* What came with a list that was not even given to it. */
void access_lists_note(struct access_lists *lost, const char *path);
/* One warning for all of them, if there are any; then it has been said. */
void access_lists_warn(struct access_lists *lost);

#endif
