/*
 * What all instructions have in common: freeing, copying and expanding them field by field. Which fields are expanded
 * stands in one place, visit_expandable().
 */
#include "dockerfile/instruction.h"

#include <errno.h>
#include <string.h>

#include "dockerfile/character_internal.h"
#include "dockerfile/statement_internal.h"

/* ---- Freeing ---- */

static void pairs_done(struct instruction_pairs *pairs)
{
	for (size_t i = 0; i < pairs->count; i++) {
		mem_replace(&pairs->items[i].key, NULL);
		mem_replace(&pairs->items[i].value, NULL);
	}
	mem_free_cleanup(&pairs->items);
}

static void run_done(struct instruction_run *run)
{
	strlist_done(&run->command.words);
	mem_replace(&run->script_name, NULL);
	strlist_done(&run->mount_texts);
	for (size_t i = 0; i < run->mount_count; i++)
		file_mount_done(&run->mounts[i]);
	mem_free_cleanup(&run->mounts);
	mem_replace(&run->network, NULL);
	mem_replace(&run->security, NULL);
	strlist_done(&run->devices);
}

static void copy_done(struct instruction_copy *copy)
{
	strlist_done(&copy->sources);
	mem_replace(&copy->destination, NULL);
	heredocs_done(&copy->files);
	mem_replace(&copy->from, NULL);
	mem_replace(&copy->chown, NULL);
	mem_replace(&copy->chmod, NULL);
	mem_replace(&copy->checksum, NULL);
	strlist_done(&copy->excludes);
}

static void from_done(struct instruction_from *from)
{
	mem_replace(&from->image, NULL);
	mem_replace(&from->platform, NULL);
	mem_replace(&from->name, NULL);
	mem_replace(&from->written_name, NULL);
	mem_replace(&from->as_keyword, NULL);
}

static void fields_done(struct instruction *instruction)
{
	switch (instruction->kind) {
	case INSTRUCTION_ADD:
	case INSTRUCTION_COPY:
		copy_done(&instruction->copy);
		break;
	case INSTRUCTION_ARG:
	case INSTRUCTION_ENV:
	case INSTRUCTION_LABEL:
		pairs_done(&instruction->pairs);
		break;
	case INSTRUCTION_CMD:
	case INSTRUCTION_ENTRYPOINT:
	case INSTRUCTION_SHELL:
		strlist_done(&instruction->command.words);
		break;
	case INSTRUCTION_EXPOSE:
	case INSTRUCTION_VOLUME:
		strlist_done(&instruction->words);
		break;
	case INSTRUCTION_FROM:
		from_done(&instruction->from);
		break;
	case INSTRUCTION_HEALTHCHECK:
		strlist_done(&instruction->healthcheck.command.words);
		break;
	case INSTRUCTION_RUN:
		run_done(&instruction->run);
		break;
	case INSTRUCTION_MAINTAINER:
	case INSTRUCTION_ONBUILD:
	case INSTRUCTION_STOPSIGNAL:
	case INSTRUCTION_USER:
	case INSTRUCTION_WORKDIR:
		mem_replace(&instruction->argument, NULL);
		break;
	case INSTRUCTION_KINDS:
		break;
	}
}

void instruction_free(struct instruction *instruction)
{
	if (!instruction)
		return;
	fields_done(instruction);
	mem_replace(&instruction->text, NULL);
	mem_replace(&instruction->keyword, NULL);
	mem_replace(&instruction->doc, NULL);
	mem_replace(&instruction->skip, NULL);
	strlist_done(&instruction->flags);
	mem_free_cleanup(&instruction);
}

/* ---- Copying ---- */

static void copy_pairs(struct instruction_pairs *to, const struct instruction_pairs *from)
{
	*to = *from;
	to->items = mem_dup(from->items, from->count * sizeof(*from->items));
	for (size_t i = 0; i < from->count; i++) {
		to->items[i].key = mem_strdup(from->items[i].key);
		to->items[i].value = mem_strdup(from->items[i].value);
	}
}

static void copy_list(struct strlist *to, const struct strlist *from)
{
	*to = (struct strlist){0};
	strlist_append_all(to, from);
}

/* Without the mounts: those are made again of their texts. */
static void copy_run(struct instruction_run *to, const struct instruction_run *from)
{
	*to = *from;
	copy_list(&to->command.words, &from->command.words);
	to->script_name = mem_strdup(from->script_name);
	copy_list(&to->mount_texts, &from->mount_texts);
	to->mounts = NULL;
	to->mount_count = 0;
	to->network = mem_strdup(from->network);
	to->security = mem_strdup(from->security);
	copy_list(&to->devices, &from->devices);
}

static void copy_copy(struct instruction_copy *to, const struct instruction_copy *from)
{
	*to = *from;
	copy_list(&to->sources, &from->sources);
	to->destination = mem_strdup(from->destination);
	to->files = (struct heredocs){0};
	heredocs_copy(&to->files, &from->files);
	to->from = mem_strdup(from->from);
	to->chown = mem_strdup(from->chown);
	to->chmod = mem_strdup(from->chmod);
	to->checksum = mem_strdup(from->checksum);
	copy_list(&to->excludes, &from->excludes);
}

static void copy_from(struct instruction_from *to, const struct instruction_from *from)
{
	to->image = mem_strdup(from->image);
	to->platform = mem_strdup(from->platform);
	to->name = mem_strdup(from->name);
	to->written_name = mem_strdup(from->written_name);
	to->as_keyword = mem_strdup(from->as_keyword);
}

static void copy_fields(struct instruction *to, const struct instruction *from)
{
	switch (from->kind) {
	case INSTRUCTION_ADD:
	case INSTRUCTION_COPY:
		copy_copy(&to->copy, &from->copy);
		break;
	case INSTRUCTION_ARG:
	case INSTRUCTION_ENV:
	case INSTRUCTION_LABEL:
		copy_pairs(&to->pairs, &from->pairs);
		break;
	case INSTRUCTION_CMD:
	case INSTRUCTION_ENTRYPOINT:
	case INSTRUCTION_SHELL:
		to->command.is_exec = from->command.is_exec;
		copy_list(&to->command.words, &from->command.words);
		break;
	case INSTRUCTION_EXPOSE:
	case INSTRUCTION_VOLUME:
		copy_list(&to->words, &from->words);
		break;
	case INSTRUCTION_FROM:
		copy_from(&to->from, &from->from);
		break;
	case INSTRUCTION_HEALTHCHECK:
		to->healthcheck = from->healthcheck;
		copy_list(&to->healthcheck.command.words, &from->healthcheck.command.words);
		break;
	case INSTRUCTION_RUN:
		copy_run(&to->run, &from->run);
		break;
	case INSTRUCTION_MAINTAINER:
	case INSTRUCTION_ONBUILD:
	case INSTRUCTION_STOPSIGNAL:
	case INSTRUCTION_USER:
	case INSTRUCTION_WORKDIR:
		to->argument = mem_strdup(from->argument);
		break;
	case INSTRUCTION_KINDS:
		break;
	}
}

static struct instruction *copy_instruction(const struct instruction *from)
{
	struct instruction *to = mem_alloc(sizeof(*to));

	to->kind = from->kind;
	to->text = mem_strdup(from->text);
	to->keyword = mem_strdup(from->keyword);
	to->doc = mem_strdup(from->doc);
	to->range = from->range;
	strlist_append_all(&to->flags, &from->flags);
	copy_fields(to, from);
	return to;
}

/* ---- Expanding ---- */

enum expandable { EXPANDABLE_WORD, EXPANDABLE_HEREDOC };

/* Does something with one field, in place; a negative result ends the visit. */
typedef int visit_field(char **field, enum expandable how, void *context, struct error **err);

static int visit_list(struct strlist *list, visit_field *visit, void *context, struct error **err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < list->count; i++)
		rc = visit(&list->items[i], EXPANDABLE_WORD, context, err);
	return rc;
}

static int visit_optional(char **field, visit_field *visit, void *context, struct error **err)
{
	return *field ? visit(field, EXPANDABLE_WORD, context, err) : 0;
}

static int visit_copy(struct instruction_copy *copy, visit_field *visit, void *context, struct error **err)
{
	char **fields[] = {&copy->chown, &copy->chmod, &copy->checksum, &copy->from, &copy->destination};
	int rc = visit_list(&copy->sources, visit, context, err);

	for (size_t i = 0; rc == 0 && i < ARRAY_COUNT(fields); i++)
		rc = visit_optional(fields[i], visit, context, err);
	for (size_t i = 0; rc == 0 && i < copy->files.count; i++)
		if (copy->files.items[i].expand)
			rc = visit(&copy->files.items[i].content, EXPANDABLE_HEREDOC, context, err);
	return rc;
}

/* The names of ARG stay as they are. */
static int visit_pairs(struct instruction *instruction, visit_field *visit, void *context, struct error **err)
{
	struct instruction_pairs *pairs = &instruction->pairs;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < pairs->count; i++) {
		if (instruction->kind != INSTRUCTION_ARG)
			rc = visit(&pairs->items[i].key, EXPANDABLE_WORD, context, err);
		if (rc == 0)
			rc = visit_optional(&pairs->items[i].value, visit, context, err);
	}
	return rc;
}

/* The fields that Docker expands as single words. EXPOSE splits, and --mount takes its fields apart first: both are
 * seen to by their callers. */
static int visit_expandable(struct instruction *instruction, visit_field *visit, void *context, struct error **err)
{
	switch (instruction->kind) {
	case INSTRUCTION_ADD:
	case INSTRUCTION_COPY:
		return visit_copy(&instruction->copy, visit, context, err);
	case INSTRUCTION_ARG:
	case INSTRUCTION_ENV:
	case INSTRUCTION_LABEL:
		return visit_pairs(instruction, visit, context, err);
	case INSTRUCTION_FROM: {
		int rc = visit(&instruction->from.image, EXPANDABLE_WORD, context, err);
		return rc < 0 ? rc : visit_optional(&instruction->from.platform, visit, context, err);
	}
	case INSTRUCTION_VOLUME:
		return visit_list(&instruction->words, visit, context, err);
	case INSTRUCTION_STOPSIGNAL:
	case INSTRUCTION_USER:
	case INSTRUCTION_WORKDIR:
		return visit(&instruction->argument, EXPANDABLE_WORD, context, err);
	default:
		return 0;
	}
}

struct expansion {
	const struct expand_scope *scope;
	struct strlist *unset;
};

static int expand_field(char **field, enum expandable how, void *context, struct error **err)
{
	const struct expansion *expansion = context;
	char *text = NULL;

	int rc = how == EXPANDABLE_HEREDOC ? expand_heredoc(*field, expansion->scope, expansion->unset, &text, err)
					   : expand_word(*field, expansion->scope, expansion->unset, &text, err);
	if (rc < 0)
		return rc;
	mem_free_cleanup(field);
	*field = text;
	return 0;
}

static int expand_expose(struct instruction *instruction, const struct expansion *expansion, struct error **err)
{
	cleanup(strlist_done) struct strlist words = {0};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < instruction->words.count; i++)
		rc = expand_words(instruction->words.items[i], expansion->scope, expansion->unset, &words, err);
	if (rc == 0)
		strlist_copy(&instruction->words, &words);
	return rc;
}

static int expand_mounts(struct instruction_run *run, const struct expansion *expansion, struct error **err)
{
	int rc = 0;

	run->mounts = mem_alloc(run->mount_texts.count * sizeof(*run->mounts));
	for (size_t i = 0; rc == 0 && i < run->mount_texts.count; i++) {
		rc = file_mount_parse(run->mount_texts.items[i], expansion->scope, expansion->unset, &run->mounts[i],
				      err);
		run->mount_count = i + 1;
	}
	return rc;
}

/* What was not empty as written may be so now. */
static int check_expanded(const struct instruction *written, const struct instruction *expanded, struct error **err)
{
	switch (expanded->kind) {
	case INSTRUCTION_FROM:
		if (!*expanded->from.image)
			return error_set(err, EINVAL, "base name (%s) should not be blank", written->from.image);
		return 0;
	case INSTRUCTION_VOLUME:
		for (size_t i = 0; i < expanded->words.count; i++)
			if (!*expanded->words.items[i])
				return error_set(err, EINVAL, "VOLUME specified can not be an empty string");
		return 0;
	default:
		return 0;
	}
}

int instruction_expand(const struct instruction *written, const struct expand_scope *scope, struct strlist *unset,
		       struct instruction **expanded, struct error **err)
{
	cleanup(instruction_free) struct instruction *copy = copy_instruction(written);
	struct expansion expansion = {.scope = scope, .unset = unset};

	int rc = visit_expandable(copy, expand_field, &expansion, err);
	if (rc == 0 && copy->kind == INSTRUCTION_EXPOSE)
		rc = expand_expose(copy, &expansion, err);
	if (rc == 0 && copy->kind == INSTRUCTION_RUN)
		rc = expand_mounts(&copy->run, &expansion, err);
	if (rc == 0)
		rc = check_expanded(written, copy, err);
	if (rc < 0)
		return rc;
	*expanded = take_ptr(&copy);
	return 0;
}
