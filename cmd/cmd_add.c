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
	.description =
		"The same as 'cooper copy', and besides a local archive of any kind (tar, cpio, zip, 7z, …, "
		"compressed or not) is unpacked into DST.\n\n"
		"With --cache this is a step like one of a Dockerfile: its key is made of the layers that the "
		"container stands on, the options, and the names, modes and contents of the sources; never their "
		"times. If it was done before, the layer that it gave is taken, and 'cached' is said on standard "
		"error. See cooper-run(1).",
	.examples = "  cooper add $ctr rootfs.tar.xz /\n  cooper add --checksum sha256:… $ctr https://example.org/tool "
		    "/usr/local/bin/",
	.needs = NEEDS_STORE,
	.order = OPTIONS_FIRST,
	.min_args = 2,
	.max_args = SIZE_MAX,
	.options = {{&copy_group, 0}, {&registry_group, offsetof(struct copy_flags, registry)}},
	.options_size = sizeof(struct copy_flags),
	.run = run,
};
