/*
 * Checks of the file as a whole, in the order in which BuildKit makes them: what goes with parsing, cases of keywords
 * and names of stages, then each FROM.
 */
#include <ctype.h>
#include <string.h>

#include "base/parse.h"
#include "dockerfile/lint_internal.h"
#include "dockerfile/reach_internal.h"

static bool has_upper(const char *text)
{
	for (; *text; text++)
		if (isupper((unsigned char)*text))
			return true;
	return false;
}

static bool has_lower(const char *text)
{
	for (; *text; text++)
		if (islower((unsigned char)*text))
			return true;
	return false;
}

/* ---- Cases ---- */

struct cases {
	size_t lower;
	size_t upper;
};

static void count_case(const struct instruction *instruction, struct cases *cases)
{
	if (!has_upper(instruction->keyword))
		cases->lower++;
	else if (!has_lower(instruction->keyword))
		cases->upper++;
}

static void check_case(const struct lint_run *run, const struct instruction *instruction, bool lower)
{
	const char *keyword = instruction->keyword;

	if (lower ? has_upper(keyword) : has_lower(keyword))
		lint_found(run, "ConsistentInstructionCasing", &instruction->range,
			   "Command '%s' should match the case of the command majority (%s)", keyword,
			   lower ? "lowercase" : "uppercase");
}

static void check_cases(const struct lint_run *run)
{
	const struct dockerfile *file = run->file;
	struct cases cases = {0};

	for (size_t i = 0; i < file->stage_count; i++) {
		count_case(file->stages[i].from, &cases);
		for (size_t j = 0; j < file->stages[i].count; j++)
			count_case(file->stages[i].instructions[j], &cases);
	}
	bool lower = cases.lower > cases.upper;
	for (size_t i = 0; i < file->stage_count; i++) {
		check_case(run, file->stages[i].from, lower);
		for (size_t j = 0; j < file->stages[i].count; j++)
			check_case(run, file->stages[i].instructions[j], lower);
	}
}

/* ---- Names of stages ---- */

static void check_name_case(const struct lint_run *run, const struct instruction *instruction)
{
	const struct instruction_from *from = &instruction->from;
	const char *keyword = instruction->keyword;

	if (!from->name)
		return;
	if (has_upper(from->written_name))
		lint_found(run, "StageNameCasing", &instruction->range, "Stage name '%s' should be lowercase",
			   from->written_name);
	if ((!has_upper(keyword) && has_upper(from->as_keyword)) ||
	    (!has_lower(keyword) && has_lower(from->as_keyword)))
		lint_found(run, "FromAsCasing", &instruction->range, "'%s' and '%s' keywords' casing do not match",
			   from->as_keyword, keyword);
}

static void check_name(const struct lint_run *run, const struct stage *stage)
{
	const struct source_range *range = &stage->from->range;

	if (!stage->name)
		return;
	if (strcmp(stage->name, "context") == 0 || strcmp(stage->name, "scratch") == 0)
		lint_found(run, "ReservedStageName", range,
			   "Stage name should not use the same name as reserved stage \"%s\"", stage->name);
	if (dockerfile_stage(run->file, stage->name, stage->index))
		lint_found(run, "DuplicateStageName", range,
			   "Duplicate stage name \"%s\", stage names should be unique", stage->name);
}

/* ---- Comments that describe ---- */

/* The last line of the comment begins with the name. */
static bool describes(const char *doc, const char *name)
{
	const char *last = strrchr(doc, '\n');
	const char *line = last ? last + 1 : doc;
	size_t size = strlen(name);

	return strncmp(line, name, size) == 0 && (line[size] == ' ' || !line[size]);
}

static void found_doc(const struct lint_run *run, const struct instruction *instruction, const char *name)
{
	lint_found(run, "InvalidDefinitionDescription", &instruction->range,
		   "Comment for %s should follow the format: `# %s <description>`", instruction_name(instruction->kind),
		   name);
}

static void check_stage_doc(const struct lint_run *run, const struct instruction *from)
{
	if (from->doc && from->from.name && !describes(from->doc, from->from.name))
		found_doc(run, from, from->from.name);
}

/* Of several arguments in a line one may be the one that is described. */
static void check_arg_doc(const struct lint_run *run, const struct instruction *arg)
{
	if (!arg->doc)
		return;
	for (size_t i = 0; i < arg->pairs.count; i++)
		if (describes(arg->doc, arg->pairs.items[i].key))
			return;
	found_doc(run, arg, arg->pairs.count == 1 ? arg->pairs.items[0].key : "<arg_key>");
}

/* ---- With parsing ---- */

static void check_parsed(const struct lint_run *run, const struct instruction *instruction)
{
	if (instruction->kind == INSTRUCTION_MAINTAINER)
		lint_found(run, "MaintainerDeprecated", &instruction->range,
			   "Maintainer instruction is deprecated in favor of using label");
	if (instruction->kind == INSTRUCTION_ARG)
		check_arg_doc(run, instruction);
	if (instruction->kind != INSTRUCTION_FROM)
		return;
	check_name_case(run, instruction);
	check_stage_doc(run, instruction);
}

void lint_parsed(const struct lint_run *run)
{
	const struct dockerfile *file = run->file;

	for (size_t i = 0; i < file->arg_count; i++)
		check_parsed(run, file->args[i]);
	for (size_t i = 0; i < file->stage_count; i++) {
		check_parsed(run, file->stages[i].from);
		for (size_t j = 0; j < file->stages[i].count; j++)
			check_parsed(run, file->stages[i].instructions[j]);
	}
	if (file->failure && !lint_has_failed(run))
		*run->failure =
			(struct lint_failure){.message = mem_strdup(file->failure), .range = file->failure_range};
}

/* ---- In order ---- */

/* The arguments of the head that the build gets. */
static void check_head(const struct lint_run *run)
{
	cleanup(strlist_done) struct strlist values = {0};
	cleanup_error struct error *err = NULL;
	struct source_range place = {0};

	if (!head_values(run->file, run->options->build_args, &values, &place, &err))
		lint_failed(run, &place, err);
}

static void check_sources(const struct lint_run *run)
{
	cleanup_error struct error *err = NULL;
	struct source_range place = {0};

	if (dockerfile_check_sources(run->file, &place, &err) < 0)
		lint_failed(run, &place, err);
}

void lint_file(const struct lint_run *run)
{
	const struct dockerfile *file = run->file;

	for (size_t i = 0; i < file->stage_count; i++)
		check_name(run, &file->stages[i]);
	check_cases(run);
	lint_from_defaults(run);
	check_head(run);
	for (size_t i = 0; i < file->stage_count && !lint_has_failed(run); i++)
		lint_from(run, &file->stages[i]);
	if (!lint_has_failed(run))
		check_sources(run);
}
