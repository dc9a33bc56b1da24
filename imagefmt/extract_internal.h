/*
 * What extract.c (entries), extract_dir.c (directories), extract_file.c (files), extract_queue.c (the thread that
 * writes them) and extract_meta.c (owners, attributes, times) share.
 */
#ifndef COOPER_IMAGEFMT_EXTRACT_INTERNAL_H
#define COOPER_IMAGEFMT_EXTRACT_INTERNAL_H

#include "imagefmt/accesslists.h"
#include "imagefmt/extract.h"
#include "imagefmt/handover.h"
#include "imagefmt/pathmap.h"

#include <stdatomic.h>
#include <sys/stat.h>

/* Where an entry goes. */
struct extract_target {
	int dirfd; /* borrowed from the open directories */
	const char *path;
	size_t dir_length; /* of the part of path before the leaf, without its '/' */
	const char *leaf;
};

/* One component of the path that was walked last. */
struct open_dir {
	char *name;
	int fd; /* -1: closed again, too many were open */
};

/* What a directory gets at the end. */
struct late_dir {
	char *path;
	ino_t ino; /* of the directory meant: another one may have taken its path */
	dev_t dev;
	mode_t mode;
	int64_t mtime;
};

struct extractor {
	int root;
	struct unpack_options options;
	bool is_root; /* owner_is_root() */
	gid_t egid;
	bool chown_all; /* new files do not simply get our own ids here */
	uint64_t bytes;
	uint64_t entries;
	atomic_uint_least64_t recorded; /* both threads count */
	uint64_t lost;
	bool warned_xattr;
	struct access_lists unkept; /* that the tar has */

	struct buf path; /* of the entry at hand, cleaned */

	struct open_dir *dirs;
	size_t dir_count;
	size_t dir_cap;
	bool is_stale;	   /* something was removed: the walked path may lead elsewhere now */
	bool is_finishing; /* nothing is made any more */

	struct late_dir *late;
	size_t late_count;
	size_t late_cap;
	struct path_map late_index;

	struct path_map added; /* paths of this layer; kept for options.plain only */

	struct extract_queue *queue; /* NULL: one thread does it all */
};

/* ---- extract_dir.c ---- */
/* The directory that the first `length` bytes of the cleaned `path` name; missing ones are made, with `mtime`. The
 * descriptor is borrowed, until the next call. */
MUST_CHECK int extract_open_dir(struct extractor *x, const char *path, size_t length, int64_t mtime,
				struct error **err);
/* Makes dirfd/leaf a directory, with about that mode, or keeps one that is there. Opens it. */
MUST_CHECK int extract_make_dir(struct extractor *x, int dirfd, const char *leaf, mode_t mode, struct error **err);
/* The directory `leaf` of the one that extract_open_dir() has opened last is open as `fd`, which is taken. */
void extract_enter_dir(struct extractor *x, const char *leaf, int fd);
/* Notes what the directory gets at the end; a later note for the same path replaces it. */
int extract_dir_later(struct extractor *x, int fd, const char *path, size_t length, mode_t mode, int64_t mtime,
		      struct error **err);
int extract_finish_dirs(struct extractor *x, struct error **err);
void extract_dirs_done(struct extractor *x);
/* Removes what stands in the place of an entry, whatever it is. */
int extract_make_way(struct extractor *x, int dirfd, const char *leaf, struct error **err);

/* ---- extract_file.c ---- */
/* An empty file in the target's place. */
MUST_CHECK int extract_create_file(struct extractor *x, const struct extract_target *target, mode_t mode,
				   struct error **err);
int extract_add_file(struct extractor *x, struct tar_reader *reader, const struct extract_target *target,
		     const struct tar_entry *entry, struct error **err);
/* Writes a piece without its whole chunks of zeros; *end is where the last written byte ends. */
int extract_write_piece(int fd, const struct tar_piece *piece, uint64_t *end, struct error **err);
/* All pieces are written: the file gets its size (holes at its end were not), owner, attributes, mode and time. */
int extract_end_file(struct extractor *x, int fd, uint64_t end, const struct tar_entry *entry, struct error **err);

/* ---- extract_queue.c ---- */
/* Pieces of files on their way to a thread that writes them, in their order. Making a file costs as much as all that
 * comes after; a layer of many is unpacked in half the time when two threads share that. Which file it is, where it
 * lies and what stands in its way is all done before: what comes later in the tar finds everything in its place. */
struct extract_queue;

/* What has failed is told by extract_queue_finish(). */
#define EXTRACT_QUEUE_BROKEN HANDOVER_BROKEN

/* The extractor is borrowed; the thread starts with the first piece. */
void extract_queue_new(struct extractor *x, const struct piece_keeper *keeper, struct extract_queue **queue);
/* The reader's last piece (NULL: the file is empty) belongs to the file `fd`, which is taken with the last one of them
 * only. The entry, without attributes, says what the file gets in the end. 0 or EXTRACT_QUEUE_BROKEN. */
int extract_queue_put(struct extract_queue *queue, int fd, const struct tar_entry *entry, const struct tar_piece *piece,
		      bool is_last);
/* All that was put will be written even if nothing follows. */
void extract_queue_flush(struct extract_queue *queue);
/* All that was put has been written, or something has failed; nothing more may be put. */
void extract_queue_end(struct extract_queue *queue);
/* Ends it, and gives the first failure. */
int extract_queue_finish(struct extract_queue *queue, struct error **err);
void extract_queue_free(struct extract_queue *queue);

/* ---- extract_meta.c ---- */
/* Where a thing is: by descriptor where one can be had (files, directories), else by name. */
struct extract_place {
	int fd; /* -1 for the others */
	int dirfd;
	const char *leaf;
};
/* Owner and attributes, in this order: chown(2) drops capabilities. */
int extract_set_owner(struct extractor *x, const struct extract_place *place, const struct tar_entry *entry,
		      struct error **err);
int extract_set_xattrs(struct extractor *x, const struct extract_place *place, const struct tar_entry *entry,
		       struct error **err);
int extract_set_time(const struct extract_place *place, int64_t mtime, struct error **err);
/* A device that the kernel does not let us make, as an empty file with a record. */
int extract_record_device(struct extractor *x, int fd, const struct tar_entry *entry, struct error **err);

#endif
