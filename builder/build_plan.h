/*
 * The plan of a build: of the stages only those that the target needs, each behind those that it needs itself; in every
 * stage its instructions with everything expanded, the configuration that they lead to, and what each one reads. All
 * of the language is decided here, before anything is run or copied; what remains are layers.
 *
 * Images are asked for as they are met, also by triggers of other images: the resolver says what they are.
 */
#ifndef COOPER_BUILDER_BUILD_PLAN_H
#define COOPER_BUILDER_BUILD_PLAN_H

#include "builder/build_scope.h"
#include "imagefmt/config.h"

/* Where files or a base come from. */
enum plan_input_kind {
	INPUT_NONE,    /* scratch, or nothing is read */
	INPUT_CONTEXT, /* the build context */
	INPUT_NAMED,   /* --build-context with a directory: its number in the list */
	INPUT_STAGE,   /* number in the plan */
	INPUT_IMAGE    /* the resolver's number */
};
struct plan_input {
	enum plan_input_kind kind;
	size_t index;
};

struct plan_step {
	enum instruction_kind kind;
	struct instruction *instruction; /* expanded; NULL for ARG, whose words see each other */
	char *text;			 /* as written */
	struct source_range range;	 /* of a trigger: that of FROM */
	bool is_trigger;
	bool has_layer;
	size_t history; /* its entry in the stage's history, SIZE_MAX for none */
	/* Of those with a layer. */
	char *cwd, *user;	   /* before it; NULL */
	struct strlist argv;	   /* RUN */
	struct strlist env;	   /* RUN: without proxies and secrets */
	struct plan_input input;   /* COPY, ADD */
	struct plan_input *mounts; /* RUN: of each mount */
};

struct plan_stage {
	const struct stage *written;
	char *name; /* for people: its name, or "stage-2"; "" when there is only one */
	struct plan_input base;
	char *base_text;	    /* FROM's image, expanded */
	struct image_config config; /* without the layers that the steps will add */
	struct build_scope scope;
	bool cmd_is_set;
	bool no_cache;
	struct plan_step *steps;
	size_t step_count;
};

struct plan {
	struct plan_stage **stages; /* each behind those that it needs */
	size_t stage_count;
	size_t target;
};

/* A configuration and a number for an image that the file names. `platform` is what FROM says, or NULL. */
typedef int plan_resolve(void *context, const char *name, const struct platform *platform, size_t *index,
			 const struct image_config **config, struct error **err);

struct plan_options {
	const struct dockerfile *file;
	const struct build_globals *globals;
	const struct stage *target;
	const struct platform *platform;       /* of scratch */
	const struct strlist *named_contexts;  /* "name=where"; NULL */
	const struct strlist *no_cache_stages; /* NULL */
	bool no_cache;
	plan_resolve *resolve;
	void *resolve_context;
};

/* Errors have their place in the file. */
int plan_make(const struct plan_options *options, struct plan **plan, struct error **err);
void plan_free(struct plan *plan);
CLEANUP_FOR(struct plan, plan_free)

#endif
