/*
 * cooper prune: gives space back.
 */
#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "base/parse.h"
#include "builder/cache_prune.h"
#include "builder/container.h"
#include "builder/sweep.h"
#include "cmd/command.h"

struct prune_options {
	const char *max_used, *reserved, *min_free;
	bool all, force, build_cache, cache_mounts;
	struct strlist filters;
};

#define PRUNE(member) offsetof(struct prune_options, member)
static const struct option_spec rows[] = {
	{"all", 'a', OPTION_FLAG, PRUNE(all), NULL,
	 "all images that no container stands on, and the build cache with its cache mounts; of the build cache alone "
	 "also what cooper keeps for itself"},
	{"build-cache", 0, OPTION_FLAG, PRUNE(build_cache), NULL, "only the build cache"},
	{"cache-mounts", 0, OPTION_FLAG, PRUNE(cache_mounts), NULL,
	 "only cache mounts (as --filter type=exec.cachemount)"},
	{"filter", 0, OPTION_LIST, PRUNE(filters), "KEY=VALUE",
	 "only of the build cache what this is true of: until=TIME, unused-for=TIME, type=TYPE, id=ID, "
	 "description=TEXT, "
	 "shared, private, inuse (as du has it)"},
	{"max-used-space", 0, OPTION_TEXT, PRUNE(max_used), "SIZE",
	 "only of the build cache what was used least recently, until it holds no more"},
	{"reserved-space", 0, OPTION_TEXT, PRUNE(reserved), "SIZE", "so much stays in the build cache in any case"},
	{"keep-storage", 0, OPTION_TEXT, PRUNE(reserved), "SIZE", NULL},
	{"min-free-space", 0, OPTION_TEXT, PRUNE(min_free), "SIZE",
	 "only of the build cache as much as it takes to have so much room on the disk"},
	{"force", 'f', OPTION_FLAG, PRUNE(force), NULL, "accepted for scripts; prune never asks"},
};
static const struct option_group group = {NULL, rows, ARRAY_COUNT(rows)};

static void print_ids(const struct strlist *removed)
{
	for (size_t i = 0; i < removed->count; i++)
		printf("%s\n", removed->items[i]);
}

/* ---- the build cache ----------------------------------------------------------------------------------------------
 */

static bool is_about_cache(const struct prune_options *options)
{
	return options->build_cache || options->cache_mounts || options->filters.count || options->max_used ||
	       options->reserved || options->min_free;
}

static int read_limits(const struct prune_options *options, struct cache_limits *limits, struct error **err)
{
	int rc = options->max_used ? parse_size(options->max_used, "--max-used-space", &limits->max_used, err) : 0;

	if (rc == 0 && options->reserved)
		rc = parse_size(options->reserved, "--reserved-space", &limits->reserved, err);
	if (rc == 0 && options->min_free)
		rc = parse_size(options->min_free, "--min-free-space", &limits->min_free, err);
	return rc;
}

/* "--reserved-space 0" keeps nothing, which is no limit. */
static int prune_cache(struct command_context *context, const struct prune_options *options, struct error **err)
{
	cleanup(strlist_done) struct strlist filters = {0};
	cleanup(strlist_done) struct strlist removed = {0};
	cleanup(cache_filter_free) struct cache_filter *filter = NULL;
	struct cache_prune_options prune = {.internal = options->all};
	struct cache_pruned pruned = {0};
	struct swept swept = {0};

	strlist_copy(&filters, &options->filters);
	if (options->cache_mounts)
		strlist_append(&filters, "type=exec.cachemount");
	for (size_t i = 0; i < filters.count; i++)
		prune.internal |= text_has_prefix(filters.items[i], "type=internal");
	int rc = cache_filter_new(&filters, context->now, &filter, err);
	if (rc == 0)
		rc = read_limits(options, &prune.limits, err);
	if (rc < 0)
		return rc;
	prune.filter = filter;
	rc = cache_prune(context->workshop, &prune, &removed, &pruned, err);
	if (rc == 0 && pruned.count)
		rc = sweep_images(context->workshop, LOCK_WAIT, &swept, err);
	if (rc < 0)
		return rc;
	print_ids(&removed);
	cleanup_free char *size = format_size(pruned.bytes + swept.bytes);
	if (pruned.busy)
		log_warn("%llu cache mounts are in use and stay", (unsigned long long)pruned.busy);
	log_info("%llu things of the build cache removed, %s given back", (unsigned long long)pruned.count, size);
	return 0;
}

/* ---- the store ----------------------------------------------------------------------------------------------------
 */

static int prune_store(struct command_context *context, const struct prune_options *options, struct error **err)
{
	struct swept swept = {0};
	struct sweep_options sweep = {.unnamed_images = true, .all_images = options->all, .caches = options->all};
	cleanup(strlist_done) struct strlist removed = {0};
	int rc = sweep_store(context->workshop, &sweep, &removed, &swept, err);
	if (rc < 0)
		return rc;
	print_ids(&removed);
	cleanup_free char *size = format_size(swept.bytes);
	log_info("%llu blobs, %llu layers and %llu unfinished pieces of work removed, %s given back",
		 (unsigned long long)swept.blobs, (unsigned long long)swept.layers, (unsigned long long)swept.leftovers,
		 size);
	return 0;
}

static int run(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	const struct prune_options *options = values;

	return is_about_cache(options) ? prune_cache(context, options, err) : prune_store(context, options, err);
}

const struct command command_prune = {
	.name = "prune",
	.arguments = "[OPTIONS]",
	.summary = "remove what nothing refers to any more",
	.description =
		"Removes images without a name, layers and blobs that no image and no container refers to, and what "
		"killed processes left behind. With --all also images that no container stands on, and the build "
		"cache. Prints the ids of the images that are gone.\n\n"
		"With --build-cache, --cache-mounts, --filter or a limit it is about the build cache only, and prints "
		"the ids of what is gone, as `cooper du` has them. All filters must hold. With a limit, what was used "
		"least recently goes first; layers that an image or a container has, too, cost nothing and stay. A "
		"cache mount that a step has stays, and a build that runs keeps what it has found.",
	.examples = "  cooper prune --filter unused-for=168h\n  cooper prune --cache-mounts\n"
		    "  cooper prune --max-used-space 20g",
	.needs = NEEDS_STORE | NEEDS_WORKER,
	.options = {{&group, 0}},
	.options_size = sizeof(struct prune_options),
	.run = run,
};
