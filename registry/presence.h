/*
 * Which blobs a repository has, and which it can get without our sending them: asked before bytes are fetched from
 * somewhere only to be sent there (distribution-spec "Checking if content exists", "Mounting a blob from another
 * repository").
 */
#ifndef COOPER_REGISTRY_PRESENCE_H
#define COOPER_REGISTRY_PRESENCE_H

#include "imagefmt/manifest.h"
#include "imagefmt/reference.h"
#include "registry/session.h"

/* Sets has[i] for blobs that the session's repository has, or has got from the repository `from` (NULL: none) by mount.
 * `from` must be of the same registry. What a registry does not tell, or refuses, counts as "no". */
int presence_check(struct registry_client *client, struct session *session, const struct descriptor *const *blobs,
		   size_t count, const struct reference *from, bool *has, struct error **err);

#endif
