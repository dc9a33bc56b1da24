/*
 * The entry first, then what only it led to: interrupted in between, the layout has blobs too many, never too few.
 * Which those are is found by going through the documents: all that the removed image names, less what the others name.
 */
#include "imagefmt/layout_remove.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/log.h"
#include "imagefmt/bundle.h"
#include "imagefmt/images_internal.h"
#include "imagefmt/mediatype.h"

struct layout_edit {
	int dirfd;
	int held; /* the lock of the blobs, or -1 */
	int lock; /* of index.json, or -1 */
	struct bundle *bundle;
	struct image_index index;
};

static void layout_edit_done(struct layout_edit *edit)
{
	bundle_close(edit->bundle);
	image_index_done(&edit->index);
	fd_close(edit->lock);
	fd_close(edit->held);
	fd_close(edit->dirfd);
}
CLEANUP_FOR_VALUE(struct layout_edit, layout_edit_done)

static char *blob_name(const struct digest *digest)
{
	char hex[DIGEST_HEX_SIZE];
	return mem_printf("blobs/%s/%s", digest_algorithm_name(digest->algorithm), digest_hex(digest, hex));
}

/* ---- What a document leads to ---- */

/* Blobs that something leads to, each once, whatever leads to it and how often. */
struct reached {
	struct descriptor *items;
	size_t count;
	json_t *names; /* of their files, as keys */
	bool unsure;   /* a document that is there could not be followed: it may lead to more */
};

static void reached_done(struct reached *reached)
{
	for (size_t i = 0; i < reached->count; i++)
		descriptor_done(&reached->items[i]);
	free(reached->items);
	json_decref(reached->names);
}
CLEANUP_FOR_VALUE(struct reached, reached_done)

static void reach(struct reached *reached, const struct descriptor *d)
{
	cleanup_free char *name = blob_name(&d->digest);

	if (json_object_get(reached->names, name))
		return;
	json_set_bool(reached->names, name, true);
	reached->items = mem_grow(reached->items, reached->count + 1, sizeof(*reached->items));
	reached->items[reached->count] = (struct descriptor){0};
	descriptor_copy(&reached->items[reached->count++], d);
}

/* As reach() for what index.json or an index names: of a kind that we do not know it may still name blobs. */
static void reach_entry(struct reached *reached, const struct descriptor *d)
{
	if (!media_kind(d->media_type))
		reached->unsure = true;
	reach(reached, d);
}

static int reach_index(const struct buf *text, struct reached *reached)
{
	cleanup(image_index_done) struct image_index index = {0};
	int rc = image_index_parse(text->data, text->len, "index", &index, NULL);

	for (size_t i = 0; rc == 0 && i < index.manifest_count; i++)
		reach_entry(reached, &index.manifests[i]);
	return rc;
}

static int reach_manifest(const struct buf *text, struct reached *reached)
{
	cleanup(manifest_done) struct manifest m = {0};
	int rc = manifest_parse(text->data, text->len, "manifest", &m, NULL);

	if (rc < 0)
		return rc;
	reach(reached, &m.config);
	for (size_t i = 0; i < m.layer_count; i++)
		reach(reached, &m.layers[i]);
	return 0;
}

/* A blob that is missing or no document leads no further. */
static void reach_below(struct layout_edit *edit, const struct descriptor *d, struct reached *reached)
{
	cleanup_free char *name = blob_name(&d->digest);
	const struct media_kind *known = media_kind(d->media_type);
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);

	if (!known)
		return;
	int rc = bundle_read_verified(edit->bundle, name, &d->digest, MANIFEST_SIZE_MAX, &text, NULL);
	if (rc == 0)
		rc = known->kind == MANIFEST_INDEX ? reach_index(&text, reached) : reach_manifest(&text, reached);
	if (rc < 0 && rc != -ENOENT)
		reached->unsure = true;
}

/* Those that are reached are the queue of those to be looked into. */
static void reach_all(struct layout_edit *edit, struct reached *reached)
{
	for (size_t i = 0; i < reached->count; i++) {
		cleanup(descriptor_done) struct descriptor next = {0};
		descriptor_copy(&next, &reached->items[i]); /* the list may move */
		reach_below(edit, &next, reached);
	}
}

static void remove_unused(struct layout_edit *edit, const struct descriptor *removed)
{
	cleanup(reached_done) struct reached gone = {.names = json_object()}, kept = {.names = json_object()};

	reach(&gone, removed);
	reach_all(edit, &gone);
	for (size_t i = 0; i < edit->index.manifest_count; i++)
		reach_entry(&kept, &edit->index.manifests[i]);
	reach_all(edit, &kept);
	if (kept.unsure) {
		log_warn("another image there cannot be followed to all its blobs: none is removed");
		return;
	}
	for (size_t i = 0; i < gone.count; i++) {
		cleanup_free char *name = blob_name(&gone.items[i].digest);
		/* The names are made of digests: no link leads out of the layout but one that its owner made. */
		if (!json_object_get(kept.names, name) && unlinkat(edit->dirfd, name, 0) < 0)
			log_debug("'%s' is left: %s", name, strerror(errno));
	}
}

/* ---- The entry ---- */

static int find_entry(const struct image_index *index, const char *name, size_t *at, struct error **err)
{
	if (!name && index->manifest_count > 1)
		return error_set(err, EINVAL, "there are %zu images in it: add ':' and the name of one",
				 index->manifest_count);
	for (size_t i = 0; i < index->manifest_count; i++) {
		const char *have = images_name_of(&index->manifests[i]);
		if (name && (!have || strcmp(have, name) != 0))
			continue;
		*at = i;
		return 0;
	}
	return name ? error_set(err, ENOENT, "there is no image named '%s' in it", name)
		    : error_set(err, ENOENT, "there is no image in it");
}

/* As writers do (layout.c), that of the blobs first: they count on those that they found. Where there is no such folder
 * none is made, the directory may be no layout at all. */
static int take_locks(struct layout_edit *edit, struct error **err)
{
	edit->held = lock_take_directory(edit->dirfd, "blobs", LOCK_EXCLUSIVE, "the layout", err);
	if (edit->held < 0 && edit->held != -ENOENT)
		return edit->held;
	if (edit->held < 0)
		error_clear(err);
	edit->lock = lock_take_directory(edit->dirfd, ".", LOCK_EXCLUSIVE, "the layout", err);
	return edit->lock < 0 ? edit->lock : 0;
}

static int open_layout(const struct location *location, struct layout_edit *edit, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);

	edit->dirfd = open(location->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (edit->dirfd < 0)
		return error_set_errno(err, "open '%s'", location->path);
	int rc = take_locks(edit, err);
	if (rc == 0)
		rc = bundle_open_directory(location->path, &edit->bundle, err);
	if (rc == 0)
		rc = bundle_read(edit->bundle, "index.json", MANIFEST_SIZE_MAX, &text, err);
	return rc < 0 ? rc : image_index_parse(buf_str(&text), text.len, "index.json", &edit->index, err);
}

static int save_index(struct layout_edit *edit, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);

	image_index_format(&edit->index, &text);
	return atomic_file_write(edit->dirfd, "index.json", 0644, text.data, text.len, ATOMIC_FILE_SYNC, err);
}

int layout_remove_image(const struct location *location, struct error **err)
{
	cleanup(layout_edit_done) struct layout_edit edit = {.dirfd = -1, .held = -1, .lock = -1};
	cleanup(descriptor_done) struct descriptor removed = {0};
	size_t at = 0;
	int rc = open_layout(location, &edit, err);

	if (rc == 0)
		rc = find_entry(&edit.index, location->name, &at, err);
	if (rc < 0)
		return rc;
	removed = edit.index.manifests[at];
	edit.index.manifest_count--;
	memmove(&edit.index.manifests[at], &edit.index.manifests[at + 1],
		(edit.index.manifest_count - at) * sizeof(*edit.index.manifests));
	rc = save_index(&edit, err);
	if (rc == 0 && !location->blob_folder)
		remove_unused(&edit, &removed);
	return rc;
}
