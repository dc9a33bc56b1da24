/*
 * Blobs of one repository into a store: several at once, each counted and hashed while it comes, resumed by Range when
 * a connection breaks, and fetched once however many processes want it.
 */
#ifndef COOPER_REGISTRY_FETCH_H
#define COOPER_REGISTRY_FETCH_H

#include "imagefmt/manifest.h"
#include "imagefmt/store.h"
#include "registry/session.h"

/* Those that are not in the store yet. On failure the first error is given, and blobs that were whole stay. */
int fetch_blobs(struct registry_client *client, struct session *session, const struct descriptor *const *blobs,
		size_t count, struct store *store, struct error **err);

#endif
