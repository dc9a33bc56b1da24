/*
 * Files of a layer: made, filled, and given what can be given only then. Where there is a queue, its thread does all
 * but the making; files with attributes and sparse ones, of which there are few, are done here from start to end.
 */
#include "imagefmt/extract_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/owner.h"

/* Runs of zeros of this size, at multiples of it, become holes. */
#define HOLE_SIZE ((size_t)64 << 10)

static bool is_zero(const char *data, size_t size)
{
	return data[0] == '\0' && memcmp(data, data + 1, size - 1) == 0;
}

static int write_at(int fd, const char *data, size_t size, uint64_t offset, struct error **err)
{
	while (size > 0) {
		ssize_t n = pwrite(fd, data, size, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set_errno(err, "write");
		data += n;
		offset += (uint64_t)n;
		size -= (size_t)n;
	}
	return 0;
}

/* Bytes from `data` to the next border of a hole, or to the end. */
static size_t to_border(const struct tar_piece *piece, size_t at)
{
	size_t size = HOLE_SIZE - (size_t)((piece->offset + at) % HOLE_SIZE);

	return size < piece->size - at ? size : piece->size - at;
}

int extract_write_piece(int fd, const struct tar_piece *piece, uint64_t *end, struct error **err)
{
	const char *data = piece->data;
	size_t start = 0; /* of what is to be written */
	size_t at = 0;
	int rc = 0;

	while (rc == 0 && at < piece->size) {
		size_t size = to_border(piece, at);
		if (size == HOLE_SIZE && is_zero(data + at, size)) {
			rc = write_at(fd, data + start, at - start, piece->offset + start, err);
			if (at > start)
				*end = piece->offset + at;
			start = at + size;
		}
		at += size;
	}
	if (rc == 0 && at > start) {
		rc = write_at(fd, data + start, at - start, piece->offset + start, err);
		*end = piece->offset + at;
	}
	return rc;
}

int extract_create_file(struct extractor *x, const struct extract_target *target, mode_t mode, struct error **err)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(target->dirfd, target->leaf, flags, mode);

	if (fd < 0 && errno == EEXIST) {
		int rc = extract_make_way(x, target->dirfd, target->leaf, err);
		if (rc < 0)
			return rc;
		fd = openat(target->dirfd, target->leaf, flags, mode);
	}
	return fd < 0 ? error_set_errno(err, "create") : fd;
}

/* Most files were made with the mode that they are to have: looking costs less than setting it again. */
static int set_file_mode(const struct extractor *x, int fd, const struct tar_entry *entry, struct error **err)
{
	bool is_kept = x->is_root || (entry->mode & 0600) == 0600; /* else it is recorded */
	struct stat st;

	if (is_kept && fstat(fd, &st) == 0 && (st.st_mode & 07777) == (entry->mode & 07777))
		return 0;
	int rc = owner_set_mode(fd, entry->mode);
	return rc < 0 ? error_set(err, -rc, "set the mode: %s", strerror(-rc)) : 0;
}

/* Writing drops set-user-id bits and capabilities: all this after the data. The mode comes after the attributes, for
 * which an ordinary user must be able to write. */
int extract_end_file(struct extractor *x, int fd, uint64_t end, const struct tar_entry *entry, struct error **err)
{
	const struct extract_place place = {.fd = fd};

	if (end < entry->size && ftruncate(fd, (off_t)entry->size) < 0)
		return error_set_errno(err, "set the size");
	int rc = extract_set_owner(x, &place, entry, err);
	if (rc == 0)
		rc = extract_set_xattrs(x, &place, entry, err);
	if (rc == 0)
		rc = set_file_mode(x, fd, entry, err);
	return rc < 0 ? rc : extract_set_time(&place, entry->mtime, err);
}

static int fill_here(struct extractor *x, struct tar_reader *reader, int fd, const struct tar_entry *entry,
		     struct error **err)
{
	struct tar_piece piece;
	uint64_t end = 0;
	int rc;

	while ((rc = tar_reader_data(reader, &piece, err)) > 0) {
		rc = extract_write_piece(fd, &piece, &end, err);
		if (rc < 0)
			return rc;
	}
	return rc < 0 ? rc : extract_end_file(x, fd, end, entry, err);
}

/* The thread may be writing to the file when the tar turns out to be broken: it is closed when that is over. */
static int fill_by_queue(struct extractor *x, struct tar_reader *reader, int file, const struct tar_entry *entry,
			 struct error **err)
{
	cleanup_close int fd = file;
	struct tar_piece piece;
	int rc;

	if (entry->size == 0)
		return extract_queue_put(x->queue, take_fd(&fd), entry, /* piece */ NULL, true);
	while ((rc = tar_reader_data(reader, &piece, err)) > 0) {
		bool is_last = piece.offset + piece.size == entry->size;
		rc = extract_queue_put(x->queue, is_last ? take_fd(&fd) : fd, entry, &piece, is_last);
		if (rc < 0)
			break;
	}
	if (rc < 0)
		extract_queue_end(x->queue);
	return rc;
}

int extract_add_file(struct extractor *x, struct tar_reader *reader, const struct extract_target *target,
		     const struct tar_entry *entry, struct error **err)
{
	cleanup_close int fd = extract_create_file(x, target, (entry->mode & 0777) | 0600, err);

	if (fd < 0)
		return fd;
	if (x->queue != NULL && entry->xattr_count == 0 && !tar_reader_is_sparse(reader))
		return fill_by_queue(x, reader, take_fd(&fd), entry, err);
	return fill_here(x, reader, fd, entry, err);
}
