/*
 * state.json: a container as text and back.
 */
#ifndef COOPER_BUILDER_CONTAINER_STATE_H
#define COOPER_BUILDER_CONTAINER_STATE_H

#include "builder/container.h"

#define CONTAINER_STATE_SIZE_MAX ((size_t)16 << 20)

/* The value is the caller's. */
int container_state_format(const struct container *c, json_t **root, struct error **err);
/* `what` names the document in errors. */
int container_state_parse(const json_t *root, const char *what, struct container *c, struct error **err);

#endif
