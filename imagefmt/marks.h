/*
 * What images lead to: marks go from a manifest's descriptor through indexes, manifests and configurations to blobs and
 * layers. For those who remove what has no mark (collect.c, images_garbage.c) and who write down what an image uses
 * (images_catalogue.c).
 */
#ifndef COOPER_IMAGEFMT_MARKS_H
#define COOPER_IMAGEFMT_MARKS_H

#include "imagefmt/manifest.h"
#include "imagefmt/store.h"

/* In the order of their adding until digest_set_has() is asked, which sorts; the same may come several times. */
struct digest_set {
	struct digest *items;
	size_t count;
	size_t cap;
	bool sorted;
};
void digest_set_done(struct digest_set *set);
CLEANUP_FOR_VALUE(struct digest_set, digest_set_done)
void digest_set_add(struct digest_set *set, const struct digest *digest);
void digest_set_sort(struct digest_set *set);
bool digest_set_has(struct digest_set *set, const struct digest *digest);

/* The layer of an image, and the blob that its manifest names for it. */
struct layer_pair {
	struct digest diff_id, blob;
};

struct marks {
	struct store *store;
	struct digest_set blobs;  /* each after what has led to it: a manifest, its layers, its configuration */
	struct digest_set layers; /* diff_ids */
	struct layer_pair *pairs;
	size_t pair_count;
	bool has_index;	     /* what an index leads to may come later: of a list only what was asked for is pulled */
	bool lacks_some;     /* a document was not in the store: what it leads to is not among these */
	uint64_t layer_size; /* sum of the layers of all manifests, as these have it */
};
void marks_done(struct marks *marks);
CLEANUP_FOR_VALUE(struct marks, marks_done)

/* Adds what the descriptor leads to. What is not in the store leads nowhere; what cannot be read is an error, because
 * what it names could not be kept. */
int marks_add(struct marks *marks, const struct descriptor *d, struct error **err);

#endif
