/*
 * One image: what must be different at the destination is settled first, before a byte is moved; then layers,
 * configuration, manifest.
 *
 * Two kinds of images. Those of the store may have layers without a blob, which a worker packs (outgoing.c); the others
 * have all their blobs at the source, and what must be packed otherwise goes through our hands one layer at a time.
 */
#include "builder/image_copy_internal.h"

#include <errno.h>

#include "base/log.h"
#include "builder/refused.h"
#include "imagefmt/blob.h"
#include "imagefmt/layer.h"

int copier_check_change(const struct copier *c, const char *what, struct error **err)
{
	if (!c->options->preserve_digests)
		return 0;
	return error_set(err, EINVAL,
			 "%s would have to be changed for this destination, and --preserve-digests forbids it", what);
}

int copier_send_document(struct copier *c, const struct buf *text, const char *media_type, bool top,
			 struct copied *copied, struct error **err)
{
	int rc = image_sink_manifest(c->sink, text->data, text->len, media_type, top, err);

	*copied = (struct copied){.media_type = media_type, .size = text->len};
	return rc < 0 ? rc : digest_of(text->data, text->len, &copied->digest, err);
}

void copier_tell_signatures(struct copier *c, const struct buf *text, const struct copied *copied)
{
	cleanup(carried_signatures_done) struct carried_signatures lost = {0};
	char name[DIGEST_TEXT_SIZE];
	struct digest before;

	if (!c->signatures || digest_of(buf_str(text), text->len, &before, NULL) < 0 ||
	    digest_equal(&before, &copied->digest))
		return;
	/* The copy is made; that this cannot be told is no reason to fail. */
	if (signatures_find(c->signatures, &before, &lost, NULL) == 0 && carried_signatures_count(&lost) > 0)
		log_warn("%s had to be changed, its signatures (%zu) are left behind", digest_format(&before, name),
			 carried_signatures_count(&lost));
}

static int wish_for(const struct copier *c, enum image_format format, struct outgoing_wish *wish, struct error **err)
{
	struct export_options options = c->options->export;
	bool is_layout = c->to == TRANSPORT_OCI || c->to == TRANSPORT_OCI_ARCHIVE;

	/* "As it is" means for layers: no codec is better than the one that they have. */
	if (!options.has_codec && (c->options->preserve_digests || (is_layout && c->options->accept_uncompressed))) {
		options.has_codec = true;
		options.codec = CODEC_NONE;
		options.force_compression = false;
	}
	return outgoing_wish(c->to, &options, format, wish, err);
}

/* ---- With all blobs at the source ---- */

/* Also when nothing is to be changed: an image whose documents contradict each other is no image. */
static int read_config(struct copier *c, const struct manifest *m, struct image_config *config, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(CONFIG_SIZE_MAX);
	bool is_here = copier_has_in_store(c, &m->config);
	int rc = is_here ? 0 : copier_fetch(c, &m->config, err);

	if (rc == 0)
		rc = blob_read(is_here ? workshop_store(c->w) : c->work, &m->config.digest, CONFIG_SIZE_MAX, &text,
			       err);
	if (rc == 0)
		rc = image_config_parse(buf_str(&text), text.len, "configuration", config, err);
	if (rc == 0 && config->diff_id_count != m->layer_count)
		rc = error_set(err, EINVAL, "%zu layers in the manifest, %zu in the configuration", m->layer_count,
			       config->diff_id_count);
	return rc;
}

/* Layers that stay as they are, all at once; then those that do not. */
static int move_layers(struct copier *c, struct outgoing *out, const struct outgoing_wish *wish, const bool *pack,
		       const struct image_config *config, struct error **err)
{
	const struct manifest *m = &out->manifest;
	cleanup_free const struct descriptor **kept = mem_alloc((m->layer_count + 1) * sizeof(*kept));
	cleanup(layer_claims_done) struct layer_claims claims = {0};
	size_t count = 0;

	for (size_t i = 0; i < m->layer_count; i++) {
		size_t k = 0;
		while (k < count && !digest_equal(&kept[k]->digest, &m->layers[i].digest))
			k++;
		if (!pack[i] && k == count)
			kept[count++] = &m->layers[i];
		if (!pack[i] && c->checks_layers && config->diff_id_count > 0)
			layer_claims_add(&claims, m, config, i);
	}
	int rc = copier_move_blobs(c, kept, count, &claims, err);
	for (size_t i = 0; rc == 0 && i < m->layer_count; i++)
		if (pack[i])
			rc = copier_move_packed(c, out, i, wish, &config->diff_ids[i], err);
	return rc;
}

static int move_config(struct copier *c, const struct outgoing *out, bool is_new, struct error **err)
{
	const struct descriptor *config = &out->manifest.config;

	return is_new ? copier_send(c, config, err) : copier_move_blobs(c, &config, 1, /* claims */ NULL, err);
}

static int copy_from_source(struct copier *c, const struct buf *text, struct outgoing *out, struct error **err)
{
	cleanup(image_config_done) struct image_config config = {0};
	struct outgoing_wish wish;
	bool any = false;

	int rc = outgoing_read(text->data, text->len, "manifest", out, err);
	if (rc < 0)
		return rc;
	const struct manifest *m = &out->manifest;
	cleanup_free bool *pack = mem_alloc((m->layer_count + 1) * sizeof(*pack));
	bool is_image = manifest_is_image(m);
	if (is_image && m->config.size > CONFIG_SIZE_MAX)
		return error_set(err, EFBIG, "a configuration of %llu bytes is larger than it may be (%zu)",
				 (unsigned long long)m->config.size, CONFIG_SIZE_MAX);
	rc = wish_for(c, m->format, &wish, err);
	if (rc == 0 && is_image)
		rc = outgoing_plan(out, &wish, pack, &any, err);
	bool reformat = m->format != wish.format;
	if (rc == 0 && (any || reformat))
		rc = copier_check_change(c, "the image's manifest", err);
	if (rc == 0 && reformat && !is_image)
		rc = error_set(err, EINVAL, "this is an artifact, whose format cannot be changed");
	if (rc == 0 && is_image)
		rc = read_config(c, m, &config, err);
	if (rc == 0)
		rc = move_layers(c, out, &wish, pack, &config, err);
	if (rc == 0 && reformat)
		rc = outgoing_set_format(out, wish.format, &config, c->work, err);
	if (rc == 0)
		rc = move_config(c, out, reformat, err);
	if (rc < 0 && c->to == TRANSPORT_STORE)
		refused_note(c->w, rc, /* digest */ NULL, m, is_image ? &config : NULL);
	return rc < 0 ? rc : outgoing_finish(out, err);
}

/* ---- From the store ---- */

/* True when each layer is here, as a blob or as a tree that a blob can be made of. */
static bool has_all_layers(struct store *store, const struct image *image)
{
	for (size_t i = 0; i < image->manifest.layer_count; i++) {
		cleanup(layer_record_done) struct layer_record record = {0};
		if (!blob_exists(store, &image->manifest.layers[i].digest, /* size */ NULL) &&
		    layer_load_record(store, &image->config.diff_ids[i], &record, NULL) < 0)
			return false;
	}
	return true;
}

/* False: it is to be taken from the source as images from elsewhere are. */
static bool load_stored(struct copier *c, const struct buf *text, struct image *image)
{
	cleanup(image_entry_done) struct image_entry entry = {0};
	cleanup(manifest_done) struct manifest m = {0};

	if (c->from != TRANSPORT_STORE || manifest_parse(text->data, text->len, "manifest", &m, NULL) < 0 ||
	    !manifest_is_image(&m) || digest_of(text->data, text->len, &entry.manifest.digest, NULL) < 0)
		return false;
	entry.manifest.media_type = mem_strdup(manifest_media_type(&m));
	entry.manifest.size = text->len;
	entry.id = m.config.digest;
	/* What is wrong with it will be said by whoever reads it next. */
	return image_load(workshop_store(c->w), &entry, image, NULL) == 0 &&
	       has_all_layers(workshop_store(c->w), image);
}

/* Layers that have no blob yet go while they are packed. */
static int stream_stored(struct copier *c, const struct image *image, const struct outgoing_wish *wish,
			 struct outgoing *out, struct error **err)
{
	int rc = outgoing_start(c->w, image, wish, c->sink, out, err);
	size_t count = 0;

	if (rc < 0)
		return rc;
	cleanup_free const struct descriptor **blobs = outgoing_blobs(out, &count);
	rc = out->packing ? copier_send_packing(c, out->packing, blobs, count, err)
			  : copier_move_blobs(c, blobs, count, /* claims */ NULL, err);
	return rc < 0 ? rc : outgoing_end(out, wish, err);
}

static int copy_stored(struct copier *c, const struct image *image, struct outgoing *out, struct error **err)
{
	struct outgoing_wish wish;
	struct digest digest;
	size_t count = 0;
	int rc = wish_for(c, image->manifest.format, &wish, err);

	/* Who wants the digest kept is told that it cannot be before anything is sent. */
	if (rc == 0 && !c->options->preserve_digests && image_sink_takes_feed(c->sink))
		return stream_stored(c, image, &wish, out, err);
	if (rc == 0)
		rc = outgoing_prepare(c->w, image, &wish, out, err);
	if (rc == 0)
		rc = digest_of(out->text.data, out->text.len, &digest, err);
	if (rc == 0 && !digest_equal(&digest, &image->entry.manifest.digest))
		rc = copier_check_change(c, "the image's manifest", err);
	if (rc < 0)
		return rc;
	/* All of them are blobs of the store now, which is where the work is done. */
	cleanup_free const struct descriptor **blobs = outgoing_blobs(out, &count);
	return copier_move_blobs(c, blobs, count, /* claims */ NULL, err);
}

int copier_copy_image(struct copier *c, const struct digest *want, const struct buf *text, bool top,
		      struct copied *copied, struct error **err)
{
	cleanup(image_done) struct image image = {0};
	cleanup(outgoing_done) struct outgoing out = OUTGOING_INIT; /* it borrows from the image */
	char name[DIGEST_TEXT_SIZE];
	int rc =
		load_stored(c, text, &image) ? copy_stored(c, &image, &out, err) : copy_from_source(c, text, &out, err);

	if (rc == 0)
		rc = copier_send_document(c, &out.text, manifest_media_type(&out.manifest), top, copied, err);
	if (rc == 0)
		copier_tell_signatures(c, text, copied);
	return rc < 0 && want ? error_prefix(err, "image %s of the list", digest_format(want, name)) : rc;
}
