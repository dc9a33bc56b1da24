/*
 * config.json of a bundle (OCI runtime-spec 1.2, config.md and config-linux.md): a run_spec as an OCI runtime reads it.
 */
#ifndef COOPER_RUN_OCICONFIG_H
#define COOPER_RUN_OCICONFIG_H

#include "base/buf.h"
#include "run/spec.h"
#include "run/user.h"

struct oci_mount {
	char *type, *source, *target;
	struct strlist options;
};

struct oci_mounts {
	struct oci_mount *items;
	size_t count;
};

void oci_mounts_done(struct oci_mounts *mounts);
CLEANUP_FOR_VALUE(struct oci_mounts, oci_mounts_done)
/* Appends one; `options` is split at commas. Returns it for further options: valid until the next is added. */
struct oci_mount *oci_mounts_add(struct oci_mounts *mounts, const char *type, const char *source, const char *target,
				 const char *options);

/* What the spec leaves open and the child has found out. */
struct oci_facts {
	const char *root; /* path of the root in the bundle */
	const struct user *user;
	const uint32_t *groups; /* supplementary */
	size_t group_count;
	const struct strlist *env;
	const struct oci_mounts *mounts;
	const struct strlist *masked, *read_only; /* paths */
	bool own_pid, has_terminal;
};

/* -EINVAL when the seccomp rules of the spec are not JSON. */
int oci_config_write(const struct run_spec *spec, const struct oci_facts *facts, struct buf *text, struct error **err);

#endif
