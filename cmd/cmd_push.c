/*
 * cooper push: an image of the store to a registry, a layout or an archive.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "builder/manifest_list.h"
#include "cmd/flags.h"
#include "cmd/push_flags.h"
#include "cmd/sign_flags.h"
#include "cmd/transfer_progress.h"
#include "imagefmt/reference.h"

struct push_options {
	const char *format, *digestfile;
	bool quiet, all, rm;
	struct push_flags push;
	struct compression_flags compression;
	struct registry_flags registry;
	struct sign_flags sign;
};

#define PUSH(member) offsetof(struct push_options, member)
static const struct option_spec rows[] = {
	{"format", 'f', OPTION_TEXT, PUSH(format), "FORMAT",
	 "oci, docker (v2s2), or auto: the other where the image's own is refused; default: its own"},
	{"digestfile", 0, OPTION_TEXT, PUSH(digestfile), "FILE", "write the digest of the pushed manifest to FILE"},
	{"rm", 0, OPTION_FLAG, PUSH(rm), NULL, "remove the image from the store afterwards"},
	{"all", 0, OPTION_FLAG, PUSH(all), NULL, "of a list all images and the list itself"},
	{"quiet", 'q', OPTION_FLAG, PUSH(quiet), NULL, "no progress on standard error"},
};
static const struct option_group group = {NULL, rows, ARRAY_COUNT(rows)};

static int read_flags(const struct push_options *options, struct export_options *export, struct error **err)
{
	export->format_fallback = options->format && strcmp(options->format, "auto") == 0;
	int rc = format_flag_read(export->format_fallback ? NULL : options->format, &export->format,
				  &export->has_format, err);
	if (rc == 0)
		rc = compression_flags_read(&options->compression, export, err);
	if (rc == 0)
		rc = registry_flags_read(&options->registry, options->quiet, &export->registry, err);
	push_flags_apply(&options->push, export);
	return rc;
}

/* Of several names the one that was typed is where the image goes, or what an archive calls it. */
static void put_asked_name_first(struct image_entry *entry, const char *typed)
{
	cleanup_free char *asked = NULL;
	if (reference_local_name(typed, &asked, NULL) < 0)
		return;
	for (size_t i = 1; i < entry->names.count; i++)
		if (strcmp(entry->names.items[i], asked) == 0) {
			char *first = entry->names.items[0];
			entry->names.items[0] = entry->names.items[i];
			entry->names.items[i] = first;
		}
}

/* An image; of a list the one for this machine, or with --all the list and all its images. */
static int send(struct command_context *context, const struct push_options *options, const struct image_entry *entry,
		const char *destination, const struct export_options *export, struct digest *digest, struct error **err)
{
	cleanup(image_entry_done) struct image_entry chosen = {0};
	cleanup(image_done) struct image image = {0};
	const struct list_push_options list = {.export = *export};
	int rc = 0;
	if (manifest_list_is(entry) && options->all)
		return manifest_list_push(context->workshop, entry, destination, &list, digest, err);
	if (manifest_list_is(entry)) {
		rc = manifest_list_choose(context->workshop, entry, /* platform */ NULL, &chosen, err);
	} else {
		descriptor_copy(&chosen.manifest, &entry->manifest);
		strlist_copy(&chosen.names, &entry->names);
		chosen.id = entry->id;
		chosen.created = entry->created;
	}
	if (rc == 0)
		rc = image_load(context->store, &chosen, &image, err);
	if (rc == 0)
		rc = export_image(context->workshop, &image, destination, export, digest, err);
	return rc;
}

static int run(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	const struct push_options *options = values;
	cleanup(image_entry_done) struct image_entry entry = {0};
	cleanup(sign_request_done) struct sign_request sign = SIGN_REQUEST_INIT;
	cleanup(registry_client_free) struct registry_client *client = NULL; /* of the question and of the push */
	struct export_options export = {.client = &client};
	cleanup(build_progress_end) struct build_progress_state progress = {.stderr_before = -1};
	struct digest digest;
	int rc = read_flags(options, &export, err);
	if (rc == 0)
		rc = sign_flags_read(&options->sign, context->now, &sign, err);
	export.signing = sign_request_wanted(&sign);
	if (rc == 0)
		rc = images_find(context->store, args->items[0], &entry, err);
	if (rc < 0)
		return rc;
	put_asked_name_first(&entry, args->items[0]);
	cleanup_free char *own_name = entry.names.count ? mem_strdup(entry.names.items[0]) : NULL;
	const char *destination = args->count > 1 ? args->items[1] : own_name;
	if (!destination)
		return error_set(err, EINVAL, "image '%s' has no name: say where to push it", args->items[0]);
	rc = transfer_progress_begin(&progress, options->quiet, &export.registry, /* other */ NULL, err);
	if (rc < 0)
		return rc;
	rc = send(context, options, &entry, destination, &export, &digest, err);
	build_progress_end(&progress);
	const struct push_end end = {.destination = destination,
				     .digest = &digest,
				     .digestfile = options->digestfile,
				     .quiet = options->quiet,
				     .rm = options->rm ? &entry.id : NULL};
	return push_end(context->store, rc, &end, err);
}

const struct command command_push = {
	.name = "push",
	.arguments = "[OPTIONS] IMAGE [DESTINATION]",
	.summary = "send an image to a registry, a layout or an archive",
	.description =
		"DESTINATION is a name in a registry or a place: docker://NAME, oci:DIR[:TAG], "
		"oci-archive:FILE[:TAG], docker-archive:FILE[:NAME], dir:DIR; without it the image's own name is "
		"meant. Layers that are there already are not sent; those that another repository of the registry has "
		"are mounted from there; those that were built here are compressed now.\n\n"
		"A request that fails is made again: an upload goes on where the registry says it stands, and a "
		"Retry-After is obeyed up to --max-wait. A transfer of less than a byte a second for a minute counts "
		"as broken; COOPER_STALL_TIMEOUT sets another time. The exit status is 120 when the registry did not "
		"take the image, 125 for all else.",
	.examples = "  cooper push app registry.example.org/team/app:1.2\n  cooper push app oci:./layout:v1",
	.needs = NEEDS_STORE,
	.order = OPTIONS_FIRST,
	.min_args = 1,
	.max_args = 2,
	.options = {{&group, 0},
		    {&push_group, offsetof(struct push_options, push)},
		    {&compression_group, offsetof(struct push_options, compression)},
		    {&sign_group, offsetof(struct push_options, sign)},
		    {&registry_group, offsetof(struct push_options, registry)}},
	.options_size = sizeof(struct push_options),
	.run = run,
};
