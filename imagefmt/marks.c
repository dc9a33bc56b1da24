/* From a descriptor to all that it leads to. */
#include "imagefmt/marks.h"

#include <errno.h>
#include <stdlib.h>

#include "imagefmt/blob.h"
#include "imagefmt/config.h"
#include "imagefmt/mediatype.h"

#define INDEX_DEPTH_MAX 4

/* ---- sets of digests ---- */

void digest_set_done(struct digest_set *set)
{
	free(set->items);
	*set = (struct digest_set){0};
}

void digest_set_add(struct digest_set *set, const struct digest *digest)
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

void digest_set_sort(struct digest_set *set)
{
	if (!set->sorted && set->count > 1)
		qsort(set->items, set->count, sizeof(*set->items), compare_digests);
	set->sorted = true;
}

bool digest_set_has(struct digest_set *set, const struct digest *digest)
{
	if (set->count == 0)
		return false;
	digest_set_sort(set);
	return bsearch(digest, set->items, set->count, sizeof(*set->items), compare_digests) != NULL;
}

/* ---- marking ---- */

void marks_done(struct marks *marks)
{
	digest_set_done(&marks->blobs);
	digest_set_done(&marks->layers);
	free(marks->pairs);
	*marks = (struct marks){.store = marks->store};
}

/* Reads a document that a mark leads to. 0 with `text` empty when it is not here. */
static int read_marked(struct store *store, const struct digest *digest, size_t max, struct buf *text,
		       struct error **err)
{
	if (!blob_exists(store, digest, NULL))
		return 0;
	return blob_read(store, digest, max, text, err);
}

static void add_pairs(struct marks *marks, const struct manifest *m, const struct image_config *config)
{
	marks->pairs = mem_grow(marks->pairs, marks->pair_count + m->layer_count + 1, sizeof(*marks->pairs));
	for (size_t i = 0; i < m->layer_count; i++)
		marks->pairs[marks->pair_count++] =
			(struct layer_pair){.diff_id = config->diff_ids[i], .blob = m->layers[i].digest};
}

static int mark_config(struct marks *marks, const struct manifest *m, struct error **err)
{
	digest_set_add(&marks->blobs, &m->config.digest);
	if (!media_type_is_config(m->config.media_type))
		return 0;
	cleanup(buf_done) struct buf text = BUF_INIT(CONFIG_SIZE_MAX);
	int rc = read_marked(marks->store, &m->config.digest, CONFIG_SIZE_MAX, &text, err);
	if (rc < 0 || text.len == 0)
		return rc;
	cleanup(image_config_done) struct image_config config = {0};
	rc = image_config_parse(text.data, text.len, "configuration", &config, err);
	for (size_t i = 0; rc == 0 && i < config.diff_id_count; i++)
		digest_set_add(&marks->layers, &config.diff_ids[i]);
	if (rc == 0 && config.diff_id_count == m->layer_count)
		add_pairs(marks, m, &config);
	return rc;
}

static int mark_manifest(struct marks *marks, const struct buf *text, struct error **err)
{
	cleanup(manifest_done) struct manifest m = {0};
	int rc = manifest_parse(text->data, text->len, "manifest", &m, err);
	if (rc < 0)
		return rc;
	/* A locally built image names its layers by diff_id: no blob may have that name, which does no harm. */
	for (size_t i = 0; i < m.layer_count; i++) {
		digest_set_add(&marks->blobs, &m.layers[i].digest);
		if (__builtin_add_overflow(marks->layer_size, m.layers[i].size, &marks->layer_size))
			marks->layer_size = UINT64_MAX;
	}
	return mark_config(marks, &m, err);
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
	marks->has_index |= known->kind == MANIFEST_INDEX;
	if (depth > INDEX_DEPTH_MAX)
		return error_set(err, EINVAL, "indexes within indexes, more than %d deep", INDEX_DEPTH_MAX);
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	int rc = read_marked(marks->store, &d->digest, MANIFEST_SIZE_MAX, &text, err);
	if (rc < 0 || text.len == 0)
		return rc;
	return known->kind == MANIFEST_INDEX ? mark_index(marks, &text, depth, err) : mark_manifest(marks, &text, err);
}

int marks_add(struct marks *marks, const struct descriptor *d, struct error **err)
{
	return mark_descriptor(marks, d, 0, err);
}
