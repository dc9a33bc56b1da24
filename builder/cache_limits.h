/*
 * How large the build cache may become, with BuildKit's names and meaning (cache_prune.h).
 */
#ifndef COOPER_BUILDER_CACHE_LIMITS_H
#define COOPER_BUILDER_CACHE_LIMITS_H

#include "builder/workshop.h"

struct cache_limits {
	uint64_t max_used, reserved, min_free; /* bytes; 0 = not set */
};
/* What the configuration says (docs/configuration.md): cooper.conf, over it COOPER_CACHE_MAX_USED_SPACE and its kin. */
int cache_limits_load(struct cache_limits *limits, struct error **err);
bool cache_limits_are_set(const struct cache_limits *limits);

/* After a build, from outside: keeps the limits, if there are any. Cheap while they are kept; never waits for others:
 * what somebody needs right now is for the next one to take away. */
int cache_limits_keep(struct workshop *w, const struct cache_limits *limits, struct error **err);

#endif
