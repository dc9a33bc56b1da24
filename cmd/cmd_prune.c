/*
 * cooper prune: gives space back.
 */
#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "base/parse.h"
#include "builder/container.h"
#include "builder/sweep.h"
#include "cmd/command.h"

struct prune_options {
	bool all, force;
};

#define PRUNE(member) offsetof(struct prune_options, member)
static const struct option_spec rows[] = {
	{"all", 'a', OPTION_FLAG, PRUNE(all), NULL, "all images that no container stands on, and cache mounts"},
	{"force", 'f', OPTION_FLAG, PRUNE(force), NULL, "accepted for scripts; prune never asks"},
};
static const struct option_group group = {NULL, rows, ARRAY_COUNT(rows)};

static int run(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	const struct prune_options *options = values;
	struct swept swept = {0};
	struct sweep_options sweep = {.unnamed_images = true, .all_images = options->all, .caches = options->all};
	cleanup(strlist_done) struct strlist removed = {0};
	int rc = sweep_store(context->workshop, &sweep, &removed, &swept, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < removed.count; i++)
		printf("%s\n", removed.items[i]);
	cleanup_free char *size = format_size(swept.bytes);
	log_info("%llu blobs, %llu layers and %llu unfinished pieces of work removed, %s given back",
		 (unsigned long long)swept.blobs, (unsigned long long)swept.layers, (unsigned long long)swept.leftovers,
		 size);
	return 0;
}

const struct command command_prune = {
	.name = "prune",
	.arguments = "[--all]",
	.summary = "remove what nothing refers to any more",
	.description = "Removes images without a name, layers and blobs that no image and no container refers to, and "
		       "what killed "
		       "processes left behind. With --all also images that no container stands on, and the directories "
		       "of cache mounts. "
		       "Prints the ids of the images that are gone.",
	.needs = NEEDS_STORE | NEEDS_WORKER,
	.options = {{&group, 0}},
	.options_size = sizeof(struct prune_options),
	.run = run,
};
