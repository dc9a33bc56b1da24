/*
 * Repositories that blobs are known to lie in besides those of images: the caches of builds. A push to the same
 * registry has such a blob mounted from there instead of sending it. Kept in the store's cache/places/<blob>, so that a
 * `cooper push` long after the build knows it, too. A hint, which may be wrong and may go at any time.
 */
#ifndef COOPER_BUILDER_BLOB_PLACES_H
#define COOPER_BUILDER_BLOB_PLACES_H

#include "imagefmt/manifest.h"
#include "imagefmt/reference.h"
#include "imagefmt/store.h"
#include "registry/client.h"

#define BLOB_PLACES_FOLDER "places" /* in cache/ */

/* The blob is in this repository of a registry. */
void blob_places_add(struct store *store, const struct digest *blob, const struct reference *repository);
/* Tells the client where the manifest's layers lie. */
void blob_places_tell(struct store *store, const struct manifest *m, struct registry_client *client);

#endif
