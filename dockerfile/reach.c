/*
 * What FROM, COPY --from and --mount from= lead to inside of a file.
 */
#include "dockerfile/reach_internal.h"

#include <string.h>

#include "dockerfile/statement_internal.h"

static const char *const predefined[] = {"TARGETPLATFORM",  "TARGETOS",	      "TARGETARCH", "TARGETVARIANT",
					 "TARGETOSVERSION", "BUILDPLATFORM",  "BUILDOS",    "BUILDARCH",
					 "BUILDVARIANT",    "BUILDOSVERSION", "TARGETSTAGE"};

bool is_predefined_arg(const char *name)
{
	for (size_t i = 0; i < ARRAY_COUNT(predefined); i++)
		if (strcmp(name, predefined[i]) == 0)
			return true;
	return false;
}

static int head_value(const struct key_value *arg, char escape, const struct strlist *build_args,
		      struct strlist *values, struct error **err)
{
	const struct expand_scope scope = {.lists = {values}, .count = 1, .escape = escape};
	const char *given = build_args ? strlist_env_get(build_args, arg->key) : NULL;
	cleanup_free char *value = NULL;
	int rc = given || !arg->value ? 0 : expand_word(arg->value, &scope, /* unset */ NULL, &value, err);

	if (given || value)
		strlist_env_set(values, arg->key, given ? given : value);
	return rc;
}

bool head_values(const struct dockerfile *file, const struct strlist *build_args, struct strlist *values,
		 struct source_range *place, struct error **err)
{
	bool ok = true;

	for (size_t i = 0; build_args && i < ARRAY_COUNT(predefined); i++) {
		const char *given = strlist_env_get(build_args, predefined[i]);
		if (given)
			strlist_env_set(values, predefined[i], given);
	}
	for (size_t i = 0; i < file->arg_count; i++) {
		const struct instruction_pairs *pairs = &file->args[i]->pairs;
		for (size_t j = 0; j < pairs->count; j++) {
			int rc = head_value(&pairs->items[j], file->directives.escape, build_args, values,
					    ok ? err : NULL);
			if (rc < 0 && ok && place)
				*place = file->args[i]->range;
			ok = ok && rc == 0;
		}
	}
	return ok;
}

static char *expanded(const struct dockerfile *file, const char *word, const struct strlist *head)
{
	const struct expand_scope scope = {.lists = {head}, .count = 1, .escape = file->directives.escape};
	char *text = NULL;

	/* What cannot be expanded names no stage. */
	return expand_word(word, &scope, NULL, &text, NULL) == 0 ? text : mem_strdup("");
}

const struct stage *stage_base(const struct dockerfile *file, const struct stage *stage, const struct strlist *head)
{
	cleanup_free char *name = expanded(file, stage->from->from.image, head);

	return dockerfile_stage(file, name, stage->index);
}

/* Marks the stage that a reference means; the walk comes by it later, because it lies above. */
static void need(const struct dockerfile *file, const struct stage *user, const char *reference,
		 enum stage_reference how, const struct strlist *head, bool *needed)
{
	cleanup_free char *name = expanded(file, reference, head);
	const struct stage *stage = NULL;

	if (dockerfile_from(file, user, name, how, &stage, NULL) == 0 && stage)
		needed[stage->index] = true;
}

static void need_of_instruction(const struct dockerfile *file, const struct stage *stage,
				const struct instruction *instruction, const struct strlist *head, bool *needed)
{
	if (instruction->kind == INSTRUCTION_COPY && instruction->copy.from)
		need(file, stage, instruction->copy.from, STAGE_BY_NAME_OR_NUMBER, head, needed);
	if (instruction->kind != INSTRUCTION_RUN)
		return;
	for (size_t i = 0; i < instruction->run.mount_texts.count; i++) {
		cleanup_free char *from = file_mount_from(instruction->run.mount_texts.items[i]);
		if (from)
			need(file, stage, from, STAGE_BY_NAME, head, needed);
	}
}

void stages_needed(const struct dockerfile *file, const struct stage *target, const struct strlist *head, bool *needed)
{
	for (size_t i = 0; i < file->stage_count; i++)
		needed[i] = !target || &file->stages[i] == target;
	/* A stage needs only what lies above it, so one walk upwards sees all. */
	for (size_t i = file->stage_count; i-- > 0;) {
		const struct stage *stage = &file->stages[i];
		if (!needed[i])
			continue;
		const struct stage *base = stage_base(file, stage, head);
		if (base)
			needed[base->index] = true;
		for (size_t j = 0; j < stage->count; j++)
			need_of_instruction(file, stage, stage->instructions[j], head, needed);
	}
}
