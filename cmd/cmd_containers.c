/*
 * cooper containers: the working containers.
 */
#include <errno.h>
#include <string.h>

#include "base/parse.h"
#include "builder/container.h"
#include "cmd/command.h"
#include "cmd/table.h"

enum { IMAGE_NAME_WIDTH = 32, ID_WIDTH = 12 };

struct containers_options {
	bool quiet, json, no_heading, no_truncate, all;
	const char *format;
	struct strlist filters;
};

#define CONTAINERS(member) offsetof(struct containers_options, member)
static const struct option_spec rows[] = {
	{"quiet", 'q', OPTION_FLAG, CONTAINERS(quiet), NULL, "only ids"},
	{"format", 0, OPTION_TEXT, CONTAINERS(format), "TEMPLATE",
	 "Go template: .ContainerID .ContainerName .ImageID .ImageName .Builder"},
	{"json", 0, OPTION_FLAG, CONTAINERS(json), NULL, "print JSON"},
	{"noheading", 'n', OPTION_FLAG, CONTAINERS(no_heading), NULL, "no heading"},
	{"notruncate", 0, OPTION_FLAG, CONTAINERS(no_truncate), NULL, "whole ids and names"},
	{"filter", 'f', OPTION_LIST, CONTAINERS(filters), "KEY=VALUE", "id, name or ancestor"},
	{"all", 'a', OPTION_FLAG, CONTAINERS(all), NULL, "containers of other tools too (the store has none)"},
};
static const struct option_group group = {NULL, rows, ARRAY_COUNT(rows)};

static int container_passes(const struct container *c, const struct strlist *filters, bool *passes, struct error **err)
{
	*passes = true;
	for (size_t i = 0; i < filters->count; i++) {
		const char *text = filters->items[i];
		const char *value = strchr(text, '=');
		char hex[DIGEST_HEX_SIZE];
		if (value && text_has_prefix(text, "id="))
			*passes = *passes && text_has_prefix(c->id, value + 1);
		else if (value && text_has_prefix(text, "name="))
			*passes = *passes && strstr(c->name, value + 1);
		else if (value && text_has_prefix(text, "ancestor="))
			*passes =
				*passes && (strcmp(c->image_name, value + 1) == 0 || strstr(c->image_name, value + 1) ||
					    text_has_prefix(digest_hex(&c->image_id, hex), value + 1));
		else
			return error_set(err, EINVAL, "invalid filter '%s': use id=, name= or ancestor=", text);
	}
	return 0;
}

static char *shorten(const char *text, size_t width)
{
	return strlen(text) <= width ? mem_strdup(text) : mem_printf("%.*s...", (int)width - 3, text);
}

static void add_row(const struct containers_options *options, const struct container *c, json_t *table, json_t *json)
{
	char image_id[DIGEST_HEX_SIZE] = "";
	if (!digest_is_null(&c->image_id))
		digest_hex(&c->image_id, image_id);
	const char *image_name = *c->image_name ? c->image_name : "scratch";
	bool whole = options->no_truncate || options->quiet;
	cleanup_free char *shown_id = mem_strndup(c->id, whole ? strlen(c->id) : ID_WIDTH);
	cleanup_free char *shown_image = mem_strndup(image_id, options->no_truncate ? strlen(image_id) : ID_WIDTH);
	cleanup_free char *shown_name = options->no_truncate || options->format ? mem_strdup(image_name)
										: shorten(image_name, IMAGE_NAME_WIDTH);
	json_t *row = json_object();
	json_set_string(row, "ContainerID", shown_id);
	json_set_string(row, "Builder", "   *");
	json_set_string(row, "ImageID", shown_image);
	json_set_string(row, "ImageName", shown_name);
	json_set_string(row, "ContainerName", c->name);
	json_array_append_new(table, row);
	json_t *object = json_object();
	json_set_string(object, "id", c->id);
	json_set_bool(object, "builder", true);
	json_set_string(object, "imageid", image_id);
	json_set_string(object, "imagename", image_name);
	json_set_string(object, "containername", c->name);
	json_array_append_new(json, object);
}

static int run(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	static const struct table_column columns[] = {{"CONTAINER ID", "ContainerID"},
						      {"BUILDER", "Builder"},
						      {"IMAGE ID", "ImageID"},
						      {"IMAGE NAME", "ImageName"},
						      {"CONTAINER NAME", "ContainerName"}};
	const struct containers_options *options = values;
	cleanup(container_list_done) struct container_list list = {0};
	cleanup_json json_t *table = json_array();
	cleanup_json json_t *json = json_array();
	int rc = containers_list(context->workshop, &list, err);
	for (size_t i = 0; rc == 0 && i < list.count; i++) {
		bool passes = true;
		rc = container_passes(&list.items[i], &options->filters, &passes, err);
		if (rc == 0 && passes)
			add_row(options, &list.items[i], table, json);
	}
	if (rc < 0)
		return rc;
	struct table_options print = {.format = options->format,
				      .json = options->json,
				      .quiet = options->quiet,
				      .no_heading = options->no_heading,
				      .quiet_field = "ContainerID"};
	return table_print(&print, columns, ARRAY_COUNT(columns), table, json, err);
}

const struct command command_containers = {
	.name = "containers",
	.aliases = {"list", "ls", "ps"},
	.arguments = "[OPTIONS]",
	.summary = "list working containers",
	.examples = "  cooper containers -q\n  cooper containers --format '{{.ContainerName}}'",
	.needs = NEEDS_STORE,
	.order = OPTIONS_FIRST,
	.options = {{&group, 0}},
	.options_size = sizeof(struct containers_options),
	.run = run,
};
