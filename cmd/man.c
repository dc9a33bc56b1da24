/*
 * Man pages (roff, man(7)), made of the command tables.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cmd/help_internal.h"

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
			cleanup_free char *label = help_option_label(row);
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
	print_roff(help_arguments(command));
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

/* What cooper reads of its environment; docs/configuration.md says more of each. */
static const struct {
	const char *names, *text;
} variables[] = {
	{"COOPER_ROOT, COOPER_RUNROOT",
	 "where the store and its volatile part are; default $XDG_DATA_HOME/cooper (~/.local/share/cooper; root: "
	 "/var/lib/cooper) and $XDG_RUNTIME_DIR/cooper"},
	{"COOPER_ISOLATION, COOPER_NETWORK, COOPER_RUNTIME, COOPER_FORMAT, COOPER_LAYERS, COOPER_NOPIVOT, "
	 "COOPER_HISTORY",
	 "defaults of --isolation, --network, --runtime, --format, --layers, --no-pivot and --add-history"},
	{"COOPER_CACHE_MAX_USED_SPACE, COOPER_CACHE_RESERVED_SPACE, COOPER_CACHE_MIN_FREE_SPACE",
	 "limits of the build cache, over those of cooper.conf"},
	{"COOPER_SIGNATURE_POLICY, COOPER_REGISTRIES_D",
	 "which images may be used, and where signatures lie: as --signature-policy, and --registries.d of image"},
	{"COOPER_KEY_PASSWORD, COSIGN_PASSWORD",
	 "the passphrase of a private key; the first that is set, which an empty one is, too"},
	{"COOPER_CDI_SPEC_DIRS", "directories with CDI files; default /etc/cdi:/var/run/cdi"},
	{"COOPER_TRACE",
	 "topics to trace on standard error: http, run, store, build, auth, all; -TOPIC takes one away"},
	{"COOPER_CONNECT_TIMEOUT", "a connection that takes longer to make is tried again; default 30s"},
	{"COOPER_STALL_TIMEOUT", "a transfer of less than a byte a second for so long counts as broken; default 60s"},
	{"COOPER_PROGRESS_INTERVAL", "how often a log is told that blobs are on their way; default 30s"},
	{"COOPER_HELPER_TIMEOUT", "how long a credential helper may take to answer; default 30s"},
	{"COOPER_LAYER_MAX", "layers that unpack to more than so many bytes (10g) are refused; default 1t"},
	{"COOPER_USER_AGENT", "what registries are told who asks; default cooper/VERSION"},
	{"BUILDAH_ISOLATION, BUILDAH_FORMAT, …",
	 "where COOPER_ISOLATION and so on are not set; not of COOPER_ROOT, COOPER_RUNROOT, COOPER_KEY_PASSWORD and "
	 "COOPER_TRACE"},
	{"LOGLEVEL", "as --log-level"},
	{"REGISTRY_AUTH_FILE, DOCKER_CONFIG", "where credentials are"},
	{"SOURCE_DATE_EPOCH", "time of creation of images, in seconds since the epoch"},
	{"BUILDKIT_PROGRESS", "as --progress of build"},
	{"CONTAINERS_CONF, CONTAINERS_CONF_OVERRIDE", "files to read instead of and after containers.conf"},
	{"CONTAINERS_REGISTRIES_CONF", "as --registries-conf"},
	{"http_proxy, https_proxy, no_proxy, all_proxy", "used for registries and passed to steps"},
};

static void print_man_variables(void)
{
	printf(".SH ENVIRONMENT\n");
	for (size_t i = 0; i < ARRAY_COUNT(variables); i++) {
		printf(".TP\n.B ");
		print_roff(variables[i].names);
		printf("\n");
		print_roff(variables[i].text);
		printf("\n");
	}
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
	print_man_variables();
	printf(".SH EXIT STATUS\n0 on success; 125 for an error of cooper's own; 120 when only a push failed; for run "
	       "and unshare the status of the "
	       "program, 127 when "
	       "it was not found, 126 when it could not be executed.\n");
}
