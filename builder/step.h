/*
 * One command in a container: the container's configuration, its settings and the options of this run become a
 * run_spec.
 */
#ifndef COOPER_BUILDER_STEP_H
#define COOPER_BUILDER_STEP_H

#include "builder/container.h"
#include "run/spec.h"

struct mount_setting;
struct secret_grants;

struct step_options {
	const struct settings *settings; /* over the container's own */
	const struct strlist *argv;
	enum run_terminal terminal;
	const char *contextdir;		    /* relative sources of --mount and --volume; NULL = the working directory */
	int stdin_fd, stdout_fd, stderr_fd; /* -1: /dev/null, ours, ours */
	const struct mount_setting *mounts; /* further ones, read already (settings_parse.h) */
	size_t mount_count;
	const struct secret_grants *grants; /* what mounts of type secret and ssh may ask for (secret.h); NULL */
};
/* What of `settings` no step could have on this machine (without namespaces there are no limits, no private network,
 * …): -ENOTSUP, for who is about to begin something long. step_run() asks by itself. */
int step_check(struct workshop *w, const struct settings *settings, struct error **err);
/* The caller holds the container and is inside. result->message is the caller's to free. */
int step_run(struct workshop *w, const struct container *c, const struct step_options *options,
	     struct run_result *result, struct error **err);

#endif
