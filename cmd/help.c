/*
 * Usage texts and man pages, made of the command tables.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "cmd/command.h"

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

/* "-q, --quiet", "    --creds USER[:PASSWORD]", "    --pull[=POLICY]". */
static char *option_label(const struct option_spec *row)
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
		cleanup_free char *label = option_label(&group->rows[i]);
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

/* What follows the name in the line of usage. */
static const char *arguments_of(const struct command *command)
{
	if (command->commands)
		return "COMMAND [OPTIONS] [ARGUMENTS]";
	return command->arguments ? command->arguments : "";
}

void help_print_command(const struct command *command)
{
	cleanup_free char *name = command_full_name(command, ' ');
	printf("%s\n\nUsage: cooper %s %s\n", command->summary, name, arguments_of(command));
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

#define ELLIPSIS "\u2026"

/* Text for roff: backslashes and leading dots escaped, "-" kept as a minus sign, nothing beyond ASCII. */
static void print_roff(const char *text)
{
	bool at_line_start = true;
	for (; *text; text++) {
		if (at_line_start && (*text == '.' || *text == '\''))
			printf("\\&");
		if (*text == '\\')
			printf("\\e");
		else if (*text == '-')
			printf("\\-");
		else if (strncmp(text, ELLIPSIS, strlen(ELLIPSIS)) == 0) {
			printf("\\&...");
			text += strlen(ELLIPSIS) - 1;
		} else {
			putchar(*text);
		}
		at_line_start = *text == '\n';
	}
}

/* Paragraphs are separated by empty lines in the source text. */
static void print_roff_paragraphs(const char *text)
{
	const char *rest = text;
	while (*rest) {
		const char *end = strstr(rest, "\n\n");
		cleanup_free char *paragraph = end ? mem_strndup(rest, end - rest) : mem_strdup(rest);
		printf(".PP\n");
		print_roff(paragraph);
		printf("\n");
		rest = end ? end + 2 : rest + strlen(rest);
	}
}

static void print_man_options(const struct option_use *uses)
{
	for (const struct option_use *use = uses; use->group; use++) {
		if (use->group->title) {
			printf(".SS ");
			print_roff(use->group->title);
			printf("\n");
		}
		for (size_t i = 0; i < use->group->count; i++) {
			const struct option_spec *row = &use->group->rows[i];
			if (!row->help)
				continue;
			cleanup_free char *label = option_label(row);
			printf(".TP\n.B ");
			print_roff(label + strspn(label, " "));
			printf("\n");
			print_roff(row->help);
			printf("\n");
		}
	}
}

static void print_man_commands(const struct command *const *list)
{
	printf(".SH COMMANDS\n");
	for (size_t i = 0; list[i]; i++) {
		cleanup_free char *page = command_full_name(list[i], '-');
		printf(".TP\n.BR cooper\\-");
		print_roff(page);
		printf(" (1)\n");
		print_roff(list[i]->summary);
		printf("\n");
	}
}

void help_print_man(const struct command *command)
{
	cleanup_free char *page = command_full_name(command, '-');
	cleanup_free char *name = command_full_name(command, ' ');
	printf(".TH COOPER\\-");
	for (const char *letter = page; *letter; letter++)
		*letter == '-' ? printf("\\-") : putchar(toupper((unsigned char)*letter));
	printf(" 1 \"\" \"cooper\" \"User Commands\"\n.SH NAME\ncooper\\-");
	print_roff(page);
	printf(" \\- ");
	print_roff(command->summary);
	printf("\n.SH SYNOPSIS\n.B cooper ");
	print_roff(name);
	printf("\n");
	print_roff(arguments_of(command));
	printf("\n.SH DESCRIPTION\n");
	print_roff_paragraphs(command->description ? command->description : command->summary);
	if (command->commands)
		print_man_commands(command->commands);
	if (command->options[0].group) {
		printf(".SH OPTIONS\n");
		print_man_options(command->options);
	}
	bool runs_program = command->order == OPTIONS_UNTIL_COMMAND;
	printf(".SH EXIT STATUS\n0 on success, ");
	if (command->missing_status)
		printf("%d when what was asked for does not exist, ", command->missing_status);
	printf("%d for an error of cooper's own%s.\n", command->failure_status ? command->failure_status : EXIT_COOPER,
	       runs_program ? ", else the status of the program that was run" : "");
	if (command->examples) {
		printf(".SH EXAMPLES\n.nf\n");
		print_roff(command->examples);
		printf("\n.fi\n");
	}
	printf(".SH SEE ALSO\n.BR cooper (1)\n");
}

void help_print_man_overview(void)
{
	printf(".TH COOPER 1 \"\" \"cooper\" \"User Commands\"\n.SH NAME\ncooper \\- build container images without a "
	       "daemon "
	       "and without root\n.SH SYNOPSIS\n.B cooper\n[GLOBAL OPTIONS] COMMAND [OPTIONS] [ARGUMENTS]\n"
	       ".SH DESCRIPTION\ncooper makes, changes, runs and ships OCI images as an unprivileged user. Command "
	       "names, flags, "
	       "standard output and exit codes are those of Buildah; standard output holds only what a script "
	       "captures.\n");
	print_man_commands(commands);
	printf(".SH OPTIONS\n");
	print_man_options(global_options);
	printf(".SH ENVIRONMENT\n"
	       ".TP\n.B COOPER_ROOT, COOPER_RUNROOT\nwhere the store is; default $XDG_DATA_HOME/cooper and "
	       "$XDG_RUNTIME_DIR/cooper\n"
	       ".TP\n.B COOPER_ISOLATION, COOPER_FORMAT, COOPER_HISTORY, COOPER_NETWORK\ndefaults of "
	       "the options of "
	       "these names; BUILDAH_ISOLATION and so on are honoured where these are not set\n"
	       ".TP\n.B COOPER_TRACE\ntopics to trace on standard error: http, run, store, build, auth, all; \\-TOPIC "
	       "takes one away\n"
	       ".TP\n.B COOPER_CONNECT_TIMEOUT\na connection that takes longer to make is tried again; default 30s\n"
	       ".TP\n.B COOPER_STALL_TIMEOUT\na transfer of less than a byte a second for so long counts as broken; "
	       "default 60s\n"
	       ".TP\n.B COOPER_HELPER_TIMEOUT\nhow long a credential helper may take to answer; default 30s\n"
	       ".TP\n.B COOPER_LAYER_MAX\nlayers that unpack to more than so many bytes (10g) are refused; default 1t\n"
	       ".TP\n.B COOPER_USER_AGENT\nwhat registries are told who asks; default cooper/VERSION\n"
	       ".TP\n.B REGISTRY_AUTH_FILE, DOCKER_CONFIG\nwhere credentials are\n"
	       ".TP\n.B SOURCE_DATE_EPOCH\ntime of creation of images, in seconds since the epoch\n"
	       ".TP\n.B CONTAINERS_CONF, CONTAINERS_CONF_OVERRIDE\nfiles to read instead of and after containers.conf\n"
	       ".TP\n.B http_proxy, https_proxy, no_proxy, all_proxy\nused for registries and passed to steps\n"
	       ".SH EXIT STATUS\n0 on success; 125 for an error of cooper's own; 120 when only a push failed; for run "
	       "and unshare the status of the "
	       "program, 127 when "
	       "it was not found, 126 when it could not be executed.\n");
}
