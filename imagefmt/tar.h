/*
 * Tar entries and how they are written: a ustar header, preceded by a pax header only when ustar cannot say it (POSIX
 * pax(1), "ustar Interchange Format" and "pax Extended Header"). The same entry gives the same bytes everywhere: no
 * owner names, whole seconds, records sorted by key.
 *
 *	struct tar_writer w;
 *	tar_writer_init(&w, sink, context);
 *	rc = tar_write_entry(&w, &(struct tar_entry){.path = "a", .type = TAR_FILE, .mode = 0644, .size = n}, err);
 *	rc = tar_write_data(&w, data, n, err);	// in pieces of any size, padded when the last has come
 *	rc = tar_write_end(&w, err);
 */
#ifndef COOPER_IMAGEFMT_TAR_H
#define COOPER_IMAGEFMT_TAR_H

#include "base/buf.h"
#include "base/error.h"
#include "imagefmt/stream.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#define TAR_BLOCK 512
#define TAR_DEVICE_MAX 07777777U /* of a major or minor number */

enum tar_type {
	TAR_FILE = '0',
	TAR_HARDLINK = '1',
	TAR_SYMLINK = '2',
	TAR_CHARDEV = '3',
	TAR_BLOCKDEV = '4',
	TAR_DIRECTORY = '5',
	TAR_FIFO = '6',
};

/* One extended attribute; the value is raw bytes. */
struct tar_xattr {
	const char *name;
	const void *value;
	size_t size;
};

/* One entry, as it is written and as tarread.h gives it. */
struct tar_entry {
	const char *path; /* relative when written; a directory's with or without the '/' behind it */
	const char *link; /* target of a symlink, or path of a hard link's file; NULL otherwise */
	enum tar_type type;
	mode_t mode; /* permission bits only */
	uint32_t uid;
	uint32_t gid;
	uint64_t size;	   /* of a file's data, holes included; 0 for all others */
	int64_t mtime;	   /* seconds */
	uint32_t mtime_ns; /* read only: never written */
	uint32_t major;	   /* of devices */
	uint32_t minor;
	const struct tar_xattr *xattrs;
	size_t xattr_count;
};

/* Appends the header blocks of an entry (pax header included); its data, padded to TAR_BLOCK, has to follow. */
void tar_format_entry(const struct tar_entry *entry, struct buf *into);
/* Bytes that follow `size` bytes of data to fill the last block. */
static inline size_t tar_padding(uint64_t size)
{
	return (size_t)(-size & (TAR_BLOCK - 1));
}

struct tar_writer {
	stream_sink *sink;
	void *context;
	uint64_t size; /* bytes given to the sink so far */
	uint64_t left; /* of the entry's data */
	size_t padding;
};

void tar_writer_init(struct tar_writer *w, stream_sink *sink, void *context);
/* The entry before must be complete. */
int tar_write_entry(struct tar_writer *w, const struct tar_entry *entry, struct error **err);
/* More than the entry's size is -EINVAL. */
int tar_write_data(struct tar_writer *w, const void *data, size_t size, struct error **err);
/* A whole file of bytes in hand, mode 0644, owner 0:0. */
int tar_write_file(struct tar_writer *w, const char *path, const void *data, size_t size, int64_t mtime,
		   struct error **err);
/* A whole file of `size` bytes read from a descriptor's position. -EIO when it holds fewer. */
int tar_write_file_fd(struct tar_writer *w, const char *path, int fd, uint64_t size, int64_t mtime, struct error **err);
/* The two blocks of zeros that end an archive. */
int tar_write_end(struct tar_writer *w, struct error **err);

#endif
