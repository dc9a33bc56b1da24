/*
 * BuildKit's 22 checks by their names. The file's `# check=` says which are skipped and whether findings are errors;
 * a build argument may replace it. Further down, `# check=skip=A,B // why` right above an instruction speaks of that
 * instruction alone.
 *
 * lint_run() finds what the text shows. The planner adds what only it knows with lint_add(): InvalidBaseImagePlatform,
 * and UndefinedVar where lint_run() was not told a base image's environment.
 */
#ifndef COOPER_DOCKERFILE_LINT_H
#define COOPER_DOCKERFILE_LINT_H

#include "dockerfile/dockerfile.h"
#include "dockerfile/ignore.h"

#define LINT_FINDINGS_MAX 1000 /* more nobody reads */

struct lint_rule {
	const char *name;
	const char *description;
	const char *url; /* of its page in Docker's documentation; NULL */
	bool is_deprecation;
	bool is_experimental; /* only when asked for */
};

/* All of them, in BuildKit's order; *count is how many. */
const struct lint_rule *lint_rules(size_t *count);
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

struct lint_options {
	const struct lint_config *config;
	const struct strlist *build_args; /* "KEY=VALUE" of --build-arg, and TARGETARCH and its like; NULL */
	/* Environment of each stage's base image, by stage index: NULL where it is unknown, and then UndefinedVar is
	 * not looked for in that stage and those made from it. NULL: unknown for all but scratch. */
	const struct strlist *const *base_envs;
	const struct ignore_rules *ignore; /* of the build context; NULL */
	const struct stage *target;	   /* only it and what it needs; NULL: all */
};

/* Appends what is found, in the order of the lines, also what parsing found (file->findings); skipped rules are left
 * out. Never fails: what the build will refuse is not lint's to report. */
void lint_run(const struct dockerfile *file, const struct lint_options *options, struct findings *findings);
/* One finding of the planner's, unless the rule is skipped, in all of the file or by a comment above that place. */
void lint_add(struct findings *findings, const struct lint_config *config, const struct dockerfile *file,
	      const char *rule, const struct source_range *range, const char *fmt, ...) PRINTF_LIKE(6, 7);

/* As `build --check` prints them: warning, description, page, excerpt. */
void lint_format(const struct dockerfile *file, const struct findings *findings, struct buf *into);

#endif
