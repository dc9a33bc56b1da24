/*
 * The document of a cache that travels: which layer each step gave. It is the configuration of the cache's manifest
 * (or an annotation of the image's, type=inline), and speaks of the manifest's layers by their place:
 *
 *	{"layers":["sha256:…"],						the diff_id of each layer of the manifest
 *	 "records":[{"created":1700000000,"files":"sha256:…","key":"sha256:…","layer":0}],
 *	 "mounts":[{"id":"…","layer":1,"name":"sha256:…"}],			with --cache-mounts
 *	 "version":1}
 *
 * `key` is the step's key (build_stepkey.c), which is the same on every machine; `files`, where there is one, its other
 * key, which stands for the files that it reads from other stages. A record can only offer a layer: everything else
 * about an image comes from the Dockerfile. `mounts` are cache mounts (cache_mounts.h has what `name` is), packed as
 * layers are.
 */
#ifndef COOPER_BUILDER_CACHE_RECORDS_H
#define COOPER_BUILDER_CACHE_RECORDS_H

#include "base/buf.h"
#include "builder/build_cache.h"

#define CACHE_CONFIG_TYPE "application/vnd.cooper.cache.config.v1+json"
#define CACHE_ANNOTATION "io.github.cooper.cache.v1"
#define CACHE_DOCUMENT_MAX ((size_t)4 << 20)
#define CACHE_RECORDS_MAX 10000
#define CACHE_MOUNTS_MAX 1000

struct cache_record {
	struct digest key, by_files; /* the second may be null */
	size_t layer;
	int64_t created;
};

struct cache_mount_record {
	struct digest name;
	char *id;
	size_t layer;
};

struct cache_records {
	struct digest *layers; /* diff_ids */
	size_t layer_count;
	struct cache_record *items;
	size_t count;
	struct cache_mount_record *mounts;
	size_t mount_count;
};

void cache_records_done(struct cache_records *records);
CLEANUP_FOR_VALUE(struct cache_records, cache_records_done)
/* Appends a layer whether or not it is there already: for documents about a manifest that exists. */
void cache_records_add_layer(struct cache_records *records, const struct digest *diff_id);
/* Adds what a step has given, and its layer where that is new. A record without keys, one that is there already, and
 * what is past the limits of a document or a manifest is left out. */
void cache_records_add(struct cache_records *records, const struct build_record *record);
/* Adds a cache mount; `layer` is its place. What is past the limits is left out. */
void cache_records_add_mount(struct cache_records *records, const struct digest *name, const char *id, size_t layer);
/* By name, or NULL. Borrowed. */
const struct cache_mount_record *cache_records_find_mount(const struct cache_records *records,
							  const struct digest *name);
/* The same for each record of `from`. */
void cache_records_add_all(struct cache_records *records, const struct cache_records *from);
void cache_records_copy(struct cache_records *to, const struct cache_records *from);
/* The record with this key (of either kind), or NULL. Borrowed. */
const struct cache_record *cache_records_find(const struct cache_records *records, const struct digest *key);

/* Strict: unknown fields and versions, and more than the limits, are -EINVAL. */
int cache_records_parse(const char *text, size_t size, const char *what, struct cache_records *records,
			struct error **err);
void cache_records_format(const struct cache_records *records, struct buf *into);

#endif
