/*
 * cooper manifest: lists of images for several platforms. The group, and its small commands.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/terminal.h"
#include "builder/image_copy.h"
#include "cmd/manifest_flags.h"
#include "imagefmt/blob.h"

void list_change_print(const struct image_entry *list, const struct digest *instance)
{
	char hex[DIGEST_HEX_SIZE], text[DIGEST_TEXT_SIZE];

	printf("%s: %s\n", digest_hex(&list->id, hex), digest_format(instance, text));
}

/* ---- create ---- */

struct create_options {
	bool all, amend, replace;
	struct strlist annotations;
	struct registry_flags registry;
};

#define CREATE(member) offsetof(struct create_options, member)
static const struct option_spec create_rows[] = {
	{"all", 0, OPTION_FLAG, CREATE(all), NULL, "of an IMAGE that is a list, add all its images"},
	{"amend", 'a', OPTION_FLAG, CREATE(amend), NULL, "add to the list if there is one of that name"},
	{"replace", 0, OPTION_FLAG, CREATE(replace), NULL, "take the name from what has it"},
	{"annotation", 0, OPTION_LIST, CREATE(annotations), "K=V", "annotation of the list"},
	{"insecure", 0, OPTION_UNNEEDED_FLAG, 0, NULL, NULL},
};
static const struct option_group create_group = {NULL, create_rows, ARRAY_COUNT(create_rows)};

static int run_create(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	const struct create_options *options = values;
	cleanup(image_entry_done) struct image_entry list = {0};
	cleanup(strlist_done) struct strlist sources = {0};
	cleanup_free char *name = NULL;
	struct list_add_options add = {.all = options->all};
	enum manifest_list_create_mode mode = options->amend	 ? LIST_AMEND
					      : options->replace ? LIST_REPLACE
								 : LIST_MUST_BE_NEW;
	int rc = registry_flags_read(&options->registry, /* quiet */ true, &add.registry, err);
	if (rc == 0 && options->amend && options->replace)
		rc = error_set(err, EINVAL, "--amend and --replace exclude each other");
	if (rc == 0)
		rc = annotation_flags_check("--annotation", &options->annotations, err);
	if (rc == 0)
		rc = reference_local_name(args->items[0], &name, err);
	for (size_t i = 1; i < args->count; i++)
		strlist_append(&sources, args->items[i]);
	if (rc == 0)
		rc = manifest_list_create_of(context->workshop, name, mode, &options->annotations, &sources, &add,
					     &list, err);
	char hex[DIGEST_HEX_SIZE];
	if (rc == 0)
		printf("%s\n", digest_hex(&list.id, hex));
	return rc;
}

const struct command command_manifest_create = {
	.name = "create",
	.group = "manifest",
	.arguments = "[OPTIONS] LIST [IMAGE...]",
	.summary = "make a list, of images if some are named",
	.description = "Prints the list's id, which is the digest of its index and so another one after each change. "
		       "When an IMAGE cannot be had, nothing changes: no list is made, and what had the name keeps it.",
	.examples = "  cooper manifest create app:1\n  cooper manifest create app:1 app-amd64 "
		    "docker://quay.io/me/app-arm64",
	.needs = NEEDS_STORE,
	.min_args = 1,
	.max_args = SIZE_MAX,
	.options = {{&create_group, 0}, {&registry_group, offsetof(struct create_options, registry)}},
	.options_size = sizeof(struct create_options),
	.run = run_create,
};

/* ---- exists, remove, rm ---- */

extern const struct command command_rmi; /* cmd_rmi.c */

static int run_exists(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	cleanup(image_entry_done) struct image_entry list = {0};
	cleanup_error struct error *why = NULL;
	int rc = manifest_list_find(context->workshop, args->items[0], &list, &why);

	if (rc == 0)
		return 0;
	/* "No" is an answer. */
	if (rc == -ENOENT || rc == -EINVAL)
		return 1;
	if (err)
		*err = take_ptr(&why);
	return rc;
}

const struct command command_manifest_exists = {
	.name = "exists",
	.group = "manifest",
	.arguments = "LIST",
	.summary = "tell by the exit status whether there is a list of that name",
	.description = "0: there is; 1: there is none, or it is an image.",
	.needs = NEEDS_STORE,
	.min_args = 1,
	.run = run_exists,
};

static int run_remove(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	cleanup(image_entry_done) struct image_entry list = {0};
	struct digest instance;
	int rc = manifest_list_instance(context->workshop, args->items[1], &instance, err);

	if (rc == 0)
		rc = manifest_list_remove(context->workshop, args->items[0], &instance, &list, err);
	if (rc == 0)
		list_change_print(&list, &instance);
	return rc;
}

const struct command command_manifest_remove = {
	.name = "remove",
	.group = "manifest",
	.arguments = "LIST DIGEST",
	.summary = "take an image out of a list",
	.description = "Attestations that speak of the image go with it. Prints \"LISTID: DIGEST\".",
	.needs = NEEDS_STORE,
	.min_args = 2,
	.run = run_remove,
};

/* What rmi does, for lists only. */
static int run_rm(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	cleanup_free void *options = mem_alloc(command_rmi.options_size);
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < args->count; i++) {
		cleanup(image_entry_done) struct image_entry list = {0};
		rc = manifest_list_find(context->workshop, args->items[i], &list, err);
	}
	return rc < 0 ? rc : command_rmi.run(context, options, args, err);
}

const struct command command_manifest_rm = {
	.name = "rm",
	.group = "manifest",
	.arguments = "LIST...",
	.summary = "remove lists",
	.description = "The images that stand in them stay, if they have names of their own. Prints what rmi prints.",
	.needs = NEEDS_STORE,
	.min_args = 1,
	.max_args = SIZE_MAX,
	.run = run_rm,
};

/* ---- inspect ---- */

struct inspect_options {
	struct registry_flags registry;
};

static int print_document(const struct buf *text, const char *name, struct error **err)
{
	cleanup_json json_t *value = NULL;
	cleanup(buf_done) struct buf pretty = BUF_INIT(BUF_MAX_DEFAULT);
	int rc = json_parse(buf_str(text), text->len, name, &value, err);

	if (rc < 0)
		return rc;
	json_format_pretty(value, 4, &pretty);
	fputs(buf_str(&pretty), stdout);
	return 0;
}

static int inspect_remote(struct command_context *context, const struct inspect_options *options, const char *name,
			  struct buf *text, struct error **err)
{
	cleanup(location_done) struct location location = {0};
	cleanup(registry_client_free) struct registry_client *client = NULL;
	cleanup(image_source_close) struct image_source *source = NULL;
	struct registry_options registry;
	cleanup_free char *media_type = NULL;
	enum manifest_kind kind = MANIFEST_INDEX;
	cleanup_free char *place = location_has_transport(name) ? mem_strdup(name) : mem_printf("docker://%s", name);
	int rc = registry_flags_read(&options->registry, /* quiet */ true, &registry, err);

	if (rc == 0)
		rc = location_parse(place, &location, err);
	if (rc == 0)
		rc = image_place_open(context->workshop, &location, &registry, &client, &source, err);
	if (rc == 0)
		rc = image_source_manifest(source, /* want */ NULL, text, &media_type, err);
	if (rc == 0)
		rc = manifest_kind(buf_str(text), text->len, media_type, &kind, err);
	if (rc == 0 && kind == MANIFEST_IMAGE)
		log_warn("'%s' is a single image, not a list: printing its manifest", name);
	return rc;
}

static int run_inspect(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	const struct inspect_options *options = values;
	cleanup(image_entry_done) struct image_entry list = {0};
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	const char *name = args->items[0];
	int rc = manifest_list_find(context->workshop, name, &list, NULL);

	/* An image of that name here does not hide a list in a registry. */
	if (rc == 0)
		rc = blob_read(context->store, &list.manifest.digest, MANIFEST_SIZE_MAX, &text, err);
	else
		rc = inspect_remote(context, options, name, &text, err);
	return rc < 0 ? rc : print_document(&text, name, err);
}

const struct command command_manifest_inspect = {
	.name = "inspect",
	.group = "manifest",
	.arguments = "[OPTIONS] LIST",
	.summary = "print a list's index",
	.description = "LIST is a list of the store, or, when there is none of that name, one in a registry.",
	.needs = NEEDS_STORE,
	.min_args = 1,
	.options = {{&registry_group, offsetof(struct inspect_options, registry)}},
	.options_size = sizeof(struct inspect_options),
	.run = run_inspect,
};

/* ---- The group ---- */

static const struct command *const manifest_commands[] = {
	&command_manifest_create,  &command_manifest_add,    &command_manifest_annotate,
	&command_manifest_inspect, &command_manifest_push,   &command_manifest_remove,
	&command_manifest_rm,	   &command_manifest_exists, NULL};

const struct command command_manifest = {
	.name = "manifest",
	.summary = "lists of images for several platforms",
	.description =
		"A list (an OCI image index, \"multi-arch image\") names one image for each platform. It is kept in "
		"the store under a name like an image: images, tag, rmi, from and push know it; from, pull and run "
		"take the image of a list that is for this machine, or for --platform.",
	.commands = manifest_commands,
};
