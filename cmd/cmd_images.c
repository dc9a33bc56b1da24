/*
 * cooper images: what is in the store.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "base/pattern.h"
#include "builder/manifest_list.h"
#include "cmd/command.h"
#include "cmd/table.h"
#include "imagefmt/images.h"
#include "imagefmt/reference.h"

struct images_options {
	bool quiet, json, no_trunc, no_heading, all, digests, history;
	const char *format;
	struct strlist filters;
};

#define IMAGES(member) offsetof(struct images_options, member)
static const struct option_spec rows[] = {
	{"quiet", 'q', OPTION_FLAG, IMAGES(quiet), NULL, "only ids"},
	{"format", 0, OPTION_TEXT, IMAGES(format), "TEMPLATE", "Go template: .ID .Name .Tag .Digest .Size .Created …"},
	{"json", 0, OPTION_FLAG, IMAGES(json), NULL, "print JSON"},
	{"no-trunc", 0, OPTION_FLAG, IMAGES(no_trunc), NULL, "whole ids"},
	{"noheading", 'n', OPTION_FLAG, IMAGES(no_heading), NULL, "no heading"},
	{"digests", 0, OPTION_FLAG, IMAGES(digests), NULL, "show the manifests' digests"},
	{"filter", 'f', OPTION_LIST, IMAGES(filters), "KEY=VALUE",
	 "since, before, dangling, id, label, reference, readonly, intermediate"},
	{"history", 0, OPTION_FLAG, IMAGES(history), NULL, NULL},
	{"all", 'a', OPTION_FLAG, IMAGES(all), NULL, "intermediate images too (the store keeps none)"},
};
static const struct option_group group = {NULL, rows, ARRAY_COUNT(rows)};

/* What the filters ask, parsed once. */
struct filter {
	int64_t since, before; /* created after, before; INT64_MIN and INT64_MAX when not asked */
	int dangling;	       /* -1: not asked */
	const char *id;
	struct strlist references, not_references; /* any of them, none of them */
	struct strlist labels, not_labels;	   /* all of them, none of them */
	bool nothing;				   /* a filter that no image of this store passes */
};

static int created_of(struct store *store, const char *name, int64_t *created, struct error **err)
{
	cleanup(image_entry_done) struct image_entry entry = {0};
	int rc = images_find(store, name, &entry, err);
	*created = entry.created;
	return rc;
}

static int read_filter(struct store *store, const char *text, struct filter *filter, struct error **err)
{
	const char *equals = strchr(text, '=');
	if (!equals)
		return error_set(err, EINVAL,
				 "invalid image filter \"%s\": must be in the format \"filter=value or filter!=value\"",
				 text);
	const char *value = equals + 1;
	bool negated = equals > text && equals[-1] == '!';
	cleanup_free char *key = mem_strndup(text, equals - text - negated);
	if (negated && strcmp(key, "label") != 0 && strcmp(key, "reference") != 0)
		return error_set(err, EINVAL, "invalid image filter \"%s\": != is for label and reference", text);
	bool on = false;
	int rc = 0;
	if (strcmp(key, "since") == 0 || strcmp(key, "after") == 0)
		rc = created_of(store, value, &filter->since, err);
	else if (strcmp(key, "before") == 0)
		rc = created_of(store, value, &filter->before, err);
	else if (strcmp(key, "dangling") == 0) {
		rc = parse_bool(value, "--filter dangling", &on, err);
		filter->dangling = on;
	} else if (strcmp(key, "id") == 0)
		filter->id = value;
	else if (strcmp(key, "reference") == 0)
		strlist_append(negated ? &filter->not_references : &filter->references, value);
	else if (strcmp(key, "label") == 0)
		strlist_append(negated ? &filter->not_labels : &filter->labels, value);
	else if (strcmp(key, "readonly") == 0 || strcmp(key, "intermediate") == 0) {
		rc = parse_bool(value, "--filter", &on, err);
		filter->nothing = filter->nothing || on;
	} else
		rc = error_set(err, EINVAL, "invalid image filter '%s': unknown key", text);
	return rc;
}

static bool label_matches(const struct strlist *labels, const char *wanted)
{
	const char *equals = strchr(wanted, '=');
	cleanup_free char *key = equals ? mem_strndup(wanted, equals - wanted) : mem_strdup(wanted);
	const char *value = strlist_env_get(labels, key);
	return value && (!equals || strcmp(value, equals + 1) == 0);
}

static bool reference_matches(const struct strlist *names, const char *pattern)
{
	for (size_t i = 0; i < names->count; i++) {
		const char *name = names->items[i];
		const char *last = strrchr(name, '/');
		cleanup_free char *untagged = mem_strndup(name, image_repository_length(name));
		const char *bare = strrchr(untagged, '/');
		if (pattern_match(pattern, name) || pattern_match(pattern, untagged) ||
		    pattern_match(pattern, last ? last + 1 : name) ||
		    pattern_match(pattern, bare ? bare + 1 : untagged))
			return true;
	}
	return false;
}

static bool any_reference_matches(const struct strlist *names, const struct strlist *patterns)
{
	for (size_t i = 0; i < patterns->count; i++)
		if (reference_matches(names, patterns->items[i]))
			return true;
	return false;
}

static bool image_passes(const struct filter *filter, const struct image *image)
{
	const struct image_entry *entry = &image->entry;
	char hex[DIGEST_HEX_SIZE];
	if (filter->nothing || entry->created <= filter->since || entry->created >= filter->before)
		return false;
	if (filter->dangling >= 0 && filter->dangling != (entry->names.count == 0))
		return false;
	if (filter->id && !text_has_prefix(digest_hex(&entry->id, hex), filter->id))
		return false;
	if (filter->references.count && !any_reference_matches(&entry->names, &filter->references))
		return false;
	if (any_reference_matches(&entry->names, &filter->not_references))
		return false;
	for (size_t i = 0; i < filter->not_labels.count; i++)
		if (label_matches(&image->config.labels, filter->not_labels.items[i]))
			return false;
	for (size_t i = 0; i < filter->labels.count; i++)
		if (!label_matches(&image->config.labels, filter->labels.items[i]))
			return false;
	return true;
}

static char *shown_id(const struct images_options *options, const struct digest *id)
{
	char hex[DIGEST_HEX_SIZE];
	digest_hex(id, hex);
	return options->no_trunc ? mem_printf("sha256:%s", hex) : mem_strndup(hex, 12);
}

/* One row of the table: an image under one of its names ("" for none). */
static json_t *make_row(const struct images_options *options, const struct image *image, const char *name, int64_t now)
{
	const struct image_entry *entry = &image->entry;
	cleanup_free char *id = shown_id(options, &entry->id);
	cleanup_free char *age = format_age(now, entry->created);
	cleanup_free char *size = format_size(image->size);
	cleanup_free char *created = format_time(entry->created, 0);
	char digest[DIGEST_TEXT_SIZE];
	size_t length = image_repository_length(name);
	cleanup_free char *repository = mem_strndup(name, length);
	json_t *row = json_object();
	json_set_string(row, "ID", id);
	json_set_string(row, "Name", *repository ? repository : "<none>");
	json_set_string(row, "Tag", name[length] == ':' ? name + length + 1 : "<none>");
	json_set_string(row, "Digest", digest_format(&entry->manifest.digest, digest));
	json_set_string(row, "Size", size);
	json_set_string(row, "Created", age);
	json_set_string(row, "CreatedAt", created);
	json_set_string(row, "CreatedAtRaw", created);
	json_set_bool(row, "ReadOnly", false);
	json_set_string(row, "History", name);
	return row;
}

static json_t *make_json(const struct images_options *options, const struct image *image, int64_t now)
{
	const struct image_entry *entry = &image->entry;
	cleanup_free char *id = shown_id(options, &entry->id);
	cleanup_free char *age = format_age(now, entry->created);
	cleanup_free char *size = format_size(image->size);
	cleanup_free char *created = format_time(entry->created, 0);
	char digest[DIGEST_TEXT_SIZE];
	json_t *object = json_object();
	json_set_string(object, "id", id);
	json_set_strlist(object, "names", &entry->names);
	json_set_string(object, "digest", digest_format(&entry->manifest.digest, digest));
	json_set_string(object, "createdat", age);
	json_set_string(object, "size", size);
	json_set_i64(object, "created", entry->created);
	json_set_string(object, "createdatraw", created);
	json_set_bool(object, "readonly", false);
	json_set_strlist(object, "history", &entry->names);
	return object;
}

/* The image's rows: one per name; with a name asked for, only that one. */
static void add_rows(const struct images_options *options, const struct image *image, const char *only, int64_t now,
		     json_t *table, json_t *json)
{
	const struct strlist *names = &image->entry.names;
	if (options->json)
		json_array_append_new(json, make_json(options, image, now));
	else if (names->count == 0 || options->quiet)
		json_array_append_new(table, make_row(options, image, names->count ? names->items[0] : "", now));
	else
		for (size_t i = 0; i < names->count; i++)
			if (!only || strcmp(only, names->items[i]) == 0)
				json_array_append_new(table, make_row(options, image, names->items[i], now));
}

/* Those that the text names: one image, and, as a repository without a tag stands for all its tags, others. -ENOENT. */
static int list_asked(struct store *store, const char *asked, struct image_list *list, struct error **err)
{
	cleanup(image_entry_done) struct image_entry found = {0};
	cleanup(strlist_done) struct strlist repositories = {0};
	cleanup_error struct error *missing = NULL;
	const char *prefixes[] = {"", "localhost/", "docker.io/library/", "docker.io/"};
	bool is_found = images_find(store, asked, &found, &missing) == 0;
	for (size_t i = 0; i < ARRAY_COUNT(prefixes) && image_repository_length(asked) == strlen(asked); i++)
		strlist_printf(&repositories, "%s%s", prefixes[i], asked);
	int rc = repositories.count ? images_list_of(store, &repositories, list, err) : 0;
	if (rc == 0 && is_found)
		image_list_put(list, &found);
	if (rc == 0 && list->count == 0)
		return error_set(err, ENOENT, "%s", error_message(missing));
	return rc;
}

/* What a row shows, as far as the table of images has it; the rest is read where a filter asks for it. */
static int load(struct store *store, const struct filter *filter, struct image_entry *entry, struct image *image,
		struct error **err)
{
	bool is_list = manifest_list_is(entry);
	bool is_enough = entry->has_size && filter->labels.count == 0 && filter->not_labels.count == 0;
	if (!is_list && !is_enough)
		return image_load(store, entry, image, err);
	image->entry = *entry;
	/* Of a list the images are counted where they are listed. */
	image->size = is_list ? entry->manifest.size : entry->size;
	*entry = (struct image_entry){0};
	return 0;
}

static int collect(struct command_context *context, const struct images_options *options, const struct filter *filter,
		   const char *asked, json_t *table, json_t *json, struct error **err)
{
	cleanup(image_list_done) struct image_list list = {0};
	int rc = asked ? list_asked(context->store, asked, &list, err) : images_list(context->store, &list, err);
	for (size_t i = 0; rc == 0 && i < list.count; i++) {
		cleanup(image_done) struct image image = {0};
		rc = load(context->store, filter, &list.items[i], &image, err);
		if (rc == 0 && image_passes(filter, &image))
			add_rows(options, &image, NULL, context->now, table, json);
	}
	return rc;
}

static int run(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	static const struct table_column columns[] = {
		{"REPOSITORY", "Name"}, {"TAG", "Tag"}, {"IMAGE ID", "ID"}, {"CREATED", "Created"}, {"SIZE", "Size"}};
	static const struct table_column with_digests[] = {{"REPOSITORY", "Name"}, {"TAG", "Tag"},
							   {"DIGEST", "Digest"},   {"IMAGE ID", "ID"},
							   {"CREATED", "Created"}, {"SIZE", "Size"}};
	const struct images_options *options = values;
	struct filter filter = {.since = INT64_MIN, .before = INT64_MAX, .dangling = -1};
	cleanup_json json_t *table = json_array();
	cleanup_json json_t *json = json_array();
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < options->filters.count; i++)
		rc = read_filter(context->store, options->filters.items[i], &filter, err);
	if (rc == 0)
		rc = collect(context, options, &filter, args->count ? args->items[0] : NULL, table, json, err);
	strlist_done(&filter.labels);
	strlist_done(&filter.not_labels);
	strlist_done(&filter.references);
	strlist_done(&filter.not_references);
	if (rc < 0)
		return rc;
	struct table_options print = {.format = options->format,
				      .json = options->json,
				      .quiet = options->quiet,
				      .no_heading = options->no_heading,
				      .quiet_field = "ID"};
	return table_print(&print, options->digests ? with_digests : columns,
			   options->digests ? ARRAY_COUNT(with_digests) : ARRAY_COUNT(columns), table, json, err);
}

const struct command command_images = {
	.name = "images",
	.arguments = "[OPTIONS] [IMAGE]",
	.summary = "list images",
	.examples = "  cooper images -q\n  cooper images --format '{{.Name}}:{{.Tag}}'\n  cooper images --filter "
		    "dangling=true",
	.needs = NEEDS_STORE,
	.max_args = 1,
	.order = OPTIONS_FIRST,
	.options = {{&group, 0}},
	.options_size = sizeof(struct images_options),
	.run = run,
};
