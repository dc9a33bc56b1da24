/*
 * How much can be done at once: the processors that the scheduler would give us, which in a pod are fewer than the
 * machine has.
 */
#ifndef COOPER_BASE_PROCESSORS_H
#define COOPER_BASE_PROCESSORS_H

#include <stddef.h>

/* At least 1: those of our affinity (cpusets are in it), or fewer where a control group of ours grants less time.
 * Looked up once. */
size_t process_processors(void);
/* The processors whose time the groups grant that `groups` names, rounded up, SIZE_MAX without a limit: `groups` is the
 * text of /proc/self/cgroup (cgroups(7)), `mounted` where the hierarchies are, /sys/fs/cgroup. Groups above count too.
 * Of a container's groups, which it may not see by these names, the topmost is taken that it does see. */
size_t processors_granted(const char *groups, const char *mounted);

#endif
