/*
 * Checks of the file as a whole, in the order in which BuildKit makes them: what goes with parsing, cases of keywords
 * and names of stages, then each FROM.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

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

/* ---- FROM ---- */

static bool is_declared(const struct dockerfile *file, const char *name)
{
	if (is_predefined_arg(name))
		return true;
	for (size_t i = 0; i < file->arg_count; i++)
		for (size_t j = 0; j < file->args[i]->pairs.count; j++)
			if (strcmp(file->args[i]->pairs.items[j].key, name) == 0)
				return true;
	return false;
}

/* Newly allocated is what the word becomes; NULL when it cannot be expanded, which would end the build. */
static char *check_undeclared(const struct lint_run *run, const struct instruction *from, const char *word)
{
	const struct expand_scope scope = {.lists = {run->head}, .count = 1, .escape = run->file->directives.escape};
	cleanup_error struct error *err = NULL;
	cleanup(strlist_done) struct strlist unset = {0};
	char *text = NULL;

	if (expand_word(word, &scope, &unset, &text, &err) < 0) {
		lint_failed(run, &from->range, err);
		return NULL;
	}
	for (size_t i = 0; i < unset.count; i++) {
		cleanup_free char *nearest = NULL;
		if (is_declared(run->file, unset.items[i]))
			continue;
		lint_suggest(unset.items[i], &run->head, 1, &nearest);
		lint_found(run, "UndefinedArgInFrom", &from->range, "FROM argument '%s' is not declared%s%s%s",
			   unset.items[i], nearest ? " (did you mean " : "", nearest ? nearest : "",
			   nearest ? "?)" : "");
	}
	return text;
}

static void check_image(const struct lint_run *run, const struct instruction *from)
{
	cleanup_free char *image = check_undeclared(run, from, from->from.image);
	cleanup_error struct error *err = NULL;

	if (!image || *image)
		return;
	error_set(&err, EINVAL, "base name (%s) should not be blank", from->from.image);
	lint_failed(run, &from->range, err);
}

static bool is_name_part(const char *text, size_t size, bool is_domain)
{
	if (size == 0)
		return false;
	for (size_t i = 0; i < size; i++) {
		char c = text[i];
		bool edge = i == 0 || i + 1 == size;
		if (islower((unsigned char)c) || isdigit((unsigned char)c) || (is_domain && isupper((unsigned char)c)))
			continue;
		if (edge || !strchr(is_domain ? ".-:[]_" : "._-", c))
			return false;
	}
	return true;
}

/* Could this be the name of an image? A look at its shape: the notation itself belongs to imagefmt. */
static bool is_image_name(const char *text)
{
	size_t size = strcspn(text, "@");
	const char *slash = memrchr(text, '/', size);
	const char *last = slash ? slash + 1 : text;
	const char *colon = memchr(last, ':', size - (size_t)(last - text));

	if (text[size] == '@' && !strchr(text + size, ':'))
		return false;
	if (colon) {
		const char *tag = colon + 1;
		size_t tag_size = size - (size_t)(tag - text);
		if (tag_size == 0 || tag_size > 128 || *tag == '.' || *tag == '-')
			return false;
		for (size_t i = 0; i < tag_size; i++)
			if (!isalnum((unsigned char)tag[i]) && !strchr("_.-", tag[i]))
				return false;
		size = (size_t)(colon - text);
	}
	for (size_t at = 0; at <= size;) {
		const char *next = memchr(text + at, '/', size - at);
		size_t part = next ? (size_t)(next - text) - at : size - at;
		bool is_domain = at == 0 && next && memchr(text, '.', part);
		is_domain |= at == 0 && next && (memchr(text, ':', part) || strncmp(text, "localhost", part) == 0);
		if (!is_name_part(text + at, part, is_domain))
			return false;
		at += part + 1;
	}
	return true;
}

/* What the image would be if nobody gave a --build-arg. False when that cannot be said: then of no stage behind it
 * either. */
static bool check_default(const struct lint_run *run, const struct stage *stage, const struct strlist *defaults)
{
	const struct expand_scope scope = {.lists = {defaults}, .count = 1, .escape = run->file->directives.escape};
	const char *image = stage->from->from.image;
	cleanup_free char *text = NULL;

	if (expand_word(image, &scope, NULL, &text, NULL) < 0)
		return false;
	if (!is_image_name(text))
		lint_found(run, "InvalidDefaultArgInFrom", &stage->from->range,
			   "Default value for ARG %s results in empty or invalid base image name", image);
	return true;
}

/* ---- --platform ---- */

/* What Go calls a processor that has other names, too. */
static const char *common_name(const char *processor)
{
	static const char *const names[][2] = {{"x86_64", "amd64"}, {"x86-64", "amd64"}, {"aarch64", "arm64"},
					       {"i386", "386"},	    {"armhf", "arm"},	 {"armel", "arm"}};

	for (size_t i = 0; i < ARRAY_COUNT(names); i++)
		if (strcasecmp(processor, names[i][0]) == 0)
			return names[i][1];
	return processor;
}

static bool is_system(const char *name)
{
	static const char *const systems[] = {"linux",	 "windows", "darwin",  "macos",	    "freebsd",
					      "netbsd",	 "openbsd", "solaris", "dragonfly", "aix",
					      "android", "illumos", "js",      "plan9"};

	for (size_t i = 0; i < ARRAY_COUNT(systems); i++)
		if (strcasecmp(name, systems[i]) == 0)
			return true;
	return false;
}

/* A stage for one platform that says so in its name is meant: its system or its processor, as Go calls it. A processor
 * alone is one of Linux. */
static bool name_tells_platform(const struct stage *stage, const char *platform)
{
	cleanup(strlist_done) struct strlist parts = {0};

	strlist_split(&parts, platform, '/');
	if (!stage->name || parts.count == 0)
		return false;
	bool is_alone = parts.count == 1;
	const char *system = is_alone && !is_system(parts.items[0]) ? "linux" : parts.items[0];
	const char *processor = common_name(is_alone ? parts.items[0] : parts.items[1]);
	return strcasestr(stage->name, system) || (*processor && strcasestr(stage->name, processor));
}

/* Is TARGETPLATFORM all that it holds? */
static bool is_target_platform(const struct lint_run *run, const char *platform)
{
	const struct expand_scope scope = {.lists = {run->head}, .count = 1, .escape = run->file->directives.escape};
	const char *target = strlist_env_get(run->head, "TARGETPLATFORM");
	cleanup(strlist_done) struct strlist names = {0};
	cleanup(strlist_done) struct strlist unset = {0};
	cleanup_free char *text = NULL;

	if (expand_names(platform, scope.escape, &names, NULL) < 0 || names.count != 1 ||
	    strcmp(names.items[0], "TARGETPLATFORM") != 0)
		return false;
	/* Nobody may have said what the target is: then the two plain forms are all that can be told. */
	if (!target)
		return strcmp(platform, "$TARGETPLATFORM") == 0 || strcmp(platform, "${TARGETPLATFORM}") == 0;
	return expand_word(platform, &scope, &unset, &text, NULL) == 0 && strcmp(text, target) == 0;
}

static void check_platform(const struct lint_run *run, const struct stage *stage)
{
	const char *platform = stage->from->from.platform;
	const struct source_range *range = &stage->from->range;

	if (!platform || !*platform)
		return;
	cleanup_free char *text = check_undeclared(run, stage->from, platform);
	if (!text)
		return;
	if (is_target_platform(run, platform))
		lint_found(run, "RedundantTargetPlatform", range,
			   "Setting platform to predefined %s in FROM is redundant as this is the default behavior",
			   platform);
	else if (!strchr(platform, '$') && !name_tells_platform(stage, platform))
		lint_found(run, "FromPlatformFlagConstDisallowed", range,
			   "FROM --platform flag should not use constant value \"%s\"", platform);
}

static void check_defaults(const struct lint_run *run)
{
	const struct dockerfile *file = run->file;
	cleanup(strlist_done) struct strlist given = {0};
	cleanup(strlist_done) struct strlist defaults = {0};
	bool is_known = true;

	/* Of what was given only what the platform says, not what a user chose. */
	for (size_t i = 0; run->options->build_args && i < run->options->build_args->count; i++) {
		const char *entry = run->options->build_args->items[i];
		cleanup_free char *key = mem_strndup(entry, strcspn(entry, "="));
		if (is_predefined_arg(key))
			strlist_append(&given, entry);
	}
	if (!head_values(file, &given, &defaults, /* place */ NULL, /* err */ NULL))
		return;
	for (size_t i = 0; is_known && i < file->stage_count; i++)
		is_known = check_default(run, &file->stages[i], &defaults);
}

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
	check_defaults(run);
	check_head(run);
	for (size_t i = 0; i < file->stage_count && !lint_has_failed(run); i++) {
		check_image(run, file->stages[i].from);
		if (!lint_has_failed(run))
			check_platform(run, &file->stages[i]);
	}
	if (!lint_has_failed(run))
		check_sources(run);
}
