/*
 * The names that images have at a place.
 */
#ifndef COOPER_BUILDER_IMAGE_TAGS_H
#define COOPER_BUILDER_IMAGE_TAGS_H

#include "base/strlist.h"
#include "builder/workshop.h"
#include "registry/client.h"

/* docker://NAME (*repository is then "domain/path", newly allocated), or the names in a docker-archive:, oci: or
 * oci-archive: (*repository stays NULL). Appends to `tags`. A tag or digest in the name is -EINVAL. */
int image_tags(struct workshop *w, const char *place, const struct registry_options *registry, char **repository,
	       struct strlist *tags, struct error **err);

#endif
