/*
 * Which images there are, and which one a text means: by the files of images_table.c, of which no more are opened than
 * the answer needs.
 */
#include "imagefmt/images.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/parse.h"
#include "imagefmt/blob.h"
#include "imagefmt/image_note.h"
#include "imagefmt/images_catalogue.h"
#include "imagefmt/index.h"
#include "imagefmt/mediatype.h"
#include "imagefmt/reference.h"

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

/* ---- Listing ---- */

/* An image has one entry whatever its names; the manifest is that of its first name. */
static void make_entry(const struct digest *id, const struct image_index *rows, struct image_entry *entry)
{
	*entry = (struct image_entry){.id = *id, .created = images_created_of(&rows->manifests[0])};
	descriptor_copy(&entry->manifest, &rows->manifests[0]);
	for (size_t i = 0; i < rows->manifest_count; i++) {
		const char *name = images_name_of(&rows->manifests[i]);
		if (name && entry->names.count == 0)
			descriptor_copy(&entry->manifest, &rows->manifests[i]);
		if (name)
			strlist_append(&entry->names, name);
	}
	entry->has_size = images_size_of(&entry->manifest, &entry->size);
}

static void move_to_list(struct image_entry *entry, struct image_list *list)
{
	if ((list->count & (list->count - 1)) == 0) /* full: room for twice as many */
		list->items = mem_grow(list->items, list->count ? 2 * list->count : 1, sizeof(*list->items));
	list->items[list->count++] = *entry;
	*entry = (struct image_entry){0};
}

static int add_to_list(const struct digest *id, const struct image_index *rows, void *context, struct error **err)
{
	struct image_entry entry;

	(void)err;
	make_entry(id, rows, &entry);
	move_to_list(&entry, context);
	return 0;
}

static int compare_entries(const void *left, const void *right)
{
	const struct image_entry *a = left;
	const struct image_entry *b = right;
	if (a->created != b->created)
		return a->created > b->created ? -1 : 1;
	return digest_compare(&a->id, &b->id);
}

static void take_sorted(struct image_list *found, struct image_list *list)
{
	if (found->count > 0)
		qsort(found->items, found->count, sizeof(*found->items), compare_entries);
	*list = *found;
	*found = (struct image_list){0};
}

/* Held while all of the table is read, so that a name that moves meanwhile is not missed. In a store that cannot be
 * written to, nothing moves. */
MUST_CHECK static int hold_still(struct store *store)
{
	return store_lock(store, "images", "table", LOCK_SHARED, LOCK_WAIT, "the table of images", NULL);
}

/* The table, and 0; 1 when there is nothing in it. */
static int open_table(struct store *store, int *table, struct error **err)
{
	cleanup_error struct error *why = NULL;
	int fd = images_table_open(store, &why);

	if (fd == -ENOENT)
		return 1;
	if (fd < 0 && err)
		*err = take_ptr(&why);
	if (fd >= 0)
		*table = fd;
	return fd < 0 ? fd : 0;
}

/* Of this boot there is none before somebody has needed it. */
static int load_catalogue(struct store *store, int table, struct catalogue *catalogue, struct error **err)
{
	cleanup_close int lock = -1;

	if (catalogue_load(store, table, catalogue, NULL) == 0)
		return 0;
	cleanup_close int locked = images_table_edit(store, &lock, err);
	return locked < 0 ? locked : catalogue_load_or_make(store, locked, catalogue, err);
}

int images_list(struct store *store, struct image_list *list, struct error **err)
{
	cleanup(image_list_done) struct image_list found = {0};
	cleanup_close int table = -1;
	int rc = open_table(store, &table, err);
	if (rc == 0) {
		int still = hold_still(store);
		rc = images_each(table, "", add_to_list, &found, err);
		fd_close(still);
	}
	if (rc < 0)
		return rc;
	take_sorted(&found, list);
	return 0;
}

void image_list_put(struct image_list *list, struct image_entry *entry)
{
	for (size_t i = 0; i < list->count; i++)
		if (digest_equal(&list->items[i].id, &entry->id))
			return;
	move_to_list(entry, list);
	take_sorted(&(struct image_list){list->items, list->count}, list);
}

size_t image_repository_length(const char *name)
{
	const char *slash = strrchr(name, '/');
	size_t path = slash ? (size_t)(slash - name) : 0; /* a host may have a port */

	return path + strcspn(name + path, ":@");
}

static bool has_name_in(const struct image_entry *entry, const struct strlist *repositories)
{
	for (size_t i = 0; i < entry->names.count; i++) {
		const char *name = entry->names.items[i];
		cleanup_free char *repository = mem_strndup(name, image_repository_length(name));
		if (strlist_contains(repositories, repository))
			return true;
	}
	return false;
}

/* The images that the catalogue knows to have, or to have had, such a name. */
static int ids_of_repositories(struct store *store, int table, const struct strlist *repositories,
			       struct digest_set *ids, struct error **err)
{
	cleanup(catalogue_done) struct catalogue catalogue = CATALOGUE_INIT;
	cleanup_free uint64_t *prints = mem_alloc(repositories->count * sizeof(*prints));
	struct catalogue_record record;
	int rc = load_catalogue(store, table, &catalogue, err);

	for (size_t i = 0; i < repositories->count; i++)
		prints[i] = catalogue_print_repository(repositories->items[i], strlen(repositories->items[i]));
	while (rc == 0 && catalogue_next(&catalogue, &record))
		for (size_t i = 0; record.kind == CATALOGUE_NAME && i < repositories->count; i++)
			if (record.prints[0] == prints[i])
				digest_set_add(ids, &record.id);
	return rc;
}

static int list_ids(int table, struct digest_set *ids, struct image_list *list, struct error **err)
{
	for (size_t i = 0; i < ids->count; i++) {
		cleanup(image_index_done) struct image_index rows = {0};
		if (i > 0 && digest_equal(&ids->items[i], &ids->items[i - 1]))
			continue;
		int rc = images_rows_load(table, &ids->items[i], &rows, NULL);
		if (rc < 0 && rc != -ENOENT)
			return images_rows_load(table, &ids->items[i], &rows, err); /* again, for the words */
		if (rc == 0)
			add_to_list(&ids->items[i], &rows, list, err);
	}
	return 0;
}

/* The images that the catalogue knows to have, or to have had, a row without a name. */
static int ids_of_unnamed(struct store *store, int table, struct digest_set *ids, struct error **err)
{
	cleanup(catalogue_done) struct catalogue catalogue = CATALOGUE_INIT;
	struct catalogue_record record;
	int rc = load_catalogue(store, table, &catalogue, err);

	while (rc == 0 && catalogue_next(&catalogue, &record))
		if (record.kind == CATALOGUE_UNNAMED)
			digest_set_add(ids, &record.id);
	return rc;
}

int images_list_unnamed(struct store *store, struct image_list *list, struct error **err)
{
	cleanup(image_list_done) struct image_list found = {0}, chosen = {0};
	cleanup(digest_set_done) struct digest_set ids = {0};
	cleanup_close int table = -1;
	int rc = open_table(store, &table, err);

	if (rc == 0)
		rc = ids_of_unnamed(store, table, &ids, err);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	digest_set_sort(&ids);
	rc = list_ids(table, &ids, &found, err);
	for (size_t i = 0; rc == 0 && i < found.count; i++)
		if (found.items[i].names.count == 0)
			move_to_list(&found.items[i], &chosen);
	if (rc == 0)
		take_sorted(&chosen, list);
	return rc;
}

int images_count(struct store *store, size_t *count, struct error **err)
{
	cleanup_close int table = -1;
	size_t number = 0;
	int rc = open_table(store, &table, err);

	if (rc == 0)
		rc = images_number(table, &number, err);
	if (rc >= 0)
		*count = number;
	return rc < 0 ? rc : 0;
}

int images_list_of(struct store *store, const struct strlist *repositories, struct image_list *list, struct error **err)
{
	cleanup(image_list_done) struct image_list found = {0}, chosen = {0};
	cleanup(digest_set_done) struct digest_set ids = {0};
	cleanup_close int table = -1;
	int rc = open_table(store, &table, err);

	if (rc != 0)
		return rc < 0 ? rc : 0;
	if (ids_of_repositories(store, table, repositories, &ids, NULL) == 0) {
		digest_set_sort(&ids);
		rc = list_ids(table, &ids, &found, err);
	} else {
		/* A store that may only be read. */
		rc = images_list(store, &found, err);
	}
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < found.count; i++)
		if (has_name_in(&found.items[i], repositories))
			move_to_list(&found.items[i], &chosen);
	take_sorted(&chosen, list);
	return 0;
}

static int add_rows(const struct digest *id, const struct image_index *rows, void *context, struct error **err)
{
	(void)id;
	(void)err;
	for (size_t i = 0; i < rows->manifest_count; i++)
		image_index_append(context, &rows->manifests[i]);
	return 0;
}

int images_load_foreign(struct store *store, struct image_index *foreign, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	struct digest id;
	int oci = store_folder(store, STORE_OCI, err);
	int rc = oci < 0 ? oci : fd_read_file(oci, "index.json", &text, err);
	if (rc == 0)
		rc = image_index_parse(buf_str(&text), text.len, "index.json", foreign, err);
	if (rc < 0)
		return error_prefix(err, "store '%s'", store_root(store));
	for (size_t i = foreign->manifest_count; i-- > 0;)
		if (images_id_of(&foreign->manifests[i], &id)) /* the view of our own */
			images_row_remove(foreign, i);
	return 0;
}

int images_load_table(struct store *store, struct image_index *table, struct error **err)
{
	cleanup_close int fd = -1;
	int rc = open_table(store, &fd, err);
	if (rc < 0)
		return rc;
	rc = images_load_foreign(store, table, err);
	if (rc < 0 || fd < 0)
		return rc;
	int still = hold_still(store);
	rc = images_each(fd, "", add_rows, table, err);
	fd_close(still);
	return rc;
}

/* ---- Finding ---- */

/* An image that was found, and which of its rows. */
struct finding {
	int table;
	bool is_found;
	struct digest id;
	struct image_index rows;
	size_t row;
};

static void finding_done(struct finding *finding)
{
	image_index_done(&finding->rows);
	fd_close(finding->table);
}
CLEANUP_FOR_VALUE(struct finding, finding_done)

static ssize_t row_with_name(const struct image_index *rows, const char *name)
{
	for (size_t i = 0; i < rows->manifest_count; i++) {
		const char *have = images_name_of(&rows->manifests[i]);
		if (have && strcmp(have, name) == 0)
			return (ssize_t)i;
	}
	return -1;
}

static bool load_named(struct finding *f, const char *name, int *rc, struct error **err)
{
	cleanup_error struct error *why = NULL;

	image_index_done(&f->rows);
	f->rows = (struct image_index){0};
	*rc = images_rows_load(f->table, &f->id, &f->rows, &why);
	if (*rc < 0 && *rc != -ENOENT && err)
		*err = take_ptr(&why);
	ssize_t at = *rc == 0 ? row_with_name(&f->rows, name) : -1;
	f->is_found = at >= 0;
	f->row = f->is_found ? (size_t)at : 0;
	*rc = *rc == -ENOENT ? 0 : *rc;
	return f->is_found;
}

static int find_name(struct finding *f, const char *name, struct error **err)
{
	struct digest before = {0};
	int rc = 0;

	/* A link that has changed since its image was read: the name has moved. */
	while (images_name_find(f->table, name, &f->id) && !digest_equal(&before, &f->id)) {
		before = f->id;
		if (load_named(f, name, &rc, err) || rc < 0)
			break;
	}
	return rc;
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

/* A manifest says itself which image it is of: the configuration is the id, and a list is its own. */
static bool id_of_manifest(struct store *store, const struct digest *digest, struct digest *id)
{
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	cleanup(manifest_done) struct manifest m = {0};
	enum manifest_kind kind;

	if (image_note_read_config(store, digest, id))
		return true;
	if (blob_read(store, digest, MANIFEST_SIZE_MAX, &text, NULL) < 0 ||
	    manifest_kind(text.data, text.len, NULL, &kind, NULL) < 0)
		return false;
	*id = *digest;
	if (kind == MANIFEST_IMAGE && manifest_parse(text.data, text.len, "manifest", &m, NULL) < 0)
		return false;
	if (kind == MANIFEST_IMAGE)
		*id = m.config.digest;
	return true;
}

/* By the manifest's digest, of images of one repository (NULL: of all). */
static int find_manifest(struct store *store, struct finding *f, const struct digest *digest, const char *repository)
{
	image_index_done(&f->rows);
	f->rows = (struct image_index){0};
	if (!id_of_manifest(store, digest, &f->id) || images_rows_load(f->table, &f->id, &f->rows, NULL) < 0)
		return 0;
	for (size_t i = 0; i < f->rows.manifest_count && !f->is_found; i++) {
		const struct descriptor *d = &f->rows.manifests[i];
		f->is_found = digest_equal(&d->digest, digest) && (!repository || is_in_repository(d, repository));
		f->row = i;
	}
	return 0;
}

static int find_reference(struct store *store, struct finding *f, const struct reference *ref, struct error **err)
{
	cleanup_free char *name = reference_format(ref);
	int rc = find_name(f, name, err);
	if (rc < 0 || f->is_found || digest_is_null(&ref->digest))
		return rc;
	cleanup_free char *repository = reference_repository(ref);
	return find_manifest(store, f, &ref->digest, repository);
}

/* A short name is looked for as ours first, then as Docker's. */
static int find_by_name(struct store *store, struct finding *f, const char *text, struct error **err)
{
	struct digest digest;
	if (text[0] == '@')
		return digest_parse(text + 1, &digest, NULL) == 0 ? find_manifest(store, f, &digest, NULL) : 0;

	cleanup(reference_done) struct reference ref = {0};
	int rc = find_name(f, text, err);
	if (rc < 0 || f->is_found || reference_parse(text, &ref, NULL) < 0)
		return rc;
	reference_add_default_tag(&ref);
	if (ref.domain)
		return find_reference(store, f, &ref, err);

	cleanup(reference_done) struct reference docker = {0};
	reference_copy(&docker, &ref);
	reference_set_docker_domain(&docker);
	ref.domain = mem_strdup("localhost");
	rc = find_reference(store, f, &ref, err);
	return rc < 0 || f->is_found ? rc : find_reference(store, f, &docker, err);
}

struct by_prefix {
	struct finding *finding;
	const char *text; /* the user's */
};

static int take_by_id(const struct digest *id, const struct image_index *rows, void *context, struct error **err)
{
	const struct by_prefix *search = context;
	struct finding *f = search->finding;

	if (f->is_found)
		return error_set(err, EINVAL, "%s: several images have ids that start so", search->text);
	f->is_found = true;
	f->id = *id;
	image_index_done(&f->rows);
	f->rows = (struct image_index){0};
	add_rows(id, rows, &f->rows, NULL);
	/* Of several manifests of one image the first with a name, as make_entry() has it. */
	for (f->row = 0; f->row < rows->manifest_count && !images_name_of(&rows->manifests[f->row]);)
		f->row++;
	if (f->row == rows->manifest_count)
		f->row = 0;
	return 0;
}

static int find_by_id(struct finding *f, const char *text, struct error **err)
{
	const char *prefix = text_has_prefix(text, "sha256:") ? text + strlen("sha256:") : text;
	size_t len = strlen(prefix);

	if (len < ID_PREFIX_MIN || strspn(prefix, "0123456789abcdef") != len)
		return 0;
	return images_each(f->table, prefix, take_by_id, &(struct by_prefix){f, text}, err);
}

static void take_entry(const struct finding *f, struct image_entry *entry)
{
	image_entry_done(entry);
	make_entry(&f->id, &f->rows, entry);
	descriptor_copy(&entry->manifest, &f->rows.manifests[f->row]);
	entry->has_size = images_size_of(&entry->manifest, &entry->size);
}

int images_find(struct store *store, const char *text, struct image_entry *entry, struct error **err)
{
	cleanup(finding_done) struct finding f = {.table = -1};
	int rc = open_table(store, &f.table, err);
	if (rc < 0)
		return rc;
	/* Long for "here". */
	if (text_has_prefix(text, "containers-storage:"))
		text += strlen("containers-storage:");
	if (rc == 0)
		rc = find_by_name(store, &f, text, err);
	if (rc == 0 && !f.is_found)
		rc = find_by_id(&f, text, err);
	if (rc < 0)
		return rc;
	if (!f.is_found)
		return error_set(err, ENOENT, "%s: image not known", text);
	take_entry(&f, entry);
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
