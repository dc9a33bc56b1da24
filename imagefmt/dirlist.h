/*
 * The names of one directory, sorted bytewise: what a walk over tens of thousands of small directories costs most.
 */
#ifndef COOPER_IMAGEFMT_DIRLIST_H
#define COOPER_IMAGEFMT_DIRLIST_H

#include "base/error.h"

#include <stdint.h>
#include <sys/types.h>

struct dir_name {
	uint64_t key; /* the first eight bytes, for comparing */
	const char *name;
	unsigned char type; /* DT_… of readdir(3); DT_UNKNOWN where the file system does not say */
};

struct dir_list {
	struct dir_name *names;
	size_t count;
	char *text; /* what they point into */
};

/* Reads the directory from its start, without "." and "..". */
int dir_list_read(int fd, struct dir_list *list, struct error **err);
/* How many names of it begin so, which costs half. */
MUST_CHECK ssize_t dir_list_count(int fd, const char *prefix, struct error **err);
void dir_list_done(struct dir_list *list);
CLEANUP_FOR_VALUE(struct dir_list, dir_list_done)

#endif
