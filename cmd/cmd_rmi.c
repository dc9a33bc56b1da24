/*
 * cooper rmi: takes names from images, and removes images that have none left.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "builder/container.h"
#include "builder/sweep.h"
#include "cmd/command.h"

struct rmi_options {
	bool all, force, prune;
};

#define RMI(member) offsetof(struct rmi_options, member)
static const struct option_spec rows[] = {
	{"all", 'a', OPTION_FLAG, RMI(all), NULL, "all images"},
	{"force", 'f', OPTION_FLAG, RMI(force), NULL, "remove all names, and containers that use the image"},
	{"prune", 'p', OPTION_FLAG, RMI(prune), NULL, "images without a name"},
};
static const struct option_group group = {NULL, rows, ARRAY_COUNT(rows)};

/* Containers stand on the image: refused, or removed first. */
static int clear_containers(struct command_context *context, const struct digest *id, bool force, struct error **err)
{
	cleanup(container_list_done) struct container_list list = {0};
	int rc = containers_list(context->workshop, &list, err);
	for (size_t i = 0; rc == 0 && i < list.count; i++) {
		if (!digest_equal(&list.items[i].image_id, id))
			continue;
		if (!force)
			return error_set(err, EBUSY,
					 "image used by %s: image is in use by a container: consider listing "
					 "external containers and force-removing image",
					 list.items[i].id);
		cleanup(container_done) struct container held_one = {0};
		cleanup_close int held = container_acquire(context->workshop, list.items[i].id, &held_one, err);
		rc = held < 0 ? held : workshop_enter(context->workshop, err);
		if (rc == 0)
			rc = container_remove(context->workshop, &held_one, err);
	}
	return rc;
}

static int remove_image(struct command_context *context, const struct image_entry *entry, bool force,
			struct error **err)
{
	int rc = clear_containers(context, &entry->id, force, err);
	if (rc == 0)
		rc = images_remove(context->store, &entry->id, err);
	if (rc < 0)
		return rc;
	char hex[DIGEST_HEX_SIZE];
	for (size_t i = 0; i < entry->names.count; i++)
		printf("untagged: %s\n", entry->names.items[i]);
	printf("%s\n", digest_hex(&entry->id, hex));
	return 0;
}

static int remove_named(struct command_context *context, const char *text, bool force, struct error **err)
{
	cleanup(image_entry_done) struct image_entry entry = {0};
	/* Long for "here". */
	if (text_has_prefix(text, "containers-storage:"))
		text += strlen("containers-storage:");
	int rc = images_find(context->store, text, &entry, err);
	if (rc < 0)
		return rc;
	const char *name = images_name_meant(&entry, text);
	if (!name && entry.names.count > 1 && !force)
		return error_set(err, EBUSY,
				 "unable to delete image '%s' by ID with more than one tag: use force removal", text);
	if (!name || entry.names.count == 1)
		return remove_image(context, &entry, force, err);
	rc = images_untag(context->store, name, err);
	if (rc == 0)
		printf("untagged: %s\n", name);
	return rc;
}

/* One image that resists does not protect the others: 0, or all that went wrong as one error. */
static int report(const struct strlist *failures, int failed, struct error **err)
{
	if (failures->count == 1)
		return error_set(err, -failed, "%s", failures->items[0]);
	if (failures->count > 1) {
		/* One line for each, as Buildah prints them. */
		cleanup_free char *text = strlist_join(failures, "\n\t* ");
		return error_set(err, -failed, "%zu errors occurred:\n\t* %s", failures->count, text);
	}
	return 0;
}

/* All of them, or those without a name; what a container stands on is left unless forced. */
static int remove_many(struct command_context *context, const struct rmi_options *options, struct error **err)
{
	cleanup(image_list_done) struct image_list list = {0};
	cleanup(strlist_done) struct strlist failures = {0};
	int failed = 0, rc = images_list(context->store, &list, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < list.count; i++) {
		if (!options->all && list.items[i].names.count > 0)
			continue;
		cleanup_error struct error *one = NULL;
		rc = remove_image(context, &list.items[i], options->force, &one);
		if (rc == -EBUSY && !options->all)
			log_debug("%s", error_message(one)); /* prune leaves what is used */
		else if (rc < 0) {
			failed = rc;
			strlist_append(&failures, error_message(one));
		}
	}
	return report(&failures, failed, err);
}

static int remove_listed(struct command_context *context, const struct rmi_options *options, const struct strlist *args,
			 struct error **err)
{
	cleanup(strlist_done) struct strlist failures = {0};
	int rc = 0, failed = 0;
	for (size_t i = 0; i < args->count; i++) {
		cleanup_error struct error *one = NULL;
		rc = remove_named(context, args->items[i], options->force, &one);
		if (rc == 0)
			continue;
		failed = rc;
		strlist_append(&failures, error_message(one));
	}
	return report(&failures, failed, err);
}

static int run(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	const struct rmi_options *options = values;
	bool many = options->all || options->prune;
	if (options->all && options->prune)
		return error_set(err, EINVAL, "when using the --all switch, you may not use --prune switch");
	if (many && args->count > 0)
		return error_set(err, EINVAL, "when using the --%s switch, you may not pass any images names or IDs",
				 options->all ? "all" : "prune");
	if (!many && args->count == 0)
		return error_set(err, EINVAL, "image name or ID must be specified");
	int rc = many ? remove_many(context, options, err) : remove_listed(context, options, args, err);
	/* Space is given back now when nobody else is adding to the store, else by the next rmi or prune. */
	cleanup_error struct error *later = NULL;
	struct swept swept;
	if (sweep_removed(context->workshop, &swept, &later) < 0)
		log_debug("space is not given back yet: %s", error_message(later));
	return rc;
}

const struct command command_rmi = {
	.name = "rmi",
	.arguments = "[OPTIONS] IMAGE...",
	.summary = "remove images or some of their names",
	.description =
		"A name is taken from its image; an image without another name is removed, and its id printed. An "
		"image that a working container stands on is refused, unless --force removes the container too.",
	.needs = NEEDS_STORE,
	.max_args = SIZE_MAX,
	.order = OPTIONS_FIRST,
	.options = {{&group, 0}},
	.options_size = sizeof(struct rmi_options),
	.run = run,
};
