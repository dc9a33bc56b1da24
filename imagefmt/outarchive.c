/*
 * Archives of images, written. Entries carry no time and no owner: the same images give the same bytes.
 */
#include "imagefmt/outarchive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/fd.h"
#include "base/strlist.h"
#include "imagefmt/blob.h"
#include "imagefmt/codec.h"
#include "imagefmt/layer.h"
#include "imagefmt/tar.h"
#include "imagefmt/unpack.h"

struct outarchive {
	struct atomic_file *file; /* NULL when the bytes go to a device, or to our own output */
	int spool;		  /* the unlinked file for a device, or -1 */
	int device;		  /* or -1 */
	int fd;			  /* borrowed: what is written to */
	struct tar_writer writer;
	struct strlist names;
};

/* `own` is a descriptor that path leads to, or -1. */
static int open_spool(struct outarchive *archive, const char *path, int own, struct store *store, struct error **err)
{
	archive->device = own >= 0 ? fcntl(own, F_DUPFD_CLOEXEC, 0) : open(path, O_WRONLY | O_CLOEXEC);
	if (archive->device < 0)
		return error_set_errno(err, "open '%s'", path);
	int tmp = store_tmp(store, err);
	if (tmp < 0)
		return tmp;
	cleanup_free char *name = store_tmp_name(store, "archive");
	archive->spool = openat(tmp, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (archive->spool < 0 || unlinkat(tmp, name, 0) < 0)
		return error_set_errno(err, "make a temporary file");
	archive->fd = archive->spool;
	return 0;
}

/* Mode of a new file: as open(2) would give it, without touching the process's umask. */
static mode_t new_file_mode(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 ? st.st_mode & 0777 : 0644;
}

int outarchive_open(const char *path, struct store *store, struct outarchive **archive, struct error **err)
{
	cleanup(outarchive_close) struct outarchive *opened = mem_alloc(sizeof(*opened));
	opened->spool = -1;
	opened->device = -1;
	struct stat st;
	bool is_there = stat(path, &st) == 0;
	int own = is_there ? fd_own_output(&st) : -1;
	int rc;
	if (own >= 0 || (is_there && !S_ISREG(st.st_mode))) {
		rc = open_spool(opened, path, own, store, err);
	} else {
		rc = atomic_file_open(AT_FDCWD, path, new_file_mode(path), &opened->file, err);
		if (rc == 0)
			opened->fd = atomic_file_fd(opened->file);
	}
	if (rc < 0)
		return rc;
	tar_writer_init(&opened->writer, stream_fd_sink, &opened->fd);
	*archive = take_ptr(&opened);
	return 0;
}

bool outarchive_has(const struct outarchive *archive, const char *name)
{
	return strlist_contains(&archive->names, name);
}

/* The directories above `name`, as entries of their own: containers/image of before 2024 (skopeo of Debian 12) gives
 * those that it has to make itself to root, and fails when it is not. */
static int put_directories(struct outarchive *archive, const char *name, struct error **err)
{
	int rc = 0;

	for (const char *slash = strchr(name, '/'); rc == 0 && slash; slash = strchr(slash + 1, '/')) {
		cleanup_free char *path = mem_strndup(name, (size_t)(slash - name) + 1);
		const struct tar_entry entry = {.path = path, .type = TAR_DIRECTORY, .mode = 0755};
		if (outarchive_has(archive, path))
			continue;
		strlist_append(&archive->names, path);
		rc = tar_write_entry(&archive->writer, &entry, err);
	}
	return rc;
}

int outarchive_put(struct outarchive *archive, const char *name, const void *data, size_t size, struct error **err)
{
	if (outarchive_has(archive, name))
		return 0;
	int rc = put_directories(archive, name, err);
	if (rc < 0)
		return rc;
	strlist_append(&archive->names, name);
	return tar_write_file(&archive->writer, name, data, size, /* mtime */ 0, err);
}

int outarchive_put_blob(struct outarchive *archive, const char *name, const struct digest *digest, struct store *store,
			struct error **err)
{
	if (outarchive_has(archive, name))
		return 0;
	uint64_t size;
	cleanup_close int fd = blob_open(store, digest, &size, err);
	int rc = fd < 0 ? fd : put_directories(archive, name, err);
	if (rc < 0)
		return rc;
	strlist_append(&archive->names, name);
	return tar_write_file_fd(&archive->writer, name, fd, size, /* mtime */ 0, err);
}

/* A tar header needs the size before the data: the layer's record knows it, else the blob is unpacked twice. */
static int find_unpacked_size(int fd, enum codec codec, const struct digest *diff_id, struct store *store,
			      uint64_t *size, struct error **err)
{
	cleanup(layer_record_done) struct layer_record record = {0};
	if (layer_load_record(store, diff_id, &record, NULL) == 0) {
		*size = record.size;
		return 0;
	}
	const struct unpack_options options = {0};
	struct unpack_result result;
	int rc = unpack_verify(fd, codec, &options, &result, err);
	if (rc < 0)
		return rc;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_set_errno(err, "seek");
	*size = result.size;
	return 0;
}

static int write_inflated(struct outarchive *archive, int fd, enum codec codec, struct hasher *hasher,
			  struct error **err)
{
	cleanup(stream_fd_done) struct stream_fd stream;
	stream_fd_init(&stream, fd);
	cleanup(inflater_free) struct inflater *inflater = NULL;
	int rc = inflater_new(codec, stream_fd_next, &stream, &inflater, err);
	const void *data;
	size_t size;
	while (rc == 0 && (rc = inflater_next(inflater, &data, &size, err)) > 0) {
		hasher_update(hasher, data, size);
		rc = tar_write_data(&archive->writer, data, size, err);
	}
	return rc;
}

int outarchive_put_layer(struct outarchive *archive, const char *name, const struct descriptor *layer,
			 const struct digest *diff_id, struct store *store, struct error **err)
{
	if (outarchive_has(archive, name))
		return 0;
	enum codec codec;
	char text[DIGEST_TEXT_SIZE];
	int rc = layer_codec(layer->media_type, &codec, err);
	if (rc < 0)
		return rc;
	if (codec == CODEC_NONE && digest_equal(&layer->digest, diff_id))
		return outarchive_put_blob(archive, name, diff_id, store, err);

	cleanup_close int fd = blob_open(store, &layer->digest, NULL, err);
	if (fd < 0)
		return fd;
	uint64_t size = 0;
	rc = find_unpacked_size(fd, codec, diff_id, store, &size, err);
	if (rc < 0)
		return rc;
	cleanup(hasher_free) struct hasher *hasher = NULL;
	rc = hasher_new(diff_id->algorithm, &hasher, err);
	const struct tar_entry entry = {.path = name, .type = TAR_FILE, .mode = 0644, .size = size};
	if (rc == 0)
		rc = put_directories(archive, name, err);
	if (rc == 0)
		rc = tar_write_entry(&archive->writer, &entry, err);
	if (rc == 0)
		rc = write_inflated(archive, fd, codec, hasher, err);
	if (rc < 0)
		return error_prefix(err, "layer %s", digest_format(&layer->digest, text));

	struct digest actual;
	hasher_finish(hasher, &actual);
	if (!digest_equal(&actual, diff_id) || archive->writer.left > 0)
		return error_set(err, EBADMSG, "layer %s does not unpack to what the configuration says",
				 digest_format(&layer->digest, text));
	strlist_append(&archive->names, name);
	return 0;
}

int outarchive_commit(struct outarchive *archive, struct error **err)
{
	int rc = tar_write_end(&archive->writer, err);
	if (rc < 0)
		return rc;
	if (archive->file)
		return atomic_file_commit(archive->file, ATOMIC_FILE_SYNC, err);
	uint64_t copied;
	if (lseek(archive->spool, 0, SEEK_SET) < 0)
		return error_set_errno(err, "seek");
	return fd_copy(archive->spool, archive->device, &copied, err);
}

void outarchive_close(struct outarchive *archive)
{
	if (!archive)
		return;
	atomic_file_free(archive->file);
	fd_close(archive->spool);
	fd_close(archive->device);
	strlist_done(&archive->names);
	free(archive);
}
