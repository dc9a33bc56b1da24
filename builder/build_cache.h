/*
 * What steps have made: for the key of a step the layer that came out, in the store's cache/steps/<key>. A record may
 * go at any time; one whose layer has gone counts as none.
 */
#ifndef COOPER_BUILDER_BUILD_CACHE_H
#define COOPER_BUILDER_BUILD_CACHE_H

#include "imagefmt/digest.h"
#include "imagefmt/store.h"

struct build_record {
	struct digest diff_id;
	uint64_t size;	 /* of the layer's tar stream */
	int64_t created; /* seconds since the epoch */
	/* The step's other key, which stands for the files that it reads from other stages; null where it has none. */
	struct digest by_files;
	/* The key that stands for the definitions of the stages that the step reads, in memory; may be null. */
	struct digest by_definition;
	/* Of `cooper copy --cache`: what the copy is called, and its kind ('f', 'd', 'm'); null and 0 otherwise. */
	struct digest copied;
	char copied_kind;
	/* The key that the step was looked up by in this build: of what is in memory, not kept. May be null. */
	struct digest key;
};

/* -ENOENT when there is none, or its layer is not there. */
int build_cache_load(struct store *store, const struct digest *key, struct build_record *record, struct error **err);
/* The same whether or not the layer is there. */
int build_cache_peek(struct store *store, const struct digest *key, struct build_record *record, struct error **err);
/* `text` says for people what the step is; NULL. */
int build_cache_save(struct store *store, const struct digest *key, const struct build_record *record, const char *text,
		     struct error **err);
/* The record was of use at this time. `depth` is how many layers stand below the step: of what was used in the same
 * second the deepest counts as the oldest, so that a chain of steps is taken away from its end. */
void build_cache_touch(struct store *store, const struct digest *key, int64_t seconds, size_t depth);
/* Forgets one; missing is success. */
int build_cache_forget(struct store *store, const struct digest *key, struct error **err);

struct build_cache_entry {
	struct digest key;
	struct build_record record;
	char *text;		 /* "" when it is not known */
	int64_t used_s, used_ns; /* when it was last of use */
};
struct build_cache_entries {
	struct build_cache_entry *items;
	size_t count;
};
void build_cache_entries_done(struct build_cache_entries *entries);
CLEANUP_FOR_VALUE(struct build_cache_entries, build_cache_entries_done)
int build_cache_list(struct store *store, struct build_cache_entries *entries, struct error **err);
/* The layers that records speak of are appended to *diff_ids (an array to free). */
int build_cache_layers(struct store *store, struct digest **diff_ids, size_t *count, struct error **err);
/* The same of these layers only, and without reading the records of others: what they kept is noted beside the records
 * (cache/step-layers, which is derived; a layer that is missed there is gone for the cache, too). The caller holds the
 * store alone. */
int build_cache_layers_among(struct store *store, const struct digest *asked, size_t asked_count,
			     struct digest **diff_ids, size_t *count, struct error **err);
/* Forgets all records. */
int build_cache_clear(struct store *store, struct error **err);

#endif
