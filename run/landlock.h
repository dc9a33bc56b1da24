/*
 * The domain of a translated step (landlock(7)): it opens, makes and removes nothing by itself. All that it has comes
 * as descriptors from the supervisor, whose rights go with them; the one thing that it does by name is to bind a
 * socket.
 */
#ifndef COOPER_RUN_LANDLOCK_H
#define COOPER_RUN_LANDLOCK_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Restricts the calling thread, which has no_new_privs. Sockets may be bound below `trees`. -ENOTSUP where the kernel
 * has no Landlock. */
int landlock_confine(const int *trees, size_t count, struct error **err);
/* Signals and abstract sockets stay inside of a domain (Linux 6.12). */
bool landlock_has_scopes(void);

#endif
