/*
 * A POSIX access list (acl(5)) as the kernel takes it: user::rwx,group::r-x,mask::r--,other::--x
 */
#ifndef COOPER_TESTS_UNIT_IMAGEFMT_ACCESS_LIST_H
#define COOPER_TESTS_UNIT_IMAGEFMT_ACCESS_LIST_H

#include <fcntl.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdbool.h>
#include <sys/xattr.h>

#include "base/fd.h"

#define ACCESS_LIST "system.posix_acl_access"
#define DEFAULT_LIST "system.posix_acl_default"
#define ACCESS_LIST_MODE 0741 /* what stat(2) shows of what has it */

struct access_list {
	struct posix_acl_xattr_header header;
	struct posix_acl_xattr_entry entries[4];
};

static const struct access_list an_access_list = {{POSIX_ACL_XATTR_VERSION},
						  {{ACL_USER_OBJ, 7, ACL_UNDEFINED_ID},
						   {ACL_GROUP_OBJ, 5, ACL_UNDEFINED_ID},
						   {ACL_MASK, 4, ACL_UNDEFINED_ID},
						   {ACL_OTHER, 1, ACL_UNDEFINED_ID}}};

/* False where none can be had. */
static inline bool give_list(int dirfd, const char *path, const char *name)
{
	char proc[FD_PROC_PATH_SIZE];
	cleanup_close int fd = openat(dirfd, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	return setxattr(fd_proc_path(fd, proc), name, &an_access_list, sizeof(an_access_list), 0) == 0;
}

static inline bool has_list(int dirfd, const char *path, const char *name)
{
	char proc[FD_PROC_PATH_SIZE];
	cleanup_close int fd = openat(dirfd, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	return getxattr(fd_proc_path(fd, proc), name, NULL, 0) >= 0;
}

#endif
