/*
 * Tags of repositories, and names in layouts and archives.
 */
#include "builder/image_tags.h"

#include <errno.h>
#include <string.h>

#include "base/parse.h"
#include "imagefmt/reference.h"
#include "imagefmt/transport.h"
#include "registry/docker.h"

#define DOCKER_PREFIX "docker://"

/* Parsing a location would add the tag that must not be there. */
static int tags_of_repository(const char *name, const struct registry_options *options, char **repository,
			      struct strlist *tags, struct error **err)
{
	cleanup(reference_done) struct reference ref = {0};
	cleanup(registry_client_free) struct registry_client *client = NULL;
	int rc = reference_parse(name, &ref, err);

	if (rc == 0 && (ref.tag || !digest_is_null(&ref.digest)))
		rc = error_set(err, EINVAL, "'%s': name the repository, without a tag or digest", name);
	if (rc < 0)
		return rc;
	reference_set_docker_domain(&ref);
	rc = registry_client_new(options, &client, err);
	if (rc == 0)
		rc = registry_tags(client, &ref, tags, err);
	if (rc == 0)
		*repository = reference_repository(&ref);
	return rc;
}

int image_tags(struct workshop *w, const char *place, const struct registry_options *registry, char **repository,
	       struct strlist *tags, struct error **err)
{
	cleanup(location_done) struct location location = {0};

	if (text_has_prefix(place, DOCKER_PREFIX))
		return tags_of_repository(place + strlen(DOCKER_PREFIX), registry, repository, tags, err);
	int rc = location_parse(place, &location, err);
	return rc < 0 ? rc : image_names_local(&location, workshop_store(w), tags, err);
}
