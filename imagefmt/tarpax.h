/*
 * What a pax header says about an entry, and maps of sparse files in all their notations. Used by tarread.c only.
 */
#ifndef COOPER_IMAGEFMT_TARPAX_H
#define COOPER_IMAGEFMT_TARPAX_H

#include "base/buf.h"
#include "imagefmt/tar.h"

struct tar_sparse_piece {
	uint64_t offset;
	uint64_t size;
};

struct tar_sparse {
	struct tar_sparse_piece *pieces;
	size_t count;
	size_t cap;
	uint64_t real_size;
};
void tar_sparse_clear(struct tar_sparse *map);
void tar_sparse_done(struct tar_sparse *map);
/* -EBADMSG past TAR_SPARSE_ENTRIES_MAX. */
int tar_sparse_add(struct tar_sparse *map, uint64_t offset, uint64_t size, struct error **err);
/* Moves a map from one owner to another. */
void tar_sparse_take(struct tar_sparse *map, struct tar_sparse *from);
/* The pieces must follow each other within the file and sum up to `stored`, or it is -EBADMSG. */
int tar_sparse_check(const struct tar_sparse *map, uint64_t stored, struct error **err);

enum tar_sparse_format { TAR_SPARSE_NONE, TAR_SPARSE_0, TAR_SPARSE_1 };

struct tar_pax {
	struct buf text;  /* the records; keys and values are cut out of it with NULs */
	const char *path; /* NULL when not said; all borrowed from text */
	const char *link;
	bool has_uid, has_gid, has_size, has_mtime;
	uint32_t uid;
	uint32_t gid;
	uint64_t size;
	int64_t mtime;
	uint32_t mtime_ns;
	struct tar_xattr *xattrs;
	size_t xattr_count;
	enum tar_sparse_format sparse;
	bool has_sparse_name;
	bool has_piece_offset; /* 0.0: an offset has come, its size not yet */
	uint64_t piece_offset;
	struct tar_sparse map; /* of 0.0 and 0.1; in 1.0 real_size only */
};
void tar_pax_init(struct tar_pax *pax);
void tar_pax_clear(struct tar_pax *pax);
void tar_pax_done(struct tar_pax *pax);
/* Reads pax->text. -EBADMSG. */
int tar_pax_parse(struct tar_pax *pax, struct error **err);
/* A global header may give owners and times; names, sizes and attributes of all files at once are -EBADMSG. */
int tar_pax_check_global(const struct tar_pax *pax, struct error **err);
/* Puts numbers and attributes over the entry's. */
void tar_pax_apply(const struct tar_pax *pax, struct tar_entry *entry);

#endif
