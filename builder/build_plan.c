/*
 * From a Dockerfile's tree to the graph of what has to be done. The walk goes from the target to what it needs: a stage
 * is put into the plan when it is whole, so each stands behind its needs. References only lead upwards in the file, and
 * a file has at most DOCKERFILE_STAGES_MAX of them, which is why the recursion ends.
 */
#include "builder/build_plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/parse.h"
#include "builder/build_config.h"
#include "builder/copy.h"
#include "builder/named_context.h"

struct planner {
	const struct plan_options *options;
	struct plan *plan;
	size_t *places; /* of each stage of the file in the plan; SIZE_MAX: not in it */
};

static void step_done(struct plan_step *step)
{
	instruction_free(step->instruction);
	free(step->text);
	free(step->cwd);
	free(step->user);
	strlist_done(&step->argv);
	strlist_done(&step->env);
	free(step->mounts);
}
CLEANUP_FOR_VALUE(struct plan_step, step_done)

static void stage_free(struct plan_stage *stage)
{
	free(stage->name);
	free(stage->base_text);
	image_config_done(&stage->config);
	build_scope_done(&stage->scope);
	for (size_t i = 0; i < stage->step_count; i++)
		step_done(&stage->steps[i]);
	free(stage->steps);
	free(stage);
}
CLEANUP_FOR(struct plan_stage, stage_free)

void plan_free(struct plan *plan)
{
	if (!plan)
		return;
	for (size_t i = 0; i < plan->stage_count; i++)
		stage_free(plan->stages[i]);
	free(plan->stages);
	free(plan);
}

/* ---- names --------------------------------------------------------------------------------------------------------
 */

static size_t find_named(const struct planner *p, const char *name, const char **where)
{
	return named_context_find(p->options->named_contexts, name, p->options->platform, where);
}

static int use_image(struct planner *p, const char *name, const struct platform *platform, struct plan_input *input,
		     const struct image_config **config, struct error **err)
{
	input->kind = INPUT_IMAGE;
	return p->options->resolve(p->options->resolve_context, name, platform, &input->index, config, err);
}

/* An image that is not found may be a stage that was mistyped. */
static int suggest_stage(const struct planner *p, const char *name, struct error **err)
{
	const struct dockerfile *file = p->options->file;
	cleanup_free const char **names = mem_alloc(file->stage_count * sizeof(*names));
	size_t count = 0;

	for (size_t i = 0; i < file->stage_count; i++)
		if (file->stages[i].name && strcasecmp(file->stages[i].name, name) != 0)
			names[count++] = file->stages[i].name;
	return suggest_hint(err, name, names, count);
}

/* What is not a stage: a named context, nothing, an image. *config is set for an image, else NULL. */
static int find_outside(struct planner *p, const char *name, const struct platform *platform, struct plan_input *input,
			const struct image_config **config, struct error **err)
{
	const char *where = NULL;
	size_t named = find_named(p, name, &where);

	*config = NULL;
	if (named != SIZE_MAX) {
		cleanup_free char *image = named_context_image(where);
		if (image)
			return use_image(p, image, platform, input, config, err);
		*input = (struct plan_input){INPUT_NAMED, named};
		return 0;
	}
	if (strcmp(name, "scratch") == 0) {
		*input = (struct plan_input){INPUT_NONE, 0};
		return 0;
	}
	int rc = use_image(p, name, platform, input, config, err);
	return rc < 0 ? suggest_stage(p, name, err) : rc;
}

static int plan_stage(struct planner *p, const struct stage *written, size_t *place, struct error **err);

/* A stage of the file, unless a named context of its name takes its place. */
static int use_stage(struct planner *p, const struct stage *stage, struct plan_input *input,
		     const struct image_config **config, struct error **err)
{
	const char *where = NULL;

	*config = NULL;
	if (find_named(p, stage->name, &where) != SIZE_MAX)
		return find_outside(p, stage->name, /* platform */ NULL, input, config, err);
	input->kind = INPUT_STAGE;
	return plan_stage(p, stage, &input->index, err);
}

/* from= of COPY and of mounts. */
static int find_from(struct planner *p, const struct stage *user, const char *from, enum stage_reference how,
		     struct plan_input *input, struct error **err)
{
	const struct image_config *config = NULL;
	const struct stage *stage = NULL;
	int rc = dockerfile_from(p->options->file, user, from, how, &stage, err);

	if (rc < 0)
		return rc;
	if (stage)
		return use_stage(p, stage, input, &config, err);
	if (!*from)
		return error_set(err, EINVAL, "from= is empty");
	rc = find_outside(p, from, /* platform */ NULL, input, &config, err);
	if (rc < 0 && !strpbrk(from, "/:@"))
		error_hint(err, "no stage is called '%s', so that it was taken for an image", from);
	return rc;
}

/* ---- instructions ---------------------------------------------------------------------------------------------------
 */

static int fill_run(struct planner *p, struct plan_stage *stage, struct plan_step *step, char **text,
		    struct error **err)
{
	const struct instruction_run *run = &step->instruction->run;

	build_config_argv(&stage->config, run, &step->argv);
	if (step->argv.count == 0)
		return error_set(err, EINVAL, "RUN [] has no command");
	if (strlist_env_get(&stage->scope.env, ""))
		return error_set(err, EINVAL, "ENV has set a variable without a name, which no command can be given");
	strlist_copy(&step->env, &stage->scope.env);
	step->mounts = mem_alloc((run->mount_count + 1) * sizeof(*step->mounts));
	for (size_t i = 0; i < run->mount_count; i++) {
		const struct file_mount *mount = &run->mounts[i];
		int rc = 0;
		if (mount->from && (mount->type == FILE_MOUNT_BIND || mount->type == FILE_MOUNT_CACHE))
			rc = find_from(p, stage->written, mount->from, STAGE_BY_NAME, &step->mounts[i], err);
		else if (mount->type == FILE_MOUNT_BIND)
			step->mounts[i].kind = INPUT_CONTEXT;
		if (rc < 0)
			return rc;
	}
	cleanup_free char *prefix = build_scope_prefix(&stage->scope);
	cleanup_free char *words = strlist_join(&step->argv, " ");
	*text = mem_printf("RUN %s%s # buildkit", prefix, words);
	return 0;
}

/* BuildKit says so before anything is built. */
static int check_sources(const struct instruction_copy *copy, struct error **err)
{
	for (size_t i = 0; i < copy->sources.count; i++) {
		const char *source = copy->sources.items[i];
		if (copy_is_remote(source))
			return error_set(err, EINVAL, "source can't be a %s for COPY: '%s' (ADD fetches it)",
					 copy_is_git(source) ? "git ref" : "URL", source);
	}
	return 0;
}

static int fill_copy(struct planner *p, struct plan_stage *stage, struct plan_step *step, char **text,
		     struct error **err)
{
	const struct instruction *copy = step->instruction;

	step->input.kind = INPUT_CONTEXT;
	*text = build_config_copy_text(copy);
	if (step->kind == INSTRUCTION_COPY) {
		int rc = check_sources(&copy->copy, err);
		if (rc < 0)
			return rc;
	}
	return copy->copy.from
		       ? find_from(p, stage->written, copy->copy.from, STAGE_BY_NAME_OR_NUMBER, &step->input, err)
		       : 0;
}

/* What changes files. The configuration before it says where and as whom. */
static int fill_step(struct planner *p, struct plan_stage *stage, struct plan_step *step, char **text,
		     struct error **err)
{
	step->has_layer = true;
	step->cwd = mem_strdup(stage->config.working_dir);
	step->user = mem_strdup(stage->config.user);
	return step->kind == INSTRUCTION_RUN ? fill_run(p, stage, step, text, err)
					     : fill_copy(p, stage, step, text, err);
}

static void fill_workdir(struct plan_stage *stage, struct plan_step *step)
{
	step->has_layer = strcmp(stage->config.working_dir, "/") != 0;
	step->cwd = mem_strdup(stage->config.working_dir);
	step->user = mem_strdup(stage->config.user);
}

static int apply(struct planner *p, struct plan_stage *stage, struct plan_step *step, char **text, struct error **err)
{
	const struct instruction *instruction = step->instruction;
	int rc;

	switch (step->kind) {
	case INSTRUCTION_RUN:
	case INSTRUCTION_COPY:
	case INSTRUCTION_ADD:
		return fill_step(p, stage, step, text, err);
	default:
		rc = build_config_apply(&stage->config, instruction, stage->cmd_is_set, text, err);
	}
	if (rc < 0)
		return rc;
	if (instruction->kind == INSTRUCTION_WORKDIR)
		fill_workdir(stage, step);
	if (instruction->kind == INSTRUCTION_CMD)
		stage->cmd_is_set = true;
	for (size_t i = 0; instruction->kind == INSTRUCTION_ENV && i < instruction->pairs.count; i++)
		strlist_env_set(&stage->scope.env, instruction->pairs.items[i].key, instruction->pairs.items[i].value);
	return 0;
}

static int add_step(struct planner *p, struct plan_stage *stage, const struct instruction *written, bool is_trigger,
		    struct error **err)
{
	const struct expand_scope scope = build_scope_expand(&stage->scope, p->options->globals->escape);
	cleanup(step_done) struct plan_step step = {.kind = written->kind,
						    .text = mem_strdup(written->text),
						    .range = written->range,
						    .is_trigger = is_trigger,
						    .history = SIZE_MAX};
	cleanup_free char *text = NULL;
	int rc;

	if (is_trigger)
		step.range = stage->written->from->range;
	if (step.kind == INSTRUCTION_ARG) {
		rc = build_scope_arg(&stage->scope, p->options->globals, written, &text, err);
	} else {
		rc = instruction_expand(written, &scope, /* unset */ NULL, &step.instruction, err);
		if (rc >= 0)
			rc = apply(p, stage, &step, &text, err);
	}
	if (rc < 0)
		return rc;
	if (text) {
		step.history = stage->config.history_count;
		build_config_record(&stage->config, text, step.has_layer);
	}
	stage->steps = mem_grow(stage->steps, stage->step_count + 1, sizeof(*stage->steps));
	stage->steps[stage->step_count++] = step;
	step = (struct plan_step){0};
	return 0;
}

static int add_triggers(struct planner *p, struct plan_stage *stage, const struct strlist *triggers, struct error **err)
{
	for (size_t i = 0; i < triggers->count; i++) {
		cleanup(instruction_free) struct instruction *trigger = NULL;
		int rc = instruction_parse_trigger(triggers->items[i], p->options->globals->escape, &trigger, err);
		if (rc >= 0)
			rc = add_step(p, stage, trigger, /* is_trigger */ true, err);
		if (rc < 0)
			return error_prefix(err, "ONBUILD %s", triggers->items[i]);
	}
	return 0;
}

/* FROM a directory of --build-context: its files, in a stage that is otherwise scratch. */
static int add_directory(struct planner *p, struct plan_stage *stage, struct error **err)
{
	cleanup(instruction_free) struct instruction *copy = NULL;
	const struct plan_input directory = stage->base;

	stage->base = (struct plan_input){INPUT_NONE, 0};
	int rc = instruction_parse_trigger("COPY . /", p->options->globals->escape, &copy, err);
	if (rc >= 0)
		rc = add_step(p, stage, copy, /* is_trigger */ true, err);
	if (rc >= 0)
		stage->steps[stage->step_count - 1].input = directory;
	return rc;
}

/* ---- stages ---------------------------------------------------------------------------------------------------------
 */

static int parse_from_platform(const struct instruction_from *from, const char *written, struct platform *platform,
			       struct error **err)
{
	if (!written)
		return 0;
	if (!from->platform || !*from->platform)
		return error_set(err, EINVAL, "empty platform value from expression %s", written);
	int rc = platform_parse(from->platform, platform, err);
	return rc < 0 ? error_prefix(err, "failed to parse platform %s", written) : 0;
}

/* Of a FROM that failed with `rc`: a variable that is not there may be an argument that was mistyped. */
static int suggest_argument(const struct planner *p, const struct strlist *unset, int rc, struct error **err)
{
	const struct strlist *args = &p->options->globals->args;
	cleanup(strlist_done) struct strlist names = {0};

	if (unset->count == 0)
		return rc;
	for (size_t i = 0; i < args->count; i++)
		strlist_take(&names, mem_strndup(args->items[i], strcspn(args->items[i], "=")));
	return suggest_hint(err, unset->items[0], (const char *const *)names.items, names.count);
}

/* FROM with its variables, and the platform that it asks for (empty when it asks for none). */
static int expand_from(const struct planner *p, const struct instruction *written, struct instruction **from,
		       struct platform *platform, struct error **err)
{
	const struct expand_scope scope = {
		.lists = {&p->options->globals->args}, .count = 1, .escape = p->options->globals->escape};
	cleanup(instruction_free) struct instruction *expanded = NULL;
	cleanup(strlist_done) struct strlist unset = {0};

	int rc = instruction_expand(written, &scope, &unset, &expanded, err);
	if (rc >= 0)
		rc = parse_from_platform(&expanded->from, written->from.platform, platform, err);
	if (rc < 0)
		return suggest_argument(p, &unset, rc, err);
	*from = take_ptr(&expanded);
	return 0;
}

/* What BuildKit asks of every stage, also of those that the target does not need. */
static int check_stages(const struct planner *p, struct error **err)
{
	const struct dockerfile *file = p->options->file;
	struct source_range place = {0};

	for (size_t i = 0; i < file->stage_count; i++) {
		const struct instruction *written = file->stages[i].from;
		cleanup(instruction_free) struct instruction *from = NULL;
		cleanup(platform_done) struct platform platform = {0};
		if (expand_from(p, written, &from, &platform, err) < 0)
			return source_error(&file->source, &written->range, err);
	}
	int rc = dockerfile_check_sources(file, &place, err);
	return rc < 0 ? source_error(&file->source, &place, err) : 0;
}

/* Finds the base; *config is an image's, *base a stage. */
static int find_base(struct planner *p, struct plan_stage *stage, const struct image_config **config,
		     const struct plan_stage **base, struct error **err)
{
	cleanup(instruction_free) struct instruction *from = NULL;
	cleanup(platform_done) struct platform platform = {0};

	int rc = expand_from(p, stage->written->from, &from, &platform, err);
	if (rc < 0)
		return rc;
	stage->base_text = mem_strdup(from->from.image);
	const struct stage *earlier = dockerfile_stage(p->options->file, stage->base_text, stage->written->index);
	if (earlier)
		rc = use_stage(p, earlier, &stage->base, config, err);
	else
		rc = find_outside(p, stage->base_text, platform.os || platform.architecture ? &platform : NULL,
				  &stage->base, config, err);
	if (rc >= 0 && stage->base.kind == INPUT_STAGE)
		*base = p->plan->stages[stage->base.index];
	return rc;
}

static int begin_stage(struct planner *p, struct plan_stage *stage, struct strlist *triggers, struct error **err)
{
	const struct image_config *config = NULL;
	const struct plan_stage *base = NULL;
	int rc = find_base(p, stage, &config, &base, err);

	if (rc < 0)
		return rc;
	if (base)
		config = &base->config;
	if (config) {
		rc = build_config_begin(&stage->config, config, err);
		strlist_copy(triggers, &config->onbuild);
	} else {
		build_config_scratch(&stage->config, p->options->platform);
	}
	if (rc < 0)
		return rc;
	/* A stage's own configuration keeps its triggers for those made from it, as an image's does. */
	build_scope_begin(&stage->scope, base ? &base->scope : NULL, &stage->config.env);
	return 0;
}

static bool is_without_cache(const struct planner *p, const struct stage *written)
{
	const struct strlist *list = p->options->no_cache_stages;

	if (p->options->no_cache)
		return true;
	for (size_t i = 0; list && written->name && i < list->count; i++)
		if (strcasecmp(list->items[i], written->name) == 0)
			return true;
	return false;
}

static char *name_of(const struct planner *p, const struct stage *written)
{
	if (written->name)
		return mem_strdup(written->name);
	return p->options->file->stage_count == 1 ? mem_strdup("") : mem_printf("stage-%zu", written->index);
}

static int fill_stage(struct planner *p, struct plan_stage *stage, struct error **err)
{
	const struct source *source = &p->options->file->source;
	cleanup(strlist_done) struct strlist triggers = {0};
	int rc = begin_stage(p, stage, &triggers, err);

	if (rc >= 0 && stage->base.kind == INPUT_NAMED)
		rc = add_directory(p, stage, err);
	if (rc >= 0)
		rc = add_triggers(p, stage, &triggers, err);
	if (rc < 0)
		return source_error(source, &stage->written->from->range, err);
	for (size_t i = 0; i < stage->written->count; i++) {
		const struct instruction *instruction = stage->written->instructions[i];
		rc = add_step(p, stage, instruction, /* is_trigger */ false, err);
		if (rc < 0)
			return source_error(source, &instruction->range, err);
	}
	return 0;
}

static int plan_stage(struct planner *p, const struct stage *written, size_t *place, struct error **err)
{
	if (p->places[written->index] == SIZE_MAX) {
		cleanup(stage_free) struct plan_stage *stage = mem_alloc(sizeof(*stage));
		stage->written = written;
		stage->name = name_of(p, written);
		stage->no_cache = is_without_cache(p, written);
		int rc = fill_stage(p, stage, err);
		if (rc < 0)
			return rc;
		struct plan *plan = p->plan;
		plan->stages = mem_grow(plan->stages, plan->stage_count + 1, sizeof(struct plan_stage *));
		plan->stages[plan->stage_count] = take_ptr(&stage);
		p->places[written->index] = plan->stage_count++;
	}
	*place = p->places[written->index];
	return 0;
}

int plan_make(const struct plan_options *options, struct plan **plan, struct error **err)
{
	cleanup(plan_free) struct plan *made = mem_alloc(sizeof(*made));
	cleanup_free size_t *places = mem_grow(NULL, options->file->stage_count, sizeof(*places));
	struct planner p = {.options = options, .plan = made, .places = places};

	for (size_t i = 0; i < options->file->stage_count; i++)
		places[i] = SIZE_MAX;
	int rc = check_stages(&p, err);
	if (rc >= 0)
		rc = plan_stage(&p, options->target, &made->target, err);
	if (rc >= 0)
		*plan = take_ptr(&made);
	return rc;
}
