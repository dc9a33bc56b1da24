/*
 * cache/images/<hex>: a line that says for what it holds, then fields (base/fields.h): both documents as JSON without
 * their lists, then an entry for each layer, diff_id and history entry.
 */
#include "imagefmt/image_note.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/fd.h"
#include "base/fields.h"
#include "base/log.h"
#include "base/parse.h"
#include "imagefmt/blob.h"

#define FOLDER "images"
#define LAYERS_MIN 24
#define SIZE_LIMIT (MANIFEST_SIZE_MAX + CONFIG_SIZE_MAX)

enum key {
	KEY_SUMS = 's',	       /* "<of the manifest's text> <of the configuration's>", in hex */
	KEY_MANIFEST = 'm',    /* JSON, without layers */
	KEY_CONFIG_TYPE = 't', /* of the manifest: its text has the one that is written today */
	KEY_LAYER = 'l',       /* "<digest> <size> <media type>" */
	KEY_CONFIG = 'g',      /* JSON, without diff_ids and history */
	KEY_DIFF_ID = 'd',
	KEY_HISTORY = 'h', /* begins an entry; "empty" or "" */
	KEY_CREATED = 'c',
	KEY_CREATED_BY = 'b',
	KEY_AUTHOR = 'a',
	KEY_COMMENT = 'r',
	KEY_END = 'e'
};

static char *head_of(struct store *store)
{
	return mem_printf("2 %s\n", store_boot_id(store));
}

static char *path_of(const struct digest *manifest)
{
	char hex[DIGEST_HEX_SIZE];

	return mem_printf(FOLDER "/%s", digest_hex(manifest, hex));
}

/* ---- writing ---- */

/* More of a layer than that would have to be written as JSON: such images are parsed. */
static bool is_plain(const struct descriptor *layer)
{
	return layer->media_type && layer->annotations.count == 0 && layer->urls.count == 0 && !layer->platform &&
	       !layer->artifact_type && !layer->unknown;
}

static void put_manifest(const struct manifest *m, struct buf *text)
{
	cleanup(buf_done) struct buf json = BUF_INIT(MANIFEST_SIZE_MAX);
	struct manifest bare = *m;
	char digest[DIGEST_TEXT_SIZE];

	bare.layers = NULL;
	bare.layer_count = 0;
	manifest_format(&bare, &json);
	field_put(text, KEY_MANIFEST, buf_str(&json));
	field_put(text, KEY_CONFIG_TYPE, m->config.media_type);
	for (size_t i = 0; i < m->layer_count; i++) {
		const struct descriptor *layer = &m->layers[i];
		cleanup_free char *line = mem_printf("%s %llu %s", digest_format(&layer->digest, digest),
						     (unsigned long long)layer->size, layer->media_type);
		field_put(text, KEY_LAYER, line);
	}
}

static void put_if_any(struct buf *text, enum key key, const char *value)
{
	field_put(text, (char)key, value && *value ? value : NULL);
}

static void put_config(const struct image_config *config, enum image_format family, struct buf *text)
{
	cleanup(buf_done) struct buf json = BUF_INIT(CONFIG_SIZE_MAX);
	struct image_config bare = *config;
	char digest[DIGEST_TEXT_SIZE];

	bare.diff_ids = NULL;
	bare.history = NULL;
	bare.diff_id_count = bare.history_count = 0;
	image_config_format(&bare, family, &json);
	field_put(text, KEY_CONFIG, buf_str(&json));
	for (size_t i = 0; i < config->diff_id_count; i++)
		field_put(text, KEY_DIFF_ID, digest_format(&config->diff_ids[i], digest));
	for (size_t i = 0; i < config->history_count; i++) {
		const struct history *entry = &config->history[i];
		field_put(text, KEY_HISTORY, entry->empty_layer ? "empty" : "");
		put_if_any(text, KEY_CREATED, entry->created);
		put_if_any(text, KEY_CREATED_BY, entry->created_by);
		put_if_any(text, KEY_AUTHOR, entry->author);
		put_if_any(text, KEY_COMMENT, entry->comment);
	}
}

static void put_sums(const struct image_sums *sums, struct buf *text)
{
	cleanup_free char *line =
		mem_printf("%016llx %016llx", (unsigned long long)sums->manifest, (unsigned long long)sums->config);

	field_put(text, KEY_SUMS, line);
}

void image_note_write(struct store *store, const struct digest *manifest, const struct manifest *m,
		      const struct image_config *config, enum image_format family, const struct image_sums *sums)
{
	cleanup(buf_done) struct buf text = BUF_INIT(SIZE_LIMIT);
	cleanup_free char *head = head_of(store);
	cleanup_free char *path = path_of(manifest);
	cleanup_error struct error *why = NULL;

	if (m->layer_count < LAYERS_MIN || m->layer_count != config->diff_id_count)
		return;
	for (size_t i = 0; i < m->layer_count; i++)
		if (!is_plain(&m->layers[i]))
			return;
	buf_append_str(&text, head);
	put_manifest(m, &text);
	put_config(config, family, &text);
	put_sums(sums, &text);
	field_put(&text, KEY_END, "");
	int cache = store_folder(store, STORE_CACHE, NULL);
	if (cache < 0 || text.overflow || (mkdirat(cache, FOLDER, 0700) < 0 && errno != EEXIST))
		return;
	if (atomic_file_write(cache, path, 0600, text.data, text.len, /* flags */ 0, &why) < 0)
		log_debug("what the image is made of is not written down: %s", error_message(why));
}

/* ---- reading ---- */

/* What is read, and the lists on their way. */
struct reading {
	struct manifest m;
	struct image_config config;
	struct image_sums sums;
	char *config_type;
	bool is_whole;
};

static void reading_done(struct reading *reading)
{
	manifest_done(&reading->m);
	image_config_done(&reading->config);
	free(reading->config_type);
}
CLEANUP_FOR_VALUE(struct reading, reading_done)

static int take_layer(struct manifest *m, const char *line)
{
	struct descriptor layer = {0};
	const char *size = strchr(line, ' ');
	const char *type = size ? strchr(size + 1, ' ') : NULL;

	if (!type || m->layer_count >= MANIFEST_LAYERS_MAX)
		return -EINVAL;
	cleanup_free char *digest = mem_strndup(line, (size_t)(size - line));
	cleanup_free char *digits = mem_strndup(size + 1, (size_t)(type - size - 1));
	int rc = digest_parse(digest, &layer.digest, NULL);
	if (rc == 0)
		rc = parse_u64(digits, INT64_MAX, "size", &layer.size, NULL);
	if (rc < 0)
		return rc;
	if (!m->layers || m->layer_count == 0)
		m->layers = mem_grow(m->layers, MANIFEST_LAYERS_MAX, sizeof(*m->layers));
	layer.media_type = mem_strdup(type + 1);
	m->layers[m->layer_count++] = layer;
	return 0;
}

static int take_history(struct image_config *config, enum key key, const char *value)
{
	struct history *last = config->history_count ? &config->history[config->history_count - 1] : NULL;
	char **place = NULL;

	if (last && key == KEY_CREATED)
		place = &last->created;
	else if (last && key == KEY_CREATED_BY)
		place = &last->created_by;
	else if (last && key == KEY_AUTHOR)
		place = &last->author;
	else if (last && key == KEY_COMMENT)
		place = &last->comment;
	if (!place)
		return -EINVAL;
	mem_replace(place, value);
	return 0;
}

static int take_sums(struct image_sums *sums, const char *line)
{
	unsigned char bytes[2][sizeof(uint64_t)];

	if (strlen(line) != 33 || line[16] != ' ' || parse_hex(line, 16, bytes[0], sizeof(bytes[0])) < 0 ||
	    parse_hex(line + 17, 16, bytes[1], sizeof(bytes[1])) < 0)
		return -EINVAL;
	sums->manifest = sums->config = 0;
	for (size_t i = 0; i < sizeof(uint64_t); i++) {
		sums->manifest = sums->manifest << 8 | bytes[0][i];
		sums->config = sums->config << 8 | bytes[1][i];
	}
	return 0;
}

static int take(struct reading *reading, const struct field *field)
{
	cleanup_free char *value = mem_strndup(field->value, field->size);
	struct digest digest;
	int rc = 0;

	switch ((enum key)field->key) {
	case KEY_MANIFEST:
		return manifest_parse(value, field->size, "manifest", &reading->m, NULL);
	case KEY_CONFIG_TYPE:
		mem_replace(&reading->m.config.media_type, value);
		return 0;
	case KEY_LAYER:
		return take_layer(&reading->m, value);
	case KEY_CONFIG:
		return image_config_parse(value, field->size, "configuration", &reading->config, NULL);
	case KEY_DIFF_ID:
		rc = digest_parse(value, &digest, NULL);
		if (rc == 0)
			image_config_add_diff_id(&reading->config, &digest);
		return rc;
	case KEY_HISTORY:
		image_config_add_history(&reading->config, &(struct history){.empty_layer = *value != '\0'});
		return 0;
	case KEY_SUMS:
		return take_sums(&reading->sums, value);
	case KEY_END:
		reading->is_whole = true;
		return 0;
	default:
		return take_history(&reading->config, (enum key)field->key, value);
	}
}

/* A layer in a manifest takes more than that: a small one was not written down, and no file is looked for. */
#define LAYER_SIZE_MIN 100

bool image_note_read(struct store *store, const struct descriptor *manifest, struct manifest *m,
		     struct image_config *config, struct image_sums *sums)
{
	if (manifest->size < (uint64_t)LAYERS_MIN * LAYER_SIZE_MIN)
		return false;
	cleanup(buf_done) struct buf text = BUF_INIT(SIZE_LIMIT);
	cleanup(reading_done) struct reading reading = {0};
	cleanup_free char *head = head_of(store);
	cleanup_free char *path = path_of(&manifest->digest);
	struct field field;
	size_t at = strlen(head);
	int cache = store_folder(store, STORE_CACHE, NULL);
	int rc = cache < 0 ? cache : fd_read_file(cache, path, &text, NULL);

	if (rc < 0 || strncmp(buf_str(&text), head, at) != 0)
		return false;
	while ((rc = field_next(&text, &at, &field)) > 0 && (rc = take(&reading, &field)) == 0)
		;
	if (rc < 0 || !reading.is_whole || reading.m.layer_count != reading.config.diff_id_count)
		return false;
	if (!blob_exists(store, &manifest->digest, NULL) || !blob_exists(store, &reading.m.config.digest, NULL))
		return false;
	*m = reading.m;
	*config = reading.config;
	if (sums)
		*sums = reading.sums;
	reading.m = (struct manifest){0};
	reading.config = (struct image_config){0};
	return true;
}

bool image_note_read_config(struct store *store, const struct digest *manifest, struct digest *config)
{
	cleanup(buf_done) struct buf text = BUF_INIT(SIZE_LIMIT);
	cleanup(manifest_done) struct manifest m = {0};
	cleanup_free char *head = head_of(store);
	cleanup_free char *path = path_of(manifest);
	struct field field;
	size_t at = strlen(head);
	int cache = store_folder(store, STORE_CACHE, NULL);

	if (cache < 0 || fd_read_file(cache, path, &text, NULL) < 0 || strncmp(buf_str(&text), head, at) != 0 ||
	    field_next(&text, &at, &field) <= 0 || field.key != KEY_MANIFEST)
		return false;
	cleanup_free char *json = mem_strndup(field.value, field.size);
	if (manifest_parse(json, field.size, "manifest", &m, NULL) < 0 || !blob_exists(store, manifest, NULL))
		return false;
	*config = m.config.digest;
	return true;
}

void image_note_remove(struct store *store, const struct digest *manifest)
{
	cleanup_free char *path = path_of(manifest);
	int cache = store_folder(store, STORE_CACHE, NULL);

	if (cache >= 0)
		unlinkat(cache, path, /* flags */ 0);
}
