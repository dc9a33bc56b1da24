/*
 * Extended attributes. The names of our own records are not there; those that overlayfs would obey are kept under
 * another name, as it does itself (base/ovlmark.h); and those that only the host's root may set are kept as records.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/ovlmark.h"
#include "base/parse.h"
#include "run/translate_internal.h"

#define OWN_PREFIX "user.cooper."
#define CAPABILITY_XATTR "security.capability"
#define ACCESS_LIST_XATTR "system.posix_acl_access"

/* Where a path or a descriptor leads. */
struct target {
	struct spot spot;
	char path[FD_PROC_PATH_SIZE];
	struct stat st;
};

static int find_target(struct translation *t, const struct trap *trap, bool by_fd, unsigned flags,
		       struct target *target)
{
	target->spot = SPOT_INIT;
	int rc = by_fd ? view_find_text(t, trap, (int)trap->args[0], "", VIEW_EMPTY, &target->spot)
		       : view_find(t, trap, AT_FDCWD, trap->args[0], flags, &target->spot);
	if (rc == 0 && by_fd && ((int)trap->args[0] < 0 || emul_fd_is_path(trap, (int)trap->args[0])))
		rc = -EBADF;
	if (rc == 0 && !supervisor_still_waits(&t->emulation.supervisor, trap))
		rc = -ESRCH;
	if (rc == 0 && fstat(target->spot.fd, &target->st) < 0)
		rc = -errno;
	if (rc == 0)
		fd_proc_path(target->spot.fd, target->path);
	return rc;
}

/* The name under which it is kept, newly allocated in *kept; the step's in `name`. */
static int read_name(struct translation *t, const struct trap *trap, char name[XATTR_NAME_MAX + 1], char **kept)
{
	ssize_t length = emul_read_text(&t->emulation, trap, trap->args[1], name, XATTR_NAME_MAX + 1);

	if (length < 0)
		return length == -ENAMETOOLONG ? -ERANGE : (int)length;
	if (length == 0)
		return -ERANGE;
	*kept = strcmp(name, CAPABILITY_XATTR) == 0 ? mem_strdup(owner_capability_xattr()) : ovlmark_escape(name);
	return 0;
}

/* user.* is for files and directories (xattr(7)). */
static int check_kind(const struct target *target, const char *name, int refusal)
{
	if (text_has_prefix(name, OWN_PREFIX))
		return refusal;
	if (text_has_prefix(name, "trusted."))
		return refusal;
	if (text_has_prefix(name, "user.") && !S_ISREG(target->st.st_mode) && !S_ISDIR(target->st.st_mode))
		return refusal;
	return 0;
}

/* ---- Capabilities of files ---- */

/* Without the host's root nobody but us looks at the value. */
static int check_capability(struct translation *t, const struct trap *trap, const void *value, size_t size)
{
	const struct task *task = view_task(t, trap);

	if (!task || !credentials_can(task->credentials, CAP_SETFCAP))
		return -EPERM;
	return emul_check_capability(value, size);
}

void xattr_drop_capability(int fd)
{
	char proc[FD_PROC_PATH_SIZE];

	removexattr(fd_proc_path(fd, proc), owner_capability_xattr());
}

/* ---- get ---- */

static int show_access_list(struct translation *t, const struct target *target, void *list, size_t size)
{
	struct stat st;
	int rc = view_stat(t, spot_mount(&target->spot), target->spot.fd, &st);

	if (rc == 0)
		emul_show_access_list(list, size, st.st_mode);
	return rc;
}

static void answer_get(struct translation *t, const struct trap *trap, bool by_fd, unsigned flags,
		       struct answer *answer)
{
	char name[XATTR_NAME_MAX + 1];
	cleanup_free char *kept = NULL;
	struct target target;
	int64_t rc = find_target(t, trap, by_fd, flags, &target);

	if (rc == 0)
		rc = read_name(t, trap, name, &kept);
	if (rc == 0)
		rc = check_kind(&target, name, -ENODATA);
	if (rc == 0) {
		size_t size = trap->args[3] > XATTR_SIZE_MAX ? XATTR_SIZE_MAX : (size_t)trap->args[3];
		cleanup_free char *value = mem_alloc(size + 1);
		rc = getxattr(target.path, kept, value, size);
		if (rc < 0)
			rc = errno == EPERM ? -ENODATA : -errno;
		else if (size > 0 && strcmp(kept, ACCESS_LIST_XATTR) == 0)
			rc = show_access_list(t, &target, value, (size_t)rc) < 0 ? -EIO : rc;
		if (rc >= 0 && size > 0 && emul_write(&t->emulation, trap, trap->args[2], value, (size_t)rc) < 0)
			rc = -EFAULT;
	}
	emul_return(answer, rc);
	spot_done(&target.spot);
}

void tr_getxattr(void *context, const struct trap *trap, struct answer *answer)
{
	answer_get(context, trap, false, VIEW_FOLLOW, answer);
}

void tr_lgetxattr(void *context, const struct trap *trap, struct answer *answer)
{
	answer_get(context, trap, false, 0, answer);
}

void tr_fgetxattr(void *context, const struct trap *trap, struct answer *answer)
{
	answer_get(context, trap, true, 0, answer);
}

/* ---- set and remove ---- */

static int prepare_change(struct translation *t, const struct trap *trap, bool by_fd, struct target *target,
			  char name[XATTR_NAME_MAX + 1], char **kept)
{
	int rc = read_name(t, trap, name, kept);

	if (rc == 0)
		rc = check_kind(target, name, -EPERM);
	if (rc == 0)
		rc = view_check_writable(&target->spot);
	if (rc == 0)
		rc = by_fd ? make_private_by_fd(t, trap, (int)trap->args[0], &target->spot)
			   : make_private(t, &target->spot);
	if (rc == 0)
		fd_proc_path(target->spot.fd, target->path);
	return rc;
}

/* The kernel takes the mode's bits from an access list (acl(5), "CORRESPONDENCE BETWEEN ACL ENTRIES AND FILE PERMISSION
 * BITS"): what was written down of them before is true no more. */
static int follow_access_list(struct translation *t, const struct trap *trap, int fd, struct sight *before)
{
	const struct task *task = view_task(t, trap);
	mode_t set_ids = before->shown.st_mode & 07000;
	struct stat st;

	if (!task || fstat(fd, &st) < 0)
		return task ? -errno : -ESRCH;
	/* Who is not of the file's group keeps it no set-group-id bit (Linux' posix_acl_update_mode()). */
	if (!credentials_in_group(task->credentials, before->shown.st_gid) &&
	    !credentials_can(task->credentials, CAP_FSETID))
		set_ids &= ~(mode_t)S_ISGID;
	before->real = st;
	return make_mode(t, fd, before, set_ids | (st.st_mode & 0777));
}

static int set_value(struct translation *t, const struct trap *trap, const struct target *target, const char *kept,
		     const void *value, size_t size)
{
	bool is_access_list = strcmp(kept, ACCESS_LIST_XATTR) == 0;
	struct sight before;
	int rc = is_access_list ? view_look(t, spot_mount(&target->spot), target->spot.fd, &before) : 0;

	if (rc == 0 && setxattr(target->path, kept, value, size, (int)trap->args[4]) < 0)
		rc = -errno;
	return rc == 0 && is_access_list ? follow_access_list(t, trap, target->spot.fd, &before) : rc;
}

static void answer_set(struct translation *t, const struct trap *trap, bool by_fd, unsigned flags,
		       struct answer *answer)
{
	char name[XATTR_NAME_MAX + 1];
	cleanup_free char *kept = NULL;
	struct target target;
	size_t size = (size_t)trap->args[3];
	int rc = find_target(t, trap, by_fd, flags, &target);

	if (rc == 0 && size > XATTR_SIZE_MAX)
		rc = -E2BIG;
	if (rc == 0)
		rc = prepare_change(t, trap, by_fd, &target, name, &kept);
	if (rc == 0) {
		cleanup_free char *value = mem_alloc(size + 1);
		rc = size > 0 ? emul_read(&t->emulation, trap, trap->args[2], value, size) : 0;
		if (rc == 0 && strcmp(name, CAPABILITY_XATTR) == 0)
			rc = check_capability(t, trap, value, size);
		if (rc == 0)
			rc = set_value(t, trap, &target, kept, value, size);
	}
	emul_return(answer, rc);
	spot_done(&target.spot);
}

void tr_setxattr(void *context, const struct trap *trap, struct answer *answer)
{
	answer_set(context, trap, false, VIEW_FOLLOW, answer);
}

void tr_lsetxattr(void *context, const struct trap *trap, struct answer *answer)
{
	answer_set(context, trap, false, 0, answer);
}

void tr_fsetxattr(void *context, const struct trap *trap, struct answer *answer)
{
	answer_set(context, trap, true, 0, answer);
}

static void answer_remove(struct translation *t, const struct trap *trap, bool by_fd, unsigned flags,
			  struct answer *answer)
{
	char name[XATTR_NAME_MAX + 1];
	cleanup_free char *kept = NULL;
	struct target target;
	int rc = find_target(t, trap, by_fd, flags, &target);

	if (rc == 0)
		rc = prepare_change(t, trap, by_fd, &target, name, &kept);
	if (rc == 0 && removexattr(target.path, kept) < 0)
		rc = -errno;
	emul_return(answer, rc);
	spot_done(&target.spot);
}

void tr_removexattr(void *context, const struct trap *trap, struct answer *answer)
{
	answer_remove(context, trap, false, VIEW_FOLLOW, answer);
}

void tr_lremovexattr(void *context, const struct trap *trap, struct answer *answer)
{
	answer_remove(context, trap, false, 0, answer);
}

void tr_fremovexattr(void *context, const struct trap *trap, struct answer *answer)
{
	answer_remove(context, trap, true, 0, answer);
}

/* ---- list ---- */

static void answer_list(struct translation *t, const struct trap *trap, bool by_fd, unsigned flags,
			struct answer *answer)
{
	cleanup(buf_done) struct buf names = BUF_INIT(2 * (size_t)XATTR_LIST_MAX);
	struct target target;
	int64_t rc = find_target(t, trap, by_fd, flags, &target);

	if (rc == 0) {
		cleanup_free char *list = mem_alloc(XATTR_LIST_MAX);
		ssize_t size = listxattr(target.path, list, XATTR_LIST_MAX);
		if (size > 0)
			emul_translate_list(list, (size_t)size, &names);
		rc = size < 0 ? -errno : (int64_t)names.len;
	}
	if (rc > 0 && trap->args[2] != 0) {
		if (names.len > trap->args[2])
			rc = -ERANGE;
		else if (emul_write(&t->emulation, trap, trap->args[1], names.data, names.len) < 0)
			rc = -EFAULT;
	}
	emul_return(answer, rc);
	spot_done(&target.spot);
}

void tr_listxattr(void *context, const struct trap *trap, struct answer *answer)
{
	answer_list(context, trap, false, VIEW_FOLLOW, answer);
}

void tr_llistxattr(void *context, const struct trap *trap, struct answer *answer)
{
	answer_list(context, trap, false, 0, answer);
}

void tr_flistxattr(void *context, const struct trap *trap, struct answer *answer)
{
	answer_list(context, trap, true, 0, answer);
}
