/*
 * Giving space back: what no name, no container and no living process refers to.
 */
#ifndef COOPER_BUILDER_SWEEP_H
#define COOPER_BUILDER_SWEEP_H

#include "base/strlist.h"
#include "builder/refused.h"
#include "builder/workshop.h"

struct swept {
	uint64_t blobs, layers, leftovers; /* objects removed */
	uint64_t bytes;			   /* of blobs and leftovers */
};

struct sweep_options {
	bool unnamed_images; /* images without a name that no container stands on */
	bool all_images;     /* all images that no container stands on */
	bool caches;	     /* the build cache, cache mounts that no step has, compiled programs */
};

/* Removes what the images that were removed have used, and nobody else does; without a look at the other images, and
 * in a worker only what belongs to subordinate ids. -EWOULDBLOCK while somebody adds to the store: it is then done by
 * the next one. */
int sweep_removed(struct workshop *w, struct swept *swept, struct error **err);
/* The same for what images have brought that were refused, see refused.h. */
int sweep_refused(struct workshop *w, const struct refused *refused, struct swept *swept, struct error **err);
/* Removes blobs and layers without a referrer, in a worker. -EWOULDBLOCK for LOCK_TRY while somebody adds to the store.
 */
int sweep_images(struct workshop *w, enum lock_wait wait, struct swept *swept, struct error **err);
/* All of it; waits for those who add. The ids of removed images go to `removed`. The caller is inside. */
int sweep_store(struct workshop *w, const struct sweep_options *options, struct strlist *removed, struct swept *swept,
		struct error **err);

#endif
