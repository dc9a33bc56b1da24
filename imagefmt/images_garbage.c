/*
 * Which blobs and layers of removed images nobody else uses. In: images/removed/, the catalogue of the images that are
 * left, the layers that others stand on. Out: they are gone.
 */
#include "imagefmt/images_garbage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "imagefmt/blob.h"
#include "imagefmt/dirlist.h"
#include "imagefmt/images_catalogue.h"
#include "imagefmt/images_internal.h"
#include "imagefmt/layer.h"
#include "imagefmt/layer_pile.h"

void images_garbage_done(struct images_garbage *garbage)
{
	free(garbage->blobs.items);
	free(garbage->layers.items);
	free(garbage->pairs);
	strlist_done(&garbage->rows);
	*garbage = (struct images_garbage){0};
}

/* ---- items ---- */

static int compare_items(const void *a, const void *b)
{
	const struct garbage_item *one = a, *other = b;
	int order = digest_compare(&one->digest, &other->digest);

	return order != 0 ? order : one->rank < other->rank ? -1 : one->rank > other->rank;
}

/* Each once, under the lowest of its ranks. */
static void make_items(const struct digest_set *set, struct garbage_items *made)
{
	struct garbage_item *items = mem_alloc(set->count * sizeof(*items));
	size_t count = 0;

	for (size_t i = 0; i < set->count; i++)
		items[i] = (struct garbage_item){.digest = set->items[i], .rank = i};
	if (set->count > 1)
		qsort(items, set->count, sizeof(*items), compare_items);
	for (size_t i = 0; i < set->count; i++)
		if (count == 0 || !digest_equal(&items[count - 1].digest, &items[i].digest))
			items[count++] = items[i];
	*made = (struct garbage_items){items, count};
}

static struct garbage_item *find_item(const struct garbage_items *in, const struct digest *digest)
{
	size_t low = 0, high = in->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = digest_compare(digest, &in->items[middle].digest);
		if (order == 0)
			return &in->items[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

static void keep(const struct garbage_items *items, const struct digest *digest)
{
	struct garbage_item *item = find_item(items, digest);

	if (item)
		item->stays = true;
}

static bool some_go(const struct garbage_items *items)
{
	for (size_t i = 0; i < items->count; i++)
		if (!items->items[i].stays)
			return true;
	return false;
}

/* ---- by their prints ---- */

struct printed {
	uint64_t print;
	struct garbage_item *item;
};

/* The items that may still go, for one walk through the catalogue. A word of it is looked for among them only when the
 * filter, a bit for each of their prints, does not say no. */
#define FILTER_BITS 65536
struct prints {
	struct printed *items;
	size_t count;
	uint64_t filter[FILTER_BITS / 64];
};

static int compare_prints(const void *a, const void *b)
{
	const struct printed *one = a, *other = b;

	return one->print < other->print ? -1 : one->print > other->print;
}

static void add_prints(struct prints *prints, const struct garbage_items *from)
{
	prints->items = mem_grow(prints->items, prints->count + from->count + 1, sizeof(*prints->items));
	for (size_t i = 0; i < from->count; i++) {
		if (from->items[i].stays)
			continue;
		uint64_t print = catalogue_print(&from->items[i].digest);
		prints->items[prints->count++] = (struct printed){print, &from->items[i]};
		prints->filter[print % FILTER_BITS / 64] |= UINT64_C(1) << print % 64;
	}
}

/* The first of the items with this print, or NULL. */
static struct printed *find_print(const struct prints *prints, uint64_t print)
{
	if (!(prints->filter[print % FILTER_BITS / 64] >> print % 64 & 1))
		return NULL;
	struct printed key = {.print = print};
	struct printed *at = bsearch(&key, prints->items, prints->count, sizeof(key), compare_prints);
	while (at && at > prints->items && at[-1].print == print)
		at--;
	return at;
}

/* ---- who uses them ---- */

struct search {
	struct store *store;
	int table;
	struct prints prints;
	size_t open;		   /* of those it is not known yet that they stay */
	struct digest_set indexes; /* images that must be looked at */
};

static void keep_printed(struct search *search, const struct catalogue_record *record)
{
	bool is_asked = false;

	for (size_t i = 0; i < record->count; i++) {
		struct printed *end = search->prints.items + search->prints.count;
		for (struct printed *at = find_print(&search->prints, record->prints[i]);
		     at && at < end && at->print == record->prints[i]; at++) {
			if (at->item->stays)
				continue;
			/* The catalogue speaks of images that are gone, too. */
			if (!is_asked && !images_has_rows(search->table, &record->id))
				return;
			is_asked = true;
			at->item->stays = true;
			search->open--;
		}
	}
}

static int mark_foreign(struct search *search, struct marks *marks, struct error **err)
{
	cleanup(image_index_done) struct image_index foreign = {0};
	int rc = images_load_foreign(search->store, &foreign, err);

	for (size_t i = 0; rc == 0 && i < foreign.manifest_count; i++)
		rc = marks_add(marks, &foreign.manifests[i], err);
	return rc;
}

/* What lists lead to, as it is now, and what other programs have put into the store. */
static int mark_others(struct search *search, struct marks *marks, struct error **err)
{
	int rc = mark_foreign(search, marks, err);

	for (size_t i = 0; rc == 0 && i < search->indexes.count; i++) {
		cleanup(image_index_done) struct image_index rows = {0};
		rc = images_rows_load(search->table, &search->indexes.items[i], &rows, NULL);
		if (rc == -ENOENT) {
			rc = 0;
			continue;
		}
		for (size_t k = 0; rc == 0 && k < rows.manifest_count; k++)
			rc = marks_add(marks, &rows.manifests[k], err);
	}
	return rc;
}

static void keep_marked(const struct marks *marks, struct garbage_items *blobs, struct garbage_items *layers)
{
	for (size_t i = 0; i < marks->blobs.count; i++)
		keep(blobs, &marks->blobs.items[i]);
	for (size_t i = 0; i < marks->layers.count; i++)
		keep(layers, &marks->layers.items[i]);
}

static int keep_used_of(struct search *search, struct catalogue *catalogue, struct garbage_items *blobs,
			struct garbage_items *layers, struct error **err)
{
	cleanup(marks_done) struct marks marks = {.store = search->store};
	struct catalogue_record record;

	add_prints(&search->prints, blobs);
	add_prints(&search->prints, layers);
	if (search->prints.count > 1)
		qsort(search->prints.items, search->prints.count, sizeof(*search->prints.items), compare_prints);
	search->open = search->prints.count;
	while (search->open > 0 && catalogue_next(catalogue, &record)) {
		if (record.kind == CATALOGUE_INDEX)
			digest_set_add(&search->indexes, &record.id);
		if (record.kind == CATALOGUE_IMAGE)
			keep_printed(search, &record);
	}
	int rc = search->open > 0 ? mark_others(search, &marks, err) : 0;
	if (rc == 0)
		keep_marked(&marks, blobs, layers);
	return rc;
}

/* What any image uses stays. */
static int keep_used(struct store *store, int table, struct garbage_items *blobs, struct garbage_items *layers,
		     struct error **err)
{
	cleanup(catalogue_done) struct catalogue catalogue = CATALOGUE_INIT;
	struct search search = {.store = store, .table = table};
	int rc = catalogue_load_or_make(store, table, &catalogue, err);

	if (rc == 0)
		rc = keep_used_of(&search, &catalogue, blobs, layers, err);
	free(search.prints.items);
	digest_set_done(&search.indexes);
	return rc;
}

/* ---- finding ---- */

static int mark_removed(struct store *store, int table, struct images_garbage *garbage, struct error **err)
{
	cleanup(marks_done) struct marks marks = {.store = store};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < garbage->rows.count; i++) {
		cleanup(image_index_done) struct image_index rows = {0};
		cleanup_error struct error *why = NULL;
		/* One that cannot be read has nothing to say any more: what it had is left for images_collect(). */
		if (images_removed_load(table, garbage->rows.items[i], &rows, &why) < 0)
			log_debug("%s", error_message(why));
		for (size_t k = 0; rc == 0 && k < rows.manifest_count; k++)
			rc = marks_add(&marks, &rows.manifests[k], err);
	}
	if (rc < 0)
		return rc;
	make_items(&marks.blobs, &garbage->blobs);
	make_items(&marks.layers, &garbage->layers);
	garbage->pairs = take_ptr(&marks.pairs);
	garbage->pair_count = marks.pair_count;
	return 0;
}

int images_garbage_find(struct store *store, struct images_garbage *garbage, struct error **err)
{
	cleanup(images_garbage_done) struct images_garbage found = {0};
	cleanup_close int lock = -1;
	cleanup_close int table = images_table_edit(store, &lock, err);
	int rc = table < 0 ? table : images_removed_list(table, &found.rows, err);

	if (rc == 0 && found.rows.count > 0)
		rc = mark_removed(store, table, &found, err);
	if (rc == 0 && found.blobs.count > 0)
		rc = keep_used(store, table, &found.blobs, &found.layers, err);
	if (rc < 0)
		return error_prefix(err, "nothing is removed");
	images_garbage_done(garbage);
	*garbage = found;
	found = (struct images_garbage){0};
	return 0;
}

int images_garbage_of(struct store *store, const struct digest_set *blobs, const struct digest_set *layers,
		      struct images_garbage *garbage, struct error **err)
{
	cleanup(images_garbage_done) struct images_garbage found = {0};
	cleanup_close int lock = -1;
	cleanup_close int table = images_table_edit(store, &lock, err);

	if (table < 0)
		return table;
	make_items(blobs, &found.blobs);
	make_items(layers, &found.layers);
	int rc = keep_used(store, table, &found.blobs, &found.layers, err);
	if (rc < 0)
		return error_prefix(err, "nothing is removed");
	images_garbage_done(garbage);
	*garbage = found;
	found = (struct images_garbage){0};
	return 0;
}

bool images_garbage_has_layers(const struct images_garbage *garbage)
{
	return some_go(&garbage->layers);
}

void images_garbage_keep(struct images_garbage *garbage, const struct digest *layers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		keep(&garbage->layers, &layers[i]);
}

/* ---- asking ---- */

static bool stays(const struct garbage_items *items, const struct digest *digest)
{
	const struct garbage_item *item = find_item(items, digest);

	return item && item->stays;
}

/* By reading all of it: in a store that may only be read. */
static int ask_images(struct store *store, struct garbage_items *layers, struct error **err)
{
	cleanup(image_index_done) struct image_index table = {0};
	cleanup(marks_done) struct marks marks = {.store = store};
	struct garbage_items none = {0};
	int rc = images_load_table(store, &table, err);

	for (size_t i = 0; rc == 0 && i < table.manifest_count; i++)
		rc = marks_add(&marks, &table.manifests[i], err);
	if (rc == 0)
		keep_marked(&marks, &none, layers);
	return rc;
}

static int ask_catalogue(struct store *store, struct garbage_items *layers)
{
	struct garbage_items none = {0};
	cleanup_close int lock = -1, table = images_table_open(store, NULL);

	if (table < 0)
		return table;
	fd_close(take_fd(&table));
	table = images_table_edit(store, &lock, NULL);
	return table < 0 ? table : keep_used(store, table, &none, layers, NULL);
}

int images_use_layers(struct store *store, const struct digest *diff_ids, size_t count, bool *used, struct error **err)
{
	const struct digest_set asked = {.items = (struct digest *)diff_ids, .count = count};
	struct garbage_items layers = {0};

	if (count == 0)
		return 0;
	make_items(&asked, &layers);
	int rc = ask_catalogue(store, &layers);
	if (rc < 0)
		rc = ask_images(store, &layers, err);
	for (size_t i = 0; rc == 0 && i < count; i++)
		used[i] |= stays(&layers, &diff_ids[i]);
	free(layers.items);
	return rc;
}

/* ---- sweeping ---- */

static bool record_has(const struct layer_record *record, const struct digest *blob)
{
	for (size_t i = 0; i < record->blob_count; i++)
		if (digest_equal(&record->blobs[i].digest, blob))
			return true;
	return false;
}

/* The blob that a layer which stays is known to be packed in saves packing it again. */
static void keep_blobs_of_layers(struct store *store, struct images_garbage *garbage)
{
	for (size_t i = 0; i < garbage->pair_count; i++) {
		const struct layer_pair *pair = &garbage->pairs[i];
		struct garbage_item *blob = find_item(&garbage->blobs, &pair->blob);
		const struct garbage_item *layer = find_item(&garbage->layers, &pair->diff_id);
		cleanup(layer_record_done) struct layer_record record = {0};
		if (!blob || blob->stays || !layer || !layer->stays)
			continue;
		if (layer_load_record(store, &pair->diff_id, &record, NULL) == 0 && record_has(&record, &pair->blob))
			blob->stays = true;
	}
}

/* Blobs that only the records of these layers name: of pushes and archives. */
static void add_recorded(struct store *store, const struct garbage_items *layers, const struct garbage_items *known,
			 struct digest_set *further)
{
	for (size_t i = 0; i < layers->count; i++) {
		cleanup(layer_record_done) struct layer_record record = {0};
		if (layers->items[i].stays || layer_load_record(store, &layers->items[i].digest, &record, NULL) < 0)
			continue;
		for (size_t k = 0; k < record.blob_count; k++)
			if (!find_item(known, &record.blobs[k].digest))
				digest_set_add(further, &record.blobs[k].digest);
	}
}

static int remove_layers(struct store *store, const struct garbage_items *layers, struct strlist *trash,
			 struct images_collected *collected, struct error **err)
{
	cleanup(strlist_done) struct strlist gone = {0};
	int rc = 0;

	for (size_t i = 0; rc >= 0 && i < layers->count; i++) {
		char hex[DIGEST_HEX_SIZE];
		if (layers->items[i].stays)
			continue;
		rc = layer_take_away(store, &layers->items[i].digest, trash, err);
		if (rc <= 0)
			continue;
		collected->layers++;
		strlist_append(&gone, digest_hex(&layers->items[i].digest, hex));
	}
	if (rc >= 0 && gone.count)
		rc = layer_piles_take_away(store, &gone, trash, err);
	return rc < 0 ? rc : 0;
}

static int compare_ranks(const void *a, const void *b)
{
	const struct garbage_item *one = a, *other = b;

	return one->rank > other->rank ? -1 : one->rank < other->rank;
}

/* What leads to others last: until then they can be found again. */
static int remove_blobs(struct store *store, struct garbage_items *blobs, struct images_collected *collected,
			struct error **err)
{
	int rc = 0;

	if (blobs->count > 1)
		qsort(blobs->items, blobs->count, sizeof(*blobs->items), compare_ranks);
	for (size_t i = 0; rc == 0 && i < blobs->count; i++)
		if (!blobs->items[i].stays)
			rc = images_collect_blob(store, &blobs->items[i].digest, collected, err);
	return rc;
}

static int remove_further(struct store *store, const struct digest_set *further, struct images_collected *collected,
			  struct error **err)
{
	struct garbage_items blobs = {0}, none = {0};
	cleanup_close int lock = -1;

	if (further->count == 0)
		return 0;
	cleanup_close int table = images_table_edit(store, &lock, err);
	if (table < 0)
		return table;
	make_items(further, &blobs);
	int rc = keep_used(store, table, &blobs, &none, err);
	if (rc == 0)
		rc = remove_blobs(store, &blobs, collected, err);
	free(blobs.items);
	return rc;
}

int images_garbage_sweep(struct store *store, struct images_garbage *garbage, struct strlist *trash,
			 struct images_collected *collected, struct error **err)
{
	cleanup(digest_set_done) struct digest_set further = {0};

	keep_blobs_of_layers(store, garbage);
	add_recorded(store, &garbage->layers, &garbage->blobs, &further);
	/* Layers first: a record that names a blob which is gone would be wrong. */
	int rc = remove_layers(store, &garbage->layers, trash, collected, err);
	if (rc == 0)
		rc = remove_further(store, &further, collected, err);
	if (rc == 0)
		rc = remove_blobs(store, &garbage->blobs, collected, err);
	if (rc == 0)
		rc = images_removed_forget(store, &garbage->rows, err);
	return rc;
}
