/*
 * The door of a Dockerfile build: the plan, then what the cache knows, then the rest, then the image.
 */
#include "builder/build.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "builder/build_epoch.h"
#include "builder/build_internal.h"
#include "builder/step.h"

static void build_done(struct build *build)
{
	size_t stages = build->plan ? build->plan->stage_count : 0;
	size_t named = build->options->named_contexts ? build->options->named_contexts->count : 0;

	for (size_t i = 0; build->stages && i < stages; i++)
		stage_run_done(&build->stages[i]);
	free(build->stages);
	if (build->directories) {
		build_directories_save(build);
		/* The first is the caller's. */
		for (size_t i = 1; i <= named; i++)
			build_context_close(build->directories[i].context);
	}
	free(build->directories);
	build_remotes_done(&build->remotes);
	if (build->imports)
		cache_imports_free(build->imports);
	plan_free(build->plan);
	for (size_t i = 0; i < build->image_count; i++)
		build_image_free(build->images[i]);
	free(build->images);
	build_globals_done(&build->globals);
	platform_done(&build->platform);
	free(build->platform_name);
}

/* ---- plan -----------------------------------------------------------------------------------------------------------
 */

/* A word of some ARG of the file, whether its stage is built or not. */
static bool is_declared(const struct dockerfile *file, const char *key)
{
	for (size_t i = 0; i < file->stage_count; i++) {
		const struct stage *stage = &file->stages[i];
		for (size_t k = 0; k < stage->count; k++) {
			const struct instruction *arg = stage->instructions[k];
			for (size_t n = 0; arg->kind == INSTRUCTION_ARG && n < arg->pairs.count; n++)
				if (strcmp(arg->pairs.items[n].key, key) == 0)
					return true;
		}
	}
	return false;
}

/* Or of a trigger. */
static bool is_in_scope(const struct plan *plan, const char *key)
{
	for (size_t i = 0; i < plan->stage_count; i++)
		for (size_t k = 0; k < plan->stages[i]->scope.arg_count; k++)
			if (strcmp(plan->stages[i]->scope.args[k].key, key) == 0)
				return true;
	return false;
}

/* A mistyped --build-arg has no other effect than this warning. */
static void warn_of_unused(const struct build *build)
{
	const struct build_globals *globals = &build->globals;
	cleanup(strlist_done) struct strlist unused = {0};

	for (size_t i = 0; i < globals->given.count; i++) {
		const char *text = globals->given.items[i];
		cleanup_free char *key = mem_strndup(text, strcspn(text, "="));
		/* Predefined, of the head of the file, or for the builder. */
		bool is_used = strlist_env_get(&globals->args, key) || strlist_env_get(&globals->proxies, key) ||
			       text_has_prefix(key, "BUILDKIT_") || strcmp(key, "SOURCE_DATE_EPOCH") == 0;
		if (!is_used && !is_declared(build->options->file, key) && !is_in_scope(build->plan, key))
			strlist_append(&unused, key);
	}
	cleanup_free char *keys = strlist_join(&unused, " ");
	if (unused.count && !build->options->quiet)
		log_warn("one or more build args were not consumed: [%s]", keys);
}

static int make_plan(struct build *build, struct error **err)
{
	const struct build_options *options = build->options;
	const struct stage *target = NULL;
	cleanup(platform_done) struct platform host = {0};

	platform_host(&host);
	if (options->platform)
		platform_copy(&build->platform, options->platform);
	else
		platform_host(&build->platform);
	platform_complete(&build->platform);
	int rc = dockerfile_target(options->file, options->target, &target, err);
	if (rc < 0)
		return rc;
	const struct build_globals_options globals = {.build_args = options->build_args,
						      .target_platform = &build->platform,
						      .build_platform = &host,
						      .target = target};
	rc = build_globals_make(options->file, &globals, &build->globals, err);
	if (rc < 0)
		return rc;
	rc = build_epoch_resolve(build->w, options, &build->globals, &build->epoch, err);
	if (rc < 0)
		return rc;
	const struct plan_options plan = {
		.file = options->file,
		.globals = &build->globals,
		.target = target,
		.platform = &build->platform,
		.named_contexts = options->named_contexts,
		.no_cache_stages = options->no_cache_stages,
		.no_cache = options->no_cache,
		.resolve = build_resolve_image,
		.resolve_context = build,
	};
	rc = plan_make(&plan, &build->plan, err);
	if (rc >= 0)
		warn_of_unused(build);
	return rc;
}

/* Directories of --build-context are opened here, where the user's network and credentials are. */
static int open_directories(struct build *build, struct error **err)
{
	size_t named = build->options->named_contexts ? build->options->named_contexts->count : 0;

	build->directories = mem_alloc((named + 1) * sizeof(*build->directories));
	build->directories[0].context = build->options->context;
	for (size_t i = 0; i < build->plan->stage_count; i++) {
		const struct plan_stage *stage = build->plan->stages[i];
		for (size_t k = 0; k < stage->step_count; k++) {
			const struct plan_step *step = &stage->steps[k];
			struct build_directory *directory = NULL;
			size_t mounts = step->mounts ? step->instruction->run.mount_count : 0;
			int rc = 0;
			if (step->input.kind == INPUT_NAMED)
				rc = build_directory_open(build, &step->input, &directory, err);
			for (size_t m = 0; rc >= 0 && m < mounts; m++)
				if (step->mounts[m].kind == INPUT_NAMED)
					rc = build_directory_open(build, &step->mounts[m], &directory, err);
			if (rc < 0)
				return source_error(&build->options->file->source, &step->range, err);
		}
	}
	return 0;
}

/* ---- stages ---------------------------------------------------------------------------------------------------------
 */

static int look_up_stages(struct build *build, struct error **err)
{
	const struct plan *plan = build->plan;
	int rc = 0;

	build->stages = mem_alloc(plan->stage_count * sizeof(*build->stages));
	for (size_t i = 0; i < plan->stage_count; i++)
		stage_run_init(&build->stages[i], plan, i);
	for (size_t i = 0; rc >= 0 && i < plan->stage_count; i++)
		rc = stage_run_look_up(build, &build->stages[i], err);
	return rc;
}

bool builds_are_done(const struct builds *builds)
{
	for (size_t i = 0; i < builds->count; i++)
		if (!stage_run_is_done(&builds->items[i].stages[builds->items[i].plan->target]))
			return false;
	return true;
}

/* What no RUN could have here is said before the first of them is reached. */
static int check_steps(const struct build *build, struct error **err)
{
	for (size_t i = 0; i < build->plan->stage_count; i++)
		for (size_t k = 0; k < build->plan->stages[i]->step_count; k++)
			if (build->plan->stages[i]->steps[k].kind == INSTRUCTION_RUN)
				return build->options->settings ? step_check(build->w, build->options->settings, err)
								: 0;
	return 0;
}

/* ---- the flow -------------------------------------------------------------------------------------------------------
 */

/* Everything that happens before something is made. */
static int prepare(struct build *build, struct build_result *made, struct error **err)
{
	const struct build_options *options = build->options;

	build->began_ms = clock_ms();
	int rc = make_plan(build, err);
	if (rc >= 0)
		rc = check_steps(build, err);
	if (rc >= 0)
		rc = open_directories(build, err);
	if (rc >= 0 && options->cache_from_count)
		build->imports =
			cache_imports_new(build->w, options->cache_from, options->cache_from_count, &options->registry);
	if (rc >= 0)
		rc = build_cache_mounts_take(build, &made->mounts, err);
	if (rc >= 0)
		rc = look_up_stages(build, err);
	return rc < 0 ? rc : build_images_bring(build, err);
}

static int finish(struct build *build, struct build_result *made, struct error **err)
{
	const struct strlist *names = build->options->names;
	int rc = build_image_write(build, &made->image, err);

	if (rc < 0)
		return rc;
	build_result_gather(build, made);
	for (size_t i = 0; names && i < names->count; i++)
		build_say(build, "COMMIT %s", names->items[i]);
	return 0;
}

int build_name_platform(const struct build *build, int rc, struct error **err)
{
	if (rc < 0 && build->platform_name)
		error_prefix(err, "%s", build->platform_name);
	return rc;
}

static int run_all(struct workshop *w, const struct builds *builds, struct build_result *made, struct error **err)
{
	/* Nothing that is made on the way may be swept before the image names it. */
	cleanup_close int hold = store_hold(workshop_store(w), err);
	if (hold < 0)
		return hold;
	/* The id map says which trees of layers are ours. */
	int rc = workshop_idmap(w, /* map */ NULL, err);
	for (size_t i = 0; rc >= 0 && i < builds->count; i++) {
		rc = build_name_platform(&builds->items[i], prepare(&builds->items[i], &made[i], err), err);
		/* What one has learned about the context's files is for the next, and for who copies them. */
		if (rc >= 0)
			build_directories_save(&builds->items[i]);
	}
	if (rc >= 0 && !builds_are_done(builds))
		rc = build_jobs_run(builds, err);
	for (size_t i = 0; rc >= 0 && i < builds->count; i++)
		rc = build_name_platform(&builds->items[i], finish(&builds->items[i], &made[i], err), err);
	return rc;
}

/* What stands behind several builds: their own options, and what comes out. */
struct build_group {
	struct builds builds;
	struct build_options *options;
	struct build_result *made;
};

static void build_group_done(struct build_group *group)
{
	for (size_t i = 0; i < group->builds.count; i++) {
		build_done(&group->builds.items[i]);
		build_result_done(&group->made[i]);
	}
	free(group->builds.items);
	free(group->options);
	free(group->made);
}
CLEANUP_FOR_VALUE(struct build_group, build_group_done)

static void add_build(struct workshop *w, const struct build_options *options, const struct platform *platform,
		      const char *name, struct build_group *group)
{
	size_t i = group->builds.count++;

	group->options[i] = *options;
	group->options[i].platform = platform;
	group->builds.items[i] = (struct build){.w = w,
						.options = &group->options[i],
						.platform_name = mem_strdup(name),
						.output = STDERR_FILENO,
						.epoch = options->source_date_epoch,
						.remotes = {.w = w}};
}

static int run_group(struct workshop *w, struct build_group *group, struct build_result *results, struct error **err)
{
	int rc = run_all(w, &group->builds, group->made, err);

	for (size_t i = 0; i < group->builds.count; i++) {
		if (rc < 0) {
			results[i].status = group->builds.items[i].status;
		} else {
			results[i] = group->made[i];
			group->made[i] = (struct build_result){0};
		}
	}
	return rc < 0 ? rc : 0;
}

static void build_group_init(struct build_group *group, size_t count)
{
	*group = (struct build_group){
		.builds = {.items = mem_alloc((count + 1) * sizeof(*group->builds.items))},
		.options = mem_alloc((count + 1) * sizeof(*group->options)),
		.made = mem_alloc((count + 1) * sizeof(*group->made)),
	};
}

int build_run(struct workshop *w, const struct build_options *options, struct build_result *result, struct error **err)
{
	cleanup(build_group_done) struct build_group group = {0};

	build_group_init(&group, 1);
	add_build(w, options, options->platform, /* name */ NULL, &group);
	return run_group(w, &group, result, err);
}

int build_run_platforms(struct workshop *w, const struct build_options *options, const struct platform *platforms,
			size_t count, struct build_result *results, struct error **err)
{
	cleanup(build_group_done) struct build_group group = {0};

	build_group_init(&group, count);
	for (size_t i = 0; i < count; i++) {
		cleanup_free char *name = platform_format(&platforms[i]);
		add_build(w, options, &platforms[i], name, &group);
	}
	return run_group(w, &group, results, err);
}
