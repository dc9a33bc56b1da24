/*
 * The key of a step: everything that its result depends on, and nothing else. Equal on every machine.
 */
#include "builder/build_internal.h"

#include <errno.h>
#include <string.h>

#include "builder/build_selection.h"
#include "builder/copy.h"

#define KEY_VERSION "cooper step 5"

static void add_diff_ids(struct build_key *key, const char *name, const struct digest *diff_ids, size_t count)
{
	cleanup(strlist_done) struct strlist list = {0};
	char text[DIGEST_TEXT_SIZE];

	for (size_t i = 0; i < count; i++)
		strlist_append(&list, digest_format(&diff_ids[i], text));
	build_key_list(key, name, &list);
}

/* With hundreds of layers, to name them all in each key would be most of what a cached build does. */
static void add_layers_below(const struct stage_run *run, const struct plan_step *step, struct build_key *key)
{
	const struct image_config *config = &run->c.config;
	struct layers_below *below = run->below;
	char before[DIGEST_TEXT_SIZE], layer[DIGEST_TEXT_SIZE];

	/* It is made in a container of its own, which knows of no layers. */
	if (build_step_stands_alone(step)) {
		build_key_text(key, KEY_LAYERS_BELOW, NULL);
		return;
	}
	for (; below->count < config->diff_id_count; below->count++) {
		cleanup(build_key_done) struct build_key next = BUILD_KEY_INIT;
		digest_format(&config->diff_ids[below->count], layer);
		build_key_text(&next, "below", below->count ? digest_format(&below->digest, before) : NULL);
		build_key_text(&next, "layer", layer);
		if (build_key_finish(&next, &below->digest, NULL) < 0) {
			key->failed = true;
			return;
		}
	}
	build_key_text(key, KEY_LAYERS_BELOW, below->count ? digest_format(&below->digest, before) : NULL);
}

static void add_layers(const struct build *build, struct build_key *key, const char *name,
		       const struct plan_input *input)
{
	const struct digest *diff_ids = NULL;
	size_t count = 0;

	build_input_layers(build, input, &diff_ids, &count);
	add_diff_ids(key, name, diff_ids, count);
}

static int add_definition(struct build *build, struct build_key *key, size_t stage, struct error **err);

/* What `input` is as far as the sources select: of a directory the files, of layers the layers. */
static int add_input(struct build *build, struct build_key *key, const struct plan_input *input, enum key_of_stages of,
		     struct build_selection *selection, struct error **err)
{
	struct build_directory *directory = NULL;

	if (input->kind == INPUT_STAGE && of == KEY_OF_FILES) {
		cleanup(build_root_done) struct build_root root = BUILD_ROOT_INIT;
		int opened = build_root_open(build, input, &root, err);
		selection->root = root.fd;
		selection->keep_owner = true;
		selection->owners = &root.owners;
		return opened < 0 ? opened : build_selection_add(selection, key, err);
	}
	if (input->kind != INPUT_CONTEXT && input->kind != INPUT_NAMED) {
		if (selection->sources)
			build_key_list(key, "the sources", selection->sources);
		if (input->kind == INPUT_STAGE && of == KEY_OF_DEFINITIONS)
			return add_definition(build, key, input->index, err);
		add_layers(build, key, "the stage or image that it reads", input);
		return 0;
	}
	int rc = build_directory_open(build, input, &directory, err);
	if (rc < 0)
		return rc;
	selection->root = build_context_fd(directory->context);
	selection->ignore = build_context_ignore(directory->context);
	selection->memo = directory->memo;
	selection->git_modes = build->options->git_modes;
	return build_selection_add(selection, key, err);
}

/* ---- RUN ----------------------------------------------------------------------------------------------------------
 */

static int add_mount(struct build *build, struct build_key *key, const struct file_mount *mount,
		     const struct plan_input *input, enum key_of_stages of, struct error **err)
{
	cleanup(strlist_done) struct strlist source = {0};
	struct build_selection selection = {.sources = &source};

	build_key_number(key, "the type of a mount", mount->type);
	build_key_text(key, "the target of a mount", mount->target);
	build_key_text(key, "the source of a mount", mount->source);
	build_key_text(key, "the id of a mount", mount->id);
	build_key_text(key, "the variable of a secret", mount->env);
	build_key_number(key, "whether a mount is read-only", mount->read_only);
	build_key_number(key, "the size of a mount", mount->size);
	if (mount->has_mode)
		build_key_number(key, "the mode of a mount", mount->mode);
	if (mount->has_uid)
		build_key_number(key, "the owner of a mount", mount->uid);
	if (mount->has_gid)
		build_key_number(key, "the group of a mount", mount->gid);
	/* A cache's content is not part of the key, nor is what it began with; secrets never are. */
	if (mount->type != FILE_MOUNT_BIND)
		return 0;
	strlist_append(&source, mount->source ? mount->source : "/");
	return add_input(build, key, input, of == KEY_OF_FILES ? KEY_OF_LAYERS : of, &selection, err);
}

/* What the whole build was told about its RUNs, and they can see. */
static void add_settings(const struct build *build, struct build_key *key)
{
	const struct settings *settings = build->options->settings;
	const char *hostname = strlist_env_get(&build->globals.given, "BUILDKIT_SANDBOX_HOSTNAME");

	if (hostname)
		build_key_text(key, "BUILDKIT_SANDBOX_HOSTNAME", hostname);
	if (settings && settings->add_host.count)
		build_key_list(key, "--add-host", &settings->add_host);
	if (settings && settings->ulimit.count)
		build_key_list(key, "--ulimit", &settings->ulimit);
}

static int add_run(struct build *build, struct build_key *key, const struct plan_stage *stage,
		   const struct plan_step *step, enum key_of_stages of, struct error **err)
{
	const struct instruction_run *run = &step->instruction->run;
	cleanup_free char *platform = platform_format(&stage->config.platform);
	cleanup(strlist_done) struct strlist env = {0};
	int rc = 0;

	strlist_copy(&env, &step->env);
	strlist_sort(&env);
	/* The same files may be for several, and the command tell them apart. */
	build_key_text(key, "the platform", platform);
	build_key_list(key, "the command", &step->argv);
	build_key_env(key, "env", &env);
	build_key_text(key, "the user", step->user);
	build_key_text(key, "--network", run->network);
	build_key_text(key, "--security", run->security);
	build_key_list(key, "--device", &run->devices);
	add_settings(build, key);
	if (run->script == RUN_SCRIPT_FILE)
		build_key_text(key, "the here-document", run->command.words.items[0]);
	for (size_t i = 0; rc >= 0 && i < run->mount_count; i++)
		rc = add_mount(build, key, &run->mounts[i], &step->mounts[i], of, err);
	return rc;
}

/* ---- COPY and ADD ---------------------------------------------------------------------------------------------------
 */

/* Splits the sources of ADD into those of the context and those from elsewhere. What is pinned needs no look. */
static int add_remote(struct build *build, const struct plan_step *step, enum key_of_stages of, struct strlist *local,
		      struct build_key *key, struct error **err)
{
	const struct instruction_copy *copy = &step->instruction->copy;
	bool is_pinned = copy->checksum && *copy->checksum;
	bool is_open = false;

	for (size_t i = 0; i < copy->sources.count; i++) {
		const char *source = copy->sources.items[i];
		if (step->kind != INSTRUCTION_ADD || !copy_is_remote(source)) {
			strlist_append(local, source);
			continue;
		}
		build_key_text(key, "the address", source);
		is_open = is_open || !is_pinned;
	}
	if (!is_open)
		return 0;
	if (of != KEY_OF_FILES)
		return -ENODATA;
	int rc = build_remotes_fetch(&build->remotes, step->instruction, &build->options->registry, err);
	if (rc >= 0)
		build_remotes_key(&build->remotes, key);
	return rc;
}

/* What it says, but for its sources. */
static void add_copy_itself(struct build_key *key, const struct instruction_copy *copy)
{
	build_key_text(key, "the destination", copy->destination);
	build_key_text(key, "--chown", copy->chown);
	build_key_text(key, "--chmod", copy->chmod);
	build_key_text(key, "--checksum", copy->checksum);
	build_key_list(key, "--exclude", &copy->excludes);
	build_key_number(key, "--link", copy->link);
	build_key_number(key, "--parents", copy->parents);
	build_key_number(key, "--unpack", copy->unpack);
	build_key_number(key, "--keep-git-dir", copy->keep_git_dir);
	for (size_t i = 0; i < copy->files.count; i++) {
		build_key_text(key, "the name of a here-document", copy->files.items[i].name);
		build_key_number(key, "the form of a here-document", copy->files.items[i].strip_tabs);
		build_key_text(key, "the here-document", copy->files.items[i].content);
	}
}

/* How many there are decides whether the destination is a directory. */
static void add_count(struct build_key *key, const struct instruction_copy *copy)
{
	build_key_number(key, "the number of sources", copy->sources.count + copy->files.count);
}

static int add_copy(struct build *build, struct build_key *key, const struct plan_step *step, enum key_of_stages of,
		    struct error **err)
{
	const struct instruction_copy *copy = &step->instruction->copy;
	cleanup(strlist_done) struct strlist local = {0};
	struct build_selection selection = {.sources = &local, .excludes = &copy->excludes, .parents = copy->parents};

	add_copy_itself(key, copy);
	int rc = add_remote(build, step, of, &local, key, err);
	add_count(key, copy);
	if (rc < 0 || local.count == 0)
		return rc;
	return add_input(build, key, &step->input, of, &selection, err);
}

/* ---- any ------------------------------------------------------------------------------------------------------------
 */

bool build_step_stands_alone(const struct plan_step *step)
{
	if (step->kind != INSTRUCTION_COPY && step->kind != INSTRUCTION_ADD)
		return false;
	const struct instruction_copy *copy = &step->instruction->copy;
	/* Names are those of the image; and with --chmod BuildKit makes a plain copy of it. */
	bool is_by_number = !copy->chown || strspn(copy->chown, "0123456789:") == strlen(copy->chown);
	return copy->link && is_by_number && (!copy->chmod || !*copy->chmod);
}

bool build_step_reads_stages(const struct plan_step *step)
{
	if (step->input.kind == INPUT_STAGE)
		return true;
	for (size_t i = 0; step->mounts && i < step->instruction->run.mount_count; i++)
		if (step->mounts[i].kind == INPUT_STAGE)
			return true;
	return false;
}

static void add_place(const struct build *build, struct build_key *key, const struct plan_step *step)
{
	const struct build_options *options = build->options;

	build_key_text(key, "the working directory", step->cwd);
	/* What times the files get is part of the layer. */
	if (options->timestamp >= 0)
		build_key_number(key, "--timestamp", (uint64_t)options->timestamp);
	else if (build->epoch >= 0 && options->rewrite_timestamp)
		build_key_number(key, "SOURCE_DATE_EPOCH", (uint64_t)build->epoch);
}

/* All but the state that the step starts from. */
static int make_inputs(struct build *build, const struct plan_stage *stage, const struct plan_step *step,
		       enum key_of_stages of, struct key_parts *parts, struct digest *inputs, struct error **err)
{
	cleanup(build_key_done) struct build_key key = BUILD_KEY_INIT;
	int rc = 0;

	key.parts = parts;
	add_place(build, &key, step);
	if (step->kind == INSTRUCTION_RUN)
		rc = add_run(build, &key, stage, step, of, err);
	else if (step->kind == INSTRUCTION_WORKDIR)
		build_key_text(&key, "the user", step->user);
	else
		rc = add_copy(build, &key, step, of, err);
	return rc < 0 ? rc : build_key_finish(&key, inputs, err);
}

/* The same, found out once for what does not depend on other stages. */
static int find_inputs(struct build *build, const struct stage_run *run, const struct plan_step *step,
		       enum key_of_stages of, struct key_parts *parts, struct digest *inputs, struct error **err)
{
	struct digest *kept = &run->inputs[step - run->plan->steps];
	bool may_keep = of != KEY_OF_FILES && !build_step_reads_stages(step);

	if (may_keep && !parts && !digest_is_null(kept)) {
		*inputs = *kept;
		return 0;
	}
	int rc = make_inputs(build, run->plan, step, of, parts, inputs, err);
	if (rc >= 0 && may_keep)
		*kept = *inputs;
	return rc;
}

static int finish_key(struct build *build, const struct stage_run *run, const struct plan_step *step,
		      enum key_of_stages of, struct build_key *key, struct digest *digest, struct error **err)
{
	struct digest inputs;
	int rc = find_inputs(build, run, step, of, key->parts, &inputs, err);

	/* Its parts are there already. */
	key->parts = NULL;
	if (rc < 0)
		return rc;
	build_key_digest(key, "inputs", &inputs);
	return build_key_finish(key, digest, err);
}

/* ---- before its files are read --------------------------------------------------------------------------------------
 */

/* Rules with exceptions are left to who looks first: with them a walk over what is left out goes on, in ways of its
 * own. */
static bool has_exception(const struct strlist *patterns)
{
	for (size_t i = 0; i < patterns->count; i++)
		if (strchr(patterns->items[i], '!'))
			return true;
	return false;
}

static bool can_be_seen(const struct build *build, const struct plan_step *step)
{
	const struct instruction_copy *copy = &step->instruction->copy;

	return step->kind == INSTRUCTION_COPY && !copy->parents && copy->sources.count > 0 &&
	       !build->options->single_layer && !has_exception(&copy->excludes);
}

bool build_step_is_seen(struct build *build, const struct plan_step *step)
{
	const struct plan_input *input = &step->input;
	struct build_directory *directory;

	if (!can_be_seen(build, step))
		return false;
	if (input->kind != INPUT_CONTEXT && input->kind != INPUT_NAMED)
		return false;
	/* Who looks first says why it cannot be. */
	if (build_directory_open(build, input, &directory, NULL) < 0)
		return false;
	const struct ignore_rules *ignore = build_context_ignore(directory->context);
	return !ignore || !ignore->has_exceptions;
}

bool build_step_is_seen_of_stage(const struct build *build, const struct plan_step *step)
{
	return can_be_seen(build, step) && step->input.kind == INPUT_STAGE;
}

int build_step_check_sources(struct build *build, const struct plan_step *step, struct error **err)
{
	const struct instruction_copy *copy = &step->instruction->copy;
	cleanup(build_key_done) struct build_key key = BUILD_KEY_INIT;
	struct build_selection selection = {.sources = &copy->sources, .excludes = &copy->excludes, .names_only = true};

	return add_input(build, &key, &step->input, step->input.kind == INPUT_STAGE ? KEY_OF_FILES : KEY_OF_LAYERS,
			 &selection, err);
}

static void add_head(struct build_key *key, const struct stage_run *run, const struct plan_step *step,
		     enum key_of_stages of)
{
	build_key_text(key, KEY_VERSION, instruction_name(step->kind));
	build_key_number(key, "of", of);
	add_layers_below(run, step, key);
}

static void add_inputs_before_files(const struct build *build, const struct plan_step *step, struct build_key *inputs)
{
	add_place(build, inputs, step);
	add_copy_itself(inputs, &step->instruction->copy);
	add_count(inputs, &step->instruction->copy);
}

void build_step_begin_inputs(const struct build *build, const struct stage_run *run, const struct plan_step *step,
			     enum key_of_stages of, struct key_parts *parts, struct build_key *inputs)
{
	cleanup(build_key_done) struct build_key head = BUILD_KEY_INIT;

	head.parts = inputs->parts = parts;
	/* What is told of a key is told in its order. */
	if (parts)
		add_head(&head, run, step, of);
	add_inputs_before_files(build, step, inputs);
}

int build_step_key_of_inputs(const struct stage_run *run, const struct plan_step *step, enum key_of_stages of,
			     const struct digest *inputs, struct digest *digest, struct error **err)
{
	cleanup(build_key_done) struct build_key key = BUILD_KEY_INIT;

	add_head(&key, run, step, of);
	build_key_digest(&key, "inputs", inputs);
	return build_key_finish(&key, digest, err);
}

int build_step_question(const struct build *build, const struct stage_run *run, const struct plan_step *step,
			enum key_of_stages of, struct digest *question, struct error **err)
{
	cleanup(build_key_done) struct build_key key = BUILD_KEY_INIT;

	add_head(&key, run, step, of);
	add_inputs_before_files(build, step, &key);
	return build_key_finish(&key, question, err);
}

/* ---- definitions ----------------------------------------------------------------------------------------------------
 */

static int key_by_definition(struct build *build, const struct stage_run *run, const struct plan_step *step,
			     const struct digest *state, struct digest *digest, struct error **err)
{
	cleanup(build_key_done) struct build_key key = BUILD_KEY_INIT;

	build_key_text(&key, KEY_VERSION, instruction_name(step->kind));
	build_key_number(&key, "of", KEY_OF_DEFINITIONS);
	if (!build_step_stands_alone(step))
		build_key_digest(&key, "the state", state);
	return finish_key(build, run, step, KEY_OF_DEFINITIONS, &key, digest, err);
}

/* The state behind a step: what stands alone says nothing of what is below it. */
static int add_step(struct build *build, const struct stage_run *run, const struct plan_step *step,
		    struct digest *state, struct error **err)
{
	cleanup(build_key_done) struct build_key key = BUILD_KEY_INIT;
	struct digest made;
	int rc = key_by_definition(build, run, step, state, &made, err);

	if (rc < 0)
		return rc;
	build_key_digest(&key, "before", state);
	build_key_digest(&key, "step", &made);
	return build_key_finish(&key, state, err);
}

/* What the stage's first `count` steps lead to. References lead upwards in the file only, which ends the recursion. */
static int define_state(struct build *build, const struct stage_run *run, size_t count, struct digest *state,
			struct error **err)
{
	cleanup(build_key_done) struct build_key key = BUILD_KEY_INIT;
	const struct plan_input *base = &run->plan->base;
	int rc = 0;

	if (run->plan->no_cache)
		return -ENODATA;
	if (base->kind == INPUT_STAGE)
		rc = add_definition(build, &key, base->index, err);
	else
		add_layers(build, &key, "base", base);
	if (rc >= 0)
		rc = build_key_finish(&key, state, err);
	for (size_t i = 0; rc >= 0 && i < count; i++) {
		const struct plan_step *step = &run->plan->steps[i];
		/* What was never made gave nothing to be found by what it is; what was made elsewhere may have. */
		bool is_next = run->is_ready && i == run->done;
		if (is_next && build_step_is_unheard_of(build, run, step))
			return -ENODATA;
		if (is_next && build->imports)
			build_step_note_question(build, run, step);
		if (step->has_layer)
			rc = add_step(build, run, step, state, err);
	}
	return rc;
}

static int add_definition(struct build *build, struct build_key *key, size_t stage, struct error **err)
{
	const struct stage_run *run = &build->stages[stage];
	struct digest state;
	int rc = define_state(build, run, run->plan->step_count, &state, err);

	if (rc >= 0)
		build_key_digest(key, "the stage that it reads", &state);
	return rc;
}

/* ---- the key --------------------------------------------------------------------------------------------------------
 */

int build_step_key(struct build *build, const struct stage_run *run, const struct plan_step *step,
		   enum key_of_stages of, struct key_parts *parts, struct digest *digest, struct error **err)
{
	cleanup(build_key_done) struct build_key key = BUILD_KEY_INIT;
	struct digest state;

	if (of == KEY_OF_DEFINITIONS) {
		int rc = define_state(build, run, (size_t)(step - run->plan->steps), &state, err);
		return rc < 0 ? rc : key_by_definition(build, run, step, &state, digest, err);
	}
	key.parts = parts;
	add_head(&key, run, step, of);
	return finish_key(build, run, step, of, &key, digest, err);
}
