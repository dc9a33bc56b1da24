/*
 * dir:, skopeo's plain directory: `version`, `manifest.json`, each blob under its hex digits, manifests that an index
 * names as <hex>.manifest.json. It holds one image (or list), without a name.
 */
#include "imagefmt/transport_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/directory.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "imagefmt/bundle.h"
#include "imagefmt/userpath.h"

#define VERSION_FILE "version"
#define VERSION_PREFIX "Directory Transport Version: "
#define VERSION_TEXT VERSION_PREFIX "1.1\n"
#define VERSION_SIZE_MAX ((size_t)4096)
#define MANIFEST_FILE "manifest.json"

/* "<hex>", for which 1.1 knows sha256 only; other algorithms are told apart as 1.2 has it. */
static char *blob_name(const struct digest *digest)
{
	char hex[DIGEST_HEX_SIZE];
	digest_hex(digest, hex);
	if (digest->algorithm == DIGEST_SHA256)
		return mem_strdup(hex);
	return mem_printf("%s-%s", digest_algorithm_name(digest->algorithm), hex);
}

static char *manifest_name(const struct digest *digest)
{
	cleanup_free char *name = blob_name(digest);
	return mem_printf("%s." MANIFEST_FILE, name);
}

/* ---- Reading ---- */

static void source_close(void *state)
{
	bundle_close(state);
}

static int source_manifest(void *state, const struct digest *want, struct buf *text, char **media_type,
			   struct error **err)
{
	struct bundle *bundle = state;
	cleanup(buf_done) struct buf read = BUF_INIT(MANIFEST_SIZE_MAX);
	cleanup_free char *name = want ? manifest_name(want) : mem_strdup(MANIFEST_FILE);
	int rc = want ? bundle_read_verified(bundle, name, want, MANIFEST_SIZE_MAX, &read, err)
		      : bundle_read(bundle, name, MANIFEST_SIZE_MAX, &read, err);
	if (rc < 0)
		return rc;
	*media_type = mem_strdup(manifest_guess_media_type(buf_str(&read), read.len));
	buf_append(text, buf_str(&read), read.len);
	return 0;
}

static int source_fetch(void *state, const struct descriptor *const *blobs, size_t count, struct store *store,
			struct error **err)
{
	for (size_t i = 0; i < count; i++) {
		cleanup_free char *name = blob_name(&blobs[i]->digest);
		int rc = bundle_fetch(state, name, blobs[i], store, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static const struct image_source_ops source_ops = {
	.manifest = source_manifest,
	.fetch = source_fetch,
	.close = source_close,
};

int dirlayout_source_open(const struct location *location, struct image_source **source, struct error **err)
{
	struct bundle *bundle = NULL;
	int rc = bundle_open_directory(location->path, &bundle, err);
	if (rc < 0)
		return rc;
	*source = image_source_new(&source_ops, bundle);
	return 0;
}

/* ---- Writing ---- */

struct dir_sink {
	int dirfd;
	struct strlist names; /* of the files that belong to the image */
	struct buf manifest;  /* empty until it has come */
	struct strlist made;  /* files that were not there before */
	bool is_committed;
};

/* What is in the way of nobody's: an image that did not become one. */
static void take_back(struct dir_sink *sink)
{
	for (size_t i = 0; i < sink->made.count; i++)
		if (unlinkat(sink->dirfd, sink->made.items[i], 0) < 0)
			log_debug("'%s' of an image that was given up is left", sink->made.items[i]);
}

static void dir_sink_free(struct dir_sink *sink)
{
	if (!sink->is_committed)
		take_back(sink);
	strlist_done(&sink->made);
	fd_close(sink->dirfd);
	strlist_done(&sink->names);
	buf_done(&sink->manifest);
	free(sink);
}
CLEANUP_FOR(struct dir_sink, dir_sink_free)

static void sink_close(void *state)
{
	dir_sink_free(state);
}

/* Before it is written: what an earlier image has there stays when this one is given up. */
static void note_file(struct dir_sink *sink, const char *name)
{
	if (faccessat(sink->dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		strlist_append(&sink->made, name);
}

static int send_blob(struct dir_sink *sink, const struct descriptor *blob, const char *name, struct store *store,
		     struct error **err)
{
	uint64_t size;

	note_file(sink, name);
	if (blob_give(store, &blob->digest, sink->dirfd, name, /* lasts */ false))
		return 0;
	cleanup_close int from = blob_open(store, &blob->digest, &size, err);
	if (from < 0)
		return from;
	cleanup(atomic_file_free) struct atomic_file *file = NULL;
	int rc = atomic_file_open(sink->dirfd, name, 0644, &file, err);
	uint64_t copied;
	if (rc == 0)
		rc = fd_copy(from, atomic_file_fd(file), &copied, err);
	if (rc == 0 && copied != size)
		rc = error_set(err, EIO, "the blob changed while it was copied");
	return rc < 0 ? rc : atomic_file_commit(file, /* flags */ 0, err);
}

static int sink_send(void *state, const struct descriptor *const *blobs, size_t count, struct store *store,
		     struct error **err)
{
	struct dir_sink *sink = state;
	for (size_t i = 0; i < count; i++) {
		cleanup_free char *name = blob_name(&blobs[i]->digest);
		if (strlist_contains(&sink->names, name))
			continue;
		int rc = send_blob(sink, blobs[i], name, store, err);
		if (rc < 0)
			return error_prefix(err, "write '%s'", name);
		strlist_append(&sink->names, name);
	}
	return 0;
}

static int sink_manifest(void *state, const void *text, size_t size, const char *media_type, bool top,
			 struct error **err)
{
	struct dir_sink *sink = state;
	if (top) {
		buf_clear(&sink->manifest);
		buf_append(&sink->manifest, text, size);
		return sink->manifest.overflow ? error_set(err, EFBIG, "the manifest is too large") : 0;
	}
	struct digest digest;
	int rc = digest_of(text, size, &digest, err);
	if (rc < 0)
		return rc;
	cleanup_free char *name = manifest_name(&digest);
	strlist_append(&sink->names, name);
	note_file(sink, name);
	return atomic_file_write(sink->dirfd, name, 0644, text, size, /* flags */ 0, err);
}

/* True for a file that an earlier image may have left: blobs, manifests and signatures by their names. */
static bool is_leftover(const char *name)
{
	size_t digits = strspn(name, "0123456789abcdef");
	bool is_blob = digits == 64 && (!name[64] || strcmp(name + 64, "." MANIFEST_FILE) == 0);
	return is_blob || text_has_prefix(name, "signature-") || text_has_prefix(name, "sha512-");
}

static void remove_leftovers(struct dir_sink *sink)
{
	cleanup_error struct error *why = NULL;
	cleanup_directory DIR *dir = NULL;
	int rc = directory_open(sink->dirfd, ".", &dir, &why);

	for (const struct dirent *entry; rc == 0 && (entry = directory_next(dir, &rc, &why));) {
		if (is_leftover(entry->d_name) && !strlist_contains(&sink->names, entry->d_name) &&
		    unlinkat(sink->dirfd, entry->d_name, 0) < 0)
			log_debug("'%s' of an earlier image is left", entry->d_name);
	}
	if (rc < 0)
		log_debug("what an earlier image has left may stay: %s", error_message(why));
}

static int sink_commit(void *state, struct error **err)
{
	struct dir_sink *sink = state;
	if (sink->manifest.len == 0)
		return error_set(err, EINVAL, "no image has been written");
	int rc = atomic_file_write(sink->dirfd, MANIFEST_FILE, 0644, sink->manifest.data, sink->manifest.len,
				   ATOMIC_FILE_SYNC, err);
	if (rc == 0) {
		sink->is_committed = true;
		remove_leftovers(sink);
	}
	return rc;
}

static const struct image_sink_ops sink_ops = {
	.send = sink_send,
	.manifest = sink_manifest,
	.commit = sink_commit,
	.close = sink_close,
};

static int is_empty_directory(int dirfd, struct error **err)
{
	cleanup_directory DIR *dir = NULL;
	int rc = directory_open(dirfd, ".", &dir, err);
	bool is_empty = rc == 0 && !directory_next(dir, &rc, err);

	return rc < 0 ? rc : is_empty;
}

/* A directory with other things in it is not written to: a slip must not cost anybody their files. */
static int check_target(int dirfd, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(VERSION_SIZE_MAX);
	if (fd_read_file(dirfd, VERSION_FILE, &text, NULL) == 0 && text_has_prefix(buf_str(&text), VERSION_PREFIX))
		return 0;
	int is_empty = is_empty_directory(dirfd, err);
	if (is_empty < 0)
		return is_empty;
	if (!is_empty)
		return error_set(err, ENOTEMPTY, "the directory holds something else than an image");
	return 0;
}

int dirlayout_sink_open(const struct location *location, struct image_sink **sink, struct error **err)
{
	cleanup(dir_sink_free) struct dir_sink *opened = mem_alloc(sizeof(*opened));
	opened->manifest = BUF_INIT(MANIFEST_SIZE_MAX);
	opened->dirfd = userpath_open_dir(location->path, 0755, err);
	if (opened->dirfd < 0)
		return opened->dirfd;
	int rc = check_target(opened->dirfd, err);
	if (rc == 0)
		note_file(opened, VERSION_FILE);
	if (rc == 0)
		rc = atomic_file_write(opened->dirfd, VERSION_FILE, 0644, VERSION_TEXT, strlen(VERSION_TEXT),
				       /* flags */ 0, err);
	if (rc < 0)
		return rc;
	*sink = image_sink_new(&sink_ops, take_ptr(&opened));
	return 0;
}
