/*
 * What manifest and configuration of an image with many layers say, written down once so that it can be read without
 * JSON: with hundreds of layers parsing the two is most of what `from`, `commit` and `rmi` do. One file for each
 * manifest, cache/images/<hex of its digest>, which holds for this boot: it is not synced, and may be missing at any
 * time. Few layers are parsed as fast.
 */
#ifndef COOPER_IMAGEFMT_IMAGE_NOTE_H
#define COOPER_IMAGEFMT_IMAGE_NOTE_H

#include "imagefmt/config.h"
#include "imagefmt/images.h"
#include "imagefmt/manifest.h"
#include "imagefmt/store.h"

/* True when both were written down, and the manifest and the configuration are in the store. m and config are empty
 * before. NULL sums: not wanted. */
bool image_note_read(struct store *store, const struct descriptor *manifest, struct manifest *m,
		     struct image_config *config, struct image_sums *sums);
/* Only which configuration the manifest names. */
bool image_note_read_config(struct store *store, const struct digest *manifest, struct digest *config);
/* `family` is the one that the configuration's text is of; FORMAT_DOCKER for one that was parsed, of which nothing is
 * to be lost. */
void image_note_write(struct store *store, const struct digest *manifest, const struct manifest *m,
		      const struct image_config *config, enum image_format family, const struct image_sums *sums);
/* When the manifest goes. */
void image_note_remove(struct store *store, const struct digest *manifest);

#endif
