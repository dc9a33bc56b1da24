/*
 * Taking away from the build cache: what a filter says, or what was used least recently, until the rest is small
 * enough. The limits have BuildKit's names and meaning:
 *
 *	max-used-space	the cache holds no more
 *	reserved-space	so much is left to it in any case
 *	min-free-space	the file system has so much free: the cache gives up what that takes
 *
 * Sizes count what only the cache holds: a layer that an image or a container has, too, costs nothing more. A record is
 * one file and goes at once; the layer behind it is then garbage like any other (sweep.h). A cache mount that a step
 * has is left alone. Whoever is killed on the way leaves a cache that is merely smaller.
 */
#ifndef COOPER_BUILDER_CACHE_PRUNE_H
#define COOPER_BUILDER_CACHE_PRUNE_H

#include "builder/cache_filter.h"
#include "builder/cache_limits.h"

struct cache_pruned {
	uint64_t count, bytes;
	uint64_t busy; /* left alone */
};

struct cache_prune_options {
	const struct cache_filter *filter; /* only what it matches; NULL: all */
	struct cache_limits limits;	   /* without any: all that matches */
	bool internal;			   /* also what cooper keeps for itself */
};
/* Inside. What is gone is appended to `removed` (may be NULL), by id. Layers are not swept yet. */
int cache_prune(struct workshop *w, const struct cache_prune_options *options, struct strlist *removed,
		struct cache_pruned *pruned, struct error **err);

#endif
