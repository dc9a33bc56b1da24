/*
 * Attributes in a tree of the store, for who is not told by the kernel what they mean there: file capabilities, which
 * only the host's root may set, and names that overlayfs would obey are kept under others (base/ovlmark.h); an access
 * list has the bits of a mode of which more may be written down.
 */
#include <endian.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/limits.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/fd.h"
#include "base/ovlmark.h"
#include "run/emul_internal.h"

#define CAPABILITY_XATTR "security.capability"
#define ACCESS_LIST_XATTR "system.posix_acl_access"

/* ---- What is kept ---- */

int emul_check_capability(const void *value, size_t size)
{
	uint32_t magic = 0;

	if (size >= sizeof(magic))
		memcpy(&magic, value, sizeof(magic));
	switch (le32toh(magic) & VFS_CAP_REVISION_MASK) {
	case VFS_CAP_REVISION_2:
		return size == XATTR_CAPS_SZ_2 ? 0 : -EINVAL;
	case VFS_CAP_REVISION_3:
		return size == XATTR_CAPS_SZ_3 ? 0 : -EINVAL;
	default:
		return -EINVAL;
	}
}

void emul_show_access_list(void *list, size_t size, mode_t shown)
{
	struct posix_acl_xattr_entry *entries = (void *)((char *)list + sizeof(struct posix_acl_xattr_header));

	for (size_t at = sizeof(struct posix_acl_xattr_header); at + sizeof(*entries) <= size;
	     at += sizeof(*entries), entries++)
		if (le16toh(entries->e_tag) == ACL_USER_OBJ)
			entries->e_perm = htole16(shown >> 6 & 07);
}

void emul_translate_list(const char *list, size_t size, struct buf *names)
{
	for (const char *name = list; name < list + size; name += strlen(name) + 1) {
		if (strcmp(name, OVLMARK_CAPABILITY) == 0) {
			buf_append(names, CAPABILITY_XATTR, sizeof(CAPABILITY_XATTR));
			continue;
		}
		if (ovlmark_classify(name) == OVLMARK_KERNEL)
			continue;
		cleanup_free char *shown =
			ovlmark_classify(name) == OVLMARK_ESCAPED ? ovlmark_unescape(name) : mem_strdup(name);
		buf_append(names, shown, strlen(shown) + 1);
	}
}

/* ---- In a session ---- */

struct kept {
	struct emulation *e;
	const struct trap *trap;
	int fd;
	char path[FD_PROC_PATH_SIZE];
	char *name; /* under which it is kept */
	bool is_capability, is_access_list;
};

static int64_t get_value(const struct kept *kept)
{
	size_t size = kept->trap->args[3] > XATTR_SIZE_MAX ? XATTR_SIZE_MAX : (size_t)kept->trap->args[3];
	cleanup_free char *value = mem_alloc(size + 1);
	ssize_t got = getxattr(kept->path, kept->name, value, size);
	struct stat st;
	bool is_recorded;

	if (got < 0 || size == 0)
		return got < 0 ? -errno : got;
	if (kept->is_access_list) {
		int rc = emul_stat(kept->e, kept->fd, &st, &is_recorded);
		if (rc < 0)
			return rc;
		emul_show_access_list(value, (size_t)got, st.st_mode);
	}
	int rc = emul_write(kept->e, kept->trap, kept->trap->args[2], value, (size_t)got);
	return rc < 0 ? rc : got;
}

/* The kernel takes the mode's bits from an access list (acl(5), "CORRESPONDENCE BETWEEN ACL ENTRIES AND FILE PERMISSION
 * BITS"): what was written down of them before is true no more. */
static int set_access_list(const struct kept *kept, const void *value, size_t size)
{
	struct stat before, after;
	bool is_recorded;
	int rc = emul_stat(kept->e, kept->fd, &before, &is_recorded);

	if (rc < 0)
		return rc;
	if (setxattr(kept->path, kept->name, value, size, (int)kept->trap->args[4]) < 0 || fstat(kept->fd, &after) < 0)
		return -errno;
	return emul_set_mode(kept->e, kept->fd, (before.st_mode & 07000) | (after.st_mode & 0777));
}

static int set_value(const struct kept *kept)
{
	size_t size = (size_t)kept->trap->args[3];

	if (size > XATTR_SIZE_MAX)
		return -E2BIG;
	cleanup_free char *value = mem_alloc(size + 1);
	int rc = size > 0 ? emul_read(kept->e, kept->trap, kept->trap->args[2], value, size) : 0;
	if (rc == 0 && kept->is_capability)
		rc = emul_check_capability(value, size);
	if (rc < 0)
		return rc;
	if (kept->is_access_list)
		return set_access_list(kept, value, size);
	return setxattr(kept->path, kept->name, value, size, (int)kept->trap->args[4]) < 0 ? -errno : 0;
}

bool emul_answer_kept(struct emulation *e, const struct trap *trap, int fd, const char *name, enum emul_kept_call call,
		      struct answer *answer)
{
	bool is_capability = strcmp(name, CAPABILITY_XATTR) == 0;
	cleanup_free char *kept_name = is_capability ? mem_strdup(owner_capability_xattr()) : ovlmark_escape(name);
	struct kept kept = {
		.e = e,
		.trap = trap,
		.fd = fd,
		.name = kept_name,
		.is_capability = is_capability,
		.is_access_list = strcmp(name, ACCESS_LIST_XATTR) == 0,
	};

	if (strcmp(name, kept_name) == 0 && !(kept.is_access_list && call != KEPT_REMOVE))
		return false;
	fd_proc_path(fd, kept.path);
	switch (call) {
	case KEPT_GET:
		emul_return(answer, get_value(&kept));
		break;
	case KEPT_SET:
		emul_return(answer, set_value(&kept));
		break;
	case KEPT_REMOVE:
		emul_return(answer, removexattr(kept.path, kept_name) < 0 ? -errno : 0);
		break;
	}
	return true;
}
