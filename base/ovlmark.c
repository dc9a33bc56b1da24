/*
 * overlayfs' marks, made and read from outside of a mount.
 */
#include "base/ovlmark.h"

#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/fd.h"

#define OPAQUE_XATTR "user.overlay.opaque"

/* Names that mean something to overlayfs or to us. Data under such a name is kept one word deeper, which is what
 * overlayfs itself does inside a mount (overlayfs.rst, "Nested overlayfs mounts"); ours follows the same rule. */
static const struct {
	const char *prefix;
	const char *escaped;
} reserved[] = {
	{"user.overlay.", "user.overlay.overlay."},
	{"user.cooper.", "user.cooper.cooper."},
	{"trusted.overlay.", "trusted.overlay.overlay."},
};

static bool has_prefix(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool ovlmark_is_whiteout(const struct stat *st)
{
	if (S_ISSOCK(st->st_mode))
		return (st->st_mode & ALLPERMS) == 0;
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

bool ovlmark_kernel_reads(int dirfd)
{
	struct statfs fs;

	return fstatfs(dirfd, &fs) < 0 || fs.f_type != OVERLAYFS_SUPER_MAGIC;
}

int ovlmark_make_whiteout(int dirfd, const char *name, struct error **err)
{
	if (mknodat(dirfd, name, S_IFCHR, makedev(0, 0)) == 0)
		return 0;
	/* ovl_mknod() of the kernel: in an overlay a whiteout would be one of its own. */
	if (errno == EPERM && !ovlmark_kernel_reads(dirfd) && mknodat(dirfd, name, S_IFSOCK, 0) == 0)
		return 0;
	return error_set_errno(err, "make the whiteout '%s'", name);
}

bool ovlmark_is_opaque(int fd)
{
	char proc[FD_PROC_PATH_SIZE];
	char value;

	/* Longer values ("x": xwhiteouts inside) are other marks; they do not fit and fail with ERANGE. */
	return getxattr(fd_proc_path(fd, proc), OPAQUE_XATTR, &value, 1) == 1 && value == 'y';
}

int ovlmark_set_opaque(int fd, struct error **err)
{
	char proc[FD_PROC_PATH_SIZE];

	if (setxattr(fd_proc_path(fd, proc), OPAQUE_XATTR, "y", 1, 0) < 0)
		return error_set_errno(err, "set " OPAQUE_XATTR);
	return 0;
}

int ovlmark_clear_opaque(int fd, struct error **err)
{
	char proc[FD_PROC_PATH_SIZE];

	if (removexattr(fd_proc_path(fd, proc), OPAQUE_XATTR) < 0 && errno != ENODATA)
		return error_set_errno(err, "remove " OPAQUE_XATTR);
	return 0;
}

enum ovlmark_xattr ovlmark_classify(const char *name)
{
	for (size_t i = 0; i < ARRAY_COUNT(reserved); i++) {
		if (has_prefix(name, reserved[i].escaped))
			return OVLMARK_ESCAPED;
		if (has_prefix(name, reserved[i].prefix))
			return OVLMARK_KERNEL;
	}
	return OVLMARK_PLAIN;
}

char *ovlmark_escape(const char *name)
{
	for (size_t i = 0; i < ARRAY_COUNT(reserved); i++) {
		if (has_prefix(name, reserved[i].prefix))
			return mem_printf("%s%s", reserved[i].escaped, name + strlen(reserved[i].prefix));
	}
	return mem_strdup(name);
}

char *ovlmark_unescape(const char *name)
{
	for (size_t i = 0; i < ARRAY_COUNT(reserved); i++) {
		if (has_prefix(name, reserved[i].escaped))
			return mem_printf("%s%s", reserved[i].prefix, name + strlen(reserved[i].escaped));
	}
	return mem_strdup(name);
}
