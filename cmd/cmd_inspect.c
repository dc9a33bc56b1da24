/*
 * cooper inspect: all that is known of a container or an image.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/gotemplate.h"
#include "base/terminal.h"
#include "builder/manifest_list.h"
#include "builder/rootfs.h"
#include "cmd/command.h"
#include "cmd/inspection.h"
#include "imagefmt/blob.h"

struct inspect_options {
	const char *type, *format;
};

#define INSPECT(member) offsetof(struct inspect_options, member)
static const struct option_spec rows[] = {
	{"type", 't', OPTION_TEXT, INSPECT(type), "TYPE",
	 "container, image or manifest (default: the first that has the name)"},
	{"format", 'f', OPTION_TEXT, INSPECT(format), "TEMPLATE", "json (default), or what a Go template makes of it"},
};
static const struct option_group group = {NULL, rows, ARRAY_COUNT(rows)};

static int describe_container(struct command_context *context, const char *name, enum spelling spelling, json_t **value,
			      struct error **err)
{
	cleanup(container_done) struct container container = {0};
	int rc = container_find(context->workshop, name, &container, err);
	if (rc < 0)
		return rc;
	cleanup_free char *path = rootfs_mounted_path(context->workshop, &container);
	*value = inspect_container(&container, path, spelling);
	return 0;
}

static int describe_image(struct command_context *context, const char *name, enum spelling spelling, json_t **value,
			  struct error **err)
{
	cleanup(image_entry_done) struct image_entry entry = {0};
	cleanup(image_done) struct image image = {0};
	cleanup(buf_done) struct buf config = BUF_INIT(CONFIG_SIZE_MAX);
	cleanup(buf_done) struct buf manifest = BUF_INIT(MANIFEST_SIZE_MAX);
	int rc = images_find(context->store, name, &entry, err);
	if (rc == 0)
		rc = image_load(context->store, &entry, &image, err);
	if (rc == 0)
		rc = image_read_config(context->store, &image, &config, err);
	if (rc == 0)
		rc = image_read_manifest(context->store, &image, &manifest, err);
	if (rc == 0)
		*value = inspect_image(&image, buf_str(&config), buf_str(&manifest), spelling);
	return rc;
}

static int describe_manifest(struct command_context *context, const char *name, json_t **value, struct error **err)
{
	cleanup(image_entry_done) struct image_entry entry = {0};
	cleanup(buf_done) struct buf manifest = BUF_INIT(MANIFEST_SIZE_MAX);
	int rc = images_find(context->store, name, &entry, err);
	if (rc == 0)
		rc = blob_read(context->store, &entry.manifest.digest, MANIFEST_SIZE_MAX, &manifest, err);
	return rc < 0 ? rc : json_parse(buf_str(&manifest), manifest.len, name, value, err);
}

/* An image, or a list of them. */
static int describe_named(struct command_context *context, const char *name, enum spelling spelling, json_t **value,
			  struct error **err)
{
	cleanup(image_entry_done) struct image_entry entry = {0};
	if (images_find(context->store, name, &entry, NULL) == 0 && manifest_list_is(&entry))
		return describe_manifest(context, name, value, err);
	return describe_image(context, name, spelling, value, err);
}

static int describe(struct command_context *context, const struct inspect_options *options, const char *name,
		    enum spelling spelling, json_t **value, struct error **err)
{
	const char *type = options->type ? options->type : "";
	if (strcmp(type, "container") == 0)
		return describe_container(context, name, spelling, value, err);
	if (strcmp(type, "image") == 0)
		return describe_image(context, name, spelling, value, err);
	if (strcmp(type, "manifest") == 0)
		return describe_manifest(context, name, value, err);
	if (*type)
		return error_set(err, EINVAL,
				 "--type '%s': the only recognized types are container, image and manifest", type);
	/* No container of that name: it may be an image's. */
	int rc = describe_container(context, name, spelling, value, NULL);
	return rc == -ENOENT ? describe_named(context, name, spelling, value, err)
	       : rc < 0	     ? describe_container(context, name, spelling, value, err)
			     : 0;
}

/* To a program as it is; on a terminal nothing that an image says is obeyed. */
static void print(struct buf *text)
{
	if (text->len && isatty(STDOUT_FILENO))
		terminal_disarm(text->data, text->len);
	fputs(buf_str(text), stdout);
}

static int run(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	const struct inspect_options *options = values;
	cleanup_json json_t *value = NULL, *fields = NULL;
	cleanup(buf_done) struct buf text = BUF_INIT(BUF_MAX_DEFAULT);
	/* Of hundreds of layers to tell all twice is what it takes: only the function `json` needs these names. */
	bool needs_json = inspect_wants_json(options->format) || strstr(options->format, "json");
	int rc = needs_json ? describe(context, options, args->items[0], SPELLING_JSON, &value, err) : 0;
	if (rc < 0)
		return rc;
	if (inspect_wants_json(options->format)) {
		json_format_pretty(value, 4, &text);
		print(&text);
		return 0;
	}
	rc = describe(context, options, args->items[0], SPELLING_GO, &fields, err);
	if (rc < 0)
		return rc;
	rc = gotemplate_run_struct(options->format, fields, value, &text, err);
	if (rc < 0)
		return error_prefix(err, "--format");
	buf_append_char(&text, '\n');
	print(&text);
	return 0;
}

const struct command command_inspect = {
	.name = "inspect",
	.arguments = "[--type TYPE] [--format TEMPLATE] NAME",
	.summary = "tell all about a working container or an image",
	.description = "Prints JSON with Buildah's names. A template addresses Go's: .FromImageID, .OCIv1.Config.Env, "
		       ".Docker.Config.Healthcheck, index .OCIv1.Config.Labels \"name\".",
	.examples = "  cooper inspect --format '{{.OCIv1.Config.Entrypoint}}' $ctr\n"
		    "  cooper inspect --type image --format '{{.FromImageDigest}}' app",
	.needs = NEEDS_STORE,
	.min_args = 1,
	.order = OPTIONS_FIRST,
	.options = {{&group, 0}},
	.options_size = sizeof(struct inspect_options),
	.run = run,
};
