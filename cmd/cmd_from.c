/*
 * cooper from: a working container of an image, pulled when it is not here, or of nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "builder/container.h"
#include "builder/step.h"
#include "cmd/flags.h"
#include "cmd/transfer_progress.h"

struct from_options {
	const char *name, *cidfile, *format, *suffix;
	bool quiet;
	struct pull_flags pull;
	struct platform_flags platform;
	struct registry_flags registry;
	struct run_flags run;
};

#define FROM(member) offsetof(struct from_options, member)
static const struct option_spec rows[] = {
	{"name", 0, OPTION_TEXT, FROM(name), "NAME", "name of the container (default: made of the image's)"},
	{"format", 'f', OPTION_TEXT, FROM(format), "FORMAT", "oci (default) or docker: what commit writes"},
	{"cidfile", 0, OPTION_TEXT, FROM(cidfile), "FILE", "write the container's id to FILE"},
	{"suffix", 0, OPTION_TEXT, FROM(suffix), "TEXT", NULL},
	{"quiet", 'q', OPTION_FLAG, FROM(quiet), NULL, "no progress on standard error"},
};
static const struct option_group group = {NULL, rows, ARRAY_COUNT(rows)};

static int find_image(struct command_context *context, const struct from_options *options, const char *name,
		      const struct platform *platform, struct image *image, struct error **err)
{
	struct acquire_options acquire = {.platform = platform};
	cleanup(build_progress_end) struct build_progress_state progress = {.stderr_before = -1};
	int rc = pull_flags_read(&options->pull, &acquire.policy, err);
	if (rc == 0)
		rc = registry_flags_read(&options->registry, options->quiet, &acquire.registry, err);
	if (rc == 0)
		rc = transfer_progress_begin(&progress, options->quiet, &acquire.registry, /* other */ NULL, err);
	if (rc < 0)
		return rc;
	return acquire_image(context->workshop, name, &acquire, image, err);
}

static int run(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	const struct from_options *options = values;
	const char *name = args->items[0];
	cleanup(settings_done) struct settings settings = {0};
	cleanup(container_done) struct container container = {0};
	cleanup(image_done) struct image image = {0};
	cleanup(platform_done) struct platform platform = {0};
	bool asked = false;
	struct container_options create = {.name = options->name,
					   .name_base = name,
					   .suffix = options->suffix,
					   .note_base = true,
					   .settings = &settings};
	int rc = format_flag_default(options->format, &create.format, err);
	if (rc == 0)
		rc = run_flags_read(&options->run, &settings, err);
	if (rc == 0)
		rc = step_check(context->workshop, &settings, err);
	if (rc == 0)
		rc = platform_flags_read(&options->platform, &platform, &asked, err);
	create.platform = asked ? &platform : NULL;
	cleanup_close int hold = rc < 0 ? -1 : store_hold(context->store, err);
	if (rc == 0 && hold < 0)
		rc = hold;
	bool from_scratch = strcmp(name, "scratch") == 0;
	if (rc == 0 && !from_scratch)
		rc = find_image(context, options, name, create.platform, &image, err);
	if (rc == 0)
		rc = container_create(context->workshop, from_scratch ? NULL : &image, &create, &container, err);
	if (rc < 0)
		return rc;
	if (options->cidfile && (rc = result_file_write(options->cidfile, container.id, err)) < 0)
		return error_hint(err, "container '%s' was made, and stays", container.name);
	printf("%s\n", container.name);
	return 0;
}

const struct command command_from = {
	.name = "from",
	.arguments = "[OPTIONS] IMAGE|scratch",
	.summary = "make a working container of an image, or of nothing",
	.description =
		"Prints the name of the new container. IMAGE is a name, an id, or a place: docker://NAME, "
		"oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME], dir:DIR. A name that is not in "
		"the store is pulled; a name without a registry is taken from docker.io.\n\n"
		"What is said here about running (volumes, capabilities, network, limits) holds for every later "
		"'cooper run' of the container.",
	.examples = "  ctr=$(cooper from debian:12)\n  cooper from --name web scratch\n  cooper from oci:./layout:v1",
	.needs = NEEDS_STORE,
	.order = OPTIONS_FIRST,
	.min_args = 1,
	.options = {{&group, 0},
		    {&pull_group, offsetof(struct from_options, pull)},
		    {&platform_group, offsetof(struct from_options, platform)},
		    {&registry_group, offsetof(struct from_options, registry)},
		    {&run_group, offsetof(struct from_options, run)}},
	.options_size = sizeof(struct from_options),
	.run = run,
};
