/*
 * What becomes of a manifest that leaves: layers that were committed here get their blob now; what came from elsewhere
 * stays as it came.
 */
#include "builder/outgoing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "imagefmt/blob.h"
#include "imagefmt/codec.h"
#include "imagefmt/layer.h"
#include "imagefmt/transport.h"

void outgoing_done(struct outgoing *out)
{
	packing_free(out->packing);
	free(out->pack);
	free(out->wanted);
	manifest_done(&out->manifest);
	buf_done(&out->text);
}

/* ---- The wish ---- */

static enum image_format wanted_format(enum transport transport, const struct export_options *options,
				       enum image_format format)
{
	if (transport == TRANSPORT_DOCKER_ARCHIVE)
		return FORMAT_DOCKER;
	if (transport == TRANSPORT_OCI || transport == TRANSPORT_OCI_ARCHIVE)
		return FORMAT_OCI;
	return options->has_format ? options->format : format;
}

static enum codec wanted_codec(enum transport transport, const struct export_options *options)
{
	return options->has_codec ? options->codec : transport_default_codec(transport);
}

static int check_level(enum codec codec, const struct export_options *options, struct error **err)
{
	struct codec_recipe recipe;

	if (options->level == PACK_LEVEL_DEFAULT)
		return 0;
	if (codec == CODEC_NONE && options->has_codec)
		return error_set(err, EINVAL, "a compression level, but no compression");
	if (codec == CODEC_NONE)
		return error_set(err, EINVAL,
				 "a compression level, but nothing is compressed for this place "
				 "(see --compression-format)");
	return codec_recipe_init(codec, options->level, &recipe, err);
}

int outgoing_check(enum transport transport, const struct export_options *options, struct error **err)
{
	if (transport == TRANSPORT_DOCKER_ARCHIVE && options->has_format && options->format == FORMAT_OCI)
		return error_set(err, EINVAL, "a docker-archive holds Docker's format only");
	if ((transport == TRANSPORT_OCI || transport == TRANSPORT_OCI_ARCHIVE) && options->has_format &&
	    options->format == FORMAT_DOCKER)
		return error_set(err, EINVAL, "an OCI layout holds the OCI format only");
	return check_level(wanted_codec(transport, options), options, err);
}

int outgoing_wish(enum transport transport, const struct export_options *options, enum image_format format,
		  struct outgoing_wish *wish, struct error **err)
{
	enum codec codec = wanted_codec(transport, options);
	int rc = outgoing_check(transport, options, err);

	if (rc < 0)
		return rc;
	*wish = (struct outgoing_wish){
		.format = wanted_format(transport, options, format),
		.codec = codec,
		.level = options->level,
		/* Where nothing is to be compressed, there is nothing to be compressed again. */
		.force = options->force_compression && (options->has_codec || codec != CODEC_NONE),
	};
	if (transport == TRANSPORT_DOCKER_ARCHIVE && codec != CODEC_NONE) {
		log_warn("an archive of Docker's holds plain layers, leaving %s compression out", codec_name(codec));
		*wish = (struct outgoing_wish){.format = FORMAT_DOCKER, .level = PACK_LEVEL_DEFAULT};
	}
	if (wish->format == FORMAT_DOCKER && wish->codec == CODEC_ZSTD)
		return error_set(
			err, EINVAL,
			"Docker's image format has no zstd layers; use --format oci, or --compression-format gzip");
	return 0;
}

/* ---- The manifest ---- */

int outgoing_read(const void *text, size_t size, const char *what, struct outgoing *out, struct error **err)
{
	buf_append(&out->text, text, size);
	return manifest_parse(text, size, what, &out->manifest, err);
}

int outgoing_plan(const struct outgoing *out, const struct outgoing_wish *wish, bool *pack, bool *any,
		  struct error **err)
{
	const struct manifest *m = &out->manifest;

	for (size_t i = 0; i < m->layer_count; i++) {
		enum codec codec;
		int rc = layer_codec(m->layers[i].media_type, &codec, err);
		if (rc < 0)
			return rc;
		bool fits = codec == wish->codec || (codec != CODEC_NONE && !wish->force);
		if (codec == CODEC_ZSTD && wish->format == FORMAT_DOCKER)
			fits = false;
		pack[i] = !fits;
		*any |= pack[i];
	}
	return 0;
}

/* What an annotation says of the packed bytes (as zstd:chunked's do) is not true of others. */
void outgoing_set_layer(struct outgoing *out, size_t i, const struct outgoing_wish *wish, const struct digest *digest,
			uint64_t size)
{
	struct descriptor *layer = &out->manifest.layers[i];

	layer->digest = *digest;
	layer->size = size;
	mem_replace(&layer->media_type, layer_media_type(wish->format, wish->codec));
	strlist_clear(&layer->annotations);
	out->changed = true;
}

int outgoing_set_format(struct outgoing *out, enum image_format format, const struct image_config *config,
			struct store *store, struct error **err)
{
	struct manifest *m = &out->manifest;
	cleanup(buf_done) struct buf text = BUF_INIT(CONFIG_SIZE_MAX);

	if (m->format == format)
		return 0;
	if (!manifest_is_image(m))
		return error_set(err, EINVAL, "this is an artifact, whose format cannot be changed");
	image_config_format(config, format, &text);
	int rc = blob_put(store, text.data, text.len, &m->config.digest, err);
	if (rc < 0)
		return rc;
	m->config.size = text.len;
	mem_replace(&m->config.media_type, config_media_type(format));
	for (size_t i = 0; i < m->layer_count; i++) {
		enum codec codec;
		rc = layer_codec(m->layers[i].media_type, &codec, err);
		if (rc < 0)
			return rc;
		mem_replace(&m->layers[i].media_type, layer_media_type(format, codec));
	}
	if (format == FORMAT_DOCKER) /* which has no place for them */
		strlist_clear(&m->annotations);
	m->format = format;
	out->changed = true;
	return 0;
}

int outgoing_finish(struct outgoing *out, struct error **err)
{
	if (!out->changed)
		return 0;
	buf_clear(&out->text);
	manifest_format(&out->manifest, &out->text);
	return out->text.overflow ? error_set(err, EFBIG, "the image's manifest is too large") : 0;
}

static bool is_among(const struct descriptor *const *blobs, size_t count, const struct digest *digest)
{
	for (size_t i = 0; i < count; i++)
		if (digest_equal(&blobs[i]->digest, digest))
			return true;
	return false;
}

const struct descriptor **outgoing_blobs(const struct outgoing *out, size_t *count)
{
	const struct manifest *m = &out->manifest;
	const struct descriptor **blobs = mem_alloc((m->layer_count + 1) * sizeof(*blobs));
	size_t n = 0;

	for (size_t i = 0; i < m->layer_count; i++)
		if (!(out->pack && out->pack[i]) && !is_among(blobs, n, &m->layers[i].digest))
			blobs[n++] = &m->layers[i];
	if (!is_among(blobs, n, &m->config.digest))
		blobs[n++] = &m->config;
	*count = n;
	return blobs;
}

/* ---- Images of the store ---- */

/* Who names a level does not want what was packed with another before. */
static bool is_exact(const struct outgoing_wish *wish)
{
	return wish->force || wish->level != PACK_LEVEL_DEFAULT;
}

/* Layers that have been packed before: found without the user namespace. */
static void leave_out_packed(struct store *store, const struct image_config *config, const struct outgoing_wish *wish,
			     struct outgoing *out)
{
	struct descriptor blob = {0};

	for (size_t i = 0; i < out->manifest.layer_count && i < config->diff_id_count; i++) {
		if (!out->pack[i] ||
		    !layer_find_blob(store, &config->diff_ids[i], wish->codec, wish->level, is_exact(wish), &blob))
			continue;
		out->pack[i] = false;
		outgoing_set_layer(out, i, wish, &blob.digest, blob.size);
	}
}

/* Layers whose blob has been there before, and is not kept: when the place has it, nothing need be packed. */
static int leave_out_known(struct workshop *w, const struct image_config *config, const struct outgoing_wish *wish,
			   struct image_sink *sink, struct outgoing *out, struct error **err)
{
	const struct manifest *m = &out->manifest;
	cleanup_free struct descriptor *known = mem_alloc((m->layer_count + 1) * sizeof(*known));
	cleanup_free const struct descriptor **blobs = mem_alloc((m->layer_count + 1) * sizeof(*blobs));
	cleanup_free size_t *layers = mem_alloc((m->layer_count + 1) * sizeof(*layers));
	cleanup_free bool *has = mem_alloc((m->layer_count + 1) * sizeof(*has));
	size_t count = 0;

	for (size_t i = 0; i < m->layer_count && i < config->diff_id_count; i++) {
		if (!out->pack[i] || !layer_recall_blob(workshop_store(w), &config->diff_ids[i], wish->codec,
							wish->level, &known[count]))
			continue;
		blobs[count] = &known[count];
		layers[count++] = i;
	}
	int rc = count > 0 ? image_sink_has(sink, blobs, count, /* from */ NULL, has, err) : 0;
	for (size_t j = 0; rc >= 0 && j < count; j++) {
		if (!has[j])
			continue;
		out->pack[layers[j]] = false;
		outgoing_set_layer(out, layers[j], wish, &known[j].digest, known[j].size);
	}
	return rc;
}

/* Also those that stand for the same layer twice are packed once. */
static bool is_wanted_before(const struct outgoing *out, const struct image_config *config, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (out->pack[j] && digest_equal(&config->diff_ids[j], &config->diff_ids[i]))
			return true;
	return false;
}

static int start_packing(struct workshop *w, const struct image *image, const struct outgoing_wish *wish,
			 struct image_sink *sink, struct outgoing *out, struct error **err)
{
	const struct image_config *config = &image->config;
	const struct manifest *m = &out->manifest;
	bool any = false;

	out->pack = mem_alloc((m->layer_count + 1) * sizeof(*out->pack));
	int rc = outgoing_plan(out, wish, out->pack, &any, err);
	for (size_t i = 0; rc >= 0 && i < m->layer_count; i++)
		out->pack[i] |= !blob_exists(workshop_store(w), &m->layers[i].digest, /* size */ NULL);
	if (rc >= 0)
		leave_out_packed(workshop_store(w), config, wish, out);
	if (rc >= 0 && sink)
		rc = leave_out_known(w, config, wish, sink, out, err);
	if (rc < 0)
		return rc;
	out->wanted = mem_alloc((m->layer_count + 1) * sizeof(*out->wanted));
	any = false;
	for (size_t i = 0; i < config->diff_id_count && i < m->layer_count; i++) {
		out->wanted[i] = out->pack[i] && !is_wanted_before(out, config, i);
		any |= out->wanted[i];
	}
	out->order = (struct packing_order){
		.diff_ids = config->diff_ids,
		.packed = m->layers,
		.wanted = out->wanted,
		.count = m->layer_count,
		.codec = wish->codec,
		.level = wish->level,
		.exactly = is_exact(wish),
	};
	return any ? packing_start(w, &out->order, &out->packing, err) : 0;
}

int outgoing_start(struct workshop *w, const struct image *image, const struct outgoing_wish *wish,
		   struct image_sink *sink, struct outgoing *out, struct error **err)
{
	struct store *store = workshop_store(w);
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);

	int rc = blob_read(store, &image->entry.manifest.digest, MANIFEST_SIZE_MAX, &text, err);
	if (rc >= 0)
		rc = outgoing_read(text.data, text.len, "manifest", out, err);
	if (rc >= 0)
		rc = outgoing_set_format(out, wish->format, &image->config, store, err);
	return rc < 0 ? rc : start_packing(w, image, wish, sink, out, err);
}

/* A layer that was packed is now the blob of the feed that stands for it. */
static void take_packed(struct outgoing *out, const struct outgoing_wish *wish)
{
	const struct blob_feed *feed = packing_feed(out->packing);

	for (size_t i = 0; i < out->order.count; i++)
		for (size_t j = 0; out->pack[i] && j < feed->count; j++)
			if (digest_equal(&feed->blobs[j].diff_id, &out->order.diff_ids[i]))
				outgoing_set_layer(out, i, wish, &feed->blobs[j].digest, feed->blobs[j].size);
}

int outgoing_end(struct outgoing *out, const struct outgoing_wish *wish, struct error **err)
{
	if (out->packing) {
		int rc = packing_finish(out->packing, err); /* again is nothing, when packing_send() has done it */
		if (rc < 0)
			return rc;
		take_packed(out, wish);
		packing_free(take_ptr(&out->packing));
	}
	free(take_ptr(&out->pack));
	return outgoing_finish(out, err);
}

int outgoing_prepare(struct workshop *w, const struct image *image, const struct outgoing_wish *wish,
		     struct outgoing *out, struct error **err)
{
	int rc = outgoing_start(w, image, wish, /* sink */ NULL, out, err);

	return rc < 0 ? rc : outgoing_end(out, wish, err);
}
