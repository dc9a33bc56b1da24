/*
 * Files seen so far by (device, inode), each with the path it was seen under first: how hard links are recognised.
 */
#ifndef COOPER_BASE_INODETABLE_H
#define COOPER_BASE_INODETABLE_H

#include "base/mem.h"

#include <sys/stat.h>

struct inode_slot {
	dev_t dev;
	ino_t ino;
	char *path; /* NULL: the slot is free */
};

struct inode_table {
	struct inode_slot *slots; /* a power of two of them, at most half in use */
	size_t size;
	size_t count;
};

void inode_table_done(struct inode_table *table);
CLEANUP_FOR_VALUE(struct inode_table, inode_table_done)
/* The path of an earlier visit, borrowed; NULL the first time, when `path` is remembered. */
const char *inode_table_visit(struct inode_table *table, const struct stat *st, const char *path);

#endif
