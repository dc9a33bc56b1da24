/*
 * Targets and what they take, for --call. The result is sorted by place in the file.
 */
#include "dockerfile/outline.h"

#include <stdlib.h>
#include <string.h>

#include "dockerfile/reach_internal.h"
#include "dockerfile/statement_internal.h"

/* The line of a comment that starts with the name, without it; newly allocated, or NULL. */
static char *description_of(const char *doc, const char *name)
{
	size_t size = name ? strlen(name) : 0;

	for (const char *line = doc; line && size; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, size) == 0 && line[size] == ' ')
			return mem_strndup(line + size + 1, strcspn(line + size + 1, "\n"));
	}
	return NULL;
}

/* ---- Targets ---- */

void outline_targets_done(struct outline_targets *targets)
{
	for (size_t i = 0; i < targets->count; i++) {
		struct outline_target *target = &targets->items[i];
		mem_replace(&target->name, NULL);
		mem_replace(&target->description, NULL);
		mem_replace(&target->base, NULL);
		mem_replace(&target->platform, NULL);
	}
	mem_free_cleanup(&targets->items);
	targets->count = 0;
}

void outline_targets_list(const struct dockerfile *file, struct outline_targets *targets)
{
	targets->items = mem_alloc(file->stage_count * sizeof(*targets->items));
	targets->count = file->stage_count;
	for (size_t i = 0; i < file->stage_count; i++) {
		const struct stage *stage = &file->stages[i];
		targets->items[i] =
			(struct outline_target){.name = mem_strdup(stage->name),
						.description = description_of(stage->from->doc, stage->name),
						.base = mem_strdup(stage->from->from.image),
						.platform = mem_strdup(stage->from->from.platform),
						.is_default = i + 1 == file->stage_count,
						.range = stage->from->range};
	}
}

/* ---- One target ---- */

static void mounts_done(struct outline_mount *mounts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		mem_replace(&mounts[i].name, NULL);
	mem_free_cleanup(&mounts);
}

void outline_done(struct outline *outline)
{
	mem_replace(&outline->name, NULL);
	mem_replace(&outline->description, NULL);
	for (size_t i = 0; i < outline->arg_count; i++) {
		mem_replace(&outline->args[i].name, NULL);
		mem_replace(&outline->args[i].description, NULL);
		mem_replace(&outline->args[i].value, NULL);
	}
	mem_free_cleanup(&outline->args);
	mounts_done(outline->secrets, outline->secret_count);
	mounts_done(outline->ssh, outline->ssh_count);
	mounts_done(outline->caches, outline->cache_count);
	*outline = (struct outline){0};
}

struct outline_making {
	const struct dockerfile *file;
	const struct strlist *head;	  /* values of the head's ARGs */
	const struct strlist *build_args; /* NULL */
	struct outline *outline;
};

static struct outline_arg *find_arg(const struct outline *outline, const char *name)
{
	for (size_t i = 0; i < outline->arg_count; i++)
		if (strcmp(outline->args[i].name, name) == 0)
			return &outline->args[i];
	return NULL;
}

/* Each name once, with what its last declaration says; a description or a value that one lacks is kept. Takes `value`
 * (may be NULL). */
static void add_arg(struct outline_making *making, const struct instruction *instruction, const char *name, char *value)
{
	struct outline *outline = making->outline;
	struct outline_arg *arg = find_arg(outline, name);
	char *description = description_of(instruction->doc, name);

	if (!arg) {
		outline->args = mem_grow(outline->args, outline->arg_count + 1, sizeof(*outline->args));
		arg = &outline->args[outline->arg_count++];
		*arg = (struct outline_arg){.name = mem_strdup(name)};
	}
	arg->range = instruction->range;
	if (description) {
		free(arg->description);
		arg->description = description;
	}
	if (value) {
		free(arg->value);
		arg->value = value;
	}
}

static const char *given_value(const struct outline_making *making, const char *name)
{
	return making->build_args ? strlist_env_get(making->build_args, name) : NULL;
}

/* What `ARG name[=default]` of a stage gives, newly allocated; NULL for nothing. */
static char *value_of(const struct outline_making *making, const struct key_value *arg, const struct strlist *values)
{
	const struct expand_scope scope = {
		.lists = {values, making->head}, .count = 2, .escape = making->file->directives.escape};
	const char *given = given_value(making, arg->key);
	char *value = NULL;

	if (given || !arg->value)
		return mem_strdup(given);
	if (expand_word(arg->value, &scope, NULL, &value, NULL) < 0)
		return mem_strdup(arg->value); /* what cannot be expanded is shown as written */
	return value;
}

static void add_mount(struct outline_mount **mounts, size_t *count, const struct file_mount *mount,
		      const struct source_range *range)
{
	cleanup_free char *name = file_mount_id(mount);

	for (size_t i = 0; i < *count; i++) {
		if (strcmp((*mounts)[i].name, name) == 0) {
			(*mounts)[i].required |= mount->required;
			return;
		}
	}
	*mounts = mem_grow(*mounts, *count + 1, sizeof(**mounts));
	(*mounts)[(*count)++] =
		(struct outline_mount){.name = take_ptr(&name), .required = mount->required, .range = *range};
}

static void add_mounts(struct outline_making *making, const struct instruction *run, const struct strlist *values)
{
	const struct expand_scope scope = {
		.lists = {values, making->head}, .count = 2, .escape = making->file->directives.escape};
	struct outline *outline = making->outline;

	for (size_t i = 0; i < run->run.mount_texts.count; i++) {
		cleanup(file_mount_done) struct file_mount mount = {0};
		/* A wrong one is the build's to report. */
		if (file_mount_parse(run->run.mount_texts.items[i], &scope, NULL, &mount, NULL) < 0)
			continue;
		if (mount.type == FILE_MOUNT_SECRET)
			add_mount(&outline->secrets, &outline->secret_count, &mount, &run->range);
		else if (mount.type == FILE_MOUNT_SSH)
			add_mount(&outline->ssh, &outline->ssh_count, &mount, &run->range);
		else if (mount.type == FILE_MOUNT_CACHE)
			add_mount(&outline->caches, &outline->cache_count, &mount, &run->range);
	}
}

/* An ARG of the head counts when FROM uses it, a stage takes it over, or another one that counts needs it. */
static void add_head_args(struct outline_making *making, const struct strlist *used)
{
	const struct dockerfile *file = making->file;

	for (size_t i = 0; i < file->arg_count; i++) {
		for (size_t j = 0; j < file->args[i]->pairs.count; j++) {
			const struct key_value *arg = &file->args[i]->pairs.items[j];
			const char *value = strlist_env_get(making->head, arg->key);
			if (strlist_contains(used, arg->key))
				add_arg(making, file->args[i], arg->key, mem_strdup(value ? value : arg->value));
		}
	}
}

/* Does a stage's `ARG name` only take over what the head says of it? */
static bool is_taken_over(const struct outline_making *making, const struct key_value *arg)
{
	return !arg->value && !given_value(making, arg->key) && strlist_env_get(making->head, arg->key);
}

static void names_taken_over(const struct outline_making *making, const struct stage *stage, struct strlist *names)
{
	for (size_t i = 0; i < stage->count; i++) {
		const struct instruction *instruction = stage->instructions[i];
		for (size_t j = 0; instruction->kind == INSTRUCTION_ARG && j < instruction->pairs.count; j++)
			if (is_taken_over(making, &instruction->pairs.items[j]))
				strlist_append(names, instruction->pairs.items[j].key);
	}
}

static void names_of_from(const struct dockerfile *file, const struct stage *stage, struct strlist *names)
{
	const char *words[] = {stage->from->from.image, stage->from->from.platform};

	for (size_t i = 0; i < ARRAY_COUNT(words); i++)
		if (words[i])
			(void)expand_names(words[i], file->directives.escape, names, /* err */ NULL);
}

/* Names in the defaults of the head's ARGs that are used; from below, because a default sees only what is above. */
static void names_of_defaults(const struct dockerfile *file, struct strlist *names)
{
	for (size_t i = file->arg_count; i-- > 0;) {
		const struct instruction_pairs *pairs = &file->args[i]->pairs;
		for (size_t j = pairs->count; j-- > 0;)
			if (pairs->items[j].value && strlist_contains(names, pairs->items[j].key))
				(void)expand_names(pairs->items[j].value, file->directives.escape, names,
						   /* err */ NULL);
	}
}

static void add_stage(struct outline_making *making, const struct stage *stage)
{
	cleanup(strlist_done) struct strlist values = {0};

	for (size_t i = 0; i < stage->count; i++) {
		const struct instruction *instruction = stage->instructions[i];
		if (instruction->kind == INSTRUCTION_RUN)
			add_mounts(making, instruction, &values);
		if (instruction->kind != INSTRUCTION_ARG)
			continue;
		for (size_t j = 0; j < instruction->pairs.count; j++) {
			const struct key_value *declared = &instruction->pairs.items[j];
			if (!is_taken_over(making, declared))
				add_arg(making, instruction, declared->key, value_of(making, declared, &values));
			const struct outline_arg *arg = find_arg(making->outline, declared->key);
			if (arg && arg->value)
				strlist_env_set(&values, declared->key, arg->value);
		}
	}
}

static int compare_args(const void *a, const void *b)
{
	const struct outline_arg *left = a;
	const struct outline_arg *right = b;

	if (left->range.first_line != right->range.first_line)
		return left->range.first_line < right->range.first_line ? -1 : 1;
	return strcmp(left->name, right->name);
}

void outline_make(const struct dockerfile *file, const struct stage *target, const struct strlist *build_args,
		  struct outline *outline)
{
	cleanup(strlist_done) struct strlist head = {0};
	cleanup(strlist_done) struct strlist used = {0};
	cleanup_free bool *needed = mem_alloc(file->stage_count * sizeof(*needed));
	struct outline_making making = {.file = file, .head = &head, .build_args = build_args, .outline = outline};

	head_values(file, build_args, &head, /* place */ NULL, /* err */ NULL);
	stages_needed(file, target, &head, needed);
	outline->name = mem_strdup(target->name);
	outline->description = description_of(target->from->doc, target->name);
	for (size_t i = 0; i < file->stage_count; i++)
		if (needed[i]) {
			names_of_from(file, &file->stages[i], &used);
			names_taken_over(&making, &file->stages[i], &used);
		}
	names_of_defaults(file, &used);
	add_head_args(&making, &used);
	for (size_t i = 0; i < file->stage_count; i++)
		if (needed[i])
			add_stage(&making, &file->stages[i]);
	if (outline->arg_count > 1)
		qsort(outline->args, outline->arg_count, sizeof(*outline->args), compare_args);
}
