/*
 * The tag sha256-<hex> that stands in for the referrers API where a registry has none (distribution-spec "Referrers Tag
 * Schema"): an index of what has the manifest with that digest as its subject.
 */
#ifndef COOPER_REGISTRY_REFERRERS_INTERNAL_H
#define COOPER_REGISTRY_REFERRERS_INTERNAL_H

#include "registry/docker_internal.h"

/* Adds the document to the index of its subject; nothing to do when it has none. */
int referrers_add(struct session *session, const struct docker_document *document, const struct digest *digest,
		  struct error **err);
/* Takes it out again, when there is such an index and it is in it. */
int referrers_remove(struct session *session, const struct docker_document *document, const struct digest *digest,
		     struct error **err);
/* All that refers to `subject`. */
int referrers_list(struct session *session, const struct digest *subject, const char *artifact_type,
		   struct image_index *index, struct error **err);

#endif
