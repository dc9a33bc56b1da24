/*
 * Instructions that change the configuration, one function each.
 */
#include "builder/build_config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/rootpath.h"
#include "builder/build_gotext.h"

/* ---- where a stage begins ---------------------------------------------------------------------------------------- */

void build_config_scratch(struct image_config *config, const struct platform *platform)
{
	image_config_init(config, platform);
	config->working_dir = mem_strdup("/");
	strlist_append(&config->env, "PATH=" BUILD_DEFAULT_PATH);
}

int build_config_begin(struct image_config *config, const struct image_config *base, struct error **err)
{
	int rc = image_config_copy(config, base, err);

	if (rc < 0)
		return rc;
	mem_replace(&config->created, NULL);
	strlist_clear(&config->onbuild);
	if (!strlist_env_get(&config->env, "PATH"))
		strlist_append(&config->env, "PATH=" BUILD_DEFAULT_PATH);
	return 0;
}

/* ---- one instruction ----------------------------------------------------------------------------------------------
 */

static void set_shell_form(const struct image_config *config, const struct strlist *text, struct strlist *words)
{
	cleanup_free char *joined = strlist_join(text, " ");

	if (config->shell.count) {
		strlist_append_all(words, &config->shell);
	} else {
		strlist_append(words, "/bin/sh");
		strlist_append(words, "-c");
	}
	strlist_append(words, joined);
}

static void command_words(const struct image_config *config, const struct instruction_command *command,
			  struct strlist *words)
{
	if (command->is_exec)
		strlist_append_all(words, &command->words);
	else
		set_shell_form(config, &command->words, words);
}

static void apply_pairs(struct strlist *map, const char *name, const struct instruction_pairs *pairs, struct buf *text)
{
	buf_append_str(text, name);
	for (size_t i = 0; i < pairs->count; i++) {
		const char *value = pairs->items[i].value ? pairs->items[i].value : "";
		strlist_env_set(map, pairs->items[i].key, value);
		buf_printf(text, " %s=%s", pairs->items[i].key, value);
	}
}

/* Docker's legacy field says that CMD was set by a builder that leaves it as it is; BuildKit writes it always. */
static int mark_args_escaped(struct image_config *config, struct error **err)
{
	cleanup_json json_t *root = NULL;
	cleanup(buf_done) struct buf text = BUF_INIT(CONFIG_SIZE_MAX);

	if (config->unknown_config) {
		int rc = json_parse(config->unknown_config, strlen(config->unknown_config), "config", &root, err);
		if (rc < 0)
			return rc;
	} else {
		root = json_object();
	}
	json_set_bool(root, "ArgsEscaped", true);
	json_format(root, &text);
	mem_replace(&config->unknown_config, buf_str(&text));
	return 0;
}

static int apply_cmd(struct image_config *config, const struct instruction_command *command, struct buf *text,
		     struct error **err)
{
	cleanup(strlist_done) struct strlist words = {0};

	command_words(config, command, &words);
	strlist_copy(&config->cmd, &words);
	buf_append_str(text, "CMD ");
	gotext_quoted_list(&words, text);
	return mark_args_escaped(config, err);
}

static void apply_entrypoint(struct image_config *config, const struct instruction_command *command, bool cmd_is_set,
			     struct buf *text)
{
	cleanup(strlist_done) struct strlist words = {0};

	command_words(config, command, &words);
	strlist_copy(&config->entrypoint, &words);
	/* A CMD that was inherited is meant for the entrypoint that was inherited. */
	if (!cmd_is_set)
		strlist_clear(&config->cmd);
	buf_append_str(text, "ENTRYPOINT ");
	gotext_quoted_list(&words, text);
}

static void append_field(struct buf *text, const char *name, int64_t nanoseconds)
{
	buf_printf(text, " %s:", name);
	gotext_duration(nanoseconds, text);
}

static void apply_healthcheck(struct image_config *config, const struct instruction_healthcheck *check,
			      struct buf *text)
{
	struct healthcheck made = {.is_set = true,
				   .interval = check->interval_ns,
				   .timeout = check->timeout_ns,
				   .start_period = check->start_period_ns,
				   .start_interval = check->start_interval_ns,
				   .retries = check->retries};

	if (check->kind == HEALTHCHECK_NONE) {
		strlist_append(&made.test, "NONE");
	} else {
		strlist_append(&made.test, check->command.is_exec ? "CMD" : "CMD-SHELL");
		strlist_append_all(&made.test, &check->command.words);
	}
	strlist_done(&config->healthcheck.test);
	config->healthcheck = made;
	buf_append_str(text, "HEALTHCHECK {Test:");
	gotext_list(&made.test, text);
	append_field(text, "Interval", made.interval);
	append_field(text, "Timeout", made.timeout);
	append_field(text, "StartPeriod", made.start_period);
	append_field(text, "StartInterval", made.start_interval);
	buf_printf(text, " Retries:%lld}", (long long)made.retries);
}

/* A range of ports may be all 65536: one sort for all of them. */
static void add_to_set(struct strlist *set, const struct strlist *more)
{
	size_t kept = 0;

	strlist_append_all(set, more);
	strlist_sort(set);
	for (size_t i = 0; i < set->count; i++) {
		if (kept > 0 && strcmp(set->items[i], set->items[kept - 1]) == 0)
			free(set->items[i]);
		else
			set->items[kept++] = set->items[i];
	}
	if (set->items)
		set->items[kept] = NULL;
	set->count = kept;
}

static int apply_expose(struct image_config *config, const struct strlist *words, struct buf *text, struct error **err)
{
	cleanup(strlist_done) struct strlist ports = {0};
	int rc = expose_ports(words, &ports, /* odd */ NULL, err);

	if (rc < 0)
		return rc;
	add_to_set(&config->exposed_ports, &ports);
	buf_append_str(text, "EXPOSE ");
	gotext_list(&ports, text);
	return 0;
}

static int apply_volume(struct image_config *config, const struct strlist *words, struct buf *text, struct error **err)
{
	for (size_t i = 0; i < words->count; i++)
		if (!*words->items[i])
			return error_set(err, EINVAL, "VOLUME specified can not be an empty string");
	add_to_set(&config->volumes, words);
	buf_append_str(text, "VOLUME ");
	gotext_list(words, text);
	return 0;
}

/* An absolute directory stays as it is written, a relative one is joined and cleaned. */
static void apply_workdir(struct image_config *config, const char *directory, struct buf *text)
{
	if (directory[0] == '/') {
		mem_replace(&config->working_dir, directory);
	} else {
		const char *current = config->working_dir ? config->working_dir : "";
		cleanup_free char *joined = mem_printf("/%s/%s", current, directory);
		cleanup_free char *clean = rootpath_clean(joined);
		mem_replace(&config->working_dir, clean);
	}
	buf_printf(text, "WORKDIR %s", config->working_dir);
}

static int apply_stop_signal(struct image_config *config, const char *name, struct buf *text, struct error **err)
{
	int rc = stop_signal_check(name, err);

	if (rc < 0)
		return rc;
	mem_replace(&config->stop_signal, name);
	buf_printf(text, "STOPSIGNAL %s", name);
	return 0;
}

/* A flat table of the instructions. */
int build_config_apply(struct image_config *config, const struct instruction *instruction, bool cmd_is_set, char **text,
		       struct error **err)
{
	cleanup(buf_done) struct buf shown = BUF_INIT(BUF_MAX_DEFAULT);
	int rc = 0;

	switch (instruction->kind) {
	case INSTRUCTION_ENV:
		apply_pairs(&config->env, "ENV", &instruction->pairs, &shown);
		break;
	case INSTRUCTION_LABEL:
		apply_pairs(&config->labels, "LABEL", &instruction->pairs, &shown);
		break;
	case INSTRUCTION_CMD:
		rc = apply_cmd(config, &instruction->command, &shown, err);
		break;
	case INSTRUCTION_ENTRYPOINT:
		apply_entrypoint(config, &instruction->command, cmd_is_set, &shown);
		break;
	case INSTRUCTION_HEALTHCHECK:
		apply_healthcheck(config, &instruction->healthcheck, &shown);
		break;
	case INSTRUCTION_EXPOSE:
		rc = apply_expose(config, &instruction->words, &shown, err);
		break;
	case INSTRUCTION_VOLUME:
		rc = apply_volume(config, &instruction->words, &shown, err);
		break;
	case INSTRUCTION_SHELL:
		strlist_copy(&config->shell, &instruction->command.words);
		buf_append_str(&shown, "SHELL ");
		gotext_list(&config->shell, &shown);
		break;
	case INSTRUCTION_USER:
		mem_replace(&config->user, instruction->argument);
		buf_printf(&shown, "USER %s", instruction->argument);
		break;
	case INSTRUCTION_WORKDIR:
		apply_workdir(config, instruction->argument, &shown);
		break;
	case INSTRUCTION_STOPSIGNAL:
		rc = apply_stop_signal(config, instruction->argument, &shown, err);
		break;
	case INSTRUCTION_MAINTAINER:
		mem_replace(&config->author, instruction->argument);
		buf_printf(&shown, "MAINTAINER %s", instruction->argument);
		break;
	case INSTRUCTION_ONBUILD:
		strlist_append(&config->onbuild, instruction->argument);
		break;
	case INSTRUCTION_ADD:
	case INSTRUCTION_ARG:
	case INSTRUCTION_COPY:
	case INSTRUCTION_FROM:
	case INSTRUCTION_RUN:
	case INSTRUCTION_KINDS:
		break;
	}
	if (rc >= 0)
		*text = shown.len ? buf_take(&shown) : NULL;
	return rc;
}

/* ---- history ------------------------------------------------------------------------------------------------------
 */

char *build_config_copy_text(const struct instruction *instruction)
{
	const struct instruction_copy *copy = &instruction->copy;
	cleanup(buf_done) struct buf text = BUF_INIT(BUF_MAX_DEFAULT);

	buf_append_str(&text, instruction_name(instruction->kind));
	if (copy->parents)
		buf_append_str(&text, " --parents");
	if (copy->chown && *copy->chown)
		buf_printf(&text, " --chown=%s", copy->chown);
	if (copy->chmod && *copy->chmod)
		buf_printf(&text, " --chmod=%s", copy->chmod);
	for (size_t i = 0; i < copy->sources.count; i++)
		buf_printf(&text, " %s", copy->sources.items[i]);
	for (size_t i = 0; i < copy->files.count; i++)
		buf_printf(&text, " <<%s", copy->files.items[i].name);
	buf_printf(&text, " %s # buildkit", copy->destination);
	return buf_take(&text);
}

void build_config_argv(const struct image_config *config, const struct instruction_run *run, struct strlist *argv)
{
	if (run->script != RUN_SCRIPT_FILE) {
		command_words(config, &run->command, argv);
		return;
	}
	cleanup(strlist_done) struct strlist file = {0};
	strlist_printf(&file, "/dev/pipes/%s", run->script_name);
	set_shell_form(config, &file, argv);
}

void build_config_record(struct image_config *config, const char *text, bool has_layer)
{
	const struct history entry = {
		.created_by = (char *)text, .comment = (char *)BUILD_HISTORY_COMMENT, .empty_layer = !has_layer};

	image_config_add_history(config, &entry);
}
