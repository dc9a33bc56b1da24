/*
 * One manifest out of a registry or into it.
 */
#include "registry/docker_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "registry/referrers_internal.h"

#define ANSWER_MAX ((size_t)64 << 10)

/* What we understand. Never schema 1: a registry would convert to it for those who accept it. */
static const char accept[] = MEDIA_OCI_MANIFEST ", " MEDIA_OCI_INDEX ", " MEDIA_DOCKER_MANIFEST ", " MEDIA_DOCKER_LIST;

int docker_check_reference(const struct reference *ref, struct error **err)
{
	if (ref->domain)
		return 0;
	cleanup_free char *name = reference_format(ref);
	return error_set(err, EINVAL, "'%s' names no registry", name);
}

const char *docker_tag(const struct reference *ref)
{
	return ref->tag ? ref->tag : "latest";
}

char *docker_manifest_url(const struct session *session, const struct reference *ref, const struct digest *want)
{
	char text[DIGEST_TEXT_SIZE];

	if (!want && !digest_is_null(&ref->digest))
		want = &ref->digest;
	return session_url(session, "manifests/%s", want ? digest_format(want, text) : docker_tag(ref));
}

void docker_accept_manifests(struct http_request *request)
{
	http_request_set_header(request, "Accept", accept);
}

bool docker_answer_digest(const struct http_answer *answer, struct digest *digest)
{
	const char *text = http_answer_header(answer, "Docker-Content-Digest");

	return text && digest_parse(text, digest, NULL) == 0;
}

char *docker_answer_media_type(const struct http_answer *answer)
{
	const char *text = http_answer_header(answer, "Content-Type");
	size_t len = text ? strcspn(text, "; \t") : 0;

	return len > 0 ? mem_strndup(text, len) : NULL;
}

/* ---- GET ---- */

static int check_digest(const struct http_answer *answer, const struct digest *want, struct error **err)
{
	struct digest have = {0};
	char expected[DIGEST_TEXT_SIZE];
	char got[DIGEST_TEXT_SIZE];
	int rc = digest_of_as(want->algorithm, buf_str(&answer->body), answer->body.len, &have, err);

	if (rc < 0 || digest_equal(want, &have))
		return rc;
	return error_set(err, EBADMSG, "the registry sent a manifest with digest %s instead of %s",
			 digest_format(&have, got), digest_format(want, expected));
}

/* By tag the registry's own header is all there is to hold it to: it catches a proxy that mixes answers up. Without
 * that header, what is no JSON is no manifest: half an answer, or somebody's login page. */
static int check_manifest(const struct http_answer *answer, const struct digest *want, struct error **err)
{
	struct digest told = {0};
	cleanup_json json_t *root = NULL;

	if (want)
		return check_digest(answer, want, err);
	if (docker_answer_digest(answer, &told))
		return check_digest(answer, &told, err);
	int rc = json_parse(buf_str(&answer->body), answer->body.len, "manifest", &root, err);
	return rc < 0 ? -EBADMSG : 0;
}

static int get_once(struct session *session, const struct reference *ref, const struct digest *want,
		    struct http_answer *answer, struct error **err)
{
	cleanup(http_request_done) struct http_request request = {0};

	http_request_init(&request, "GET", docker_manifest_url(session, ref, want), MANIFEST_SIZE_MAX);
	docker_accept_manifests(&request);
	int rc = session_perform(session, &request, answer, err);
	if (rc < 0)
		return rc;
	return http_answer_is_success(answer) ? check_manifest(answer, want, err)
					      : session_refused(session, "GET", answer, err);
}

int docker_get_manifest(struct session *session, const struct reference *ref, const struct digest *want,
			struct http_answer *answer, struct error **err)
{
	int rc = session_ready(session, err);

	if (!want && !digest_is_null(&ref->digest))
		want = &ref->digest;
	if (rc == 0)
		rc = get_once(session, ref, want, answer, err);
	if (rc != -EBADMSG)
		return rc;
	log_debug("%s, asking again", err ? error_message(*err) : "not the manifest");
	error_clear(err);
	http_answer_done(answer);
	return get_once(session, ref, want, answer, err);
}

/* ---- PUT ---- */

/* True when the registry already has just this manifest there: then a refused PUT has nothing left to do. Registries
 * with immutable tags say no also to what would change nothing (buildkit#3776). */
static bool is_there_already(struct session *session, const char *url, const struct digest *digest)
{
	cleanup(http_request_done) struct http_request request = {0};
	cleanup(http_answer_done) struct http_answer answer = {0};
	struct digest there = {0};

	http_request_init(&request, "HEAD", mem_strdup(url), ANSWER_MAX);
	docker_accept_manifests(&request);
	/* A HEAD that fails leaves the answer of the PUT as the error. */
	return session_perform(session, &request, &answer, NULL) == 0 && answer.status == 200 &&
	       docker_answer_digest(&answer, &there) && digest_equal(&there, digest);
}

/* What registries say to a type that they do not take: zot 415, old ones that the manifest is invalid. */
static bool dislikes_type(const struct http_answer *answer)
{
	return answer->status == 415 || http_answer_has_code(answer, "MANIFEST_INVALID");
}

static int put_failed(const struct session *session, const struct http_answer *answer,
		      const struct docker_document *document, struct error **err)
{
	if (document->only_new && answer->status == 412)
		return error_set(err, EEXIST, "somebody else has set it meanwhile, and it stays so (--if-absent)");
	int rc = session_refused(session, "PUT", answer, err);

	if (!dislikes_type(answer))
		return rc;
	cleanup_free char *why = mem_strdup(err ? error_message(*err) : "");
	error_clear(err);
	return error_set(err, EMEDIUMTYPE, "%s (the registry may not take %s, see --format)", why,
			 document->media_type);
}

static int check_stored(const struct http_answer *answer, const struct digest *digest, struct error **err)
{
	struct digest stored = {0};
	char name[DIGEST_TEXT_SIZE];
	char other[DIGEST_TEXT_SIZE];

	if (!docker_answer_digest(answer, &stored) || stored.algorithm != digest->algorithm ||
	    digest_equal(&stored, digest))
		return 0;
	return error_set(err, EBADMSG, "the registry stored a manifest with digest %s instead of %s",
			 digest_format(&stored, other), digest_format(digest, name));
}

/* One PUT, judged. -EAGAIN: a success that is none, as of a front that says 200 to everything. */
static int put_once(struct session *session, struct http_request *request, const struct docker_document *document,
		    const struct digest *have, struct http_answer *answer, struct error **err)
{
	int rc = session_perform(session, request, answer, err);

	if (rc < 0)
		return rc;
	if (answer->status == 201)
		return check_stored(answer, have, err);
	if (is_there_already(session, request->url, have))
		return 0;
	if (!http_answer_is_success(answer))
		return put_failed(session, answer, document, err);
	return http_answer_error("PUT", answer, err), -EAGAIN;
}

int docker_put_manifest(struct session *session, const char *tag, const struct docker_document *document,
			struct digest *digest, struct error **err)
{
	cleanup(http_request_done) struct http_request request = {0};
	cleanup(http_answer_done) struct http_answer answer = {0};
	struct digest have = {0};
	char name[DIGEST_TEXT_SIZE];
	int rc = session_ready(session, err);

	if (rc == 0)
		rc = digest_of(document->text, document->size, &have, err);
	if (rc < 0)
		return rc;
	digest_format(&have, name);
	http_request_init(&request, "PUT", session_url(session, "manifests/%s", tag ? tag : name), ANSWER_MAX);
	http_request_set_header(&request, "Content-Type", document->media_type);
	/* RFC 9110 13.1.2. The distribution-spec does not speak of it; most registries do as if it were not there. */
	if (document->only_new)
		http_request_set_header(&request, "If-None-Match", "*");
	request.body = (struct http_body){.data = document->text, .fd = -1, .size = document->size, .present = true};
	rc = put_once(session, &request, document, &have, &answer, err);
	if (rc == -EAGAIN) {
		log_debug("%s, asking again", err ? error_message(*err) : "not an answer");
		error_clear(err);
		http_answer_done(&answer);
		rc = put_once(session, &request, document, &have, &answer, err);
	}
	if (rc < 0)
		return rc == -EAGAIN ? -EREMOTEIO : rc;
	if (!http_answer_header(&answer, "OCI-Subject"))
		rc = referrers_add(session, document, &have, err);
	if (rc == 0 && digest)
		*digest = have;
	return rc;
}
