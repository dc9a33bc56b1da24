/*
 * The platforms of each base image, and what is common to all of them.
 */
#include "builder/build_platforms.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "builder/build_scope.h"
#include "builder/image_examine.h"
#include "builder/manifest_list.h"
#include "builder/named_context.h"
#include "builder/shortname.h"
#include "imagefmt/index.h"

struct platforms {
	struct platform *items;
	size_t count;
};

static void platforms_done(struct platforms *platforms)
{
	for (size_t i = 0; i < platforms->count; i++)
		platform_done(&platforms->items[i]);
	free(platforms->items);
	*platforms = (struct platforms){0};
}
CLEANUP_FOR_VALUE(struct platforms, platforms_done)

static bool platforms_have(const struct platforms *platforms, const struct platform *platform)
{
	cleanup_free char *wanted = platform_format(platform);

	for (size_t i = 0; i < platforms->count; i++) {
		cleanup_free char *text = platform_format(&platforms->items[i]);
		if (strcmp(text, wanted) == 0)
			return true;
	}
	return false;
}

static void platforms_add(struct platforms *platforms, const struct platform *platform)
{
	if (platforms_have(platforms, platform))
		return;
	platforms->items = mem_grow(platforms->items, platforms->count + 1, sizeof(*platforms->items));
	platforms->items[platforms->count] = (struct platform){0};
	platform_copy(&platforms->items[platforms->count++], platform);
}

/* ---- One image ---- */

static int read_index(const struct buf *text, const char *name, struct platforms *found, struct error **err)
{
	cleanup(image_index_done) struct image_index index = {0};
	int rc = image_index_parse(text->data, text->len, name, &index, err);

	for (size_t i = 0; rc == 0 && i < index.manifest_count; i++) {
		const struct descriptor *entry = &index.manifests[i];
		if (entry->platform && !index_entry_is_attestation(entry))
			platforms_add(found, entry->platform);
	}
	return rc;
}

/* What a place names: a list, or an image for one platform. */
static int read_place(struct workshop *w, const char *place, const struct registry_options *registry,
		      struct platforms *found, struct error **err)
{
	cleanup(examined_done) struct examined top = EXAMINED_INIT, whole = EXAMINED_INIT;
	struct examine_options examine = {.top_only = true, .registry = *registry};
	enum manifest_kind kind;
	int rc = image_examine(w, place, &examine, &top, err);

	if (rc == 0)
		rc = manifest_kind(buf_str(&top.top), top.top.len, manifest_guess_media_type(top.top.data, top.top.len),
				   &kind, err);
	if (rc == 0 && kind == MANIFEST_INDEX)
		return read_index(&top.top, place, found, err);
	examine.top_only = false;
	if (rc == 0)
		rc = image_examine(w, place, &examine, &whole, err);
	if (rc == 0)
		platforms_add(found, &whole.image.config.platform);
	return rc;
}

/* An image of the store was fetched for one platform out of what the registry has, so the registry is asked first;
 * lists of the store, and what is in the store alone, are what they are. */
static int places_of(struct workshop *w, const struct build_options *options, const char *name, struct strlist *places,
		     struct error **err)
{
	cleanup(image_entry_done) struct image_entry entry = {0};
	cleanup(reference_done) struct reference ref = {0};
	cleanup(strlist_done) struct strlist repositories = {0};
	bool is_here = images_find(workshop_store(w), name, &entry, NULL) == 0;

	if (location_has_transport(name)) {
		strlist_append(places, name);
		return 0;
	}
	int rc = reference_parse(name, &ref, err);
	if (rc < 0)
		return rc;
	bool is_list = is_here && manifest_list_is(&entry);
	if (!is_list && options->pull != PULL_NEVER && ref.domain)
		strlist_printf(places, "docker://%s", name);
	else if (!is_list && options->pull != PULL_NEVER && !is_here)
		rc = shortname_candidates(ref.path, &repositories, err);
	for (size_t i = 0; rc == 0 && i < repositories.count; i++)
		strlist_printf(places, "docker://%s%s", repositories.items[i], name + strlen(ref.path));
	if (is_here)
		strlist_printf(places, "store:%s", name);
	return rc;
}

static int read_image(struct workshop *w, const struct build_options *options, const char *name,
		      struct platforms *found, struct error **err)
{
	cleanup(strlist_done) struct strlist places = {0};
	int rc = places_of(w, options, name, &places, err);

	if (rc == 0 && places.count == 0)
		return error_set(err, ENOENT, "%s: image not known", name);
	for (size_t i = 0; rc == 0 && i < places.count; i++) {
		error_clear(err);
		if (read_place(w, places.items[i], &options->registry, found, err) == 0)
			return 0;
	}
	return rc < 0 ? rc : error_prefix(err, "%s", name);
}

/* ---- All of them ---- */

static bool is_replaced(const struct build_options *options, const char *name)
{
	const char *where = NULL;

	return named_context_find(options->named_contexts, name, options->platform, &where) != SIZE_MAX;
}

/* The image that a stage is FROM, if it is one that says something; else *name stays NULL. */
static int find_base(const struct build_options *options, const struct expand_scope *scope, size_t stage, char **name,
		     struct error **err)
{
	const struct dockerfile *file = options->file;
	cleanup(instruction_free) struct instruction *from = NULL;
	int rc = instruction_expand(file->stages[stage].from, scope, /* unset */ NULL, &from, err);

	if (rc < 0)
		return rc;
	const char *image = from->from.image;
	if (from->from.platform || !*image || strcmp(image, "scratch") == 0 || is_replaced(options, image) ||
	    dockerfile_stage(file, image, stage))
		return 0;
	*name = mem_strdup(image);
	return 0;
}

static void keep_common(struct platforms *all, const struct platforms *these)
{
	struct platforms common = {0};

	for (size_t i = 0; i < all->count; i++)
		if (platforms_have(these, &all->items[i]))
			platforms_add(&common, &all->items[i]);
	platforms_done(all);
	*all = common;
}

int build_platforms_find(struct workshop *w, const struct build_options *options, struct platform **platforms,
			 size_t *count, struct error **err)
{
	cleanup(build_globals_done) struct build_globals globals = {0};
	cleanup(platform_done) struct platform host = {0};
	cleanup(platforms_done) struct platforms all = {0};
	const struct dockerfile *file = options->file;
	const struct stage *target = NULL;
	size_t bases = 0;
	int rc = dockerfile_target(file, options->target, &target, err);

	platform_host(&host);
	const struct build_globals_options given = {
		.build_args = options->build_args, .target_platform = &host, .build_platform = &host, .target = target};
	if (rc >= 0)
		rc = build_globals_make(file, &given, &globals, err);
	const struct expand_scope scope = {.lists = {&globals.args}, .count = 1, .escape = globals.escape};
	for (size_t i = 0; rc >= 0 && i < file->stage_count; i++) {
		cleanup(platforms_done) struct platforms these = {0};
		cleanup_free char *name = NULL;
		rc = find_base(options, &scope, i, &name, err);
		if (rc >= 0 && name)
			rc = read_image(w, options, name, &these, err);
		if (rc >= 0 && name && bases++ == 0) {
			all = these;
			these = (struct platforms){0};
		} else if (rc >= 0 && name) {
			keep_common(&all, &these);
		}
		if (&file->stages[i] == target)
			break;
	}
	if (rc < 0)
		return rc;
	if (bases == 0)
		return error_set(err, EINVAL, "no stage is FROM an image that could say which platforms there are");
	if (all.count == 0)
		return error_set(err, ENOENT, "the base images have no platform in common");
	*platforms = all.items;
	*count = all.count;
	all = (struct platforms){0};
	return 0;
}
