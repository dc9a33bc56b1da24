/*
 * Images on their way into a list. First they are gathered, from wherever they are: manifests and configurations come
 * into the store, of places that are files the layers, too, because nobody could go there later. Then the list is
 * changed.
 */
#include "builder/manifest_list_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "builder/fetch.h"
#include "builder/image_copy.h"
#include "builder/outgoing.h"
#include "builder/shortname.h"
#include "imagefmt/blob.h"
#include "imagefmt/index.h"
#include "registry/trust.h"

struct gathering {
	struct workshop *w;
	const struct list_add_options *options;
	struct image_source *source;
	bool in_store;		   /* so that everything is here already, or where its list says */
	char *repository;	   /* that the source's blobs are in; NULL when it is none */
	struct image_index images; /* what is to come into the list */
	struct strlist origins;
	size_t manifests; /* how many have been come to */
};

static void gathering_done(struct gathering *g)
{
	free(g->repository);
	image_index_done(&g->images);
	strlist_done(&g->origins);
}
CLEANUP_FOR_VALUE(struct gathering, gathering_done)

/* ---- One image ---- */

/* Of a registry's image the configuration, which says what it is for; of others all that there is. */
static int bring_blobs(struct gathering *g, const struct outgoing *out, struct error **err)
{
	const struct descriptor *config = &out->manifest.config;
	size_t count = 0;
	cleanup_free const struct descriptor **all = outgoing_blobs(out, &count);
	struct store *store = workshop_store(g->w);

	if (g->in_store)
		return 0;
	if (g->repository)
		return image_source_fetch(g->source, &config, 1, store, err);
	return image_source_fetch(g->source, all, count, store, err);
}

static int read_platform(struct gathering *g, const struct manifest *m, struct platform *platform, struct error **err)
{
	cleanup(image_config_done) struct image_config config = {0};
	cleanup(buf_done) struct buf text = BUF_INIT(CONFIG_SIZE_MAX);
	int rc = blob_read(workshop_store(g->w), &m->config.digest, CONFIG_SIZE_MAX, &text, err);

	if (rc == 0)
		rc = image_config_parse(buf_str(&text), text.len, "configuration", &config, err);
	if (rc == 0)
		platform_copy(platform, &config.platform);
	return rc;
}

/* `as` is the entry of an index that leads to it, or NULL. */
static int gather_image(struct gathering *g, const struct buf *text, const struct descriptor *as, struct error **err)
{
	cleanup(outgoing_done) struct outgoing out = OUTGOING_INIT;
	cleanup(descriptor_done) struct descriptor entry = {0};
	int rc = outgoing_read(text->data, text->len, "manifest", &out, err);

	if (rc == 0)
		rc = bring_blobs(g, &out, err);
	if (as)
		descriptor_copy(&entry, as);
	if (rc == 0)
		rc = blob_put(workshop_store(g->w), text->data, text->len, &entry.digest, err);
	if (rc < 0)
		return rc;
	mem_replace(&entry.media_type, manifest_media_type(&out.manifest));
	entry.size = text->len;
	if (!entry.platform && manifest_is_image(&out.manifest)) {
		entry.platform = mem_alloc(sizeof(*entry.platform));
		rc = read_platform(g, &out.manifest, entry.platform, err);
	}
	if (rc < 0)
		return rc;
	if (!index_entry_is_attestation(&entry))
		list_entry_change(&entry, &g->options->changes);
	if (g->repository)
		list_origin_set(&g->origins, &entry.digest, g->repository);
	image_index_put(&g->images, &entry);
	return 0;
}

/* ---- An index ---- */

static int gather_index(struct gathering *g, const struct buf *text, int depth, struct digest *added,
			struct error **err);

static int gather_child(struct gathering *g, const struct descriptor *entry, int depth, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	cleanup_free char *media_type = NULL;
	enum manifest_kind kind;
	struct digest ignored;

	if (++g->manifests > INDEX_TREE_MAX)
		return error_set(err, E2BIG, "the list leads to more than %d images", INDEX_TREE_MAX);
	int rc = image_source_child(g->source, entry, &text, &media_type, err);

	if (rc == 0)
		rc = manifest_kind(buf_str(&text), text.len, media_type, &kind, err);
	if (rc < 0)
		return rc;
	return kind == MANIFEST_INDEX ? gather_index(g, &text, depth + 1, &ignored, err)
				      : gather_image(g, &text, entry, err);
}

/* All that is in it, and in indexes in it; or the image for one platform. */
static int gather_index(struct gathering *g, const struct buf *text, int depth, struct digest *added,
			struct error **err)
{
	cleanup(image_index_done) struct image_index index = {0};

	if (depth > INDEX_NESTING_MAX)
		return error_set(err, ELOOP, "indexes within indexes, more than %d deep", INDEX_NESTING_MAX);
	int rc = image_index_parse(text->data, text->len, "index", &index, err);
	if (rc == 0 && g->options->all) {
		for (size_t i = 0; rc == 0 && i < index.manifest_count; i++)
			rc = gather_child(g, &index.manifests[i], depth, err);
		return rc < 0 ? rc : digest_of(text->data, text->len, added, err);
	}
	cleanup(descriptor_done) struct descriptor chosen = {0};
	if (rc == 0)
		rc = fetch_choose_child(text, g->options->platform, "the index", &chosen, err);
	if (rc == 0)
		*added = chosen.digest;
	return rc < 0 ? rc : gather_child(g, &chosen, depth, err);
}

static int gather_all(struct gathering *g, struct digest *added, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	cleanup_free char *media_type = NULL;
	enum manifest_kind kind;
	int rc = image_source_manifest(g->source, /* want */ NULL, &text, &media_type, err);

	if (rc == 0)
		rc = manifest_kind(buf_str(&text), text.len, media_type, &kind, err);
	if (rc < 0)
		return rc;
	if (kind == MANIFEST_INDEX)
		return gather_index(g, &text, 0, added, err);
	rc = gather_image(g, &text, /* as */ NULL, err);
	return rc < 0 ? rc : digest_of(text.data, text.len, added, err);
}

/* ---- Where from ---- */

/* In the order in which a name may be meant: an image of the store, or a registry's. */
static int places_of(struct workshop *w, const char *text, struct strlist *places, struct error **err)
{
	cleanup(image_entry_done) struct image_entry entry = {0};
	cleanup(reference_done) struct reference ref = {0};
	cleanup(strlist_done) struct strlist repositories = {0};

	if (location_has_transport(text) || images_find(workshop_store(w), text, &entry, NULL) == 0) {
		strlist_append(places, text);
		return 0;
	}
	int rc = reference_parse(text, &ref, err);
	if (rc < 0)
		return rc;
	if (ref.domain) {
		strlist_printf(places, "docker://%s", text);
		return 0;
	}
	rc = shortname_candidates(ref.path, &repositories, err);
	for (size_t i = 0; rc == 0 && i < repositories.count; i++)
		strlist_printf(places, "docker://%s%s", repositories.items[i], text + strlen(ref.path));
	return rc;
}

/* The layers of a list's images may be elsewhere than in the store: that place is remembered for the new list, too. */
static void take_over_origins(struct gathering *g, const struct location *location)
{
	cleanup(image_entry_done) struct image_entry entry = {0};

	if (images_find(workshop_store(g->w), location->name, &entry, NULL) < 0)
		return;
	for (size_t i = 0; i < g->images.manifest_count; i++) {
		const struct digest *digest = &g->images.manifests[i].digest;
		cleanup_free char *origin = manifest_list_origin(&entry, digest);
		if (origin)
			list_origin_set(&g->origins, digest, origin);
	}
}

/* What is in the store has come in through the trust policy, or was made here. */
static int open_trusted(struct workshop *w, const struct location *location, const struct registry_options *registry,
			struct registry_client **client, struct image_source **source, struct error **err)
{
	int rc = image_place_open(w, location, registry, client, source, err);
	const struct trust_options trust = {.location = location, .client = *client};

	return rc < 0 || location->transport == TRANSPORT_STORE ? rc : trust_source(&trust, source, err);
}

static int gather_from(struct gathering *g, const char *place, struct digest *added, struct error **err)
{
	cleanup(location_done) struct location location = {0};
	cleanup(registry_client_free) struct registry_client *client = NULL;
	cleanup(image_source_close) struct image_source *source = NULL;
	int rc = image_place_parse(place, &location, err);

	if (rc == 0)
		rc = open_trusted(g->w, &location, &g->options->registry, &client, &source, err);
	if (rc < 0)
		return rc;
	g->source = source;
	g->in_store = location.transport == TRANSPORT_STORE;
	/* Of the place before this one it may be another, or none. */
	free(g->repository);
	g->repository = location.transport == TRANSPORT_DOCKER ? reference_repository(&location.ref) : NULL;
	rc = gather_all(g, added, err);
	if (rc == 0 && location.transport == TRANSPORT_STORE)
		take_over_origins(g, &location);
	g->source = NULL;
	return rc;
}

static int gather(struct gathering *g, const char *text, struct digest *added, struct error **err)
{
	cleanup(strlist_done) struct strlist places = {0};
	cleanup_error struct error *error = NULL;
	int rc = places_of(g->w, text, &places, &error);

	for (size_t i = 0; i < places.count; i++) {
		error_clear(&error);
		rc = gather_from(g, places.items[i], added, &error);
		if (rc == 0)
			return 0;
	}
	if (err)
		*err = take_ptr(&error);
	return rc;
}

/* ---- What a place names ---- */

static int describe_place(struct workshop *w, const char *place, const struct registry_options *registry,
			  struct descriptor *descriptor, struct error **err)
{
	cleanup(location_done) struct location location = {0};
	cleanup(registry_client_free) struct registry_client *client = NULL;
	cleanup(image_source_close) struct image_source *source = NULL;
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	cleanup_free char *media_type = NULL;
	struct digest digest;
	int rc = image_place_parse(place, &location, err);

	if (rc == 0)
		rc = image_place_open(w, &location, registry, &client, &source, err);
	if (rc == 0)
		rc = image_source_manifest(source, /* want */ NULL, &text, &media_type, err);
	if (rc == 0)
		rc = digest_of(text.data, text.len, &digest, err);
	if (rc < 0)
		return rc;
	const char *type = manifest_guess_media_type(text.data, text.len);
	descriptor_done(descriptor);
	*descriptor = (struct descriptor){
		.media_type = mem_strdup(type ? type : media_type), .digest = digest, .size = text.len};
	return descriptor->media_type ? 0 : error_set(err, EINVAL, "'%s' is neither an image nor a list", place);
}

int manifest_list_describe(struct workshop *w, const char *source, const struct registry_options *registry,
			   struct descriptor *descriptor, struct error **err)
{
	cleanup(strlist_done) struct strlist places = {0};
	cleanup_error struct error *error = NULL;
	int rc = places_of(w, source, &places, &error);

	for (size_t i = 0; i < places.count; i++) {
		error_clear(&error);
		rc = describe_place(w, places.items[i], registry, descriptor, &error);
		if (rc == 0)
			return 0;
	}
	if (err)
		*err = take_ptr(&error);
	return rc;
}

int manifest_list_instance(struct workshop *w, const char *text, struct digest *instance, struct error **err)
{
	cleanup(image_entry_done) struct image_entry entry = {0};

	if (digest_parse(text, instance, NULL) == 0)
		return 0;
	int rc = images_find(workshop_store(w), text, &entry, err);
	if (rc < 0)
		return error_prefix(err, "'%s' is neither a digest nor an image", text);
	*instance = entry.manifest.digest;
	return 0;
}

/* ---- Into the list ---- */

static int put_all(struct image_index *index, void *context, struct error **err)
{
	return list_put_all(index, context, err);
}

int manifest_list_add(struct workshop *w, const char *list, const char *source, const struct list_add_options *options,
		      struct image_entry *entry, struct digest *added, struct error **err)
{
	cleanup(gathering_done) struct gathering g = {.w = w, .options = options};
	cleanup(image_entry_done) struct image_entry there = {0};
	cleanup_close int hold = store_hold(workshop_store(w), err);
	/* A list that is not there is told before anything is fetched. */
	int rc = hold < 0 ? hold : manifest_list_find(w, list, &there, err);

	if (rc == 0)
		rc = gather(&g, source, added, err);
	return rc < 0 ? rc : list_change(w, list, put_all, &g.images, &g.origins, entry, err);
}

int manifest_list_create_of(struct workshop *w, const char *name, enum manifest_list_create_mode mode,
			    const struct strlist *annotations, const struct strlist *sources,
			    const struct list_add_options *options, struct image_entry *entry, struct error **err)
{
	cleanup(gathering_done) struct gathering g = {.w = w, .options = options};
	cleanup_close int hold = store_hold(workshop_store(w), err);
	int rc = hold < 0 ? hold : list_check_name(w, name, mode, err);

	for (size_t i = 0; rc == 0 && i < sources->count; i++) {
		struct digest added;
		rc = gather(&g, sources->items[i], &added, err);
		if (rc < 0)
			return error_prefix(err, "add %s", sources->items[i]);
	}
	return rc < 0 ? rc : list_create(w, name, mode, annotations, &g.images, &g.origins, entry, err);
}

int manifest_list_add_artifact(struct workshop *w, const char *list, const struct artifact_spec *spec,
			       const struct list_entry_changes *changes, struct image_entry *entry,
			       struct digest *added, struct error **err)
{
	cleanup(image_index_done) struct image_index images = {.format = FORMAT_OCI};
	cleanup(image_entry_done) struct image_entry there = {0};
	cleanup(descriptor_done) struct descriptor made = {0};
	cleanup_close int hold = store_hold(workshop_store(w), err);
	int rc = hold < 0 ? hold : manifest_list_find(w, list, &there, err);

	if (rc == 0)
		rc = artifact_make(w, spec, &made, err);
	if (rc < 0)
		return rc;
	list_entry_change(&made, changes);
	image_index_append(&images, &made);
	*added = made.digest;
	return list_change(w, list, put_all, &images, /* origins */ NULL, entry, err);
}

void manifest_list_entry_of(const struct image *image, struct descriptor *entry)
{
	*entry = (struct descriptor){
		.media_type = mem_strdup(manifest_media_type(&image->manifest)),
		.digest = image->entry.manifest.digest,
		.size = image->entry.manifest.size,
		.platform = mem_alloc(sizeof(*entry->platform)),
	};
	platform_copy(entry->platform, &image->config.platform);
}

int manifest_list_add_image(struct workshop *w, const char *name, const struct image *image,
			    const struct list_entry_changes *changes, struct image_entry *entry, struct error **err)
{
	cleanup(image_index_done) struct image_index images = {.format = FORMAT_OCI};
	cleanup(image_entry_done) struct image_entry list = {0};
	cleanup(descriptor_done) struct descriptor added = {0};

	manifest_list_entry_of(image, &added);
	if (changes)
		list_entry_change(&added, changes);
	image_index_put(&images, &added);
	/* Another process may make it at the same time: what counts is that it is there. */
	int rc = manifest_list_find(w, name, &list, NULL);
	if (rc == -ENOENT)
		rc = manifest_list_create(w, name, LIST_AMEND, /* annotations */ NULL, &list, err);
	else if (rc < 0)
		rc = manifest_list_find(w, name, &list, err);
	if (rc == 0)
		rc = list_change(w, name, put_all, &images, /* origins */ NULL, &list, err);
	if (rc < 0 || !entry)
		return rc;
	image_entry_done(entry);
	*entry = list;
	list = (struct image_entry){0};
	return 0;
}
