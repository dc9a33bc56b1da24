/*
 * Which stages a target needs, as far as the text tells: shared by lint and outline.
 */
#ifndef COOPER_DOCKERFILE_REACH_INTERNAL_H
#define COOPER_DOCKERFILE_REACH_INTERNAL_H

#include "dockerfile/dockerfile.h"

/* "KEY=VALUE" of the ARGs of the head: the build argument, else the default; those without a value are left out. What
 * `build_args` (may be NULL) holds of the predefined ones is there too. A default that fails is left out; then the
 * answer is false, and the first such failure is in *err, its place in *place (each may be NULL). */
bool head_values(const struct dockerfile *file, const struct strlist *build_args, struct strlist *values,
		 struct source_range *place, struct error **err);

/* TARGETPLATFORM and its like. */
bool is_predefined_arg(const char *name);

/* The earlier stage that FROM names, or NULL. */
const struct stage *stage_base(const struct dockerfile *file, const struct stage *stage, const struct strlist *head);

/* Sets needed[i] for each stage that the target needs, itself included; all when target is NULL. */
void stages_needed(const struct dockerfile *file, const struct stage *target, const struct strlist *head, bool *needed);

#endif
