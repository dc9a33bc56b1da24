/*
 * What commit.c shares with container.c.
 */
#ifndef COOPER_BUILDER_CONTAINER_INTERNAL_H
#define COOPER_BUILDER_CONTAINER_INTERNAL_H

#include "builder/container.h"

/* Makes the empty directory dir/upper, with the mode and owner of the root directory of the container's top layer. */
int container_make_upper(struct workshop *w, int dir, const struct container *c, struct error **err);

#endif
