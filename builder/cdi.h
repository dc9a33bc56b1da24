/*
 * Devices by the names of the Container Device Interface ("vendor.com/class=name", "…=all"): the machine's
 * administrator describes in JSON or YAML files what a container needs for one: device nodes, mounts, variables.
 *
 * Read are /etc/cdi and /var/run/cdi, the second over the first, or the directories of COOPER_CDI_SPEC_DIRS (with
 * colons between, the later over the earlier). Hooks are programs that an OCI runtime would run on the host; they are
 * not run, which a warning says.
 */
#ifndef COOPER_BUILDER_CDI_H
#define COOPER_BUILDER_CDI_H

#include "builder/settings.h"

/* "vendor/class=name" and not a path. */
bool cdi_is_name(const char *text);
/* Replaces each such name in settings->devices by what it stands for, in devices, volumes and env. -ENOENT names a
 * device that no file describes, and the directories that were read; -EINVAL a file that is wrong. */
int cdi_expand(struct settings *settings, struct error **err);
/* Is there such a device? A negative errno when a file is wrong. */
int cdi_find(const char *name, bool *found, struct error **err);

#endif
