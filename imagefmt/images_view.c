/*
 * What other programs see of the table of images: oci/index.json, as the OCI layout has it. It is made of the table and
 * never read back, so it is not synced, and what cannot be written is left as it was until the next change. Past
 * VIEW_MAX names it has none of ours: written anew for each change, it would be what a commit costs.
 */
#include "imagefmt/images_internal.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/fd.h"
#include "base/log.h"
#include "imagefmt/index.h"

#define VIEW_MAX 100
#define OMITTED_ANNOTATION "io.github.cooper.names"

static bool is_of(const struct descriptor *d, const struct digest *id)
{
	struct digest has;

	return images_id_of(d, &has) && (id == NULL || digest_equal(&has, id));
}

/* NULL: of all images. */
static void remove_rows_of(struct image_index *view, const struct digest *id)
{
	for (size_t i = view->manifest_count; i-- > 0;)
		if (is_of(&view->manifests[i], id))
			images_row_remove(view, i);
}

static size_t count_ours(const struct image_index *view)
{
	size_t count = 0;

	for (size_t i = 0; i < view->manifest_count; i++)
		count += is_of(&view->manifests[i], /* id */ NULL);
	return count;
}

static int read_view(struct store *store, struct image_index *view, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	int oci = store_folder(store, STORE_OCI, err);
	int rc = oci < 0 ? oci : fd_read_file(oci, "index.json", &text, err);

	return rc < 0 ? rc : image_index_parse(buf_str(&text), text.len, "index.json", view, err);
}

static int write_view(struct store *store, struct image_index *view, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	cleanup_free char *made = store_tmp_name(store, "index");
	int oci = store_folder(store, STORE_OCI, err);
	int tmp = oci < 0 ? oci : store_tmp(store, err);

	if (tmp < 0)
		return tmp;
	if (count_ours(view) > VIEW_MAX) {
		remove_rows_of(view, /* id */ NULL);
		strlist_env_set(&view->annotations, OMITTED_ANNOTATION, "omitted");
		strlist_sort(&view->annotations);
	}
	image_index_format(view, &text);
	int rc = atomic_file_write(tmp, made, 0600, text.data, text.len, /* flags */ 0, err);
	if (rc < 0)
		return rc;
	return renameat(tmp, made, oci, "index.json") < 0 ? error_set_errno(err, "replace 'index.json'") : 0;
}

void images_view_update(struct store *store, int table, const struct digest *id)
{
	cleanup(image_index_done) struct image_index view = {0};
	cleanup(image_index_done) struct image_index rows = {0};
	cleanup_error struct error *why = NULL;
	int rc = read_view(store, &view, &why);

	if (rc < 0 || strlist_env_get(&view.annotations, OMITTED_ANNOTATION) != NULL)
		return;
	remove_rows_of(&view, id);
	if (images_rows_load(table, id, &rows, NULL) == 0) /* else it has none any more */
		for (size_t i = 0; i < rows.manifest_count; i++)
			image_index_append(&view, &rows.manifests[i]);
	rc = write_view(store, &view, &why);
	if (rc < 0)
		log_debug("what other programs read of the store's images is left as it was: %s", error_message(why));
}
