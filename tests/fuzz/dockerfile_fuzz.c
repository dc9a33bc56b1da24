/* Any text as a Dockerfile: no crash; what is accepted has stages and places, expands, is linted and outlined. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "dockerfile/lint.h"
#include "dockerfile/outline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_instruction(const struct dockerfile *file, const struct instruction *instruction)
{
	cleanup(instruction_free) struct instruction *expanded = NULL;
	cleanup(strlist_done) struct strlist env = {0};
	cleanup_error struct error *err = NULL;

	assert(instruction->range.first_line > 0);
	assert(instruction->range.first_line <= instruction->range.last_line);
	assert(instruction->range.last_line <= file->source.lines.count);
	strlist_append(&env, "A=a b");
	strlist_append(&env, "B=");
	const struct expand_scope scope = {.lists = {&env}, .count = 1, .escape = file->directives.escape};
	int rc = instruction_expand(instruction, &scope, NULL, &expanded, &err);
	assert((rc == 0) == (err == NULL));
	assert((rc == 0) == (expanded != NULL));
	if (expanded && expanded->kind == INSTRUCTION_RUN) /* RUN [] has nothing to do */
		assert(expanded->run.command.is_exec || expanded->run.command.words.count > 0);
}

static void check_trigger(const struct dockerfile *file, const struct instruction *instruction)
{
	cleanup(instruction_free) struct instruction *trigger = NULL;

	if (instruction->kind != INSTRUCTION_ONBUILD)
		return;
	/* Not every text that ONBUILD takes is an instruction. */
	if (instruction_parse_trigger(instruction->argument, file->directives.escape, &trigger, NULL) == 0)
		assert(trigger->kind != INSTRUCTION_FROM && trigger->kind != INSTRUCTION_ONBUILD);
}

/* What --check makes of it, whole or not. */
static void check_lint(const struct dockerfile *file)
{
	cleanup(findings_done) struct findings findings = {0};
	cleanup(lint_failure_done) struct lint_failure failure = {0};
	cleanup(buf_done) struct buf text = BUF_INIT(1 << 20);

	lint_run(file, &(struct lint_options){0}, &findings, &failure);
	assert(!file->failure || failure.message);
	assert(failure.range.first_line <= file->source.lines.count);
	for (size_t i = 0; i < findings.count; i++)
		assert(lint_rule_find(findings.items[i].rule));
	lint_format(file, &findings, &text);
	source_excerpt(&file->source, &failure.range, &text);
}

static void check_file(const struct dockerfile *file)
{
	cleanup(outline_done) struct outline outline = {0};
	struct source_range place = {0};

	assert(file->stage_count > 0);
	for (size_t i = 0; i < file->stage_count; i++) {
		check_instruction(file, file->stages[i].from);
		for (size_t j = 0; j < file->stages[i].count; j++) {
			check_instruction(file, file->stages[i].instructions[j]);
			check_trigger(file, file->stages[i].instructions[j]);
		}
	}
	if (dockerfile_check_sources(file, &place, NULL) < 0)
		assert(place.first_line > 0);
	outline_make(file, &file->stages[file->stage_count - 1], NULL, &outline);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(dockerfile_free) struct dockerfile *file = NULL;
	cleanup(dockerfile_free) struct dockerfile *part = NULL;
	cleanup_error struct error *err = NULL;

	if (dockerfile_parse_for_checks((const char *)data, size, "Dockerfile", &part, NULL) == 0)
		check_lint(part);
	if (dockerfile_parse((const char *)data, size, "Dockerfile", &file, &err) < 0) {
		assert(err && !file);
		assert(strncmp(error_message(err), "Dockerfile:", strlen("Dockerfile:")) == 0);
		return 0;
	}
	assert(!err);
	check_file(file);
	return 0;
}
