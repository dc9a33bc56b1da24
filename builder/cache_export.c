/*
 * Writing caches: layers packed inside the user namespace, sent from outside, where the user's credentials are.
 */
#include "builder/cache_export.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/parse.h"
#include "imagefmt/blob.h"
#include "imagefmt/layer.h"
#include "imagefmt/transport.h"
#include "registry/docker.h"

#define ANSWER_MAX ((size_t)1 << 20)

/* ---- layers ---------------------------------------------------------------------------------------------------------
 */

struct packing {
	const struct cache_place *place;
	const struct cache_records *records;
};

/* Packs, inside; answers with a line "digest size codec" for each layer. */
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
	return 0;
}

static int take_layer(const char *line, struct descriptor *layer, struct error **err)
{
	cleanup(strlist_done) struct strlist words = {0};
	uint64_t codec = 0;

	strlist_split(&words, line, ' ');
	if (words.count != 3)
		return error_set(err, EIO, "the worker's answer cannot be read");
	int rc = digest_parse(words.items[0], &layer->digest, err);
	if (rc == 0)
		rc = parse_u64(words.items[1], INT64_MAX, "size", &layer->size, err);
	if (rc == 0)
		rc = parse_u64(words.items[2], CODEC_ZSTD, "codec", &codec, err);
	mem_replace(&layer->media_type, layer_media_type(FORMAT_OCI, (enum codec)codec));
	return rc;
}

static int pack_layers(struct workshop *w, const struct packing *packing, struct manifest *m, struct error **err)
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
	m->layers = mem_alloc((count + 1) * sizeof(*m->layers));
	for (; rc == 0 && m->layer_count < count; m->layer_count++)
		rc = take_layer(lines.items[m->layer_count], &m->layers[m->layer_count], err);
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
		     const struct registry_options *registry, struct error **err)
{
	cleanup(registry_client_free) struct registry_client *client = NULL;
	cleanup(image_sink_close) struct image_sink *sink = NULL;
	cleanup(manifest_done) struct manifest m = {.format = FORMAT_OCI};
	const struct packing packing = {place, records};
	int rc = open_sink(w, place, registry, &client, &sink, err);

	if (rc == 0)
		rc = pack_layers(w, &packing, &m, err);
	if (rc == 0)
		rc = put_config(w, records, &m, err);
	return rc < 0 ? rc : send(w, sink, &m, err);
}

int cache_export(struct workshop *w, const struct cache_place *place, const struct cache_records *records,
		 const struct registry_options *registry, struct error **err)
{
	cleanup_error struct error *error = NULL;

	if (records->count == 0) {
		log_warn("--cache-to '%s': no step of the build has a layer, writing no cache", place->text);
		return 0;
	}
	int rc = export_to(w, place, records, registry, &error);
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
