/*
 * Bytes from the source to the sink: asked first what the sink lacks, then a few blobs at a time, which are removed
 * when they have arrived. To a registry they go while they come (bringing.h). Room on disk: the largest blobs that are
 * under way together.
 */
#include "builder/image_copy_internal.h"

#include "base/log.h"
#include "builder/bringing.h"
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
bool copier_has_in_store(const struct copier *c, const struct descriptor *blob)
{
	uint64_t size;

	return !c->keeps_blobs && blob_exists(workshop_store(c->w), &blob->digest, &size) && size == blob->size;
}

static size_t at_once(const struct copier *c)
{
	return c->options->parallel ? c->options->parallel : PARALLEL_DEFAULT;
}

static int move_batch(struct copier *c, const struct descriptor *const *blobs, size_t count,
		      const struct layer_claims *claims, struct error **err)
{
	int rc = count ? claims_fetch(claims, c->source, blobs, count, c->work, err) : 0;

	if (rc == 0 && count)
		rc = image_sink_send(c->sink, blobs, count, c->work, err);
	for (size_t i = 0; i < count; i++)
		drop(c, &blobs[i]->digest);
	return rc;
}

/* ---- One batch after the other ---- */

static int move_in_batches(struct copier *c, const struct descriptor *const *blobs, size_t count,
			   const struct layer_claims *claims, struct error **err)
{
	size_t parallel = at_once(c);
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < count; i += parallel)
		rc = move_batch(c, blobs + i, count - i < parallel ? count - i : parallel, claims, err);
	return rc;
}

/* ---- Fetched and sent at the same time ---- */

/* Another process and its connections cost more than so few bytes take. */
#define TOGETHER_MIN ((uint64_t)1 << 20)

static bool is_worth_bringing(const struct copier *c, const struct descriptor *const *blobs, size_t count)
{
	uint64_t size = 0;

	for (size_t i = 0; i < count; i++)
		size += blobs[i]->size;
	return size >= TOGETHER_MIN && c->from != TRANSPORT_STORE && image_sink_takes_feed(c->sink);
}

static void on_sent(void *context, const struct descriptor *blob)
{
	drop(context, &blob->digest);
}

static int move_together(struct copier *c, const struct descriptor *const *blobs, size_t count,
			 const struct layer_claims *claims, struct error **err)
{
	cleanup(bringing_free) struct bringing *bringing = NULL;
	const struct bringing_order order = {.source = c->source,
					     .client = c->client,
					     .blobs = blobs,
					     .count = count,
					     .work = c->work,
					     .claims = claims,
					     .at_once = at_once(c),
					     .sent = on_sent,
					     .context = c};
	int rc = bringing_start(c->w, &order, &bringing, err);

	return rc < 0 ? rc : bringing_send(bringing, c->sink, workshop_store(c->w), err);
}

int copier_move_blobs(struct copier *c, const struct descriptor *const *blobs, size_t count,
		      const struct layer_claims *claims, struct error **err)
{
	cleanup_free bool *has = mem_alloc((count + 1) * sizeof(*has));
	cleanup_free const struct descriptor **here = mem_alloc((count + 1) * sizeof(*here));
	cleanup_free const struct descriptor **there = mem_alloc((count + 1) * sizeof(*there));
	size_t here_count = 0, there_count = 0;
	int rc = count ? image_sink_has(c->sink, blobs, count, c->repository, has, err) : 0;

	for (size_t i = 0; rc == 0 && i < count; i++) {
		if (has[i])
			continue;
		if (copier_has_in_store(c, blobs[i]))
			here[here_count++] = blobs[i];
		else
			there[there_count++] = blobs[i];
	}
	/* First, and not beside the others: the limit is for all. */
	if (rc == 0 && here_count)
		rc = claims_check(claims, here, here_count, workshop_store(c->w), err);
	if (rc == 0 && here_count)
		rc = image_sink_send(c->sink, here, here_count, workshop_store(c->w), err);
	if (rc == 0 && is_worth_bringing(c, there, there_count))
		return move_together(c, there, there_count, claims, err);
	return rc < 0 ? rc : move_in_batches(c, there, there_count, claims, err);
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
