/*
 * The new mount system calls, with the one fall-back that Linux 5.11 needs.
 */
#include "run/mountfd.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"

static int set_option(int context, const struct mount_option *option)
{
	if (option->value)
		return fsconfig(context, FSCONFIG_SET_STRING, option->key, option->value, 0);
	return fsconfig(context, FSCONFIG_SET_FLAG, option->key, NULL, 0);
}

int mountfd_new(const char *type, const struct mount_option *options, size_t count, uint64_t attributes,
		struct error **err)
{
	cleanup_close int context = fsopen(type, FSOPEN_CLOEXEC);

	if (context < 0)
		return error_set_errno(err, "mount %s", type);
	fsconfig(context, FSCONFIG_SET_STRING, "source", type, 0); /* for readers of /proc/mounts; no loss without */
	for (size_t i = 0; i < count; i++)
		if (set_option(context, &options[i]) < 0)
			return error_set_errno(err, "mount %s with %s=%s", type, options[i].key,
					       options[i].value ? options[i].value : "");
	if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return error_set_errno(err, "mount %s", type);
	int mount = fsmount(context, FSMOUNT_CLOEXEC, (unsigned)attributes);
	if (mount < 0)
		return error_set_errno(err, "mount %s", type);
	return mount;
}

int mountfd_clone(int dirfd, const char *path, enum mountfd_clone clone, struct error **err)
{
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH;

	if (clone == MOUNTFD_RECURSIVE)
		flags |= AT_RECURSIVE;
	int mount = open_tree(dirfd, path, flags);
	if (mount < 0)
		return error_set_errno(err, "bind '%s'", path);
	return mount;
}

int mountfd_restrict(int mount, enum mountfd_clone clone, uint64_t attributes, int propagation, struct error **err)
{
	struct mount_attr attr = {.attr_set = attributes, .propagation = (uint64_t)propagation};
	unsigned flags = AT_EMPTY_PATH | (clone == MOUNTFD_RECURSIVE ? AT_RECURSIVE : 0);

	if (mount_setattr(mount, "", flags, &attr, sizeof(attr)) < 0)
		return error_set_errno(err, "restrict a mount");
	return 0;
}

int mountfd_attach(int mount, int target, struct error **err)
{
	if (move_mount(mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return error_set_errno(err, "attach a mount");
	return 0;
}

/* Linux 5.11 has no mount_setattr(2): the flags are set on the attached mount, by its path in /proc. */
static int remount_restricted(int place, uint64_t attributes, struct error **err)
{
	char path[FD_PROC_PATH_SIZE];
	unsigned long flags = MS_REMOUNT | MS_BIND;

	flags |= attributes & MOUNT_ATTR_RDONLY ? MS_RDONLY : 0;
	flags |= attributes & MOUNT_ATTR_NOSUID ? MS_NOSUID : 0;
	flags |= attributes & MOUNT_ATTR_NODEV ? MS_NODEV : 0;
	flags |= attributes & MOUNT_ATTR_NOEXEC ? MS_NOEXEC : 0;
	if (mount(NULL, fd_proc_path(place, path), NULL, flags, NULL) < 0)
		return error_set_errno(err, "restrict a mount");
	return 0;
}

int mountfd_restrict_place(int target, uint64_t attributes, struct error **err)
{
	cleanup_close int mount = mountfd_clone(target, "", MOUNTFD_RECURSIVE, err);

	if (mount < 0)
		return mount;
	int rc = mountfd_restrict(mount, MOUNTFD_RECURSIVE, attributes, /* propagation */ 0, NULL);
	int attached = mountfd_attach(mount, target, err);
	if (attached < 0)
		return attached;
	return rc == 0 ? 0 : remount_restricted(mount, attributes, err);
}
