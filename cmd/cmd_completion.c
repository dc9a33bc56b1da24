/*
 * cooper completion: a script that completes commands, options and names.
 */
#include "cmd/command.h"

static int run(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	return help_print_completion(args->items[0], err);
}

const struct command command_completion = {
	.name = "completion",
	.arguments = "bash|zsh|fish",
	.summary = "print a completion script for a shell",
	.min_args = 1,
	.examples = "  cooper completion bash > ~/.local/share/bash-completion/completions/cooper",
	.run = run,
};
