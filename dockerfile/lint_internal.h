/*
 * What the parts of a lint run share.
 */
#ifndef COOPER_DOCKERFILE_LINT_INTERNAL_H
#define COOPER_DOCKERFILE_LINT_INTERNAL_H

#include "dockerfile/lint.h"

/* What a stage has been found to be while walking it; stages made from it begin with a copy. */
struct lint_stage {
	struct strlist env;	  /* of the base image and of ENV */
	struct strlist args;	  /* values of ARG */
	struct strlist arg_names; /* declared, with or without a value */
	bool env_is_known;
	bool has_shell;
	bool has_workdir; /* an absolute one */
};

struct lint_run {
	const struct dockerfile *file;
	const struct lint_options *options;
	const struct strlist *head; /* values of the ARGs before the first FROM */
	struct findings *findings;
	struct lint_stage *stages; /* one for each */
};

void lint_found(const struct lint_run *run, const char *rule, const struct source_range *range, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

/* The checks of the file as a whole, and of FROM. */
void lint_file(const struct lint_run *run);
/* The checks of what stands in one stage; the stages above were walked before. */
void lint_stage(const struct lint_run *run, const struct stage *stage);
/* "name (did you mean …?)" for names of a "KEY=VALUE" list or plain names. */
const char *lint_suggest(const char *name, const struct strlist *const *lists, size_t count, char **owned);

#endif
