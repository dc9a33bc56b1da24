/*
 * What `from` and `run` can be told about running, as the user wrote it: kept in the container, merged (run's over
 * from's), and turned into a run_spec by step.h, which is where each text is checked (settings_check() runs the same
 * checks early). Texts are in the syntax of the options of the same name.
 */
#ifndef COOPER_BUILDER_SETTINGS_H
#define COOPER_BUILDER_SETTINGS_H

#include "base/json.h"
#include "base/strlist.h"

struct settings {
	char *isolation, *network, *user, *workingdir, *hostname, *runtime;
	char *ipc, *pid, *uts, *cgroupns, *userns, *cgroup_parent;
	char *memory, *memory_swap, *cpu_period, *cpu_quota, *cpu_shares, *cpuset_cpus, *cpuset_mems, *pids_limit,
		*shm_size;
	char *disk_limit;
	char *http_proxy;				     /* "true" (default) or "false" */
	char *no_hosts, *no_hostname, *no_pivot, *read_only; /* "true", "false" or NULL */
	struct strlist env, volumes, mounts, cap_add, cap_drop, add_host, dns, dns_option, dns_search, devices, ulimit,
		security_opt, group_add, runtime_flags;
};

void settings_done(struct settings *s);
CLEANUP_FOR_VALUE(struct settings, settings_done)
/* Values of `over` replace, lists are appended. */
void settings_merge(struct settings *s, const struct settings *over);
void settings_copy(struct settings *to, const struct settings *from);
json_t *settings_to_json(const struct settings *s);
int settings_from_json(const struct json_place *at, struct settings *s, struct error **err);
/* -EINVAL names the option: what could never run is refused by `from` already. */
int settings_check(const struct settings *s, struct error **err);

#endif
