/*
 * Conditions on what is in the build cache, as `buildx du` and `buildx prune` take them with --filter:
 *
 *	until=24h, unused-for=24h	last of use before (a duration, or a time of RFC 3339)
 *	type=exec.cachemount		regular, exec.cachemount, internal; BuildKit's other types match nothing
 *	id=3f2a…			a beginning of the id, or the id of a cache mount
 *	description=RUN make		the whole
 *	shared, private, inuse		with =false: the opposite
 *
 * `=` and `==` ask for equality, `!=` for its opposite, `~=` for a POSIX extended regular expression. All conditions
 * must hold.
 */
#ifndef COOPER_BUILDER_CACHE_FILTER_H
#define COOPER_BUILDER_CACHE_FILTER_H

#include "base/strlist.h"
#include "builder/cache_usage.h"

struct cache_filter;

/* -EINVAL names the text that is not understood. `now` in seconds. */
int cache_filter_new(const struct strlist *texts, int64_t now, struct cache_filter **filter, struct error **err);
void cache_filter_free(struct cache_filter *filter);
CLEANUP_FOR(struct cache_filter, cache_filter_free)
bool cache_filter_matches(const struct cache_filter *filter, const struct cache_item *item);

#endif
