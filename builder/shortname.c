/*
 * registries.conf, as far as it concerns names without a registry.
 */
#include "builder/shortname.h"

#include <stdlib.h>

#include "base/json.h"
#include "registry/registries.h"

#define FALLBACK "docker.io"

struct search {
	const char *path; /* that is searched for */
	struct strlist registries;
	char *alias; /* what the path is an alias of; NULL */
};

static int take_file(const struct json_place *root, void *context, struct error **err)
{
	struct search *search = context;
	struct json_place registries = json_field(root, "unqualified-search-registries");
	struct json_place aliases = json_field(root, "aliases");
	int rc = 0;

	if (json_is_present(&registries)) {
		strlist_clear(&search->registries);
		rc = json_get_strlist(registries, &search->registries, err);
	}
	if (rc >= 0 && json_is_present(&aliases) && json_is_object(aliases.value))
		rc = json_get_string(json_field(&aliases, search->path), &search->alias, err);
	return rc;
}

int shortname_candidates(const char *path, struct strlist *repositories, struct error **err)
{
	struct search search = {.path = path};
	int rc = registries_read_files(take_file, &search, err);

	if (rc >= 0 && search.alias) {
		strlist_append(repositories, search.alias);
	} else if (rc >= 0) {
		if (search.registries.count == 0)
			strlist_append(&search.registries, FALLBACK);
		for (size_t i = 0; i < search.registries.count; i++)
			strlist_printf(repositories, "%s/%s", search.registries.items[i], path);
	}
	strlist_done(&search.registries);
	free(search.alias);
	return rc;
}
