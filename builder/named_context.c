/*
 * Further contexts by their names.
 */
#include "builder/named_context.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/parse.h"
#include "imagefmt/reference.h"

char *named_context_image(const char *where)
{
	/* BuildKit's word and Buildah's two for an image by its name: one of the store, under --pull, like any other.
	 */
	static const char *const by_name[] = {"docker-image://", "container-image://", "docker://"};

	for (size_t i = 0; i < ARRAY_COUNT(by_name); i++)
		if (text_has_prefix(where, by_name[i]))
			return mem_strdup(where + strlen(by_name[i]));
	if (text_has_prefix(where, "oci-layout://"))
		return mem_printf("oci:%s", where + strlen("oci-layout://"));
	return NULL;
}

/* As names are compared: the full name of the image that it could be, or itself. */
static char *full_name(const char *name)
{
	cleanup(reference_done) struct reference ref = {0};

	if (reference_parse(name, &ref, /* err */ NULL) < 0)
		return mem_strdup(name);
	reference_set_docker_domain(&ref);
	reference_add_default_tag(&ref);
	return reference_format(&ref);
}

/* The entry for the image `full` and the platform ("" for all of them). */
static size_t find_exactly(const struct strlist *contexts, const char *full, const char *platform, const char **where)
{
	for (size_t i = 0; i < contexts->count; i++) {
		const char *entry = contexts->items[i];
		const char *value = entry + strcspn(entry, "=");
		cleanup_free char *key = mem_strndup(entry, (size_t)(value - entry));
		char *suffix = strstr(key, "::");
		if (strcasecmp(suffix ? suffix + 2 : "", platform) != 0)
			continue;
		if (suffix)
			*suffix = '\0';
		cleanup_free char *named = full_name(key);
		if (strcasecmp(named, full) != 0)
			continue;
		*where = *value ? value + 1 : "";
		return i;
	}
	return SIZE_MAX;
}

size_t named_context_find(const struct strlist *contexts, const char *name, const struct platform *platform,
			  const char **where)
{
	if (!contexts || !contexts->count || !name || strcasecmp(name, "scratch") == 0 ||
	    strcasecmp(name, "context") == 0)
		return SIZE_MAX;
	cleanup_free char *full = full_name(name);
	cleanup_free char *wanted = platform ? platform_format(platform) : NULL;
	size_t found = wanted ? find_exactly(contexts, full, wanted, where) : SIZE_MAX;
	return found != SIZE_MAX ? found : find_exactly(contexts, full, /* platform */ "", where);
}
