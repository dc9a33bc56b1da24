/*
 * Resource limits of a step: defaults, and the text forms of --ulimit and of sizes of cgroups.
 */
#ifndef COOPER_RUN_LIMITS_H
#define COOPER_RUN_LIMITS_H

#include "run/spec.h"

/* "nofile=1024:2048", "nproc=100", "core=-1" (unlimited), "host" (leave ours: sets *keep_host). -EINVAL. */
int limit_parse(const char *text, struct run_limit *limit, bool *keep_host, struct error **err);

#endif
