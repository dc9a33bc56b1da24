/*
 * Source: manifests are blobs of the store. Sink: what is in the store already stays, a name is all that is new.
 */
#include "builder/store_place.h"

#include <errno.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/parse.h"
#include "imagefmt/blob.h"
#include "imagefmt/reference.h"

/* Copies a blob from one store into another, unless they are the same. */
static int copy_blob(struct store *from, struct store *to, const struct descriptor *blob, struct error **err)
{
	uint64_t size;

	if (from == to || (blob_exists(to, &blob->digest, &size) && size == blob->size))
		return 0;
	cleanup(blob_writer_free) struct blob_writer *writer = NULL;
	cleanup_close int fd = blob_open(from, &blob->digest, &size, err);
	int rc = fd < 0 ? fd : blob_writer_new(to, &blob->digest, blob->size, &writer, err);
	if (rc == 0)
		rc = blob_writer_copy(writer, fd, size, err);
	return rc < 0 ? rc : blob_writer_commit(writer, /* digest */ NULL, /* size */ NULL, err);
}

/* ---- Reading ---- */

struct store_source {
	struct workshop *w;
	struct descriptor top;
	char *name; /* NULL */
};

static int source_manifest(void *state, const struct digest *want, struct buf *text, char **media_type,
			   struct error **err)
{
	struct store_source *source = state;
	const struct digest *digest = want ? want : &source->top.digest;
	size_t before = text->len;
	int rc = blob_read(workshop_store(source->w), digest, MANIFEST_SIZE_MAX, text, err);

	if (rc < 0)
		return rc;
	bool is_top = digest_equal(digest, &source->top.digest);
	*media_type = mem_strdup(is_top ? source->top.media_type
					: manifest_guess_media_type(buf_str(text) + before, text->len - before));
	return 0;
}

static int source_fetch(void *state, const struct descriptor *const *blobs, size_t count, struct store *store,
			struct error **err)
{
	struct store_source *source = state;
	struct store *own = workshop_store(source->w);
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < count; i++) {
		char text[DIGEST_TEXT_SIZE];
		if (!blob_exists(own, &blobs[i]->digest, /* size */ NULL))
			return error_set(err, ENOENT, "blob %s is not in the store",
					 digest_format(&blobs[i]->digest, text));
		rc = copy_blob(own, store, blobs[i], err);
	}
	return rc;
}

static char *source_name(void *state)
{
	return mem_strdup(((const struct store_source *)state)->name);
}

static void source_close(void *state)
{
	struct store_source *source = state;

	descriptor_done(&source->top);
	free(source->name);
	free(source);
}

struct image_source *store_source_new(struct workshop *w, const struct image_entry *entry)
{
	static const struct image_source_ops ops = {
		.manifest = source_manifest, .fetch = source_fetch, .name = source_name, .close = source_close};
	struct store_source *source = mem_alloc(sizeof(*source));

	source->w = w;
	descriptor_copy(&source->top, &entry->manifest);
	source->name = entry->names.count ? mem_strdup(entry->names.items[0]) : NULL;
	return image_source_new(&ops, source);
}

/* ---- Writing ---- */

struct store_sink {
	struct workshop *w;
	char *name;
	struct descriptor top; /* media_type NULL until it has come */
	struct digest id;
	int64_t created;
};

static int sink_send(void *state, const struct descriptor *const *blobs, size_t count, struct store *store,
		     struct error **err)
{
	struct store_sink *sink = state;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = copy_blob(store, workshop_store(sink->w), blobs[i], err);
	return rc;
}

static int sink_has(void *state, const struct descriptor *const *blobs, size_t count, const struct reference *from,
		    bool *has, struct error **err)
{
	struct store_sink *sink = state;

	for (size_t i = 0; i < count; i++) {
		uint64_t size;
		has[i] = blob_exists(workshop_store(sink->w), &blobs[i]->digest, &size) && size == blobs[i]->size;
	}
	return 0;
}

/* What the table of images says of an image beside its manifest. */
static int read_image(struct store_sink *sink, const void *text, size_t size, struct error **err)
{
	cleanup(manifest_done) struct manifest m = {0};
	cleanup(image_config_done) struct image_config config = {0};
	cleanup(buf_done) struct buf config_text = BUF_INIT(CONFIG_SIZE_MAX);
	int64_t nanoseconds;
	int rc = manifest_parse(text, size, "manifest", &m, err);

	if (rc == 0 && !manifest_is_image(&m))
		return error_set(err, EINVAL, "this is an artifact: the store keeps images and lists of them");
	if (rc == 0)
		rc = blob_read(workshop_store(sink->w), &m.config.digest, CONFIG_SIZE_MAX, &config_text, err);
	if (rc == 0)
		rc = image_config_parse(buf_str(&config_text), config_text.len, "configuration", &config, err);
	if (rc == 0 && config.diff_id_count != m.layer_count)
		rc = error_set(err, EINVAL, "%zu layers in the manifest, %zu in the configuration", m.layer_count,
			       config.diff_id_count);
	if (rc < 0)
		return rc;
	sink->id = m.config.digest;
	if (!config.created || parse_time(config.created, "created", &sink->created, &nanoseconds, NULL) < 0)
		sink->created = 0;
	return 0;
}

static int sink_manifest(void *state, const void *text, size_t size, const char *media_type, bool top,
			 struct error **err)
{
	struct store_sink *sink = state;
	enum manifest_kind kind;
	struct digest digest;
	int rc = manifest_kind(text, size, media_type, &kind, err);

	if (rc == 0)
		rc = blob_put(workshop_store(sink->w), text, size, &digest, err);
	if (rc < 0 || !top)
		return rc;
	sink->id = digest;
	sink->created = workshop_options(sink->w)->now;
	if (kind == MANIFEST_IMAGE)
		rc = read_image(sink, text, size, err);
	if (rc < 0)
		return rc;
	descriptor_done(&sink->top);
	sink->top = (struct descriptor){.media_type = mem_strdup(media_type), .digest = digest, .size = size};
	return 0;
}

static int sink_commit(void *state, struct error **err)
{
	struct store_sink *sink = state;

	if (!sink->top.media_type)
		return error_set(err, EINVAL, "no image has been written");
	return images_add(workshop_store(sink->w), &sink->top, &sink->id, sink->created, sink->name, err);
}

static void sink_close(void *state)
{
	struct store_sink *sink = state;

	descriptor_done(&sink->top);
	free(sink->name);
	free(sink);
}

int store_sink_open(struct workshop *w, const char *name, struct image_sink **sink, struct error **err)
{
	static const struct image_sink_ops ops = {.send = sink_send,
						  .has = sink_has,
						  .manifest = sink_manifest,
						  .commit = sink_commit,
						  .close = sink_close};
	cleanup_free char *full = NULL;
	int rc = reference_local_name(name, &full, err);

	if (rc < 0)
		return rc;
	struct store_sink *opened = mem_alloc(sizeof(*opened));
	opened->w = w;
	opened->name = take_ptr(&full);
	*sink = image_sink_new(&ops, opened);
	return 0;
}
