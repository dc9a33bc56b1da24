/*
 * Roots that a mount reads from and that have no name of the user's: layers of a stage, a directory in which nothing
 * may lead out. As texts they stand in `from=` of the mounts that a kept container's settings have:
 *
 *	layers://sha256:…+sha256:…	lowest first
 *	root:///path			paths of the mount are resolved inside of it
 */
#ifndef COOPER_BUILDER_MOUNT_ROOT_H
#define COOPER_BUILDER_MOUNT_ROOT_H

#include "builder/rootfs.h"
#include "imagefmt/digest.h"

MUST_CHECK char *mount_root_of_layers(const struct digest *diff_ids, size_t count);
MUST_CHECK char *mount_root_of_directory(const char *path);
bool mount_root_is(const char *from);
/* Opens it, inside: a descriptor that the caller owns, and for layers what holds their mount (else NULL). -ENOENT names
 * the layer or directory that is gone. */
MUST_CHECK int mount_root_open(struct workshop *w, const char *from, struct rootfs **rootfs, struct error **err);

#endif
