/*
 * The entries of a directory, one after the other. readdir(3) has one answer for the end and for a failure; here a
 * directory that cannot be read to its end is an error: whoever takes its half for the whole removes what is in use.
 *
 *	cleanup_directory DIR *dir = NULL;
 *	int rc = directory_open(store, "layers", &dir, err);
 *
 *	for (const struct dirent *entry; rc == 0 && (entry = directory_next(dir, &rc, err));)
 *		rc = look_at(dirfd(dir), entry->d_name, err);
 *	return rc;
 */
#ifndef COOPER_BASE_DIRECTORY_H
#define COOPER_BASE_DIRECTORY_H

#include <dirent.h>

#include "base/error.h"

/* Opens dirfd/path, which is not followed when it is a symlink, at its start. -ENOENT, -ENOTDIR. */
int directory_open(int dirfd, const char *path, DIR **dir, struct error **err);
/* The same for a descriptor that was opened for reading: it is the stream's from here on, also on failure, and -1 in
 * *fd. */
int directory_take(int *fd, DIR **dir, struct error **err);
/* The next entry that is not "." or "..", valid until the next call; in no order. NULL at the end, and on failure: *rc,
 * which is 0 before and else untouched, is then a negative errno. errno itself stays as it was. */
const struct dirent *directory_next(DIR *dir, int *rc, struct error **err);

static inline void directory_close_cleanup(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}
#define cleanup_directory __attribute__((__cleanup__(directory_close_cleanup)))

#endif
