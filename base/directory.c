/* A directory is read to its end, or it is an error that names it. */
#include "base/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

int directory_take(int *fd, DIR **dir, struct error **err)
{
	DIR *opened = fdopendir(*fd);

	if (!opened) {
		int rc = error_set_errno(err, "read a directory");
		fd_close(take_fd(fd));
		return rc;
	}
	*fd = -1;
	*dir = opened;
	return 0;
}

int directory_open(int dirfd, const char *path, DIR **dir, struct error **err)
{
	cleanup_close int fd = fd_open_dir(dirfd, path, err);

	return fd < 0 ? fd : directory_take(&fd, dir, err);
}

/* The stream itself does not know what it is called. */
static int fail(DIR *dir, int code, struct error **err)
{
	char proc[FD_PROC_PATH_SIZE];
	char name[PATH_MAX];
	ssize_t length = readlink(fd_proc_path(dirfd(dir), proc), name, sizeof(name));

	return error_set(err, code, "read the directory '%.*s': %s", length < 0 ? 0 : (int)length, name,
			 strerror(code));
}

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

const struct dirent *directory_next(DIR *dir, int *rc, struct error **err)
{
	const struct dirent *entry;
	int before = errno;

	do {
		errno = 0;
		entry = readdir(dir);
	} while (entry && is_dots(entry->d_name));
	if (!entry && errno != 0)
		*rc = fail(dir, errno, err);
	errno = before;
	return entry;
}
