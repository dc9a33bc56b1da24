/*
 * Usage texts, man pages and shell completion, all made of the command tables.
 */
#include <ctype.h>
#include <errno.h>
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

/* The words that complete after "cooper COMMAND". */
static void print_flags(const struct option_use *uses)
{
	for (const struct option_use *use = uses; use->group; use++)
		for (size_t i = 0; i < use->group->count; i++)
			if (use->group->rows[i].help)
				printf(" --%s", use->group->rows[i].name);
}

static void print_names(const struct command *const *list)
{
	for (size_t i = 0; list[i]; i++)
		printf("%s%s", i ? " " : "", list[i]->name);
}

/* "name) words="--flags" ;;", and for a group "name) names="…"" and one such line for each "group name". */
static void print_bash_cases(const struct command *const *list)
{
	for (size_t i = 0; list[i]; i++) {
		cleanup_free char *name = command_full_name(list[i], ' ');
		if (list[i]->commands) {
			printf("\t'%s '*) at=2 names=\"", name);
			print_names(list[i]->commands);
			printf("\" ;;&\n");
			print_bash_cases(list[i]->commands);
			continue;
		}
		printf("\t'%s '*) words=\"", name);
		print_flags(list[i]->options);
		printf("\" ;;\n");
	}
}

static void print_bash_completion(void)
{
	printf("_cooper() {\n\tlocal cur=${COMP_WORDS[COMP_CWORD]} words= at=1 names=\"");
	print_names(commands);
	printf("\"\n\tcase \"${COMP_WORDS[1]} ${COMP_WORDS[2]} \" in\n");
	print_bash_cases(commands);
	printf("\tesac\n\tif [ \"$COMP_CWORD\" = $at ]; then words=$names; fi\n\tcase $cur in\n\t-*) ;;\n\t*) [ "
	       "\"$COMP_CWORD\" = $at ] || words=$(cooper containers --format "
	       "'{{.ContainerName}}' "
	       "-n 2>/dev/null; cooper images --format '{{.Name}}:{{.Tag}}' -n 2>/dev/null) ;;\n\tesac\n"
	       "\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n}\ncomplete -o default -F _cooper "
	       "cooper\n");
}

static void print_fish_flags(const struct command *command)
{
	/* All words of the name must have been typed. */
	cleanup_free char *in_group =
		command->group ? mem_printf("__fish_seen_subcommand_from %s; and ", command->group) : mem_strdup("");
	for (const struct option_use *use = command->options; use->group; use++)
		for (size_t i = 0; i < use->group->count; i++)
			if (use->group->rows[i].help)
				printf("complete -c cooper -n '%s__fish_seen_subcommand_from %s' -l %s\n", in_group,
				       command->name, use->group->rows[i].name);
}

static void print_fish_completion(void)
{
	for (size_t i = 0; commands[i]; i++) {
		printf("complete -c cooper -n __fish_use_subcommand -a %s -d '%s'\n", commands[i]->name,
		       commands[i]->summary);
		if (!commands[i]->commands) {
			print_fish_flags(commands[i]);
			continue;
		}
		for (const struct command *const *below = commands[i]->commands; *below; below++) {
			printf("complete -c cooper -n '__fish_seen_subcommand_from %s' -a %s -d '%s'\n",
			       commands[i]->name, (*below)->name, (*below)->summary);
			print_fish_flags(*below);
		}
	}
}

int help_print_completion(const char *shell, struct error **err)
{
	if (strcmp(shell, "bash") == 0)
		print_bash_completion();
	else if (strcmp(shell, "zsh") == 0) {
		printf("#compdef cooper\nautoload -U +X bashcompinit && bashcompinit\n");
		print_bash_completion();
	} else if (strcmp(shell, "fish") == 0)
		print_fish_completion();
	else
		return error_set(err, EINVAL, "no completion for shell '%s': use bash, zsh or fish", shell);
	return 0;
}
