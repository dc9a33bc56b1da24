/*
 * Image indexes being edited, and what their entries mean (OCI image-spec image-index.md). Attestations are entries of
 * their own, marked as BuildKit marks them: they speak of another entry, and come and go with it.
 */
#ifndef COOPER_IMAGEFMT_INDEX_H
#define COOPER_IMAGEFMT_INDEX_H

#include "imagefmt/manifest.h"

/* What no platform fits: attestations, by their annotation or by the platform unknown/unknown. */
bool index_entry_is_attestation(const struct descriptor *entry);
/* True for an attestation that speaks of this image. */
bool index_entry_attests(const struct descriptor *entry, const struct digest *image);

/* The entry with a digest, borrowed until the index is changed; NULL. */
struct descriptor *image_index_find(const struct image_index *index, const struct digest *digest);
/* Adds a copy of the entry, whatever there is. */
void image_index_append(struct image_index *index, const struct descriptor *entry);
/* Adds a copy of the entry. It takes the place of one with the same digest or (images only) the same platform, whose
 * attestations go with it. */
void image_index_put(struct image_index *index, const struct descriptor *entry);
/* Takes out an entry and the attestations that speak of it; false when it is not there. */
bool image_index_remove(struct image_index *index, const struct digest *digest);

#endif
