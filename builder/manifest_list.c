/*
 * Lists in the store: found, read, and replaced by changed ones.
 */
#include "builder/manifest_list.h"

#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/json.h"
#include "builder/fetch.h"
#include "builder/image_copy.h"
#include "builder/manifest_list_internal.h"
#include "imagefmt/blob.h"
#include "imagefmt/index.h"
#include "imagefmt/jsonrest.h"
#include "imagefmt/layer.h"

/* "io.github.cooper.origin.<hex>" of the list's entry in the table: where the layers of that image are. */
#define ORIGIN_PREFIX "io.github.cooper.origin."

bool manifest_list_is(const struct image_entry *entry)
{
	const char *type = entry->manifest.media_type;

	return type && (strcmp(type, MEDIA_OCI_INDEX) == 0 || strcmp(type, MEDIA_DOCKER_LIST) == 0);
}

int manifest_list_find(struct workshop *w, const char *text, struct image_entry *entry, struct error **err)
{
	cleanup(image_entry_done) struct image_entry found = {0};
	int rc = images_find(workshop_store(w), text, &found, err);

	if (rc < 0)
		return rc;
	if (!manifest_list_is(&found))
		return error_set(err, EINVAL, "'%s' is an image, not a list of images", text);
	*entry = found;
	found = (struct image_entry){0};
	return 0;
}

/* Reads the index of a list. */
static int load_list(struct workshop *w, const struct image_entry *entry, struct image_index *index, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	int rc = blob_read(workshop_store(w), &entry->manifest.digest, MANIFEST_SIZE_MAX, &text, err);

	return rc < 0 ? rc : image_index_parse(text.data, text.len, "list", index, err);
}

/* ---- Origins ---- */

static char *origin_key(const struct digest *image)
{
	char hex[DIGEST_HEX_SIZE];

	return mem_printf(ORIGIN_PREFIX "%s", digest_hex(image, hex));
}

void list_origin_set(struct strlist *origins, const struct digest *image, const char *repository)
{
	cleanup_free char *key = origin_key(image);

	strlist_env_set(origins, key, repository);
}

bool manifest_list_has_blobs(struct workshop *w, const struct digest *image)
{
	struct store *store = workshop_store(w);
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	cleanup(manifest_done) struct manifest m = {0};

	if (blob_read(store, image, MANIFEST_SIZE_MAX, &text, NULL) < 0 ||
	    manifest_parse(text.data, text.len, "manifest", &m, NULL) < 0)
		return false;
	for (size_t i = 0; i < m.layer_count; i++)
		if (!blob_exists(store, &m.layers[i].digest, /* size */ NULL))
			return false;
	return blob_exists(store, &m.config.digest, /* size */ NULL);
}

char *manifest_list_origin(const struct image_entry *list, const struct digest *image)
{
	cleanup_free char *key = origin_key(image);

	return mem_strdup(strlist_env_get(&list->manifest.annotations, key));
}

/* Of the images that the list has now, from what was known before and what is new. */
static void keep_origins(const struct image_index *index, const struct strlist *before, const struct strlist *added,
			 struct strlist *kept)
{
	for (size_t i = 0; i < index->manifest_count; i++) {
		cleanup_free char *key = origin_key(&index->manifests[i].digest);
		const char *origin = added ? strlist_env_get(added, key) : NULL;
		if (!origin)
			origin = strlist_env_get(before, key);
		if (origin)
			strlist_env_set(kept, key, origin);
	}
}

/* ---- Writing ---- */

/* Changes are made one after the other. Held only while the index is written. */
static int lock_lists(struct workshop *w, struct error **err)
{
	return store_lock(workshop_store(w), "images", "lists", LOCK_EXCLUSIVE, LOCK_WAIT, "the lists of images", err);
}

static int put_index(struct workshop *w, const struct image_index *index, struct descriptor *manifest,
		     struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);

	image_index_format(index, &text);
	if (text.overflow)
		return error_set(err, EFBIG, "the list is too large");
	mem_replace(&manifest->media_type, image_index_media_type(index));
	manifest->size = text.len;
	return blob_put(workshop_store(w), text.data, text.len, &manifest->digest, err);
}

static void describe(const struct image_entry *before, const struct descriptor *manifest, const char *name,
		     struct image_entry *entry)
{
	struct image_entry now = {.id = manifest->digest, .created = before->created};

	descriptor_copy(&now.manifest, manifest);
	if (name)
		strlist_append(&now.names, name);
	else
		strlist_copy(&now.names, &before->names);
	image_entry_done(entry);
	*entry = now;
}

/* A new list under a name that nothing has, or that is to stand for the new list from now on. */
static int add_list(struct workshop *w, const char *name, const struct image_index *index,
		    const struct strlist *origins, struct image_entry *entry, struct error **err)
{
	const struct image_entry none = {.created = workshop_options(w)->now};
	cleanup(descriptor_done) struct descriptor manifest = {0};
	int rc = put_index(w, index, &manifest, err);

	if (rc < 0)
		return rc;
	keep_origins(index, origins, /* added */ NULL, &manifest.annotations);
	rc = images_add(workshop_store(w), &manifest, &manifest.digest, none.created, name, err);
	if (rc == 0)
		describe(&none, &manifest, name, entry);
	return rc;
}

/* With the lock held. `text` is what the user called the list: only that name goes along, or, for an id, all. */
static int replace_list(struct workshop *w, const char *text, const struct image_entry *before,
			const struct image_index *index, const struct strlist *origins, struct image_entry *entry,
			struct error **err)
{
	cleanup(descriptor_done) struct descriptor manifest = {0};
	const char *name = images_name_meant(before, text);
	int rc = put_index(w, index, &manifest, err);

	if (rc < 0)
		return rc;
	keep_origins(index, &before->manifest.annotations, origins, &manifest.annotations);
	rc = images_replace(workshop_store(w), &before->id, name, &manifest, &manifest.digest, before->created, err);
	if (rc == 0)
		describe(before, &manifest, name, entry);
	return rc;
}

int list_change(struct workshop *w, const char *list, list_edit *edit, void *context, const struct strlist *origins,
		struct image_entry *entry, struct error **err)
{
	cleanup(image_entry_done) struct image_entry before = {0};
	cleanup(image_index_done) struct image_index index = {0};
	cleanup_close int hold = store_hold(workshop_store(w), err);
	cleanup_close int lock = hold < 0 ? hold : lock_lists(w, err);
	int rc = lock < 0 ? lock : manifest_list_find(w, list, &before, err);

	if (rc == 0)
		rc = load_list(w, &before, &index, err);
	if (rc == 0)
		rc = edit(&index, context, err);
	return rc < 0 ? rc : replace_list(w, list, &before, &index, origins, entry, err);
}

int manifest_list_write(struct workshop *w, const struct image_index *index, const struct strlist *names,
			struct image_entry *entry, struct error **err)
{
	cleanup_close int hold = store_hold(workshop_store(w), err);
	cleanup_close int lock = hold < 0 ? hold : lock_lists(w, err);
	const struct strlist none = {0};
	int rc = lock < 0 ? lock : 0;

	for (size_t i = 0; rc == 0 && i < (names->count ? names->count : 1); i++)
		rc = add_list(w, names->count ? names->items[i] : NULL, index, &none, entry, err);
	if (rc == 0)
		strlist_copy(&entry->names, names);
	return rc;
}

/* -ENOENT: the name is free (or is taken away from what has it); 0: *there is a list to be amended. */
static int look_up_name(struct workshop *w, const char *name, enum manifest_list_create_mode mode,
			struct image_entry *there, struct error **err)
{
	int rc = mode == LIST_REPLACE ? -ENOENT : images_find(workshop_store(w), name, there, NULL);

	if (rc == 0 && mode == LIST_MUST_BE_NEW)
		return error_set(err, EEXIST, "that name is already in use: '%s' (see --amend and --replace)", name);
	if (rc == 0 && !manifest_list_is(there))
		return error_set(err, EINVAL, "'%s' is an image, not a list of images", name);
	return rc < 0 && rc != -ENOENT ? images_find(workshop_store(w), name, there, err) : rc;
}

int list_check_name(struct workshop *w, const char *name, enum manifest_list_create_mode mode, struct error **err)
{
	cleanup(image_entry_done) struct image_entry there = {0};
	int rc = look_up_name(w, name, mode, &there, err);

	return rc == -ENOENT ? 0 : rc;
}

int list_put_all(struct image_index *index, const struct image_index *images, struct error **err)
{
	for (size_t i = 0; i < images->manifest_count; i++)
		image_index_put(index, &images->manifests[i]);
	if (index->manifest_count > INDEX_MANIFESTS_MAX)
		return error_set(err, EFBIG, "more images than a list can have");
	return 0;
}

int list_create(struct workshop *w, const char *name, enum manifest_list_create_mode mode,
		const struct strlist *annotations, const struct image_index *images, const struct strlist *origins,
		struct image_entry *entry, struct error **err)
{
	cleanup(image_entry_done) struct image_entry there = {0};
	cleanup(image_index_done) struct image_index index = {.format = FORMAT_OCI};
	cleanup_close int hold = store_hold(workshop_store(w), err);
	cleanup_close int lock = hold < 0 ? hold : lock_lists(w, err);
	const struct strlist none = {0};
	int rc = lock < 0 ? lock : look_up_name(w, name, mode, &there, err);
	bool is_new = rc == -ENOENT;

	if (rc < 0 && !is_new)
		return rc;
	rc = is_new ? 0 : load_list(w, &there, &index, err);
	for (size_t i = 0; annotations && i < annotations->count; i++)
		list_annotation_set(&index.annotations, annotations->items[i]);
	if (rc == 0)
		rc = list_put_all(&index, images, err);
	if (rc < 0)
		return rc;
	return is_new ? add_list(w, name, &index, origins ? origins : &none, entry, err)
		      : replace_list(w, name, &there, &index, origins, entry, err);
}

int manifest_list_create(struct workshop *w, const char *name, enum manifest_list_create_mode mode,
			 const struct strlist *annotations, struct image_entry *entry, struct error **err)
{
	const struct image_index none = {.format = FORMAT_OCI};

	return list_create(w, name, mode, annotations, &none, /* origins */ NULL, entry, err);
}

/* ---- What entries say ---- */

void list_annotation_set(struct strlist *annotations, const char *pair)
{
	const char *equals = strchr(pair, '=');
	cleanup_free char *key = equals ? mem_strndup(pair, (size_t)(equals - pair)) : mem_strdup(pair);

	strlist_env_set(annotations, key, equals ? equals + 1 : "");
	strlist_sort(annotations);
}

static void replace_when_given(char **slot, const char *text)
{
	if (text)
		mem_replace(slot, text);
}

/* "features" is Docker's, of processors; OCI has reserved the word. */
static void set_features(struct descriptor *entry, const struct strlist *features)
{
	cleanup_json json_t *object = json_object();
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);

	json_set_strlist(object, "features", features);
	json_format(object, &text);
	json_rest_nest(&entry->unknown, "platform", buf_str(&text));
}

void list_entry_change(struct descriptor *entry, const struct list_entry_changes *changes)
{
	bool has_features = changes->features && changes->features->count;
	bool has_os_features = changes->os_features && changes->os_features->count;
	bool of_platform = changes->os || changes->architecture || changes->variant || changes->os_version ||
			   has_features || has_os_features;

	if (of_platform && !entry->platform)
		entry->platform = mem_alloc(sizeof(*entry->platform));
	if (of_platform) {
		replace_when_given(&entry->platform->os, changes->os);
		replace_when_given(&entry->platform->architecture, changes->architecture);
		replace_when_given(&entry->platform->variant, changes->variant);
		replace_when_given(&entry->platform->os_version, changes->os_version);
	}
	if (has_os_features)
		strlist_copy(&entry->platform->os_features, changes->os_features);
	if (has_features)
		set_features(entry, changes->features);
	for (size_t i = 0; changes->annotations && i < changes->annotations->count; i++)
		list_annotation_set(&entry->annotations, changes->annotations->items[i]);
}

/* ---- Small changes ---- */

struct entry_edit {
	const struct digest *instance;
	const struct list_entry_changes *changes;
};

static int no_instance(const struct digest *instance, struct error **err)
{
	char text[DIGEST_TEXT_SIZE];

	return error_set(err, ENOENT, "no image %s in the list", digest_format(instance, text));
}

static int annotate_entry(struct image_index *index, void *context, struct error **err)
{
	const struct entry_edit *edit = context;
	struct descriptor *entry = image_index_find(index, edit->instance);

	if (!entry)
		return no_instance(edit->instance, err);
	list_entry_change(entry, edit->changes);
	return 0;
}

int manifest_list_annotate(struct workshop *w, const char *list, const struct digest *instance,
			   const struct list_entry_changes *changes, struct image_entry *entry, struct error **err)
{
	struct entry_edit edit = {.instance = instance, .changes = changes};

	return list_change(w, list, annotate_entry, &edit, /* origins */ NULL, entry, err);
}

static int remove_entry(struct image_index *index, void *context, struct error **err)
{
	const struct digest *instance = context;

	return image_index_remove(index, instance) ? 0 : no_instance(instance, err);
}

int manifest_list_remove(struct workshop *w, const char *list, const struct digest *instance, struct image_entry *entry,
			 struct error **err)
{
	struct digest copy = *instance;

	return list_change(w, list, remove_entry, &copy, /* origins */ NULL, entry, err);
}

struct index_edit {
	const struct strlist *annotations;
	const struct descriptor *subject;
};

static int annotate_index(struct image_index *index, void *context, struct error **err)
{
	const struct index_edit *edit = context;

	for (size_t i = 0; edit->annotations && i < edit->annotations->count; i++)
		list_annotation_set(&index->annotations, edit->annotations->items[i]);
	if (!edit->subject)
		return 0;
	if (!index->subject)
		index->subject = mem_alloc(sizeof(*index->subject));
	descriptor_copy(index->subject, edit->subject);
	return 0;
}

int manifest_list_annotate_index(struct workshop *w, const char *list, const struct strlist *annotations,
				 const struct descriptor *subject, struct image_entry *entry, struct error **err)
{
	struct index_edit edit = {.annotations = annotations, .subject = subject};

	return list_change(w, list, annotate_index, &edit, /* origins */ NULL, entry, err);
}

/* ---- Images of a list ---- */

int manifest_list_choose(struct workshop *w, const struct image_entry *list, const struct platform *platform,
			 struct image_entry *child, struct error **err)
{
	cleanup(image_index_done) struct image_index index = {0};
	cleanup(platform_done) struct platform want = {0};
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	cleanup(manifest_done) struct manifest m = {0};
	const char *what = list->names.count ? list->names.items[0] : "the list";
	size_t chosen = 0;
	int rc = load_list(w, list, &index, err);

	if (platform)
		platform_copy(&want, platform);
	else
		platform_host(&want);
	platform_complete(&want);
	if (rc == 0)
		rc = fetch_choose(&index, &want, what, &chosen, err);
	const struct descriptor *entry = &index.manifests[chosen];
	if (rc == 0)
		rc = blob_read(workshop_store(w), &entry->digest, MANIFEST_SIZE_MAX, &text, err);
	if (rc == 0)
		rc = manifest_parse(text.data, text.len, what, &m, err);
	if (rc < 0)
		return rc;
	image_entry_done(child);
	child->manifest = (struct descriptor){
		.media_type = mem_strdup(manifest_media_type(&m)), .digest = entry->digest, .size = text.len};
	child->id = m.config.digest;
	child->created = list->created;
	strlist_copy(&child->names, &list->names);
	return 0;
}

int manifest_list_push(struct workshop *w, const struct image_entry *list, const char *destination,
		       const struct list_push_options *options, struct digest *digest, struct error **err)
{
	struct image_copy_options copy = {
		.extent = options->index_only ? COPY_INDEX_ONLY : COPY_ALL,
		.add_codecs = options->add_codecs,
		.export = options->export,
		.source_registry = options->export.registry,
	};
	cleanup(strlist_done) struct strlist destinations = {0};
	char id[DIGEST_TEXT_SIZE];
	cleanup_free char *source = mem_printf("store:@%s", digest_format(&list->manifest.digest, id));

	/* A plain name is a registry's, as for push. */
	if (location_has_transport(destination))
		strlist_append(&destinations, destination);
	else
		strlist_printf(&destinations, "docker://%s", destination);
	return image_copy(w, source, &destinations, &copy, digest, err);
}
