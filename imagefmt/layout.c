/*
 * oci: and oci-archive:, the layout of the OCI image specification (image-layout.md) as a directory or in a tar.
 *
 * Reading: index.json leads to the image that the location names, or to the only one. Writing: blobs as they come,
 * index.json last, so that a reader finds the old image or the whole new one.
 */
#include "imagefmt/transport_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/parse.h"
#include "base/rootpath.h"
#include "imagefmt/bundle.h"
#include "imagefmt/images_internal.h"
#include "imagefmt/outarchive.h"
#include "imagefmt/userpath.h"

#define LAYOUT_FILE "oci-layout"
#define LAYOUT_VERSION "{\"imageLayoutVersion\":\"1.0.0\"}"
#define LAYOUT_FILE_MAX ((size_t)64 << 10)

/* In a folder of blobs ("blobs/", or a shared one). */
static char *blob_name(const char *folder, const struct digest *digest)
{
	char hex[DIGEST_HEX_SIZE];
	return mem_printf("%s%s/%s", folder, digest_algorithm_name(digest->algorithm), digest_hex(digest, hex));
}

/* ---- Reading ---- */

struct layout_source {
	struct bundle *bundle;
	struct bundle *shared; /* where the blobs are; NULL: in the layout itself */
	struct image_index index;
	size_t chosen; /* in index.manifests */
};

static void layout_source_free(struct layout_source *source)
{
	bundle_close(source->bundle);
	bundle_close(source->shared);
	image_index_done(&source->index);
	free(source);
}
CLEANUP_FOR(struct layout_source, layout_source_free)

static void source_close(void *state)
{
	layout_source_free(state);
}

/* The file says which version of the layout this is. It may be missing where others were careless. */
static int check_version(struct bundle *bundle, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(LAYOUT_FILE_MAX);
	int rc = bundle_read(bundle, LAYOUT_FILE, LAYOUT_FILE_MAX, &text, NULL);
	if (rc == -ENOENT)
		return 0;
	cleanup_json json_t *root = NULL;
	cleanup_free char *version = NULL;
	if (rc == 0)
		rc = json_parse(buf_str(&text), text.len, LAYOUT_FILE, &root, err);
	else
		rc = error_set(err, -rc, "'" LAYOUT_FILE "' cannot be read");
	if (rc < 0)
		return rc;
	struct json_place at = json_root(LAYOUT_FILE, root);
	rc = json_get_string(json_field(&at, "imageLayoutVersion"), &version, err);
	if (rc < 0)
		return rc;
	if (!version || !text_has_prefix(version, "1."))
		return json_error(&at, err, "version '%s' of the layout is not supported", version ? version : "");
	return 0;
}

static int choose_only(struct layout_source *source, struct error **err)
{
	if (source->index.manifest_count == 0)
		return error_set(err, ENOENT, "there is no image in it");
	if (source->index.manifest_count > 1)
		return error_set(err, EINVAL, "there are %zu images in it: add ':' and the name of one",
				 source->index.manifest_count);
	source->chosen = 0;
	return 0;
}

static int choose_name(struct layout_source *source, const char *name, struct error **err)
{
	bool found = false;
	for (size_t i = 0; i < source->index.manifest_count; i++) {
		const struct descriptor *d = &source->index.manifests[i];
		const char *have = images_name_of(d);
		if (!have || strcmp(have, name) != 0)
			continue;
		if (found && !digest_equal(&source->index.manifests[source->chosen].digest, &d->digest))
			return error_set(err, EINVAL, "there are several images named '%s' in it", name);
		source->chosen = i;
		found = true;
	}
	return found ? 0 : error_set(err, ENOENT, "there is no image named '%s' in it", name);
}

static int choose_index(struct layout_source *source, uint64_t index, struct error **err)
{
	if (index >= source->index.manifest_count)
		return error_set(err, ENOENT, "there is no image number %llu in it", (unsigned long long)index);
	source->chosen = index;
	return 0;
}

static int choose(struct layout_source *source, const char *name, struct error **err)
{
	uint64_t index;
	if (!name)
		return choose_only(source, err);
	if (location_parse_index(name, &index) == 0)
		return choose_index(source, index, err);
	return choose_name(source, name, err);
}

/* What index.json says of the digest; a child of an index inside is not in it. */
static const struct descriptor *known_entry(const struct layout_source *source, const struct digest *digest)
{
	for (size_t i = 0; i < source->index.manifest_count; i++) {
		if (digest_equal(&source->index.manifests[i].digest, digest))
			return &source->index.manifests[i];
	}
	return NULL;
}

static struct bundle *blobs_of(const struct layout_source *source, const char **folder)
{
	*folder = source->shared ? "" : "blobs/";
	return source->shared ? source->shared : source->bundle;
}

static int source_manifest(void *state, const struct digest *want, struct buf *text, char **media_type,
			   struct error **err)
{
	struct layout_source *source = state;
	const struct digest *digest = want ? want : &source->index.manifests[source->chosen].digest;
	const char *folder;
	struct bundle *bundle = blobs_of(source, &folder);
	cleanup_free char *name = blob_name(folder, digest);
	cleanup(buf_done) struct buf read = BUF_INIT(MANIFEST_SIZE_MAX);
	int rc = bundle_read_verified(bundle, name, digest, MANIFEST_SIZE_MAX, &read, err);
	const struct descriptor *entry = known_entry(source, digest);
	if (rc == 0 && entry)
		rc = manifest_check_entry(entry, buf_str(&read), read.len, /* media_type */ NULL, err);
	if (rc < 0)
		return rc;
	*media_type = mem_strdup(entry ? entry->media_type : manifest_guess_media_type(buf_str(&read), read.len));
	buf_append(text, buf_str(&read), read.len);
	return 0;
}

static int source_fetch(void *state, const struct descriptor *const *blobs, size_t count, struct store *store,
			struct error **err)
{
	struct layout_source *source = state;
	const char *folder;
	struct bundle *bundle = blobs_of(source, &folder);
	for (size_t i = 0; i < count; i++) {
		cleanup_free char *name = blob_name(folder, &blobs[i]->digest);
		int rc = bundle_fetch(bundle, name, blobs[i], store, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Only what is a whole name of an image: "latest" alone, as many layouts have it, names nothing. */
static char *source_name(void *state)
{
	struct layout_source *source = state;
	const char *name = images_name_of(&source->index.manifests[source->chosen]);
	cleanup(reference_done) struct reference ref = {0};
	return name && reference_parse(name, &ref, NULL) == 0 ? mem_strdup(name) : NULL;
}

static const struct image_source_ops source_ops = {
	.manifest = source_manifest,
	.fetch = source_fetch,
	.name = source_name,
	.close = source_close,
};

static int open_layout(const struct location *location, struct store *store, struct layout_source *opened,
		       struct error **err)
{
	int rc = location->transport == TRANSPORT_OCI
			 ? bundle_open_directory(location->path, &opened->bundle, err)
			 : bundle_open_archive(location->path, store, &opened->bundle, err);
	if (rc == 0 && location->blob_folder)
		rc = bundle_open_directory(location->blob_folder, &opened->shared, err);
	if (rc == 0)
		rc = check_version(opened->bundle, err);
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	if (rc == 0)
		rc = bundle_read(opened->bundle, "index.json", MANIFEST_SIZE_MAX, &text, err);
	if (rc == 0)
		rc = image_index_parse(buf_str(&text), text.len, "index.json", &opened->index, err);
	return rc;
}

int layout_source_open(const struct location *location, struct store *store, struct image_source **source,
		       struct error **err)
{
	cleanup(layout_source_free) struct layout_source *opened = mem_alloc(sizeof(*opened));
	int rc = open_layout(location, store, opened, err);
	if (rc == 0)
		rc = choose(opened, location->name, err);
	if (rc < 0)
		return rc;
	*source = image_source_new(&source_ops, take_ptr(&opened));
	return 0;
}

int layout_names(const struct location *location, struct store *store, struct strlist *names, struct error **err)
{
	cleanup(layout_source_free) struct layout_source *opened = mem_alloc(sizeof(*opened));
	int rc = open_layout(location, store, opened, err);
	for (size_t i = 0; rc == 0 && i < opened->index.manifest_count; i++) {
		const char *name = images_name_of(&opened->index.manifests[i]);
		if (name)
			strlist_append(names, name);
	}
	return rc;
}

/* ---- Writing ---- */

/* Either a directory or an archive is set. */
struct layout_sink {
	int dirfd;  /* or -1 */
	int shared; /* where the blobs go instead of into dirfd/blobs, or -1 */
	int held;   /* keeps blobs that are there from being removed (layout_remove.c), or -1 */
	struct outarchive *archive;
	char *name;	       /* NULL: the image gets none */
	struct descriptor top; /* media_type NULL until it has come */
};

static void layout_sink_free(struct layout_sink *sink)
{
	fd_close(sink->dirfd);
	fd_close(sink->shared);
	fd_close(sink->held);
	outarchive_close(sink->archive);
	free(sink->name);
	descriptor_done(&sink->top);
	free(sink);
}
CLEANUP_FOR(struct layout_sink, layout_sink_free)

static void sink_close(void *state)
{
	layout_sink_free(state);
}

/* The folder that holds such blobs, made when missing, inside the layout whatever links somebody put there. */
static int open_blob_folder(const struct layout_sink *sink, enum digest_algorithm algorithm, struct error **err)
{
	const char *name = digest_algorithm_name(algorithm);
	cleanup_free char *folder = mem_printf("blobs/%s", name);
	if (sink->shared >= 0)
		return rootpath_mkdirs(sink->shared, name, NULL, err);
	return rootpath_mkdirs(sink->dirfd, folder, NULL, err);
}

static bool has_file(int dirfd, const char *name, uint64_t size)
{
	struct stat st;
	return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       (uint64_t)st.st_size == size;
}

static int put_blob_in_directory(struct layout_sink *sink, const struct descriptor *blob, struct store *store,
				 struct error **err)
{
	uint64_t size;
	char hex[DIGEST_HEX_SIZE];
	cleanup_close int from = blob_open(store, &blob->digest, &size, err);
	if (from < 0)
		return from;
	cleanup_close int folder = open_blob_folder(sink, blob->digest.algorithm, err);
	if (folder < 0)
		return folder;
	if (has_file(folder, digest_hex(&blob->digest, hex), size) ||
	    blob_give(store, &blob->digest, folder, hex, /* lasts */ true))
		return 0;
	cleanup(atomic_file_free) struct atomic_file *file = NULL;
	int rc = atomic_file_open(folder, hex, 0644, &file, err);
	uint64_t copied;
	if (rc == 0)
		rc = fd_copy(from, atomic_file_fd(file), &copied, err);
	if (rc == 0 && copied != size)
		rc = error_set(err, EIO, "the blob changed while it was copied");
	if (rc == 0)
		rc = atomic_file_commit(file, ATOMIC_FILE_SYNC, err);
	return rc;
}

static int sink_send(void *state, const struct descriptor *const *blobs, size_t count, struct store *store,
		     struct error **err)
{
	struct layout_sink *sink = state;
	for (size_t i = 0; i < count; i++) {
		cleanup_free char *name = blob_name("blobs/", &blobs[i]->digest);
		int rc = sink->archive ? outarchive_put_blob(sink->archive, name, &blobs[i]->digest, store, err)
				       : put_blob_in_directory(sink, blobs[i], store, err);
		if (rc < 0)
			return error_prefix(err, "write '%s'", name);
	}
	return 0;
}

static int sink_has(void *state, const struct descriptor *const *blobs, size_t count, const struct reference *from,
		    bool *has, struct error **err)
{
	const struct layout_sink *sink = state;
	for (size_t i = 0; i < count; i++) {
		char hex[DIGEST_HEX_SIZE];
		const struct digest *digest = &blobs[i]->digest;
		cleanup_free char *name = blob_name("blobs/", digest);
		if (sink->archive) {
			has[i] = outarchive_has(sink->archive, name);
			continue;
		}
		cleanup_close int folder = open_blob_folder(sink, digest->algorithm, err);
		if (folder < 0)
			return folder;
		has[i] = has_file(folder, digest_hex(digest, hex), blobs[i]->size);
	}
	return 0;
}

static int put_manifest_in_directory(struct layout_sink *sink, const struct digest *digest, const void *text,
				     size_t size, struct error **err)
{
	char hex[DIGEST_HEX_SIZE];
	cleanup_close int folder = open_blob_folder(sink, digest->algorithm, err);
	if (folder < 0)
		return folder;
	return atomic_file_write(folder, digest_hex(digest, hex), 0644, text, size, ATOMIC_FILE_SYNC, err);
}

static int sink_manifest(void *state, const void *text, size_t size, const char *media_type, bool top,
			 struct error **err)
{
	struct layout_sink *sink = state;
	struct digest digest;
	int rc = digest_of(text, size, &digest, err);
	if (rc < 0)
		return rc;
	cleanup_free char *name = blob_name("blobs/", &digest);
	rc = sink->archive ? outarchive_put(sink->archive, name, text, size, err)
			   : put_manifest_in_directory(sink, &digest, text, size, err);
	if (rc < 0)
		return error_prefix(err, "write '%s'", name);
	if (top) {
		descriptor_done(&sink->top);
		sink->top = (struct descriptor){.media_type = mem_strdup(media_type), .digest = digest, .size = size};
		if (sink->name)
			strlist_env_set(&sink->top.annotations, REF_NAME_ANNOTATION, sink->name);
	}
	return 0;
}

/* True for an entry that the new one takes the place of: the same name, or, without one, the same image. */
static bool is_replaced(const struct descriptor *old, const struct descriptor *new)
{
	const char *old_name = images_name_of(old);
	const char *new_name = images_name_of(new);
	if (old_name && new_name)
		return strcmp(old_name, new_name) == 0;
	return !old_name && digest_equal(&old->digest, &new->digest);
}

static void put_top(struct image_index *index, const struct descriptor *top)
{
	size_t kept = 0;
	for (size_t i = 0; i < index->manifest_count; i++) {
		if (is_replaced(&index->manifests[i], top))
			descriptor_done(&index->manifests[i]);
		else
			index->manifests[kept++] = index->manifests[i];
	}
	index->manifests = mem_grow(index->manifests, kept + 1, sizeof(*index->manifests));
	index->manifests[kept] = (struct descriptor){0};
	descriptor_copy(&index->manifests[kept], top);
	index->manifest_count = kept + 1;
}

static int commit_archive(struct layout_sink *sink, const struct buf *index, struct error **err)
{
	int rc = outarchive_put(sink->archive, LAYOUT_FILE, LAYOUT_VERSION, strlen(LAYOUT_VERSION), err);
	if (rc == 0)
		rc = outarchive_put(sink->archive, "index.json", index->data, index->len, err);
	return rc < 0 ? rc : outarchive_commit(sink->archive, err);
}

static int read_old_index(struct layout_sink *sink, struct image_index *index, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	cleanup_error struct error *why = NULL;
	int rc = fd_read_file(sink->dirfd, "index.json", &text, &why);
	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return error_set(err, -rc, "%s", error_message(why));
	return image_index_parse(buf_str(&text), text.len, "index.json", index, err);
}

/* Two coopers that write to one layout at once take turns. */
static int commit_directory(struct layout_sink *sink, struct error **err)
{
	cleanup_close int lock = lock_take_directory(sink->dirfd, ".", LOCK_EXCLUSIVE, "the layout", err);
	if (lock < 0)
		return lock;
	cleanup(image_index_done) struct image_index index = {0};
	int rc = read_old_index(sink, &index, err);
	if (rc < 0)
		return rc;
	put_top(&index, &sink->top);
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	image_index_format(&index, &text);
	if (text.overflow)
		return error_set(err, EFBIG, "too many images for one layout");
	rc = atomic_file_write(sink->dirfd, LAYOUT_FILE, 0644, LAYOUT_VERSION, strlen(LAYOUT_VERSION),
			       ATOMIC_FILE_NO_REPLACE, NULL);
	if (rc < 0 && rc != -EEXIST)
		return error_set(err, -rc, "'" LAYOUT_FILE "' cannot be written");
	return atomic_file_write(sink->dirfd, "index.json", 0644, text.data, text.len, ATOMIC_FILE_SYNC, err);
}

static int sink_commit(void *state, struct error **err)
{
	struct layout_sink *sink = state;
	if (!sink->top.media_type)
		return error_set(err, EINVAL, "no image has been written");
	if (!sink->archive)
		return commit_directory(sink, err);
	cleanup(image_index_done) struct image_index index = {0};
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	put_top(&index, &sink->top);
	image_index_format(&index, &text);
	return commit_archive(sink, &text, err);
}

static const struct image_sink_ops sink_ops = {
	.send = sink_send,
	.has = sink_has,
	.manifest = sink_manifest,
	.commit = sink_commit,
	.close = sink_close,
};

/* Until the image is in index.json: a blob that is found here is not written again. */
static int hold_blobs(struct layout_sink *sink, struct error **err)
{
	cleanup_close int folder = rootpath_mkdirs(sink->dirfd, "blobs", NULL, err);
	if (folder < 0)
		return folder;
	return sink->held = lock_take_directory(folder, ".", LOCK_SHARED, "the layout", err);
}

int layout_sink_open(const struct location *location, struct store *store, struct image_sink **sink, struct error **err)
{
	uint64_t index;
	if (location->name && location_parse_index(location->name, &index) == 0)
		return error_set(err, EINVAL, "'%s' is no name that an image can get", location->name);
	cleanup(layout_sink_free) struct layout_sink *opened = mem_alloc(sizeof(*opened));
	opened->dirfd = -1;
	opened->shared = -1;
	opened->held = -1;
	opened->name = mem_strdup(location->name);
	int rc = 0;
	if (location->transport == TRANSPORT_OCI_ARCHIVE)
		rc = outarchive_open(location->path, store, &opened->archive, err);
	else
		rc = opened->dirfd = userpath_open_dir(location->path, 0755, err);
	if (rc >= 0 && location->blob_folder)
		rc = opened->shared = userpath_open_dir(location->blob_folder, 0755, err);
	else if (rc >= 0 && !opened->archive)
		rc = hold_blobs(opened, err);
	if (rc < 0)
		return rc;
	*sink = image_sink_new(&sink_ops, take_ptr(&opened));
	return 0;
}
