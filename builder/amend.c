/*
 * The same layers under a changed configuration: two small blobs and a row of the image table.
 */
#include "builder/amend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "builder/edit.h"
#include "imagefmt/blob.h"

#define IDENTITY_LABEL "io.cooper.version"
#define CREATED_ANNOTATION "org.opencontainers.image.created"

static bool is_empty(const struct strlist *list)
{
	return !list || list->count == 0;
}

bool image_changes_are_none(const struct image_changes *changes)
{
	return is_empty(changes->env) && is_empty(changes->unset_env) && is_empty(changes->unset_labels) &&
	       is_empty(changes->unset_annotations) && !changes->created_annotation && !changes->identity_label &&
	       !changes->omit_history;
}

static void unset_all(struct strlist *map, const struct strlist *keys)
{
	for (size_t i = 0; keys && i < keys->count; i++)
		strlist_env_unset(map, keys->items[i]);
}

static int change_config(const struct image_changes *changes, struct image_config *config, struct error **err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && changes->env && i < changes->env->count; i++)
		rc = edit_map(&config->env, changes->env->items[i], /* from_environment */ true, err);
	unset_all(&config->env, changes->unset_env);
	unset_all(&config->labels, changes->unset_labels);
	if (changes->identity_label)
		strlist_env_set(&config->labels, IDENTITY_LABEL, COOPER_VERSION);
	for (size_t i = 0; changes->omit_history && i < config->history_count; i++)
		history_done(&config->history[i]);
	if (changes->omit_history)
		config->history_count = 0;
	return rc;
}

static void change_manifest(const struct image_changes *changes, const struct image_config *config, struct manifest *m)
{
	unset_all(&m->annotations, changes->unset_annotations);
	if (changes->created_annotation && config->created && m->format == FORMAT_OCI) /* Docker's have none */
		strlist_env_set(&m->annotations, CREATED_ANNOTATION, config->created);
	strlist_sort(&m->annotations);
}

static int write_blobs(struct store *store, struct image *image, struct descriptor *written, struct error **err)
{
	struct manifest *m = &image->manifest;
	cleanup(buf_done) struct buf config = BUF_INIT(CONFIG_SIZE_MAX);
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);

	image_config_format(&image->config, m->format, &config);
	if (config.overflow)
		return error_set(err, EFBIG, "the image's configuration is too large");
	int rc = blob_put(store, config.data, config.len, &m->config.digest, err);
	if (rc < 0)
		return rc;
	m->config.size = config.len;
	manifest_format(m, &text);
	if (text.overflow)
		return error_set(err, EFBIG, "the image's manifest is too large");
	written->media_type = mem_strdup(manifest_media_type(m));
	written->size = text.len;
	return blob_put(store, text.data, text.len, &written->digest, err);
}

static int add_names(struct store *store, const struct descriptor *manifest, const struct image *image,
		     const struct strlist *names, struct error **err)
{
	const struct digest *id = &image->manifest.config.digest;
	int rc = images_add(store, manifest, id, image->entry.created, /* name */ NULL, err);

	for (size_t i = 0; rc == 0 && i < names->count; i++)
		rc = images_add(store, manifest, id, image->entry.created, names->items[i], err);
	return rc;
}

/* An image that only this build has made, on its way to the changed one. */
static int drop_unnamed(struct store *store, const struct digest *id, struct error **err)
{
	cleanup(image_entry_done) struct image_entry entry = {0};
	char text[DIGEST_TEXT_SIZE];

	if (images_find(store, digest_format(id, text), &entry, NULL) < 0 || entry.names.count > 0)
		return 0; /* gone already, or somebody's */
	return images_remove(store, id, err);
}

int image_amend(struct workshop *w, const struct image_changes *changes, const struct strlist *names,
		struct image *image, struct error **err)
{
	struct store *store = workshop_store(w);
	struct digest before = image->entry.id;
	cleanup(descriptor_done) struct descriptor manifest = {0};
	cleanup(image_entry_done) struct image_entry entry = {0};
	char digest[DIGEST_TEXT_SIZE];

	int rc = change_config(changes, &image->config, err);
	if (rc < 0)
		return rc;
	change_manifest(changes, &image->config, &image->manifest);
	rc = write_blobs(store, image, &manifest, err);
	if (rc == 0)
		rc = add_names(store, &manifest, image, names, err);
	bool is_new = !digest_equal(&before, &image->manifest.config.digest);
	if (rc == 0 && is_new)
		rc = drop_unnamed(store, &before, err);
	if (rc < 0)
		return rc;
	/* By its manifest: other manifests may have the same configuration. */
	cleanup_free char *written = mem_printf("@%s", digest_format(&manifest.digest, digest));
	rc = images_find(store, written, &entry, err);
	if (rc < 0)
		return rc;
	image_done(image);
	*image = (struct image){0};
	return image_load(store, &entry, image, err);
}
