/*
 * Garbage: what nothing that has a name leads to. What images lead to stands in their catalogue (images_catalogue.h),
 * so that not all of them are read; lists are followed through their manifests and configurations, and layers of
 * containers are given by the caller. Then all blobs and layers that are neither are removed. The store is held alone
 * meanwhile, so nothing that is on its way to a name can be swept.
 */
#include "imagefmt/images.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/directory.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/tree.h"
#include "imagefmt/blob.h"
#include "imagefmt/collect_stamp.h"
#include "imagefmt/image_note.h"
#include "imagefmt/images_catalogue.h"
#include "imagefmt/images_internal.h"
#include "imagefmt/layer.h"
#include "imagefmt/layer_pile.h"
#include "imagefmt/layer_stack.h"
#include "imagefmt/marks.h"

#define STAMP_SIZE_MAX ((size_t)4096)

/* What is used: of images by the prints that the catalogue has of it, which may say too much and never too little; of
 * all else by digests. */
struct in_use {
	struct print_set prints;
	struct marks marks;
};

static void in_use_done(struct in_use *use)
{
	print_set_done(&use->prints);
	marks_done(&use->marks);
}
CLEANUP_FOR_VALUE(struct in_use, in_use_done)

static bool has_layer(struct in_use *use, const struct digest *diff_id)
{
	return print_set_has(&use->prints, catalogue_print(diff_id)) || digest_set_has(&use->marks.layers, diff_id);
}

static bool has_blob(struct in_use *use, const struct digest *digest)
{
	return print_set_has(&use->prints, catalogue_print(digest)) || digest_set_has(&use->marks.blobs, digest);
}

static int mark_rows(struct marks *marks, const struct image_index *rows, struct error **err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < rows->manifest_count; i++) {
		const struct descriptor *d = &rows->manifests[i];
		char digest[DIGEST_TEXT_SIZE];
		rc = marks_add(marks, d, err);
		if (rc < 0)
			error_prefix(err, "image %s",
				     images_name_of(d) ? images_name_of(d) : digest_format(&d->digest, digest));
	}
	return rc;
}

/* What a list leads to is looked at, as it is now: it may have come since. */
static int mark_list(int table, const struct digest *id, struct marks *marks, struct error **err)
{
	cleanup(image_index_done) struct image_index rows = {0};
	cleanup_error struct error *why = NULL;
	int rc = images_rows_load(table, id, &rows, &why);

	if (rc < 0 && rc != -ENOENT && err)
		*err = take_ptr(&why);
	return rc == -ENOENT ? 0 : rc < 0 ? rc : mark_rows(marks, &rows, err);
}

static int mark_images(struct store *store, int table, struct in_use *use, struct error **err)
{
	cleanup(digest_set_done) struct digest_set lists = {0};
	int rc = catalogue_living(store, table, &use->prints, &lists, err);

	digest_set_sort(&lists);
	for (size_t i = 0; rc == 0 && i < lists.count; i++)
		if (i == 0 || !digest_equal(&lists.items[i], &lists.items[i - 1]))
			rc = mark_list(table, &lists.items[i], &use->marks, err);
	return rc;
}

static bool has_table(struct store *store)
{
	cleanup_error struct error *why = NULL;
	cleanup_close int table = images_table_open(store, &why);

	return table != -ENOENT;
}

/* What images lead to, and what other programs have put into the store. */
static int mark_all(struct store *store, struct in_use *use, struct error **err)
{
	cleanup(image_index_done) struct image_index foreign = {0};
	cleanup_close int lock = -1, table = -1;
	int rc = 0;

	if (has_table(store)) {
		table = images_table_edit(store, &lock, err);
		rc = table < 0 ? table : mark_images(store, table, use, err);
	}
	if (rc == 0)
		rc = images_load_foreign(store, &foreign, err);
	return rc < 0 ? rc : mark_rows(&use->marks, &foreign, err);
}

/* ---- Sweeping ---- */

int images_collect_blob(struct store *store, const struct digest *digest, struct images_collected *collected,
			struct error **err)
{
	uint64_t size = 0;
	char hex[DIGEST_HEX_SIZE];
	if (!blob_exists(store, digest, &size))
		return 0;
	int rc = blob_remove(store, digest, err);
	if (rc < 0)
		return rc;
	collected->blobs++;
	collected->bytes += size;
	store_forget_lock(store, "blob", digest_hex(digest, hex));
	image_note_remove(store, digest);
	return 0;
}

/* The name of a blob that is used, told by its first digits. */
static bool is_printed(const struct in_use *use, const char *name)
{
	uint64_t print;

	return strlen(name) > 2 * sizeof(print) && parse_hex(name, 2 * sizeof(print), &print, sizeof(print)) == 0 &&
	       print_set_has(&use->prints, print);
}

static int sweep_blobs(struct in_use *use, enum digest_algorithm algorithm, struct images_collected *collected,
		       struct error **err)
{
	struct store *store = use->marks.store;
	const char *name = digest_algorithm_name(algorithm);
	cleanup_free char *folder = mem_printf("blobs/%s", name);
	int oci = store_folder(store, STORE_OCI, err);
	if (oci < 0)
		return oci;
	int fd = openat(oci, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	cleanup_directory DIR *dir = NULL;
	int rc = fd < 0 ? error_set_errno(err, "read '%s'", folder) : directory_take(&fd, &dir, err);
	for (const struct dirent *entry; rc == 0 && (entry = directory_next(dir, &rc, err));) {
		struct digest digest;
		if (is_printed(use, entry->d_name))
			continue;
		cleanup_free char *text = mem_printf("%s:%s", name, entry->d_name);
		/* What is no blob is not ours to remove. */
		if (digest_parse(text, &digest, NULL) == 0 && !has_blob(use, &digest))
			rc = images_collect_blob(store, &digest, collected, err);
	}
	return rc;
}

/* The blobs that a kept layer is known to be packed in save packing it again. */
static void mark_blobs_of(struct in_use *use, const struct digest *diff_id)
{
	cleanup(layer_record_done) struct layer_record record = {0};

	/* No record: it is not readable, and the manifest has marked its blob. */
	if (layer_load_record(use->marks.store, diff_id, &record, NULL) < 0)
		return;
	for (size_t i = 0; i < record.blob_count; i++)
		digest_set_add(&use->marks.blobs, &record.blobs[i].digest);
}

/* Those that stay keep their blobs. */
static int sweep_layers(struct in_use *use, struct images_collected *collected, struct error **err)
{
	cleanup_free struct digest *all = NULL;
	size_t count = 0;
	int rc = layer_list(use->marks.store, &all, &count, err);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		if (has_layer(use, &all[i])) {
			mark_blobs_of(use, &all[i]);
			continue;
		}
		rc = layer_remove(use->marks.store, &all[i], err);
		if (rc == 0)
			collected->layers++;
	}
	return rc;
}

/* What many small layers were put together to, and does not hold any more. */
static int sweep_piles(struct store *store, struct error **err)
{
	cleanup(strlist_done) struct strlist trash = {0};
	int rc = layer_piles_take_away(store, /* gone */ NULL, &trash, err);

	for (size_t i = 0; rc == 0 && i < trash.count; i++)
		rc = tree_remove(store_tmp(store, NULL), trash.items[i], err);
	return rc;
}

/* Each blob that was fetched and each layer that was unpacked has left one, and whoever looks for locks that are of
 * nobody's any more reads all names. Nobody fetches while the store is held alone; who has a layer keeps its lock. */
static void forget_locks(struct store *store)
{
	static const char *const kinds[] = {"blob", "layer"};
	cleanup_free char *path = store_path(store, STORE_LOCKS, ".");
	cleanup_error struct error *why = NULL;
	cleanup_directory DIR *dir = NULL;
	int rc = directory_open(AT_FDCWD, path, &dir, &why);

	for (const struct dirent *entry; rc == 0 && (entry = directory_next(dir, &rc, &why));) {
		for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
			size_t length = strlen(kinds[i]);
			if (strncmp(entry->d_name, kinds[i], length) == 0 && entry->d_name[length] == '-' &&
			    store_forget_lock(store, kinds[i], entry->d_name + length + 1) < 0)
				trace(STORE, "the lock %s is in use and stays", entry->d_name);
		}
	}
	if (rc < 0)
		log_debug("locks of nobody's may stay: %s", error_message(why));
}

static int list_removed(struct store *store, struct strlist *removed, struct error **err)
{
	cleanup_error struct error *why = NULL;
	cleanup_close int table = images_table_open(store, &why);

	if (table == -ENOENT)
		return 0;
	if (table < 0 && err)
		*err = take_ptr(&why);
	return table < 0 ? table : images_removed_list(table, removed, err);
}

/* The store is held alone. */
static int collect(struct store *store, const struct digest *kept, size_t kept_count,
		   struct images_collected *collected, struct error **err)
{
	struct images_collected total = {0};
	cleanup(in_use_done) struct in_use use = {.marks = {.store = store}};
	cleanup(strlist_done) struct strlist removed = {0};
	for (size_t i = 0; i < kept_count; i++)
		digest_set_add(&use.marks.layers, &kept[i]);
	/* Before the table is read: what is removed from now on may still be marked. */
	int rc = list_removed(store, &removed, err);
	if (rc == 0)
		rc = mark_all(store, &use, err);
	if (rc < 0)
		return error_prefix(err, "nothing is removed");

	/* Layers first: a layer without its blob can be made again or is whole, a blob without its layer likewise; but
	 * a record that names a blob which is gone would be wrong. */
	rc = sweep_layers(&use, &total, err);
	if (rc == 0)
		rc = sweep_blobs(&use, DIGEST_SHA256, &total, err);
	if (rc == 0)
		rc = sweep_blobs(&use, DIGEST_SHA512, &total, err);
	if (rc == 0)
		rc = images_removed_forget(store, &removed, err);
	if (rc == 0)
		rc = sweep_piles(store, err);
	if (rc == 0)
		rc = layer_stacks_clear(store, err);
	if (rc == 0)
		forget_locks(store);
	if (rc == 0)
		*collected = total;
	return rc;
}

int images_collect(struct store *store, const struct digest *kept, size_t kept_count, enum lock_wait wait,
		   struct images_collected *collected, struct error **err)
{
	struct images_collected found = {0};
	cleanup(buf_done) struct buf stamp = BUF_INIT(STAMP_SIZE_MAX);
	cleanup_close int alone = store_hold_alone(store, wait, err);

	if (alone < 0)
		return alone;
	/* As it was before we looked: what others (rmi, other programs) change meanwhile is for the next one. */
	bool is_told = collect_stamp_make(store, kept, kept_count, &stamp);
	if (!is_told || !collect_stamp_is(store, &stamp)) {
		int rc = collect(store, kept, kept_count, &found, err);
		if (rc < 0)
			return rc;
		if (is_told && found.blobs == 0 && found.layers == 0)
			collect_stamp_write(store, &stamp);
	}
	if (collected)
		*collected = found;
	return 0;
}
