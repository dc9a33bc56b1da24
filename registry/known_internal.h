/*
 * The list behind known.h, and what a push asks it.
 */
#ifndef COOPER_REGISTRY_KNOWN_INTERNAL_H
#define COOPER_REGISTRY_KNOWN_INTERNAL_H

#include "base/strlist.h"
#include "imagefmt/store.h"
#include "registry/known.h"

#define KNOWN_SOURCES_MAX 3 /* repositories that are tried for one blob */

struct known_blob {
	struct digest digest;
	char *domain;
	char *path;
	bool seen; /* we have sent or seen it there ourselves, with the right size: no need to ask */
};

struct known_blobs {
	struct known_blob *items;
	size_t count;
};
void known_blobs_done(struct known_blobs *known);

/* The registry has said itself that the blob is there. */
void known_blob_seen(struct registry_client *client, const struct digest *digest, const char *domain, const char *path);
bool known_blob_is_seen(const struct registry_client *client, const struct digest *digest, const char *domain,
			const char *path);
/* Adds what the names of the store's images tell about the `count` blobs: an image that is called domain/path came from
 * there or went there, and with it its layers. */
void known_blobs_from_store(struct registry_client *client, struct store *store, const char *domain,
			    const struct digest *blobs, size_t count);
/* Other repositories of the domain that may have the blob, likeliest first, at most KNOWN_SOURCES_MAX. */
void known_blob_sources(const struct registry_client *client, const struct digest *digest, const char *domain,
			const char *path, struct strlist *paths);

#endif
