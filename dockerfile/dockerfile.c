/*
 * Text to tree: reads logical lines, makes instructions of them, and hangs them into stages.
 */
#include "dockerfile/dockerfile.h"

#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "base/parse.h"
#include "dockerfile/lines_internal.h"
#include "dockerfile/statement_internal.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

/* ---- Findings ---- */

void findings_add(struct findings *findings, const char *rule, const struct source_range *range, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	char *message = mem_vprintf(fmt, args);
	va_end(args);
	findings->items = mem_grow(findings->items, findings->count + 1, sizeof(*findings->items));
	findings->items[findings->count++] =
		(struct finding){.rule = mem_strdup(rule), .message = message, .range = *range};
}

void findings_done(struct findings *findings)
{
	for (size_t i = 0; i < findings->count; i++) {
		mem_replace(&findings->items[i].rule, NULL);
		mem_replace(&findings->items[i].message, NULL);
	}
	mem_free_cleanup(&findings->items);
	*findings = (struct findings){0};
}

/* ---- Life ---- */

static void instructions_free(struct instruction **instructions, size_t count)
{
	for (size_t i = 0; i < count; i++)
		instruction_free(instructions[i]);
	mem_free_cleanup(&instructions);
}

void dockerfile_free(struct dockerfile *file)
{
	if (!file)
		return;
	source_done(&file->source);
	directives_done(&file->directives);
	instructions_free(file->args, file->arg_count);
	for (size_t i = 0; i < file->stage_count; i++) {
		instruction_free(file->stages[i].from);
		instructions_free(file->stages[i].instructions, file->stages[i].count);
	}
	mem_free_cleanup(&file->stages);
	findings_done(&file->findings);
	mem_replace(&file->failure, NULL);
	mem_free_cleanup(&file);
}

/* ---- Parsing ---- */

/* Arrays grow by doubling: a hostile file has many instructions. */
static struct instruction **append_instruction(struct instruction **list, size_t count, struct instruction *next)
{
	if ((count & (count - 1)) == 0)
		list = mem_grow(list, count ? count * 2 : 1, sizeof(*list));
	list[count] = next;
	return list;
}

static int add_stage(struct dockerfile *file, struct instruction *from, struct error **err)
{
	size_t count = file->stage_count;

	if (count == DOCKERFILE_STAGES_MAX)
		return error_set(err, EFBIG, "more than %d stages", DOCKERFILE_STAGES_MAX);
	if ((count & (count - 1)) == 0)
		file->stages = mem_grow(file->stages, count ? count * 2 : 1, sizeof(*file->stages));
	file->stages[count] = (struct stage){.index = count, .name = from->from.name, .from = from};
	file->stage_count++;
	return 0;
}

static int count_pairs(struct dockerfile *file, const struct instruction *instruction, struct error **err)
{
	if (instruction->kind != INSTRUCTION_ARG && instruction->kind != INSTRUCTION_ENV &&
	    instruction->kind != INSTRUCTION_LABEL)
		return 0;
	file->pair_count += instruction->pairs.count;
	if (file->pair_count > DOCKERFILE_PAIRS_MAX)
		return error_set(err, EFBIG, "more than %d names in ARG, ENV and LABEL", DOCKERFILE_PAIRS_MAX);
	return 0;
}

/* Hangs an instruction into the tree; on failure it is still the caller's. */
static int add_instruction(struct dockerfile *file, struct instruction *instruction, struct error **err)
{
	int rc = count_pairs(file, instruction, err);
	if (rc < 0)
		return rc;
	if (instruction->kind == INSTRUCTION_FROM)
		return add_stage(file, instruction, err);
	if (file->stage_count == 0) {
		if (instruction->kind != INSTRUCTION_ARG)
			return error_set(err, EINVAL, "no build stage in current context");
		file->args = append_instruction(file->args, file->arg_count++, instruction);
		return 0;
	}
	struct stage *stage = &file->stages[file->stage_count - 1];
	stage->instructions = append_instruction(stage->instructions, stage->count++, instruction);
	return 0;
}

/* A logical line, with the here-documents that it opens, to an instruction. */
static int parse_line(struct line_reader *reader, struct logical_line *line, struct instruction **instruction,
		      char **culprit, struct error **err)
{
	cleanup(statement_done) struct statement statement = {0};
	cleanup(heredocs_done) struct heredocs heredocs = {0};

	int rc = statement_parse(line->text, &statement, err);
	if (rc == 0 && statement_has_heredocs(&statement) && strstr(line->text, "<<")) {
		rc = heredocs_find(line->text, &heredocs, err);
		if (rc == 0)
			rc = line_reader_heredocs(reader, &heredocs, line, err);
	}
	if (rc == 0)
		rc = instruction_from_statement(&statement, heredocs.count ? &heredocs : NULL,
						reader->directives->escape, instruction, culprit, err);
	if (rc < 0)
		return rc;
	(*instruction)->range = line->range;
	(*instruction)->doc = take_ptr(&line->doc);
	(*instruction)->skip = take_ptr(&line->skip);
	return 0;
}

/* Remembers where parsing came to its end with `rc`. */
static int fail_at(struct dockerfile *file, const struct source_range *place, int rc)
{
	file->failure_range = *place;
	return rc;
}

/* Reads one instruction into the tree: 1, or 0 at the end. */
static int parse_next(struct dockerfile *file, struct line_reader *reader, struct error **err)
{
	cleanup(logical_line_done) struct logical_line line = {0};
	cleanup(instruction_free) struct instruction *instruction = NULL;
	cleanup_free char *culprit = NULL;

	int rc = line_reader_next(reader, &line, err);
	if (rc == 0)
		return 0;
	if (rc > 0)
		rc = parse_line(reader, &line, &instruction, &culprit, err);
	if (rc == 0)
		rc = add_instruction(file, instruction, err);
	if (rc < 0) {
		struct source_range place = culprit ? source_find(&file->source, &line.range, culprit) : line.range;
		return fail_at(file, &place, error_prefix(err, "dockerfile parse error on line %u", place.first_line));
	}
	instruction = NULL; /* the tree's */
	return 1;
}

/* The lines as a person sees them. */
static void split_source(struct source *source, const char *text, const char *end)
{
	while (text < end) {
		const char *feed = memchr(text, '\n', (size_t)(end - text));
		size_t size = (size_t)((feed ? feed : end) - text);
		size_t shown = size;
		while (shown > 0 && text[shown - 1] == '\r')
			shown--;
		strlist_take(&source->lines, mem_strndup(text, shown));
		text += size + (feed != NULL);
	}
}

static int check_text(const char *text, size_t size, struct error **err)
{
	if (size == 0)
		return error_set(err, EINVAL, "the Dockerfile cannot be empty");
	if (size > DOCKERFILE_SIZE_MAX)
		return error_set(err, EFBIG, "larger than %zu bytes", DOCKERFILE_SIZE_MAX);
	if (memchr(text, '\0', size))
		return error_set(err, EINVAL, "not a text: it holds a NUL byte");
	return 0;
}

/* BuildKit hands a file that is a JSON object with a "syntax" to the front-end of that name. */
static int refuse_json(const char *text, size_t size, struct error **err)
{
	cleanup_json json_t *root = NULL;

	if (size == 0 || text[0] != '{' || json_parse(text, size, "file", &root, /* err */ NULL) < 0)
		return 0;
	const char *syntax = json_string_value(json_object_get(root, "syntax"));
	if (!syntax)
		return 0;
	return error_set(err, EINVAL, "JSON for the front-end '%s', not a Dockerfile: front-ends are never fetched",
			 syntax);
}

static int parse_all(struct dockerfile *file, const char *text, const char *end, struct error **err)
{
	struct line_reader reader = {
		.at = text, .end = end, .directives = &file->directives, .findings = &file->findings};
	unsigned line = 0;

	int rc = refuse_json(text, (size_t)(end - text), err);
	if (rc < 0)
		return fail_at(file, &(struct source_range){1, 1, 0, 0}, rc);
	rc = directives_read(text, (size_t)(end - text), &file->directives, &line, err);
	if (rc < 0)
		return fail_at(file, &(struct source_range){line, line, 0, 0}, rc);
	size_t count = 0;
	while ((rc = parse_next(file, &reader, err)) > 0)
		if (++count == DOCKERFILE_INSTRUCTIONS_MAX)
			return error_set(err, EFBIG, "more than %d instructions", DOCKERFILE_INSTRUCTIONS_MAX);
	if (rc < 0)
		return rc;
	if (count == 0)
		return error_set(err, EINVAL, "file with no instructions");
	if (file->stage_count == 0)
		return error_set(err, EINVAL, "no build stage: there is no FROM");
	return 0;
}

/* The file as far as it can be parsed, with what ended that in file->failure. */
int dockerfile_parse_for_checks(const char *text, size_t size, const char *name, struct dockerfile **file,
				struct error **err)
{
	cleanup(dockerfile_free) struct dockerfile *made = mem_alloc(sizeof(*made));
	cleanup_error struct error *why = NULL;

	int rc = check_text(text, size, err);
	if (rc < 0)
		return error_prefix(err, "%s", name);
	made->source.name = mem_strdup(name);
	const char *end = text + size;
	if (size >= strlen(BYTE_ORDER_MARK) && memcmp(text, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0)
		text += strlen(BYTE_ORDER_MARK);
	split_source(&made->source, text, end);
	if (parse_all(made, text, end, &why) < 0) {
		made->failure = mem_strdup(error_message(why));
		made->failure_code = error_code(why);
	}
	*file = take_ptr(&made);
	return 0;
}

int dockerfile_parse(const char *text, size_t size, const char *name, struct dockerfile **file, struct error **err)
{
	cleanup(dockerfile_free) struct dockerfile *made = NULL;

	int rc = dockerfile_parse_for_checks(text, size, name, &made, err);
	if (rc < 0)
		return rc;
	if (made->failure) {
		error_set(err, made->failure_code, "%s", made->failure);
		return source_error(&made->source, &made->failure_range, err);
	}
	*file = take_ptr(&made);
	return 0;
}

int instruction_parse_trigger(const char *text, char escape, struct instruction **trigger, struct error **err)
{
	struct directives directives = {.escape = escape};
	struct line_reader reader = {
		.at = text, .end = text + strlen(text), .directives = &directives, .directives_over = true};
	cleanup(logical_line_done) struct logical_line line = {0};
	cleanup(logical_line_done) struct logical_line rest = {0};
	cleanup(instruction_free) struct instruction *made = NULL;
	cleanup_free char *culprit = NULL;

	if (strlen(text) > DOCKERFILE_INSTRUCTION_MAX)
		return error_set(err, EFBIG, "trigger longer than %zu bytes", DOCKERFILE_INSTRUCTION_MAX);
	int rc = line_reader_next(&reader, &line, err);
	if (rc == 0)
		return error_set(err, EINVAL, "trigger without an instruction");
	if (rc > 0)
		rc = parse_line(&reader, &line, &made, &culprit, err);
	if (rc == 0 && (made->kind == INSTRUCTION_FROM || made->kind == INSTRUCTION_ONBUILD ||
			made->kind == INSTRUCTION_MAINTAINER))
		rc = error_set(err, EINVAL, "%s isn't allowed as an ONBUILD trigger", instruction_name(made->kind));
	if (rc == 0 && line_reader_next(&reader, &rest, /* err */ NULL) != 0)
		rc = error_set(err, EINVAL, "onbuild trigger should be a single expression");
	if (rc < 0)
		return error_prefix(err, "trigger '%.60s'", text);
	made->range = (struct source_range){0};
	*trigger = take_ptr(&made);
	return 0;
}
