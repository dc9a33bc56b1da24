/*
 * A step run by somebody else: an OCI runtime, for those who must have one (--runtime). The step's first process does
 * what only we can: the user namespace, the root, the network, the places to mount on. Then it becomes, under our init
 * and in a pid namespace of ours, "<runtime> run --bundle …" with a config.json (runtime-spec 1.2) that says the rest.
 * So the step ends with us, however we end: the kernel takes the namespace down.
 *
 * What differs from a step of our own: the command is the first process of its pid namespace itself (a signal that it
 * does not handle does not end it); its filter is compiled by the runtime, each time.
 */
#ifndef COOPER_RUN_OCIRUNTIME_H
#define COOPER_RUN_OCIRUNTIME_H

#include "base/error.h"
#include "base/strlist.h"

#include <stdbool.h>

/* -EINVAL unless the program's name is one whose command line we know: crun, runc. */
int ociruntime_check(const char *name, struct error **err);
/* The program's full path, newly allocated; -EINVAL as above, -ENOENT when it is not installed. */
int ociruntime_find(const char *name, char **program, struct error **err);
/* Its command line for the bundle in the directory `bundle`. */
void ociruntime_arguments(const char *program, const struct strlist *flags, const char *bundle, bool no_pivot,
			  struct strlist *argv);
/* In the bundle: written by the runtime when the command is about to start. */
#define OCIRUNTIME_PID_FILE "pid"

#endif
