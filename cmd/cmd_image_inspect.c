/*
 * cooper image inspect: what an image is, told without fetching its layers. The keys are skopeo's.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/gotemplate.h"
#include "base/log.h"
#include "base/terminal.h"
#include "builder/image_examine.h"
#include "builder/image_tags.h"
#include "cmd/image_flags.h"
#include "cmd/inspection.h"

struct inspect_options {
	bool raw, config, no_tags;
	const char *format, *shared_blob_dir;
	struct login_flags login;
	struct skopeo_flags skopeo;
	struct platform_flags platform;
	struct registry_flags registry;
};

#define INSPECT(member) offsetof(struct inspect_options, member)
static const struct option_spec rows[] = {
	{"raw", 0, OPTION_FLAG, INSPECT(raw), NULL,
	 "the manifest or index as it is; with --config the configuration as it is"},
	{"config", 0, OPTION_FLAG, INSPECT(config), NULL, "the image's configuration"},
	{"format", 'f', OPTION_TEXT, INSPECT(format), "TEMPLATE", "json (default), or what a Go template makes of it"},
	{"no-tags", 'n', OPTION_FLAG, INSPECT(no_tags), NULL, "do not ask for the repository's other tags"},
	{"shared-blob-dir", 0, OPTION_TEXT, INSPECT(shared_blob_dir), "DIR", "where the blobs of oci: are"},
};
static const struct option_group group = {NULL, rows, ARRAY_COUNT(rows)};

/* null for none, as Go has it for a map or list that was never made. */
static json_t *map_or_null(const struct strlist *map)
{
	cleanup_json json_t *object = json_object();

	json_set_map_opt(object, "map", map);
	json_t *value = json_object_get(object, "map");
	return value ? json_incref(value) : json_null();
}

static json_t *list_or_null(const struct strlist *list)
{
	cleanup_json json_t *object = json_object();

	json_set_strlist_opt(object, "list", list);
	json_t *value = json_object_get(object, "list");
	return value ? json_incref(value) : json_null();
}

static json_t *layer_data(const struct descriptor *layer)
{
	char text[DIGEST_TEXT_SIZE];
	json_t *object = json_object();

	json_set_string(object, "MIMEType", layer->media_type);
	json_set_string(object, "Digest", digest_format(&layer->digest, text));
	json_set_i64(object, "Size", (int64_t)layer->size);
	json_set_take(object, "Annotations", map_or_null(&layer->annotations));
	return object;
}

static void put_layers(json_t *object, const struct manifest *m)
{
	json_t *layers = json_array(), *data = json_array();

	for (size_t i = 0; i < m->layer_count; i++) {
		char text[DIGEST_TEXT_SIZE];
		json_array_append_new(layers, json_string(digest_format(&m->layers[i].digest, text)));
		json_array_append_new(data, layer_data(&m->layers[i]));
	}
	json_set_take(object, "Layers", layers);
	json_set_take(object, "LayersData", data);
}

/* Docker's builders note their version; ours is in a label. */
static json_t *docker_version(const struct buf *config)
{
	cleanup_json json_t *root = NULL;
	cleanup_free char *text = NULL;

	if (json_parse(buf_str(config), config->len, "configuration", &root, NULL) == 0) {
		struct json_place at = json_root("configuration", root);
		json_get_string(json_field(&at, "docker_version"), &text, NULL); /* missing or odd: none */
	}
	return json_from_bytes(text ? text : "");
}

/* A registry may keep the list of its tags to itself: then it is told without them. */
static int read_tags(struct command_context *context, const struct examined *image,
		     const struct registry_options *registry, struct strlist *tags, struct error **err)
{
	cleanup_free char *place = mem_printf("docker://%s", image->repository);
	cleanup_free char *repository = NULL;
	cleanup_error struct error *why = NULL;
	int rc = image_tags(context->workshop, place, registry, &repository, tags, &why);

	if (rc == -EACCES || rc == -ENOENT) {
		log_warn("%s, leaving the tags out (see --no-tags)", error_message(why));
		return 0;
	}
	if (rc < 0 && err)
		*err = take_ptr(&why);
	return rc;
}

static json_t *describe(const struct examined *image, const struct strlist *tags)
{
	const struct image_config *config = &image->image.config;
	char text[DIGEST_TEXT_SIZE];
	json_t *object = json_object();

	json_set_string_opt(object, "Name", image->name);
	json_set_string(object, "Digest", digest_format(&image->top_digest, text));
	json_set_strlist(object, "RepoTags", tags);
	json_set_take(object, "Created", config->created ? json_from_bytes(config->created) : json_null());
	json_set_take(object, "DockerVersion", docker_version(&image->config));
	json_set_take(object, "Labels", map_or_null(&config->labels));
	json_set_string(object, "Architecture", config->platform.architecture ? config->platform.architecture : "");
	json_set_string(object, "Os", config->platform.os ? config->platform.os : "");
	put_layers(object, &image->image.manifest);
	json_set_take(object, "Env", list_or_null(&config->env));
	return object;
}

/* To a program as it is; on a terminal nothing that an image says is obeyed. */
static void print(struct buf *text)
{
	if (text->len && isatty(STDOUT_FILENO))
		terminal_disarm(text->data, text->len);
	fwrite(buf_str(text), 1, text->len, stdout);
}

static int print_value(const json_t *fields, const json_t *value, const char *format, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(BUF_MAX_DEFAULT);

	if (inspect_wants_json(format)) {
		json_format_pretty(value, 4, &text);
		print(&text);
		return 0;
	}
	int rc = gotemplate_run_struct(format, fields, value, &text, err);
	if (rc < 0)
		return error_prefix(err, "--format");
	buf_append_char(&text, '\n');
	print(&text);
	return 0;
}

/* Templates address the fields by Go's names. */
static int print_config(const struct examined *image, const char *format, struct error **err)
{
	cleanup_json json_t *value = NULL, *go = NULL, *spelled = NULL;
	int rc = json_parse(buf_str(&image->config), image->config.len, "configuration", &value, err);

	if (rc < 0 || inspect_wants_json(format))
		return rc < 0 ? rc : print_value(NULL, value, NULL, err);
	go = inspect_image(&image->image, "", "", SPELLING_GO);
	spelled = inspect_image(&image->image, "", "", SPELLING_JSON);
	return print_value(json_object_get(go, "OCIv1"), json_object_get(spelled, "OCIv1"), format, err);
}

static int run(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	struct inspect_options *options = values;
	cleanup(examined_done) struct examined image = EXAMINED_INIT;
	cleanup(platform_done) struct platform platform = {0};
	cleanup(strlist_done) struct strlist tags = {0};
	struct examine_options examine = {.top_only = options->raw && !options->config,
					  .blob_folder = options->shared_blob_dir};
	bool asked = false;

	int rc = skopeo_flags_apply(&options->skopeo, &options->platform, &options->registry, err);
	if (rc == 0 && options->raw && options->format)
		rc = error_set(err, EINVAL, "--raw and --format exclude each other");
	if (rc == 0)
		rc = login_flags_read(&options->login, &options->registry, &examine.registry, err);
	if (rc == 0)
		rc = platform_flags_read(&options->platform, &platform, &asked, err);
	examine.platform = asked ? &platform : NULL;
	if (rc == 0)
		rc = image_examine(context->workshop, args->items[0], &examine, &image, err);
	if (rc < 0)
		return rc;
	if (options->raw) {
		print(options->config ? &image.config : &image.top);
		return 0;
	}
	if (options->config)
		return print_config(&image, options->format, err);
	if (image.repository && !options->no_tags)
		rc = read_tags(context, &image, &examine.registry, &tags, err);
	if (rc < 0)
		return rc;
	cleanup_json json_t *value = describe(&image, &tags);
	return print_value(value, value, options->format, err);
}

const struct command command_image_inspect = {
	.name = "inspect",
	.group = "image",
	.arguments = "[OPTIONS] PLACE",
	.summary = "tell what an image is, where it is",
	.description =
		"Prints JSON: Name, Digest, RepoTags, Created, DockerVersion, Labels, Architecture, Os, Layers, "
		"LayersData, Env. Of a list the image for this machine (or --platform) is told; Digest is that of the "
		"list. Layers are not fetched.",
	.examples = "  cooper image inspect docker://debian:12\n"
		    "  cooper image inspect --raw docker://quay.io/me/app:1 | cooper image digest -\n"
		    "  cooper image inspect --config --format '{{.Config.Entrypoint}}' oci:./layout:v1",
	.needs = NEEDS_STORE,
	.min_args = 1,
	.options = {{&group, 0},
		    {&skopeo_group, offsetof(struct inspect_options, skopeo)},
		    {&login_group, offsetof(struct inspect_options, login)},
		    {&platform_group, offsetof(struct inspect_options, platform)},
		    {&registry_group, offsetof(struct inspect_options, registry)}},
	.options_size = sizeof(struct inspect_options),
	.failure_status = IMAGE_FAILURE_STATUS,
	.missing_status = IMAGE_MISSING_STATUS,
	.run = run,
};
