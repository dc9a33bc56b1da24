/*
 * cooper tag: further names for an image.
 */
#include "cmd/command.h"
#include "imagefmt/images.h"
#include "imagefmt/reference.h"

static int run(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	cleanup(image_entry_done) struct image_entry entry = {0};
	int rc = images_find(context->store, args->items[0], &entry, err);
	for (size_t i = 1; rc == 0 && i < args->count; i++) {
		cleanup_free char *name = NULL;
		rc = reference_local_name(args->items[i], &name, err);
		if (rc == 0)
			rc = images_add(context->store, &entry.manifest, &entry.id, entry.created, name, err);
	}
	return rc;
}

const struct command command_tag = {
	.name = "tag",
	.arguments = "IMAGE NAME...",
	.summary = "give an image further names",
	.description = "A name without a registry gets localhost/ in front, one without a tag :latest behind.",
	.needs = NEEDS_STORE,
	.min_args = 2,
	.max_args = SIZE_MAX,
	.run = run,
};
