/*
 * A directory in memory for what one step is shown and nobody keeps: a file system of its own where one can be mounted,
 * else a part of /dev/shm. There a process that is killed leaves it behind, and the next one that makes such a
 * directory takes it away: it is locked while somebody lives who needs it.
 */
#ifndef COOPER_BUILDER_SECRET_PLACE_H
#define COOPER_BUILDER_SECRET_PLACE_H

#include "builder/workshop.h"

/* Nothing when *fd is open already. *path is newly allocated. -ENOTSUP where there is no place in memory. */
int secret_place_open(struct workshop *w, int *fd, char **path, struct error **err);
/* With all that is in it. Leaves -1 and NULL. */
void secret_place_close(struct workshop *w, int *fd, char **path);

#endif
