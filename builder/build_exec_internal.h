/*
 * What the files of RUN share: build_exec.c has its course, build_mounts.c opens what its --mount name, debug_shell.c
 * what is done with a step that failed.
 */
#ifndef COOPER_BUILDER_BUILD_EXEC_INTERNAL_H
#define COOPER_BUILDER_BUILD_EXEC_INTERNAL_H

#include "builder/build_internal.h"
#include "builder/build_mask.h"
#include "builder/secret.h"
#include "builder/settings_parse.h"

/* What one RUN borrows and gives back. */
struct run_job {
	struct build *build;
	const struct plan_step *step;
	struct settings settings;
	struct secret_room secrets;
	struct build_mask mask;
	struct mount_setting *mounts;
	size_t mount_count;
	struct build_root *roots; /* of the mounts, by number */
	int *fds;		  /* what the settings' `root` points to; owned where the root has no mount */
	struct stage_run *asides; /* containers that hold what is left of a context, by number */
	char *script;		  /* directory in tmp/ */
};

/* ---- build_mounts.c ---- */

/* Opens what the instruction mounts, and its script. */
int build_mounts_add(struct run_job *job, struct error **err);
/* What a mount of type secret or ssh asks for. */
void build_mounts_describe_shown(const struct run_job *job, const struct file_mount *mount,
				 struct mount_setting *setting);
/* Gives back what build_mounts_add() took. */
void build_mounts_done(struct run_job *job);

#endif
