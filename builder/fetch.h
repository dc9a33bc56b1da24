/*
 * One image from one place into the store: manifest, platform, blobs, layers.
 */
#ifndef COOPER_BUILDER_FETCH_H
#define COOPER_BUILDER_FETCH_H

#include "builder/acquire.h"
#include "imagefmt/transport.h"

/* Fetches what the source names, verifies it, unpacks its layers (unless options->keep_packed), and names it. `name` is
 * the full name it gets in the store (NULL: none); `what` names the source in errors. */
int fetch_image(struct workshop *w, struct image_source *source, const char *what, const char *name,
		const struct acquire_options *options, struct image *image, struct error **err);
/* The same in two parts, for who may never need the layers: manifest and configuration alone are in the store then, and
 * no name leads to them; the caller holds the store (store_hold()). `image` has no name. */
int fetch_head(struct workshop *w, struct image_source *source, const char *what, const struct acquire_options *options,
	       struct image *image, struct error **err);
/* The layers of what fetch_head() gave, and its name. */
int fetch_rest(struct workshop *w, struct image_source *source, const char *name, enum fetch_layers layers,
	       struct image *image, struct error **err);
/* Unpacks the layers of an image that is in the store, those that are not yet. */
int fetch_unpack(struct workshop *w, const struct image *image, struct error **err);
/* The entry of the index in `text` for a platform (NULL: this machine's), as fetch_choose() chooses. */
int fetch_choose_child(const struct buf *text, const struct platform *platform, const char *what,
		       struct descriptor *child, struct error **err);
/* Which entry of an index serves who asks for `want`: attestations (unknown/unknown) never do; the best rank wins, the
 * first of equals. -ENOENT lists what there is. */
int fetch_choose(const struct image_index *index, const struct platform *want, const char *what, size_t *chosen,
		 struct error **err);

#endif
