/*
 * Names of containers: containers/by-name/<escaped name> is a symlink that holds the id. Changes happen under the lock
 * of the name table; a link whose container has no state is left over from a crash and counts as free.
 */
#ifndef COOPER_BUILDER_CONTAINER_NAME_H
#define COOPER_BUILDER_CONTAINER_NAME_H

#include "builder/container.h"

/* The lock under which names are taken and given away. */
MUST_CHECK int container_names_lock(struct workshop *w, struct error **err);
/* -ENOENT when nobody has the name. */
int container_name_find(struct workshop *w, const char *name, char id[CONTAINER_ID_SIZE], struct error **err);
/* -EINVAL for a name that scripts could not handle: none, with a leading '-' or '.', a '/' or a control character. */
int container_name_check(const char *name, struct error **err);
/* Links the name to the id; -EEXIST (Buildah's words) when another container has it. Under the lock. */
int container_name_take(struct workshop *w, const char *name, const char *id, struct error **err);
/* Takes `base`, or base-1, base-2, … whichever is free first. *name is newly allocated. Under the lock. */
int container_name_take_free(struct workshop *w, const char *base, const char *id, char **name, struct error **err);
void container_name_drop(struct workshop *w, const char *name);
/* Frees those that lead to no container: of commands that were killed. */
int container_names_forget(struct workshop *w, struct error **err);
bool container_id_is_valid(const char *text);

#endif
