/*
 * What a Dockerfile offers, for --call=targets and --call=outline: stages with their comments, and for one target its
 * arguments, secrets, ssh keys and cache mounts.
 */
#ifndef COOPER_DOCKERFILE_OUTLINE_H
#define COOPER_DOCKERFILE_OUTLINE_H

#include "dockerfile/dockerfile.h"

struct outline_target {
	char *name;	   /* NULL when the stage has none */
	char *description; /* the comment above that starts with the name; NULL */
	char *base;	   /* of FROM, as written */
	char *platform;	   /* NULL */
	bool is_default;
	struct source_range range;
};

struct outline_targets {
	struct outline_target *items;
	size_t count;
};

void outline_targets_done(struct outline_targets *targets);
CLEANUP_FOR_VALUE(struct outline_targets, outline_targets_done)
void outline_targets_list(const struct dockerfile *file, struct outline_targets *targets);

struct outline_arg {
	char *name;
	char *description; /* NULL */
	char *value;	   /* default, expanded as far as the file tells, or the build argument; NULL */
	struct source_range range;
};

struct outline_mount {
	char *name; /* id of the secret, ssh key or cache */
	bool required;
	struct source_range range;
};

struct outline {
	char *name;	   /* of the target; NULL */
	char *description; /* NULL */
	struct outline_arg *args;
	size_t arg_count;
	struct outline_mount *secrets;
	size_t secret_count;
	struct outline_mount *ssh;
	size_t ssh_count;
	struct outline_mount *caches;
	size_t cache_count;
};

void outline_done(struct outline *outline);
CLEANUP_FOR_VALUE(struct outline, outline_done)
/* Of a target and the stages it needs, in the order of the lines. `build_args` (--build-arg, and TARGETARCH and its
 * like) may be NULL. */
void outline_make(const struct dockerfile *file, const struct stage *target, const struct strlist *build_args,
		  struct outline *outline);

#endif
