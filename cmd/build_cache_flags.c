/*
 * What build takes from caches and writes into them: this machine's, and those of others.
 */
#include "cmd/build_flags_internal.h"

#include <errno.h>

#include "base/env.h"
#include "base/parse.h"

#define NANOSECONDS 1000000000

#define BUILD(member) offsetof(struct build_flags, member)
static const struct option_spec cache_rows[] = {
	{"no-cache", 0, OPTION_FLAG, BUILD(no_cache), NULL, "take no step from the cache"},
	{"no-cache-filter", 0, OPTION_LIST, BUILD(no_cache_filter), "STAGE,…", "take no step of these stages from it"},
	{"explain", 0, OPTION_FLAG, BUILD(explain), NULL,
	 "say of each step why it was or was not taken from the cache"},
	{"layers", 0, OPTION_OPTIONAL, BUILD(layers), "BOOL",
	 "one layer for each step (default true); false: one for the stage", "true"},
	{"squash", 0, OPTION_FLAG, BUILD(squash), NULL, "one layer in all"},
	{"squash-all", 0, OPTION_FLAG, BUILD(squash_all), NULL, NULL},
	{"cache-from", 0, OPTION_LIST, BUILD(cache_from), "type=TYPE,…",
	 "also take steps from the cache of another machine: registry or local; NAME alone"},
	{"cache-to", 0, OPTION_LIST, BUILD(cache_to), "type=TYPE,…",
	 "write the cache of this build for others: registry, local or inline; NAME alone"},
	{"cache-ttl", 0, OPTION_LIST, BUILD(cache_ttl), "TIME", "take no step that was made longer ago (24h, 30m)"},
	{"cache-mounts", 0, OPTION_OPTIONAL, BUILD(cache_mounts), "ID,…",
	 "with --cache-to and --cache-from also the contents of RUN --mount=type=cache (of these ids only)", "all"},
	{"cache-max-used-space", 0, OPTION_TEXT, BUILD(cache_max_used), "SIZE",
	 "behind the build, take away from the cache until it holds no more (see prune)"},
};
const struct option_group build_cache_group = {"Cache options", cache_rows, ARRAY_COUNT(cache_rows)};

static int read_places(const struct strlist *texts, enum cache_direction direction, struct cache_place **places,
		       size_t *count, struct error **err)
{
	int rc = 0;

	*places = mem_alloc((texts->count + 1) * sizeof(**places));
	for (size_t i = 0; rc == 0 && i < texts->count; i++) {
		rc = cache_place_parse(texts->items[i], direction, &(*places)[i], err);
		*count += rc == 0;
	}
	return rc;
}

static int check_inline(const struct build_options *options, struct error **err)
{
	if (options->squash)
		return error_set(err, EINVAL, "--cache-to type=inline: a squashed image has no layers of steps");
	if (options->format == FORMAT_DOCKER)
		return error_set(err, EINVAL,
				 "--cache-to type=inline: Docker's image format has no place for it (use --format oci, "
				 "or type=registry)");
	return 0;
}

static int check_cache_mounts(const struct build_request *request, const char *mounts, struct error **err)
{
	bool has_place = request->cache_from_count > 0;

	for (size_t i = 0; i < request->cache_to_count; i++)
		has_place |= request->cache_to[i].kind != CACHE_INLINE;
	if (mounts && !has_place)
		return error_set(err, EINVAL,
				 "--cache-mounts goes with --cache-from, or with --cache-to of type registry or local");
	return 0;
}

static int read_cache_places(const struct build_flags *flags, struct build_request *request, struct error **err)
{
	struct build_options *options = &request->options;
	int rc = read_places(&flags->cache_from, CACHE_FROM, &request->cache_from, &request->cache_from_count, err);

	if (rc == 0)
		rc = read_places(&flags->cache_to, CACHE_TO, &request->cache_to, &request->cache_to_count, err);
	if (rc < 0)
		return rc;
	if (request->cache_to_count && options->single_layer)
		return error_set(err, EINVAL,
				 "--cache-to and --layers=false: without layers of steps there is no cache");
	bool mounts = false;
	/* "--cache-mounts=false" as any switch has it. */
	if (flags->cache_mounts && parse_bool(flags->cache_mounts, "--cache-mounts", &mounts, NULL) == 0)
		options->cache_mounts = mounts ? "all" : NULL;
	else
		options->cache_mounts = flags->cache_mounts;
	rc = check_cache_mounts(request, options->cache_mounts, err);
	if (rc < 0)
		return rc;
	options->cache_from = request->cache_from;
	options->cache_from_count = request->cache_from_count;
	for (size_t i = 0; i < request->cache_to_count; i++)
		options->has_inline_cache |= request->cache_to[i].kind == CACHE_INLINE;
	options->has_inline_cache |= build_request_switch(request, "BUILDKIT_INLINE_CACHE");
	options->has_cache_to = request->cache_to_count > 0;
	return options->has_inline_cache ? check_inline(options, err) : 0;
}

/* Given several times the last one counts. 0 is Buildah's way to say --no-cache. */
static int read_cache_ttl(const struct command_context *context, const struct build_flags *flags,
			  struct build_options *options, struct error **err)
{
	const struct strlist *list = &flags->cache_ttl;
	int64_t nanoseconds = 0;

	if (list->count == 0)
		return 0;
	/* Then every step says that it was made at that time. */
	if (options->timestamp >= 0 || options->source_date_epoch >= 0)
		return error_set(err, EINVAL,
				 "--cache-ttl cannot be combined with --timestamp, --source-date-epoch or "
				 "SOURCE_DATE_EPOCH: steps have no age of their own");
	int rc = parse_duration(list->items[list->count - 1], "--cache-ttl", &nanoseconds, err);
	if (rc < 0)
		return rc;
	if (nanoseconds < 0)
		return error_set(err, EINVAL, "--cache-ttl '%s': it is negative", list->items[list->count - 1]);
	options->no_cache |= nanoseconds == 0;
	options->cache_oldest = workshop_options(context->workshop)->now - nanoseconds / NANOSECONDS;
	return 0;
}

/* How steps become layers, which are what a cache holds. */
static int read_layers(const struct build_flags *flags, struct build_options *options, struct error **err)
{
	const char *text = flags->layers ? flags->layers : env_get("LAYERS");
	bool layers = true;
	int rc = bool_flag_read(text, flags->layers ? "--layers" : "COOPER_LAYERS", &layers, err);

	options->single_layer = !layers;
	options->squash = flags->squash || flags->squash_all;
	return rc;
}

int build_cache_flags_read(const struct command_context *context, const struct build_flags *flags,
			   struct build_request *request, struct error **err)
{
	struct build_options *options = &request->options;
	int rc = read_layers(flags, options, err);

	options->no_cache = flags->no_cache;
	options->explain = flags->explain;
	for (size_t i = 0; i < flags->no_cache_filter.count; i++)
		strlist_split(&request->no_cache_stages, flags->no_cache_filter.items[i], ',');
	options->no_cache_stages = &request->no_cache_stages;
	if (rc == 0)
		rc = cache_limits_load(&request->cache_limits, err);
	if (rc == 0 && flags->cache_max_used)
		rc = parse_size(flags->cache_max_used, "--cache-max-used-space", &request->cache_limits.max_used, err);
	if (rc == 0)
		rc = read_cache_places(flags, request, err);
	return rc == 0 ? read_cache_ttl(context, flags, options, err) : rc;
}
