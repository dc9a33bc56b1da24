/*
 * A layer's blob packed anew by another recipe: out of one blob of a store, into another. The tar in it stays the same,
 * byte for byte, and is checked.
 */
#ifndef COOPER_IMAGEFMT_TRANSCODE_H
#define COOPER_IMAGEFMT_TRANSCODE_H

#include "imagefmt/codec.h"
#include "imagefmt/digest.h"
#include "imagefmt/store.h"

/* -EBADMSG when the tar in it does not have `diff_id`. */
int blob_transcode(struct store *store, const struct digest *from, enum codec codec, const struct digest *diff_id,
		   const struct codec_recipe *recipe, struct digest *made, uint64_t *size, struct error **err);

#endif
