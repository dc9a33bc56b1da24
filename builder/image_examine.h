/*
 * An image read where it is: its documents, not its layers.
 */
#ifndef COOPER_BUILDER_IMAGE_EXAMINE_H
#define COOPER_BUILDER_IMAGE_EXAMINE_H

#include "builder/workshop.h"
#include "imagefmt/images.h"
#include "registry/client.h"

struct examine_options {
	bool top_only;			 /* what the place names, be it a list */
	const struct platform *platform; /* of a list the image for this one; NULL: this machine's */
	const char *blob_folder;	 /* of oci:, a shared one; NULL */
	struct registry_options registry;
};

struct examined {
	struct buf top; /* the manifest or index that the place names, byte for byte */
	struct digest top_digest;
	/* Not with top_only: */
	struct image image; /* manifest and configuration; no entry */
	struct buf config;  /* byte for byte */
	char *repository;   /* "domain/path" of docker://, or NULL */
	char *name;	    /* the same, also of an image in a docker-archive: that has a name; or NULL */
};
#define EXAMINED_INIT ((struct examined){.top = BUF_INIT(MANIFEST_SIZE_MAX), .config = BUF_INIT(CONFIG_SIZE_MAX)})
void examined_done(struct examined *examined);
CLEANUP_FOR_VALUE(struct examined, examined_done)

/* `place` as image_place_parse() takes it. */
int image_examine(struct workshop *w, const char *place, const struct examine_options *options,
		  struct examined *examined, struct error **err);

#endif
