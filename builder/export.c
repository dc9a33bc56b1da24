/*
 * Images going out. What came from elsewhere goes as it came, bit for bit, unless something has to be different;
 * layers that were committed here get their blob now.
 */
#include "builder/acquire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/parse.h"
#include "imagefmt/blob.h"
#include "imagefmt/layer.h"
#include "imagefmt/transport.h"
#include "registry/docker.h"

/* What goes out: a copy of the image's manifest that is changed on the way. */
struct outgoing {
	struct manifest manifest;
	struct buf text;
	bool changed;
};

static void outgoing_done(struct outgoing *out)
{
	manifest_done(&out->manifest);
	buf_done(&out->text);
}
CLEANUP_FOR_VALUE(struct outgoing, outgoing_done)

/* ---- layers ---- */

struct layer_plan {
	const struct image *image;
	const struct export_options *options;
	enum codec codec; /* for layers that are packed now */
	bool *pack;	  /* for each layer: whether it is */
};

static int plan_layers(struct workshop *w, enum image_format format, struct layer_plan *plan, bool *any,
		       struct error **err)
{
	const struct manifest *m = &plan->image->manifest;

	if (format == FORMAT_DOCKER && plan->codec == CODEC_ZSTD)
		return error_set(
			err, EINVAL,
			"Docker's image format has no zstd layers; use --format oci, or --compression-format gzip");
	for (size_t i = 0; i < m->layer_count; i++) {
		enum codec codec;
		uint64_t size;
		int rc = layer_codec(m->layers[i].media_type, &codec, err);
		if (rc < 0)
			return rc;
		bool fits = codec == plan->codec || (codec != CODEC_NONE && !plan->options->force_compression);
		if (codec == CODEC_ZSTD && format == FORMAT_DOCKER)
			fits = false;
		plan->pack[i] = !fits || !blob_exists(workshop_store(w), &m->layers[i].digest, &size);
		*any |= plan->pack[i];
	}
	return 0;
}

/* Packs, inside; answers with a line "index digest size" for each layer. */
static int pack_task(struct workshop *w, void *context, struct buf *result, struct error **err)
{
	const struct layer_plan *plan = context;
	const struct image_config *config = &plan->image->config;

	for (size_t i = 0; i < config->diff_id_count; i++) {
		cleanup(layer_blob_done) struct layer_blob blob = {0};
		char digest[DIGEST_TEXT_SIZE];
		if (!plan->pack[i])
			continue;
		int rc = layer_make_blob(workshop_store(w), &config->diff_ids[i], plan->codec, plan->options->level,
					 plan->options->force_compression, &blob, err);
		if (rc < 0)
			return rc;
		buf_printf(result, "%zu %s %llu\n", i, digest_format(&blob.digest, digest),
			   (unsigned long long)blob.size);
	}
	return 0;
}

static int take_packed(const char *line, enum image_format format, enum codec codec, struct manifest *m,
		       struct error **err)
{
	cleanup(strlist_done) struct strlist words = {0};
	uint64_t index;

	strlist_split(&words, line, ' ');
	if (words.count != 3)
		return error_set(err, EIO, "the worker's answer cannot be read");
	int rc = parse_u64(words.items[0], m->layer_count - 1, "layer", &index, err);
	if (rc < 0)
		return rc;
	struct descriptor *layer = &m->layers[index];
	rc = digest_parse(words.items[1], &layer->digest, err);
	if (rc >= 0)
		rc = parse_u64(words.items[2], INT64_MAX, "size", &layer->size, err);
	mem_replace(&layer->media_type, layer_media_type(format, codec));
	return rc;
}

static int pack_layers(struct workshop *w, const struct image *image, enum image_format format, enum codec codec,
		       const struct export_options *options, struct outgoing *out, struct error **err)
{
	cleanup_free bool *pack = mem_alloc((image->manifest.layer_count + 1) * sizeof(*pack));
	struct layer_plan plan = {image, options, codec, pack};
	cleanup(buf_done) struct buf answer = BUF_INIT((size_t)1 << 20);
	cleanup(strlist_done) struct strlist lines = {0};
	bool any = false;

	int rc = plan_layers(w, format, &plan, &any, err);
	if (rc < 0 || !any)
		return rc;
	rc = workshop_call(w, pack_task, &plan, &answer, err);
	if (rc < 0)
		return rc;
	strlist_split(&lines, buf_str(&answer), '\n');
	for (size_t i = 0; rc >= 0 && i < lines.count; i++) {
		if (*lines.items[i])
			rc = take_packed(lines.items[i], format, codec, &out->manifest, err);
	}
	out->changed = true;
	return rc;
}

/* ---- format ---- */

static int change_format(struct workshop *w, const struct image *image, enum image_format format, struct outgoing *out,
			 struct error **err)
{
	struct manifest *m = &out->manifest;
	cleanup(buf_done) struct buf text = BUF_INIT(CONFIG_SIZE_MAX);

	if (m->format == format)
		return 0;
	image_config_format(&image->config, format, &text);
	int rc = blob_put(workshop_store(w), text.data, text.len, &m->config.digest, err);
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

static enum image_format wanted_format(const struct image *image, enum transport transport,
				       const struct export_options *options)
{
	if (transport == TRANSPORT_DOCKER_ARCHIVE)
		return FORMAT_DOCKER;
	if (transport == TRANSPORT_OCI || transport == TRANSPORT_OCI_ARCHIVE)
		return FORMAT_OCI;
	return options->has_format ? options->format : image->manifest.format;
}

/* ---- sending ---- */

static int send_image(struct workshop *w, struct image_sink *sink, struct outgoing *out, struct digest *digest,
		      struct error **err)
{
	const struct manifest *m = &out->manifest;
	cleanup_free const struct descriptor **blobs = mem_alloc((m->layer_count + 1) * sizeof(*blobs));
	size_t count = 0;

	for (size_t i = 0; i < m->layer_count; i++) {
		size_t k = 0;
		while (k < count && !digest_equal(&blobs[k]->digest, &m->layers[i].digest))
			k++;
		if (k == count)
			blobs[count++] = &m->layers[i];
	}
	blobs[count++] = &m->config;
	int rc = image_sink_send(sink, blobs, count, workshop_store(w), err);
	if (rc >= 0)
		rc = image_sink_manifest(sink, out->text.data, out->text.len, manifest_media_type(m), /* top */ true,
					 err);
	if (rc >= 0)
		rc = image_sink_commit(sink, err);
	if (rc >= 0)
		rc = digest_of(out->text.data, out->text.len, digest, err);
	return rc;
}

static int open_sink(struct workshop *w, const struct location *location, const struct export_options *options,
		     struct registry_client **client, struct image_sink **sink, struct error **err)
{
	if (location->transport != TRANSPORT_DOCKER)
		return image_sink_open_local(location, workshop_store(w), sink, err);
	int rc = registry_client_new(&options->registry, client, err);
	return rc < 0 ? rc : registry_sink_open(*client, &location->ref, sink, err);
}

/* The manifest as it will be sent. */
static int prepare(struct workshop *w, const struct image *image, const struct location *location,
		   const struct export_options *options, struct outgoing *out, struct error **err)
{
	enum image_format format = wanted_format(image, location->transport, options);
	enum codec codec = options->has_codec ? options->codec : transport_default_codec(location->transport);

	int rc = blob_read(workshop_store(w), &image->entry.manifest.digest, MANIFEST_SIZE_MAX, &out->text, err);
	if (rc >= 0)
		rc = manifest_parse(out->text.data, out->text.len, "manifest", &out->manifest, err);
	if (rc >= 0)
		rc = pack_layers(w, image, format, codec, options, out, err);
	if (rc >= 0)
		rc = change_format(w, image, format, out, err);
	if (rc < 0 || !out->changed)
		return rc;
	buf_clear(&out->text);
	manifest_format(&out->manifest, &out->text);
	return out->text.overflow ? error_set(err, EFBIG, "the image's manifest is too large") : 0;
}

static int name_in_store(struct workshop *w, const struct image *image, const char *text, struct digest *digest,
			 struct error **err)
{
	cleanup_free char *name = NULL;
	int rc = reference_local_name(text, &name, err);

	if (rc >= 0)
		rc = images_add(workshop_store(w), &image->entry.manifest, &image->entry.id, image->entry.created, name,
				err);
	if (rc >= 0)
		*digest = image->entry.manifest.digest;
	return rc;
}

/* A plain name is a registry's; without a registry it is Docker Hub's, as for all of Docker's tools. */
static int parse_destination(const char *text, struct location *location, struct error **err)
{
	if (location_has_transport(text))
		return location_parse(text, location, err);
	cleanup_free char *full = mem_printf("docker://%s", text);
	return location_parse(full, location, err);
}

int export_image(struct workshop *w, const struct image *image, const char *destination,
		 const struct export_options *options, struct digest *digest, struct error **err)
{
	cleanup(location_done) struct location location = {0};
	cleanup(outgoing_done) struct outgoing out = {.text = BUF_INIT(MANIFEST_SIZE_MAX)};
	cleanup(registry_client_free) struct registry_client *client = NULL;
	cleanup(image_sink_close) struct image_sink *sink = NULL;

	int rc = parse_destination(destination, &location, err);
	if (rc < 0)
		return rc;
	if (location.transport == TRANSPORT_DOCKER_ARCHIVE && options->has_format && options->format == FORMAT_OCI)
		return error_set(err, EINVAL, "a docker-archive holds Docker's format only");
	if ((location.transport == TRANSPORT_OCI || location.transport == TRANSPORT_OCI_ARCHIVE) &&
	    options->has_format && options->format == FORMAT_DOCKER)
		return error_set(err, EINVAL, "an OCI layout holds the OCI format only");
	if (location.transport == TRANSPORT_STORE)
		return name_in_store(w, image, location.name, digest, err);
	/* Else who loads the archive could only call the image by its id. */
	if (location.transport == TRANSPORT_DOCKER_ARCHIVE && !location.name && image->entry.names.count)
		location.name = mem_strdup(image->entry.names.items[0]);
	cleanup_close int hold = store_hold(workshop_store(w), err);
	if (hold < 0)
		return hold;
	/* Opened first: a place that cannot be written to is told before an hour of compressing. */
	rc = open_sink(w, &location, options, &client, &sink, err);
	if (rc >= 0)
		rc = workshop_idmap(w, /* map */ NULL, err);
	if (rc >= 0)
		rc = prepare(w, image, &location, options, &out, err);
	if (rc >= 0)
		rc = send_image(w, sink, &out, digest, err);
	return rc;
}
