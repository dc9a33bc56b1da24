/*
 * Tar as a stream of entries, from bytes that nobody vouches for: ustar, pax with global headers, GNU long names and
 * links, base-256 numbers, old GNU sparse files and pax sparse files 0.0, 0.1 and 1.0. Names, headers and sparse maps
 * are limited in size before they are allocated; numbers out of range are refused. Nothing is interpreted: paths come
 * as they were written.
 *
 *	cleanup(tar_reader_free) struct tar_reader *reader = NULL;
 *	tar_reader_new(stream_fd_next, &stream, &reader);
 *	while ((rc = tar_reader_next(reader, &entry, err)) > 0)
 *		while ((rc = tar_reader_data(reader, &piece, err)) > 0) ...
 */
#ifndef COOPER_IMAGEFMT_TARREAD_H
#define COOPER_IMAGEFMT_TARREAD_H

#include "base/buf.h"
#include "imagefmt/stream.h"
#include "imagefmt/tar.h"

#define TAR_PATH_MAX 65536			 /* of a path or link in any encoding, NUL included */
#define TAR_PAX_MAX ((size_t)4 << 20)		 /* of one pax header; the values of its attributes are within it */
#define TAR_SPARSE_ENTRIES_MAX ((size_t)1 << 16) /* data pieces of one sparse file */
#define TAR_XATTRS_MAX 1024

struct tar_reader;

void tar_reader_new(stream_source *source, void *context, struct tar_reader **reader);
void tar_reader_free(struct tar_reader *reader);
CLEANUP_FOR(struct tar_reader, tar_reader_free)

/* The next entry: 1, 0 at the end of the archive (two zero blocks, or the end of the bytes at a block's border), or
 * -EBADMSG for what is no tar. What is left of the entry before is skipped. *entry is borrowed until the next call;
 * types that are neither listed in tar.h nor extensions are given as TAR_FILE, as POSIX wants. */
int tar_reader_next(struct tar_reader *reader, const struct tar_entry **entry, struct error **err);

struct tar_piece {
	const void *data; /* borrowed until the next call */
	size_t size;
	uint64_t offset; /* in the file: between pieces of a sparse file there are holes */
};
/* The next piece of the entry's data: 1, 0 when all of it has come, -EBADMSG when the archive ends too early. */
int tar_reader_data(struct tar_reader *reader, struct tar_piece *piece, struct error **err);
/* Reads what follows the end of the archive to the end of the bytes, so that a hash over the source is complete. */
int tar_reader_drain(struct tar_reader *reader, struct error **err);

/* Bytes of the source read so far by the entries: right after tar_reader_next(), where the entry's data starts (for
 * those who come back with pread(2); meaningless for sparse files). */
uint64_t tar_reader_position(const struct tar_reader *reader);
bool tar_reader_is_sparse(const struct tar_reader *reader);

#endif
