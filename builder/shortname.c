/*
 * registries.conf, as far as it concerns names without a registry.
 */
#include "builder/shortname.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "imagefmt/reference.h"
#include "registry/registries.h"

#define FALLBACK "docker.io"

struct search {
	const char *path; /* that is searched for */
	struct strlist registries;
	char *alias;	   /* what the path is an alias of; NULL */
	bool is_enforcing; /* short-name-mode: nobody is to guess */
};

static void search_done(struct search *search)
{
	strlist_done(&search->registries);
	free(search->alias);
}
CLEANUP_FOR_VALUE(struct search, search_done)

/* Nobody is asked which one he means, so that "permissive" (which asks on a terminal) and "disabled" (which does not)
 * are the same here. */
static int read_mode(const struct json_place *root, struct search *search, struct error **err)
{
	cleanup_free char *mode = NULL;
	struct json_place at = json_field(root, "short-name-mode");
	int rc = json_get_string(at, &mode, err);

	if (rc < 0 || !mode || !*mode)
		return rc;
	search->is_enforcing = strcmp(mode, "enforcing") == 0;
	if (search->is_enforcing || strcmp(mode, "permissive") == 0 || strcmp(mode, "disabled") == 0)
		return 0;
	return json_error(&at, err, "'%s' is none of enforcing, permissive and disabled", mode);
}

/* An alias is a whole repository; the empty one takes back what another file has said. */
static int read_alias(const struct json_place *root, struct search *search, struct error **err)
{
	cleanup(reference_done) struct reference ref = {0};
	cleanup_free char *text = NULL;
	struct json_place aliases = json_field(root, "aliases");
	struct json_place at = json_field(&aliases, search->path);

	if (!json_is_present(&aliases) || !json_is_object(aliases.value))
		return 0;
	int rc = json_get_string(at, &text, err);
	if (rc < 0 || !text)
		return rc;
	free(take_ptr(&search->alias));
	if (!*text)
		return 0;
	rc = reference_parse(text, &ref, err);
	if (rc < 0)
		return rc;
	if (!ref.domain || ref.tag || !digest_is_null(&ref.digest))
		return json_error(&at, err, "'%s' is not a registry and a path in it, without a tag", text);
	search->alias = take_ptr(&text);
	return 0;
}

static int take_file(const struct json_place *root, void *context, struct error **err)
{
	struct search *search = context;
	struct json_place old = json_field(root, "registries");
	struct json_place old_search = json_field(&old, "search");
	struct json_place registries = json_field(root, "unqualified-search-registries");
	int rc = 0;

	if (json_is_present(&old_search)) /* the form of version 1 */
		registries = json_field(&old_search, "registries");

	if (json_is_present(&registries)) {
		strlist_clear(&search->registries);
		rc = json_get_strlist(registries, &search->registries, err);
	}
	if (rc >= 0)
		rc = read_mode(root, search, err);
	return rc < 0 ? rc : read_alias(root, search, err);
}

int shortname_candidates(const char *path, struct strlist *repositories, struct error **err)
{
	cleanup(search_done) struct search search = {.path = path};
	int rc = registries_read_files(take_file, &search, err);

	if (rc < 0)
		return rc;
	if (search.alias) {
		strlist_append(repositories, search.alias);
		return 0;
	}
	if (search.is_enforcing && search.registries.count > 1) {
		cleanup_free char *list = strlist_join(&search.registries, ", ");
		return error_set(err, EINVAL,
				 "'%s' may be in any of %s, and registries.conf has short-name-mode = \"enforcing\": "
				 "name the registry, or give the name an alias there",
				 path, list);
	}
	if (search.registries.count == 0)
		strlist_append(&search.registries, FALLBACK);
	for (size_t i = 0; i < search.registries.count; i++)
		strlist_printf(repositories, "%s/%s", search.registries.items[i], path);
	return 0;
}
