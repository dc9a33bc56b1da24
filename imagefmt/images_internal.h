/*
 * The table of images as it lies on disk, shared by images.c, images_change.c and collect.c.
 *
 *	images/by-id/<ab>/<hex>		the rows of one image: an OCI index, with one entry for each of its names, or
 *					one without a name
 *	images/by-name/<sha256 of it>	a symlink that holds the id of the image that has the name
 *	images/removed/<hex>.<n>	the rows of an image that is gone, until its content is (images_garbage.h)
 *	images/numbers			how many there are in each of the folders of by-id (images_number.c)
 *	images/clean			what the store looked like without any garbage (collect_stamp.h)
 *	images/catalogue		what all of them use, for that (images_catalogue.h)
 *
 * Nothing here is read or written whole, so that no command gets slower with what else is in the store. A name counts
 * when both say so: its link leads to the image, and the image has a row with the name. So every change has one rename
 * (or unlink) that makes it true, whatever comes before and after it:
 *
 *	a new name		row, then link
 *	a name that moves	the old image gets a row without a name, the new one a row with it; then the link; then
 *				the old row goes
 *	a name that goes	its row becomes one without a name; then the link goes
 *	an image that goes	its rows, which move to removed/; then the links
 *
 * Readers take no lock. Whoever finds a link whose image has no such row looks at the link once more: it may have
 * moved.
 */
#ifndef COOPER_IMAGEFMT_IMAGES_INTERNAL_H
#define COOPER_IMAGEFMT_IMAGES_INTERNAL_H

#include "imagefmt/images.h"

#define REF_NAME_ANNOTATION "org.opencontainers.image.ref.name"
#define BY_ID "by-id"

/* ---- images_table.c: rows and links ---- */

/* Descriptor of images/. What an earlier version has kept in oci/index.json is brought here first. -ENOENT when the
 * store never had an image. */
MUST_CHECK int images_table_open(struct store *store, struct error **err);
/* The same for who changes it: made when missing, and locked until *lock is closed. */
MUST_CHECK int images_table_edit(struct store *store, int *lock, struct error **err);

/* Where in the table the rows of an image lie, newly allocated. */
MUST_CHECK char *images_rows_path(const struct digest *id);
/* The rows of an image that count. -ENOENT without any. */
int images_rows_load(int table, const struct digest *id, struct image_index *rows, struct error **err);
/* Only what frees space may use the store's reserve. */
enum table_change { TABLE_GROWS, TABLE_SHRINKS };
/* True when the image has rows, whether they count or not. */
bool images_has_rows(int table, const struct digest *id);
/* Replaces them, on disk when this returns; none: the image goes, and they move to removed/. */
int images_rows_save(struct store *store, int table, const struct digest *id, const struct image_index *rows,
		     enum table_change change, struct error **err);

/* The image that has the name; false when none has. */
bool images_name_find(int table, const char *name, struct digest *id);
int images_name_set(struct store *store, int table, const char *name, const struct digest *id, struct error **err);
/* Unless another image has it by now. */
int images_name_unset(int table, const char *name, const struct digest *id, struct error **err);

/* Calls `visit` for each image whose id begins with these hex digits ("" for all). A visitor that returns another value
 * than 0 ends it. */
typedef int images_visit(const struct digest *id, const struct image_index *rows, void *context, struct error **err);
int images_each(int table, const char *prefix, images_visit *visit, void *context, struct error **err);

/* The ids of all images as hex digits, without a look at their rows; some may have none that count. */
int images_ids(int table, struct strlist *ids, struct error **err);

/* The image that a row is of; false for entries that another program has written. */
bool images_id_of(const struct descriptor *d, struct digest *id);
/* The name of a row, borrowed, or NULL. */
const char *images_name_of(const struct descriptor *d);
int64_t images_created_of(const struct descriptor *d);
/* The sum of its layers; false when an earlier version has not written it down. */
bool images_size_of(const struct descriptor *d, uint64_t *size);
void images_annotate(struct descriptor *d, const struct digest *id, int64_t created, const char *name);
void images_annotate_size(struct descriptor *d, uint64_t size);
void images_row_remove(struct image_index *rows, size_t at);

/* ---- images_removed.c: rows of images that are gone ---- */

/* Moves the rows of an image there. */
int images_removed_add(struct store *store, int table, const struct digest *id, struct error **err);
/* What is there, by name. */
int images_removed_list(int table, struct strlist *names, struct error **err);
int images_removed_load(int table, const char *name, struct image_index *rows, struct error **err);
/* Their content is seen to. */
int images_removed_forget(struct store *store, const struct strlist *names, struct error **err);

/* ---- images_number.c ---- */

/* How many images_ids() gives. */
int images_number(int table, size_t *number, struct error **err);

/* ---- images_view.c ---- */

/* Shows other programs what has become of the image. */
void images_view_update(struct store *store, int table, const struct digest *id);

/* ---- images.c ---- */

/* What other programs have put into oci/index.json. */
int images_load_foreign(struct store *store, struct image_index *foreign, struct error **err);
/* All rows of all images, and the entries that other programs have put into oci/index.json. */
int images_load_table(struct store *store, struct image_index *table, struct error **err);

/* ---- collect.c ---- */

/* Removes a blob, if it is there, and counts it. */
int images_collect_blob(struct store *store, const struct digest *digest, struct images_collected *collected,
			struct error **err);

#endif
