/*
 * Caches of other machines (--cache-from), asked for a step that is not in the store's own. Nothing is asked before the
 * first such step; then the records are read, and a layer is fetched and unpacked when a record of it is taken.
 *
 * A cache that is missing or broken is said once and then no longer asked: a build never fails by it. One that can be
 * read is trusted as an image in FROM is: what it says a step has given is used instead of running the step.
 */
#ifndef COOPER_BUILDER_CACHE_IMPORT_H
#define COOPER_BUILDER_CACHE_IMPORT_H

#include "builder/build_cache.h"
#include "builder/cache_place.h"
#include "builder/workshop.h"
#include "registry/client.h"

struct cache_imports;

/* All is borrowed for the life of what comes back. */
MUST_CHECK struct cache_imports *cache_imports_new(struct workshop *w, const struct cache_place *places, size_t count,
						   const struct registry_options *registry);
void cache_imports_free(struct cache_imports *imports);
CLEANUP_FOR(struct cache_imports, cache_imports_free)
/* True when a cache has the step, made at `oldest` or later: its layer is then in the store, and the record of it too.
 * May be asked inside and outside of the user namespace, and in processes forked since. */
bool cache_imports_find(struct cache_imports *imports, const struct digest *key, int64_t oldest,
			struct build_record *record);

/* A cache mount that is not in the store (cache_mounts.h), and what its directory is to be when it is made. */
struct cache_import_mount {
	struct digest name;
	const char *id;
	mode_t mode; /* 0 = 0755 */
	uint32_t uid, gid;
};
/* Brings it from the first cache that has it. True when it is now in the store; nothing is said when no cache has it.
 */
bool cache_imports_mount(struct cache_imports *imports, const struct cache_import_mount *mount);

#endif
