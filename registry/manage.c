/*
 * Documents, small blobs, the right to push, referrers and removal, each a conversation of its own.
 */
#include "registry/manage.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "registry/client_internal.h"
#include "registry/docker.h"
#include "registry/docker_internal.h"
#include "registry/mirrors.h"
#include "registry/referrers_internal.h"
#include "registry/upload.h"

#define ANSWER_MAX ((size_t)64 << 10)

static int open_session(struct registry_client *client, const struct reference *ref, const char *actions,
			struct session **session, struct error **err)
{
	int rc = docker_check_reference(ref, err);

	if (rc == 0)
		rc = session_open(client, ref, actions, session, err);
	return rc < 0 ? rc : session_ready(*session, err);
}

/* ---- Documents and small blobs ---- */

struct document_question {
	const struct reference *ref;
	const struct digest *want;
	struct http_answer *answer;
};

static int ask_document(void *context, struct session *session, struct error **err)
{
	const struct document_question *question = context;

	http_answer_done(question->answer);
	return docker_get_manifest(session, question->ref, question->want, question->answer, err);
}

static int open_places(struct registry_client *client, enum registry_side side, const struct reference *ref,
		       struct mirrors **mirrors, struct error **err)
{
	int rc = docker_check_reference(ref, err);

	if (rc < 0)
		return rc;
	return side == REGISTRY_ITSELF ? mirrors_open_own(client, ref, "pull", mirrors, err)
				       : mirrors_open(client, ref, "pull", mirrors, err);
}

int registry_get_manifest(struct registry_client *client, enum registry_side side, const struct reference *ref,
			  const struct digest *want, struct buf *text, char **media_type, struct error **err)
{
	cleanup(mirrors_close) struct mirrors *mirrors = NULL;
	cleanup(http_answer_done) struct http_answer answer = {0};
	struct document_question question = {ref, want, &answer};
	int rc = open_places(client, side, ref, &mirrors, err);

	if (rc == 0)
		rc = mirrors_ask(mirrors, ask_document, &question, err);
	if (rc < 0) {
		cleanup_free char *name = reference_format(ref);
		return error_prefix(err, "manifest of %s", name);
	}
	buf_append(text, buf_str(&answer.body), answer.body.len);
	if (media_type)
		*media_type = docker_answer_media_type(&answer);
	return 0;
}

struct bytes_question {
	const struct descriptor *blob;
	struct http_answer *answer;
};

static int ask_bytes(void *context, struct session *session, struct error **err)
{
	const struct bytes_question *question = context;
	const struct descriptor *blob = question->blob;
	cleanup(http_request_done) struct http_request request = {0};
	struct digest have = {0};
	char text[DIGEST_TEXT_SIZE];
	int rc = session_ready(session, err);

	if (rc < 0)
		return rc;
	http_answer_done(question->answer);
	http_request_init(&request, "GET", session_url(session, "blobs/%s", digest_format(&blob->digest, text)),
			  blob->size);
	rc = session_perform(session, &request, question->answer, err);
	if (rc == 0 && !http_answer_is_success(question->answer))
		rc = session_refused(session, "GET", question->answer, err);
	if (rc == 0)
		rc = digest_of_as(blob->digest.algorithm, buf_str(&question->answer->body), question->answer->body.len,
				  &have, err);
	if (rc < 0 || (question->answer->body.len == blob->size && digest_equal(&have, &blob->digest)))
		return rc;
	return error_set(err, EBADMSG, "what came is not the blob: %zu bytes instead of %llu",
			 question->answer->body.len, (unsigned long long)blob->size);
}

static int ask_bytes_twice(void *context, struct session *session, struct error **err)
{
	int rc = ask_bytes(context, session, err);

	if (rc != -EBADMSG && rc != -EFBIG)
		return rc;
	error_clear(err);
	return ask_bytes(context, session, err);
}

int registry_get_blob(struct registry_client *client, const struct reference *ref, const struct descriptor *blob,
		      size_t max, struct buf *into, struct error **err)
{
	cleanup(mirrors_close) struct mirrors *mirrors = NULL;
	cleanup(http_answer_done) struct http_answer answer = {0};
	struct bytes_question question = {blob, &answer};
	char text[DIGEST_TEXT_SIZE];
	int rc = docker_check_reference(ref, err);

	if (rc == 0 && blob->size > max)
		rc = error_set(err, EFBIG, "%llu bytes, more than %zu", (unsigned long long)blob->size, max);
	if (rc == 0)
		rc = mirrors_open(client, ref, "pull", &mirrors, err);
	if (rc == 0)
		rc = mirrors_ask(mirrors, ask_bytes_twice, &question, err);
	if (rc < 0)
		return error_prefix(err, "blob %s", digest_format(&blob->digest, text));
	buf_append(into, buf_str(&answer.body), answer.body.len);
	return 0;
}

int registry_put_blob(struct registry_client *client, const struct reference *ref, const void *data, size_t size,
		      struct digest *digest, struct error **err)
{
	cleanup(session_free) struct session *session = NULL;
	int rc = open_session(client, ref, "pull,push", &session, err);

	return rc < 0 ? rc : upload_bytes(client, session, data, size, digest, err);
}

int registry_put_manifest(struct registry_client *client, const struct reference *ref, const void *text, size_t size,
			  const char *media_type, struct digest *digest, struct error **err)
{
	cleanup(session_free) struct session *session = NULL;
	struct docker_document document = {text, size, media_type};
	int rc = open_session(client, ref, "pull,push", &session, err);

	if (rc == 0)
		rc = docker_put_manifest(session, ref->tag, &document, digest, err);
	if (rc == 0)
		return 0;
	cleanup_free char *name = reference_format(ref);
	return error_prefix(err, "manifest of %s", name);
}

/* ---- May we? ---- */

static void cancel_upload(struct session *session, const struct http_answer *opened)
{
	const char *location = http_answer_header(opened, "Location");
	cleanup(http_request_done) struct http_request request = {0};
	cleanup(http_answer_done) struct http_answer answer = {0};
	char *url = NULL;

	if (upload_location(session_origin(session), opened->url, location, &url, NULL) < 0)
		return;
	http_request_init(&request, "DELETE", url, HTTP_ERROR_BODY_MAX);
	request.flags = HTTP_ONCE;
	if (session_perform(session, &request, &answer, NULL) < 0 || !http_answer_is_success(&answer))
		log_debug("an upload that was opened as a question is left to the registry (HTTP %d)", answer.status);
}

int registry_check_push(struct registry_client *client, const struct reference *ref, struct error **err)
{
	cleanup(session_free) struct session *session = NULL;
	cleanup(http_request_done) struct http_request request = {0};
	cleanup(http_answer_done) struct http_answer answer = {0};
	cleanup_free char *name = reference_format(ref);
	int rc = open_session(client, ref, "pull,push", &session, err);

	if (rc == 0) {
		http_request_init(&request, "POST", session_url(session, "blobs/uploads/"), ANSWER_MAX);
		request.body = (struct http_body){.data = "", .fd = -1, .present = true};
		rc = session_perform(session, &request, &answer, err);
	}
	/* A success of another kind is a page to log in, or no registry. */
	bool opened = answer.status == 202 && http_answer_header(&answer, "Location");
	if (rc == 0 && !opened)
		rc = session_refused(session, "POST", &answer, err);
	if (rc < 0)
		return error_prefix(err, "%s cannot be pushed to", name);
	cancel_upload(session, &answer);
	client_tell(client, "%s can be pushed to", name);
	return 0;
}

/* ---- Referrers ---- */

struct referrers_question {
	const struct digest *subject;
	const char *artifact_type;
	struct image_index *index;
};

static int ask_referrers(void *context, struct session *session, struct error **err)
{
	const struct referrers_question *question = context;
	int rc = referrers_list(session, question->subject, question->artifact_type, question->index, err);

	if (rc == 0 && question->index->manifest_count == 0)
		return error_set(err, ENOENT, "nothing refers to it there");
	return rc;
}

int registry_referrers(struct registry_client *client, enum registry_side side, const struct reference *ref,
		       const char *artifact_type, struct image_index *index, struct error **err)
{
	cleanup(mirrors_close) struct mirrors *mirrors = NULL;
	cleanup_free char *name = reference_format(ref);
	struct referrers_question question = {&ref->digest, artifact_type, index};

	if (digest_is_null(&ref->digest))
		return error_set(err, EINVAL, "'%s' has no digest, which is what referrers refer to", name);
	int rc = open_places(client, side, ref, &mirrors, err);
	if (rc == 0)
		rc = mirrors_ask(mirrors, ask_referrers, &question, err);
	if (rc == -ENOENT) {
		error_clear(err);
		return 0;
	}
	return rc < 0 ? error_prefix(err, "referrers of %s", name) : 0;
}

/* ---- Removal ---- */

static int delete_document(struct session *session, const char *name, struct error **err)
{
	cleanup(http_request_done) struct http_request request = {0};
	cleanup(http_answer_done) struct http_answer answer = {0};

	http_request_init(&request, "DELETE", session_url(session, "manifests/%s", name), ANSWER_MAX);
	int rc = session_perform(session, &request, &answer, err);
	if (rc < 0 || http_answer_is_success(&answer))
		return rc;
	if (answer.status == 405)
		return error_set(err, EOPNOTSUPP, "the registry '%s' does not allow manifests to be deleted (HTTP 405)",
				 session_domain(session));
	return session_refused(session, "DELETE", &answer, err);
}

/* Most registries want "delete", which tokens have as an action of its own; some give it with push only. */
#define DELETE_ACTIONS "pull,push,delete"

int registry_delete_manifest(struct registry_client *client, const struct reference *ref, struct digest *removed,
			     struct error **err)
{
	cleanup(session_free) struct session *session = NULL;
	cleanup(http_answer_done) struct http_answer answer = {0};
	cleanup_free char *name = reference_format(ref);
	cleanup_free char *media_type = NULL;
	struct digest digest = {0};
	char text[DIGEST_TEXT_SIZE];
	int rc = open_session(client, ref, DELETE_ACTIONS, &session, err);

	/* The document itself: its digest is what is deleted, and its subject has to forget it. */
	if (rc == 0)
		rc = docker_get_manifest(session, ref, /* want */ NULL, &answer, err);
	if (rc == 0 && !digest_is_null(&ref->digest))
		digest = ref->digest;
	else if (rc == 0)
		rc = digest_of(buf_str(&answer.body), answer.body.len, &digest, err);
	if (rc == 0)
		rc = delete_document(session, digest_format(&digest, text), err);
	if (rc < 0)
		return error_prefix(err, "delete %s", name);
	media_type = docker_answer_media_type(&answer);
	struct docker_document document = {buf_str(&answer.body), answer.body.len, media_type ? media_type : ""};
	struct error *trouble = NULL;
	if (referrers_remove(session, &document, &digest, &trouble) < 0)
		log_warn("%s is deleted, but still in the list of referrers: %s", name, error_message(trouble));
	error_free(trouble);
	if (removed)
		*removed = digest;
	return 0;
}

int registry_delete_tag(struct registry_client *client, const struct reference *ref, struct error **err)
{
	cleanup(session_free) struct session *session = NULL;
	cleanup_free char *name = reference_format(ref);
	int rc = open_session(client, ref, DELETE_ACTIONS, &session, err);

	if (rc == 0)
		rc = delete_document(session, docker_tag(ref), err);
	if (rc == -EREMOTEIO) { /* docker-registry says 400, since a tag is no digest */
		cleanup_free char *why = mem_strdup(err ? error_message(*err) : "");
		error_clear(err);
		rc = error_set(err, EOPNOTSUPP, "the registry deletes by digest only, with all tags (%s)", why);
	}
	return rc < 0 ? error_prefix(err, "delete %s", name) : 0;
}
