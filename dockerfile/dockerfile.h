/*
 * A Dockerfile as a tree: directives, ARGs of the head, stages, instructions. Text in, values out; nothing is expanded,
 * nothing is looked up.
 *
 *	cleanup(dockerfile_free) struct dockerfile *file = NULL;
 *	rc = dockerfile_parse(text, size, "Dockerfile", &file, err);
 *	for (size_t i = 0; i < file->stage_count; i++)
 *		file->stages[i].from->from.image …
 *
 * Every error has its place and excerpt (diagnostic.h). Texts that come from here are the caller's to treat as hostile:
 * they hold no NUL, everything else may be in them.
 */
#ifndef COOPER_DOCKERFILE_DOCKERFILE_H
#define COOPER_DOCKERFILE_DOCKERFILE_H

#include "dockerfile/instruction.h"

#define DOCKERFILE_SIZE_MAX ((size_t)16 << 20)
#define DOCKERFILE_LINE_MAX ((size_t)65535)	     /* bytes of a physical line: BuildKit's */
#define DOCKERFILE_INSTRUCTION_MAX ((size_t)4 << 20) /* bytes of a logical line with its here-documents */
#define DOCKERFILE_INSTRUCTIONS_MAX 20000
#define DOCKERFILE_STAGES_MAX 1000
#define DOCKERFILE_PAIRS_MAX 10000 /* names that all ARG, ENV and LABEL set: lists are searched from end to end */

/* What a finding is about is a rule of lint.h by name; parsing sees some that later nobody could. */
struct finding {
	char *rule; /* "NoEmptyContinuation" */
	char *message;
	struct source_range range;
};

struct findings {
	struct finding *items;
	size_t count;
};

void findings_add(struct findings *findings, const char *rule, const struct source_range *range, const char *fmt, ...)
	PRINTF_LIKE(4, 5);
void findings_done(struct findings *findings);
CLEANUP_FOR_VALUE(struct findings, findings_done)

struct directives {
	char *syntax; /* never fetched; NULL */
	char *check;  /* "skip=A;error=true"; NULL */
	char escape;  /* '\\' or '`' */
	struct source_range check_range;
};

struct stage {
	size_t index;
	const char *name;	  /* in lower case, NULL; belongs to `from` */
	struct instruction *from; /* the FROM */
	struct instruction **instructions;
	size_t count;
};

struct dockerfile {
	struct source source;
	struct directives directives;
	struct instruction **args; /* ARG before the first FROM */
	size_t arg_count;
	struct stage *stages; /* at least one */
	size_t stage_count;
	size_t pair_count;	  /* of all ARG, ENV and LABEL */
	struct findings findings; /* of parsing */
	/* Of a file for checks that could not be parsed: why not, without a place; then it holds what stands above that
	 * place, and there may be no stage. NULL when it is whole. */
	char *failure;
	int failure_code; /* positive errno */
	struct source_range failure_range;
};

/* `text` need not end in NUL; `name` is for errors. -EINVAL, and -EFBIG past a limit. */
int dockerfile_parse(const char *text, size_t size, const char *name, struct dockerfile **file, struct error **err);
/* The same for --check, which has something to say of a file that is wrong, too: fails only for what is no text. */
int dockerfile_parse_for_checks(const char *text, size_t size, const char *name, struct dockerfile **file,
				struct error **err);
void dockerfile_free(struct dockerfile *file);
CLEANUP_FOR(struct dockerfile, dockerfile_free)

/* The stage of that name, any case: the last one before stage number `before` (SIZE_MAX: of all); NULL. */
const struct stage *dockerfile_stage(const struct dockerfile *file, const char *name, size_t before);
/* --target: a name, else a number; NULL is the last stage. -ENOENT with a suggestion. */
int dockerfile_target(const struct dockerfile *file, const char *target, const struct stage **stage,
		      struct error **err);
/* What COPY --from=X or --mount=from=X of stage `user` means inside the file: the stage, or NULL for a context or an
 * image. A number that is no stage, the stage itself, and a stage of that name further down are -EINVAL; numbers count
 * only for COPY (`may_be_number`). */
enum stage_reference { STAGE_BY_NAME, STAGE_BY_NAME_OR_NUMBER };
int dockerfile_from(const struct dockerfile *file, const struct stage *user, const char *reference,
		    enum stage_reference how, const struct stage **stage, struct error **err);
/* What is wrong with the sources of COPY and of mounts wherever it stands, needed by a target or not: a number that is
 * no stage, stages that need each other. -EINVAL, with the place in *place. */
int dockerfile_check_sources(const struct dockerfile *file, struct source_range *place, struct error **err);

#endif
