/*
 * What rmi gives back: blobs and layers of images that are gone, and that no other image uses. Only the images that
 * were removed are read, and the catalogue of the others (images_catalogue.h); what else is in the store, and has lost
 * its user in another way, is for images_collect().
 *
 * The rows of an image that goes are moved to images/removed/, and stay there until what it has used is seen to. So who
 * is killed in between, or finds the store in use, leaves it to the next one.
 *
 *	alone = store_hold_alone(...)
 *	images_garbage_find(store, &garbage, err)		of images
 *	images_garbage_keep(&garbage, layers, count)		what others stand on: containers, steps of builds
 *	images_garbage_sweep(store, &garbage, &trash, &collected, err)
 */
#ifndef COOPER_IMAGEFMT_IMAGES_GARBAGE_H
#define COOPER_IMAGEFMT_IMAGES_GARBAGE_H

#include "imagefmt/images.h"
#include "imagefmt/marks.h"

struct garbage_item {
	struct digest digest;
	size_t rank; /* what leads to others has a lower one, and goes after them */
	bool stays;
};
struct garbage_items {
	struct garbage_item *items; /* sorted by digest, each once */
	size_t count;
};

struct images_garbage {
	struct garbage_items blobs, layers;
	struct layer_pair *pairs; /* as in struct marks */
	size_t pair_count;
	struct strlist rows; /* names in images/removed/ */
};
void images_garbage_done(struct images_garbage *garbage);
CLEANUP_FOR_VALUE(struct images_garbage, images_garbage_done)

/* Whoever calls it holds the store alone. What nobody else uses does not stay. Nothing was removed: all is empty. */
int images_garbage_find(struct store *store, struct images_garbage *garbage, struct error **err);
/* The same of these blobs and layers, which no row has led to: of an image that was refused before it had any. */
int images_garbage_of(struct store *store, const struct digest_set *blobs, const struct digest_set *layers,
		      struct images_garbage *garbage, struct error **err);
/* True when there are layers that do not stay: only then it matters what else stands on layers. */
bool images_garbage_has_layers(const struct images_garbage *garbage);
void images_garbage_keep(struct images_garbage *garbage, const struct digest *layers, size_t count);
/* Removes the rest. Trees of layers are moved to store_tmp(), and their names there added to `trash`, for who may
 * remove them. */
int images_garbage_sweep(struct store *store, struct images_garbage *garbage, struct strlist *trash,
			 struct images_collected *collected, struct error **err);

#endif
