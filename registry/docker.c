/*
 * The small questions: what a tag stands for, and whether a password is right.
 */
#include "registry/docker.h"

#include <errno.h>
#include <string.h>

#include "registry/client_internal.h"
#include "registry/docker_internal.h"
#include "registry/mirrors.h"

#define ANSWER_MAX ((size_t)64 << 10)

/* By GET and our own hash: where HEAD is not allowed (405) or does not tell. */
static int resolve_by_get(struct session *session, const struct reference *ref, struct digest *digest,
			  struct error **err)
{
	cleanup(http_answer_done) struct http_answer answer = {0};
	enum manifest_kind kind = MANIFEST_IMAGE;
	int rc = docker_get_manifest(session, ref, /* want */ NULL, &answer, err);

	if (rc == 0) /* anything can be hashed: a proxy's login page is no image */
		rc = manifest_kind(buf_str(&answer.body), answer.body.len, /* media_type */ NULL, &kind, err);
	return rc < 0 ? rc : digest_of(buf_str(&answer.body), answer.body.len, digest, err);
}

int docker_resolve(struct session *session, const struct reference *ref, struct digest *digest, struct error **err)
{
	cleanup(http_request_done) struct http_request request = {0};
	cleanup(http_answer_done) struct http_answer answer = {0};
	int rc = session_ready(session, err);

	if (rc < 0)
		return rc;
	http_request_init(&request, "HEAD", docker_manifest_url(session, ref, /* want */ NULL), ANSWER_MAX);
	docker_accept_manifests(&request);
	rc = session_perform(session, &request, &answer, err);
	if (rc < 0 || (answer.status == 200 && docker_answer_digest(&answer, digest)))
		return rc;
	/* An answer to HEAD has no body to explain a refusal with: GET says it again, with reasons. */
	return resolve_by_get(session, ref, digest, err);
}

struct digest_question {
	const struct reference *ref;
	struct digest *digest;
};

static int resolve(void *context, struct session *session, struct error **err)
{
	const struct digest_question *question = context;

	return docker_resolve(session, question->ref, question->digest, err);
}

int registry_resolve(struct registry_client *client, const struct reference *ref, struct digest *digest,
		     struct error **err)
{
	cleanup(mirrors_close) struct mirrors *mirrors = NULL;
	struct digest_question question = {ref, digest};
	int rc = docker_check_reference(ref, err);

	if (rc < 0)
		return rc;
	if (!digest_is_null(&ref->digest)) {
		*digest = ref->digest;
		return 0;
	}
	rc = mirrors_open(client, ref, "pull", &mirrors, err);
	if (rc == 0)
		rc = mirrors_ask(mirrors, resolve, &question, err);
	if (rc == 0)
		return 0;
	cleanup_free char *name = reference_format(ref);
	return error_prefix(err, "manifest of %s", name);
}

int registry_check_login(struct registry_client *client, const char *registry, const char *username,
			 const char *password, struct error **err)
{
	cleanup(session_free) struct session *session = NULL;
	cleanup(http_request_done) struct http_request request = {0};
	cleanup(http_answer_done) struct http_answer answer = {0};
	cleanup_free char *domain = mem_strndup(registry, strcspn(registry, "/"));
	struct reference ref = {.domain = domain};
	int rc = session_open(client, &ref, /* actions */ NULL, &session, err);

	if (rc < 0)
		return rc;
	session_set_credentials(session, username, password);
	rc = session_ready(session, err);
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
