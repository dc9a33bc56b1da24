/*
 * Resource limits of a step: defaults, and the text forms of --ulimit and of sizes of cgroups.
 */
#ifndef COOPER_RUN_LIMITS_H
#define COOPER_RUN_LIMITS_H

#include "run/spec.h"

/* "nofile=1024:2048", "nproc=100", "core=-1" (unlimited), "host" (leave ours: sets *keep_host). -EINVAL. */
int limit_parse(const char *text, struct run_limit *limit, bool *keep_host, struct error **err);

/* The limit on descriptors is in the way of whoever has still something to open. */
enum limits_part { LIMITS_BUT_FILES, LIMITS_FILES };

/* Sets the limits of this process: the defaults (nofile 1024:524288, core 0, nproc 32768, each no higher than our own
 * hard limit allows), then those given. A given one that cannot be had is an error that names it. */
int limits_apply(const struct run_limit *limits, size_t count, enum limits_part part, struct error **err);

/* What limits_apply() would set in all, one entry for each resource; newly allocated. */
int limits_resolve(const struct run_limit *limits, size_t count, struct run_limit **resolved, size_t *resolved_count,
		   struct error **err);

/* "nofile" for RLIMIT_NOFILE; "?" for what has no name. */
const char *limit_name(int resource);

#endif
