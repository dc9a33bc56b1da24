/*
 * What becomes of a manifest that leaves: layers that were committed here get their blob now; what came from elsewhere
 * stays as it came.
 */
#include "builder/outgoing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/parse.h"
#include "imagefmt/blob.h"
#include "imagefmt/codec.h"
#include "imagefmt/layer.h"
#include "imagefmt/transport.h"

void outgoing_done(struct outgoing *out)
{
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
		if (!is_among(blobs, n, &m->layers[i].digest))
			blobs[n++] = &m->layers[i];
	if (!is_among(blobs, n, &m->config.digest))
		blobs[n++] = &m->config;
	*count = n;
	return blobs;
}

/* ---- Images of the store ---- */

struct pack_job {
	const struct image_config *config;
	const struct outgoing_wish *wish;
	const bool *pack; /* for each layer: whether it is */
};

/* Packs, inside; answers with a line "index digest size" for each layer. */
static int pack_task(struct workshop *w, void *context, struct buf *result, struct error **err)
{
	const struct pack_job *job = context;

	for (size_t i = 0; i < job->config->diff_id_count; i++) {
		cleanup(layer_blob_done) struct layer_blob blob = {0};
		char digest[DIGEST_TEXT_SIZE];
		if (!job->pack[i])
			continue;
		/* Who names a level does not want what was packed with another before. */
		bool exactly = job->wish->force || job->wish->level != PACK_LEVEL_DEFAULT;
		int rc = layer_make_blob(workshop_store(w), &job->config->diff_ids[i], job->wish->codec,
					 job->wish->level, exactly, &blob, err);
		if (rc < 0)
			return rc;
		buf_printf(result, "%zu %s %llu\n", i, digest_format(&blob.digest, digest),
			   (unsigned long long)blob.size);
	}
	return 0;
}

static int take_packed(const char *line, const struct outgoing_wish *wish, struct outgoing *out, struct error **err)
{
	cleanup(strlist_done) struct strlist words = {0};
	uint64_t index, size;
	struct digest digest;

	strlist_split(&words, line, ' ');
	if (words.count != 3)
		return error_set(err, EIO, "the worker's answer cannot be read");
	int rc = parse_u64(words.items[0], out->manifest.layer_count - 1, "layer", &index, err);
	if (rc >= 0)
		rc = digest_parse(words.items[1], &digest, err);
	if (rc >= 0)
		rc = parse_u64(words.items[2], INT64_MAX, "size", &size, err);
	if (rc >= 0)
		outgoing_set_layer(out, index, wish, &digest, size);
	return rc;
}

static int pack_layers(struct workshop *w, const struct image *image, const struct outgoing_wish *wish,
		       struct outgoing *out, struct error **err)
{
	const struct manifest *m = &out->manifest;
	cleanup_free bool *pack = mem_alloc((m->layer_count + 1) * sizeof(*pack));
	struct pack_job job = {&image->config, wish, pack};
	cleanup(buf_done) struct buf answer = BUF_INIT((size_t)1 << 20);
	cleanup(strlist_done) struct strlist lines = {0};
	bool any = false;

	int rc = outgoing_plan(out, wish, pack, &any, err);
	for (size_t i = 0; rc >= 0 && i < m->layer_count; i++) {
		pack[i] |= !blob_exists(workshop_store(w), &m->layers[i].digest, /* size */ NULL);
		any |= pack[i];
	}
	if (rc < 0 || !any)
		return rc;
	rc = workshop_idmap(w, /* map */ NULL, err);
	if (rc >= 0)
		rc = workshop_call(w, pack_task, &job, &answer, err);
	if (rc < 0)
		return rc;
	strlist_split(&lines, buf_str(&answer), '\n');
	for (size_t i = 0; rc >= 0 && i < lines.count; i++) {
		if (*lines.items[i])
			rc = take_packed(lines.items[i], wish, out, err);
	}
	return rc;
}

int outgoing_prepare(struct workshop *w, const struct image *image, const struct outgoing_wish *wish,
		     struct outgoing *out, struct error **err)
{
	struct store *store = workshop_store(w);
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);

	int rc = blob_read(store, &image->entry.manifest.digest, MANIFEST_SIZE_MAX, &text, err);
	if (rc >= 0)
		rc = outgoing_read(text.data, text.len, "manifest", out, err);
	if (rc >= 0)
		rc = pack_layers(w, image, wish, out, err);
	if (rc >= 0)
		rc = outgoing_set_format(out, wish->format, &image->config, store, err);
	return rc < 0 ? rc : outgoing_finish(out, err);
}
