/*
 * What images have brought into the store that were then refused. They never had a name, so nobody would ever remove
 * it but `prune`; and while the command holds the store, nobody may. So it is written down, and goes at the end of the
 * command, except what other images use. What did not come for a reason that may pass stays: the next attempt finds it.
 */
#ifndef COOPER_BUILDER_REFUSED_H
#define COOPER_BUILDER_REFUSED_H

#include "builder/workshop.h"
#include "imagefmt/config.h"
#include "imagefmt/manifest.h"
#include "imagefmt/marks.h"

struct refused {
	struct digest_set blobs, layers;
};
void refused_done(struct refused *refused);

/* An image with this manifest (whose blob is `digest`, or NULL) and configuration (NULL: it was never read) could not
 * be taken because of `rc`. */
void refused_note(struct workshop *w, int rc, const struct digest *digest, const struct manifest *m,
		  const struct image_config *config);
/* Removes it, if nobody else is at work in the store; else it is garbage as any other. */
void refused_sweep(struct workshop *w);

#endif
