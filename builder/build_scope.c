/*
 * ARG and ENV: which value a name has where.
 */
#include "builder/build_scope.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"

void build_globals_done(struct build_globals *globals)
{
	strlist_done(&globals->given);
	strlist_done(&globals->args);
	strlist_done(&globals->proxies);
}

void build_scope_done(struct build_scope *scope)
{
	strlist_done(&scope->env);
	for (size_t i = 0; i < scope->arg_count; i++) {
		free(scope->args[i].key);
		free(scope->args[i].value);
	}
	free(scope->args);
	*scope = (struct build_scope){0};
}

/* ---- globals ----------------------------------------------------------------------------------------------------- */

/* "K" alone is our environment's, and nothing when it is not set there. */
static void take_given(struct strlist *given, const struct strlist *texts)
{
	for (size_t i = 0; texts && i < texts->count; i++) {
		const char *text = texts->items[i];
		const char *equals = strchr(text, '=');
		cleanup_free char *key = equals ? mem_strndup(text, (size_t)(equals - text)) : mem_strdup(text);
		const char *value = equals ? equals + 1 : getenv(key);
		if (value)
			strlist_env_set(given, key, value);
	}
}

static void take_proxies(struct build_globals *globals)
{
	static const char *const names[] = {"http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"};

	for (size_t i = 0; i < globals->given.count; i++) {
		const char *text = globals->given.items[i];
		size_t length = strcspn(text, "=");
		for (size_t k = 0; k < ARRAY_COUNT(names); k++) {
			if (strlen(names[k]) != length || strncasecmp(names[k], text, length) != 0)
				continue;
			cleanup_free char *upper = mem_strdup(names[k]);
			for (char *c = upper; *c; c++)
				*c = (char)toupper((unsigned char)*c);
			strlist_env_set(&globals->proxies, names[k], text + length + 1);
			strlist_env_set(&globals->proxies, upper, text + length + 1);
		}
	}
}

static void predefine(struct build_globals *globals, const char *name, const char *value)
{
	const char *given = strlist_env_get(&globals->given, name);

	strlist_env_set(&globals->args, name, given ? given : value ? value : "");
}

static void predefine_platform(struct build_globals *globals, const char *prefix, const struct platform *platform)
{
	cleanup_free char *whole = platform_format(platform);
	const struct {
		const char *suffix, *value;
	} parts[] = {
		{"PLATFORM", whole},
		{"OS", platform->os},
		{"OSVERSION", platform->os_version},
		{"ARCH", platform->architecture},
		{"VARIANT", platform->variant},
	};

	for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
		cleanup_free char *name = mem_printf("%s%s", prefix, parts[i].suffix);
		predefine(globals, name, parts[i].value);
	}
}

static int take_global(struct build_globals *globals, const struct key_value *arg, struct error **err)
{
	const char *given = strlist_env_get(&globals->given, arg->key);

	if (given) {
		strlist_env_set(&globals->args, arg->key, given);
		return 0;
	}
	if (!arg->value)
		return 0;
	const struct expand_scope scope = {.lists = {&globals->args}, .count = 1, .escape = globals->escape};
	cleanup_free char *value = NULL;
	int rc = expand_word(arg->value, &scope, /* unset */ NULL, &value, err);
	if (rc >= 0)
		strlist_env_set(&globals->args, arg->key, value);
	return rc;
}

int build_globals_make(const struct dockerfile *file, const struct build_globals_options *options,
		       struct build_globals *globals, struct error **err)
{
	cleanup(build_globals_done) struct build_globals made = {.escape = file->directives.escape};
	const struct stage *last = &file->stages[file->stage_count - 1];
	const char *name = options->target ? options->target->name : last->name;

	take_given(&made.given, options->build_args);
	take_proxies(&made);
	predefine_platform(&made, "BUILD", options->build_platform);
	predefine_platform(&made, "TARGET", options->target_platform);
	predefine(&made, "TARGETSTAGE", name ? name : "default");
	for (size_t i = 0; i < file->arg_count; i++) {
		const struct instruction *arg = file->args[i];
		for (size_t k = 0; k < arg->pairs.count; k++) {
			int rc = take_global(&made, &arg->pairs.items[k], err);
			if (rc < 0)
				return source_error(&file->source, &arg->range, err);
		}
	}
	*globals = made;
	made = (struct build_globals){0};
	return 0;
}

/* ---- a stage ----------------------------------------------------------------------------------------------------- */

static void declare(struct build_scope *scope, const char *key, const char *value)
{
	scope->args = mem_grow(scope->args, scope->arg_count + 1, sizeof(*scope->args));
	scope->args[scope->arg_count++] = (struct build_arg){mem_strdup(key), mem_strdup(value)};
}

void build_scope_begin(struct build_scope *scope, const struct build_scope *base, const struct strlist *image_env)
{
	*scope = (struct build_scope){0};
	if (base) {
		strlist_copy(&scope->env, &base->env);
		for (size_t i = 0; i < base->arg_count; i++)
			declare(scope, base->args[i].key, base->args[i].value);
	}
	for (size_t i = 0; i < image_env->count; i++) {
		const char *text = image_env->items[i];
		cleanup_free char *key = mem_strndup(text, strcspn(text, "="));
		strlist_env_set(&scope->env, key, text[strlen(key)] ? text + strlen(key) + 1 : "");
	}
}

struct expand_scope build_scope_expand(const struct build_scope *scope, char escape)
{
	return (struct expand_scope){.lists = {&scope->env}, .count = 1, .escape = escape};
}

/* These two steer the builder and never become variables of a step. */
static bool is_for_the_builder(const char *key)
{
	return strcmp(key, "BUILDKIT_SBOM_SCAN_CONTEXT") == 0 || strcmp(key, "BUILDKIT_SBOM_SCAN_STAGE") == 0;
}

/* The value of one word of ARG; NULL when nothing gives it one. A default is not looked at when it is overridden. */
static int value_of(const struct build_scope *scope, const struct build_globals *globals, const struct key_value *arg,
		    char **value, struct error **err)
{
	const char *given = strlist_env_get(&globals->given, arg->key);

	if (!given && arg->value) {
		const struct expand_scope words = build_scope_expand(scope, globals->escape);
		return expand_word(arg->value, &words, /* unset */ NULL, value, err);
	}
	*value = mem_strdup(given ? given : strlist_env_get(&globals->args, arg->key));
	return 0;
}

int build_scope_arg(struct build_scope *scope, const struct build_globals *globals, const struct instruction *arg,
		    char **text, struct error **err)
{
	cleanup(buf_done) struct buf shown = BUF_INIT(BUF_MAX_DEFAULT);

	buf_append_str(&shown, "ARG");
	for (size_t i = 0; i < arg->pairs.count; i++) {
		const char *key = arg->pairs.items[i].key; /* as written: names of ARG are not expanded */
		cleanup_free char *value = NULL;
		int rc = value_of(scope, globals, &arg->pairs.items[i], &value, err);
		if (rc < 0)
			return rc;
		if (value && !is_for_the_builder(key))
			strlist_env_set(&scope->env, key, value);
		declare(scope, key, value);
		buf_printf(&shown, " %s%s%s", key, value ? "=" : "", value ? value : "");
	}
	*text = buf_take(&shown);
	return 0;
}

char *build_scope_prefix(const struct build_scope *scope)
{
	cleanup(strlist_done) struct strlist shown = {0};

	for (size_t i = 0; i < scope->arg_count; i++) {
		const struct build_arg *arg = &scope->args[i];
		const char *value = strlist_env_get(&scope->env, arg->key);
		strlist_env_set(&shown, arg->key, value ? value : arg->value ? arg->value : "");
	}
	if (shown.count == 0)
		return mem_strdup("");
	cleanup_free char *words = strlist_join(&shown, " ");
	return mem_printf("|%zu %s ", shown.count, words);
}
