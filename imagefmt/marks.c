/* From a descriptor to all that it leads to. */
#include "imagefmt/marks.h"

#include <errno.h>
#include <stdlib.h>

#include "imagefmt/blob.h"
#include "imagefmt/config.h"
#include "imagefmt/image_note.h"
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
static int read_marked(struct marks *marks, const struct digest *digest, size_t max, struct buf *text,
		       struct error **err)
{
	if (blob_exists(marks->store, digest, NULL))
		return blob_read(marks->store, digest, max, text, err);
	marks->lacks_some = true;
	return 0;
}

static void add_pairs(struct marks *marks, const struct manifest *m, const struct image_config *config)
{
	marks->pairs = mem_grow(marks->pairs, marks->pair_count + m->layer_count + 1, sizeof(*marks->pairs));
	for (size_t i = 0; i < m->layer_count; i++)
		marks->pairs[marks->pair_count++] =
			(struct layer_pair){.diff_id = config->diff_ids[i], .blob = m->layers[i].digest};
}

static void mark_config(struct marks *marks, const struct manifest *m, const struct image_config *config)
{
	for (size_t i = 0; i < config->diff_id_count; i++)
		digest_set_add(&marks->layers, &config->diff_ids[i]);
	if (config->diff_id_count == m->layer_count)
		add_pairs(marks, m, config);
}

static int read_config(struct marks *marks, const struct manifest *m, struct image_config *config, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(CONFIG_SIZE_MAX);
	if (!media_type_is_config(m->config.media_type))
		return 0;
	int rc = read_marked(marks, &m->config.digest, CONFIG_SIZE_MAX, &text, err);
	return rc < 0 || text.len == 0 ? rc : image_config_parse(text.data, text.len, "configuration", config, err);
}

static void mark_manifest(struct marks *marks, const struct manifest *m)
{
	/* A locally built image names its layers by diff_id: no blob may have that name, which does no harm. */
	for (size_t i = 0; i < m->layer_count; i++) {
		digest_set_add(&marks->blobs, &m->layers[i].digest);
		if (__builtin_add_overflow(marks->layer_size, m->layers[i].size, &marks->layer_size))
			marks->layer_size = UINT64_MAX;
	}
	digest_set_add(&marks->blobs, &m->config.digest);
}

static int mark_image(struct marks *marks, const struct descriptor *d, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	cleanup(manifest_done) struct manifest m = {0};
	cleanup(image_config_done) struct image_config config = {0};
	int rc = 0;
	if (!image_note_read(marks->store, d, &m, &config, /* sums */ NULL)) {
		rc = read_marked(marks, &d->digest, MANIFEST_SIZE_MAX, &text, err);
		if (rc < 0 || text.len == 0)
			return rc;
		rc = manifest_parse(text.data, text.len, "manifest", &m, err);
		if (rc == 0)
			rc = read_config(marks, &m, &config, err);
	}
	if (rc < 0)
		return rc;
	mark_manifest(marks, &m);
	mark_config(marks, &m, &config);
	return 0;
}

static int mark_descriptor(struct marks *marks, const struct descriptor *d, int depth, struct error **err);

static int mark_index(struct marks *marks, const struct descriptor *d, int depth, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	cleanup(image_index_done) struct image_index index = {0};
	int rc = read_marked(marks, &d->digest, MANIFEST_SIZE_MAX, &text, err);
	if (rc < 0 || text.len == 0)
		return rc;
	rc = image_index_parse(text.data, text.len, "index", &index, err);
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
	return known->kind == MANIFEST_INDEX ? mark_index(marks, d, depth, err) : mark_image(marks, d, err);
}

int marks_add(struct marks *marks, const struct descriptor *d, struct error **err)
{
	return mark_descriptor(marks, d, 0, err);
}
