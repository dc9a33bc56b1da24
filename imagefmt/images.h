/*
 * The images of the store and their names, a small file for each image and a link for each name (images_internal.h):
 * what a command costs does not depend on how many there are. Beside the manifest's descriptor stand, in annotations of
 * cooper's own, the image id (the digest of its configuration) and the time of creation, so that listing opens nothing
 * else. Changes happen under one short lock; who looks for one image takes none.
 */
#ifndef COOPER_IMAGEFMT_IMAGES_H
#define COOPER_IMAGEFMT_IMAGES_H

#include "imagefmt/config.h"
#include "imagefmt/manifest.h"
#include "imagefmt/store.h"

struct image_entry {
	struct descriptor manifest; /* of the manifest or, for a list, of the index */
	struct digest id;	    /* of the configuration; of a list: of the index itself */
	struct strlist names;	    /* full names, may be empty */
	int64_t created;	    /* seconds since the epoch, 0 when unknown */
	bool has_size;		    /* false: it is in the manifest only */
	uint64_t size;		    /* sum of the layers, as the manifest has them */
};

void image_entry_done(struct image_entry *entry);
CLEANUP_FOR_VALUE(struct image_entry, image_entry_done)

struct image_list {
	struct image_entry *items; /* newest first */
	size_t count;
};
void image_list_done(struct image_list *list);
CLEANUP_FOR_VALUE(struct image_list, image_list_done)

int images_list(struct store *store, struct image_list *list, struct error **err);
/* Those that have a name in one of these repositories ("localhost/app"), without reading the others. */
int images_list_of(struct store *store, const struct strlist *repositories, struct image_list *list,
		   struct error **err);
/* Those without a name, in the same way. */
int images_list_unnamed(struct store *store, struct image_list *list, struct error **err);
/* How many there are. */
int images_count(struct store *store, size_t *count, struct error **err);
/* Adds an entry, which is taken over, at its place; not when the image is there already. */
void image_list_put(struct image_list *list, struct image_entry *entry);
/* How long a name is without its ":TAG" or "@DIGEST". */
size_t image_repository_length(const char *name);
/* By full name, name without "localhost/" or "docker.io/library/" or tag, "@sha256:…" of the manifest, image id or a
 * prefix of at least 3 digits (also with "sha256:"). -ENOENT with Buildah's text "NAME: image not known"; an ambiguous
 * prefix is -EINVAL. */
int images_find(struct store *store, const char *text, struct image_entry *entry, struct error **err);
/* Adds the image (its blobs are in the store) or finds it there, and moves `name` (full, or NULL) to it. */
int images_add(struct store *store, const struct descriptor *manifest, const struct digest *id, int64_t created,
	       const char *name, struct error **err);
/* Puts another list in the place of the list `old`: for one of its names, or (NULL) for all of them. -ENOENT. */
int images_replace(struct store *store, const struct digest *old, const char *name, const struct descriptor *manifest,
		   const struct digest *id, int64_t created, struct error **err);
/* The name of `entry` that the user's text stands for, borrowed, or NULL when the text is an id. */
const char *images_name_meant(const struct image_entry *entry, const char *text);
/* Takes one name away; the image stays, unnamed if it was the last. -ENOENT. */
int images_untag(struct store *store, const char *name, struct error **err);
/* Takes the image out of the table with all its names; its blobs and layers are for images_garbage.h. */
int images_remove(struct store *store, const struct digest *id, struct error **err);

struct images_collected {
	uint64_t blobs;
	uint64_t layers;
	uint64_t bytes; /* of blobs */
};
/* Sets used[] of each of these layers that an image has. */
int images_use_layers(struct store *store, const struct digest *diff_ids, size_t count, bool *used, struct error **err);
/* Removes blobs and layers that no image and none of the `kept` layers (those of containers) refers to. Waits for
 * LOCK_WAIT, or does nothing and returns -EWOULDBLOCK for LOCK_TRY, while others hold the store. Needs the user
 * namespace. */
int images_collect(struct store *store, const struct digest *kept, size_t kept_count, enum lock_wait wait,
		   struct images_collected *collected, struct error **err);

/* Of the texts of an image's documents, as blob_sum() has it; 0: not known. */
struct image_sums {
	uint64_t manifest, config;
};

/* An image, read. */
struct image {
	struct image_entry entry;
	struct manifest manifest;
	struct image_config config;
	uint64_t size; /* sum of layer sizes as the manifest has them */
	struct image_sums sums;
};
void image_done(struct image *image);
CLEANUP_FOR_VALUE(struct image, image_done)
/* Reads manifest and configuration of an entry (taken over) and checks them against each other: as many diff_ids as
 * layers. -EINVAL for a list. */
int image_load(struct store *store, struct image_entry *entry, struct image *image, struct error **err);
/* The texts of its documents, as blob_read(). */
int image_read_manifest(struct store *store, const struct image *image, struct buf *text, struct error **err);
int image_read_config(struct store *store, const struct image *image, struct buf *text, struct error **err);

#endif
