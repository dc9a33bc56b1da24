/*
 * The user namespace that everything with layers happens in: entered once per process, while it has one thread.
 */
#ifndef COOPER_RUN_USERNS_H
#define COOPER_RUN_USERNS_H

#include "run/idmap.h"

/* True in a process that cooper (`cooper unshare`, or userns_enter() before) has put into its namespace. */
bool userns_is_inside(void);

/* Makes a user namespace with this map and a mount namespace of its own (its mounts are slaves of the host's), and
 * becomes root in it; supplementary groups are kept, for the files they open. A no-op inside. Sets the environment
 * variable by which programs started from here know (_COOPER_USERNS, and _CONTAINERS_USERNS_CONFIGURED for others').
 * Errors name the sysctl, package or profile that would help (user.max_user_namespaces,
 * kernel.apparmor_restrict_unprivileged_userns, uidmap, subuid). */
int userns_enter(const struct idmap *map, struct error **err);

/* True where AppArmor gives user namespaces to programs with a profile only (Ubuntu 24.04). */
bool userns_is_restricted_by_apparmor(void);

/* Not dumpable from here on: no process of our user may attach to us or read our memory. To be called when all maps
 * of children are written. */
void userns_seal(void);

#endif
