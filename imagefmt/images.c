/*
 * The table of images: oci/index.json, read whole, changed under one lock and replaced by rename.
 */
#include "imagefmt/images.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "imagefmt/blob.h"
#include "imagefmt/images_internal.h"
#include "imagefmt/reference.h"

#define ID_ANNOTATION "io.github.cooper.image.id"
#define CREATED_ANNOTATION "io.github.cooper.created"

/* Fewer digits would match by accident what is meant as a name. */
#define ID_PREFIX_MIN 3

void image_entry_done(struct image_entry *entry)
{
	descriptor_done(&entry->manifest);
	strlist_done(&entry->names);
	*entry = (struct image_entry){0};
}

void image_list_done(struct image_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		image_entry_done(&list->items[i]);
	free(list->items);
	*list = (struct image_list){0};
}

void image_done(struct image *image)
{
	image_entry_done(&image->entry);
	manifest_done(&image->manifest);
	image_config_done(&image->config);
	image->size = 0;
}

/* ---- The table ---- */

int images_load_table(struct store *store, struct image_index *table, struct error **err)
{
	int oci = store_folder(store, STORE_OCI, err);
	if (oci < 0)
		return oci;
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	int rc = fd_read_file(oci, "index.json", &text, err);
	if (rc == 0)
		rc = image_index_parse(text.data ? text.data : "", text.len, "index.json", table, err);
	if (rc < 0)
		return error_prefix(err, "store '%s'", store_root(store));
	return 0;
}

/* The new table is written in tmp/, where what a killed process leaves is swept, and takes the old one's place whole.
 */
static int write_table(struct store *store, const struct buf *text, struct error **err)
{
	int oci = store_folder(store, STORE_OCI, err);
	int tmp = oci < 0 ? oci : store_tmp(store, err);
	if (tmp < 0)
		return tmp;
	cleanup_free char *name = store_tmp_name(store, "index");
	int rc = atomic_file_write(tmp, name, 0600, text->data, text->len, ATOMIC_FILE_SYNC, err);
	if (rc < 0)
		return rc;
	if (renameat(tmp, name, oci, "index.json") < 0 || fsync(oci) < 0)
		return error_set_errno(err, "replace 'index.json'");
	return 0;
}

/* Only what frees space may use the reserve. */
enum table_change { TABLE_GROWS, TABLE_SHRINKS };

static int replace_table(struct store *store, const struct buf *text, enum table_change change, struct error **err)
{
	struct error *full = NULL;
	int rc = write_table(store, text, &full);

	if ((rc == -ENOSPC || rc == -EDQUOT) && change == TABLE_SHRINKS && store_use_reserve(store)) {
		log_debug("%s; the room that is kept for this is used", error_message(full));
		error_clear(&full);
		rc = write_table(store, text, &full);
	} else if (rc == 0) {
		store_keep_reserve(store, text->len);
	}
	if (rc < 0 && err)
		*err = take_ptr(&full);
	error_free(full);
	return rc < 0 ? error_prefix(err, "store '%s': table of images", store_root(store)) : 0;
}

static int save_table(struct store *store, const struct image_index *table, enum table_change change,
		      struct error **err)
{
	/* One byte more than a reader takes, to see that it would not. */
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX + 1);
	image_index_format(table, &text);
	if (text.overflow || text.len > MANIFEST_SIZE_MAX)
		return error_set(err, EFBIG, "store '%s': too many images for one index", store_root(store));
	trace(STORE, "table of images: %zu entries, %zu bytes", table->manifest_count, text.len);
	return replace_table(store, &text, change, err);
}

/* The table, read under its lock. Returns the descriptor that holds that. */
MUST_CHECK static int edit_table(struct store *store, struct image_index *table, struct error **err)
{
	cleanup_close int lock =
		store_lock(store, "images", "table", LOCK_EXCLUSIVE, LOCK_WAIT, "the table of images", err);
	int rc = lock < 0 ? lock : images_load_table(store, table, err);

	return rc < 0 ? rc : take_fd(&lock);
}

static void remove_at(struct image_index *table, size_t at)
{
	descriptor_done(&table->manifests[at]);
	table->manifest_count--;
	memmove(&table->manifests[at], &table->manifests[at + 1],
		(table->manifest_count - at) * sizeof(*table->manifests));
}

static struct descriptor *append(struct image_index *table, const struct descriptor *d)
{
	table->manifests = mem_grow(table->manifests, table->manifest_count + 1, sizeof(*table->manifests));
	struct descriptor *added = &table->manifests[table->manifest_count++];
	*added = (struct descriptor){0};
	descriptor_copy(added, d);
	return added;
}

const char *images_name_of(const struct descriptor *d)
{
	return strlist_env_get(&d->annotations, REF_NAME_ANNOTATION);
}

/* False for entries that another program has written: they are kept, but are no images of ours. */
static bool read_id(const struct descriptor *d, struct digest *id)
{
	const char *text = strlist_env_get(&d->annotations, ID_ANNOTATION);
	return text && digest_parse(text, id, NULL) == 0;
}

static int64_t read_created(const struct descriptor *d)
{
	int64_t created = 0;
	const char *text = strlist_env_get(&d->annotations, CREATED_ANNOTATION);
	if (text)
		parse_i64(text, INT64_MIN, INT64_MAX, CREATED_ANNOTATION, &created, NULL); /* 0: unknown */
	return created;
}

/* ---- Listing ---- */

static struct image_entry *find_entry(struct image_list *list, const struct digest *id)
{
	for (size_t i = 0; i < list->count; i++) {
		if (digest_equal(&list->items[i].id, id))
			return &list->items[i];
	}
	return NULL;
}

/* An image has one entry whatever its names; the manifest is that of its first name. */
static void add_to_list(struct image_list *list, const struct descriptor *d)
{
	struct digest id;
	if (!read_id(d, &id))
		return;
	const char *name = images_name_of(d);
	struct image_entry *entry = find_entry(list, &id);
	if (!entry) {
		list->items = mem_grow(list->items, list->count + 1, sizeof(*list->items));
		entry = &list->items[list->count++];
		*entry = (struct image_entry){.id = id, .created = read_created(d)};
		descriptor_copy(&entry->manifest, d);
	} else if (name && entry->names.count == 0) {
		descriptor_copy(&entry->manifest, d);
	}
	if (name)
		strlist_append(&entry->names, name);
}

static int compare_entries(const void *left, const void *right)
{
	const struct image_entry *a = left;
	const struct image_entry *b = right;
	if (a->created != b->created)
		return a->created > b->created ? -1 : 1;
	return digest_compare(&a->id, &b->id);
}

static void list_table(const struct image_index *table, struct image_list *list)
{
	*list = (struct image_list){0};
	for (size_t i = 0; i < table->manifest_count; i++)
		add_to_list(list, &table->manifests[i]);
	if (list->count > 0)
		qsort(list->items, list->count, sizeof(*list->items), compare_entries);
}

int images_list(struct store *store, struct image_list *list, struct error **err)
{
	cleanup(image_index_done) struct image_index table = {0};
	int rc = images_load_table(store, &table, err);
	if (rc < 0)
		return rc;
	list_table(&table, list);
	return 0;
}

/* ---- Finding ---- */

static const struct descriptor *find_name(const struct image_index *table, const char *name)
{
	for (size_t i = 0; i < table->manifest_count; i++) {
		struct digest id;
		const char *have = images_name_of(&table->manifests[i]);
		if (have && strcmp(have, name) == 0 && read_id(&table->manifests[i], &id))
			return &table->manifests[i];
	}
	return NULL;
}

static bool is_in_repository(const struct descriptor *d, const char *repository)
{
	const char *name = images_name_of(d);
	cleanup(reference_done) struct reference ref = {0};
	if (!name || reference_parse(name, &ref, NULL) < 0)
		return false;
	cleanup_free char *have = reference_repository(&ref);
	return strcmp(have, repository) == 0;
}

/* By the manifest's digest, of images of one repository (NULL: of all). */
static const struct descriptor *find_manifest(const struct image_index *table, const struct digest *digest,
					      const char *repository)
{
	for (size_t i = 0; i < table->manifest_count; i++) {
		const struct descriptor *d = &table->manifests[i];
		struct digest id;
		if (digest_equal(&d->digest, digest) && read_id(d, &id) &&
		    (!repository || is_in_repository(d, repository)))
			return d;
	}
	return NULL;
}

static const struct descriptor *find_reference(const struct image_index *table, const struct reference *ref)
{
	cleanup_free char *name = reference_format(ref);
	const struct descriptor *found = find_name(table, name);
	if (found || digest_is_null(&ref->digest))
		return found;
	cleanup_free char *repository = reference_repository(ref);
	return find_manifest(table, &ref->digest, repository);
}

/* A short name is looked for as ours first, then as Docker's. */
static const struct descriptor *find_by_name(const struct image_index *table, const char *text)
{
	struct digest digest;
	if (text[0] == '@')
		return digest_parse(text + 1, &digest, NULL) == 0 ? find_manifest(table, &digest, NULL) : NULL;

	const struct descriptor *found = find_name(table, text);
	cleanup(reference_done) struct reference ref = {0};
	if (found || reference_parse(text, &ref, NULL) < 0)
		return found;
	reference_add_default_tag(&ref);
	if (ref.domain)
		return find_reference(table, &ref);

	cleanup(reference_done) struct reference docker = {0};
	reference_copy(&docker, &ref);
	reference_set_docker_domain(&docker);
	ref.domain = mem_strdup("localhost");
	found = find_reference(table, &ref);
	return found ? found : find_reference(table, &docker);
}

/* *found stays NULL when the text is no prefix of an id. */
static int find_by_id(const struct image_index *table, const char *text, const struct descriptor **found,
		      struct error **err)
{
	const char *prefix = text_has_prefix(text, "sha256:") ? text + strlen("sha256:") : text;
	size_t len = strlen(prefix);
	if (len < ID_PREFIX_MIN || strspn(prefix, "0123456789abcdef") != len)
		return 0;

	struct digest first = {0};
	for (size_t i = 0; i < table->manifest_count; i++) {
		struct digest id;
		char hex[DIGEST_HEX_SIZE];
		if (!read_id(&table->manifests[i], &id) || !text_has_prefix(digest_hex(&id, hex), prefix))
			continue;
		if (*found && !digest_equal(&first, &id))
			return error_set(err, EINVAL, "%s: several images have ids that start so", text);
		/* Of several manifests of one image the one with a name, as add_to_list() has it. */
		if (!*found || !images_name_of(*found))
			*found = &table->manifests[i];
		first = id;
	}
	return 0;
}

static void take_entry(const struct image_index *table, const struct descriptor *found, struct image_entry *entry)
{
	cleanup(image_list_done) struct image_list list = {0};
	struct digest id;
	read_id(found, &id);
	list_table(table, &list);
	struct image_entry *listed = find_entry(&list, &id);
	descriptor_copy(&listed->manifest, found);
	image_entry_done(entry);
	*entry = *listed;
	*listed = (struct image_entry){0};
}

int images_find(struct store *store, const char *text, struct image_entry *entry, struct error **err)
{
	cleanup(image_index_done) struct image_index table = {0};
	int rc = images_load_table(store, &table, err);
	if (rc < 0)
		return rc;
	/* Long for "here". */
	if (text_has_prefix(text, "containers-storage:"))
		text += strlen("containers-storage:");
	const struct descriptor *found = find_by_name(&table, text);
	if (!found)
		rc = find_by_id(&table, text, &found, err);
	if (rc < 0)
		return rc;
	if (!found)
		return error_set(err, ENOENT, "%s: image not known", text);
	take_entry(&table, found, entry);
	return 0;
}

const char *images_name_meant(const struct image_entry *entry, const char *text)
{
	cleanup(reference_done) struct reference ref = {0};
	if (reference_parse(text, &ref, NULL) < 0)
		return NULL;
	reference_add_default_tag(&ref);
	cleanup_free char *full = reference_format(&ref);
	const char *prefixes[] = {"", "localhost/", "docker.io/library/", "docker.io/"};
	for (size_t p = 0; p < ARRAY_COUNT(prefixes); p++) {
		cleanup_free char *name = mem_printf("%s%s", prefixes[p], full);
		for (size_t i = 0; i < entry->names.count; i++)
			if (strcmp(entry->names.items[i], name) == 0)
				return entry->names.items[i];
	}
	return NULL;
}

/* ---- Changing ---- */

static bool has_id(const struct descriptor *d, const struct digest *id)
{
	struct digest have;
	return read_id(d, &have) && digest_equal(&have, id);
}

/* Takes the name off the entry at `at`: the entry goes when the image has another, else it stays without a name.
 * Entries of other programs are not kept without a name, they would never be found again. */
static void untag_at(struct image_index *table, size_t at)
{
	struct descriptor *d = &table->manifests[at];
	struct digest id;
	bool keep = read_id(d, &id);
	for (size_t i = 0; i < table->manifest_count && keep; i++) {
		if (i != at && has_id(&table->manifests[i], &id))
			keep = false;
	}
	if (keep)
		strlist_env_unset(&d->annotations, REF_NAME_ANNOTATION);
	else
		remove_at(table, at);
}

static ssize_t index_of_name(const struct image_index *table, const char *name)
{
	for (size_t i = 0; i < table->manifest_count; i++) {
		const char *have = images_name_of(&table->manifests[i]);
		if (have && strcmp(have, name) == 0)
			return (ssize_t)i;
	}
	return -1;
}

/* An entry without a name says no more than one with: it is dropped, or given the name. */
static ssize_t index_of_manifest(const struct image_index *table, const struct digest *manifest, bool unnamed_only)
{
	for (size_t i = 0; i < table->manifest_count; i++) {
		const struct descriptor *d = &table->manifests[i];
		if (digest_equal(&d->digest, manifest) && !(unnamed_only && images_name_of(d)))
			return (ssize_t)i;
	}
	return -1;
}

static void annotate(struct descriptor *d, const struct digest *id, int64_t created, const char *name)
{
	char digest[DIGEST_TEXT_SIZE];
	cleanup_free char *seconds = mem_printf("%lld", (long long)created);
	strlist_env_set(&d->annotations, ID_ANNOTATION, digest_format(id, digest));
	strlist_env_set(&d->annotations, CREATED_ANNOTATION, seconds);
	if (name)
		strlist_env_set(&d->annotations, REF_NAME_ANNOTATION, name);
	strlist_sort(&d->annotations);
}

static void add_to_table(struct image_index *table, const struct descriptor *manifest, const struct digest *id,
			 int64_t created, const char *name)
{
	ssize_t named = name ? index_of_name(table, name) : -1;
	if (named >= 0 && digest_equal(&table->manifests[named].digest, &manifest->digest)) {
		annotate(&table->manifests[named], id, created, name);
		return;
	}
	if (named >= 0)
		untag_at(table, (size_t)named);

	ssize_t present = index_of_manifest(table, &manifest->digest, /* unnamed_only */ name != NULL);
	struct descriptor *d = present >= 0 ? &table->manifests[present] : append(table, manifest);
	annotate(d, id, created, name);
}

int images_add(struct store *store, const struct descriptor *manifest, const struct digest *id, int64_t created,
	       const char *name, struct error **err)
{
	cleanup(image_index_done) struct image_index table = {0};
	cleanup_close int lock = edit_table(store, &table, err);
	if (lock < 0)
		return lock;
	/* What is there already, as after a build from the cache, costs no write and no sync. */
	cleanup(buf_done) struct buf before = BUF_INIT(MANIFEST_SIZE_MAX + 1);
	cleanup(buf_done) struct buf after = BUF_INIT(MANIFEST_SIZE_MAX + 1);
	image_index_format(&table, &before);
	add_to_table(&table, manifest, id, created, name);
	image_index_format(&table, &after);
	if (!after.overflow && before.len == after.len && memcmp(before.data, after.data, after.len) == 0)
		return 0;
	return save_table(store, &table, TABLE_GROWS, err);
}

/* What the entry says about where things are goes, its name stays. */
static void replace_entry(struct descriptor *d, const struct descriptor *manifest, const struct digest *id,
			  int64_t created)
{
	cleanup_free char *name = mem_strdup(images_name_of(d));
	descriptor_copy(d, manifest);
	strlist_env_unset(&d->annotations, REF_NAME_ANNOTATION);
	annotate(d, id, created, name);
}

int images_replace(struct store *store, const struct digest *old, const char *name, const struct descriptor *manifest,
		   const struct digest *id, int64_t created, struct error **err)
{
	cleanup(image_index_done) struct image_index table = {0};
	cleanup_close int lock = edit_table(store, &table, err);
	if (lock < 0)
		return lock;
	bool found = false;
	for (size_t i = 0; i < table.manifest_count; i++) {
		struct descriptor *d = &table.manifests[i];
		const char *have = images_name_of(d);
		if (!has_id(d, old) || (name && (!have || strcmp(have, name) != 0)))
			continue;
		replace_entry(d, manifest, id, created);
		found = true;
	}
	char hex[DIGEST_HEX_SIZE];
	if (!found)
		return error_set(err, ENOENT, "%s: image not known", name ? name : digest_hex(old, hex));
	return save_table(store, &table, TABLE_GROWS, err);
}

int images_untag(struct store *store, const char *name, struct error **err)
{
	cleanup(image_index_done) struct image_index table = {0};
	cleanup_close int lock = edit_table(store, &table, err);
	if (lock < 0)
		return lock;
	ssize_t at = index_of_name(&table, name);
	if (at < 0)
		return error_set(err, ENOENT, "%s: image not known", name);
	untag_at(&table, (size_t)at);
	return save_table(store, &table, TABLE_SHRINKS, err);
}

int images_remove(struct store *store, const struct digest *id, struct error **err)
{
	cleanup(image_index_done) struct image_index table = {0};
	cleanup_close int lock = edit_table(store, &table, err);
	if (lock < 0)
		return lock;
	size_t before = table.manifest_count;
	for (size_t i = table.manifest_count; i-- > 0;) {
		if (has_id(&table.manifests[i], id))
			remove_at(&table, i);
	}
	char hex[DIGEST_HEX_SIZE];
	if (table.manifest_count == before)
		return error_set(err, ENOENT, "%s: image not known", digest_hex(id, hex));
	return save_table(store, &table, TABLE_SHRINKS, err);
}

/* ---- Reading an image ---- */

static int load_config(struct store *store, struct image *image, struct error **err)
{
	char digest[DIGEST_TEXT_SIZE];
	const struct descriptor *config = &image->manifest.config;
	cleanup(buf_done) struct buf text = BUF_INIT(CONFIG_SIZE_MAX);
	int rc = blob_read(store, &config->digest, CONFIG_SIZE_MAX, &text, err);
	if (rc < 0)
		return rc;
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
	enum manifest_kind kind;
	rc = manifest_kind(text.data ? text.data : "", text.len, d->media_type, &kind, err);
	if (rc < 0)
		return rc;
	if (kind == MANIFEST_INDEX)
		return error_set(err, EINVAL, "this is a list of images, not an image");
	cleanup_free char *what = mem_printf("manifest %s", digest_format(&d->digest, digest));
	return manifest_parse(text.data, text.len, what, &image->manifest, err);
}

int image_load(struct store *store, struct image_entry *entry, struct image *image, struct error **err)
{
	cleanup(image_done) struct image loaded = {.entry = *entry};
	*entry = (struct image_entry){0};
	int rc = load_manifest(store, &loaded, err);
	if (rc == 0)
		rc = load_config(store, &loaded, err);
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
