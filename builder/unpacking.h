/*
 * Layers of an image on their way: unpacked by workers, several at once where there are processors and enough to do,
 * while they and others still come. None is there before its blob is, whole and checked.
 *
 *	cleanup(unpacking_free) struct unpacking *unpacking = NULL;
 *	rc = unpacking_start(w, &config, &manifest, &unpacking, err);
 *	... fetch the blobs ...
 *	rc = unpacking_finish(unpacking, err);
 */
#ifndef COOPER_BUILDER_UNPACKING_H
#define COOPER_BUILDER_UNPACKING_H

#include "builder/workshop.h"
#include "imagefmt/config.h"
#include "imagefmt/manifest.h"

struct unpacking;

/* As many diff_ids in the configuration as layers in the manifest. *unpacking stays NULL when all are unpacked. Until
 * it is finished or freed it is the observer of the workshop's store (blob.h). */
int unpacking_start(struct workshop *w, const struct image_config *config, const struct manifest *manifest,
		    struct unpacking **unpacking, struct error **err);
/* All blobs are there: waits until all are unpacked. NULL is success. */
int unpacking_finish(struct unpacking *unpacking, struct error **err);
/* Without unpacking_finish() before it, what has not come is not waited for. */
void unpacking_free(struct unpacking *unpacking);
CLEANUP_FOR(struct unpacking, unpacking_free)

/* The same for blobs that are all there. */
int unpack_all(struct workshop *w, const struct image_config *config, const struct manifest *manifest,
	       struct error **err);

#endif
