/*
 * docker-archive:, what `docker save` writes and `docker load` reads: a tar with manifest.json, which names for each
 * image its configuration, its layers and its tags.
 *
 * Reading gives a manifest of Docker's schema 2 made up from that: a layer that is a plain tar is the blob of its
 * diff_id; one that is packed (as Docker with containerd's store writes them) is the blob that it is. Older archives
 * hold layers as symlinks to each other, which bundle.h follows inside the archive.
 */
#include "imagefmt/transport_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "imagefmt/bundle.h"
#include "imagefmt/codec.h"
#include "imagefmt/config.h"
#include "imagefmt/outarchive.h"

#define INDEX_FILE "manifest.json"
#define HASH_BUFFER_SIZE ((size_t)128 << 10)

/* ---- Reading ---- */

struct archive_source {
	struct bundle *bundle;
	char *config_name;
	struct strlist tags;
	struct strlist layer_names; /* in the order of manifest.layers */
	struct manifest manifest;
	struct buf text; /* of the manifest */
	struct digest digest;
};

static void archive_source_free(struct archive_source *source)
{
	bundle_close(source->bundle);
	free(source->config_name);
	strlist_done(&source->tags);
	strlist_done(&source->layer_names);
	manifest_done(&source->manifest);
	buf_done(&source->text);
	free(source);
}
CLEANUP_FOR(struct archive_source, archive_source_free)

static void source_close(void *state)
{
	archive_source_free(state);
}

/* Tags stand in archives short ("debian:12") or full ("docker.io/library/debian:12"): both name the same. */
static char *full_tag(const char *text)
{
	cleanup(reference_done) struct reference ref = {0};
	if (reference_parse(text, &ref, NULL) < 0)
		return NULL;
	reference_set_docker_domain(&ref);
	reference_add_default_tag(&ref);
	return reference_format(&ref);
}

static bool has_tag(const struct strlist *tags, const char *wanted)
{
	for (size_t i = 0; i < tags->count; i++) {
		cleanup_free char *tag = full_tag(tags->items[i]);
		if (tag && strcmp(tag, wanted) == 0)
			return true;
	}
	return false;
}

static int find_by_tag(const struct json_place *images, size_t count, const char *name, size_t *chosen,
		       struct error **err)
{
	cleanup_free char *wanted = full_tag(name);
	for (size_t i = 0; i < count; i++) {
		struct json_place image = json_element(images, i);
		cleanup(strlist_done) struct strlist tags = {0};
		int rc = json_get_strlist(json_field(&image, "RepoTags"), &tags, err);
		if (rc < 0)
			return rc;
		if (wanted && has_tag(&tags, wanted)) {
			*chosen = i;
			return 0;
		}
	}
	return error_set(err, ENOENT, "there is no image named '%s' in it", name);
}

static int choose_image(const struct json_place *images, const char *name, size_t *chosen, struct error **err)
{
	if (!json_is_array(images->value))
		return json_error(images, err, "not an array");
	size_t count = json_array_size(images->value);
	uint64_t index;
	if (name && location_parse_index(name, &index) == 0) {
		if (index >= count)
			return error_set(err, ENOENT, "there is no image number %llu in it", (unsigned long long)index);
		*chosen = index;
		return 0;
	}
	if (name)
		return find_by_tag(images, count, name, chosen, err);
	if (count == 0)
		return error_set(err, ENOENT, "there is no image in it");
	if (count > 1)
		return error_set(err, EINVAL,
				 "there are %zu images in it: add ':' and the name of one, or ':@' and its number",
				 count);
	*chosen = 0;
	return 0;
}

/* Finds the image in manifest.json and takes over what it says of it. */
static int read_entry(struct archive_source *source, const char *name, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	cleanup_json json_t *root = NULL;
	int rc = bundle_read(source->bundle, INDEX_FILE, MANIFEST_SIZE_MAX, &text, err);
	if (rc == 0)
		rc = json_parse(buf_str(&text), text.len, INDEX_FILE, &root, err);
	if (rc < 0)
		return rc;
	struct json_place images = json_root(INDEX_FILE, root);
	size_t chosen = 0;
	rc = choose_image(&images, name, &chosen, err);
	if (rc < 0)
		return rc;
	struct json_place image = json_element(&images, chosen);
	struct json_place config = json_field(&image, "Config");
	rc = json_require(&config, err);
	if (rc == 0)
		rc = json_get_string(config, &source->config_name, err);
	if (rc == 0)
		rc = json_get_strlist(json_field(&image, "RepoTags"), &source->tags, err);
	if (rc == 0)
		rc = json_get_strlist(json_field(&image, "Layers"), &source->layer_names, err);
	return rc;
}

static int hash_file(int fd, uint64_t size, struct digest *digest, struct error **err)
{
	cleanup(hasher_free) struct hasher *hasher = NULL;
	int rc = hasher_new(DIGEST_SHA256, &hasher, err);
	cleanup_free char *buffer = mem_alloc(HASH_BUFFER_SIZE);
	while (rc == 0 && size > 0) {
		size_t piece = size < HASH_BUFFER_SIZE ? (size_t)size : HASH_BUFFER_SIZE;
		ssize_t n = fd_read_full(fd, buffer, piece, err);
		if (n != (ssize_t)piece)
			return n < 0 ? (int)n : error_set(err, EBADMSG, "the archive ends too early");
		hasher_update(hasher, buffer, piece);
		size -= piece;
	}
	if (rc == 0)
		hasher_finish(hasher, digest);
	return rc;
}

/* The blob that a layer's file is. A plain tar needs no hashing here: it is checked against diff_id when fetched. */
static int describe_layer(struct archive_source *source, const char *name, const struct digest *diff_id,
			  struct descriptor *layer, struct error **err)
{
	uint64_t size;
	cleanup_close int fd = bundle_open_file(source->bundle, name, &size, err);
	if (fd < 0)
		return fd;
	char head[16];
	size_t head_size = size < sizeof(head) ? (size_t)size : sizeof(head);
	ssize_t n = fd_read_full(fd, head, head_size, err);
	if (n < 0)
		return (int)n;
	enum codec codec = codec_detect(head, (size_t)n);
	layer->digest = *diff_id;
	layer->size = size;
	layer->media_type = mem_strdup(layer_media_type(FORMAT_DOCKER, codec));
	if (codec == CODEC_NONE)
		return 0;
	if (lseek(fd, -(off_t)n, SEEK_CUR) < 0)
		return error_set_errno(err, "seek");
	return hash_file(fd, size, &layer->digest, err);
}

static int describe_layers(struct archive_source *source, const struct image_config *config, struct error **err)
{
	struct manifest *m = &source->manifest;
	size_t count = source->layer_names.count;
	if (count != config->diff_id_count)
		return error_set(err, EINVAL, "'%s' names %zu layers, " INDEX_FILE " %zu", source->config_name,
				 config->diff_id_count, count);
	m->layers = mem_alloc(count * sizeof(*m->layers));
	m->layer_count = count;
	for (size_t i = 0; i < count; i++) {
		const char *name = source->layer_names.items[i];
		int rc = describe_layer(source, name, &config->diff_ids[i], &m->layers[i], err);
		if (rc < 0)
			return error_prefix(err, "layer '%s'", name);
	}
	return 0;
}

static int make_manifest(struct archive_source *source, struct error **err)
{
	struct manifest *m = &source->manifest;
	cleanup(buf_done) struct buf text = BUF_INIT(CONFIG_SIZE_MAX);
	cleanup(image_config_done) struct image_config config = {0};
	int rc = bundle_read(source->bundle, source->config_name, CONFIG_SIZE_MAX, &text, err);
	if (rc == 0)
		rc = image_config_parse(buf_str(&text), text.len, source->config_name, &config, err);
	if (rc < 0)
		return rc;
	m->format = FORMAT_DOCKER;
	m->config.media_type = mem_strdup(MEDIA_DOCKER_CONFIG);
	m->config.size = text.len;
	rc = digest_of(buf_str(&text), text.len, &m->config.digest, err);
	if (rc == 0)
		rc = describe_layers(source, &config, err);
	if (rc < 0)
		return rc;
	manifest_format(m, &source->text);
	return digest_of(source->text.data, source->text.len, &source->digest, err);
}

static int source_manifest(void *state, const struct digest *want, struct buf *text, char **media_type,
			   struct error **err)
{
	struct archive_source *source = state;
	char digest[DIGEST_TEXT_SIZE];
	if (want && !digest_equal(want, &source->digest))
		return error_set(err, ENOENT, "there is no manifest %s in it", digest_format(want, digest));
	*media_type = mem_strdup(MEDIA_DOCKER_MANIFEST);
	buf_append(text, source->text.data, source->text.len);
	return 0;
}

static const char *find_file(const struct archive_source *source, const struct digest *digest)
{
	if (digest_equal(digest, &source->manifest.config.digest))
		return source->config_name;
	for (size_t i = 0; i < source->manifest.layer_count; i++) {
		if (digest_equal(digest, &source->manifest.layers[i].digest))
			return source->layer_names.items[i];
	}
	return NULL;
}

static int source_fetch(void *state, const struct descriptor *const *blobs, size_t count, struct store *store,
			struct error **err)
{
	struct archive_source *source = state;
	for (size_t i = 0; i < count; i++) {
		char digest[DIGEST_TEXT_SIZE];
		const char *name = find_file(source, &blobs[i]->digest);
		if (!name)
			return error_set(err, ENOENT, "there is no blob %s in it",
					 digest_format(&blobs[i]->digest, digest));
		int rc = bundle_fetch(source->bundle, name, blobs[i], store, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static char *source_name(void *state)
{
	struct archive_source *source = state;
	return source->tags.count > 0 ? full_tag(source->tags.items[0]) : NULL;
}

static const struct image_source_ops source_ops = {
	.manifest = source_manifest,
	.fetch = source_fetch,
	.name = source_name,
	.close = source_close,
};

int archive_source_open(const struct location *location, struct store *store, struct image_source **source,
			struct error **err)
{
	cleanup(archive_source_free) struct archive_source *opened = mem_alloc(sizeof(*opened));
	opened->text = BUF_INIT(MANIFEST_SIZE_MAX);
	int rc = bundle_open_archive(location->path, store, &opened->bundle, err);
	if (rc == 0)
		rc = read_entry(opened, location->name, err);
	if (rc == 0)
		rc = make_manifest(opened, err);
	if (rc < 0)
		return rc;
	*source = image_source_new(&source_ops, take_ptr(&opened));
	return 0;
}

int archive_names(const struct location *location, struct store *store, struct strlist *names, struct error **err)
{
	cleanup(bundle_close) struct bundle *bundle = NULL;
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	cleanup_json json_t *root = NULL;
	int rc = bundle_open_archive(location->path, store, &bundle, err);
	if (rc == 0)
		rc = bundle_read(bundle, INDEX_FILE, MANIFEST_SIZE_MAX, &text, err);
	if (rc == 0)
		rc = json_parse(buf_str(&text), text.len, INDEX_FILE, &root, err);
	if (rc < 0)
		return rc;
	struct json_place images = json_root(INDEX_FILE, root);
	if (!json_is_array(root))
		return json_error(&images, err, "not an array");
	for (size_t i = 0; rc == 0 && i < json_array_size(root); i++) {
		struct json_place image = json_element(&images, i);
		rc = json_get_strlist(json_field(&image, "RepoTags"), names, err);
	}
	return rc;
}

/* ---- Writing ---- */

struct archive_sink {
	struct store *store; /* borrowed; set by the first send */
	struct outarchive *archive;
	struct strlist tags; /* whole names that the image gets */
	bool has_image;
	char *config_name;
	struct strlist layer_names;
	struct digest top_layer; /* null for an image without layers */
};

static void archive_sink_free(struct archive_sink *sink)
{
	outarchive_close(sink->archive);
	strlist_done(&sink->tags);
	free(sink->config_name);
	strlist_done(&sink->layer_names);
	free(sink);
}
CLEANUP_FOR(struct archive_sink, archive_sink_free)

static void sink_close(void *state)
{
	archive_sink_free(state);
}

/* Which blob is which layer is not known before the manifest comes, so the writing waits for it. */
static int sink_send(void *state, const struct descriptor *const *blobs, size_t count, struct store *store,
		     struct error **err)
{
	struct archive_sink *sink = state;
	sink->store = store;
	for (size_t i = 0; i < count; i++) {
		char digest[DIGEST_TEXT_SIZE];
		if (!blob_exists(store, &blobs[i]->digest, NULL))
			return error_set(err, ENOENT, "blob %s is not in the store",
					 digest_format(&blobs[i]->digest, digest));
	}
	return 0;
}

static int write_layers(struct archive_sink *sink, const struct manifest *m, const struct image_config *config,
			struct error **err)
{
	for (size_t i = 0; i < m->layer_count; i++) {
		char hex[DIGEST_HEX_SIZE];
		cleanup_free char *name = mem_printf("%s.tar", digest_hex(&config->diff_ids[i], hex));
		int rc = outarchive_put_layer(sink->archive, name, &m->layers[i], &config->diff_ids[i], sink->store,
					      err);
		if (rc < 0)
			return rc;
		strlist_append(&sink->layer_names, name);
		sink->top_layer = config->diff_ids[i];
	}
	return 0;
}

static int write_image(struct archive_sink *sink, const struct manifest *m, struct error **err)
{
	char hex[DIGEST_HEX_SIZE];
	cleanup(buf_done) struct buf text = BUF_INIT(CONFIG_SIZE_MAX);
	cleanup(image_config_done) struct image_config config = {0};
	int rc = blob_read(sink->store, &m->config.digest, CONFIG_SIZE_MAX, &text, err);
	if (rc == 0)
		rc = image_config_parse(buf_str(&text), text.len, "configuration", &config, err);
	if (rc < 0)
		return rc;
	if (config.diff_id_count != m->layer_count)
		return error_set(err, EINVAL, "the configuration names %zu layers, the manifest %zu",
				 config.diff_id_count, m->layer_count);
	rc = write_layers(sink, m, &config, err);
	sink->config_name = mem_printf("%s.json", digest_hex(&m->config.digest, hex));
	if (rc == 0)
		rc = outarchive_put(sink->archive, sink->config_name, buf_str(&text), text.len, err);
	return rc;
}

static int sink_manifest(void *state, const void *text, size_t size, const char *media_type, bool top,
			 struct error **err)
{
	struct archive_sink *sink = state;
	enum manifest_kind kind;
	int rc = manifest_kind(text, size, media_type, &kind, err);
	if (rc < 0)
		return rc;
	if (kind == MANIFEST_INDEX || !top)
		return error_set(err, EINVAL, "an archive of Docker's holds images, not lists of them");
	if (sink->has_image || !sink->store)
		return error_set(err, EINVAL, "one image, after its blobs, is what this archive can take");
	cleanup(manifest_done) struct manifest m = {0};
	rc = manifest_parse(text, size, "manifest", &m, err);
	if (rc == 0)
		rc = write_image(sink, &m, err);
	if (rc == 0)
		sink->has_image = true;
	return rc;
}

static int put_json(struct archive_sink *sink, const char *name, const json_t *value, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	json_format(value, &text);
	return outarchive_put(sink->archive, name, text.data, text.len, err);
}

static int write_index(struct archive_sink *sink, struct error **err)
{
	cleanup_json json_t *root = json_array();
	json_t *image = json_object();
	json_array_append_new(root, image);
	json_set_string(image, "Config", sink->config_name);
	json_set_strlist(image, "Layers", &sink->layer_names);
	json_set_strlist(image, "RepoTags", &sink->tags);
	return put_json(sink, INDEX_FILE, root, err);
}

/* The index of Docker's first format: {repository: {tag: top layer}}. Old tools look into it for names. */
static int write_repositories(struct archive_sink *sink, struct error **err)
{
	if (sink->tags.count == 0 || digest_is_null(&sink->top_layer))
		return 0;
	char hex[DIGEST_HEX_SIZE];
	cleanup_json json_t *root = json_object();
	for (size_t i = 0; i < sink->tags.count; i++) {
		cleanup(reference_done) struct reference tag = {0};
		int rc = reference_parse(sink->tags.items[i], &tag, err);
		if (rc < 0)
			return rc;
		cleanup_free char *repository = reference_repository(&tag);
		json_t *tags = json_object_get(root, repository);
		if (!tags) {
			tags = json_object();
			json_set_take(root, repository, tags);
		}
		json_set_string(tags, tag.tag, digest_hex(&sink->top_layer, hex));
	}
	return put_json(sink, "repositories", root, err);
}

static int sink_commit(void *state, struct error **err)
{
	struct archive_sink *sink = state;
	if (!sink->has_image)
		return error_set(err, EINVAL, "no image has been written");
	int rc = write_index(sink, err);
	if (rc == 0)
		rc = write_repositories(sink, err);
	return rc < 0 ? rc : outarchive_commit(sink->archive, err);
}

static const struct image_sink_ops sink_ops = {
	.send = sink_send,
	.manifest = sink_manifest,
	.commit = sink_commit,
	.close = sink_close,
};

static int add_tag(const char *name, struct strlist *tags, struct error **err)
{
	cleanup(reference_done) struct reference tag = {0};
	if (name[0] == '@')
		return error_set(err, EINVAL, "'%s' is no name that an image can get", name);
	int rc = reference_parse(name, &tag, err);
	if (rc < 0)
		return rc;
	if (!digest_is_null(&tag.digest))
		return error_set(err, EINVAL, "'%s' has a digest, which Docker's archives cannot name", name);
	reference_set_docker_domain(&tag);
	reference_add_default_tag(&tag);
	cleanup_free char *whole = reference_format(&tag);
	if (!strlist_contains(tags, whole))
		strlist_append(tags, whole);
	return 0;
}

int archive_sink_open(const struct location *location, struct store *store, struct image_sink **sink,
		      struct error **err)
{
	struct stat st;
	cleanup(archive_sink_free) struct archive_sink *opened = mem_alloc(sizeof(*opened));
	/* As skopeo and podman: an archive may hold other images, which must not be lost by a slip. */
	if (stat(location->path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 && fd_own_output(&st) < 0)
		return error_set(err, EEXIST, "the file exists: images cannot be added to an archive");
	int rc = location->name ? add_tag(location->name, &opened->tags, err) : 0;
	for (size_t i = 0; rc == 0 && i < location->more_names.count; i++)
		rc = add_tag(location->more_names.items[i], &opened->tags, err);
	if (rc == 0)
		rc = outarchive_open(location->path, store, &opened->archive, err);
	if (rc < 0)
		return rc;
	*sink = image_sink_new(&sink_ops, take_ptr(&opened));
	return 0;
}
