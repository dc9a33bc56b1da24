/*
 * Variables of a Dockerfile build: what ARG and ENV make visible where.
 *
 * Globals are the platform ARGs and those before the first FROM; a stage sees one only after it has declared it with
 * ARG. Inside a stage there is one environment, in which the later of an ENV and an ARG of the same name wins; what ENV
 * sets is also in the image, what ARG sets is not. A stage made from another one inherits its environment and its
 * declared ARGs, with the image's ENV put over them once more.
 */
#ifndef COOPER_BUILDER_BUILD_SCOPE_H
#define COOPER_BUILDER_BUILD_SCOPE_H

#include "base/strlist.h"
#include "dockerfile/dockerfile.h"
#include "imagefmt/platform.h"

struct build_globals {
	struct strlist given;	/* --build-arg as "K=V" */
	struct strlist args;	/* predefined ones, and those before the first FROM, "K=V" */
	struct strlist proxies; /* "K=V" of given proxy variables, in both cases: for RUN, never recorded */
	char escape;
};

void build_globals_done(struct build_globals *globals);
CLEANUP_FOR_VALUE(struct build_globals, build_globals_done)

struct build_globals_options {
	const struct strlist *build_args; /* "K=V", or "K" for our environment's; NULL */
	const struct platform *target_platform, *build_platform;
	const struct stage *target;
};
/* Errors have their place in the file. */
int build_globals_make(const struct dockerfile *file, const struct build_globals_options *options,
		       struct build_globals *globals, struct error **err);

/* An ARG that was declared in a stage. */
struct build_arg {
	char *key;
	char *value; /* NULL: nothing gives it one */
};

struct build_scope {
	struct strlist env; /* what the instructions and RUN see */
	struct build_arg *args;
	size_t arg_count;
};

void build_scope_done(struct build_scope *scope);
CLEANUP_FOR_VALUE(struct build_scope, build_scope_done)
/* The scope behind FROM: `base` is that of the stage it is made from, or NULL; `image_env` that of the image. */
void build_scope_begin(struct build_scope *scope, const struct build_scope *base, const struct strlist *image_env);
/* For expanding an instruction in this scope; borrows from it. */
struct expand_scope build_scope_expand(const struct build_scope *scope, char escape);
/* ARG: the value given, else the default, else the global. *text is what the history shows, "ARG a=1 b". */
int build_scope_arg(struct build_scope *scope, const struct build_globals *globals, const struct instruction *arg,
		    char **text, struct error **err);
/* "|2 A=1 B=2 " in front of a RUN in the history; "" without ARGs. Newly allocated. */
MUST_CHECK char *build_scope_prefix(const struct build_scope *scope);

#endif
