/*
 * Layers that are packed by workers in the user namespace while we, outside of it, send what they have made so far: a
 * worker writes the blob of the store as ever, and passes on the descriptor of the file and word of how far it has got.
 * So what is sent can be read again after a fault, memory does not grow with the layer, and a later push finds the blob
 * in the store.
 *
 *	rc = packing_start(w, &order, &packing, err);
 *	rc = packing_send(w, packing, sink, others, other_count, err);	// or packing_finish(), for who sends later
 */
#ifndef COOPER_BUILDER_PACKING_H
#define COOPER_BUILDER_PACKING_H

#include "builder/workshop.h"
#include "imagefmt/config.h"
#include "imagefmt/feed.h"
#include "imagefmt/manifest.h"
#include "imagefmt/transport.h"

struct packing_order {
	const struct digest *diff_ids; /* of all layers */
	/* Their blobs as the image's manifest has them: a layer that nobody has used yet is unpacked
	 * first. NULL: all have been. */
	const struct descriptor *packed;
	const bool *wanted; /* which of them */
	size_t count;
	enum codec codec;
	int level;
	bool exactly; /* a blob that was packed in another way does not serve */
};

struct packing;

/* The order is borrowed until the packing is freed. Layers are begun in their order, several at once where there are
 * processors for it and enough to do. */
int packing_start(struct workshop *w, const struct packing_order *order, struct packing **packing, struct error **err);
/* Its blobs are those that are wanted, in their order; borrowed. */
struct blob_feed *packing_feed(struct packing *packing);
/* Takes all news that is left and waits for the workers: then all blobs are in the store. */
int packing_finish(struct packing *packing, struct error **err);
/* Sends blobs of the store, and those of the packing while they are made, and finishes it. Only to sinks that take a
 * feed. */
int packing_send(struct workshop *w, struct packing *packing, struct image_sink *sink,
		 const struct descriptor *const *blobs, size_t count, struct error **err);
/* Without packing_finish() before it, the workers stop at the next block. */
void packing_free(struct packing *packing);
CLEANUP_FOR(struct packing, packing_free)

#endif
