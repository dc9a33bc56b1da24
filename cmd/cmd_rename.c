/*
 * cooper rename: another name for a working container.
 */
#include "builder/container.h"
#include "cmd/command.h"

#include "base/fd.h"

static int run(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	cleanup(container_done) struct container container = {0};
	cleanup_close int held = container_acquire_to_use(context->workshop, args->items[0], &container, err);
	return held < 0 ? held : container_rename(context->workshop, &container, args->items[1], err);
}

const struct command command_rename = {
	.name = "rename",
	.arguments = "CONTAINER NAME",
	.summary = "give a working container another name",
	.needs = NEEDS_STORE,
	.min_args = 2,
	.run = run,
};
