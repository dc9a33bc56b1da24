/*
 * Directories that the user chose.
 */
#include "imagefmt/userpath.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* mkdir -p. An existing component that is no directory shows when the next one is made, or at the open. */
static int make_dirs(const char *path, mode_t mode, struct error **err)
{
	cleanup_free char *copy = mem_strdup(path);
	for (char *slash = copy; slash;) {
		slash = strchr(slash + 1, '/');
		if (slash)
			*slash = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return error_set_errno(err, "make the directory '%s'", copy);
		if (slash)
			*slash = '/';
	}
	return 0;
}

int userpath_open_dir(const char *path, mode_t mode, struct error **err)
{
	if (!*path)
		return error_set(err, EINVAL, "the name of a directory is empty");
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		int rc = make_dirs(path, mode, err);
		if (rc < 0)
			return rc;
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd < 0)
		return error_set_errno(err, "open the directory '%s'", path);
	return fd;
}
