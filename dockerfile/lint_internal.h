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
	struct lint_failure *failure;
	struct lint_stage *stages; /* one for each */
};

void lint_found(const struct lint_run *run, const char *rule, const struct source_range *range, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

/* Remembers what would end the build, without its place; the first one counts. */
void lint_failed(const struct lint_run *run, const struct source_range *range, const struct error *err);
bool lint_has_failed(const struct lint_run *run);

/* The checks in BuildKit's order, each up to the first failure. Those that go with parsing: of single instructions,
 * wherever they stand. */
void lint_parsed(const struct lint_run *run);
/* Of the file as a whole, and of FROM. */
void lint_file(const struct lint_run *run);
/* Of the images that FROM names if nobody gives a --build-arg, and of one FROM as the build has it. */
void lint_from_defaults(const struct lint_run *run);
void lint_from(const struct lint_run *run, const struct stage *stage);
/* Of what stands in one stage; the stages above were walked before. */
void lint_stage(const struct lint_run *run, const struct stage *stage);
/* The nearest of the names of "KEY=VALUE" lists; NULL when none is near. */
const char *lint_suggest(const char *name, const struct strlist *const *lists, size_t count, char **owned);

#endif
