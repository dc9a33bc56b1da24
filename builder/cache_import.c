/*
 * Reading caches: the manifest and its records first, a layer when it is wanted.
 */
#include "builder/cache_import.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/owner.h"
#include "base/tree.h"
#include "builder/cache_mounts.h"
#include "builder/blob_places.h"
#include "builder/cache_records.h"
#include "imagefmt/blob.h"
#include "imagefmt/layer.h"
#include "imagefmt/transport.h"
#include "imagefmt/unpack.h"
#include "registry/docker.h"
#include "registry/trust.h"

struct cache_import {
	const struct cache_place *place;
	bool is_read, is_broken;
	struct manifest manifest;
	struct cache_records records;
	/* The conversation, and the process that holds it: one that was forked since begins its own. */
	struct registry_client *client;
	struct image_source *source;
	pid_t owner;
};

struct cache_imports {
	struct workshop *w;
	const struct registry_options *registry;
	struct cache_import *items;
	size_t count;
};

struct cache_imports *cache_imports_new(struct workshop *w, const struct cache_place *places, size_t count,
					const struct registry_options *registry)
{
	struct cache_imports *imports = mem_alloc(sizeof(*imports));

	*imports = (struct cache_imports){.w = w, .registry = registry, .count = count};
	imports->items = mem_alloc((count + 1) * sizeof(*imports->items));
	for (size_t i = 0; i < count; i++)
		imports->items[i].place = &places[i];
	return imports;
}

static void close_source(struct cache_import *import)
{
	/* To close a connection of the parent's would end it for both. */
	if (import->owner == getpid()) {
		image_source_close(import->source);
		registry_client_free(import->client);
	}
	import->source = NULL;
	import->client = NULL;
}

void cache_imports_free(struct cache_imports *imports)
{
	for (size_t i = 0; i < imports->count; i++) {
		struct cache_import *import = &imports->items[i];
		close_source(import);
		manifest_done(&import->manifest);
		cache_records_done(&import->records);
	}
	free(imports->items);
	free(imports);
}

/* ---- the records ----------------------------------------------------------------------------------------------------
 */

static int open_registry(const struct cache_imports *imports, struct cache_import *import, struct error **err)
{
	struct registry_options registry = *imports->registry;

	if (import->place->insecure)
		registry.tls_verify = TLS_VERIFY_NO;
	int rc = registry_client_new(&registry, &import->client, err);
	return rc < 0 ? rc : registry_source_open(import->client, &import->place->where.ref, &import->source, err);
}

static int open_source(const struct cache_imports *imports, struct cache_import *import, struct error **err)
{
	const struct cache_place *place = import->place;

	if (import->source && import->owner == getpid())
		return 0;
	close_source(import);
	import->owner = getpid();
	int rc = place->kind == CACHE_LOCAL
			 ? image_source_open_local(&place->where, workshop_store(imports->w), &import->source, err)
			 : open_registry(imports, import, err);
	/* Its layers are run and shipped like those of an image. */
	const struct trust_options trust = {.location = &place->where, .client = import->client};
	if (rc >= 0)
		rc = trust_source(&trust, &import->source, err);
	if (rc < 0) /* or the next one to ask would find it open, and unchecked */
		close_source(import);
	return rc;
}

static int read_manifest(struct cache_import *import, const char *what, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	cleanup_free char *media_type = NULL;
	enum manifest_kind kind;
	int rc = image_source_manifest(import->source, /* want */ NULL, &text, &media_type, err);

	if (rc == 0)
		rc = manifest_kind(text.data, text.len, media_type, &kind, err);
	if (rc == 0 && kind != MANIFEST_IMAGE)
		return error_set(err, EINVAL, "it is an index of images, not a cache or one image");
	return rc < 0 ? rc : manifest_parse(text.data, text.len, what, &import->manifest, err);
}

/* Of a cache the records are its configuration, of an image an annotation. */
static int read_records(const struct cache_imports *imports, struct cache_import *import, const char *what,
			struct error **err)
{
	const struct manifest *m = &import->manifest;
	const struct descriptor *config = &m->config;
	cleanup(buf_done) struct buf text = BUF_INIT(CACHE_DOCUMENT_MAX);
	const char *annotation = strlist_env_get(&m->annotations, CACHE_ANNOTATION);

	if (strcmp(config->media_type, CACHE_CONFIG_TYPE) != 0) {
		if (!annotation)
			return error_set(err, EINVAL, "there is no cache of cooper's in it");
		return cache_records_parse(annotation, strlen(annotation), what, &import->records, err);
	}
	if (config->size > CACHE_DOCUMENT_MAX)
		return error_set(err, EFBIG, "its records are larger than %zu bytes", CACHE_DOCUMENT_MAX);
	int rc = image_source_fetch(import->source, &config, 1, workshop_store(imports->w), err);
	if (rc == 0)
		rc = blob_read(workshop_store(imports->w), &config->digest, CACHE_DOCUMENT_MAX, &text, err);
	return rc < 0 ? rc : cache_records_parse(buf_str(&text), text.len, what, &import->records, err);
}

static int read_cache(const struct cache_imports *imports, struct cache_import *import, struct error **err)
{
	static const char what[] = "cache";
	int rc = open_source(imports, import, err);

	if (rc == 0)
		rc = read_manifest(import, what, err);
	if (rc == 0)
		rc = read_records(imports, import, what, err);
	if (rc < 0)
		return rc;
	if (import->records.layer_count != import->manifest.layer_count)
		return error_set(err, EINVAL, "%zu layers in the manifest, %zu in the records",
				 import->manifest.layer_count, import->records.layer_count);
	log_debug("cache %s: %zu records of %zu layers", import->place->text, import->records.count,
		  import->records.layer_count);
	return 0;
}

/* ---- a layer --------------------------------------------------------------------------------------------------------
 */

struct unpack_job {
	const struct digest *diff_id;
	const struct descriptor *packed;
};

static int unpack_task(struct workshop *w, void *context, struct buf *result, struct error **err)
{
	const struct unpack_job *job = context;

	(void)result;
	return layer_unpack(workshop_store(w), job->diff_id, job->packed, err);
}

/* Also an image of the store may have brought it already. */
static int fetch_layer(const struct cache_imports *imports, struct cache_import *import, size_t number,
		       struct layer_record *layer, struct error **err)
{
	struct store *store = workshop_store(imports->w);
	const struct descriptor *packed = &import->manifest.layers[number];
	struct unpack_job job = {&import->records.layers[number], packed};
	enum codec codec;

	if (layer_load_record(store, job.diff_id, layer, NULL) == 0)
		return 0;
	int rc = layer_codec(packed->media_type, &codec, err);
	if (rc == 0)
		rc = open_source(imports, import, err);
	if (rc == 0)
		rc = image_source_fetch(import->source, &packed, 1, store, err);
	if (rc == 0)
		rc = workshop_call(imports->w, unpack_task, &job, /* result */ NULL, err);
	return rc < 0 ? rc : layer_load_record(store, job.diff_id, layer, err);
}

static int take(const struct cache_imports *imports, struct cache_import *import, const struct cache_record *found,
		const struct digest *key, struct build_record *record, struct error **err)
{
	cleanup(layer_record_done) struct layer_record layer = {0};
	int rc = fetch_layer(imports, import, found->layer, &layer, err);

	if (rc < 0)
		return rc;
	if (import->place->kind == CACHE_REGISTRY)
		blob_places_add(workshop_store(imports->w), &import->manifest.layers[found->layer].digest,
				&import->place->where.ref);
	const struct build_record taken = {
		.diff_id = layer.diff_id, .size = layer.size, .created = found->created, .by_files = found->by_files};
	/* For the next build, which then asks nobody. */
	rc = build_cache_save(workshop_store(imports->w), key, &taken, /* text */ NULL, err);
	if (rc == 0)
		*record = taken;
	return rc;
}

/* ---- a cache mount --------------------------------------------------------------------------------------------------
 */

struct mount_job {
	const struct cache_import_mount *mount;
	const struct digest *diff_id;
	const struct descriptor *packed;
};

static int unpack_mount(struct workshop *w, const struct mount_job *job, int dir, struct error **err)
{
	struct store *store = workshop_store(w);
	const struct unpack_options options = {.single_id = store_has_single_id(store), .plain = true};
	const struct cache_import_mount *mount = job->mount;
	struct unpack_result result;
	enum codec codec;
	int rc = layer_codec(job->packed->media_type, &codec, err);
	cleanup_close int blob = rc < 0 ? rc : blob_open(store, &job->packed->digest, /* size */ NULL, err);

	if (blob < 0)
		return blob;
	rc = unpack_layer(blob, codec, dir, &options, &result, err);
	if (rc < 0)
		return rc;
	if (!digest_equal(&result.diff_id, job->diff_id))
		return error_set(err, EBADMSG, "it holds something else than it says");
	const struct owner_record owner = {.uid = mount->uid, .gid = mount->gid};
	if (options.single_id)
		rc = owner.uid || owner.gid ? owner_set(dir, &owner, err) : 0;
	else if (fchown(dir, mount->uid, mount->gid) < 0)
		rc = error_set_errno(err, "set the owner of its directory");
	if (rc >= 0 && fchmod(dir, mount->mode ? mount->mode : 0755) < 0)
		rc = error_set_errno(err, "set the mode of its directory");
	return rc < 0 ? rc : 0;
}

/* Inside. Whole in tmp/ first, so that nobody sees half of it. */
static int mount_task(struct workshop *w, void *context, struct buf *result, struct error **err)
{
	const struct mount_job *job = context;
	struct store *store = workshop_store(w);
	cleanup_close int held = cache_mount_lock(store, &job->mount->name, LOCK_WAIT, err);
	int tmp = held < 0 ? held : store_tmp(store, err);

	(void)result;
	if (tmp < 0)
		return tmp;
	if (cache_mount_exists(store, &job->mount->name)) /* another build was faster */
		return 0;
	cleanup_free char *made = store_tmp_name(store, "cache");
	if (mkdirat(tmp, made, 0700) < 0)
		return error_set_errno(err, "make its directory");
	cleanup_close int dir = fd_open_dir(tmp, made, err);
	int rc = dir < 0 ? dir : unpack_mount(w, job, dir, err);
	if (rc >= 0)
		rc = cache_mount_adopt(store, &job->mount->name, made, err);
	if (rc < 0)
		tree_remove(tmp, made, NULL);
	else
		cache_mount_note(store, &job->mount->name, job->mount->id, workshop_options(w)->now);
	return rc;
}

static int find_mount_in(const struct cache_imports *imports, struct cache_import *import,
			 const struct cache_import_mount *mount, struct error **err)
{
	int rc = import->is_read ? 0 : read_cache(imports, import, err);

	import->is_read = true;
	if (rc < 0)
		return rc;
	const struct cache_mount_record *found = cache_records_find_mount(&import->records, &mount->name);
	if (!found)
		return 0;
	const struct descriptor *packed = &import->manifest.layers[found->layer];
	struct mount_job job = {mount, &import->records.layers[found->layer], packed};
	rc = open_source(imports, import, err);
	if (rc == 0)
		rc = image_source_fetch(import->source, &packed, 1, workshop_store(imports->w), err);
	if (rc == 0)
		rc = workshop_call(imports->w, mount_task, &job, /* result */ NULL, err);
	return rc < 0 ? error_prefix(err, "cache mount '%s'", mount->id) : 1;
}

static void give_up(struct cache_import *import, const struct error *error)
{
	import->is_broken = true;
	log_warn("--cache-from '%s': %s; building without it", import->place->text, error_message(error));
}

bool cache_imports_mount(struct cache_imports *imports, const struct cache_import_mount *mount)
{
	for (size_t i = 0; i < imports->count; i++) {
		struct cache_import *import = &imports->items[i];
		cleanup_error struct error *error = NULL;
		int rc = import->is_broken ? 0 : find_mount_in(imports, import, mount, &error);
		if (rc > 0)
			return true;
		if (rc == 0)
			continue;
		give_up(import, error);
	}
	return false;
}

/* ---- the door -------------------------------------------------------------------------------------------------------
 */

static int find_in(const struct cache_imports *imports, struct cache_import *import, const struct digest *key,
		   int64_t oldest, struct build_record *record, struct error **err)
{
	int rc = import->is_read ? 0 : read_cache(imports, import, err);

	import->is_read = true;
	if (rc < 0)
		return rc;
	const struct cache_record *found = cache_records_find(&import->records, key);
	if (!found || found->created < oldest)
		return 0;
	rc = take(imports, import, found, key, record, err);
	return rc < 0 ? rc : 1;
}

bool cache_imports_find(struct cache_imports *imports, const struct digest *key, int64_t oldest,
			struct build_record *record)
{
	for (size_t i = 0; i < imports->count; i++) {
		struct cache_import *import = &imports->items[i];
		cleanup_error struct error *error = NULL;
		int rc = import->is_broken ? 0 : find_in(imports, import, key, oldest, record, &error);
		if (rc > 0)
			return true;
		if (rc == 0)
			continue;
		give_up(import, error);
	}
	return false;
}
