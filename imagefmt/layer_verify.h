/*
 * Whether blobs hold the layers that a configuration says they do: found out while they come into a store, by a thread
 * for each that inflates and hashes what has come so far. Nothing is unpacked.
 *
 *	rc = layer_verify_start(store, claims, count, &verify, err);
 *	const struct blob_observer observer = {.grown = layer_verify_grown, .context = verify};
 *	store_set_observer(store, &observer);
 *	…the blobs are fetched…
 *	store_set_observer(store, NULL);
 *	rc = layer_verify_end(verify, err);		// all have come
 *	layer_verify_free(verify);
 *
 * Who starts it must not fork before it is freed.
 */
#ifndef COOPER_IMAGEFMT_LAYER_VERIFY_H
#define COOPER_IMAGEFMT_LAYER_VERIFY_H

#include "imagefmt/manifest.h"
#include "imagefmt/store.h"

struct layer_claim {
	const struct descriptor *packed;
	const struct digest *diff_id;
};

struct layer_verify;

/* The claims are copied, what they point to is borrowed until the end. */
int layer_verify_start(struct store *store, const struct layer_claim *claims, size_t count,
		       struct layer_verify **verify, struct error **err);
/* A blob_observer's: of any blob, also one that is nobody's layer. */
int layer_verify_grown(void *verify, const struct digest *want, int fd, uint64_t size, struct error **err);
/* All blobs are in the store, also those that nobody has seen coming. -EBADMSG for a layer that is another, or none. */
int layer_verify_end(struct layer_verify *verify, struct error **err);
/* Without an end before it, the threads are told that nothing more will come. */
void layer_verify_free(struct layer_verify *verify);
CLEANUP_FOR(struct layer_verify, layer_verify_free)

#endif
