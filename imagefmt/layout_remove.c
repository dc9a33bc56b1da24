/*
 * The entry first, then what only it led to: interrupted in between, the layout has blobs too many, never too few.
 * Which those are is found by going through the documents: all that the removed image names, less what the others name.
 */
#include "imagefmt/layout_remove.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/fd.h"
#include "base/log.h"
#include "imagefmt/bundle.h"
#include "imagefmt/images_internal.h"
#include "imagefmt/mediatype.h"

#define INDEX_DEPTH_MAX 4

struct layout_edit {
	int dirfd;
	struct bundle *bundle;
	struct image_index index;
};

static void layout_edit_done(struct layout_edit *edit)
{
	bundle_close(edit->bundle);
	image_index_done(&edit->index);
	fd_close(edit->dirfd);
}
CLEANUP_FOR_VALUE(struct layout_edit, layout_edit_done)

static char *blob_name(const struct digest *digest)
{
	char hex[DIGEST_HEX_SIZE];
	return mem_printf("blobs/%s/%s", digest_algorithm_name(digest->algorithm), digest_hex(digest, hex));
}

/* ---- What a document leads to ---- */

/* Adds the names of all blobs below a descriptor, itself included. A blob that is missing or no document leads no
 * further. */
static void collect(struct layout_edit *edit, const struct descriptor *d, int depth, struct strlist *names)
{
	cleanup_free char *name = blob_name(&d->digest);
	const struct media_kind *known = media_kind(d->media_type);
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	cleanup(image_index_done) struct image_index index = {0};
	cleanup(manifest_done) struct manifest m = {0};

	if (!strlist_contains(names, name))
		strlist_append(names, name);
	if (!known || depth > INDEX_DEPTH_MAX ||
	    bundle_read_verified(edit->bundle, name, &d->digest, MANIFEST_SIZE_MAX, &text, NULL) < 0)
		return;
	if (known->kind == MANIFEST_INDEX && image_index_parse(text.data, text.len, "index", &index, NULL) == 0)
		for (size_t i = 0; i < index.manifest_count; i++)
			collect(edit, &index.manifests[i], depth + 1, names);
	if (known->kind == MANIFEST_IMAGE && manifest_parse(text.data, text.len, "manifest", &m, NULL) == 0) {
		collect(edit, &m.config, depth + 1, names);
		for (size_t i = 0; i < m.layer_count; i++)
			collect(edit, &m.layers[i], depth + 1, names);
	}
}

static void remove_unused(struct layout_edit *edit, const struct descriptor *removed)
{
	cleanup(strlist_done) struct strlist gone = {0}, kept = {0};

	collect(edit, removed, 0, &gone);
	for (size_t i = 0; i < edit->index.manifest_count; i++)
		collect(edit, &edit->index.manifests[i], 0, &kept);
	for (size_t i = 0; i < gone.count; i++) {
		/* The names are made of digests: no link leads out of the layout but one that its owner made. */
		if (!strlist_contains(&kept, gone.items[i]) && unlinkat(edit->dirfd, gone.items[i], 0) < 0)
			log_debug("'%s' is left: %s", gone.items[i], strerror(errno));
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

static int open_layout(const struct location *location, struct layout_edit *edit, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);

	edit->dirfd = open(location->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (edit->dirfd < 0)
		return error_set_errno(err, "open '%s'", location->path);
	/* As whoever adds an image takes its turn (layout.c). */
	if (flock(edit->dirfd, LOCK_EX) < 0)
		return error_set_errno(err, "lock the layout");
	int rc = bundle_open_directory(location->path, &edit->bundle, err);
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
	cleanup(layout_edit_done) struct layout_edit edit = {.dirfd = -1};
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
