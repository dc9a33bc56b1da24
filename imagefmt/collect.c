/*
 * Garbage: what nothing that has a name leads to. Marks go from the table of images through indexes, manifests and
 * configurations to layers, and from the containers' layers (given by the caller); then all blobs and layers without
 * a mark are removed. The store is held alone meanwhile, so nothing that is on its way to a name can be swept.
 */
#include "imagefmt/images.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "imagefmt/blob.h"
#include "imagefmt/images_internal.h"
#include "imagefmt/layer.h"
#include "imagefmt/mediatype.h"

#define INDEX_DEPTH_MAX 4

/* ---- Sets of digests ---- */

struct digest_set {
	struct digest *items;
	size_t count;
	size_t cap;
	bool sorted;
};

static void digest_set_done(struct digest_set *set)
{
	free(set->items);
	*set = (struct digest_set){0};
}

static void digest_set_add(struct digest_set *set, const struct digest *digest)
{
	if (set->count == set->cap) {
		set->cap = set->cap ? 2 * set->cap : 64;
		set->items = mem_grow(set->items, set->cap, sizeof(*set->items));
	}
	set->items[set->count++] = *digest;
	set->sorted = false;
}

static int compare_digests(const void *a, const void *b)
{
	return digest_compare(a, b);
}

static bool digest_set_has(struct digest_set *set, const struct digest *digest)
{
	if (set->count == 0)
		return false;
	if (!set->sorted)
		qsort(set->items, set->count, sizeof(*set->items), compare_digests);
	set->sorted = true;
	return bsearch(digest, set->items, set->count, sizeof(*set->items), compare_digests) != NULL;
}

/* ---- Marking ---- */

struct marks {
	struct store *store;
	struct digest_set blobs;
	struct digest_set layers;
};

static void marks_done(struct marks *marks)
{
	digest_set_done(&marks->blobs);
	digest_set_done(&marks->layers);
}
CLEANUP_FOR_VALUE(struct marks, marks_done)

/* Reads a document that a mark leads to. 0 with `text` empty when it is not here: of a list only what was asked for is
 * pulled. Any other trouble ends the collection, because what the document names could not be kept. */
static int read_marked(struct store *store, const struct digest *digest, size_t max, struct buf *text,
		       struct error **err)
{
	if (!blob_exists(store, digest, NULL))
		return 0;
	return blob_read(store, digest, max, text, err);
}

static int mark_config(struct marks *marks, const struct descriptor *d, struct error **err)
{
	digest_set_add(&marks->blobs, &d->digest);
	if (!media_type_is_config(d->media_type))
		return 0;
	cleanup(buf_done) struct buf text = BUF_INIT(CONFIG_SIZE_MAX);
	int rc = read_marked(marks->store, &d->digest, CONFIG_SIZE_MAX, &text, err);
	if (rc < 0 || text.len == 0)
		return rc;
	cleanup(image_config_done) struct image_config config = {0};
	rc = image_config_parse(text.data, text.len, "configuration", &config, err);
	for (size_t i = 0; rc == 0 && i < config.diff_id_count; i++)
		digest_set_add(&marks->layers, &config.diff_ids[i]);
	return rc;
}

static int mark_manifest(struct marks *marks, const struct buf *text, struct error **err)
{
	cleanup(manifest_done) struct manifest m = {0};
	int rc = manifest_parse(text->data, text->len, "manifest", &m, err);
	if (rc < 0)
		return rc;
	/* A locally built image names its layers by diff_id: no blob may have that name, which does no harm. */
	for (size_t i = 0; i < m.layer_count; i++)
		digest_set_add(&marks->blobs, &m.layers[i].digest);
	return mark_config(marks, &m.config, err);
}

static int mark_descriptor(struct marks *marks, const struct descriptor *d, int depth, struct error **err);

static int mark_index(struct marks *marks, const struct buf *text, int depth, struct error **err)
{
	cleanup(image_index_done) struct image_index index = {0};
	int rc = image_index_parse(text->data, text->len, "index", &index, err);
	for (size_t i = 0; rc == 0 && i < index.manifest_count; i++)
		rc = mark_descriptor(marks, &index.manifests[i], depth + 1, err);
	return rc;
}

static int mark_descriptor(struct marks *marks, const struct descriptor *d, int depth, struct error **err)
{
	const struct media_kind *known = media_kind(d->media_type);
	digest_set_add(&marks->blobs, &d->digest);
	if (!known)
		return 0;
	if (depth > INDEX_DEPTH_MAX)
		return error_set(err, EINVAL, "indexes within indexes, more than %d deep", INDEX_DEPTH_MAX);
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	int rc = read_marked(marks->store, &d->digest, MANIFEST_SIZE_MAX, &text, err);
	if (rc < 0 || text.len == 0)
		return rc;
	return known->kind == MANIFEST_INDEX ? mark_index(marks, &text, depth, err) : mark_manifest(marks, &text, err);
}

static int mark_table(struct marks *marks, struct error **err)
{
	cleanup(image_index_done) struct image_index table = {0};
	int rc = images_load_table(marks->store, &table, err);
	for (size_t i = 0; rc == 0 && i < table.manifest_count; i++) {
		const struct descriptor *d = &table.manifests[i];
		char digest[DIGEST_TEXT_SIZE];
		rc = mark_descriptor(marks, d, 0, err);
		if (rc < 0)
			error_prefix(err, "image %s",
				     images_name_of(d) ? images_name_of(d) : digest_format(&d->digest, digest));
	}
	return rc;
}

int images_layers(struct store *store, struct digest **diff_ids, size_t *count, struct error **err)
{
	cleanup(marks_done) struct marks marks = {.store = store};
	int rc = mark_table(&marks, err);

	if (rc < 0)
		return rc;
	*diff_ids = mem_grow(*diff_ids, *count + marks.layers.count + 1, sizeof(**diff_ids));
	for (size_t i = 0; i < marks.layers.count; i++)
		(*diff_ids)[(*count)++] = marks.layers.items[i];
	return 0;
}

/* The blobs that a kept layer is known to be packed in save packing it again. */
static void mark_blobs_of_layers(struct marks *marks)
{
	for (size_t i = 0; i < marks->layers.count; i++) {
		cleanup(layer_record_done) struct layer_record record = {0};
		/* No record: the layer is not unpacked, or not readable, and the manifest has marked its blob. */
		if (layer_load_record(marks->store, &marks->layers.items[i], &record, NULL) < 0)
			continue;
		for (size_t k = 0; k < record.blob_count; k++)
			digest_set_add(&marks->blobs, &record.blobs[k].digest);
	}
}

/* ---- Sweeping ---- */

static int sweep_blob(struct marks *marks, const struct digest *digest, struct images_collected *collected,
		      struct error **err)
{
	uint64_t size = 0;
	char hex[DIGEST_HEX_SIZE];
	if (digest_set_has(&marks->blobs, digest) || !blob_exists(marks->store, digest, &size))
		return 0;
	int rc = blob_remove(marks->store, digest, err);
	if (rc < 0)
		return rc;
	collected->blobs++;
	collected->bytes += size;
	store_forget_lock(marks->store, "blob", digest_hex(digest, hex));
	return 0;
}

static int sweep_blobs(struct marks *marks, enum digest_algorithm algorithm, struct images_collected *collected,
		       struct error **err)
{
	const char *name = digest_algorithm_name(algorithm);
	cleanup_free char *folder = mem_printf("blobs/%s", name);
	int oci = store_folder(marks->store, STORE_OCI, err);
	if (oci < 0)
		return oci;
	int fd = openat(oci, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		int rc = error_set_errno(err, "read '%s'", folder);
		fd_close(fd);
		return rc;
	}
	int rc = 0;
	for (struct dirent *entry; rc == 0 && (entry = readdir(dir));) {
		cleanup_free char *text = mem_printf("%s:%s", name, entry->d_name);
		struct digest digest;
		if (digest_parse(text, &digest, NULL) == 0) /* what is no blob is not ours to remove */
			rc = sweep_blob(marks, &digest, collected, err);
	}
	closedir(dir);
	return rc;
}

static int sweep_layers(struct marks *marks, struct images_collected *collected, struct error **err)
{
	cleanup_free struct digest *all = NULL;
	size_t count = 0;
	int rc = layer_list(marks->store, &all, &count, err);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		if (digest_set_has(&marks->layers, &all[i]))
			continue;
		rc = layer_remove(marks->store, &all[i], err);
		if (rc == 0)
			collected->layers++;
	}
	return rc;
}

int images_collect(struct store *store, const struct digest *kept, size_t kept_count, enum lock_wait wait,
		   struct images_collected *collected, struct error **err)
{
	struct images_collected total = {0};
	cleanup_close int alone = store_hold_alone(store, wait, err);
	if (alone < 0)
		return alone;

	cleanup(marks_done) struct marks marks = {.store = store};
	for (size_t i = 0; i < kept_count; i++)
		digest_set_add(&marks.layers, &kept[i]);
	int rc = mark_table(&marks, err);
	if (rc < 0)
		return error_prefix(err, "nothing is removed");
	mark_blobs_of_layers(&marks);

	/* Layers first: a layer without its blob can be made again or is whole, a blob without its layer likewise; but
	 * a record that names a blob which is gone would be wrong. */
	rc = sweep_layers(&marks, &total, err);
	if (rc == 0)
		rc = sweep_blobs(&marks, DIGEST_SHA256, &total, err);
	if (rc == 0)
		rc = sweep_blobs(&marks, DIGEST_SHA512, &total, err);
	if (rc == 0 && collected)
		*collected = total;
	return rc;
}
