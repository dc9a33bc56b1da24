/*
 * Blobs into one repository: several at once, those that are there already left out, those that another repository of
 * the registry has mounted from there, and an upload that was cut goes on where the registry says it stands.
 */
#ifndef COOPER_REGISTRY_UPLOAD_H
#define COOPER_REGISTRY_UPLOAD_H

#include "imagefmt/feed.h"
#include "imagefmt/manifest.h"
#include "imagefmt/store.h"
#include "registry/session.h"

/* `feed` (may be NULL) has further blobs, which are being made meanwhile: they go while they grow. */
int upload_blobs(struct registry_client *client, struct session *session, const struct descriptor *const *blobs,
		 size_t count, struct blob_feed *feed, struct store *store, struct error **err);
/* Sets has[i] where a blob is there, or has been mounted from the repository `from` (NULL: do not try). What a
 * registry does not tell, or refuses, counts as "no". */
int upload_look(struct registry_client *client, struct session *session, const struct descriptor *const *blobs,
		size_t count, const char *from, bool *has, struct error **err);
/* Bytes in hand. */
int upload_bytes(struct registry_client *client, struct session *session, const void *data, size_t size,
		 struct digest *digest, struct error **err);

/* An upload's Location as it is to be used: resolved against the address that answered, and back on https when a proxy
 * in front of the registry made it http on the registry's own host (distribution#970); then LOCATION_CORRECTED. */
#define LOCATION_CORRECTED 1
int upload_location(const char *origin, const char *base, const char *location, char **url, struct error **err);

#endif
