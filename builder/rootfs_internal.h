/*
 * What rootfs.c (layers, and roots opened for a moment) and rootfs_mount.c (roots mounted for the user) share.
 */
#ifndef COOPER_BUILDER_ROOTFS_INTERNAL_H
#define COOPER_BUILDER_ROOTFS_INTERNAL_H

#include "builder/rootfs.h"
#include "run/overlay.h"

/* ---- rootfs.c ---- */
/* True when the container's root is a copy of its layers, made where overlays are refused (rootcopy.h). */
bool rootfs_has_copy(struct workshop *w, const struct container *c);
/* Adds the trees of these layers to `layers`, topmost first. */
int rootfs_open_lowers(struct workshop *w, const struct digest *diff_ids, size_t count, struct rootfs_layers *layers,
		       struct error **err);
/* Fills in the upper directory and scratch, which is made when it is missing. */
int rootfs_open_upper(struct workshop *w, const struct container *c, struct rootfs_layers *layers, struct error **err);
/* How overlayfs gets them; borrowed from `layers`. */
struct overlay_spec rootfs_overlay_spec(const struct rootfs_layers *layers);

/* ---- rootfs_mount.c ---- */
/* Where this session has the container's overlay, newly allocated, or NULL. */
MUST_CHECK char *rootfs_overlay_path(struct workshop *w, const struct container *c);

#endif
