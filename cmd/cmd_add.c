/*
 * cooper add: add files, URLs and the contents of archives to a working container. The work is in copying.c.
 */
#include "cmd/copying.h"

static int run(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	return copy_command_run(context, values, /* add */ true, args, err);
}

const struct command command_add = {
	.name = "add",
	.arguments = "[OPTIONS] CONTAINER SRC... [DST]",
	.summary = "add files, URLs and the contents of archives to a working container",
	.description = "The same as 'cooper copy', and besides a local archive of any kind (tar, cpio, zip, 7z, …, "
		       "compressed or not) is unpacked into DST.",
	.examples = "  cooper add $ctr rootfs.tar.xz /\n  cooper add --checksum sha256:… $ctr https://example.org/tool "
		    "/usr/local/bin/",
	.needs = NEEDS_STORE | NEEDS_WORKER,
	.order = OPTIONS_FIRST,
	.min_args = 2,
	.max_args = SIZE_MAX,
	.options = {{&copy_group, 0}, {&registry_group, offsetof(struct copy_flags, registry)}},
	.options_size = sizeof(struct copy_flags),
	.run = run,
};
