/*
 * Writing caches: layers packed inside the user namespace, sent from outside, where the user's credentials are.
 */
#include "builder/cache_export.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "builder/blob_places.h"
#include "imagefmt/blob.h"
#include "imagefmt/layer.h"
#include "imagefmt/pack.h"
#include "imagefmt/transport.h"
#include "registry/docker.h"

#define ANSWER_MAX ((size_t)1 << 20)

/* ---- layers ---------------------------------------------------------------------------------------------------------
 */

struct packing {
	const struct cache_place *place;
	const struct cache_records *records;
	const struct cache_mounts *mounts; /* NULL */
};

/* Nobody changes it while it is read. One that is not there or cannot be packed is left out. */
static int pack_mount(struct workshop *w, const struct packing *packing, size_t number, struct buf *result)
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
		buf_printf(result, "%s %llu %d %s %zu\n", digest_format(&blob.digest, text[0]),
			   (unsigned long long)blob.size, (int)packing->place->codec,
			   digest_format(&packed.diff_id, text[1]), number);
	return 0;
}

/* Packs, inside; answers with a line "digest size codec" for each layer, and "… diff_id number" for each cache mount.
 */
static int pack_task(struct workshop *w, void *context, struct buf *result, struct error **err)
{
	const struct packing *packing = context;
	const struct cache_records *records = packing->records;

	for (size_t i = 0; i < records->layer_count; i++) {
		cleanup(layer_blob_done) struct layer_blob blob = {0};
		char digest[DIGEST_TEXT_SIZE];
		int rc = layer_make_blob(workshop_store(w), &records->layers[i], packing->place->codec,
					 packing->place->level, /* force */ false, &blob, err);
		if (rc < 0)
			return rc;
		buf_printf(result, "%s %llu %d\n", digest_format(&blob.digest, digest), (unsigned long long)blob.size,
			   (int)blob.codec);
	}
	for (size_t i = 0; packing->mounts && i < packing->mounts->count; i++) {
		int rc = pack_mount(w, packing, i, result);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* One line; of a cache mount it adds what is said of it to the records. */
static int take_layer(const char *line, const struct packing *packing, struct cache_records *records,
		      struct descriptor *layer, struct error **err)
{
	cleanup(strlist_done) struct strlist words = {0};
	uint64_t codec = 0, number = 0;
	struct digest diff_id;

	strlist_split(&words, line, ' ');
	if (words.count != 3 && words.count != 5)
		return error_set(err, EIO, "the worker's answer cannot be read");
	int rc = digest_parse(words.items[0], &layer->digest, err);
	if (rc == 0)
		rc = parse_u64(words.items[1], INT64_MAX, "size", &layer->size, err);
	if (rc == 0)
		rc = parse_u64(words.items[2], CODEC_ZSTD, "codec", &codec, err);
	mem_replace(&layer->media_type, layer_media_type(FORMAT_OCI, (enum codec)codec));
	if (rc < 0 || words.count == 3)
		return rc;
	rc = digest_parse(words.items[3], &diff_id, err);
	if (rc == 0)
		rc = parse_u64(words.items[4], packing->mounts->count - 1, "number", &number, err);
	if (rc < 0)
		return rc;
	const struct cache_mount *mount = &packing->mounts->items[number];
	cache_records_add_layer(records, &diff_id);
	cache_records_add_mount(records, &mount->name, mount->id, records->layer_count - 1);
	return 0;
}

static int pack_layers(struct workshop *w, const struct packing *packing, struct cache_records *records,
		       struct manifest *m, struct error **err)
{
	cleanup(buf_done) struct buf answer = BUF_INIT(ANSWER_MAX);
	cleanup(strlist_done) struct strlist lines = {0};
	size_t count = packing->records->layer_count;
	int rc = workshop_call(w, pack_task, (void *)packing, &answer, err);

	if (rc < 0)
		return rc;
	strlist_split(&lines, buf_str(&answer), '\n');
	if (lines.count < count)
		return error_set(err, EIO, "the worker packed %zu layers of %zu", lines.count, count);
	if (lines.count && !*lines.items[lines.count - 1]) /* behind the last newline */
		strlist_remove(&lines, lines.count - 1);
	count = lines.count < MANIFEST_LAYERS_MAX ? lines.count : MANIFEST_LAYERS_MAX;
	m->layers = mem_alloc((count + 1) * sizeof(*m->layers));
	for (; rc == 0 && m->layer_count < count; m->layer_count++)
		rc = take_layer(lines.items[m->layer_count], packing, records, &m->layers[m->layer_count], err);
	return rc;
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

static int send(struct workshop *w, struct image_sink *sink, const struct manifest *m, struct error **err)
{
	cleanup_free const struct descriptor **blobs = mem_alloc((m->layer_count + 1) * sizeof(*blobs));
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);

	/* The layers differ from each other, and so do their blobs. */
	for (size_t i = 0; i < m->layer_count; i++)
		blobs[i] = &m->layers[i];
	blobs[m->layer_count] = &m->config;
	manifest_format(m, &text);
	if (text.overflow)
		return error_set(err, EFBIG, "the manifest of the cache is too large");
	int rc = image_sink_send(sink, blobs, m->layer_count + 1, workshop_store(w), err);
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
	return rc < 0 ? rc : registry_sink_open(*client, &place->where.ref, sink, err);
}

static int export_to(struct workshop *w, const struct cache_place *place, const struct cache_records *records,
		     const struct cache_mounts *mounts, const struct registry_options *registry, struct error **err)
{
	cleanup(cache_records_done) struct cache_records written = {0};
	cleanup(registry_client_free) struct registry_client *client = NULL;
	cleanup(image_sink_close) struct image_sink *sink = NULL;
	cleanup(manifest_done) struct manifest m = {.format = FORMAT_OCI};
	const struct packing packing = {place, records, mounts};
	int rc = open_sink(w, place, registry, &client, &sink, err);

	cache_records_copy(&written, records);
	if (rc == 0)
		rc = pack_layers(w, &packing, &written, &m, err);
	if (rc == 0)
		rc = put_config(w, &written, &m, err);
	if (rc == 0 && client)
		blob_places_tell(workshop_store(w), &m, client);
	if (rc == 0)
		rc = send(w, sink, &m, err);
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
