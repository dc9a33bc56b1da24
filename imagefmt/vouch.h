/*
 * Which records of ownership (base/owner.h) in a container's changes count.
 *
 * A record is an attribute that a step can write as well: with it a process of any user could have a set-user-id file
 * of root's, or a disk's device node, appear in the committed layer. Where ids are mapped a step changes owners by
 * changing them, and a record counts only if it was there before any step: in a layer below at the same path, or among
 * the notes that cooper itself has taken (ADD of an archive with devices, COPY --from) and that no step sees.
 */
#ifndef COOPER_IMAGEFMT_VOUCH_H
#define COOPER_IMAGEFMT_VOUCH_H

#include "base/error.h"
#include "base/owner.h"

#include <stddef.h>

struct vouchers {
	const int *lowers; /* layer trees, topmost first */
	size_t lower_count;
	int notes; /* the directory that vouch_note() writes to; negative: none */
};

/* `path` is without links, relative to the root, without '/' at either end. */
bool vouch_check(const struct vouchers *vouchers, const char *path, const struct owner_record *record);
/* Remembers that cooper has given the file at `path` this record. */
int vouch_note(int notes, const char *path, const struct owner_record *record, struct error **err);

/* What one layer tree has at a path, as overlayfs would look into it: real directories on the way only, and nothing
 * below an opaque one. With LOWER_HAS_IT *fd is that thing, O_PATH; it may be a whiteout. */
enum lower_verdict { LOWER_HAS_IT, LOWER_SAYS_NOTHING, LOWER_HIDES_IT };
enum lower_verdict lower_find(int lower, const char *path, int *fd);

#endif
