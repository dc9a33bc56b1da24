/*
 * BuildKit's 22 checks by their names. The file's `# check=` says which are skipped and whether findings are errors;
 * a build argument may replace it. Further down, `# check=skip=A,B // why` right above an instruction speaks of that
 * instruction alone.
 *
 * lint_run() finds what the text shows. The caller adds what only it knows with lint_add(): InvalidBaseImagePlatform.
 */
#ifndef COOPER_DOCKERFILE_LINT_H
#define COOPER_DOCKERFILE_LINT_H

#include "dockerfile/dockerfile.h"
#include "dockerfile/ignore.h"

#define LINT_FINDINGS_MAX 1000 /* more nobody reads */

struct lint_rule {
	const char *name;
	const char *description;
	const char *url;      /* of its page in Docker's documentation; NULL */
	bool is_experimental; /* only when asked for */
};

/* NULL when there is none of that name. */
const struct lint_rule *lint_rule_find(const char *name);

/* "skip=A,B;error=true;experimental=C", "skip=all". */
struct lint_config {
	struct strlist skip;
	struct strlist experimental;
	bool skip_all;
	bool experimental_all;
	bool error; /* findings fail the build */
};

void lint_config_done(struct lint_config *config);
CLEANUP_FOR_VALUE(struct lint_config, lint_config_done)
/* NULL text is the default. -EINVAL for unknown keys or values. */
int lint_config_parse(const char *text, struct lint_config *config, struct error **err);

/* What is known of the image that a stage begins with. */
struct lint_base {
	const struct strlist *env; /* NULL: the image is not known */
	bool has_shell;
};

struct lint_options {
	const struct lint_config *config;
	const struct strlist *build_args; /* "KEY=VALUE" of --build-arg, and TARGETARCH and its like; NULL */
	/* The base image of each stage, by stage index. Where it is unknown, nothing that depends on its environment is
	 * looked for in that stage and those made from it. NULL: unknown for all but scratch. */
	const struct lint_base *bases;
	const struct ignore_rules *ignore; /* of the build context; NULL */
	const struct stage *target;	   /* only it and what it needs; NULL: all */
	bool is_file_only;		   /* stages are not looked into: there is no such target */
};

/* What would end a build of these stages, as far as the text tells. */
struct lint_failure {
	char *message; /* without its place; NULL: nothing would */
	struct source_range range;
};

void lint_failure_done(struct lint_failure *failure);
CLEANUP_FOR_VALUE(struct lint_failure, lint_failure_done)

/* Appends what is found, in the order of the lines, also what parsing found (file->findings); skipped rules are left
 * out. *failure (empty before; may be NULL) gets the first thing that a build would be refused for: what BuildKit would
 * have looked at only after it is then left out. */
void lint_run(const struct dockerfile *file, const struct lint_options *options, struct findings *findings,
	      struct lint_failure *failure);
/* One finding of the planner's, unless the rule is skipped, in all of the file or by a comment above that place. */
void lint_add(struct findings *findings, const struct lint_config *config, const struct dockerfile *file,
	      const char *rule, const struct source_range *range, const char *fmt, ...) PRINTF_LIKE(6, 7);

/* As `build --check` prints them: warning, description, page, excerpt. */
void lint_format(const struct dockerfile *file, const struct findings *findings, struct buf *into);

#endif
