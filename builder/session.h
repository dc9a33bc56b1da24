/*
 * A session: a `cooper unshare` with all that was started in it. Mounts of containers live in the session's mount
 * namespace and die with it; everybody else has to know whether it still lives.
 *
 * `cooper unshare` takes a lock (locks/session-<name>) on a descriptor that is not close-on-exec and puts the name into
 * the environment variable _COOPER_SESSION. Both are inherited, so the lock is held for as long as any descendant
 * lives, whatever happens to the first process. The name holds the inode number of the mount namespace: a variable that
 * was carried into another namespace is not taken for a session there; and the path of the lock, for commands that work
 * in other stores.
 */
#ifndef COOPER_BUILDER_SESSION_H
#define COOPER_BUILDER_SESSION_H

#include "builder/workshop.h"

#define SESSION_VARIABLE "_COOPER_SESSION"

/* Begins a session in this process's mount namespace (the process is inside). The lock's descriptor is left open for
 * all descendants; a caller that goes on alone closes it. A no-op inside a session, giving -1 in *fd. */
int unshare_session_start(struct workshop *workshop, int *fd, struct error **err);
/* The session that this process stands in, newly allocated, or NULL. */
MUST_CHECK char *unshare_session_current(struct workshop *workshop);
/* True while a process of that session lives. The lock file of a dead one is removed. */
bool unshare_session_is_alive(const char *name);

#endif
