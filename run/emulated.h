/*
 * A program of the user's own, in our namespaces and among our files, under the root emulation (emulation.h): what
 * `cooper unshare` starts where one id is mapped, or where there is no user namespace. What runs under it can have no
 * second listener, so steps of containers cannot be its children; and where we may not load a filter otherwise, it gets
 * no rights by an exec (no_new_privs).
 */
#ifndef COOPER_RUN_EMULATED_H
#define COOPER_RUN_EMULATED_H

#include "run/emulation.h"

/* As fork(2): in the child *pid is 0, the filter is loaded, and all that it calls from then on waits for our answer
 * (emulation_supervisor(), supervisor_serve()); *emulation is set in the parent. -EBUSY where a filter around us has a
 * listener; then nothing was started. */
int emulated_fork(const struct emulation_options *options, struct emulation **emulation, pid_t *pid,
		  struct error **err);

#endif
