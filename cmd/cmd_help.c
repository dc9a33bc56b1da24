/*
 * cooper help: usage of a command, and the man pages that the build makes of the same tables.
 */
#include "cmd/command.h"

#include <errno.h>
#include <string.h>

struct help_options {
	bool man;
};

static const struct option_spec rows[] = {
	{"man", 0, OPTION_FLAG, offsetof(struct help_options, man), NULL, "print the man page as roff"},
};
static const struct option_group group = {NULL, rows, ARRAY_COUNT(rows)};

static int run(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	const struct help_options *options = values;
	if (args->count == 0) {
		options->man ? help_print_man_overview() : help_print_all();
		return 0;
	}
	const struct command *command = command_find(args->items[0]);
	if (command && args->count > 1)
		command = command->commands ? command_find_in(command, args->items[1]) : NULL;
	if (!command) {
		cleanup_free char *name = strlist_join(args, " ");
		return error_set(err, EINVAL, "unknown command '%s' (see cooper --help)", name);
	}
	options->man ? help_print_man(command) : help_print_command(command);
	return 0;
}

const struct command command_help = {
	.name = "help",
	.arguments = "[--man] [COMMAND]",
	.summary = "explain a command",
	.max_args = 2, /* "image copy" */
	.options = {{&group, 0}},
	.options_size = sizeof(struct help_options),
	.run = run,
};
