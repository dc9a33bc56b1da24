/*
 * cooper umount: takes mounts back.
 */
#include <errno.h>
#include <stdio.h>

#include "base/fd.h"
#include "builder/rootfs.h"
#include "cmd/command.h"

struct umount_options {
	bool all;
};

static const struct option_spec rows[] = {
	{"all", 'a', OPTION_FLAG, offsetof(struct umount_options, all), NULL, "all containers that are mounted here"},
};
static const struct option_group group = {NULL, rows, ARRAY_COUNT(rows)};

static int umount_one(struct command_context *context, const char *name, bool all, struct error **err)
{
	cleanup(container_done) struct container container = {0};
	cleanup_close int held = container_acquire(context->workshop, name, &container, err);
	if (held < 0)
		return held;
	int rc = rootfs_umount(context->workshop, &container, all, err);
	if (rc < 0)
		return error_prefix(err, "umount '%s'", name);
	printf("%s\n", container.id);
	return 0;
}

static int run(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	const struct umount_options *options = values;
	int rc = 0;
	if (!options->all) {
		if (args->count == 0)
			return error_set(err, EINVAL, "at least one container must be named, or --all given");
		for (size_t i = 0; rc == 0 && i < args->count; i++)
			rc = umount_one(context, args->items[i], /* all */ false, err);
		return rc;
	}
	cleanup(container_list_done) struct container_list list = {0};
	rc = containers_list(context->workshop, &list, err);
	for (size_t i = 0; rc == 0 && i < list.count; i++) {
		cleanup_free char *path = rootfs_mounted_path(context->workshop, &list.items[i]);
		if (path)
			rc = umount_one(context, list.items[i].id, /* all */ true, err);
	}
	return rc;
}

const struct command command_umount = {
	.name = "umount",
	.aliases = {"unmount"},
	.arguments = "[--all] CONTAINER...",
	.summary = "unmount containers' root file systems",
	.description = "Prints the id of each container. A container that was mounted several times stays mounted "
		       "until as many umounts.",
	.needs = NEEDS_STORE,
	.max_args = SIZE_MAX,
	.order = OPTIONS_FIRST,
	.options = {{&group, 0}},
	.options_size = sizeof(struct umount_options),
	.run = run,
};
