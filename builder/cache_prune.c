/*
 * Pruning the build cache. In: a filter and limits; out: fewer records, cache mounts and files.
 */
#include "builder/cache_prune.h"

#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/conffile.h"
#include "base/env.h"
#include "base/json.h"
#include "base/log.h"
#include "base/parse.h"
#include "builder/build_cache.h"
#include "builder/cache_mounts.h"

/* ---- limits ---------------------------------------------------------------------------------------------------------
 */

static int free_space(struct workshop *w, uint64_t *bytes, struct error **err)
{
	struct statvfs st;

	if (statvfs(store_root(workshop_store(w)), &st) < 0)
		return error_set_errno(err, "'%s'", store_root(workshop_store(w)));
	*bytes = (uint64_t)st.f_bavail * st.f_frsize;
	return 0;
}

/* How much the cache may keep of `total` bytes. */
static int find_share(struct workshop *w, const struct cache_limits *limits, uint64_t total, uint64_t *share,
		      struct error **err)
{
	uint64_t keep = limits->max_used ? limits->max_used : total, available = 0;

	/* Reserved alone: all but that goes. */
	if (!limits->max_used && !limits->min_free)
		keep = 0;
	if (limits->min_free) {
		int rc = free_space(w, &available, err);
		if (rc < 0)
			return rc;
		uint64_t missing = limits->min_free > available ? limits->min_free - available : 0;
		uint64_t left = total > missing ? total - missing : 0;
		keep = left < keep ? left : keep;
	}
	*share = keep > limits->reserved ? keep : limits->reserved;
	return 0;
}

/* ---- taking away ----------------------------------------------------------------------------------------------------
 */

static int remove_item(struct workshop *w, const struct cache_item *item, struct error **err)
{
	struct store *store = workshop_store(w);
	int rc = 0;

	if (item->type == CACHE_TYPE_MOUNT)
		return cache_mount_remove(store, &item->digest, err);
	for (size_t i = 0; rc >= 0 && i < item->key_count; i++)
		rc = build_cache_forget(store, &item->keys[i], err);
	if (item->key_count || rc < 0)
		return rc;
	int cache = store_folder(store, STORE_CACHE, err);
	if (cache < 0)
		return cache;
	return unlinkat(cache, item->id, 0) < 0 && errno != ENOENT ? error_set_errno(err, "remove '%s'", item->id) : 0;
}

static int take_away(struct workshop *w, const struct cache_item *item, struct strlist *removed,
		     struct cache_pruned *pruned, struct error **err)
{
	cleanup_error struct error *error = NULL;
	int rc = remove_item(w, item, &error);

	if (rc == -EBUSY) {
		pruned->busy++;
		return 0;
	}
	if (rc < 0) {
		if (err)
			*err = take_ptr(&error);
		return rc;
	}
	pruned->count++;
	pruned->bytes += item->is_shared ? 0 : item->size;
	if (removed)
		strlist_append(removed, item->id);
	return 0;
}

static bool is_asked_for(const struct cache_prune_options *options, const struct cache_item *item)
{
	if (item->type == CACHE_TYPE_INTERNAL && !options->internal)
		return false;
	return !options->filter || cache_filter_matches(options->filter, item);
}

int cache_prune(struct workshop *w, const struct cache_prune_options *options, struct strlist *removed,
		struct cache_pruned *pruned, struct error **err)
{
	cleanup(cache_items_done) struct cache_items items = {0};
	bool has_limits = cache_limits_are_set(&options->limits);
	uint64_t used = 0, share = 0;
	int rc = cache_usage_list(w, &items, err);

	for (size_t i = 0; i < items.count; i++)
		used += items.items[i].is_shared ? 0 : items.items[i].size;
	if (rc >= 0 && has_limits)
		rc = find_share(w, &options->limits, used, &share, err);
	for (size_t i = 0; rc >= 0 && i < items.count; i++) {
		const struct cache_item *item = &items.items[i];
		uint64_t before = pruned->count;
		if (has_limits && used <= share)
			break;
		/* What gives nothing back is no help against a limit. */
		if (!is_asked_for(options, item) || (has_limits && (item->is_shared || item->size == 0)))
			continue;
		rc = take_away(w, item, removed, pruned, err);
		if (pruned->count > before)
			used -= item->is_shared ? 0 : item->size;
	}
	return rc;
}
