/*
 * Limits by control groups, version 2 (Documentation/admin-guide/cgroup-v2.rst): possible where we stand in a subtree
 * that is delegated to us. Processes may only be in leaves, so what stands beside us, and we, move to one first.
 */
#ifndef COOPER_RUN_CGROUP_H
#define COOPER_RUN_CGROUP_H

#include "base/error.h"
#include "run/spec.h"

struct cgroup {
	int parent; /* -1: there is none */
	int dir;
	char *name; /* in parent */
};
#define CGROUP_INIT ((struct cgroup){.parent = -1, .dir = -1})

/* Makes a group with these limits. -EPERM, -ENOTSUP with the way to get a delegated subtree. */
int cgroup_open(const struct run_cgroup *limits, struct cgroup *group, struct error **err);
int cgroup_add(const struct cgroup *group, pid_t pid, struct error **err);
/* True when the kernel has killed something in it for want of memory. */
bool cgroup_was_out_of_memory(const struct cgroup *group);
/* Kills what is left in it and removes it. */
void cgroup_close(struct cgroup *group);

/* The text for a file of the group: "max" for UINT64_MAX. For tests. */
MUST_CHECK char *cgroup_number(uint64_t value);
/* cpu.weight (1..10000) for shares of version 1 (2..262144), as systemd and runc convert them. */
uint64_t cgroup_weight(uint64_t shares);

#endif
