/*
 * Checks of what stands in a stage, walked from its FROM downwards with the variables that are set at each instruction.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/parse.h"
#include "dockerfile/lint_internal.h"
#include "dockerfile/reach_internal.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* One stage on its way. */
struct walk {
	const struct lint_run *run;
	const struct stage *written;
	struct lint_stage *stage;
	const struct instruction *last_of[INSTRUCTION_KINDS]; /* those of which only the last one counts */
};

static struct expand_scope scope_of(const struct walk *walk)
{
	return (struct expand_scope){.lists = {&walk->stage->args, &walk->stage->env},
				     .count = 2,
				     .escape = walk->run->file->directives.escape};
}

/* ---- Variables ---- */

static void report_unset(const struct walk *walk, const struct instruction *instruction, const struct strlist *unset)
{
	const struct strlist *lists[] = {&walk->stage->env, &walk->stage->args};

	for (size_t i = 0; i < unset->count && walk->run->findings->count < LINT_FINDINGS_MAX; i++) {
		const char *name = unset->items[i];
		cleanup_free char *nearest = NULL;
		if (strlist_contains(&walk->stage->arg_names, name) || text_has_prefix(name, "BUILDKIT_SBOM_SCAN_"))
			continue;
		lint_suggest(name, lists, ARRAY_COUNT(lists), &nearest);
		lint_found(walk->run, "UndefinedVar", &instruction->range, "Usage of undefined variable '$%s'%s%s%s",
			   name, nearest ? " (did you mean $" : "", nearest ? nearest : "", nearest ? "?)" : "");
	}
}

static int set_arg(const struct walk *walk, const struct key_value *arg, struct strlist *unset, struct error **err)
{
	const struct expand_scope scope = scope_of(walk);
	const struct strlist *given = walk->run->options->build_args;
	const char *value = given ? strlist_env_get(given, arg->key) : NULL;
	cleanup_free char *expanded = NULL;

	strlist_append(&walk->stage->arg_names, arg->key);
	if (!value && arg->value) {
		int rc = expand_word(arg->value, &scope, unset, &expanded, err);
		if (rc < 0)
			return rc;
		value = expanded;
	}
	if (!value)
		value = strlist_env_get(walk->run->head, arg->key);
	if (value)
		strlist_env_set(&walk->stage->args, arg->key, value);
	return 0;
}

/* ENV beats the ARGs above it. */
static void set_env(const struct walk *walk, const struct instruction *env)
{
	for (size_t i = 0; i < env->pairs.count; i++) {
		strlist_env_set(&walk->stage->env, env->pairs.items[i].key, env->pairs.items[i].value);
		strlist_env_unset(&walk->stage->args, env->pairs.items[i].key);
	}
}

/* ---- Single instructions ---- */

/* A word of the name, between underscores, that says what is in it. */
static bool names_a_secret(const char *key)
{
	static const char *const secrets[] = {"apikey",	  "auth",  "credential", "credentials", "key",
					      "password", "pword", "passwd",	 "secret",	"token"};
	static const char *const harmless[] = {"public", "file", "version"};
	cleanup(strlist_done) struct strlist parts = {0};
	bool found = false;

	strlist_split(&parts, key, '_');
	for (size_t i = 0; i < parts.count; i++) {
		for (size_t j = 0; j < ARRAY_COUNT(harmless); j++)
			if (strcasecmp(parts.items[i], harmless[j]) == 0)
				return false;
		for (size_t j = 0; j < ARRAY_COUNT(secrets); j++)
			found |= strcasecmp(parts.items[i], secrets[j]) == 0;
	}
	return found;
}

static void check_secrets(const struct walk *walk, const struct instruction *instruction)
{
	for (size_t i = 0; i < instruction->pairs.count; i++)
		if (names_a_secret(instruction->pairs.items[i].key))
			lint_found(walk->run, "SecretsUsedInArgOrEnv", &instruction->range,
				   "Do not use ARG or ENV instructions for sensitive data (%s \"%s\")",
				   instruction_name(instruction->kind), instruction->pairs.items[i].key);
}

/* ":80" and "::80" name neither an address nor a port of the host. */
static bool has_host(const char *word)
{
	const char *colon = strrchr(word, ':');

	return colon && colon != word && !(colon == word + 1 && word[0] == ':');
}

static void check_expose(const struct walk *walk, const struct instruction *expose)
{
	for (size_t i = 0; i < expose->words.count; i++) {
		const char *word = expose->words.items[i];
		const char *slash = strrchr(word, '/');
		bool upper = false;
		for (const char *c = slash ? slash : ""; *c; c++)
			upper |= isupper((unsigned char)*c) != 0;
		if (upper)
			lint_found(walk->run, "ExposeProtoCasing", &expose->range,
				   "Defined protocol '%s' in EXPOSE instruction should be lowercase", word);
		if (has_host(word))
			lint_found(
				walk->run, "ExposeInvalidFormat", &expose->range,
				"EXPOSE instruction should not define an IP address or host-port mapping, found '%s'",
				word);
	}
}

static bool is_remote(const char *source)
{
	return strstr(source, "://") || text_has_prefix(source, "git@");
}

static bool has_pattern(const struct ignore_rules *rules, const char *pattern)
{
	return strlist_contains(&rules->patterns, pattern);
}

/* Is it left out whatever is in it? Of the root that is said only when the patterns say so of everything. */
static bool is_left_out(const struct ignore_rules *rules, const char *path)
{
	if ((strcmp(path, ".") == 0 || strcmp(path, "/") == 0) && !has_pattern(rules, "*") &&
	    !has_pattern(rules, "**") && !has_pattern(rules, "**/*"))
		return false;
	return ignore_rules_match(rules, path);
}

/* Exceptions make it too hard to say: a file may come back from below a directory that is left out. */
static void check_ignored(const struct walk *walk, const struct instruction *instruction)
{
	const struct ignore_rules *ignore = walk->run->options->ignore;
	const struct instruction_copy *copy = &instruction->copy;

	if (!ignore || ignore->has_exceptions || copy->from)
		return;
	for (size_t i = 0; i < copy->sources.count; i++) {
		const char *source = copy->sources.items[i];
		if (is_remote(source))
			continue;
		/* A '/' at its start stays, and only a pattern that fits any depth then fits: BuildKit has it so. */
		cleanup_free char *clean = ignore_path_clean(source);
		cleanup_free char *path = mem_printf("%s%s", *source == '/' ? "/" : *clean ? "" : ".", clean);
		if (is_left_out(ignore, path))
			lint_found(walk->run, "CopyIgnoredFile", &instruction->range,
				   "Attempting to %s file \"%s\" that is excluded by .dockerignore",
				   instruction->kind == INSTRUCTION_ADD ? "Add" : "Copy", path);
	}
}

static void check_command(const struct walk *walk, const struct instruction *instruction)
{
	if (!instruction->command.is_exec && !walk->stage->has_shell)
		lint_found(walk->run, "JSONArgsRecommended", &instruction->range,
			   "JSON arguments recommended for %s to prevent unintended behavior related to OS signals",
			   instruction->keyword);
}

/* The one above is to blame: it has no effect. */
static void check_once(struct walk *walk, const struct instruction *instruction)
{
	const struct instruction *before = walk->last_of[instruction->kind];

	if (before)
		lint_found(walk->run, "MultipleInstructionsDisallowed", &before->range,
			   "Multiple %s instructions should not be used in the same stage because only the last one "
			   "will be used",
			   instruction->keyword);
	walk->last_of[instruction->kind] = instruction;
}

/* Only the first one: the others are right once it is. */
static void check_workdir(const struct walk *walk, const struct instruction *workdir)
{
	if (workdir->argument[0] != '/' && !walk->stage->has_workdir && !strchr(workdir->argument, '$'))
		lint_found(walk->run, "WorkdirRelativePath", &workdir->range,
			   "Relative workdir \"%s\" can have unexpected results if the base image changes",
			   workdir->argument);
	walk->stage->has_workdir = true;
}

static void check_legacy(const struct walk *walk, const struct instruction *instruction)
{
	const char *name = instruction->keyword;

	if (instruction->pairs.is_legacy)
		lint_found(walk->run, "LegacyKeyValueFormat", &instruction->range,
			   "\"%s key=value\" should be used instead of legacy \"%s key value\" format", name, name);
}

static void check_instruction(struct walk *walk, const struct instruction *instruction)
{
	switch (instruction->kind) {
	case INSTRUCTION_ADD:
	case INSTRUCTION_COPY:
		check_ignored(walk, instruction);
		break;
	case INSTRUCTION_ARG:
		check_secrets(walk, instruction);
		break;
	case INSTRUCTION_ENV:
		check_secrets(walk, instruction);
		check_legacy(walk, instruction);
		set_env(walk, instruction);
		break;
	case INSTRUCTION_LABEL:
		check_legacy(walk, instruction);
		break;
	case INSTRUCTION_CMD:
	case INSTRUCTION_ENTRYPOINT:
		check_command(walk, instruction);
		check_once(walk, instruction);
		break;
	case INSTRUCTION_HEALTHCHECK:
		check_once(walk, instruction);
		break;
	case INSTRUCTION_EXPOSE:
		check_expose(walk, instruction);
		break;
	case INSTRUCTION_SHELL:
		walk->stage->has_shell = true;
		break;
	case INSTRUCTION_WORKDIR:
		check_workdir(walk, instruction);
		break;
	default:
		break;
	}
}

/* The stages that it names are above it. */
static int check_sources(const struct walk *walk, const struct instruction *instruction, struct error **err)
{
	const struct dockerfile *file = walk->run->file;
	const struct stage *source = NULL;
	int rc = 0;

	if (instruction->kind == INSTRUCTION_COPY && instruction->copy.from)
		return dockerfile_from(file, walk->written, instruction->copy.from, STAGE_BY_NAME_OR_NUMBER, &source,
				       err);
	for (size_t i = 0; instruction->kind == INSTRUCTION_RUN && rc == 0 && i < instruction->run.mount_count; i++)
		if (instruction->run.mounts[i].from)
			rc = dockerfile_from(file, walk->written, instruction->run.mounts[i].from, STAGE_BY_NAME,
					     &source, err);
	return rc;
}

/* What an expanded instruction may be refused for. */
static int check_values(const struct walk *walk, const struct instruction *instruction, struct error **err)
{
	cleanup(strlist_done) struct strlist ports = {0};

	if (instruction->kind == INSTRUCTION_EXPOSE)
		return expose_ports(&instruction->words, &ports, /* odd */ NULL, err);
	if (instruction->kind == INSTRUCTION_STOPSIGNAL)
		return stop_signal_check(instruction->argument, err);
	return check_sources(walk, instruction, err);
}

/* ARG, word by word, or anything else as a whole. */
static int expand(struct walk *walk, const struct instruction *instruction, struct strlist *unset,
		  struct instruction **expanded, struct error **err)
{
	const struct expand_scope scope = scope_of(walk);
	int rc = 0;

	if (instruction->kind != INSTRUCTION_ARG)
		return instruction_expand(instruction, &scope, unset, expanded, err);
	for (size_t i = 0; rc == 0 && i < instruction->pairs.count; i++)
		rc = set_arg(walk, &instruction->pairs.items[i], unset, err);
	return rc;
}

/* Expands an instruction, reports what is unset, and checks what came out; what cannot be expanded is checked as it is
 * written. */
static void visit(struct walk *walk, const struct instruction *instruction, struct instruction **expanded)
{
	cleanup(strlist_done) struct strlist unset = {0};
	cleanup_error struct error *err = NULL;
	int rc = expand(walk, instruction, &unset, expanded, &err);

	if (walk->stage->env_is_known)
		report_unset(walk, instruction, &unset);
	/* Without the base's variables an expansion is only a guess. */
	bool use = *expanded && (walk->stage->env_is_known || unset.count == 0);
	check_instruction(walk, use ? *expanded : instruction);
	if (rc == 0 && use)
		rc = check_values(walk, *expanded, &err);
	if (rc < 0 && walk->stage->env_is_known)
		lint_failed(walk->run, &instruction->range, err);
}

static void begin_stage(const struct lint_run *run, const struct stage *stage, struct lint_stage *view)
{
	const struct stage *base = stage_base(run->file, stage, run->head);
	const struct lint_base *image = run->options->bases ? &run->options->bases[stage->index] : NULL;
	const struct strlist *env = image ? image->env : NULL;

	if (base) {
		const struct lint_stage *from = &run->stages[base->index];
		strlist_append_all(&view->env, &from->env);
		strlist_append_all(&view->args, &from->args);
		strlist_append_all(&view->arg_names, &from->arg_names);
		view->env_is_known = from->env_is_known;
		view->has_shell = from->has_shell;
		view->has_workdir = from->has_workdir;
		return;
	}
	if (env)
		strlist_append_all(&view->env, env);
	view->has_shell = image && image->has_shell;
	view->env_is_known = env || strcmp(stage->from->from.image, "scratch") == 0;
	if (!strlist_env_get(&view->env, "PATH"))
		strlist_env_set(&view->env, "PATH", DEFAULT_PATH);
}

void lint_stage(const struct lint_run *run, const struct stage *stage)
{
	struct walk walk = {.run = run, .written = stage, .stage = &run->stages[stage->index]};
	struct instruction **expanded = mem_alloc(stage->count * sizeof(struct instruction *));

	begin_stage(run, stage, walk.stage);
	/* They are kept to the end: check_once() looks back at them. */
	for (size_t i = 0; i < stage->count && !lint_has_failed(run); i++)
		visit(&walk, stage->instructions[i], &expanded[i]);
	for (size_t i = 0; i < stage->count; i++)
		instruction_free(expanded[i]);
	mem_free_cleanup(&expanded);
}
