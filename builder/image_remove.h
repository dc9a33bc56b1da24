/*
 * Images removed where they are.
 */
#ifndef COOPER_BUILDER_IMAGE_REMOVE_H
#define COOPER_BUILDER_IMAGE_REMOVE_H

#include "builder/workshop.h"
#include "registry/client.h"

struct image_remove_options {
	bool tag_only;		 /* of a registry's image only the tag */
	const char *blob_folder; /* of oci:, where blobs are that other layouts may use: they stay. NULL */
	struct registry_options registry;
};
/* `place` as image_place_parse() takes it. -ENOENT when it is not there, -EOPNOTSUPP where nothing can be removed. An
 * image of the store on which a working container stands is -EBUSY. */
int image_remove(struct workshop *w, const char *place, const struct image_remove_options *options, struct error **err);

#endif
