/*
 * images/clean: what a store looked like in which images_collect() has found nothing to remove. As long as it still
 * looks like that there is nothing to remove, and nobody has to list ten thousand blobs to know it.
 *
 * It is a list of all that the answer is made of: how far the catalogue of images goes (it only grows), what containers
 * and records of steps stand on, what other programs have put into oci/index.json, and of the directories of layers and
 * blobs inode and times. Times alone would not do: two changes may have the same one, and clocks are set back. So
 * whoever is about to give a blob or a layer its name takes it away first, killed or not, and nobody writes it while
 * others hold the store; times are for what other programs do, as dirstate.h has them. Of another boot it says nothing:
 * the catalogue is not synced.
 */
#ifndef COOPER_IMAGEFMT_COLLECT_STAMP_H
#define COOPER_IMAGEFMT_COLLECT_STAMP_H

#include "base/buf.h"
#include "imagefmt/digest.h"
#include "imagefmt/store.h"

/* What the store looks like now. The store is held alone, `kept` as for images_collect(). False: it cannot be told by
 * this, and `text` is empty. */
bool collect_stamp_make(struct store *store, const struct digest *kept, size_t kept_count, struct buf *text);
/* Whether nothing was found when it looked like this. */
bool collect_stamp_is(struct store *store, const struct buf *text);
/* Nothing was found. Not synced; what cannot be written costs the next one the look. */
void collect_stamp_write(struct store *store, const struct buf *text);

#endif
