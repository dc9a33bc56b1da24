/*
 * cooper pull: an image from a registry, a layout or an archive into the store.
 */
#include <stdio.h>

#include "base/fd.h"
#include "cmd/flags.h"
#include "cmd/transfer_progress.h"

struct pull_options {
	const char *policy;
	bool quiet, all_tags;
	struct platform_flags platform;
	struct registry_flags registry;
};

#define PULL(member) offsetof(struct pull_options, member)
static const struct option_spec rows[] = {
	{"policy", 0, OPTION_TEXT, PULL(policy), "POLICY", "always (default), missing, never or newer"},
	{"all-tags", 'a', OPTION_FLAG, PULL(all_tags), NULL, "all tags of the repository"},
	{"quiet", 'q', OPTION_FLAG, PULL(quiet), NULL, "no progress on standard error"},
};
static const struct option_group group = {NULL, rows, ARRAY_COUNT(rows)};

static int run(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	const struct pull_options *options = values;
	cleanup(platform_done) struct platform platform = {0};
	cleanup(image_done) struct image image = {0};
	struct acquire_options acquire = {.policy = PULL_ALWAYS, .all_tags = options->all_tags};
	cleanup(build_progress_end) struct build_progress_state progress = {.stderr_before = -1};
	bool asked = false;
	int rc = options->policy ? pull_policy_parse(options->policy, &acquire.policy, err) : 0;
	if (rc == 0)
		rc = registry_flags_read(&options->registry, options->quiet, &acquire.registry, err);
	if (rc == 0)
		rc = platform_flags_read(&options->platform, &platform, &asked, err);
	if (rc < 0)
		return rc;
	acquire.platform = asked ? &platform : NULL;
	cleanup_close int hold = store_hold(context->store, err);
	if (hold < 0)
		return hold;
	rc = transfer_progress_begin(&progress, options->quiet, &acquire.registry, /* other */ NULL, err);
	if (rc == 0)
		rc = acquire_image(context->workshop, args->items[0], &acquire, &image, err);
	build_progress_end(&progress);
	if (rc < 0)
		return rc;
	char hex[DIGEST_HEX_SIZE];
	printf("%s\n", digest_hex(&image.entry.id, hex));
	return 0;
}

const struct command command_pull = {
	.name = "pull",
	.arguments = "[OPTIONS] IMAGE",
	.summary = "bring an image into the store",
	.description = "Prints the image's id. IMAGE is a name or a place, as for 'cooper from'.",
	.examples = "  cooper pull debian:12\n  cooper pull --creds me:secret registry.example.org/app:1\n  cooper "
		    "pull docker-archive:app.tar",
	.needs = NEEDS_STORE,
	.order = OPTIONS_FIRST,
	.min_args = 1,
	.options = {{&group, 0},
		    {&platform_group, offsetof(struct pull_options, platform)},
		    {&registry_group, offsetof(struct pull_options, registry)}},
	.options_size = sizeof(struct pull_options),
	.run = run,
};
