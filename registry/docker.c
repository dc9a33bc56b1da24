/*
 * The small questions: what a tag stands for, and whether a password is right.
 */
#include "registry/docker.h"

#include <errno.h>
#include <string.h>

#include "registry/client_internal.h"
#include "registry/docker_internal.h"

#define ANSWER_MAX ((size_t)64 << 10)

static int ask_manifest(struct session *session, const char *method, const struct reference *ref,
			struct http_answer *answer, struct error **err)
{
	cleanup(http_request_done) struct http_request request = {0};

	http_request_init(&request, method, docker_manifest_url(session, ref, /* want */ NULL), MANIFEST_SIZE_MAX);
	docker_accept_manifests(&request);
	return session_perform(session, &request, answer, err);
}

/* By GET and our own hash: where HEAD is not allowed (405) or does not tell. */
static int resolve_by_get(struct session *session, const struct reference *ref, struct digest *digest,
			  struct error **err)
{
	cleanup(http_answer_done) struct http_answer answer = {0};
	enum manifest_kind kind = MANIFEST_IMAGE;
	int rc = ask_manifest(session, "GET", ref, &answer, err);

	if (rc == 0 && !http_answer_is_success(&answer))
		rc = session_refused(session, "GET", &answer, err);
	if (rc == 0)
		rc = docker_check_manifest(&answer, /* want */ NULL, err);
	if (rc == 0) /* anything can be hashed: a proxy's login page is no image */
		rc = manifest_kind(buf_str(&answer.body), answer.body.len, /* media_type */ NULL, &kind, err);
	return rc < 0 ? rc : digest_of(buf_str(&answer.body), answer.body.len, digest, err);
}

int registry_resolve(struct registry_client *client, const struct reference *ref, struct digest *digest,
		     struct error **err)
{
	cleanup(session_free) struct session *session = NULL;
	cleanup(http_answer_done) struct http_answer answer = {0};
	cleanup_free char *name = reference_format(ref);
	int rc = docker_check_reference(ref, err);

	if (rc < 0)
		return rc;
	if (!digest_is_null(&ref->digest)) {
		*digest = ref->digest;
		return 0;
	}
	session = session_new(client, ref->domain, ref->path, "pull");
	rc = session_ready(session, err);
	if (rc == 0)
		rc = ask_manifest(session, "HEAD", ref, &answer, err);
	if (rc == 0 && answer.status == 200 && docker_answer_digest(&answer, digest))
		return 0;
	/* An answer to HEAD has no body to explain a refusal with: GET says it again, with reasons. */
	if (rc == 0)
		rc = resolve_by_get(session, ref, digest, err);
	return rc < 0 ? error_prefix(err, "manifest of %s", name) : 0;
}

int registry_check_login(struct registry_client *client, const char *registry, const char *username,
			 const char *password, struct error **err)
{
	cleanup(session_free) struct session *session = NULL;
	cleanup(http_request_done) struct http_request request = {0};
	cleanup(http_answer_done) struct http_answer answer = {0};
	cleanup_free char *domain = mem_strndup(registry, strcspn(registry, "/"));

	session = session_new(client, domain, /* path */ NULL, /* actions */ NULL);
	session_set_credentials(session, username, password);
	int rc = session_ready(session, err);
	if (rc == 0) {
		http_request_init(&request, "GET", session_url(session, "%s", ""), ANSWER_MAX);
		rc = session_perform(session, &request, &answer, err);
	}
	if (rc == 0 && !http_answer_is_success(&answer))
		rc = http_answer_error("GET", &answer, err);
	if (rc == -EACCES)
		error_prefix(err, "invalid username/password");
	return rc;
}
