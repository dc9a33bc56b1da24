/*
 * The bytes of a layer's blob, which lies in the store or is still on its way into it, for those who unpack it or only
 * look what it holds: a stream_source.
 *
 *	cleanup(layer_origin_done) struct layer_origin origin = {.store = …, .packed = …, .arrival = …, .fd = -1};
 *	rc = layer_origin_begin(&origin, &codec, err);
 *	…layer_origin_next() to its end…
 *	rc = layer_origin_wait(&origin, err);
 */
#ifndef COOPER_IMAGEFMT_LAYER_ORIGIN_H
#define COOPER_IMAGEFMT_LAYER_ORIGIN_H

#include "imagefmt/layer.h"
#include "imagefmt/stream.h"

struct layer_origin {
	struct store *store;
	const struct descriptor *packed;
	const struct layer_arrival *arrival; /* NULL: it is in the store */
	bool has_arrived;
	int fd;
	struct stream_fd stream; /* of `fd` */
};
void layer_origin_done(struct layer_origin *origin);
CLEANUP_FOR_VALUE(struct layer_origin, layer_origin_done)

/* Opens it. *codec is what the bytes are, by the first of them: some label gzip as plain tar, or zstd as gzip. */
int layer_origin_begin(struct layer_origin *origin, enum codec *codec, struct error **err);
/* A stream_source. */
int layer_origin_next(void *origin, const void **data, size_t *size, struct error **err);
/* Nothing may say that the blob holds this layer before it is there. */
int layer_origin_wait(struct layer_origin *origin, struct error **err);
/* -EBADMSG when what came out is not the layer. */
int layer_origin_compare(const struct layer_origin *origin, const struct digest *got, const struct digest *diff_id,
			 struct error **err);
/* How much a layer may hold, for those who take images from strangers (COOPER_LAYER_MAX); else *max_bytes stays. */
int layer_origin_limit(uint64_t *max_bytes, struct error **err);

#endif
