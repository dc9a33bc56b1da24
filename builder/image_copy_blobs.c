/*
 * Bytes from the source to the sink: asked first what the sink lacks, then a few blobs at a time, which are removed
 * when they have arrived. Room on disk: the largest blobs that are under way together.
 */
#include "builder/image_copy_internal.h"

#include "base/log.h"
#include "imagefmt/blob.h"
#include "imagefmt/transcode.h"

#define PARALLEL_DEFAULT 4

/* What stays only takes room until the end. */
static void drop(struct copier *c, const struct digest *digest)
{
	cleanup_error struct error *why = NULL;

	if (!c->keeps_blobs && blob_remove(c->work, digest, &why) < 0)
		log_debug("%s", error_message(why));
}

int copier_fetch(struct copier *c, const struct descriptor *blob, struct error **err)
{
	return image_source_fetch(c->source, &blob, 1, c->work, err);
}

int copier_send(struct copier *c, const struct descriptor *blob, struct error **err)
{
	int rc = image_sink_send(c->sink, &blob, 1, c->work, err);

	drop(c, &blob->digest);
	return rc;
}

/* The user's store may have what would have to be fetched from far away. */
static bool is_in_store(const struct copier *c, const struct descriptor *blob)
{
	uint64_t size;

	return !c->keeps_blobs && blob_exists(workshop_store(c->w), &blob->digest, &size) && size == blob->size;
}

static int move_batch(struct copier *c, const struct descriptor *const *blobs, size_t count, struct error **err)
{
	int rc = count ? image_source_fetch(c->source, blobs, count, c->work, err) : 0;

	if (rc == 0 && count)
		rc = image_sink_send(c->sink, blobs, count, c->work, err);
	for (size_t i = 0; i < count; i++)
		drop(c, &blobs[i]->digest);
	return rc;
}

int copier_move_blobs(struct copier *c, const struct descriptor *const *blobs, size_t count, struct error **err)
{
	size_t parallel = c->options->parallel ? c->options->parallel : PARALLEL_DEFAULT;
	cleanup_free bool *has = mem_alloc((count + 1) * sizeof(*has));
	cleanup_free const struct descriptor **batch = mem_alloc(parallel * sizeof(*batch));
	size_t filled = 0;
	int rc = count ? image_sink_has(c->sink, blobs, count, c->repository, has, err) : 0;

	for (size_t i = 0; rc == 0 && i < count; i++) {
		if (has[i])
			continue;
		if (is_in_store(c, blobs[i])) {
			rc = image_sink_send(c->sink, &blobs[i], 1, workshop_store(c->w), err);
			continue;
		}
		batch[filled++] = blobs[i];
		if (filled < parallel)
			continue;
		rc = move_batch(c, batch, filled, err);
		filled = 0;
	}
	return rc == 0 ? move_batch(c, batch, filled, err) : rc;
}

int copier_send_packing(struct copier *c, struct packing *packing, const struct descriptor *const *blobs, size_t count,
			struct error **err)
{
	cleanup_free bool *has = mem_alloc((count + 1) * sizeof(*has));
	cleanup_free const struct descriptor **lacking = mem_alloc((count + 1) * sizeof(*lacking));
	size_t lacking_count = 0;
	int rc = count ? image_sink_has(c->sink, blobs, count, c->repository, has, err) : 0;

	for (size_t i = 0; rc == 0 && i < count; i++)
		if (!has[i])
			lacking[lacking_count++] = blobs[i];
	return rc < 0 ? rc : packing_send(c->w, packing, c->sink, lacking, lacking_count, err);
}

int copier_move_packed(struct copier *c, struct outgoing *out, size_t i, const struct outgoing_wish *wish,
		       const struct digest *diff_id, struct error **err)
{
	struct descriptor *layer = &out->manifest.layers[i];
	const struct digest before = layer->digest;
	struct codec_recipe recipe;
	enum codec codec;
	struct digest made;
	uint64_t size;
	int rc = layer_codec(layer->media_type, &codec, err);

	if (rc == 0)
		rc = codec_recipe_init(wish->codec, wish->level, &recipe, err);
	if (rc == 0)
		rc = copier_fetch(c, layer, err);
	if (rc == 0)
		rc = blob_transcode(c->work, &before, codec, diff_id, &recipe, &made, &size, err);
	if (rc < 0)
		return rc;
	if (!digest_equal(&before, &made))
		drop(c, &before);
	outgoing_set_layer(out, i, wish, &made, size);
	return copier_send(c, &out->manifest.layers[i], err);
}
