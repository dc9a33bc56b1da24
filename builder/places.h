/*
 * A tree of nothing but places to mount on: /proc, /sys, /dev, and the files of /etc and /run that a step is shown.
 * Laid under a container's layers as the lowest of all, it gives an image what it lacks of them without a trace: else
 * each would be made in the upper directory and removed after the step (run/stubs.h), with the /etc or /run that
 * overlayfs copies up for it. That costs more than all mounts together, and no image has /run/.containerenv.
 *
 * What it has is mounted on in every step that stands on it, so no step can remove or rename it, and none can see it.
 */
#ifndef COOPER_BUILDER_PLACES_H
#define COOPER_BUILDER_PLACES_H

#include "builder/workshop.h"
#include "run/spec.h"

/* Opens the tree for a step that is shown these files, from the store's cache, where it is made when it is missing. In
 * the user namespace. The descriptor, or -errno, which is no loss but of time. */
MUST_CHECK int places_open(struct workshop *w, const struct run_spec *spec);

#endif
