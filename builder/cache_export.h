/*
 * The cache of a build for other machines (--cache-to): one image manifest, whose configuration is the document of
 * cache_records.h and whose layers are those of the steps, so that every registry takes it. Whoever writes last wins;
 * what is there is replaced only when everything has arrived.
 */
#ifndef COOPER_BUILDER_CACHE_EXPORT_H
#define COOPER_BUILDER_CACHE_EXPORT_H

#include "builder/cache_mounts.h"
#include "builder/cache_place.h"
#include "builder/cache_records.h"
#include "builder/workshop.h"
#include "registry/client.h"

/* `place` is a registry or a layout. The layers are in the store, which the caller holds. `mounts` (may be NULL) are
 * cache mounts that go with it, as far as there are such; each is waited for while a step has it. With no records and
 * no mounts nothing is written, and a warning says so. */
int cache_export(struct workshop *w, const struct cache_place *place, const struct cache_records *records,
		 const struct cache_mounts *mounts, const struct registry_options *registry, struct error **err);

#endif
