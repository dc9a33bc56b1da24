/*
 * Blobs that a process of ours fetches from a source while we send them on: the process writes them into the place of
 * work as ever, and passes on the descriptors of the files and word of how far they have got. So fetching, checking and
 * sending go on at the same time, and what is sent can be read again after a fault.
 *
 *	rc = bringing_start(w, &order, &bringing, err);
 *	rc = bringing_send(bringing, sink, store, err);
 */
#ifndef COOPER_BUILDER_BRINGING_H
#define COOPER_BUILDER_BRINGING_H

#include "builder/claims.h"
#include "builder/workshop.h"
#include "imagefmt/transport.h"
#include "registry/client.h"

struct bringing_order {
	struct image_source *source;
	struct registry_client *client; /* that the source needs; NULL */
	const struct descriptor *const *blobs;
	size_t count;
	struct store *work;		   /* where they lie on their way */
	const struct layer_claims *claims; /* what must be true of them; NULL */
	size_t at_once; /* under way together: being fetched, being sent, or both, which counts once */
	/* A blob has been sent; NULL. */
	void (*sent)(void *context, const struct descriptor *blob);
	void *context;
};

struct bringing;

/* The order is copied, what it points to is borrowed until the bringing is freed. */
int bringing_start(struct workshop *w, const struct bringing_order *order, struct bringing **bringing,
		   struct error **err);
/* Sends them as they come; `store` is the user's. Only to sinks that take a feed. The source's failures come back as
 * from image_source_fetch(). */
int bringing_send(struct bringing *bringing, struct image_sink *sink, struct store *store, struct error **err);
/* Without bringing_send() before it, the process is ended. */
void bringing_free(struct bringing *bringing);
CLEANUP_FOR(struct bringing, bringing_free)

#endif
