/*
 * The blob of a layer, for push and save: one that is known and there, or made now. A layer that was committed here is
 * packed from its tree, which gives its diff_id again; one from a foreign tar comes only out of one of its blobs, whose
 * tar is then packed anew.
 */
#include "imagefmt/layer_internal.h"

#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "imagefmt/blob.h"
#include "imagefmt/codec.h"
#include "imagefmt/transcode.h"

/* A recorded blob that is in the store and serves; NULL when there is none. */
static const struct layer_blob *find_blob(struct store *store, const struct layer_record *record,
					  const struct codec_recipe *recipe, bool force)
{
	for (size_t i = 0; i < record->blob_count; i++) {
		const struct layer_blob *blob = &record->blobs[i];
		if (blob->codec != recipe->codec || (force && strcmp(blob->made_by, recipe->name) != 0))
			continue;
		if (blob_exists(store, &blob->digest, NULL))
			return blob;
	}
	return NULL;
}

static const struct layer_blob *any_blob(struct store *store, const struct layer_record *record)
{
	for (size_t i = 0; i < record->blob_count; i++)
		if (blob_exists(store, &record->blobs[i].digest, NULL))
			return &record->blobs[i];
	return NULL;
}

static int pack_layer(struct store *store, const struct layer_record *record, const struct codec_recipe *recipe,
		      const struct blob_watch *watch, struct layer_blob *made, struct error **err)
{
	cleanup(owner_table_done) struct owner_table owners = {0};
	cleanup(blob_writer_free) struct blob_writer *writer = NULL;
	struct pack_result result;
	struct pack_blob blob;
	const struct pack_want want = {.diff_id = record->diff_id, .size = record->size, .crc = record->crc};
	cleanup_close int fs = layer_open(store, &record->diff_id, err);
	int rc = fs < 0 ? fs : layer_load_owners(store, &record->diff_id, &owners, err);

	if (rc == 0)
		rc = blob_writer_new(store, /* want */ NULL, BLOB_SIZE_UNKNOWN, &writer, err);
	if (rc < 0)
		return rc;
	blob_writer_watch(writer, watch);
	rc = pack_into_blob(writer, fs, &owners, recipe, &want, &result, &blob, err);
	if (rc < 0)
		return rc;
	made->digest = blob.digest;
	made->size = blob.size;
	return 0;
}

static int make_blob(struct store *store, const struct layer_record *record, const struct codec_recipe *recipe,
		     const struct blob_watch *watch, struct layer_blob *made, struct error **err)
{
	const struct layer_blob *other = any_blob(store, record);
	char text[DIGEST_TEXT_SIZE];
	int rc;

	made->codec = recipe->codec;
	made->made_by = mem_strdup(recipe->name);
	if (record->recipe == PACK_RECIPE)
		rc = pack_layer(store, record, recipe, watch, made, err);
	else if (other != NULL)
		rc = blob_transcode(store, &other->digest, other->codec, &record->diff_id, recipe, &made->digest,
				    &made->size, err);
	else
		return error_set(err, ENOENT, "layer %s: the store has no blob of it (pull the image again)",
				 digest_format(&record->diff_id, text));
	return rc < 0 ? error_prefix(err, "layer %s", digest_format(&record->diff_id, text)) : 0;
}

static bool add_blob(struct layer_record *record, const void *context)
{
	return layer_record_add_blob(record, context);
}

int layer_add_blob(struct store *store, const struct digest *diff_id, const struct layer_blob *blob, struct error **err)
{
	return layer_change_record(store, diff_id, add_blob, blob, err);
}

bool layer_find_blob(struct store *store, const struct digest *diff_id, enum codec codec, int level, bool force,
		     struct descriptor *blob)
{
	cleanup(layer_record_done) struct layer_record record = {0};
	struct codec_recipe recipe;

	if (layer_load_record(store, diff_id, &record, NULL) < 0 || codec_recipe_init(codec, level, &recipe, NULL) < 0)
		return false;
	const struct layer_blob *found = find_blob(store, &record, &recipe, force);
	if (found == NULL)
		return false;
	blob->digest = found->digest;
	blob->size = found->size;
	return true;
}

bool layer_recall_blob(struct store *store, const struct digest *diff_id, enum codec codec, int level,
		       struct descriptor *blob)
{
	cleanup(layer_record_done) struct layer_record record = {0};
	struct codec_recipe recipe;

	if (layer_load_record(store, diff_id, &record, NULL) < 0 || record.recipe != PACK_RECIPE ||
	    codec_recipe_init(codec, level, &recipe, NULL) < 0)
		return false;
	for (size_t i = 0; i < record.blob_count; i++) {
		if (record.blobs[i].codec != codec || strcmp(record.blobs[i].made_by, recipe.name) != 0)
			continue;
		blob->digest = record.blobs[i].digest;
		blob->size = record.blobs[i].size;
		return true;
	}
	return false;
}

int layer_make_blob(struct store *store, const struct digest *diff_id, enum codec codec, int level, bool force,
		    const struct blob_watch *watch, struct layer_blob *blob, struct error **err)
{
	cleanup(layer_record_done) struct layer_record record = {0};
	cleanup(layer_blob_done) struct layer_blob made = {0};
	struct codec_recipe recipe;
	int rc = layer_load_record(store, diff_id, &record, err);

	if (rc == 0)
		rc = codec_recipe_init(codec, level, &recipe, err);
	if (rc < 0)
		return rc;
	const struct layer_blob *known = find_blob(store, &record, &recipe, force);
	if (known != NULL) {
		layer_blob_copy(blob, known);
		return 0;
	}
	rc = make_blob(store, &record, &recipe, watch, &made, err);
	if (rc == 0)
		rc = layer_add_blob(store, diff_id, &made, err);
	if (rc < 0)
		return rc;
	*blob = made;
	made = (struct layer_blob){0};
	return 0;
}
