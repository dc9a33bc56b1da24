/*
 * The store as a place of images behind the doors of imagefmt/transport.h, so that copying between places knows one
 * kind of place only. A layer that was committed here has no blob until it is packed: a source gives what has one, see
 * outgoing.h for the rest.
 */
#ifndef COOPER_BUILDER_STORE_PLACE_H
#define COOPER_BUILDER_STORE_PLACE_H

#include "builder/workshop.h"
#include "imagefmt/images.h"
#include "imagefmt/transport.h"

/* An entry of the table (copied). */
struct image_source *store_source_new(struct workshop *w, const struct image_entry *entry);
/* `name` is what the user calls it: reference_local_name(). The name is given at the commit; the caller holds the store
 * from the first blob on. */
int store_sink_open(struct workshop *w, const char *name, struct image_sink **sink, struct error **err);

#endif
