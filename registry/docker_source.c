/*
 * docker:// as a source: manifests by tag or digest, verified; blobs by fetch.c.
 */
#include "registry/docker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "registry/client_internal.h"
#include "registry/docker_internal.h"
#include "registry/fetch.h"

struct docker_source {
	struct registry_client *client;
	struct reference ref;
	struct session *session;
};

/* What we understand. Never schema 1: a registry would convert to it for those who accept it. */
static const char accept[] = MEDIA_OCI_MANIFEST ", " MEDIA_OCI_INDEX ", " MEDIA_DOCKER_MANIFEST ", " MEDIA_DOCKER_LIST;

void docker_accept_manifests(struct http_request *request)
{
	http_request_set_header(request, "Accept", accept);
}

char *docker_manifest_url(const struct session *session, const struct reference *ref, const struct digest *want)
{
	char text[DIGEST_TEXT_SIZE];

	if (!want && !digest_is_null(&ref->digest))
		want = &ref->digest;
	return session_url(session, "manifests/%s", want ? digest_format(want, text) : docker_tag(ref));
}

const char *docker_tag(const struct reference *ref)
{
	return ref->tag ? ref->tag : "latest";
}

bool docker_answer_digest(const struct http_answer *answer, struct digest *digest)
{
	const char *text = http_answer_header(answer, "Docker-Content-Digest");

	return text && digest_parse(text, digest, NULL) == 0;
}

/* The digest of bytes by the algorithm of `like`. */
static int hash_like(const struct digest *like, const struct buf *text, struct digest *digest, struct error **err)
{
	cleanup(hasher_free) struct hasher *hasher = NULL;
	int rc = hasher_new(like->algorithm, &hasher, err);

	if (rc < 0)
		return rc;
	hasher_update(hasher, buf_str(text), text->len);
	hasher_finish(hasher, digest);
	return 0;
}

int docker_check_manifest(const struct http_answer *answer, const struct digest *want, struct error **err)
{
	struct digest told = {0};
	struct digest have = {0};
	char expected[DIGEST_TEXT_SIZE];
	char got[DIGEST_TEXT_SIZE];

	/* By tag the registry's own header is all there is to hold it to: it catches a proxy that mixes answers up. */
	if (!want && !docker_answer_digest(answer, &told))
		return 0;
	want = want ? want : &told;
	int rc = hash_like(want, &answer->body, &have, err);
	if (rc < 0)
		return rc;
	if (!digest_equal(want, &have))
		return error_set(err, EBADMSG, "the registry sent a manifest with digest %s instead of %s",
				 digest_format(&have, got), digest_format(want, expected));
	return 0;
}

/* Content-Type without its parameters; NULL when there is none. */
static char *media_type_of(const struct http_answer *answer)
{
	const char *text = http_answer_header(answer, "Content-Type");
	size_t len = text ? strcspn(text, "; \t") : 0;

	return len > 0 ? mem_strndup(text, len) : NULL;
}

static int get_manifest(struct docker_source *source, const struct digest *want, struct http_answer *answer,
			struct error **err)
{
	cleanup(http_request_done) struct http_request request = {0};
	int rc = session_ready(source->session, err);

	if (rc < 0)
		return rc;
	http_request_init(&request, "GET", docker_manifest_url(source->session, &source->ref, want), MANIFEST_SIZE_MAX);
	docker_accept_manifests(&request);
	rc = session_perform(source->session, &request, answer, err);
	if (rc == 0 && !http_answer_is_success(answer))
		rc = session_refused(source->session, "GET", answer, err);
	return rc;
}

static int source_manifest(void *state, const struct digest *want, struct buf *text, char **media_type,
			   struct error **err)
{
	struct docker_source *source = state;
	cleanup(http_answer_done) struct http_answer answer = {0};
	cleanup_free char *name = reference_format(&source->ref);

	if (!want && !digest_is_null(&source->ref.digest))
		want = &source->ref.digest;
	int rc = get_manifest(source, want, &answer, err);
	if (rc == 0)
		rc = docker_check_manifest(&answer, want, err);
	if (rc < 0)
		return error_prefix(err, "manifest of %s", name);
	buf_append(text, buf_str(&answer.body), answer.body.len);
	if (media_type)
		*media_type = media_type_of(&answer);
	return 0;
}

static int source_fetch(void *state, const struct descriptor *const *blobs, size_t count, struct store *store,
			struct error **err)
{
	struct docker_source *source = state;

	return fetch_blobs(source->client, source->session, blobs, count, store, err);
}

/* The location itself names the image. */
static char *source_name(void *state)
{
	(void)state;
	return NULL;
}

static void source_close(void *state)
{
	struct docker_source *source = state;

	session_free(source->session);
	reference_done(&source->ref);
	free(source);
}

int docker_check_reference(const struct reference *ref, struct error **err)
{
	cleanup_free char *name = reference_format(ref);

	if (!ref->domain)
		return error_set(err, EINVAL, "'%s' names no registry", name);
	return 0;
}

int registry_source_open(struct registry_client *client, const struct reference *ref, struct image_source **source,
			 struct error **err)
{
	static const struct image_source_ops ops = {
		.manifest = source_manifest, .fetch = source_fetch, .name = source_name, .close = source_close};
	int rc = docker_check_reference(ref, err);

	if (rc < 0)
		return rc;
	struct docker_source *state = mem_alloc(sizeof(*state));
	state->client = client;
	reference_copy(&state->ref, ref);
	state->session = session_new(client, ref->domain, ref->path, "pull");
	*source = image_source_new(&ops, state);
	return 0;
}
