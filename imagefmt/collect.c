/*
 * Garbage: what nothing that has a name leads to. Marks go from the table of images through indexes, manifests and
 * configurations to layers, and from the containers' layers (given by the caller); then all blobs and layers without
 * a mark are removed. The store is held alone meanwhile, so nothing that is on its way to a name can be swept.
 */
#include "imagefmt/images.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/tree.h"
#include "imagefmt/blob.h"
#include "imagefmt/image_note.h"
#include "imagefmt/images_internal.h"
#include "imagefmt/layer.h"
#include "imagefmt/layer_pile.h"
#include "imagefmt/layer_stack.h"
#include "imagefmt/marks.h"

static int mark_table(struct marks *marks, struct error **err)
{
	cleanup(image_index_done) struct image_index table = {0};
	int rc = images_load_table(marks->store, &table, err);
	for (size_t i = 0; rc == 0 && i < table.manifest_count; i++) {
		const struct descriptor *d = &table.manifests[i];
		char digest[DIGEST_TEXT_SIZE];
		rc = marks_add(marks, d, err);
		if (rc < 0)
			error_prefix(err, "image %s",
				     images_name_of(d) ? images_name_of(d) : digest_format(&d->digest, digest));
	}
	return rc;
}

int images_layers(struct store *store, struct digest **diff_ids, size_t *count, struct error **err)
{
	cleanup(marks_done) struct marks marks = {.store = store};
	int rc = mark_table(&marks, err);

	if (rc < 0)
		return rc;
	*diff_ids = mem_grow(*diff_ids, *count + marks.layers.count + 1, sizeof(**diff_ids));
	for (size_t i = 0; i < marks.layers.count; i++)
		(*diff_ids)[(*count)++] = marks.layers.items[i];
	return 0;
}

/* The blobs that a kept layer is known to be packed in save packing it again. */
static void mark_blobs_of_layers(struct marks *marks)
{
	for (size_t i = 0; i < marks->layers.count; i++) {
		cleanup(layer_record_done) struct layer_record record = {0};
		/* No record: the layer is not unpacked, or not readable, and the manifest has marked its blob. */
		if (layer_load_record(marks->store, &marks->layers.items[i], &record, NULL) < 0)
			continue;
		for (size_t k = 0; k < record.blob_count; k++)
			digest_set_add(&marks->blobs, &record.blobs[k].digest);
	}
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

static int sweep_blobs(struct marks *marks, enum digest_algorithm algorithm, struct images_collected *collected,
		       struct error **err)
{
	const char *name = digest_algorithm_name(algorithm);
	cleanup_free char *folder = mem_printf("blobs/%s", name);
	int oci = store_folder(marks->store, STORE_OCI, err);
	if (oci < 0)
		return oci;
	int fd = openat(oci, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		int rc = error_set_errno(err, "read '%s'", folder);
		fd_close(fd);
		return rc;
	}
	int rc = 0;
	for (struct dirent *entry; rc == 0 && (entry = readdir(dir));) {
		cleanup_free char *text = mem_printf("%s:%s", name, entry->d_name);
		struct digest digest;
		/* What is no blob is not ours to remove. */
		if (digest_parse(text, &digest, NULL) == 0 && !digest_set_has(&marks->blobs, &digest))
			rc = images_collect_blob(marks->store, &digest, collected, err);
	}
	closedir(dir);
	return rc;
}

static int sweep_layers(struct marks *marks, struct images_collected *collected, struct error **err)
{
	cleanup_free struct digest *all = NULL;
	size_t count = 0;
	int rc = layer_list(marks->store, &all, &count, err);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		if (digest_set_has(&marks->layers, &all[i]))
			continue;
		rc = layer_remove(marks->store, &all[i], err);
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

int images_collect(struct store *store, const struct digest *kept, size_t kept_count, enum lock_wait wait,
		   struct images_collected *collected, struct error **err)
{
	struct images_collected total = {0};
	cleanup_close int alone = store_hold_alone(store, wait, err);
	if (alone < 0)
		return alone;

	cleanup(marks_done) struct marks marks = {.store = store};
	cleanup(strlist_done) struct strlist removed = {0};
	for (size_t i = 0; i < kept_count; i++)
		digest_set_add(&marks.layers, &kept[i]);
	/* Before the table is read: what is removed from now on may still be marked. */
	int rc = list_removed(store, &removed, err);
	if (rc == 0)
		rc = mark_table(&marks, err);
	if (rc < 0)
		return error_prefix(err, "nothing is removed");
	mark_blobs_of_layers(&marks);

	/* Layers first: a layer without its blob can be made again or is whole, a blob without its layer likewise; but
	 * a record that names a blob which is gone would be wrong. */
	rc = sweep_layers(&marks, &total, err);
	if (rc == 0)
		rc = sweep_blobs(&marks, DIGEST_SHA256, &total, err);
	if (rc == 0)
		rc = sweep_blobs(&marks, DIGEST_SHA512, &total, err);
	if (rc == 0)
		rc = images_removed_forget(store, &removed, err);
	if (rc == 0)
		rc = sweep_piles(store, err);
	if (rc == 0)
		rc = layer_stacks_clear(store, err);
	if (rc == 0 && collected)
		*collected = total;
	return rc;
}
