/*
 * What extract.c (entries), extract_dir.c (directories) and extract_meta.c (owners, attributes, times) share.
 */
#ifndef COOPER_IMAGEFMT_EXTRACT_INTERNAL_H
#define COOPER_IMAGEFMT_EXTRACT_INTERNAL_H

#include "imagefmt/extract.h"
#include "imagefmt/pathmap.h"

#include <sys/stat.h>

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
	uint64_t recorded;
	uint64_t lost;
	bool warned_xattr;

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
