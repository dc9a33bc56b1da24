/*
 * Cache mounts (RUN --mount=type=cache, run --mount type=cache): directories that outlive steps, one per id and user.
 *
 *	cache/mounts/<name>/		the directory
 *	cache/mounts/<name>.json	{"created":…,"id":"…","measured":…,"size":…}; its mtime is when it was last used
 *
 * The name is a hash of the id and of what the cache begins with, the same on every machine. A step holds the lock
 * "cache-<name>" while it uses one: shared, or alone when its sharing mode says so; whoever removes one holds it alone.
 */
#ifndef COOPER_BUILDER_CACHE_MOUNTS_H
#define COOPER_BUILDER_CACHE_MOUNTS_H

#include "builder/settings_parse.h"
#include "builder/workshop.h"
#include "imagefmt/digest.h"

/* The cache's name. */
int cache_mount_name(const struct mount_setting *setting, struct digest *name, struct error **err);
/* Descriptor of cache/mounts, made when it is missing. */
MUST_CHECK int cache_mounts_open(struct store *store, struct error **err);
/* It is used now: takes a note of what it is, and of the time. What cannot be written is no failure of the step. */
void cache_mount_note(struct store *store, const struct digest *name, const char *id, int64_t now);

/* Alone. LOCK_TRY: -EWOULDBLOCK while a step has it. */
MUST_CHECK int cache_mount_lock(struct store *store, const struct digest *name, enum lock_wait wait,
				struct error **err);
/* Its directory; -ENOENT. */
MUST_CHECK int cache_mount_open(struct store *store, const struct digest *name, struct error **err);
bool cache_mount_exists(struct store *store, const struct digest *name);
/* tmp/<made> becomes it; -EEXIST when it is there already. The caller has the lock. */
int cache_mount_adopt(struct store *store, const struct digest *name, const char *made, struct error **err);

struct cache_mount {
	struct digest name;
	char *id; /* "" for one that has no note */
	int64_t created, used;
	uint64_t size; /* of its files */
	bool is_busy;  /* a step has it */
};
struct cache_mounts {
	struct cache_mount *items;
	size_t count;
};
void cache_mounts_done(struct cache_mounts *mounts);
CLEANUP_FOR_VALUE(struct cache_mounts, cache_mounts_done)
/* Adds one unless it is there. */
void cache_mounts_add(struct cache_mounts *mounts, const struct digest *name, const char *id);

/* All of them, inside. A size is measured when the cache was used since it was last, and noted. */
int cache_mounts_list(struct store *store, struct cache_mounts *mounts, struct error **err);
/* Removes one, inside: away in one step, then file by file. -EBUSY while a step has it. Missing is success. */
int cache_mount_remove(struct store *store, const struct digest *name, struct error **err);

#endif
