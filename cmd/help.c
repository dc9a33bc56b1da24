/*
 * Usage texts, made of the command tables.
 */
#include "cmd/help_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"

enum { OPTION_COLUMN = 34, LINE_COLUMNS = 100 };

/* Columns on a terminal: as many as characters, of which texts here have none that is wide. */
static int columns_of(const char *text, size_t size)
{
	int columns = 0;
	for (size_t i = 0; i < size; i++)
		columns += ((unsigned char)text[i] & 0xc0) != 0x80;
	return columns;
}

/* Paragraphs in lines that begin at column `indent`, where the first one is already. */
static void print_wrapped(const char *text, int indent)
{
	int at = indent;
	while (*text) {
		size_t size = strcspn(text, " \n");
		int columns = columns_of(text, size);
		bool is_first = at == indent;
		if (!is_first && at + 1 + columns > LINE_COLUMNS) {
			printf("\n%*s", indent, "");
			at = indent;
		} else if (!is_first) {
			at += printf(" ");
		}
		printf("%.*s", (int)size, text);
		at += columns;
		text += size;
		text += strspn(text, " ");
		for (; *text == '\n'; text++, at = indent)
			printf("\n");
	}
	printf("\n");
}

char *help_option_label(const struct option_spec *row)
{
	cleanup(buf_done) struct buf label = BUF_INIT(BUF_MAX_DEFAULT);
	if (row->letter)
		buf_printf(&label, "-%c, ", row->letter);
	else
		buf_append_str(&label, "    ");
	buf_printf(&label, "--%s", row->name);
	if (row->kind == OPTION_OPTIONAL)
		buf_printf(&label, "[=%s]", row->value);
	else if (row->value)
		buf_printf(&label, " %s", row->value);
	return buf_take(&label);
}

static void print_group(const struct option_group *group)
{
	for (size_t i = 0; i < group->count; i++) {
		if (!group->rows[i].help)
			continue;
		cleanup_free char *label = help_option_label(&group->rows[i]);
		int end = 2 + columns_of(label, strlen(label));
		bool fits = end < OPTION_COLUMN;
		printf("  %s%s%*s", label, fits ? "" : "\n", fits ? OPTION_COLUMN - end : OPTION_COLUMN, "");
		print_wrapped(group->rows[i].help, OPTION_COLUMN);
	}
}

static void print_options(const struct option_use *uses, const char *first_title)
{
	const char *title = first_title;
	for (const struct option_use *use = uses; use->group; use++) {
		if (use->group->title || title)
			printf("\n%s:\n", use->group->title ? use->group->title : title);
		title = NULL;
		print_group(use->group);
	}
}

static void print_commands(const struct command *const *list)
{
	printf("\nCommands:\n");
	for (size_t i = 0; list[i]; i++)
		printf("  %-12s %s\n", list[i]->name, list[i]->summary);
}

void help_print_all(void)
{
	printf("cooper builds container images, without a daemon and without root.\n\n"
	       "Usage: cooper [GLOBAL OPTIONS] COMMAND [OPTIONS] [ARGUMENTS]\n");
	print_commands(commands);
	print_options(global_options, NULL);
	printf("\n'cooper COMMAND --help' tells more. A first image:\n\n"
	       "  ctr=$(cooper from debian:12)\n"
	       "  cooper run $ctr -- apt-get update\n"
	       "  cooper commit $ctr my-image\n");
}

const char *help_arguments(const struct command *command)
{
	if (command->commands)
		return "COMMAND [OPTIONS] [ARGUMENTS]";
	return command->arguments ? command->arguments : "";
}

void help_print_command(const struct command *command)
{
	cleanup_free char *name = command_full_name(command, ' ');
	printf("%s\n\nUsage: cooper %s %s\n", command->summary, name, help_arguments(command));
	if (command->aliases[0]) {
		printf("Also:  ");
		for (size_t i = 0; i < ARRAY_COUNT(command->aliases) && command->aliases[i]; i++)
			printf("%s%s", i ? ", " : "", command->aliases[i]);
		printf("\n");
	}
	if (command->description) {
		printf("\n");
		print_wrapped(command->description, /* indent */ 0);
	}
	if (command->commands)
		print_commands(command->commands);
	print_options(command->options, "Options");
	if (command->examples)
		printf("\nExamples:\n%s\n", command->examples);
}
