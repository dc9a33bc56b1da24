/*
 * Writing caches: layers are packed inside the user namespace and sent, meanwhile, from outside, where the user's
 * credentials are.
 */
#include "builder/cache_export.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "builder/blob_places.h"
#include "builder/packing.h"
#include "imagefmt/blob.h"
#include "imagefmt/layer.h"
#include "imagefmt/pack.h"
#include "imagefmt/transport.h"
#include "registry/docker.h"

#define ANSWER_MAX ((size_t)1 << 20)

/* ---- layers ---------------------------------------------------------------------------------------------------------
 */

/* The steps' layers that have a blob already go as they are; the others are packed while they are sent. */
struct layers {
	struct packing_order order;
	bool *wanted; /* of the steps' layers: it is being packed */
	struct packing *packing;
};

static void layers_done(struct layers *layers)
{
	packing_free(layers->packing);
	free(layers->wanted);
}
CLEANUP_FOR_VALUE(struct layers, layers_done)

static void set_layer(struct descriptor *layer, enum codec codec, const struct digest *digest, uint64_t size)
{
	layer->digest = *digest;
	layer->size = size;
	mem_replace(&layer->media_type, layer_media_type(FORMAT_OCI, codec));
}

static int layers_start(struct workshop *w, const struct cache_place *place, const struct cache_records *records,
			struct manifest *m, struct layers *layers, struct error **err)
{
	bool any = false;

	m->layer_count = records->layer_count;
	m->layers = mem_alloc((m->layer_count + 1) * sizeof(*m->layers));
	layers->wanted = mem_alloc((m->layer_count + 1) * sizeof(*layers->wanted));
	for (size_t i = 0; i < m->layer_count; i++) {
		struct descriptor blob = {0};
		layers->wanted[i] = !layer_find_blob(workshop_store(w), &records->layers[i], place->codec, place->level,
						     /* force */ false, &blob);
		if (!layers->wanted[i])
			set_layer(&m->layers[i], place->codec, &blob.digest, blob.size);
		any |= layers->wanted[i];
	}
	layers->order = (struct packing_order){.diff_ids = records->layers,
					       .wanted = layers->wanted,
					       .count = records->layer_count,
					       .codec = place->codec,
					       .level = place->level};
	return any ? packing_start(w, &layers->order, &layers->packing, err) : 0;
}

/* All have been packed. */
static void layers_take(struct layers *layers, struct manifest *m)
{
	const struct growing_blob *blob = packing_feed(layers->packing)->blobs;

	for (size_t i = 0; i < layers->order.count; i++) {
		if (!layers->wanted[i])
			continue;
		set_layer(&m->layers[i], layers->order.codec, &blob->digest, blob->size);
		blob++;
	}
}

/* Blobs first that are there: what is being made meanwhile may be the larger part. `others` are layers beside those of
 * the steps. */
static int layers_send(struct workshop *w, struct layers *layers, const struct manifest *others,
		       struct image_sink *sink, struct manifest *m, struct error **err)
{
	cleanup_free const struct descriptor **blobs =
		mem_alloc((m->layer_count + others->layer_count + 1) * sizeof(*blobs));
	bool meanwhile = layers->packing && image_sink_takes_feed(sink);
	size_t count = 0;
	int rc = layers->packing && !meanwhile ? packing_finish(layers->packing, err) : 0;

	if (rc == 0 && layers->packing && !meanwhile)
		layers_take(layers, m);
	for (size_t i = 0; i < m->layer_count; i++)
		if (!meanwhile || !layers->wanted[i])
			blobs[count++] = &m->layers[i];
	for (size_t i = 0; i < others->layer_count; i++)
		blobs[count++] = &others->layers[i];
	if (rc < 0)
		return rc;
	if (!meanwhile)
		return count ? image_sink_send(sink, blobs, count, workshop_store(w), err) : 0;
	rc = packing_send(w, layers->packing, sink, blobs, count, err);
	if (rc == 0)
		layers_take(layers, m);
	return rc;
}

/* ---- cache mounts ---------------------------------------------------------------------------------------------------
 */

struct mounts_packing {
	const struct cache_place *place;
	const struct cache_mounts *mounts;
};

/* Nobody changes it while it is read. One that is not there or cannot be packed is left out. */
static int pack_mount(struct workshop *w, const struct mounts_packing *packing, size_t number, struct buf *result)
{
	const struct cache_mount *mount = &packing->mounts->items[number];
	struct store *store = workshop_store(w);
	cleanup_error struct error *error = NULL;
	char text[2][DIGEST_TEXT_SIZE];
	struct pack_result packed;
	struct pack_blob blob;
	cleanup_close int held = cache_mount_lock(store, &mount->name, LOCK_WAIT, &error);
	cleanup_close int dir = held < 0 ? held : cache_mount_open(store, &mount->name, &error);
	int rc = dir < 0 ? dir
			 : pack_to_blob(store, dir, /* owners */ NULL, packing->place->codec, packing->place->level,
					/* want */ NULL, &packed, &blob, &error);

	if (rc < 0 && rc != -ENOENT)
		log_warn("cache mount '%s': %s; the cache is written without it", mount->id, error_message(error));
	if (rc >= 0)
		buf_printf(result, "%s %llu %s %zu\n", digest_format(&blob.digest, text[0]),
			   (unsigned long long)blob.size, digest_format(&packed.diff_id, text[1]), number);
	return 0;
}

/* Packs, inside; answers with a line "digest size diff_id number" for each that was there. */
static int pack_task(struct workshop *w, void *context, struct buf *result, struct error **err)
{
	const struct mounts_packing *packing = context;

	(void)err;
	for (size_t i = 0; i < packing->mounts->count; i++)
		pack_mount(w, packing, i, result);
	return 0;
}

/* One line, as a layer and as a record. */
static int take_mount(const char *line, const struct mounts_packing *packing, struct cache_records *records,
		      struct descriptor *layer, struct error **err)
{
	cleanup(strlist_done) struct strlist words = {0};
	struct digest digest, diff_id;
	uint64_t size = 0, number = 0;

	strlist_split(&words, line, ' ');
	if (words.count != 4)
		return error_set(err, EIO, "the worker's answer cannot be read");
	int rc = digest_parse(words.items[0], &digest, err);
	if (rc == 0)
		rc = parse_u64(words.items[1], INT64_MAX, "size", &size, err);
	if (rc == 0)
		rc = digest_parse(words.items[2], &diff_id, err);
	if (rc == 0)
		rc = parse_u64(words.items[3], packing->mounts->count - 1, "number", &number, err);
	if (rc < 0)
		return rc;
	const struct cache_mount *mount = &packing->mounts->items[number];
	set_layer(layer, packing->place->codec, &digest, size);
	cache_records_add_layer(records, &diff_id);
	cache_records_add_mount(records, &mount->name, mount->id, records->layer_count - 1);
	return 0;
}

/* `m` gets a layer for each cache mount that is there, and `records` what it is. */
static int pack_mounts(struct workshop *w, const struct mounts_packing *packing, struct cache_records *records,
		       struct manifest *m, struct error **err)
{
	cleanup(buf_done) struct buf answer = BUF_INIT(ANSWER_MAX);
	cleanup(strlist_done) struct strlist lines = {0};

	if (!packing->mounts || packing->mounts->count == 0)
		return 0;
	int rc = workshop_call(w, pack_task, (void *)packing, &answer, err);
	if (rc < 0)
		return rc;
	strlist_split(&lines, buf_str(&answer), '\n');
	if (lines.count && !*lines.items[lines.count - 1]) /* behind the last newline */
		strlist_remove(&lines, lines.count - 1);
	size_t room = MANIFEST_LAYERS_MAX > records->layer_count ? MANIFEST_LAYERS_MAX - records->layer_count : 0;
	size_t count = lines.count < room ? lines.count : room;
	m->layers = mem_alloc((count + 1) * sizeof(*m->layers));
	for (; rc == 0 && m->layer_count < count; m->layer_count++)
		rc = take_mount(lines.items[m->layer_count], packing, records, &m->layers[m->layer_count], err);
	return rc;
}

/* Behind the steps' layers, as the records have it. */
static void append_layers(struct manifest *m, struct manifest *others)
{
	m->layers = mem_grow(m->layers, m->layer_count + others->layer_count + 1, sizeof(*m->layers));
	for (size_t i = 0; i < others->layer_count; i++) {
		m->layers[m->layer_count++] = others->layers[i];
		others->layers[i] = (struct descriptor){0};
	}
	others->layer_count = 0;
}

/* ---- the manifest ---------------------------------------------------------------------------------------------------
 */

static int put_config(struct workshop *w, const struct cache_records *records, struct manifest *m, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(CACHE_DOCUMENT_MAX);

	cache_records_format(records, &text);
	if (text.overflow)
		return error_set(err, EFBIG, "the records of the cache are larger than %zu bytes", CACHE_DOCUMENT_MAX);
	m->config.media_type = mem_strdup(CACHE_CONFIG_TYPE);
	m->config.size = text.len;
	return blob_put(workshop_store(w), text.data, text.len, &m->config.digest, err);
}

/* The layers are there. */
static int send_manifest(struct workshop *w, struct image_sink *sink, const struct manifest *m, struct error **err)
{
	const struct descriptor *config = &m->config;
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);

	manifest_format(m, &text);
	if (text.overflow)
		return error_set(err, EFBIG, "the manifest of the cache is too large");
	int rc = image_sink_send(sink, &config, 1, workshop_store(w), err);
	if (rc == 0)
		rc = image_sink_manifest(sink, text.data, text.len, manifest_media_type(m), /* top */ true, err);
	return rc < 0 ? rc : image_sink_commit(sink, err);
}

/* ---- the flow -------------------------------------------------------------------------------------------------------
 */

static int open_sink(struct workshop *w, const struct cache_place *place, const struct registry_options *options,
		     struct registry_client **client, struct image_sink **sink, struct error **err)
{
	struct registry_options registry = *options;

	if (place->kind == CACHE_LOCAL)
		return image_sink_open_local(&place->where, workshop_store(w), sink, err);
	if (place->insecure)
		registry.tls_verify = TLS_VERIFY_NO;
	int rc = registry_client_new(&registry, client, err);
	return rc < 0 ? rc : registry_sink_open(*client, &place->where.ref, TAG_MOVES, sink, err);
}

static int export_to(struct workshop *w, const struct cache_place *place, const struct cache_records *records,
		     const struct cache_mounts *mounts, const struct registry_options *registry, struct error **err)
{
	cleanup(cache_records_done) struct cache_records written = {0};
	cleanup(registry_client_free) struct registry_client *client = NULL;
	cleanup(image_sink_close) struct image_sink *sink = NULL;
	cleanup(manifest_done) struct manifest m = {.format = FORMAT_OCI}, others = {.format = FORMAT_OCI};
	cleanup(layers_done) struct layers layers = {0};
	const struct mounts_packing packing = {place, mounts};
	int rc = open_sink(w, place, registry, &client, &sink, err);

	cache_records_copy(&written, records);
	if (rc == 0)
		rc = pack_mounts(w, &packing, &written, &others, err);
	if (rc == 0)
		rc = layers_start(w, place, records, &m, &layers, err);
	if (rc == 0 && client)
		blob_places_tell(workshop_store(w), &m, client);
	if (rc == 0)
		rc = layers_send(w, &layers, &others, sink, &m, err);
	append_layers(&m, &others);
	if (rc == 0)
		rc = put_config(w, &written, &m, err);
	if (rc == 0)
		rc = send_manifest(w, sink, &m, err);
	for (size_t i = 0; rc == 0 && client && i < m.layer_count; i++)
		blob_places_add(workshop_store(w), &m.layers[i].digest, &place->where.ref);
	return rc;
}

int cache_export(struct workshop *w, const struct cache_place *place, const struct cache_records *records,
		 const struct cache_mounts *mounts, const struct registry_options *registry, struct error **err)
{
	cleanup_error struct error *error = NULL;

	if (records->count == 0 && (!mounts || mounts->count == 0)) {
		log_warn("--cache-to '%s': no step of the build has a layer, writing no cache", place->text);
		return 0;
	}
	int rc = export_to(w, place, records, mounts, registry, &error);
	if (rc == 0)
		return 0;
	if (place->ignore_error) {
		log_warn("--cache-to '%s': %s; going on without it", place->text, error_message(error));
		return 0;
	}
	if (err)
		*err = take_ptr(&error);
	return error_prefix(err, "--cache-to '%s'", place->text);
}
