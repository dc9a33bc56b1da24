/*
 * Changes of the table of images, one at a time under its lock. Which rename of each makes it true stands in
 * images_internal.h.
 */
#include "imagefmt/images.h"

#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "imagefmt/images_catalogue.h"
#include "imagefmt/index.h"

/* The table, locked. */
struct edit {
	struct store *store;
	int table;
	int lock;
};

static void edit_done(struct edit *edit)
{
	fd_close(edit->table);
	fd_close(edit->lock);
}
CLEANUP_FOR_VALUE(struct edit, edit_done)

#define EDIT_OF(s) ((struct edit){.store = (s), .table = -1, .lock = -1})

static int edit_begin(struct edit *edit, struct error **err)
{
	edit->table = images_table_edit(edit->store, &edit->lock, err);
	return edit->table < 0 ? edit->table : 0;
}

/* ---- rows in memory ---- */

/* An image that has none yet has an empty list of them. */
static int load_rows(const struct edit *edit, const struct digest *id, struct image_index *rows, struct error **err)
{
	cleanup_error struct error *why = NULL;
	int rc = images_rows_load(edit->table, id, rows, &why);

	if (rc < 0 && rc != -ENOENT && err)
		*err = take_ptr(&why);
	return rc == -ENOENT ? 0 : rc;
}

static int save_rows(const struct edit *edit, const struct digest *id, const struct image_index *rows,
		     enum table_change change, struct error **err)
{
	bool is_unnamed = false;

	for (size_t i = 0; i < rows->manifest_count; i++)
		is_unnamed |= images_name_of(&rows->manifests[i]) == NULL;
	int rc = is_unnamed ? catalogue_note_unnamed(edit->store, edit->table, id, err) : 0;
	return rc < 0 ? rc : images_rows_save(edit->store, edit->table, id, rows, change, err);
}

static ssize_t row_of_name(const struct image_index *rows, const char *name)
{
	for (size_t i = 0; i < rows->manifest_count; i++) {
		const char *have = images_name_of(&rows->manifests[i]);
		if (have && strcmp(have, name) == 0)
			return (ssize_t)i;
	}
	return -1;
}

/* A row without a name says no more than one with: it is dropped, or given the name. */
static ssize_t row_of_manifest(const struct image_index *rows, const struct digest *manifest, bool unnamed_only)
{
	for (size_t i = 0; i < rows->manifest_count; i++) {
		const struct descriptor *d = &rows->manifests[i];
		if (digest_equal(&d->digest, manifest) && !(unnamed_only && images_name_of(d)))
			return (ssize_t)i;
	}
	return -1;
}

/* Takes the name off the row: it goes when the image has another, else it stays without a name. */
static void unname(struct image_index *rows, size_t at)
{
	if (rows->manifest_count > 1)
		images_row_remove(rows, at);
	else
		strlist_env_unset(&rows->manifests[at].annotations, REF_NAME_ANNOTATION);
}

struct new_row {
	const struct descriptor *manifest;
	const struct digest *id;
	int64_t created;
};

/* False when it changes nothing. */
static bool put_row(struct image_index *rows, const struct new_row *new, const char *name)
{
	ssize_t named = name ? row_of_name(rows, name) : -1;
	if (named >= 0 && !digest_equal(&rows->manifests[named].digest, &new->manifest->digest)) {
		unname(rows, (size_t)named);
		named = -1;
	}
	ssize_t present = named >= 0 ? named : row_of_manifest(rows, &new->manifest->digest, name != NULL);
	if (present < 0) {
		image_index_append(rows, new->manifest);
		present = (ssize_t)rows->manifest_count - 1;
	} else if ((!name || named >= 0) && images_created_of(&rows->manifests[present]) == new->created) {
		return false;
	}
	images_annotate(&rows->manifests[present], new->id, new->created, name);
	return true;
}

/* ---- names ---- */

/* Sees to it that the image is still one when its only name has gone. */
static int leave_name(const struct edit *edit, const struct digest *id, const char *name, struct error **err)
{
	cleanup(image_index_done) struct image_index rows = {0};
	cleanup(descriptor_done) struct descriptor unnamed = {0};
	int rc = load_rows(edit, id, &rows, err);

	if (rc < 0 || rows.manifest_count != 1 || row_of_name(&rows, name) < 0)
		return rc;
	/* Beside the other for now: until the link has moved, the name is this image's. */
	descriptor_copy(&unnamed, &rows.manifests[0]);
	strlist_env_unset(&unnamed.annotations, REF_NAME_ANNOTATION);
	image_index_append(&rows, &unnamed);
	return save_rows(edit, id, &rows, TABLE_GROWS, err);
}

/* The link leads elsewhere: the row does not count any more, and goes when the rows are written. */
static int forget_rows(const struct edit *edit, const struct digest *id, struct error **err)
{
	cleanup(image_index_done) struct image_index rows = {0};
	int rc = load_rows(edit, id, &rows, err);

	return rc < 0 ? rc : save_rows(edit, id, &rows, TABLE_GROWS, err);
}

/* What a manifest that the image did not have leads to, for the catalogue; *manifest gets its size. */
static int note_manifest(const struct edit *edit, const struct digest *id, struct descriptor *manifest,
			 struct error **err)
{
	cleanup(marks_done) struct marks marks = {.store = edit->store};
	cleanup_error struct error *why = NULL;

	if (marks_add(&marks, manifest, &why) < 0) {
		/* It is in nobody's way before something is removed, and said then. */
		log_debug("%s", error_message(why));
		return catalogue_give_up(edit->table, err);
	}
	images_annotate_size(manifest, marks.has_index ? manifest->size : marks.layer_size);
	return catalogue_note_image(edit->store, edit->table, id, &marks, err);
}

static int add_row(const struct edit *edit, const struct new_row *new, const char *name, struct error **err)
{
	cleanup(image_index_done) struct image_index rows = {0};
	struct digest before;
	bool is_taken = name && images_name_find(edit->table, name, &before);
	bool moves = is_taken && !digest_equal(&before, new->id);
	int rc = load_rows(edit, new->id, &rows, err);

	if (rc == 0 && moves)
		rc = leave_name(edit, &before, name, err);
	cleanup(descriptor_done) struct descriptor manifest = {0};
	descriptor_copy(&manifest, new->manifest);
	bool is_new = row_of_manifest(&rows, &manifest.digest, /* unnamed_only */ false) < 0;
	if (rc == 0 && is_new)
		rc = note_manifest(edit, new->id, &manifest, err);
	/* What is there already, as after a build from the cache, costs no write and no sync. */
	bool changes = rc == 0 && put_row(&rows, &(struct new_row){&manifest, new->id, new->created}, name);
	if (changes)
		rc = save_rows(edit, new->id, &rows, TABLE_GROWS, err);
	if (rc == 0 && name && (!is_taken || moves))
		rc = images_name_set(edit->store, edit->table, name, new->id, err);
	if (rc == 0 && is_new)
		rc = catalogue_note_sure(edit->store, edit->table, new->id, err);
	if (rc == 0 && moves) {
		rc = forget_rows(edit, &before, err);
		images_view_update(edit->store, edit->table, &before);
	}
	if (rc == 0 && (changes || (name && !is_taken) || moves))
		images_view_update(edit->store, edit->table, new->id);
	return rc;
}

int images_add(struct store *store, const struct descriptor *manifest, const struct digest *id, int64_t created,
	       const char *name, struct error **err)
{
	cleanup(edit_done) struct edit edit = EDIT_OF(store);
	int rc = edit_begin(&edit, err);

	return rc < 0 ? rc : add_row(&edit, &(struct new_row){manifest, id, created}, name, err);
}

static int not_known(const char *name, struct error **err)
{
	return error_set(err, ENOENT, "%s: image not known", name);
}

int images_untag(struct store *store, const char *name, struct error **err)
{
	cleanup(edit_done) struct edit edit = EDIT_OF(store);
	cleanup(image_index_done) struct image_index rows = {0};
	struct digest id;
	int rc = edit_begin(&edit, err);
	if (rc == 0 && !images_name_find(edit.table, name, &id))
		return not_known(name, err);
	if (rc == 0)
		rc = load_rows(&edit, &id, &rows, err);
	if (rc < 0)
		return rc;
	ssize_t at = row_of_name(&rows, name);
	if (at < 0)
		return not_known(name, err);
	unname(&rows, (size_t)at);
	rc = save_rows(&edit, &id, &rows, TABLE_SHRINKS, err);
	if (rc == 0)
		rc = images_name_unset(edit.table, name, &id, err);
	if (rc == 0)
		images_view_update(store, edit.table, &id);
	return rc;
}

/* ---- whole images ---- */

static int unset_names(const struct edit *edit, const struct digest *id, const struct image_index *rows,
		       struct error **err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < rows->manifest_count; i++) {
		const char *name = images_name_of(&rows->manifests[i]);
		rc = name ? images_name_unset(edit->table, name, id, err) : 0;
	}
	return rc;
}

int images_remove(struct store *store, const struct digest *id, struct error **err)
{
	cleanup(edit_done) struct edit edit = EDIT_OF(store);
	cleanup(image_index_done) struct image_index rows = {0};
	char hex[DIGEST_HEX_SIZE];
	int rc = edit_begin(&edit, err);
	if (rc == 0)
		rc = load_rows(&edit, id, &rows, err);
	if (rc < 0)
		return rc;
	if (rows.manifest_count == 0)
		return not_known(digest_hex(id, hex), err);
	rc = save_rows(&edit, id, &(struct image_index){0}, TABLE_SHRINKS, err);
	if (rc == 0)
		rc = unset_names(&edit, id, &rows, err);
	if (rc == 0)
		images_view_update(store, edit.table, id);
	return rc;
}

/* One row of the old list to the new one. */
static int replace_row(const struct edit *edit, const struct digest *old, const char *name, const struct new_row *new,
		       struct error **err)
{
	cleanup(image_index_done) struct image_index rows = {0};
	int rc = add_row(edit, new, name, err);

	if (rc == 0)
		rc = load_rows(edit, old, &rows, err);
	if (rc < 0 || digest_equal(old, new->id))
		return rc;
	/* What the old list keeps without a name is only what it had without one. */
	for (size_t i = rows.manifest_count; i-- > 0;)
		if (!images_name_of(&rows.manifests[i]))
			images_row_remove(&rows, i);
	rc = save_rows(edit, old, &rows, TABLE_SHRINKS, err);
	if (rc == 0)
		images_view_update(edit->store, edit->table, old);
	return rc;
}

int images_replace(struct store *store, const struct digest *old, const char *name, const struct descriptor *manifest,
		   const struct digest *id, int64_t created, struct error **err)
{
	cleanup(edit_done) struct edit edit = EDIT_OF(store);
	cleanup(image_index_done) struct image_index rows = {0};
	const struct new_row new = {manifest, id, created};
	char hex[DIGEST_HEX_SIZE];
	bool found = false;
	int rc = edit_begin(&edit, err);
	if (rc == 0)
		rc = load_rows(&edit, old, &rows, err);
	for (size_t i = 0; rc == 0 && i < rows.manifest_count; i++) {
		const char *have = images_name_of(&rows.manifests[i]);
		if (name && (!have || strcmp(have, name) != 0))
			continue;
		rc = replace_row(&edit, old, have, &new, err);
		found = true;
	}
	if (rc == 0 && !found)
		return not_known(name ? name : digest_hex(old, hex), err);
	return rc;
}
