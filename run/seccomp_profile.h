/*
 * A user's list of system calls in Docker's JSON format (moby profiles/seccomp; what Podman ships and Kubernetes nodes
 * have is the same, and the "seccomp" object of an OCI config.json is read too).
 */
#ifndef COOPER_RUN_SECCOMP_PROFILE_H
#define COOPER_RUN_SECCOMP_PROFILE_H

#include "run/seccomp_policy.h"

#define SECCOMP_PROFILE_SIZE_MAX ((size_t)4 << 20)

/* Reads the profile for a subject into an empty policy. -EINVAL names the place of an unknown action, operator,
 * architecture, errno or flag, and of what cannot be served: SCMP_ACT_NOTIFY and SCMP_ACT_TRACE need somebody who
 * answers. System calls that nobody knows are kept: seccomp_compile() skips them. `name` stands in errors. */
int seccomp_profile_parse(const char *text, size_t size, const char *name, const struct seccomp_subject *subject,
			  struct seccomp_policy *policy, struct error **err);

#endif
