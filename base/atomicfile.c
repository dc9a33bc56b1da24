/*
 * Files that appear whole or not at all.
 */
#include "base/atomicfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define NAME_TRIES 100

struct atomic_file {
	int dirfd; /* the directory of both names */
	int fd;
	char *temporary; /* NULL once it has its name */
	char *name;
};

/* A name that a reader of the directory takes for unfinished, and a sweeper for garbage. Randomness here only keeps
 * writers apart; O_EXCL decides. */
static char *temporary_name(void)
{
	uint64_t random = 0;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		random = (uint64_t)getpid() << 32 ^ (uint64_t)(uintptr_t)&random;
	return mem_printf(".tmp-%016llx", (unsigned long long)random);
}

static int open_temporary(struct atomic_file *file, mode_t mode)
{
	for (int i = 0; i < NAME_TRIES; i++) {
		cleanup_free char *name = temporary_name();
		file->fd = openat(file->dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (file->fd >= 0) {
			file->temporary = take_ptr(&name);
			/* Exactly the mode that was asked for, whatever the umask. */
			return fchmod(file->fd, mode & 07777) < 0 ? -errno : 0;
		}
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

int atomic_file_open(int dirfd, const char *path, mode_t mode, struct atomic_file **file, struct error **err)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return error_set(err, EINVAL, "'%s' is not the name of a file", path);
	cleanup(atomic_file_free) struct atomic_file *made = mem_alloc(sizeof(*made));
	made->fd = -1;
	made->name = mem_strdup(name);
	/* "/name": the slash is the directory. */
	cleanup_free char *dir = slash ? mem_strndup(path, slash > path ? (size_t)(slash - path) : 1) : mem_strdup(".");
	/* Readable, not O_PATH: commit may have to fsync it. */
	made->dirfd = openat(dirfd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (made->dirfd < 0)
		return error_set_errno(err, "write '%s': open its directory", path);
	int rc = open_temporary(made, mode);
	if (rc < 0) {
		errno = -rc;
		return error_set_errno(err, "write '%s': make a temporary file", path);
	}
	*file = take_ptr(&made);
	return 0;
}

int atomic_file_fd(const struct atomic_file *file)
{
	return file->fd;
}

/* Renames the temporary. NFS and some FUSE file systems know no RENAME_NOREPLACE (EINVAL, rename(2)): there a second
 * name, which link(2) gives only where none is, and then the first one is removed. */
static int give_name(const struct atomic_file *file, bool replace)
{
	if (renameat2(file->dirfd, file->temporary, file->dirfd, file->name, replace ? 0 : RENAME_NOREPLACE) == 0)
		return 0;
	if (replace || errno != EINVAL)
		return -1;
	if (linkat(file->dirfd, file->temporary, file->dirfd, file->name, 0) < 0)
		return -1;
	/* If this fails a temporary is left for the sweeper; the file has its name. */
	unlinkat(file->dirfd, file->temporary, 0);
	return 0;
}

int atomic_file_commit(struct atomic_file *file, unsigned flags, struct error **err)
{
	bool sync = flags & ATOMIC_FILE_SYNC;

	if (sync && fsync(file->fd) < 0)
		return error_set_errno(err, "write '%s': fsync", file->name);
	if (give_name(file, /* replace */ !(flags & ATOMIC_FILE_NO_REPLACE)) < 0)
		return error_set_errno(err, "write '%s'", file->name);
	free(take_ptr(&file->temporary));
	if (sync && fsync(file->dirfd) < 0)
		return error_set_errno(err, "write '%s': fsync its directory", file->name);
	return 0;
}

void atomic_file_free(struct atomic_file *file)
{
	if (!file)
		return;
	if (file->temporary)
		unlinkat(file->dirfd, file->temporary, 0);
	fd_close(file->fd);
	fd_close(file->dirfd);
	free(file->temporary);
	free(file->name);
	free(file);
}

int atomic_file_write(int dirfd, const char *path, mode_t mode, const void *data, size_t size, unsigned flags,
		      struct error **err)
{
	cleanup(atomic_file_free) struct atomic_file *file = NULL;

	int rc = atomic_file_open(dirfd, path, mode, &file, err);
	if (rc < 0)
		return rc;
	rc = fd_write_all(file->fd, data, size, err);
	if (rc < 0)
		return error_prefix(err, "write '%s'", path);
	return atomic_file_commit(file, flags, err);
}
