/*
 * Contexts, images and stages as things to read from.
 */
#include "builder/build_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "builder/fetch.h"
#include "builder/records.h"

/* ---- images -------------------------------------------------------------------------------------------------------
 */

void build_image_free(struct build_image *image)
{
	if (!image)
		return;
	free(image->name);
	free(image->platform);
	acquire_rest_free(image->rest);
	image_done(&image->image);
	free(image);
}
CLEANUP_FOR(struct build_image, build_image_free)

static bool is_same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* Of several platforms it is to be seen for which one something is fetched. */
static void say_fetching(const char *line, void *context)
{
	const struct build *build = context;

	build_say(build, "%s", line);
}

/* `build` outlives the images, and with them whoever uses this. */
static struct registry_options registry_for(struct build *build)
{
	struct registry_options registry = build->options->registry;

	if (build->platform_name && registry.progress) {
		registry.progress = say_fetching;
		registry.progress_context = build;
	}
	return registry;
}

int build_resolve_image(void *context, const char *name, const struct platform *platform, size_t *index,
			const struct image_config **config, struct error **err)
{
	struct build *build = context;
	const struct build_options *options = build->options;
	const struct platform *want = platform ? platform : options->platform;
	cleanup(build_image_free) struct build_image *found = mem_alloc(sizeof(*found));

	found->name = mem_strdup(name);
	found->platform = want ? platform_format(want) : NULL;
	for (size_t i = 0; i < build->image_count; i++) {
		if (is_same(build->images[i]->name, name) && is_same(build->images[i]->platform, found->platform)) {
			*index = i;
			*config = &build->images[i]->image.config;
			return 0;
		}
	}
	/* Only looked at for now: its layers may never be needed. */
	const struct acquire_options acquire = {.policy = options->pull,
						.platform = want,
						.registry = registry_for(build),
						.keep_packed = true,
						.rest = &found->rest};
	int64_t began_ms = clock_ms();
	int rc = acquire_image(build->w, name, &acquire, &found->image, err);
	build->images_ms += clock_ms() - began_ms;
	if (rc < 0)
		return rc;
	build->images = mem_grow(build->images, build->image_count + 1, sizeof(struct build_image *));
	*config = &found->image.config;
	*index = build->image_count;
	build->images[build->image_count++] = take_ptr(&found);
	return 0;
}

struct build_image *build_image_below(const struct build *build, const struct plan_input *input)
{
	while (input->kind == INPUT_STAGE)
		input = &build->plan->stages[input->index]->base;
	return input->kind == INPUT_IMAGE ? build->images[input->index] : NULL;
}

static int bring(struct build *build, const struct plan_input *input, enum fetch_layers layers,
		 const struct source_range *range, struct error **err)
{
	struct build_image *image = build_image_below(build, input);

	if (!image || !image->rest)
		return 0;
	int64_t began_ms = clock_ms();
	int rc = acquire_finish(build->w, image->rest, layers, &image->image, err);
	build->images_ms += clock_ms() - began_ms;
	if (rc < 0)
		return source_error(&build->options->file->source, range, err);
	acquire_rest_free(take_ptr(&image->rest));
	return 0;
}

static int bring_for_step(struct build *build, const struct plan_step *step, struct error **err)
{
	int rc = bring(build, &step->input, FETCH_LAYERS_UNPACKED, &step->range, err);

	for (size_t i = 0; rc >= 0 && step->mounts && i < step->instruction->run.mount_count; i++)
		rc = bring(build, &step->mounts[i], FETCH_LAYERS_UNPACKED, &step->range, err);
	return rc;
}

int build_images_bring(struct build *build, struct error **err)
{
	const struct plan *plan = build->plan;
	cleanup_free bool *needed = mem_alloc(plan->stage_count * sizeof(*needed));
	int rc = 0;

	build_stages_needed(build, needed);
	/* The manifest that is written names its base's layers. */
	needed[plan->target] = true;
	for (size_t i = 0; rc >= 0 && i < plan->stage_count; i++) {
		const struct plan_stage *stage = plan->stages[i];
		/* Of a stage that the cache has all of, only the blobs are needed. */
		bool is_made = build->stages[i].done < stage->step_count || stage->step_count == 0;
		if (needed[i])
			rc = bring(build, &stage->base, is_made ? FETCH_LAYERS_UNPACKED : FETCH_LAYERS_PACKED,
				   &stage->written->from->range, err);
		for (size_t k = build->stages[i].done; rc >= 0 && needed[i] && k < stage->step_count; k++)
			rc = bring_for_step(build, &stage->steps[k], err);
	}
	return rc;
}

/* ---- directories --------------------------------------------------------------------------------------------------
 */

static int open_named(struct build *build, size_t index, struct build_context **context, struct error **err)
{
	const char *text = build->options->named_contexts->items[index];
	const char *equals = strchr(text, '=');
	const struct context_options options = {.stdin_fd = -1, .registry = &build->options->registry};
	int rc = build_context_open(build->w, equals ? equals + 1 : "", &options, context, err);

	return rc < 0 ? error_prefix(err, "--build-context %s", text) : 0;
}

int build_directory_open(struct build *build, const struct plan_input *input, struct build_directory **directory,
			 struct error **err)
{
	size_t at = input->kind == INPUT_NAMED ? input->index + 1 : 0;
	struct build_directory *found = &build->directories[at];

	if (!found->context) {
		int rc = at ? open_named(build, input->index, &found->context, err) : -ENOENT;
		if (rc < 0)
			return at ? rc : error_set(err, ENOENT, "there is no build context");
	}
	if (build_context_fd(found->context) < 0)
		return error_set(err, ENOENT, "the build context has no files, only a Dockerfile");
	if (!found->memo)
		found->memo = build_memo_open(workshop_store(build->w), build_context_is_lasting(found->context)
										? build_context_fd(found->context)
										: -1);
	*directory = found;
	return 0;
}

void build_directories_save(struct build *build)
{
	size_t count = 1 + (build->options->named_contexts ? build->options->named_contexts->count : 0);

	for (size_t i = 0; i < count; i++)
		build_memo_close(take_ptr(&build->directories[i].memo));
}

/* ---- roots --------------------------------------------------------------------------------------------------------
 */

void build_input_layers(const struct build *build, const struct plan_input *input, const struct digest **diff_ids,
			size_t *count)
{
	const struct image_config *config = input->kind == INPUT_STAGE	 ? &build->stages[input->index].c.config
					    : input->kind == INPUT_IMAGE ? &build->images[input->index]->image.config
									 : NULL;

	*diff_ids = config ? config->diff_ids : NULL;
	*count = config ? config->diff_id_count : 0;
}

static int open_layers(struct build *build, const struct plan_input *input, struct build_root *root, struct error **err)
{
	const struct build_image *below = build_image_below(build, input);
	struct image view = {0};
	/* Those of a stage whose steps were all known may never have been unpacked here. */
	int rc = below ? fetch_unpack(build->w, &below->image, err) : 0;

	if (rc < 0)
		return rc;
	if (input->kind == INPUT_IMAGE)
		view = below->image;
	else if (input->kind == INPUT_STAGE)
		/* As good as an image for whoever only wants its files; borrowed. */
		view.config = build->stages[input->index].c.config;
	root->keep_owner = true;
	if (view.config.diff_id_count == 0)
		return error_set(err, ENOENT, "there are no files in it");
	rc = rootfs_open_image(build->w, &view, &root->rootfs, err);
	if (rc >= 0)
		rc = records_load_image(build->w, &view, root->rootfs, &root->owners, err);
	if (rc >= 0)
		root->fd = rootfs_fd(root->rootfs);
	return rc;
}

int build_root_open(struct build *build, const struct plan_input *input, struct build_root *root, struct error **err)
{
	cleanup(build_root_done) struct build_root opened = BUILD_ROOT_INIT;

	if (input->kind == INPUT_CONTEXT || input->kind == INPUT_NAMED) {
		struct build_directory *directory = NULL;
		int rc = build_directory_open(build, input, &directory, err);
		if (rc < 0)
			return rc;
		opened.fd = build_context_fd(directory->context);
		opened.ignore = build_context_ignore(directory->context);
	} else {
		int rc = open_layers(build, input, &opened, err);
		if (rc < 0)
			return rc;
	}
	*root = opened;
	opened = BUILD_ROOT_INIT;
	return 0;
}

void build_root_done(struct build_root *root)
{
	owner_table_done(&root->owners);
	rootfs_close(root->rootfs);
	*root = BUILD_ROOT_INIT;
}
