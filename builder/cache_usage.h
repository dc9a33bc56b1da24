/*
 * What the build cache holds: layers of steps, cache mounts, and what cooper keeps for itself; `cooper du` shows it,
 * and cache_prune.h takes away from it. The types have BuildKit's names.
 */
#ifndef COOPER_BUILDER_CACHE_USAGE_H
#define COOPER_BUILDER_CACHE_USAGE_H

#include "builder/workshop.h"
#include "imagefmt/digest.h"

enum cache_type {
	CACHE_TYPE_REGULAR,  /* a layer that steps gave, with its records */
	CACHE_TYPE_MOUNT,    /* a cache mount */
	CACHE_TYPE_INTERNAL, /* digests of contexts' files, compiled filters, records that name no layer */
};
/* "regular", "exec.cachemount", "internal" */
const char *cache_type_name(enum cache_type type);

struct cache_item {
	enum cache_type type;
	char *id; /* 64 hex digits: the layer's diff_id, the cache mount's name, the record's key; or a file */
	struct digest digest; /* the same; null for a file */
	char *description;    /* the step, the cache mount's id */
	struct digest *keys;  /* of records */
	size_t key_count;
	uint64_t size;
	int64_t created;
	int64_t used_s, used_ns; /* when it was last of use */
	bool is_shared;		 /* an image or a container has the layer, too: taking it away gives nothing back */
	bool is_busy;		 /* a step has the cache mount */
};
struct cache_items {
	struct cache_item *items; /* what was used least recently first */
	size_t count;
};
void cache_items_done(struct cache_items *items);
CLEANUP_FOR_VALUE(struct cache_items, cache_items_done)

/* Inside. */
int cache_usage_list(struct workshop *w, struct cache_items *items, struct error **err);

#endif
