/*
 * cooper mount: where a container's files are.
 */
#include <errno.h>
#include <stdio.h>

#include "base/fd.h"
#include "base/json.h"
#include "builder/rootfs.h"
#include "cmd/command.h"

struct mount_options {
	bool json;
};

static const struct option_spec rows[] = {
	{"json", 0, OPTION_FLAG, offsetof(struct mount_options, json), NULL, "print JSON"},
	{"notruncate", 0, OPTION_UNNEEDED_FLAG, 0, NULL, NULL},
};
static const struct option_group group = {NULL, rows, ARRAY_COUNT(rows)};

struct mounted {
	struct strlist names, paths;
};

static int mount_named(struct command_context *context, const struct strlist *args, struct mounted *mounted,
		       struct error **err)
{
	for (size_t i = 0; i < args->count; i++) {
		cleanup(container_done) struct container container = {0};
		cleanup_free char *path = NULL;
		cleanup_close int held = container_acquire_to_use(context->workshop, args->items[i], &container, err);
		if (held < 0)
			return held;
		int rc = rootfs_mount(context->workshop, &container, &path, err);
		if (rc < 0)
			return error_prefix(err, "mount '%s'", container.name);
		strlist_append(&mounted->names, args->items[i]);
		strlist_append(&mounted->paths, path);
	}
	return 0;
}

static int list_mounted(struct command_context *context, struct mounted *mounted, struct error **err)
{
	cleanup(container_list_done) struct container_list list = {0};
	int rc = containers_list(context->workshop, &list, err);
	for (size_t i = 0; rc == 0 && i < list.count; i++) {
		cleanup_free char *path = rootfs_mounted_path(context->workshop, &list.items[i]);
		if (!path)
			continue;
		strlist_append(&mounted->names, list.items[i].name);
		strlist_append(&mounted->paths, path);
	}
	return rc;
}

static void print_json(const struct mounted *mounted)
{
	cleanup_json json_t *root = json_array();
	cleanup(buf_done) struct buf text = BUF_INIT(BUF_MAX_DEFAULT);
	for (size_t i = 0; i < mounted->names.count; i++) {
		json_t *entry = json_object();
		json_set_string(entry, "container", mounted->names.items[i]);
		json_set_string(entry, "mountPoint", mounted->paths.items[i]);
		json_array_append_new(root, entry);
	}
	json_format_pretty(root, 4, &text);
	fputs(buf_str(&text), stdout);
}

static int run(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	const struct mount_options *options = values;
	struct mounted mounted = {0};
	int rc = args->count ? mount_named(context, args, &mounted, err) : list_mounted(context, &mounted, err);
	if (rc == 0 && options->json)
		print_json(&mounted);
	else if (rc == 0 && args->count == 1)
		printf("%s\n", mounted.paths.items[0]);
	else
		for (size_t i = 0; rc == 0 && i < mounted.names.count; i++)
			printf("%s %s\n", mounted.names.items[i], mounted.paths.items[i]);
	strlist_done(&mounted.names);
	strlist_done(&mounted.paths);
	return rc;
}

const struct command command_mount = {
	.name = "mount",
	.arguments = "[--json] [CONTAINER...]",
	.summary = "mount containers' root file systems and print where, or list what is mounted",
	.description =
		"A mount lives in the mount namespace of a 'cooper unshare' session and ends with it. Outside of a "
		"session only a container without lower layers (from scratch) can be given: its path is a plain "
		"directory.",
	.examples = "  cooper unshare sh -c 'make install DESTDIR=$(cooper mount ctr)'",
	.needs = NEEDS_STORE,
	.max_args = SIZE_MAX,
	.order = OPTIONS_FIRST,
	.options = {{&group, 0}},
	.options_size = sizeof(struct mount_options),
	.run = run,
};
