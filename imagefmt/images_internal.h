/*
 * The table of images as images.c and collect.c share it, and the name's annotation as layouts have it.
 */
#ifndef COOPER_IMAGEFMT_IMAGES_INTERNAL_H
#define COOPER_IMAGEFMT_IMAGES_INTERNAL_H

#include "imagefmt/manifest.h"
#include "imagefmt/store.h"

#define REF_NAME_ANNOTATION "org.opencontainers.image.ref.name"

/* oci/index.json, all of it, entries of other programs included. */
int images_load_table(struct store *store, struct image_index *table, struct error **err);
/* The name of an entry, borrowed, or NULL. */
const char *images_name_of(const struct descriptor *d);

#endif
