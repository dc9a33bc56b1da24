/*
 * What the files of a commit share: what it makes (commit_image.c), and how it survives being killed
 * (commit_journal.c).
 */
#ifndef COOPER_BUILDER_COMMIT_INTERNAL_H
#define COOPER_BUILDER_COMMIT_INTERNAL_H

#include "builder/commit.h"
#include "imagefmt/pack.h"

/* A new image as blobs of the store. */
struct new_image {
	struct descriptor manifest;
	struct digest id;
	int64_t created;
	const char *name; /* borrowed, or NULL */
	bool unlisted;	  /* as in struct commit_options */
};
void new_image_done(struct new_image *image);
CLEANUP_FOR_VALUE(struct new_image, new_image_done)

/* Has it got layers since its last commit (commit_layer()), whose history waits for the next one? */
bool commit_has_pending_layers(const struct container *c);
/* What `c` will be when the layer is one of its layers: its configuration gains the layer and its history. With
 * `squash` the layer is the only one. Without a layer (NULL) the layers are those that it has: where some of them have
 * come since its last commit this is their commit, else the last one is made again, and the history of it written anew.
 * `created` is RFC 3339. */
int commit_next_state(const struct container *c, const struct commit_options *options, const struct pack_result *layer,
		      const char *created, struct container *next, struct error **err);
/* Writes configuration and manifest of the image that `next` is. */
int commit_write_image(struct workshop *w, const struct container *next, const struct commit_options *options,
		       int64_t created, struct new_image *image, struct error **err);
/* The id that this image would get. */
int commit_image_id(const struct container *next, const struct commit_options *options, int64_t created,
		    struct digest *id, struct error **err);
/* Adds it to the table of images, unless it is unlisted. */
int commit_list_image(struct workshop *w, const struct new_image *image, struct error **err);
/* A deep copy. */
int container_copy(const struct container *from, struct container *to, struct error **err);

/* Writes down what the commit will make true, then does it: upper becomes the layer, the image (NULL: there is none)
 * gets its name, the state is saved, an empty upper is made. */
int commit_move(struct workshop *w, int dir, const struct container *next, const struct pack_result *layer,
		const struct new_image *image, struct error **err);

/* What has changed in the container becomes one more of its layers, without an image: of `options` the times count.
 * `history` (created, created_by, comment; borrowed) waits for the next commit. With `unless_empty` nothing happens
 * when nothing has changed (packed->entries is 0). -EBUSY when somebody works in its mount. The caller holds the
 * container and the store and is inside. */
int commit_layer(struct workshop *w, struct container *c, const struct commit_options *options,
		 const struct history *history, bool unless_empty, struct pack_result *packed, struct error **err);
/* The same with a layer of the store, of which diff_id and size count; nothing has changed in the container. */
int commit_take_layer(struct workshop *w, struct container *c, const struct pack_result *layer,
		      const struct history *history, struct error **err);

#endif
