/*
 * From an image source into the store. Nothing is believed that was not checked: sizes and digests of blobs by whoever
 * writes them, diff_ids while layers are unpacked, manifest against configuration here.
 */
#include "builder/fetch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "builder/refused.h"
#include "builder/unpacking.h"
#include "imagefmt/blob.h"
#include "imagefmt/config.h"
#include "imagefmt/index.h"
#include "imagefmt/layer.h"

/* ---- the platform ---- */

static int no_platform(const struct image_index *index, const struct platform *want, const char *what,
		       struct error **err)
{
	cleanup(strlist_done) struct strlist found = {0};
	cleanup_free char *wanted = platform_format(want);

	for (size_t i = 0; i < index->manifest_count; i++) {
		const struct descriptor *entry = &index->manifests[i];
		if (entry->platform && !index_entry_is_attestation(entry))
			strlist_take(&found, platform_format(entry->platform));
	}
	cleanup_free char *list = strlist_join(&found, ", ");
	return error_set(err, ENOENT, "%s: no image for %s (there is: %s)", what, wanted, found.count ? list : "none");
}

int fetch_choose(const struct image_index *index, const struct platform *want, const char *what, size_t *chosen,
		 struct error **err)
{
	int best = 0;

	for (size_t i = 0; i < index->manifest_count; i++) {
		const struct descriptor *entry = &index->manifests[i];
		if (index_entry_is_attestation(entry))
			continue;
		/* An entry that names no platform may be for any: better than nothing, worse than one that fits. */
		int rank = entry->platform ? platform_rank(want, entry->platform) * 2 : 1;
		if (rank > best) {
			best = rank;
			*chosen = i;
		}
	}
	return best ? 0 : no_platform(index, want, what, err);
}

static void wanted_platform(const struct acquire_options *options, struct platform *want)
{
	if (options->platform) {
		platform_copy(want, options->platform);
		platform_complete(want);
	} else {
		platform_host(want);
	}
}

/* ---- the manifest ---- */

struct fetched {
	struct buf text; /* of the manifest */
	struct manifest manifest;
	struct descriptor descriptor;
};

static void fetched_done(struct fetched *fetched)
{
	buf_done(&fetched->text);
	manifest_done(&fetched->manifest);
	descriptor_done(&fetched->descriptor);
}
CLEANUP_FOR_VALUE(struct fetched, fetched_done)

int fetch_choose_child(const struct buf *text, const struct platform *platform, const char *what,
		       struct descriptor *child, struct error **err)
{
	cleanup(image_index_done) struct image_index index = {0};
	cleanup(platform_done) struct platform want = {0};
	size_t chosen = 0;
	int rc = image_index_parse(buf_str(text), text->len, what, &index, err);

	if (platform)
		platform_copy(&want, platform);
	else
		platform_host(&want);
	platform_complete(&want);
	if (rc >= 0)
		rc = fetch_choose(&index, &want, what, &chosen, err);
	if (rc >= 0)
		descriptor_copy(child, &index.manifests[chosen]);
	return rc;
}

/* Goes down from what the source names, through indexes, to the manifest of one image. */
static int fetch_manifest(struct image_source *source, const struct platform *want, const char *what,
			  struct fetched *fetched, struct error **err)
{
	cleanup(descriptor_done) struct descriptor child = {0};

	for (int depth = 0; depth < INDEX_NESTING_MAX; depth++) {
		cleanup_free char *media_type = NULL;
		enum manifest_kind kind;
		buf_clear(&fetched->text);
		int rc = depth > 0 ? image_source_child(source, &child, &fetched->text, &media_type, err)
				   : image_source_manifest(source, /* want */ NULL, &fetched->text, &media_type, err);
		if (rc >= 0)
			rc = manifest_kind(fetched->text.data, fetched->text.len, media_type, &kind, err);
		if (rc < 0)
			return rc;
		if (kind == MANIFEST_IMAGE)
			return manifest_parse(fetched->text.data, fetched->text.len, what, &fetched->manifest, err);
		rc = fetch_choose_child(&fetched->text, want, what, &child, err);
		if (rc < 0)
			return rc;
	}
	return error_set(err, ELOOP, "%s: indexes within indexes, more than %d deep", what, INDEX_NESTING_MAX);
}

static int keep_manifest(struct workshop *w, struct fetched *fetched, struct error **err)
{
	fetched->descriptor.media_type = mem_strdup(manifest_media_type(&fetched->manifest));
	fetched->descriptor.size = fetched->text.len;
	return blob_put(workshop_store(w), fetched->text.data, fetched->text.len, &fetched->descriptor.digest, err);
}

/* ---- blobs and layers ---- */

static bool is_named_before(const struct manifest *m, size_t at)
{
	for (size_t i = 0; i < at; i++) {
		if (digest_equal(&m->layers[i].digest, &m->layers[at].digest))
			return true;
	}
	return digest_equal(&m->config.digest, &m->layers[at].digest);
}

static int check_types(const struct manifest *m, struct error **err)
{
	int rc = 0;

	for (size_t i = 0; rc >= 0 && i < m->layer_count; i++) {
		enum codec codec;
		rc = layer_codec(m->layers[i].media_type, &codec, err);
	}
	if (rc >= 0 && !manifest_is_image(m))
		rc = error_set(err, EINVAL, "'%s' is not the media type of an image's configuration: it is an artifact",
			       m->config.media_type);
	return rc;
}

static int fetch_config(struct workshop *w, struct image_source *source, const struct manifest *m, struct error **err)
{
	const struct descriptor *blobs[] = {&m->config};

	/* Before it comes, not after: the size is the manifest's word, and may be that of a disk. */
	if (m->config.size > CONFIG_SIZE_MAX)
		return error_set(err, EFBIG, "a configuration of %llu bytes, more than the %zu allowed",
				 (unsigned long long)m->config.size, CONFIG_SIZE_MAX);
	return image_source_fetch(source, blobs, ARRAY_COUNT(blobs), workshop_store(w), err);
}

static int fetch_layers(struct workshop *w, struct image_source *source, const struct manifest *m, struct error **err)
{
	cleanup_free const struct descriptor **blobs = mem_alloc((m->layer_count + 1) * sizeof(*blobs));
	size_t count = 0;

	for (size_t i = 0; i < m->layer_count; i++) {
		if (!is_named_before(m, i))
			blobs[count++] = &m->layers[i];
	}
	return image_source_fetch(source, blobs, count, workshop_store(w), err);
}

static int check_config(struct workshop *w, const struct manifest *m, const struct platform *want, const char *what,
			struct image_config *config, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(CONFIG_SIZE_MAX);
	int rc = blob_read(workshop_store(w), &m->config.digest, CONFIG_SIZE_MAX, &text, err);

	if (rc >= 0)
		rc = image_config_parse(text.data, text.len, what, config, err);
	if (rc < 0)
		return rc;
	if (config->diff_id_count != m->layer_count)
		return error_set(err, EINVAL, "%s: %zu layers in the manifest, %zu in the configuration", what,
				 m->layer_count, config->diff_id_count);
	if (platform_rank(want, &config->platform) == 0) {
		cleanup_free char *have = platform_format(&config->platform);
		cleanup_free char *wanted = platform_format(want);
		log_warn("%s is an image for %s, not for %s; using it all the same", what, have, wanted);
	}
	return 0;
}

int fetch_unpack(struct workshop *w, const struct image *image, struct error **err)
{
	return unpack_all(w, &image->config, &image->manifest, err);
}

/* ---- the flow ---- */

static int64_t created_seconds(const struct image_config *config)
{
	int64_t seconds = 0, nanoseconds = 0;

	if (!config->created || parse_time(config->created, "created", &seconds, &nanoseconds, NULL) < 0)
		return 0;
	return seconds;
}

/* The image may have many names; the one that it was just asked for by comes first. */
static void put_first(struct strlist *names, const char *name)
{
	for (size_t i = 1; name && i < names->count; i++) {
		if (strcmp(names->items[i], name) == 0) {
			strlist_remove(names, i);
			strlist_insert(names, 0, name);
			return;
		}
	}
}

/* By the manifest's digest: another process may have moved the name meanwhile. */
static int load(struct workshop *w, const struct descriptor *manifest, const struct digest *config, const char *name,
		struct image *image, struct error **err)
{
	struct store *store = workshop_store(w);
	cleanup(image_entry_done) struct image_entry entry = {0};
	char digest[DIGEST_TEXT_SIZE];
	cleanup_free char *by_digest = mem_printf("@%s", digest_format(&manifest->digest, digest));
	int rc = images_find(store, by_digest, &entry, NULL);

	if (rc < 0)
		rc = images_find(store, digest_format(config, digest), &entry, err);
	if (rc < 0)
		return rc;
	put_first(&entry.names, name);
	return image_load(store, &entry, image, err);
}

/* The configuration before the layers: it says what they must unpack to. */
static int fetch_documents(struct workshop *w, struct image_source *source, const char *what,
			   const struct acquire_options *options, struct fetched *fetched, struct image_config *config,
			   struct error **err)
{
	cleanup(platform_done) struct platform want = {0};

	wanted_platform(options, &want);
	int rc = fetch_manifest(source, &want, what, fetched, err);
	if (rc >= 0)
		rc = check_types(&fetched->manifest, err);
	if (rc >= 0)
		rc = fetch_config(w, source, &fetched->manifest, err);
	if (rc >= 0)
		rc = check_config(w, &fetched->manifest, &want, what, config, err);
	return rc;
}

/* They are unpacked while they come. */
static int fetch_and_unpack(struct workshop *w, struct image_source *source, const struct manifest *m,
			    const struct image_config *config, const struct acquire_options *options,
			    struct error **err)
{
	cleanup(unpacking_free) struct unpacking *unpacking = NULL;
	int rc = options->keep_packed ? 0 : unpacking_start(w, config, m, &unpacking, err);

	if (rc >= 0)
		rc = fetch_layers(w, source, m, err);
	return rc < 0 ? rc : unpacking_finish(unpacking, err);
}

int fetch_image(struct workshop *w, struct image_source *source, const char *what, const char *name,
		const struct acquire_options *options, struct image *image, struct error **err)
{
	struct store *store = workshop_store(w);
	cleanup(fetched_done) struct fetched fetched = {.text = BUF_INIT(MANIFEST_SIZE_MAX)};
	cleanup(image_config_done) struct image_config config = {0};

	cleanup_close int hold = store_hold(store, err);
	if (hold < 0)
		return hold;
	int rc = fetch_documents(w, source, what, options, &fetched, &config, err);
	if (rc >= 0)
		rc = fetch_and_unpack(w, source, &fetched.manifest, &config, options, err);
	if (rc >= 0)
		rc = keep_manifest(w, &fetched, err);
	if (rc >= 0)
		rc = images_add(store, &fetched.descriptor, &fetched.manifest.config.digest, created_seconds(&config),
				name, err);
	if (rc < 0)
		refused_note(w, rc, /* digest */ NULL, &fetched.manifest, &config);
	return rc < 0 ? rc : load(w, &fetched.descriptor, &fetched.manifest.config.digest, name, image, err);
}

/* ---- in two parts ---- */

int fetch_head(struct workshop *w, struct image_source *source, const char *what, const struct acquire_options *options,
	       struct image *image, struct error **err)
{
	cleanup(fetched_done) struct fetched fetched = {.text = BUF_INIT(MANIFEST_SIZE_MAX)};
	cleanup(image_config_done) struct image_config config = {0};
	cleanup(image_entry_done) struct image_entry entry = {0};

	int rc = fetch_documents(w, source, what, options, &fetched, &config, err);
	if (rc >= 0)
		rc = keep_manifest(w, &fetched, err);
	if (rc < 0) {
		refused_note(w, rc, /* digest */ NULL, &fetched.manifest, &config);
		return rc;
	}
	descriptor_copy(&entry.manifest, &fetched.descriptor);
	entry.id = fetched.manifest.config.digest;
	entry.created = created_seconds(&config);
	return image_load(workshop_store(w), &entry, image, err);
}

int fetch_rest(struct workshop *w, struct image_source *source, const char *name, enum fetch_layers layers,
	       struct image *image, struct error **err)
{
	const struct image_entry *entry = &image->entry;
	cleanup(image_done) struct image whole = {0};

	const struct acquire_options options = {.keep_packed = layers == FETCH_LAYERS_PACKED};
	int rc = fetch_and_unpack(w, source, &image->manifest, &image->config, &options, err);
	if (rc >= 0)
		rc = images_add(workshop_store(w), &entry->manifest, &entry->id, entry->created, name, err);
	if (rc >= 0)
		rc = load(w, &entry->manifest, &entry->id, name, &whole, err);
	if (rc < 0) {
		refused_note(w, rc, &entry->manifest.digest, &image->manifest, &image->config);
		return rc;
	}
	image_done(image);
	*image = whole;
	whole = (struct image){0};
	return 0;
}
