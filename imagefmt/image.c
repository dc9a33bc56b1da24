/* An image of the store, read: its manifest and its configuration, checked against each other. */
#include "imagefmt/images.h"

#include <errno.h>

#include "imagefmt/blob.h"
#include "imagefmt/image_note.h"
#include "imagefmt/mediatype.h"

void image_done(struct image *image)
{
	image_entry_done(&image->entry);
	manifest_done(&image->manifest);
	image_config_done(&image->config);
	image->size = 0;
	image->sums = (struct image_sums){0};
}

static int load_config(struct store *store, struct image *image, struct error **err)
{
	char digest[DIGEST_TEXT_SIZE];
	const struct descriptor *config = &image->manifest.config;
	cleanup(buf_done) struct buf text = BUF_INIT(CONFIG_SIZE_MAX);
	int rc = blob_read(store, &config->digest, CONFIG_SIZE_MAX, &text, err);
	if (rc < 0)
		return rc;
	image->sums.config = blob_sum(text.data, text.len);
	cleanup_free char *what = mem_printf("configuration %s", digest_format(&config->digest, digest));
	rc = image_config_parse(text.data ? text.data : "", text.len, what, &image->config, err);
	if (rc < 0)
		return rc;
	if (image->config.diff_id_count != image->manifest.layer_count)
		return error_set(err, EINVAL, "%s names %zu layers, its manifest %zu", what,
				 image->config.diff_id_count, image->manifest.layer_count);
	return 0;
}

static int load_manifest(struct store *store, struct image *image, struct error **err)
{
	char digest[DIGEST_TEXT_SIZE];
	const struct descriptor *d = &image->entry.manifest;
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	int rc = blob_read(store, &d->digest, MANIFEST_SIZE_MAX, &text, err);
	if (rc < 0)
		return rc;
	image->sums.manifest = blob_sum(text.data, text.len);
	/* What it is was made sure of when it came into the store; to ask again is to parse it twice. */
	const struct media_kind *known = media_kind(d->media_type);
	enum manifest_kind kind = known ? known->kind : MANIFEST_IMAGE;
	rc = known ? 0 : manifest_kind(text.data ? text.data : "", text.len, d->media_type, &kind, err);
	if (rc < 0)
		return rc;
	if (kind == MANIFEST_INDEX)
		return error_set(err, EINVAL, "this is a list of images, not an image");
	cleanup_free char *what = mem_printf("manifest %s", digest_format(&d->digest, digest));
	return manifest_parse(text.data, text.len, what, &image->manifest, err);
}

static int load_documents(struct store *store, struct image *image, struct error **err)
{
	const struct descriptor *manifest = &image->entry.manifest;
	if (image_note_read(store, manifest, &image->manifest, &image->config, &image->sums))
		return 0;
	int rc = load_manifest(store, image, err);
	if (rc == 0)
		rc = load_config(store, image, err);
	if (rc == 0)
		image_note_write(store, &manifest->digest, &image->manifest, &image->config, FORMAT_DOCKER,
				 &image->sums);
	return rc;
}

int image_read_manifest(struct store *store, const struct image *image, struct buf *text, struct error **err)
{
	return blob_read_again(store, &image->entry.manifest.digest, image->sums.manifest, MANIFEST_SIZE_MAX, text,
			       err);
}

int image_read_config(struct store *store, const struct image *image, struct buf *text, struct error **err)
{
	return blob_read_again(store, &image->manifest.config.digest, image->sums.config, CONFIG_SIZE_MAX, text, err);
}

int image_load(struct store *store, struct image_entry *entry, struct image *image, struct error **err)
{
	cleanup(image_done) struct image loaded = {.entry = *entry};
	*entry = (struct image_entry){0};
	int rc = load_documents(store, &loaded, err);
	if (rc < 0) {
		char hex[DIGEST_HEX_SIZE];
		digest_hex(&loaded.entry.id, hex);
		if (loaded.entry.names.count > 0)
			return error_prefix(err, "image '%s'", loaded.entry.names.items[0]);
		return error_prefix(err, "image %.12s", hex);
	}
	for (size_t i = 0; i < loaded.manifest.layer_count; i++) {
		if (__builtin_add_overflow(loaded.size, loaded.manifest.layers[i].size, &loaded.size))
			loaded.size = UINT64_MAX;
	}
	image_done(image);
	*image = loaded;
	loaded = (struct image){0};
	return 0;
}
