/*
 * The document of a cache, written and read. What is read comes from elsewhere and is believed nothing: a layer is
 * checked against its diff_id when it is unpacked.
 */
#include "builder/cache_records.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "imagefmt/manifest.h"

#define VERSION 1
#define CREATED_MAX 253402300799 /* the end of the year 9999, the last that RFC 3339 can write */

void cache_records_done(struct cache_records *records)
{
	free(records->layers);
	free(records->items);
	for (size_t i = 0; i < records->mount_count; i++)
		free(records->mounts[i].id);
	free(records->mounts);
	*records = (struct cache_records){0};
}

/* ---- making ---------------------------------------------------------------------------------------------------------
 */

void cache_records_add_layer(struct cache_records *records, const struct digest *diff_id)
{
	records->layers = mem_grow(records->layers, records->layer_count + 1, sizeof(*records->layers));
	records->layers[records->layer_count++] = *diff_id;
}

static void add_record(struct cache_records *records, const struct cache_record *record)
{
	records->items = mem_grow(records->items, records->count + 1, sizeof(*records->items));
	records->items[records->count++] = *record;
}

/* Its place, or the one behind the last. */
static size_t find_layer(const struct cache_records *records, const struct digest *diff_id)
{
	size_t i = 0;

	while (i < records->layer_count && !digest_equal(&records->layers[i], diff_id))
		i++;
	return i;
}

void cache_records_add(struct cache_records *records, const struct build_record *record)
{
	/* A download without a checksum has no other key. */
	bool has_key = !digest_is_null(&record->key);
	struct cache_record added = {.key = has_key ? record->key : record->by_files, .created = record->created};

	if (has_key)
		added.by_files = record->by_files;
	if (digest_is_null(&record->diff_id) || digest_is_null(&added.key) || records->count == CACHE_RECORDS_MAX ||
	    cache_records_find(records, &added.key))
		return;
	added.layer = find_layer(records, &record->diff_id);
	if (added.layer >= MANIFEST_LAYERS_MAX)
		return;
	if (added.layer == records->layer_count)
		cache_records_add_layer(records, &record->diff_id);
	add_record(records, &added);
}

void cache_records_add_all(struct cache_records *records, const struct cache_records *from)
{
	for (size_t i = 0; i < from->count; i++) {
		const struct cache_record *item = &from->items[i];
		const struct build_record record = {.key = item->key,
						    .by_files = item->by_files,
						    .diff_id = from->layers[item->layer],
						    .created = item->created};
		cache_records_add(records, &record);
	}
}

const struct cache_record *cache_records_find(const struct cache_records *records, const struct digest *key)
{
	for (size_t i = 0; i < records->count; i++) {
		const struct cache_record *record = &records->items[i];
		if (digest_equal(&record->key, key) || digest_equal(&record->by_files, key))
			return record;
	}
	return NULL;
}

void cache_records_add_mount(struct cache_records *records, const struct digest *name, const char *id, size_t layer)
{
	if (records->mount_count == CACHE_MOUNTS_MAX || cache_records_find_mount(records, name))
		return;
	records->mounts = mem_grow(records->mounts, records->mount_count + 1, sizeof(*records->mounts));
	records->mounts[records->mount_count++] =
		(struct cache_mount_record){.name = *name, .id = mem_strdup(id), .layer = layer};
}

const struct cache_mount_record *cache_records_find_mount(const struct cache_records *records,
							  const struct digest *name)
{
	for (size_t i = 0; i < records->mount_count; i++)
		if (digest_equal(&records->mounts[i].name, name))
			return &records->mounts[i];
	return NULL;
}

void cache_records_copy(struct cache_records *to, const struct cache_records *from)
{
	for (size_t i = 0; i < from->layer_count; i++)
		cache_records_add_layer(to, &from->layers[i]);
	for (size_t i = 0; i < from->count; i++)
		add_record(to, &from->items[i]);
	for (size_t i = 0; i < from->mount_count; i++)
		cache_records_add_mount(to, &from->mounts[i].name, from->mounts[i].id, from->mounts[i].layer);
}

/* ---- writing --------------------------------------------------------------------------------------------------------
 */

static json_t *mounts_json(const struct cache_records *records)
{
	json_t *mounts = json_array();
	char text[DIGEST_TEXT_SIZE];

	for (size_t i = 0; i < records->mount_count; i++) {
		const struct cache_mount_record *mount = &records->mounts[i];
		json_t *item = json_object();
		json_set_string(item, "name", digest_format(&mount->name, text));
		json_set_take(item, "id", json_from_bytes(mount->id));
		json_set_i64(item, "layer", (int64_t)mount->layer);
		json_array_append_new(mounts, item);
	}
	return mounts;
}

void cache_records_format(const struct cache_records *records, struct buf *into)
{
	cleanup_json json_t *root = json_object();
	json_t *layers = json_array(), *items = json_array();
	char text[DIGEST_TEXT_SIZE];

	for (size_t i = 0; i < records->layer_count; i++)
		json_array_append_new(layers, json_string(digest_format(&records->layers[i], text)));
	for (size_t i = 0; i < records->count; i++) {
		const struct cache_record *record = &records->items[i];
		json_t *item = json_object();
		json_set_string(item, "key", digest_format(&record->key, text));
		if (!digest_is_null(&record->by_files))
			json_set_string(item, "files", digest_format(&record->by_files, text));
		json_set_i64(item, "layer", (int64_t)record->layer);
		json_set_i64(item, "created", record->created);
		json_array_append_new(items, item);
	}
	json_set_i64(root, "version", VERSION);
	json_set_take(root, "layers", layers);
	json_set_take(root, "records", items);
	if (records->mount_count)
		json_set_take(root, "mounts", mounts_json(records));
	json_format(root, into);
}

/* ---- reading --------------------------------------------------------------------------------------------------------
 */

static int check_fields(const struct json_place *at, const char *const *known, size_t count, struct error **err)
{
	const char *key;
	json_t *value;

	if (!json_is_object(at->value))
		return json_error(at, err, "not an object");
	json_object_foreach((json_t *)at->value, key, value)
	{
		size_t i = 0;
		while (i < count && strcmp(known[i], key) != 0)
			i++;
		if (i == count)
			return json_error(at, err, "unknown field '%s'", key);
	}
	return 0;
}

static int read_digest(struct json_place at, struct digest *digest, struct error **err)
{
	cleanup_free char *text = NULL;
	cleanup_error struct error *error = NULL;
	int rc = json_require(&at, err);

	if (rc == 0)
		rc = json_get_string(at, &text, err);
	if (rc < 0)
		return rc;
	return digest_parse(text, digest, &error) < 0 ? json_error(&at, err, "%s", error_message(error)) : 0;
}

static int read_number(struct json_place at, uint64_t max, uint64_t *number, struct error **err)
{
	int rc = json_require(&at, err);

	if (rc == 0)
		rc = json_get_u64(at, number, err);
	if (rc == 0 && *number > max)
		return json_error(&at, err, "more than %llu", (unsigned long long)max);
	return rc;
}

static int read_count(const struct json_place *at, size_t max, size_t *count, struct error **err)
{
	ssize_t size = json_get_count(*at, err);

	if (size < 0)
		return (int)size;
	if (!json_is_array(at->value))
		return json_error(at, err, "not an array");
	if ((size_t)size > max)
		return json_error(at, err, "more than %zu", max);
	*count = (size_t)size;
	return 0;
}

static int read_layers(const struct json_place *at, struct cache_records *records, struct error **err)
{
	size_t count = 0;
	int rc = read_count(at, MANIFEST_LAYERS_MAX, &count, err);

	for (size_t i = 0; rc == 0 && i < count; i++) {
		struct digest diff_id;
		rc = read_digest(json_element(at, i), &diff_id, err);
		if (rc == 0)
			cache_records_add_layer(records, &diff_id);
	}
	return rc;
}

static int read_layer(const struct json_place *at, const struct cache_records *records, size_t *layer,
		      struct error **err)
{
	uint64_t number = 0;
	int rc = read_number(json_field(at, "layer"), MANIFEST_LAYERS_MAX, &number, err);

	if (rc < 0)
		return rc;
	if (number >= records->layer_count)
		return json_error(at, err, "there is no layer %llu", (unsigned long long)number);
	*layer = (size_t)number;
	return 0;
}

static int read_mount(const struct json_place *at, struct cache_records *records, struct error **err)
{
	static const char *const known[] = {"id", "layer", "name"};
	cleanup_free char *id = NULL;
	struct digest name;
	size_t layer = 0;
	int rc = check_fields(at, known, ARRAY_COUNT(known), err);

	if (rc == 0)
		rc = read_digest(json_field(at, "name"), &name, err);
	if (rc == 0)
		rc = json_get_string(json_field(at, "id"), &id, err);
	if (rc == 0)
		rc = read_layer(at, records, &layer, err);
	if (rc == 0)
		cache_records_add_mount(records, &name, id ? id : "", layer);
	return rc;
}

static int read_record(const struct json_place *at, struct cache_records *records, struct error **err)
{
	static const char *const known[] = {"created", "files", "key", "layer"};
	struct cache_record record = {0};
	struct json_place files = json_field(at, "files");
	uint64_t created = 0;
	int rc = check_fields(at, known, ARRAY_COUNT(known), err);

	if (rc == 0)
		rc = read_digest(json_field(at, "key"), &record.key, err);
	if (rc == 0 && json_is_present(&files))
		rc = read_digest(files, &record.by_files, err);
	if (rc == 0)
		rc = read_layer(at, records, &record.layer, err);
	if (rc == 0)
		rc = read_number(json_field(at, "created"), CREATED_MAX, &created, err);
	if (rc < 0)
		return rc;
	record.created = (int64_t)created;
	add_record(records, &record);
	return 0;
}

static int read_mounts(const struct json_place *at, struct cache_records *records, struct error **err)
{
	size_t count = 0;
	int rc = read_count(at, CACHE_MOUNTS_MAX, &count, err);

	for (size_t i = 0; rc == 0 && i < count; i++) {
		struct json_place item = json_element(at, i);
		rc = read_mount(&item, records, err);
	}
	return rc;
}

static int read_document(const struct json_place *at, struct cache_records *records, struct error **err)
{
	static const char *const known[] = {"layers", "mounts", "records", "version"};
	struct json_place layers = json_field(at, "layers"), items = json_field(at, "records");
	struct json_place mounts = json_field(at, "mounts");
	struct json_place number = json_field(at, "version");
	uint64_t version = 0;
	size_t count = 0;
	int rc = read_number(number, UINT32_MAX, &version, err);

	if (rc == 0 && version != VERSION)
		return json_error(&number, err, "version %llu of the cache is not known here",
				  (unsigned long long)version);
	if (rc == 0)
		rc = check_fields(at, known, ARRAY_COUNT(known), err);
	if (rc == 0)
		rc = read_layers(&layers, records, err);
	if (rc == 0)
		rc = read_count(&items, CACHE_RECORDS_MAX, &count, err);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		struct json_place item = json_element(&items, i);
		rc = read_record(&item, records, err);
	}
	if (rc == 0 && json_is_present(&mounts))
		rc = read_mounts(&mounts, records, err);
	return rc;
}

int cache_records_parse(const char *text, size_t size, const char *what, struct cache_records *records,
			struct error **err)
{
	cleanup_json json_t *root = NULL;
	cleanup(cache_records_done) struct cache_records read = {0};

	if (size > CACHE_DOCUMENT_MAX)
		return error_set(err, EFBIG, "%s: larger than %zu bytes", what, CACHE_DOCUMENT_MAX);
	int rc = json_parse(text, size, what, &root, err);
	if (rc < 0)
		return rc;
	struct json_place at = json_root(what, root);
	rc = read_document(&at, &read, err);
	if (rc < 0)
		return rc;
	*records = read;
	read = (struct cache_records){0};
	return 0;
}
