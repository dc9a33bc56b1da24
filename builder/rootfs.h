/*
 * A container's root file system: its layers with its upper directory on them.
 *
 * Three uses: mounted for the user (`cooper mount`, lives as long as the mount namespace of the `cooper unshare`
 * session), opened for a moment by copy and commit, or handed to run_step() as layers. A container that is mounted in
 * this namespace is always used through that mount; one that is mounted in another session is refused (-EBUSY, with
 * the session's pid): two overlays on one upper directory are undefined. Who has it mounted stands in
 * containers/<id>/mounted; what a session wrote there that lives no more (builder/session.h) is ignored.
 *
 * All of these are called by who holds the container.
 */
#ifndef COOPER_BUILDER_ROOTFS_H
#define COOPER_BUILDER_ROOTFS_H

#include "builder/container.h"
#include "builder/rootcopy.h"
#include "run/spec.h"

/* Mounts it at containers/<id>/merged; *path newly allocated. A container without layers below needs no mount: its
 * upper directory is given, also outside the user namespace. Otherwise, outside: -EPERM, the error names
 * `cooper unshare`. Mounts nest by count. */
int rootfs_mount(struct workshop *w, const struct container *c, char **path, struct error **err);
/* Takes one mount back (all of them with `all`); -EINVAL when it is not mounted here. */
int rootfs_umount(struct workshop *w, const struct container *c, bool all, struct error **err);
/* Where it is mounted in this namespace, newly allocated, or NULL. */
MUST_CHECK char *rootfs_mounted_path(struct workshop *w, const struct container *c);
/* For commit: takes the overlay of this session away for a moment and puts it back at the same place, over the layers
 * that the container then has. -EBUSY when somebody works in it: nothing has changed then. `was_mounted` tells whether
 * there was anything to put back. */
int rootfs_suspend(struct workshop *w, const struct container *c, bool *was_mounted, struct error **err);
int rootfs_resume(struct workshop *w, const struct container *c, struct error **err);
/* -EBUSY when another live session has it mounted. */
int rootfs_check_free(struct workshop *w, const struct container *c, struct error **err);
/* -EUCLEAN when it was first used with other ids than there are now: owners would be shown, and kept, wrong. Opening a
 * root checks that; who looks into it in another way asks first. */
int rootfs_check_ids(struct workshop *w, const struct container *c, struct error **err);

/* A root opened for reading and writing; where it needs a mount, that is attached nowhere and goes with the struct. */
struct rootfs;
/* Its files may be shared with layers (builder/rootcopy.h): they are read or replaced, never written into. */
int rootfs_open(struct workshop *w, const struct container *c, struct rootfs **rootfs, struct error **err);
/* Before somebody else writes there: no file is shared any more, now and later. */
int rootfs_own(struct workshop *w, const struct container *c, struct error **err);
/* The same for an image, read-only (COPY --from, mount --mount from=). */
int rootfs_open_image(struct workshop *w, const struct image *image, struct rootfs **rootfs, struct error **err);
int rootfs_fd(const struct rootfs *rootfs); /* borrowed directory descriptor */
/* The layers were copied for it: what is known of them by inode is not known of this. */
bool rootfs_is_copied(const struct rootfs *rootfs);
void rootfs_close(struct rootfs *rootfs);
CLEANUP_FOR(struct rootfs, rootfs_close)

/* What run_step() needs; descriptors are owned by `layers` and closed by rootfs_layers_done(). */
struct rootfs_layers {
	struct run_root root;
	int *lowers;
	size_t lower_count;
	int upper, scratch, mounted;
	struct rootcopy_links shared;
};
#define ROOTFS_LAYERS_INIT ((struct rootfs_layers){.upper = -1, .scratch = -1, .mounted = -1})
int rootfs_layers_open(struct workshop *w, const struct container *c, struct rootfs_layers *layers, struct error **err);
void rootfs_layers_done(struct rootfs_layers *layers);
CLEANUP_FOR_VALUE(struct rootfs_layers, rootfs_layers_done)

#endif
