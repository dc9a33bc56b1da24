/*
 * Looking names up in registries.conf and in BUILD_REGISTRY_SOURCES.
 */
#include "registry/registries.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "base/json.h"
#include "base/parse.h"
#include "registry/registries_internal.h"

#define SOURCES_VARIABLE "BUILD_REGISTRY_SOURCES"

int registries_read_files(conf_file_take *take, void *context, struct error **err)
{
	const char *only = env_plain("CONTAINERS_REGISTRIES_CONF");
	cleanup_free char *home = env_config_home();
	cleanup_free char *user = mem_printf("%s/containers/registries.conf", home);

	if (only)
		return conf_file_read(only, CONF_FILE_REQUIRED, take, context, err);
	int rc =
		conf_file_read(COOPER_SYSCONFDIR "/containers/registries.conf", CONF_FILE_DROP_INS, take, context, err);
	return rc < 0 ? rc : conf_file_read(user, CONF_FILE_DROP_INS, take, context, err);
}

void registries_free(struct registries *registries)
{
	if (!registries)
		return;
	for (size_t i = 0; i < registries->entry_count; i++)
		registry_entry_done(&registries->entries[i]);
	free(registries->entries);
	strlist_done(&registries->helpers);
	strlist_done(&registries->insecure);
	strlist_done(&registries->blocked);
	strlist_done(&registries->allowed);
	free(registries);
}

void registry_place_done(struct registry_place *place)
{
	free(place->domain);
	free(place->path);
	*place = (struct registry_place){0};
}

void registry_places_done(struct registry_places *places)
{
	for (size_t i = 0; i < places->count; i++)
		registry_place_done(&places->items[i]);
	free(places->items);
	*places = (struct registry_places){0};
}

static int read_sources(struct registries *registries, struct error **err)
{
	const char *text = env_plain(SOURCES_VARIABLE);
	cleanup_json json_t *root = NULL;

	if (!text)
		return 0;
	int rc = json_parse(text, strlen(text), SOURCES_VARIABLE, &root, err);
	if (rc < 0)
		return rc;
	struct json_place at = json_root(SOURCES_VARIABLE, root);
	rc = json_get_strlist(json_field(&at, "insecureRegistries"), &registries->insecure, err);
	if (rc >= 0)
		rc = json_get_strlist(json_field(&at, "blockedRegistries"), &registries->blocked, err);
	if (rc >= 0)
		rc = json_get_strlist(json_field(&at, "allowedRegistries"), &registries->allowed, err);
	return rc < 0 ? rc : 0;
}

int registries_load(struct registries **registries, struct error **err)
{
	cleanup(registries_free) struct registries *loaded = mem_alloc(sizeof(*loaded));
	int rc = registries_read_files(registries_take_file, loaded, err);

	if (rc >= 0)
		rc = read_sources(loaded, err);
	if (rc < 0)
		return rc;
	*registries = take_ptr(&loaded);
	return 0;
}

const struct strlist *registries_credential_helpers(const struct registries *registries)
{
	return &registries->helpers;
}

/* ---- Matching ---- */

/* "host/path:tag@digest": prefixes may name a single image. Without a tag it is "latest" that is meant. */
static char *whole_name(const struct reference *ref)
{
	if (!ref->path)
		return mem_strdup(ref->domain); /* of a registry without a path */
	cleanup(reference_done) struct reference whole = {0};
	reference_copy(&whole, ref);
	reference_add_default_tag(&whole);
	return reference_format(&whole);
}

/* How much of a whole name a prefix matches; 0: it does not. A component is matched whole or not at all. */
static size_t matched_length(const char *prefix, const char *name)
{
	size_t len = strlen(prefix);

	if (text_has_prefix(prefix, "*.")) {
		size_t host = strcspn(name, "/");
		/* "*.example.com" is for the hosts below, not for example.com itself. */
		return host > len - 1 && strncmp(name + host - (len - 1), prefix + 1, len - 1) == 0 ? host : 0;
	}
	if (strncmp(name, prefix, len) != 0 || (name[len] != '\0' && !strchr("/:@", name[len])))
		return 0;
	return len;
}

/* The entry with the longest prefix; NULL when none matches. */
static const struct registry_entry *find_entry(const struct registries *registries, const char *name)
{
	const struct registry_entry *best = NULL;

	for (size_t i = 0; i < registries->entry_count; i++) {
		const struct registry_entry *entry = &registries->entries[i];
		if (matched_length(entry->prefix, name) > 0 && (!best || strlen(entry->prefix) > strlen(best->prefix)))
			best = entry;
	}
	return best;
}

static bool any_matches(const struct strlist *patterns, const char *name)
{
	for (size_t i = 0; i < patterns->count; i++)
		if (matched_length(patterns->items[i], name) > 0)
			return true;
	return false;
}

static int check_allowed(const struct registries *registries, const struct registry_entry *entry, const char *name,
			 struct error **err)
{
	if (entry && entry->blocked)
		return error_set(err, EPERM, "'%s' is blocked by registries.conf (prefix '%s')", name, entry->prefix);
	if (any_matches(&registries->blocked, name))
		return error_set(err, EPERM, "'%s' is blocked by " SOURCES_VARIABLE, name);
	if (registries->allowed.count > 0 && !any_matches(&registries->allowed, name))
		return error_set(err, EPERM, "'%s' is not among the allowedRegistries of " SOURCES_VARIABLE, name);
	return 0;
}

/* ---- Places ---- */

/* `name` with its first `matched` bytes replaced by `location` (NULL: as it is). */
static int make_place(const char *name, size_t matched, const char *location, struct registry_place *place,
		      struct error **err)
{
	cleanup_free char *moved = location ? mem_printf("%s%s", location, name + matched) : mem_strdup(name);
	cleanup(reference_done) struct reference ref = {0};
	int rc = reference_parse(moved, &ref, err);

	if (rc == 0 && (!ref.domain || ref.tag || !digest_is_null(&ref.digest)))
		rc = error_set(err, EINVAL, "not a repository in a registry");
	if (rc < 0)
		return error_prefix(err, "registries.conf makes '%s' of '%s'", moved, name);
	place->domain = take_ptr(&ref.domain);
	place->path = take_ptr(&ref.path);
	return 0;
}

static int add_place(struct registry_places *places, const char *name, size_t matched, const char *location,
		     const struct registry_place *like, struct error **err)
{
	cleanup(registry_place_done) struct registry_place place = {.insecure = like->insecure,
								    .is_mirror = like->is_mirror};
	int rc = make_place(name, matched, location, &place, err);

	if (rc < 0)
		return rc;
	places->items = mem_grow(places->items, places->count + 1, sizeof(*places->items));
	places->items[places->count++] = place;
	place = (struct registry_place){0};
	return 0;
}

/* "sha256-<hex>", ".sig" and the like behind it: signatures and referrers belong to a manifest, and are where it is. */
static bool is_made_of_digest(const char *tag)
{
	static const char prefix[] = "sha256-";
	size_t hex = strlen(prefix);

	return tag && text_has_prefix(tag, prefix) && strspn(tag + hex, "0123456789abcdef") == 64;
}

static bool mirror_serves(const struct registry_mirror *mirror, const struct reference *ref)
{
	bool by_digest = !digest_is_null(&ref->digest) || is_made_of_digest(ref->tag);

	return mirror->use == MIRROR_ALL || (mirror->use == MIRROR_DIGEST_ONLY) == by_digest;
}

int registries_pull_places(const struct registries *registries, const struct reference *ref,
			   struct registry_places *places, struct error **err)
{
	cleanup(registry_places_done) struct registry_places found = {0};
	cleanup_free char *name = reference_repository(ref);
	cleanup_free char *whole = whole_name(ref);
	const struct registry_entry *entry = find_entry(registries, whole);
	size_t matched = entry ? matched_length(entry->prefix, whole) : 0;
	int rc = check_allowed(registries, entry, whole, err);

	if (matched > strlen(name)) /* all of it; the tag is asked for at any place */
		matched = strlen(name);

	for (size_t i = 0; rc == 0 && entry && i < entry->mirror_count; i++) {
		const struct registry_mirror *mirror = &entry->mirrors[i];
		struct registry_place like = {.insecure = mirror->insecure, .is_mirror = true};
		if (mirror_serves(mirror, ref))
			rc = add_place(&found, name, matched, mirror->location, &like, err);
	}
	struct registry_place own = {.insecure =
					     (entry && entry->insecure) || any_matches(&registries->insecure, whole)};
	if (rc == 0)
		rc = add_place(&found, name, matched, entry ? entry->location : NULL, &own, err);
	if (rc < 0)
		return rc;
	*places = found;
	found = (struct registry_places){0};
	return 0;
}

int registries_own_place(const struct registries *registries, const struct reference *ref, struct registry_place *place,
			 struct error **err)
{
	cleanup_free char *whole = whole_name(ref);
	const struct registry_entry *entry = find_entry(registries, whole);
	int rc = check_allowed(registries, entry, whole, err);

	if (rc < 0)
		return rc;
	*place = (struct registry_place){
		.domain = mem_strdup(ref->domain),
		.path = mem_strdup(ref->path),
		.insecure = (entry && entry->insecure) || any_matches(&registries->insecure, whole),
	};
	return 0;
}
