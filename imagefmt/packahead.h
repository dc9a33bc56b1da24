/*
 * The tar of a layer whose tree is being made, made ahead of the walk that packs it (pack.h): who writes the files says
 * what comes and gives the bytes that he writes, so that nobody reads them again. What he says is a guess. The walk has
 * the last word: it puts the tree in order and finds the same headers in the same order, or the tar is made anew. So
 * the layer is the same in any case, and to give up at any time is right.
 *
 *	pack_ahead_new(…, &ahead)
 *	pack_ahead_entry(ahead, &entry);
 *	while ((room = pack_ahead_room(ahead, &size)) …) pack_ahead_filled(ahead, read(fd, room, size));
 *	pack_finish(upper, &(struct normalise_options){…, .ahead = ahead}, …)
 */
#ifndef COOPER_IMAGEFMT_PACKAHEAD_H
#define COOPER_IMAGEFMT_PACKAHEAD_H

#include "base/error.h"
#include "imagefmt/tar.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pack_ahead;

/* Times as pack_finish() will have them (struct normalise_options). */
int pack_ahead_new(int64_t clamp_mtime, bool set_mtime, struct pack_ahead **ahead, struct error **err);
void pack_ahead_free(struct pack_ahead *ahead);
CLEANUP_FOR(struct pack_ahead, pack_ahead_free)

/* The next entry, in the walk's order: another order is given up. A file's data have to follow, as many bytes as it
 * says. */
void pack_ahead_entry(struct pack_ahead *ahead, const struct tar_entry *entry);
/* Where the next of them are to be put: at most *size bytes. NULL when it was given up, or all are there. */
char *pack_ahead_room(struct pack_ahead *ahead, size_t *size);
void pack_ahead_filled(struct pack_ahead *ahead, size_t size);
/* The tar is not what comes. NULL is given up already. */
void pack_ahead_give_up(struct pack_ahead *ahead);
bool pack_ahead_is_on(const struct pack_ahead *ahead);

#endif
