/*
 * A file that appears whole or not at all: written under a temporary name in the same directory, renamed by commit.
 * Freeing it without commit removes the temporary.
 *
 *	cleanup(atomic_file_free) struct atomic_file *file = NULL;
 *	rc = atomic_file_open(dirfd, "state.json", 0600, &file, err);
 *	rc = fd_write_all(atomic_file_fd(file), ...);
 *	return atomic_file_commit(file, ATOMIC_FILE_SYNC, err);
 */
#ifndef COOPER_BASE_ATOMICFILE_H
#define COOPER_BASE_ATOMICFILE_H

#include "base/error.h"

#include <sys/types.h>

struct atomic_file;

enum atomic_file_flags {
	ATOMIC_FILE_SYNC = 1,	   /* fsync the file before and its directory after the rename */
	ATOMIC_FILE_NO_REPLACE = 2 /* -EEXIST when the name is there already (RENAME_NOREPLACE) */
};

/* `path` is relative to dirfd; the last component is the name it will get, never followed as a symlink. */
int atomic_file_open(int dirfd, const char *path, mode_t mode, struct atomic_file **file, struct error **err);
int atomic_file_fd(const struct atomic_file *file); /* borrowed */
/* Gives it its name. A failure leaves what was there before, with one exception: when only the directory's fsync fails,
 * everybody sees the new file already, and no more is unknown than which of the two a power loss would leave. */
int atomic_file_commit(struct atomic_file *file, unsigned flags, struct error **err);
void atomic_file_free(struct atomic_file *file);
CLEANUP_FOR(struct atomic_file, atomic_file_free)

/* All of the above for bytes in hand. */
int atomic_file_write(int dirfd, const char *path, mode_t mode, const void *data, size_t size, unsigned flags,
		      struct error **err);

#endif
