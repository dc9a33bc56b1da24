/*
 * The rules by name, what `# check=` says of them, and the run over a file.
 */
#include "dockerfile/lint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "dockerfile/character_internal.h"
#include "dockerfile/lint_internal.h"
#include "dockerfile/reach_internal.h"
#include "dockerfile/statement_internal.h"

#define PAGE(name) "https://docs.docker.com/go/dockerfile/rule/" name "/"

static const struct lint_rule rules[] = {
	{"StageNameCasing", "Stage names should be lowercase", PAGE("stage-name-casing"), false},
	{"FromAsCasing", "The 'as' keyword should match the case of the 'from' keyword", PAGE("from-as-casing"), false},
	{"NoEmptyContinuation", "Empty continuation lines will become errors in a future release",
	 PAGE("no-empty-continuation"), false},
	{"ConsistentInstructionCasing",
	 "All commands within the Dockerfile should use the same casing (either upper or lower)",
	 PAGE("consistent-instruction-casing"), false},
	{"DuplicateStageName", "Stage names should be unique", PAGE("duplicate-stage-name"), false},
	{"ReservedStageName", "Reserved words should not be used as stage names", PAGE("reserved-stage-name"), false},
	{"JSONArgsRecommended",
	 "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals",
	 PAGE("json-args-recommended"), false},
	{"MaintainerDeprecated",
	 "The MAINTAINER instruction is deprecated, use a label instead to define an image author",
	 PAGE("maintainer-deprecated"), false},
	{"UndefinedArgInFrom", "FROM command must use declared ARGs", PAGE("undefined-arg-in-from"), false},
	{"WorkdirRelativePath",
	 "Relative workdir without an absolute workdir declared within the build can have unexpected results if the "
	 "base image changes",
	 PAGE("workdir-relative-path"), false},
	{"UndefinedVar", "Variables should be defined before their use", PAGE("undefined-var"), false},
	{"MultipleInstructionsDisallowed",
	 "Multiple instructions of the same type should not be used in the same stage",
	 PAGE("multiple-instructions-disallowed"), false},
	{"LegacyKeyValueFormat", "Legacy key/value format with whitespace separator should not be used",
	 PAGE("legacy-key-value-format"), false},
	{"InvalidBaseImagePlatform", "Base image platform does not match expected target platform", NULL, false},
	{"RedundantTargetPlatform",
	 "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior",
	 PAGE("redundant-target-platform"), false},
	{"SecretsUsedInArgOrEnv", "Sensitive data should not be used in the ARG or ENV commands",
	 PAGE("secrets-used-in-arg-or-env"), false},
	{"InvalidDefaultArgInFrom", "Default value for global ARG results in an empty or invalid base image name",
	 PAGE("invalid-default-arg-in-from"), false},
	{"FromPlatformFlagConstDisallowed", "FROM --platform flag should not use a constant value",
	 PAGE("from-platform-flag-const-disallowed"), false},
	{"CopyIgnoredFile", "Attempting to Copy file that is excluded by .dockerignore", PAGE("copy-ignored-file"),
	 false},
	{"ExposeProtoCasing", "Protocol in EXPOSE instruction should be lowercase", PAGE("expose-proto-casing"), false},
	{"ExposeInvalidFormat",
	 "IP address and host-port mapping should not be used in EXPOSE instruction. This will "
	 "become an error in a future release",
	 PAGE("expose-invalid-format"), false},
	{"InvalidDefinitionDescription",
	 "Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If this "
	 "is not intended to be a description comment, add an empty line or comment between the instruction and the "
	 "comment.",
	 PAGE("invalid-definition-description"), true},
};

const struct lint_rule *lint_rule_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_COUNT(rules); i++)
		if (strcmp(rules[i].name, name) == 0)
			return &rules[i];
	return NULL;
}

/* ---- # check= ---- */

void lint_config_done(struct lint_config *config)
{
	strlist_done(&config->skip);
	strlist_done(&config->experimental);
}

static void read_names(const char *text, struct strlist *names, bool *all)
{
	cleanup(strlist_done) struct strlist parts = {0};

	*all = strcmp(text, "all") == 0;
	if (*all)
		return;
	strlist_clear(names);
	strlist_split(&parts, text, ',');
	for (size_t i = 0; i < parts.count; i++)
		strlist_take(names, trim_space(parts.items[i]));
}

static int read_option(const char *option, struct lint_config *config, struct error **err)
{
	static const char *const keys[] = {"skip", "error", "experimental"};
	const char *equals = strchr(option, '=');

	if (!equals)
		return error_set(err, EINVAL, "invalid check option '%s'", option);
	cleanup_free char *written = mem_strndup(option, (size_t)(equals - option));
	cleanup_free char *key = trim_space(written);
	cleanup_free char *value = trim_space(equals + 1);
	if (strcmp(key, "skip") == 0) {
		read_names(value, &config->skip, &config->skip_all);
		return 0;
	}
	if (strcmp(key, "experimental") == 0) {
		read_names(value, &config->experimental, &config->experimental_all);
		return 0;
	}
	if (strcmp(key, "error") != 0) {
		error_set(err, EINVAL, "invalid check option '%s'", key);
		return suggest_hint(err, key, keys, ARRAY_COUNT(keys));
	}
	if (!read_truth(value, &config->error))
		return error_set(err, EINVAL, "invalid check option: error '%s' is neither true nor false", value);
	return 0;
}

int lint_config_parse(const char *text, struct lint_config *config, struct error **err)
{
	cleanup(strlist_done) struct strlist options = {0};
	cleanup_free char *trimmed = trim_space(text ? text : "");
	int rc = 0;

	strlist_split(&options, trimmed, ';');
	for (size_t i = 0; rc == 0 && i < options.count; i++)
		rc = read_option(options.items[i], config, err);
	return rc;
}

static bool is_wanted(const struct lint_config *config, const char *rule)
{
	static const struct lint_config standard = {0};
	const struct lint_rule *known = lint_rule_find(rule);

	if (!config)
		config = &standard;
	/* An experimental rule that was asked for by name runs even when all are skipped. */
	if (known && known->is_experimental)
		return config->experimental_all || strlist_contains(&config->experimental, rule);
	return !config->skip_all && !strlist_contains(&config->skip, rule);
}

/* ---- Findings ---- */

static bool is_in(const struct instruction *instruction, unsigned line)
{
	return instruction->range.first_line <= line && line <= instruction->range.last_line;
}

/* The instruction that the line belongs to, or NULL. */
static const struct instruction *instruction_at(const struct dockerfile *file, unsigned line)
{
	for (size_t i = 0; i < file->arg_count; i++)
		if (is_in(file->args[i], line))
			return file->args[i];
	for (size_t i = 0; i < file->stage_count; i++) {
		const struct stage *stage = &file->stages[i];
		if (is_in(stage->from, line))
			return stage->from;
		for (size_t j = 0; j < stage->count; j++)
			if (is_in(stage->instructions[j], line))
				return stage->instructions[j];
	}
	return NULL;
}

/* Does a comment right above the instruction leave this rule out? */
static bool is_skipped_there(const struct dockerfile *file, const char *rule, const struct source_range *range)
{
	const struct instruction *instruction = instruction_at(file, range->first_line);
	cleanup(strlist_done) struct strlist names = {0};
	bool all = false;

	if (!instruction || !instruction->skip)
		return false;
	cleanup_free char *text = trim_space(instruction->skip);
	read_names(text, &names, &all);
	return all || strlist_contains(&names, rule);
}

void lint_add(struct findings *findings, const struct lint_config *config, const struct dockerfile *file,
	      const char *rule, const struct source_range *range, const char *fmt, ...)
{
	va_list args;

	if (findings->count >= LINT_FINDINGS_MAX || !is_wanted(config, rule) || is_skipped_there(file, rule, range))
		return;
	va_start(args, fmt);
	cleanup_free char *message = mem_vprintf(fmt, args);
	va_end(args);
	findings_add(findings, rule, range, "%s", message);
}

void lint_found(const struct lint_run *run, const char *rule, const struct source_range *range, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	cleanup_free char *message = mem_vprintf(fmt, args);
	va_end(args);
	lint_add(run->findings, run->options->config, run->file, rule, range, "%s", message);
}

const char *lint_suggest(const char *name, const struct strlist *const *lists, size_t count, char **owned)
{
	cleanup(strlist_done) struct strlist names = {0};

	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < lists[i]->count; j++) {
			const char *entry = lists[i]->items[j];
			strlist_take(&names, mem_strndup(entry, strcspn(entry, "=")));
		}
	mem_replace(owned, suggest_variable(name, &names));
	return *owned;
}

void lint_failure_done(struct lint_failure *failure)
{
	mem_replace(&failure->message, NULL);
}

void lint_failed(const struct lint_run *run, const struct source_range *range, const struct error *err)
{
	if (!lint_has_failed(run))
		*run->failure = (struct lint_failure){.message = mem_strdup(error_message(err)), .range = *range};
}

bool lint_has_failed(const struct lint_run *run)
{
	return run->failure->message != NULL;
}

/* By line; what was found in one line keeps its order. */
static int compare_findings(const void *a, const void *b)
{
	const struct finding *left = a;
	const struct finding *right = b;

	if (left->range.first_line != right->range.first_line)
		return left->range.first_line < right->range.first_line ? -1 : 1;
	int order = strcmp(left->rule, right->rule);
	return order ? order : strcmp(left->message, right->message);
}

/* ---- The run ---- */

static void lint_stage_done(struct lint_stage *stage)
{
	strlist_done(&stage->env);
	strlist_done(&stage->args);
	strlist_done(&stage->arg_names);
}

static void lint_stages(struct lint_run *run)
{
	cleanup_free bool *needed = mem_alloc(run->file->stage_count * sizeof(*needed));

	stages_needed(run->file, run->options->target, run->head, needed);
	run->stages = mem_alloc(run->file->stage_count * sizeof(*run->stages));
	for (size_t i = 0; i < run->file->stage_count && !lint_has_failed(run); i++)
		if (needed[i])
			lint_stage(run, &run->file->stages[i]);
	for (size_t i = 0; i < run->file->stage_count; i++)
		lint_stage_done(&run->stages[i]);
	mem_free_cleanup(&run->stages);
}

void lint_run(const struct dockerfile *file, const struct lint_options *options, struct findings *findings,
	      struct lint_failure *failure)
{
	cleanup(strlist_done) struct strlist head = {0};
	cleanup(lint_failure_done) struct lint_failure unused = {0};
	struct lint_run run = {.file = file,
			       .options = options,
			       .head = &head,
			       .findings = findings,
			       .failure = failure ? failure : &unused};
	size_t before = findings->count;

	head_values(file, options->build_args, &head, /* place */ NULL, /* err */ NULL);
	for (size_t i = 0; i < file->findings.count; i++)
		lint_found(&run, file->findings.items[i].rule, &file->findings.items[i].range, "%s",
			   file->findings.items[i].message);
	lint_parsed(&run);
	if (!lint_has_failed(&run))
		lint_file(&run);
	if (!lint_has_failed(&run) && !options->is_file_only)
		lint_stages(&run);
	if (findings->count > before)
		qsort(findings->items + before, findings->count - before, sizeof(*findings->items), compare_findings);
}

void lint_format(const struct dockerfile *file, const struct findings *findings, struct buf *into)
{
	for (size_t i = 0; i < findings->count; i++) {
		const struct finding *finding = &findings->items[i];
		const struct lint_rule *rule = lint_rule_find(finding->rule);
		buf_printf(into, "%sWARNING: %s%s%s\n%s\n", i ? "\n" : "", finding->rule,
			   rule && rule->url ? " - " : "", rule && rule->url ? rule->url : "", finding->message);
		if (finding->range.first_line)
			buf_printf(into, "%s:%u\n", file->source.name, finding->range.first_line);
		source_excerpt(&file->source, &finding->range, into);
	}
}
