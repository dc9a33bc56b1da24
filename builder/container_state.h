/*
 * state.json: a container as text and back, but for what lies in its file of layers.
 */
#ifndef COOPER_BUILDER_CONTAINER_STATE_H
#define COOPER_BUILDER_CONTAINER_STATE_H

#include "builder/container.h"

#define CONTAINER_STATE_SIZE_MAX ((size_t)16 << 20)

/* The value is the caller's. `base` is the name of the container's file of layers. */
int container_state_format(const struct container *c, const char *base, json_t **root, struct error **err);
/* `what` names the document in errors. *base is that name, newly allocated: what is in there is still missing then. A
 * state of earlier versions is whole, and has none: NULL. */
int container_state_parse(const json_t *root, const char *what, struct container *c, char **base, struct error **err);

#endif
