/*
 * The key of a step: everything that its result depends on, and nothing else. Equal on every machine.
 */
#include "builder/build_internal.h"

#include <errno.h>
#include <string.h>

#include "builder/build_selection.h"
#include "builder/copy.h"

#define KEY_VERSION "cooper step 3"

static void add_diff_ids(struct build_key *key, const char *name, const struct digest *diff_ids, size_t count)
{
	cleanup(strlist_done) struct strlist list = {0};
	char text[DIGEST_TEXT_SIZE];

	for (size_t i = 0; i < count; i++)
		strlist_append(&list, digest_format(&diff_ids[i], text));
	build_key_list(key, name, &list);
}

static void add_layers(const struct build *build, struct build_key *key, const char *name,
		       const struct plan_input *input)
{
	const struct digest *diff_ids = NULL;
	size_t count = 0;

	build_input_layers(build, input, &diff_ids, &count);
	add_diff_ids(key, name, diff_ids, count);
}

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
		return opened < 0 ? opened : build_selection_add(selection, key, err);
	}
	if (input->kind != INPUT_CONTEXT && input->kind != INPUT_NAMED) {
		add_layers(build, key, "the stage or image that it reads", input);
		if (selection->sources)
			build_key_list(key, "the sources", selection->sources);
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
		     const struct plan_input *input, struct error **err)
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
	return add_input(build, key, input, KEY_OF_LAYERS, &selection, err);
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

static int add_run(struct build *build, struct build_key *key, const struct plan_step *step, struct error **err)
{
	const struct instruction_run *run = &step->instruction->run;
	cleanup(strlist_done) struct strlist env = {0};
	int rc = 0;

	strlist_copy(&env, &step->env);
	strlist_sort(&env);
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
		rc = add_mount(build, key, &run->mounts[i], &step->mounts[i], err);
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
	if (of == KEY_OF_LAYERS)
		return -ENODATA;
	int rc = build_remotes_fetch(&build->remotes, step->instruction, &build->options->registry, err);
	if (rc >= 0)
		build_remotes_key(&build->remotes, key);
	return rc;
}

static int add_copy(struct build *build, struct build_key *key, const struct plan_step *step, enum key_of_stages of,
		    struct error **err)
{
	const struct instruction_copy *copy = &step->instruction->copy;
	cleanup(strlist_done) struct strlist local = {0};
	struct build_selection selection = {.sources = &local, .excludes = &copy->excludes, .parents = copy->parents};

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
	int rc = add_remote(build, step, of, &local, key, err);
	/* How many there are decides whether the destination is a directory. */
	build_key_number(key, "the number of sources", copy->sources.count + copy->files.count);
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

int build_step_key(struct build *build, const struct stage_run *run, const struct plan_step *step,
		   enum key_of_stages of, struct key_parts *parts, struct digest *digest, struct error **err)
{
	cleanup(build_key_done) struct build_key key = BUILD_KEY_INIT;
	const struct image_config *config = &run->c.config;
	const struct build_options *options = build->options;
	int rc = 0;

	key.parts = parts;
	build_key_text(&key, KEY_VERSION, instruction_name(step->kind));
	size_t layers = build_step_stands_alone(step) ? 0 : config->diff_id_count;
	build_key_number(&key, "of", of);
	add_diff_ids(&key, KEY_LAYERS_BELOW, config->diff_ids, layers);
	build_key_text(&key, "the working directory", step->cwd);
	/* What times the files get is part of the layer. */
	if (options->timestamp >= 0)
		build_key_number(&key, "--timestamp", (uint64_t)options->timestamp);
	else if (build->epoch >= 0 && options->rewrite_timestamp)
		build_key_number(&key, "SOURCE_DATE_EPOCH", (uint64_t)build->epoch);
	if (step->kind == INSTRUCTION_RUN)
		rc = add_run(build, &key, step, err);
	else if (step->kind == INSTRUCTION_WORKDIR)
		build_key_text(&key, "the user", step->user);
	else
		rc = add_copy(build, &key, step, of, err);
	return rc < 0 ? rc : build_key_finish(&key, digest, err);
}
