/*
 * What source, sink and the small questions share about manifests on the wire.
 */
#ifndef COOPER_REGISTRY_DOCKER_INTERNAL_H
#define COOPER_REGISTRY_DOCKER_INTERNAL_H

#include "imagefmt/reference.h"
#include "registry/http.h"
#include "registry/session.h"

/* -EINVAL for a name without a registry. */
int docker_check_reference(const struct reference *ref, struct error **err);
/* Its tag, or "latest". */
const char *docker_tag(const struct reference *ref);
/* Of the manifest with digest `want`; NULL: of the reference, whose digest decides when it has one. */
MUST_CHECK char *docker_manifest_url(const struct session *session, const struct reference *ref,
				     const struct digest *want);
void docker_accept_manifests(struct http_request *request);
/* Docker-Content-Digest; false when it is missing or of a kind not known here. */
bool docker_answer_digest(const struct http_answer *answer, struct digest *digest);
/* -EBADMSG unless the body has the digest `want` (NULL: the one in the answer's header, if there is one). */
int docker_check_manifest(const struct http_answer *answer, const struct digest *want, struct error **err);

#endif
