/*
 * What the files of containers share (container.c, container_make.c, containers.c), and commit.c with them.
 */
#ifndef COOPER_BUILDER_CONTAINER_INTERNAL_H
#define COOPER_BUILDER_CONTAINER_INTERNAL_H

#include "builder/container.h"

/* Makes the empty directory dir/upper, with the mode and owner of the root directory of the container's top layer. */
int container_make_upper(struct workshop *w, int dir, const struct container *c, struct error **err);

int container_write_state(int dirfd, const struct container *c, struct error **err);
/* By id, without a lock. */
int container_load(struct workshop *w, const char *id, struct container *c, struct error **err);

/* Called with each container's id, and the directory that they are all in; a negative result ends the walk. */
typedef int container_visit(int containers, const char *id, void *context, struct error **err);
/* In no order. That there are none yet is success. */
int containers_walk(struct workshop *w, container_visit *visit, void *context, struct error **err);

#endif
