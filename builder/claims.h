/*
 * What a configuration claims about the layers beside it, held against their bytes by who only moves them
 * (imagefmt/layer_verify.h).
 */
#ifndef COOPER_BUILDER_CLAIMS_H
#define COOPER_BUILDER_CLAIMS_H

#include "imagefmt/config.h"
#include "imagefmt/layer_verify.h"
#include "imagefmt/transport.h"

struct layer_claims {
	struct layer_claim *items;
	size_t count;
};
void layer_claims_done(struct layer_claims *claims);
CLEANUP_FOR_VALUE(struct layer_claims, layer_claims_done)

/* That layer i unpacks to the configuration's diff_id i. What it points to is borrowed. */
void layer_claims_add(struct layer_claims *claims, const struct manifest *manifest, const struct image_config *config,
		      size_t i);

/* image_source_fetch(), after which what is claimed of these blobs has been found true: -EBADMSG, and the blobs are in
 * the store all the same. `claims` NULL: nothing is. */
int claims_fetch(const struct layer_claims *claims, struct image_source *source, const struct descriptor *const *blobs,
		 size_t count, struct store *store, struct error **err);
/* The same of blobs that are in the store. */
int claims_check(const struct layer_claims *claims, const struct descriptor *const *blobs, size_t count,
		 struct store *store, struct error **err);

#endif
