/*
 * Lists are looked for before they are removed: removing what is not there is a write to some file systems.
 */
#include "imagefmt/accesslists.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/fd.h"
#include "base/log.h"

/* acl(5), "ACL TYPES": of directories, and handed on to what is made in them. */
#define DEFAULT_LIST "system.posix_acl_default"

static const char *const LISTS[] = {"system.posix_acl_access", DEFAULT_LIST};

void access_lists_done(struct access_lists *lost)
{
	free(lost->first);
	*lost = (struct access_lists){0};
}

bool access_lists_is_name(const char *xattr)
{
	for (size_t i = 0; i < ARRAY_COUNT(LISTS); i++)
		if (strcmp(xattr, LISTS[i]) == 0)
			return true;
	return false;
}

void access_lists_note(struct access_lists *lost, const char *path)
{
	if (lost->count++ == 0)
		lost->first = mem_printf("/%s", path);
}

static int drop_one(const char *proc, const char *xattr, const char *path, struct error **err)
{
	if (getxattr(proc, xattr, NULL, 0) < 0) {
		if (errno == ENODATA || errno == EOPNOTSUPP)
			return 0;
		return error_set_errno(err, "'%s': look for '%s'", path, xattr);
	}
	if (removexattr(proc, xattr) == 0)
		return 1;
	/* A file system that only passes on what another machine keeps there: this kernel does not obey it either. */
	if (errno == ENODATA || errno == EOPNOTSUPP)
		return 0;
	return error_set_errno(err, "'%s': remove '%s'", path, xattr);
}

int access_lists_drop(struct access_lists *lost, int fd, const char *path, struct error **err)
{
	char proc[FD_PROC_PATH_SIZE];
	int dropped = 0;

	fd_proc_path(fd, proc);
	for (size_t i = 0; i < ARRAY_COUNT(LISTS); i++) {
		int rc = drop_one(proc, LISTS[i], path, err);
		if (rc < 0)
			return rc;
		dropped |= rc;
	}
	if (dropped)
		access_lists_note(lost, path);
	return dropped;
}

int access_lists_drop_at(struct access_lists *lost, int dirfd, const char *name, const char *path, struct error **err)
{
	struct stat st;
	cleanup_close int fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set_errno(err, "open '%s'", path);
	return S_ISLNK(st.st_mode) ? 0 : access_lists_drop(lost, fd, path, err);
}

void access_lists_hand_on_none(int dir)
{
	if (fgetxattr(dir, DEFAULT_LIST, NULL, 0) >= 0 && fremovexattr(dir, DEFAULT_LIST) < 0)
		log_debug("what is made in the store inherits an access list: %s", strerror(errno));
}

void access_lists_warn(struct access_lists *lost)
{
	if (lost->count == 0)
		return;
	log_warn("access control lists are not kept in an image: %zu %s, '%s' first; the modes stay as they are",
		 lost->count,
		 lost->count == 1 ? "file or directory loses its list" : "files and directories lose theirs",
		 lost->first);
	access_lists_done(lost);
}
