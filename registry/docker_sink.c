/*
 * docker:// as a sink: blobs by upload.c, manifests after them. The one that carries the tag is kept back until the
 * commit, so that nothing is visible under the name before everything is there.
 */
#include "registry/docker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "registry/client_internal.h"
#include "registry/docker_internal.h"
#include "registry/presence.h"
#include "registry/upload.h"

#define ANSWER_MAX ((size_t)64 << 10)

struct docker_sink {
	struct registry_client *client;
	struct reference ref;
	struct session *session;
	struct buf top; /* the manifest of the name, until the commit */
	char *top_media_type;
	bool has_top;
};

/* True when the registry already has just this manifest there: then a refused PUT has nothing left to do. Registries
 * with immutable tags say no also to what would change nothing (buildkit#3776). */
static bool is_there_already(struct docker_sink *sink, const char *url, const struct digest *digest)
{
	cleanup(http_request_done) struct http_request request = {0};
	cleanup(http_answer_done) struct http_answer answer = {0};
	struct digest there = {0};

	http_request_init(&request, "HEAD", mem_strdup(url), ANSWER_MAX);
	docker_accept_manifests(&request);
	/* A HEAD that fails leaves the answer of the PUT as the error. */
	return session_perform(sink->session, &request, &answer, NULL) == 0 && answer.status == 200 &&
	       docker_answer_digest(&answer, &there) && digest_equal(&there, digest);
}

static int put_failed(const struct docker_sink *sink, const struct http_answer *answer, const char *media_type,
		      struct error **err)
{
	int rc = session_refused(sink->session, "PUT", answer, err);

	if (answer->status == 415 || http_answer_has_code(answer, "MANIFEST_INVALID"))
		return error_hint(err, "the registry may not take %s, see --format", media_type);
	return rc;
}

/* Puts a manifest under a tag, or, with tag NULL, under its digest. */
static int put_manifest(struct docker_sink *sink, const char *tag, const void *text, size_t size,
			const char *media_type, struct error **err)
{
	cleanup(http_request_done) struct http_request request = {0};
	cleanup(http_answer_done) struct http_answer answer = {0};
	struct digest digest = {0};
	struct digest stored = {0};
	char name[DIGEST_TEXT_SIZE];
	char other[DIGEST_TEXT_SIZE];
	int rc = session_ready(sink->session, err);

	if (rc == 0)
		rc = digest_of(text, size, &digest, err);
	if (rc < 0)
		return rc;
	digest_format(&digest, name);
	http_request_init(&request, "PUT", session_url(sink->session, "manifests/%s", tag ? tag : name), ANSWER_MAX);
	http_request_set_header(&request, "Content-Type", media_type);
	request.body = (struct http_body){.data = text, .fd = -1, .size = size, .present = true};
	rc = session_perform(sink->session, &request, &answer, err);
	if (rc < 0)
		return rc;
	if (!http_answer_is_success(&answer))
		return is_there_already(sink, request.url, &digest) ? 0 : put_failed(sink, &answer, media_type, err);
	if (docker_answer_digest(&answer, &stored) && stored.algorithm == digest.algorithm &&
	    !digest_equal(&stored, &digest))
		return error_set(err, EBADMSG, "the registry stored a manifest with digest %s instead of %s",
				 digest_format(&stored, other), name);
	return 0;
}

static int sink_send(void *state, const struct descriptor *const *blobs, size_t count, struct store *store,
		     struct error **err)
{
	struct docker_sink *sink = state;

	return upload_blobs(sink->client, sink->session, blobs, count, store, err);
}

/* From itself a repository can mount nothing. */
static int sink_has(void *state, const struct descriptor *const *blobs, size_t count, const struct reference *from,
		    bool *has, struct error **err)
{
	struct docker_sink *sink = state;
	bool is_other = from && from->domain && strcmp(from->domain, sink->ref.domain) == 0 &&
			strcmp(from->path, sink->ref.path) != 0;

	return presence_check(sink->client, sink->session, blobs, count, is_other ? from : NULL, has, err);
}

static int sink_manifest(void *state, const void *text, size_t size, const char *media_type, bool top,
			 struct error **err)
{
	struct docker_sink *sink = state;

	if (size > MANIFEST_SIZE_MAX)
		return error_set(err, EFBIG, "a manifest of %zu bytes is larger than registries take (%zu)", size,
				 MANIFEST_SIZE_MAX);
	if (!top)
		return put_manifest(sink, /* tag */ NULL, text, size, media_type, err);
	buf_clear(&sink->top);
	buf_append(&sink->top, text, size);
	mem_replace(&sink->top_media_type, media_type);
	sink->has_top = true;
	return 0;
}

/* "name@digest" pushes to the digest, which must then be what we have. */
static int check_digest(const struct docker_sink *sink, struct error **err)
{
	struct digest have = {0};
	char want[DIGEST_TEXT_SIZE];
	char got[DIGEST_TEXT_SIZE];

	if (digest_is_null(&sink->ref.digest))
		return 0;
	int rc = digest_of(buf_str(&sink->top), sink->top.len, &have, err);
	if (rc < 0 || digest_equal(&have, &sink->ref.digest))
		return rc;
	return error_set(err, EINVAL, "the manifest has digest %s, not %s", digest_format(&have, got),
			 digest_format(&sink->ref.digest, want));
}

static int sink_commit(void *state, struct error **err)
{
	struct docker_sink *sink = state;
	bool by_digest = !sink->ref.tag && !digest_is_null(&sink->ref.digest);
	cleanup_free char *name = reference_format(&sink->ref);

	if (!sink->has_top)
		return 0;
	int rc = check_digest(sink, err);
	if (rc == 0)
		rc = put_manifest(sink, by_digest ? NULL : docker_tag(&sink->ref), buf_str(&sink->top), sink->top.len,
				  sink->top_media_type, err);
	if (rc < 0)
		return error_prefix(err, "manifest of %s", name);
	client_tell(sink->client, "Writing manifest to image destination");
	return 0;
}

static void sink_close(void *state)
{
	struct docker_sink *sink = state;

	session_free(sink->session);
	reference_done(&sink->ref);
	buf_done(&sink->top);
	free(sink->top_media_type);
	free(sink);
}

int registry_sink_open(struct registry_client *client, const struct reference *ref, struct image_sink **sink,
		       struct error **err)
{
	static const struct image_sink_ops ops = {.send = sink_send,
						  .has = sink_has,
						  .manifest = sink_manifest,
						  .commit = sink_commit,
						  .close = sink_close};
	int rc = docker_check_reference(ref, err);

	if (rc < 0)
		return rc;
	struct docker_sink *state = mem_alloc(sizeof(*state));
	state->client = client;
	reference_copy(&state->ref, ref);
	state->session = session_new(client, ref->domain, ref->path, "pull,push");
	buf_init(&state->top, MANIFEST_SIZE_MAX);
	*sink = image_sink_new(&ops, state);
	return 0;
}
