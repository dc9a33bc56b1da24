/*
 * An overlay over layer trees, as a user namespace's root may mount it: userxattr, volatile, at most 500 lower layers
 * per mount (more are stacked: a lower layer may be an overlay itself). By fsconfig(lowerdir+) where the kernel has it
 * (6.8), else by mount(2) with short names.
 */
#ifndef COOPER_RUN_OVERLAY_H
#define COOPER_RUN_OVERLAY_H

#include "base/error.h"

#include <stdbool.h>

struct overlay_spec {
	const int *lowers; /* topmost first, at least one; opened in this mount namespace, as upper and scratch */
	size_t lower_count;
	int upper;   /* -1: read-only */
	int scratch; /* where a fresh work directory is made, or a spare one taken; on upper's file system */
};

/* Makes the mount without attaching it anywhere; gives its descriptor. The layers are to be opened in our own mount
 * namespace. On failure and for *work as overlay_mount(); *work is NULL for a read-only one. */
MUST_CHECK int overlay_open(const struct overlay_spec *spec, char **work, struct error **err);

/* Mounts it on the directory `target`. -EINVAL or -EPERM when this place cannot hold an overlay's upper (the error says
 * so). The work directory's name is put into *work (newly allocated, relative to scratch) for removal after umount. */
int overlay_mount(const struct overlay_spec *spec, int target, char **work, struct error **err);

/* When the mount is gone: empties the work directory and keeps it as the spare one of this scratch, because to make and
 * remove a directory on disk costs as much as a mount. What has more in it than an overlay leaves is removed. */
int overlay_put_back_work(int scratch, const char *name, struct error **err);

#endif
