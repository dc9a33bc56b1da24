/*
 * Mounts as descriptors (fsopen(2), open_tree(2), move_mount(2), Linux 5.2; mount_setattr(2), 5.12): a mount is made
 * detached, restricted, and only then attached to a place that is held open. No path is looked up twice, so nothing can
 * be swapped for a symlink between the look and the mount.
 */
#ifndef COOPER_RUN_MOUNTFD_H
#define COOPER_RUN_MOUNTFD_H

#include "base/error.h"

#include <stdint.h>
#include <sys/mount.h>
#include <sys/types.h>

#define MOUNTFD_SAFE ((uint64_t)(MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC))

struct mount_option {
	const char *key;
	const char *value; /* NULL: a flag */
};

/* A new file system instance, detached, with MOUNT_ATTR_… flags. -EPERM where the kernel refuses it in a user
 * namespace. */
MUST_CHECK int mountfd_new(const char *type, const struct mount_option *options, size_t count, uint64_t attributes,
			   struct error **err);

enum mountfd_clone { MOUNTFD_ONE, MOUNTFD_RECURSIVE };
/* A detached bind mount of dirfd/path ("" = dirfd itself). With MOUNTFD_RECURSIVE of all that is mounted below, too. */
MUST_CHECK int mountfd_clone(int dirfd, const char *path, enum mountfd_clone clone, struct error **err);

/* Adds MOUNT_ATTR_… flags and, unless 0, sets the propagation (MS_PRIVATE, …). */
int mountfd_restrict(int mount, enum mountfd_clone clone, uint64_t attributes, int propagation, struct error **err);

/* Attaches a detached mount onto what `target` (O_PATH) is. Both must be directories or both not. */
int mountfd_attach(int mount, int target, struct error **err);

/* A bind mount of `target` onto itself with further restrictions: how a part of a mount becomes read-only. */
int mountfd_restrict_place(int target, uint64_t attributes, struct error **err);

#endif
