/*
 * The files of registries.conf as entries: version 2's [[registry]], and of version 1 the lists of insecure and
 * blocked registries.
 */
#include "registry/registries_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/parse.h"

/* A key that is misspelled ("block = true") must not look as if it counted. */
static void warn_of_unknown(const struct json_place *at, const char *const *known, size_t count)
{
	const char *key = NULL;
	json_t *value = NULL;

	json_object_foreach((json_t *)at->value, key, value)
	{
		cleanup_error struct error *place = NULL;
		struct json_place field = json_field(at, key);
		size_t i = 0;
		while (i < count && strcmp(known[i], key) != 0)
			i++;
		if (i < count)
			continue;
		json_error(&field, &place, "nothing that is known here; going on without it");
		log_warn("%s", error_message(place));
	}
}

static void mirror_done(struct registry_mirror *mirror)
{
	free(mirror->location);
}

void registry_entry_done(struct registry_entry *entry)
{
	for (size_t i = 0; i < entry->mirror_count; i++)
		mirror_done(&entry->mirrors[i]);
	free(entry->mirrors);
	free(entry->prefix);
	free(entry->location);
	*entry = (struct registry_entry){0};
}

/* "host[:port][/path]" without scheme and without '/' at the end; NULL when the field is not there. */
static int read_location(struct json_place at, char **location, struct error **err)
{
	cleanup_free char *text = NULL;
	int rc = json_get_string(at, &text, err);

	if (rc < 0 || !text)
		return rc;
	if (strstr(text, "://"))
		return json_error(&at, err, "'%s' must not have a scheme", text);
	size_t len = strlen(text);
	while (len > 0 && text[len - 1] == '/')
		text[--len] = '\0';
	if (len == 0)
		return 0;
	*location = take_ptr(&text);
	return 0;
}

static int read_use(const struct json_place *mirror, enum mirror_use *use, struct error **err)
{
	static const char *const names[] = {
		[MIRROR_ALL] = "all", [MIRROR_DIGEST_ONLY] = "digest-only", [MIRROR_TAG_ONLY] = "tag-only"};
	cleanup_free char *text = NULL;
	struct json_place at = json_field(mirror, "pull-from-mirror");
	int rc = json_get_string(at, &text, err);

	if (rc < 0 || !text || !*text)
		return rc;
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		if (strcmp(text, names[i]) == 0) {
			*use = (enum mirror_use)i;
			return 0;
		}
	}
	return json_error(&at, err, "'%s' is none of all, digest-only and tag-only", text);
}

static int read_mirror(const struct json_place *at, bool by_digest_only, struct registry_mirror *mirror,
		       struct error **err)
{
	static const char *const keys[] = {"location", "insecure", "pull-from-mirror"};
	struct json_place use = json_field(at, "pull-from-mirror");

	warn_of_unknown(at, keys, ARRAY_COUNT(keys));
	if (by_digest_only && json_is_present(&use))
		return json_error(&use, err, "the registry has mirror-by-digest-only already");
	mirror->use = by_digest_only ? MIRROR_DIGEST_ONLY : MIRROR_ALL;
	int rc = read_location(json_field(at, "location"), &mirror->location, err);
	if (rc == 0)
		rc = json_get_bool(json_field(at, "insecure"), &mirror->insecure, err);
	if (rc == 0)
		rc = read_use(at, &mirror->use, err);
	if (rc == 0 && !mirror->location)
		rc = json_error(at, err, "a mirror without a location");
	return rc;
}

static int read_mirrors(const struct json_place *registry, struct registry_entry *entry, struct error **err)
{
	bool by_digest_only = false;
	struct json_place mirrors = json_field(registry, "mirror");
	int rc = json_get_bool(json_field(registry, "mirror-by-digest-only"), &by_digest_only, err);
	ssize_t count = rc == 0 ? json_get_count(mirrors, err) : rc;

	if (count <= 0)
		return (int)count;
	entry->mirrors = mem_alloc((size_t)count * sizeof(*entry->mirrors));
	for (size_t i = 0; rc == 0 && i < (size_t)count; i++) {
		struct json_place at = json_element(&mirrors, i);
		entry->mirror_count++;
		rc = read_mirror(&at, by_digest_only, &entry->mirrors[i], err);
	}
	return rc;
}

static int check_prefix(const struct json_place *registry, struct registry_entry *entry, struct error **err)
{
	if (!entry->prefix && !entry->location)
		return json_error(registry, err, "neither a prefix nor a location");
	if (!entry->prefix)
		entry->prefix = mem_strdup(entry->location);
	if (strchr(entry->prefix, '*') &&
	    (!text_has_prefix(entry->prefix, "*.") || strchr(entry->prefix + 1, '*') || strchr(entry->prefix, '/')))
		return json_error(registry, err, "prefix '%s': a '*' may only stand for the beginning of a host, '*.'",
				  entry->prefix);
	if (entry->location && strchr(entry->location, '*'))
		return json_error(registry, err, "location '%s': there is no place with a '*'", entry->location);
	return 0;
}

static void add_entry(struct registries *registries, struct registry_entry *entry)
{
	size_t at = 0;

	while (at < registries->entry_count && strcmp(registries->entries[at].prefix, entry->prefix) != 0)
		at++;
	if (at == registries->entry_count) {
		registries->entries = mem_grow(registries->entries, at + 1, sizeof(*registries->entries));
		registries->entries[registries->entry_count++] = (struct registry_entry){0};
	}
	registry_entry_done(&registries->entries[at]);
	registries->entries[at] = *entry;
	*entry = (struct registry_entry){0};
}

static int read_entry(struct registries *registries, const struct json_place *at, struct error **err)
{
	static const char *const keys[] = {"prefix", "location", "insecure", "blocked", "mirror-by-digest-only",
					   "mirror"};
	cleanup(registry_entry_done) struct registry_entry entry = {0};
	int rc = read_location(json_field(at, "prefix"), &entry.prefix, err);

	warn_of_unknown(at, keys, ARRAY_COUNT(keys));
	if (rc == 0)
		rc = read_location(json_field(at, "location"), &entry.location, err);
	if (rc == 0)
		rc = json_get_bool(json_field(at, "insecure"), &entry.insecure, err);
	if (rc == 0)
		rc = json_get_bool(json_field(at, "blocked"), &entry.blocked, err);
	if (rc == 0)
		rc = check_prefix(at, &entry, err);
	if (rc == 0)
		rc = read_mirrors(at, &entry, err);
	if (rc == 0)
		add_entry(registries, &entry);
	return rc;
}

/* Version 1: [registries.insecure] and [registries.block], each with a list `registries`. */
static int read_version_1(struct registries *registries, const struct json_place *old, const char *kind,
			  struct error **err)
{
	cleanup(strlist_done) struct strlist names = {0};
	struct json_place section = json_field(old, kind);

	if (!json_is_object(section.value))
		return 0;
	int rc = json_get_strlist(json_field(&section, "registries"), &names, err);
	for (size_t i = 0; rc >= 0 && i < names.count; i++) {
		bool blocks = strcmp(kind, "block") == 0;
		cleanup(registry_entry_done) struct registry_entry entry = {
			.prefix = mem_strdup(names.items[i]), .insecure = !blocks, .blocked = blocks};
		add_entry(registries, &entry);
	}
	return rc < 0 ? rc : 0;
}

int registries_take_file(const struct json_place *root, void *context, struct error **err)
{
	/* Some of them are for others: names without a registry (builder/shortname.h), layer stores. */
	static const char *const keys[] = {"registry",
					   "registries",
					   "credential-helpers",
					   "unqualified-search-registries",
					   "short-name-mode",
					   "aliases",
					   "additional-layer-store-auth-helper"};
	struct registries *registries = context;
	struct json_place list = json_field(root, "registry");
	struct json_place helpers = json_field(root, "credential-helpers");
	struct json_place old = json_field(root, "registries");
	ssize_t count = json_get_count(list, err);
	int rc = count < 0 ? (int)count : 0;

	warn_of_unknown(root, keys, ARRAY_COUNT(keys));
	for (size_t i = 0; rc == 0 && i < (size_t)count; i++) {
		struct json_place at = json_element(&list, i);
		rc = read_entry(registries, &at, err);
	}
	if (rc == 0 && json_is_object(old.value)) {
		if (count > 0)
			return json_error(&old, err, "a file in both forms, with [[registry]] beside [registries]");
		rc = read_version_1(registries, &old, "insecure", err);
		if (rc == 0)
			rc = read_version_1(registries, &old, "block", err);
	}
	if (rc == 0 && json_is_present(&helpers)) {
		strlist_clear(&registries->helpers);
		rc = json_get_strlist(helpers, &registries->helpers, err);
	}
	return rc < 0 ? rc : 0;
}
