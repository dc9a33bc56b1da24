/*
 * Manifests on the wire: what source, sink and the small questions share.
 */
#ifndef COOPER_REGISTRY_DOCKER_INTERNAL_H
#define COOPER_REGISTRY_DOCKER_INTERNAL_H

#include "imagefmt/manifest.h"
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
/* Content-Type without its parameters, newly allocated; NULL when there is none. */
MUST_CHECK char *docker_answer_media_type(const struct http_answer *answer);

/* GET of a manifest (`want` as above), checked against its digest; what does not match is asked for once more.
 * -EBADMSG, and what session_refused() makes of a no. */
int docker_get_manifest(struct session *session, const struct reference *ref, const struct digest *want,
			struct http_answer *answer, struct error **err);

/* What the reference stands for in this place: by HEAD, or by GET and our own hash where HEAD does not tell. */
int docker_resolve(struct session *session, const struct reference *ref, struct digest *digest, struct error **err);

struct docker_document {
	const void *text;
	size_t size;
	const char *media_type;
	bool only_new; /* not where the tag stands for something: asked of the registry, which need not understand it */
};
/* PUT under a tag, or, with tag NULL, under its digest. A tag that cannot be moved but stands for just this document is
 * success. -EEXIST when it was to be new and is not. -EMEDIUMTYPE when the registry does not take documents of this
 * type. Keeps the fall-back tag of a subject. *digest (may be NULL) is that of the bytes. */
int docker_put_manifest(struct session *session, const char *tag, const struct docker_document *document,
			struct digest *digest, struct error **err);

#endif
