/*
 * cooper du: what the build cache holds, and how much room that takes.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/terminal.h"
#include "builder/cache_filter.h"
#include "cmd/command.h"
#include "cmd/table.h"

#define ID_WIDTH 12
#define DESCRIPTION_WIDTH 60

struct du_options {
	const char *format;
	bool json, verbose;
	struct strlist filters;
};

#define DU(member) offsetof(struct du_options, member)
static const struct option_spec rows[] = {
	{"filter", 0, OPTION_LIST, DU(filters), "KEY=VALUE",
	 "only what this is true of: until=TIME, unused-for=TIME, type=TYPE, id=ID, description=TEXT, shared, private, "
	 "inuse; != for the opposite, ~= for a regular expression"},
	{"verbose", 0, OPTION_FLAG, DU(verbose), NULL, "whole ids and descriptions"},
	{"format", 0, OPTION_TEXT, DU(format), "TEMPLATE",
	 "json, or a Go template: .ID .Type .Size .CreatedAt .LastUsedAt .Reclaimable .Shared .InUse .Description"},
	{"json", 0, OPTION_FLAG, DU(json), NULL, "print JSON"},
};
static const struct option_group group = {NULL, rows, ARRAY_COUNT(rows)};

/* Texts of Dockerfiles on the user's terminal: one line, nothing that it obeys. */
static char *shown(const char *text, size_t width)
{
	char *copy = mem_strdup(text);

	terminal_disarm(copy, strlen(copy));
	for (char *c = copy; *c; c++)
		if (*c == '\n' || *c == '\t')
			*c = ' ';
	if (!width || strlen(copy) <= width)
		return copy;
	while (((unsigned char)copy[width] & 0xc0) == 0x80)
		width--; /* no half of a character */
	char *cut = mem_printf("%.*s…", (int)width, copy);
	mem_replace(&copy, NULL);
	return cut;
}

static bool is_reclaimable(const struct cache_item *item)
{
	return !item->is_shared && !item->is_busy;
}

static void add_row(const struct du_options *options, const struct cache_item *item, int64_t now, json_t *table,
		    json_t *json)
{
	bool is_file = digest_is_null(&item->digest);
	bool whole = options->verbose || options->format;
	cleanup_free char *id = whole || is_file ? mem_strdup(item->id) : mem_strndup(item->id, ID_WIDTH);
	cleanup_free char *size = format_size(item->size);
	cleanup_free char *age = format_age(now, item->used_s);
	cleanup_free char *created = format_time(item->created, 0);
	cleanup_free char *used = format_time(item->used_s, 0);
	cleanup_free char *description = shown(item->description, whole ? 0 : DESCRIPTION_WIDTH);
	json_t *row = json_object();

	json_set_string(row, "ID", id);
	json_set_string(row, "Type", cache_type_name(item->type));
	json_set_string(row, "Size", size);
	json_set_string(row, "Reclaimable", is_reclaimable(item) ? "true" : "false");
	json_set_string(row, "Shared", item->is_shared ? "true" : "false");
	json_set_string(row, "InUse", item->is_busy ? "true" : "false");
	json_set_string(row, "LastUsed", age);
	json_set_string(row, "LastUsedAt", used);
	json_set_string(row, "CreatedAt", created);
	json_set_take(row, "Description", json_from_bytes(description));
	json_array_append_new(table, row);
	json_t *object = json_object();
	json_set_string(object, "id", item->id);
	json_set_string(object, "type", cache_type_name(item->type));
	json_set_i64(object, "size", (int64_t)item->size);
	json_set_bool(object, "reclaimable", is_reclaimable(item));
	json_set_bool(object, "shared", item->is_shared);
	json_set_bool(object, "inUse", item->is_busy);
	json_set_string(object, "createdAt", created);
	json_set_string(object, "lastUsedAt", used);
	json_set_take(object, "description", json_from_bytes(item->description));
	json_array_append_new(json, object);
}

struct sums {
	uint64_t total, shared, reclaimable;
};

static void add_sums(const struct cache_item *item, struct sums *sums)
{
	sums->total += item->size;
	sums->shared += item->is_shared ? item->size : 0;
	sums->reclaimable += is_reclaimable(item) ? item->size : 0;
}

static void print_sums(const struct sums *sums)
{
	cleanup_free char *total = format_size(sums->total);
	cleanup_free char *shared = format_size(sums->shared);
	cleanup_free char *reclaimable = format_size(sums->reclaimable);

	printf("Shared:       %s\nReclaimable:  %s\nTotal:        %s\n", shared, reclaimable, total);
}

static int run(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	static const struct table_column columns[] = {
		{"ID", "ID"},	  {"TYPE", "Type"},	     {"RECLAIMABLE", "Reclaimable"},
		{"SIZE", "Size"}, {"LAST USED", "LastUsed"}, {"DESCRIPTION", "Description"}};
	const struct du_options *options = values;
	cleanup(cache_filter_free) struct cache_filter *filter = NULL;
	cleanup(cache_items_done) struct cache_items items = {0};
	cleanup_json json_t *table = json_array();
	cleanup_json json_t *json = json_array();
	struct sums sums = {0};
	bool is_json = options->json || (options->format && strcmp(options->format, "json") == 0);
	int rc = cache_filter_new(&options->filters, context->now, &filter, err);
	if (rc == 0)
		rc = cache_usage_list(context->workshop, &items, err);
	if (rc < 0)
		return rc;
	for (size_t i = items.count; i-- > 0;) { /* what was used last comes first */
		if (!cache_filter_matches(filter, &items.items[i]))
			continue;
		add_row(options, &items.items[i], context->now, table, json);
		add_sums(&items.items[i], &sums);
	}
	const struct table_options print = {.format = is_json ? NULL : options->format, .json = is_json};
	rc = table_print(&print, columns, ARRAY_COUNT(columns), table, json, err);
	if (rc == 0 && !options->format && !is_json)
		print_sums(&sums);
	return rc;
}

const struct command command_du = {
	.name = "du",
	.arguments = "[OPTIONS]",
	.summary = "show what the build cache holds",
	.description =
		"One line for each layer that a step gave (regular), each cache mount of RUN --mount=type=cache "
		"(exec.cachemount), and what cooper keeps for itself (internal), with its size and when it was last "
		"of use. A layer that an image or a container has, too, is shared: taking it out of the cache gives "
		"nothing back. `cooper prune` takes the same filters.",
	.examples = "  cooper du\n  cooper du --filter type=exec.cachemount\n"
		    "  cooper du --filter unused-for=168h --format '{{.ID}} {{.Size}}'",
	.needs = NEEDS_STORE | NEEDS_WORKER,
	.options = {{&group, 0}},
	.options_size = sizeof(struct du_options),
	.run = run,
};
