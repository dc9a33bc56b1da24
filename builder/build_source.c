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
	image_done(&image->image);
	free(image);
}
CLEANUP_FOR(struct build_image, build_image_free)

static bool is_same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
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
	const struct acquire_options acquire = {
		.policy = options->pull, .platform = want, .registry = options->registry, .keep_packed = true};
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
	struct image view = {0};
	int rc = 0;

	if (input->kind == INPUT_IMAGE) {
		rc = fetch_unpack(build->w, &build->images[input->index]->image, err);
		view = build->images[input->index]->image;
	} else if (input->kind == INPUT_STAGE) {
		/* A stage is as good as an image for whoever only wants its files; borrowed. */
		view.config = build->stages[input->index].c.config;
	}
	if (rc < 0)
		return rc;
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
