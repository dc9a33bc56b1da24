/* What is known about an unpacked layer, as a small JSON file beside its tree. */
#include "imagefmt/layer_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomicfile.h"
#include "base/fd.h"
#include "base/json.h"
#include "imagefmt/jsondigest.h"

#define RECORD_SIZE_MAX ((size_t)1 << 20)
#define BLOBS_MAX 64

void layer_blob_done(struct layer_blob *blob)
{
	free(blob->made_by);
	*blob = (struct layer_blob){0};
}

void layer_blob_copy(struct layer_blob *to, const struct layer_blob *from)
{
	*to = *from;
	to->made_by = mem_strdup(from->made_by != NULL ? from->made_by : "");
}

void layer_record_done(struct layer_record *record)
{
	for (size_t i = 0; i < record->blob_count; i++)
		layer_blob_done(&record->blobs[i]);
	free(record->blobs);
	free(record->id_map);
	free(record->boot_id);
	*record = (struct layer_record){0};
}

static void append_blob(struct layer_record *record, const struct layer_blob *blob)
{
	record->blobs = mem_grow(record->blobs, record->blob_count + 1, sizeof(*record->blobs));
	layer_blob_copy(&record->blobs[record->blob_count++], blob);
}

bool layer_record_add_blob(struct layer_record *record, const struct layer_blob *blob)
{
	for (size_t i = 0; i < record->blob_count; i++)
		if (digest_equal(&record->blobs[i].digest, &blob->digest))
			return false;
	if (record->blob_count >= BLOBS_MAX)
		return false; /* a blob that is not known is made again, no more */
	append_blob(record, blob);
	return true;
}

/* ---- reading ---- */

static int read_blob(const struct json_place *at, struct layer_record *record, struct error **err)
{
	cleanup(layer_blob_done) struct layer_blob blob = {0};
	cleanup_free char *codec = NULL;
	int rc = json_require_digest(json_field(at, "digest"), &blob.digest, err);

	if (rc == 0)
		rc = json_get_u64(json_field(at, "size"), &blob.size, err);
	if (rc == 0)
		rc = json_get_string(json_field(at, "madeBy"), &blob.made_by, err);
	if (rc == 0)
		rc = json_get_string(json_field(at, "codec"), &codec, err);
	if (rc == 0)
		rc = codec_parse(codec != NULL ? codec : "none", &blob.codec, err);
	if (rc == 0)
		append_blob(record, &blob);
	return rc;
}

static int read_blobs(struct json_place at, struct layer_record *record, struct error **err)
{
	ssize_t count = json_get_count(at, err);
	int rc = count < 0 ? (int)count : 0;

	for (size_t i = 0; rc == 0 && i < (size_t)count && i < BLOBS_MAX; i++) {
		struct json_place blob = json_element(&at, i);
		rc = read_blob(&blob, record, err);
	}
	return rc;
}

/* Left out where it is not known, as versions before this one do. */
static int read_crc(struct json_place at, struct pack_crc *crc, struct error **err)
{
	uint64_t value = 0;
	int rc = json_get_u64(at, &value, err);

	if (rc == 0 && value > UINT32_MAX)
		return json_error(&at, err, "not a CRC-32");
	if (rc == 0)
		*crc = (struct pack_crc){.is_known = json_is_present(&at), .value = (uint32_t)value};
	return rc;
}

static int read_record(const struct json_place *at, struct layer_record *record, struct error **err)
{
	int64_t recipe = 0;
	int rc = json_require_digest(json_field(at, "diffId"), &record->diff_id, err);

	if (rc == 0)
		rc = json_get_u64(json_field(at, "size"), &record->size, err);
	if (rc == 0)
		rc = json_get_i64(json_field(at, "recipe"), &recipe, err);
	if (rc == 0)
		rc = read_crc(json_field(at, "crc32"), &record->crc, err);
	if (rc == 0)
		rc = json_get_string(json_field(at, "idMap"), &record->id_map, err);
	if (rc == 0)
		rc = json_get_string(json_field(at, "bootId"), &record->boot_id, err);
	if (rc == 0)
		rc = json_get_bool(json_field(at, "durable"), &record->durable, err);
	if (rc == 0)
		rc = read_blobs(json_field(at, "blobs"), record, err);
	record->recipe = (int)recipe;
	if (record->id_map == NULL)
		record->id_map = mem_strdup("");
	if (record->boot_id == NULL)
		record->boot_id = mem_strdup("");
	return rc;
}

int layer_record_load(int dirfd, const char *name, struct layer_record *record, struct error **err)
{
	cleanup(layer_record_done) struct layer_record loaded = {0};
	cleanup_free char *path = mem_printf("%s/record", name);
	cleanup_json json_t *root = NULL;
	int rc = json_load_at(dirfd, path, RECORD_SIZE_MAX, &root, err);

	if (rc < 0)
		return rc;
	struct json_place at = json_root(path, root);
	rc = read_record(&at, &loaded, err);
	if (rc < 0)
		return rc;
	*record = loaded;
	loaded = (struct layer_record){0};
	return 0;
}

/* ---- writing ---- */

static json_t *format_blob(const struct layer_blob *blob)
{
	json_t *object = json_object();
	char digest[DIGEST_TEXT_SIZE];

	json_set_string(object, "digest", digest_format(&blob->digest, digest));
	json_set_i64(object, "size", (int64_t)blob->size);
	json_set_string(object, "codec", codec_name(blob->codec));
	json_set_string(object, "madeBy", blob->made_by != NULL ? blob->made_by : "");
	return object;
}

int layer_record_save(int dirfd, const char *name, const struct layer_record *record, struct error **err)
{
	cleanup_json json_t *root = json_object();
	cleanup_free char *path = mem_printf("%s/record", name);
	cleanup(buf_done) struct buf text = BUF_INIT(RECORD_SIZE_MAX);
	char digest[DIGEST_TEXT_SIZE];
	json_t *blobs = json_array();

	for (size_t i = 0; i < record->blob_count; i++)
		json_array_append_new(blobs, format_blob(&record->blobs[i]));
	json_set_take(root, "blobs", blobs);
	json_set_string(root, "diffId", digest_format(&record->diff_id, digest));
	json_set_i64(root, "size", (int64_t)record->size);
	json_set_i64(root, "recipe", record->recipe);
	if (record->crc.is_known)
		json_set_i64(root, "crc32", record->crc.value);
	json_set_string(root, "idMap", record->id_map != NULL ? record->id_map : "");
	json_set_string(root, "bootId", record->boot_id != NULL ? record->boot_id : "");
	json_set_bool(root, "durable", record->durable);
	json_format(root, &text);
	/* Not synced: an empty record after a power cut makes the layer be unpacked again, as its tree would. */
	return atomic_file_write(dirfd, path, 0600, text.data, text.len, record->durable ? ATOMIC_FILE_SYNC : 0, err);
}
