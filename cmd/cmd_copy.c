/*
 * cooper copy: copy files and directories into a working container. The work is in copying.c.
 */
#include "cmd/copying.h"

static int run(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	return copy_command_run(context, values, /* add */ false, args, err);
}

const struct command command_copy = {
	.name = "copy",
	.arguments = "[OPTIONS] CONTAINER SRC... [DST]",
	.summary = "copy files and directories into a working container",
	.description =
		"SRC is a path of the host (or, with --from, of another container or image); patterns with * ? [ ] "
		"and ** are expanded. An http or https URL is downloaded (mode 0600). The contents of a directory are "
		"copied, not the directory itself. DST is a directory when it ends with '/', when it exists as one, "
		"or when there are several sources; it is made as needed. Without DST the working directory is meant. "
		"Prints a digest of what was copied.\n\n"
		"With --cache this is a step like one of a Dockerfile: its key is made of the layers that the "
		"container stands on, the options, and the names, modes and contents of the sources; never their "
		"times. If it was done before, the layer that it gave is taken, and 'cached' is said on standard "
		"error. See cooper-run(1).",
	.examples = "  cooper copy $ctr ./app /srv/app\n  cooper copy --from builder --chown 1000:1000 $ctr /out/bin "
		    "/usr/local/bin",
	.needs = NEEDS_STORE,
	.order = OPTIONS_FIRST,
	.min_args = 2,
	.max_args = SIZE_MAX,
	.options = {{&copy_group, 0}, {&registry_group, offsetof(struct copy_flags, registry)}},
	.options_size = sizeof(struct copy_flags),
	.run = run,
};
