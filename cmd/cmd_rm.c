/*
 * cooper rm: removes working containers.
 */
#include <errno.h>
#include <stdio.h>

#include "base/fd.h"
#include "builder/container.h"
#include "cmd/command.h"

struct rm_options {
	bool all;
};

static const struct option_spec rows[] = {
	{"all", 'a', OPTION_FLAG, offsetof(struct rm_options, all), NULL, "all working containers"},
};
static const struct option_group group = {NULL, rows, ARRAY_COUNT(rows)};

static int remove_one(struct command_context *context, const char *name, struct error **err)
{
	cleanup(container_done) struct container container = {0};
	cleanup_close int held = container_acquire(context->workshop, name, &container, err);
	if (held == -ENOENT) {
		error_clear(err);
		return error_set(err, ENOENT, "removing container \"%s\": container not known", name);
	}
	if (held < 0)
		return error_prefix(err, "removing container \"%s\"", name);
	int rc = container_remove(context->workshop, &container, err);
	if (rc < 0)
		return error_prefix(err, "removing container \"%s\"", name);
	printf("%s\n", container.id);
	return 0;
}

/* All that can be removed are; each of the others is told on a line of its own, the last one as the command's error. */
static int remove_listed(struct command_context *context, const struct strlist *names, struct error **err)
{
	cleanup_error struct error *failure = NULL;
	int failed = 0;
	for (size_t i = 0; i < names->count; i++) {
		cleanup_error struct error *one = NULL;
		int rc = remove_one(context, names->items[i], &one);
		if (rc == 0)
			continue;
		if (failure)
			fprintf(stderr, "%s\n", error_message(failure));
		error_clear(&failure);
		failure = take_ptr(&one);
		failed = rc;
	}
	if (failed && err)
		*err = take_ptr(&failure);
	return failed;
}

static int run(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	const struct rm_options *options = values;
	int rc = 0;
	if (!options->all) {
		if (args->count == 0)
			return error_set(err, EINVAL, "container ID must be specified");
		rc = remove_listed(context, args, err);
		return rc;
	}
	if (args->count > 0)
		return error_set(err, EINVAL,
				 "when using the --all switch, you may not pass any containers names or IDs");
	cleanup(container_list_done) struct container_list list = {0};
	rc = containers_list(context->workshop, &list, err);
	for (size_t i = 0; rc == 0 && i < list.count; i++)
		rc = remove_one(context, list.items[i].id, err);
	return rc;
}

const struct command command_rm = {
	.name = "rm",
	.aliases = {"delete"},
	.arguments = "[--all] CONTAINER...",
	.summary = "remove working containers",
	.description = "Prints the id of each container that was removed. A container that is mounted in another "
		       "session is refused.",
	.needs = NEEDS_STORE,
	.max_args = SIZE_MAX,
	.order = OPTIONS_FIRST,
	.options = {{&group, 0}},
	.options_size = sizeof(struct rm_options),
	.run = run,
};
