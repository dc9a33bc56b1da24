/*
 * The time that a build's SOURCE_DATE_EPOCH stands for. Stages are only read for it, not built.
 */
#include "builder/build_epoch.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/parse.h"
#include "builder/git.h"
#include "builder/named_context.h"

#define NAME "SOURCE_DATE_EPOCH"

struct epoch_search {
	struct workshop *w;
	const struct build_options *options;
	const struct build_globals *globals;
};

/* -1 in *time when nobody knows. */
static int time_of_address(const struct epoch_search *search, const char *address, int64_t *time, struct error **err)
{
	const struct context_options options = {.registry = &search->options->registry, .is_for_time = true};
	cleanup(build_context_close) struct build_context *context = NULL;
	int rc = build_context_open(search->w, address, &options, &context, err);

	if (rc == 0)
		*time = build_context_time(context);
	return rc;
}

/* ---- a stage ------------------------------------------------------------------------------------------------------
 */

/* ARG in a stage that is only read: the build argument, else the default. */
static int take_args(const struct epoch_search *search, const struct instruction *arg, struct strlist *values,
		     struct error **err)
{
	const struct expand_scope scope = {.lists = {values}, .count = 1, .escape = search->globals->escape};

	for (size_t i = 0; i < arg->pairs.count; i++) {
		const struct key_value *pair = &arg->pairs.items[i];
		const char *given = strlist_env_get(&search->globals->given, pair->key);
		cleanup_free char *value = NULL;
		int rc = given || !pair->value ? 0 : expand_word(pair->value, &scope, /* unset */ NULL, &value, err);
		if (rc < 0)
			return rc;
		if (given || value)
			strlist_env_set(values, pair->key, given ? given : value);
	}
	return 0;
}

/* The address of an ADD that has one source, from elsewhere. */
static int take_address(const struct epoch_search *search, const struct instruction *add, const struct strlist *values,
			char **address, struct error **err)
{
	const struct expand_scope scope = {.lists = {values}, .count = 1, .escape = search->globals->escape};
	cleanup(instruction_free) struct instruction *expanded = NULL;

	if (*address)
		return error_set(err, EINVAL, NAME " stage must contain exactly one remote ADD");
	int rc = instruction_expand(add, &scope, /* unset */ NULL, &expanded, err);
	if (rc < 0)
		return rc;
	const struct strlist *sources = &expanded->copy.sources;
	if (sources->count != 1 || expanded->copy.files.count > 0)
		return error_set(err, EINVAL, NAME " stage must contain exactly one remote ADD source");
	const char *source = sources->items[0];
	/* As for ADD itself: no repository of this machine. */
	bool is_git = git_address_is(source) && !text_has_prefix(source, "file:");
	if (!text_has_prefix(source, "http://") && !text_has_prefix(source, "https://") && !is_git)
		return error_set(err, EINVAL, NAME " stage source must be a single HTTP(S) or Git ADD");
	*address = mem_strdup(source);
	return 0;
}

static int check_base(const struct epoch_search *search, const struct stage *stage, const struct strlist *values,
		      struct error **err)
{
	const struct expand_scope scope = {.lists = {values}, .count = 1, .escape = search->globals->escape};
	cleanup_free char *image = NULL;
	int rc = expand_word(stage->from->from.image, &scope, /* unset */ NULL, &image, err);

	if (rc == 0 && strcmp(image, "scratch") != 0)
		rc = error_set(err, EINVAL, NAME " stage must use FROM scratch");
	return rc;
}

/* FROM scratch, ARGs, and one ADD from elsewhere. */
static int read_stage(const struct epoch_search *search, const struct stage *stage, char **address, struct error **err)
{
	cleanup(strlist_done) struct strlist values = {0};

	strlist_append_all(&values, &search->globals->args);
	strlist_env_unset(&values, NAME);
	int rc = check_base(search, stage, &values, err);
	for (size_t i = 0; rc == 0 && i < stage->count; i++) {
		const struct instruction *instruction = stage->instructions[i];
		if (instruction->kind == INSTRUCTION_ARG)
			rc = take_args(search, instruction, &values, err);
		else if (instruction->kind == INSTRUCTION_ADD)
			rc = take_address(search, instruction, &values, address, err);
		else
			rc = error_set(err, EINVAL,
				       NAME " stage does not meet source-only requirements: unsupported %s instruction",
				       instruction_name(instruction->kind));
	}
	if (rc == 0 && !*address)
		rc = error_set(err, EINVAL, NAME " stage must contain exactly one remote ADD");
	return rc;
}

static int time_of_stage(const struct epoch_search *search, const struct stage *stage, int64_t *time,
			 struct error **err)
{
	cleanup_free char *address = NULL;
	int rc = read_stage(search, stage, &address, err);

	if (rc == 0)
		rc = time_of_address(search, address, time, err);
	return rc < 0 ? source_error(&search->options->file->source, &stage->from->range, err) : 0;
}

/* ---- what the name means ------------------------------------------------------------------------------------------
 */

/* An image has no such time. */
static int time_of_named(const struct epoch_search *search, const char *where, int64_t *time, struct error **err)
{
	cleanup_free char *image = named_context_image(where);

	return image ? 0 : time_of_address(search, where, time, err);
}

static int find_time(const struct epoch_search *search, const char *value, int64_t *time, struct error **err)
{
	const struct dockerfile *file = search->options->file;
	const char *where = NULL;

	if (strcmp(value, "context") == 0) {
		*time = search->options->context ? build_context_time(search->options->context) : -1;
		return 0;
	}
	if (named_context_find(search->options->named_contexts, value, search->options->platform, &where) != SIZE_MAX)
		return time_of_named(search, where, time, err);
	for (size_t i = 0; i < file->stage_count; i++)
		if (file->stages[i].name && strcasecmp(file->stages[i].name, value) == 0)
			return time_of_stage(search, &file->stages[i], time, err);
	return error_set(err, EINVAL, "invalid " NAME ": %s", value);
}

int build_epoch_resolve(struct workshop *w, const struct build_options *options, struct build_globals *globals,
			int64_t *epoch, struct error **err)
{
	const struct epoch_search search = {.w = w, .options = options, .globals = globals};
	const char *given = strlist_env_get(&globals->given, NAME);
	const char *value = given ? given : *epoch < 0 ? strlist_env_get(&globals->args, NAME) : NULL;
	int64_t time = -1;

	if (!value || !*value)
		return 0;
	int rc = parse_i64(value, 0, INT64_MAX, NAME, &time, /* err */ NULL);
	if (rc < 0)
		rc = find_time(&search, value, &time, err);
	if (rc < 0)
		return rc;
	cleanup_free char *text = time < 0 ? mem_strdup("") : mem_printf("%lld", (long long)time);
	strlist_env_set(given ? &globals->given : &globals->args, NAME, text);
	if (time >= 0)
		*epoch = time;
	return 0;
}
