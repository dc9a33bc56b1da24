/*
 * docker:// as a source: manifests by tag or digest, verified; blobs by fetch.c. An image may lie in several places
 * (mirrors, and where it really is); what one does not have, or does not give, the next is asked for.
 */
#include "registry/docker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "registry/client_internal.h"
#include "registry/docker_internal.h"
#include "registry/fetch.h"
#include "registry/mirrors.h"

struct docker_source {
	struct registry_client *client;
	struct reference ref;
	struct mirrors *mirrors; /* NULL until the first question */
};

static int source_ready(struct docker_source *source, struct error **err)
{
	return source->mirrors ? 0 : mirrors_open(source->client, &source->ref, "pull", &source->mirrors, err);
}

/* ---- The manifest ---- */

struct manifest_question {
	const struct reference *ref;
	const struct digest *want;
	struct http_answer *answer;
};

static int ask_manifest(void *context, struct session *session, struct error **err)
{
	const struct manifest_question *question = context;

	http_answer_done(question->answer);
	return docker_get_manifest(session, question->ref, question->want, question->answer, err);
}

static int source_manifest(void *state, const struct digest *want, struct buf *text, char **media_type,
			   struct error **err)
{
	struct docker_source *source = state;
	cleanup(http_answer_done) struct http_answer answer = {0};
	cleanup_free char *name = reference_format(&source->ref);
	struct manifest_question question = {&source->ref, want, &answer};
	int rc = source_ready(source, err);

	if (rc == 0)
		rc = mirrors_ask(source->mirrors, ask_manifest, &question, err);
	if (rc < 0)
		return error_prefix(err, "manifest of %s", name);
	buf_append(text, buf_str(&answer.body), answer.body.len);
	if (media_type)
		*media_type = docker_answer_media_type(&answer);
	return 0;
}

/* ---- Blobs ---- */

struct blob_question {
	struct registry_client *client;
	const struct descriptor *const *blobs;
	size_t count;
	struct store *store;
};

/* Those that an earlier place has given are in the store by now, and are not asked for again. */
static int ask_blobs(void *context, struct session *session, struct error **err)
{
	const struct blob_question *question = context;

	return fetch_blobs(question->client, session, question->blobs, question->count, question->store, err);
}

static int source_fetch(void *state, const struct descriptor *const *blobs, size_t count, struct store *store,
			struct error **err)
{
	struct docker_source *source = state;
	struct blob_question question = {source->client, blobs, count, store};
	int rc = source_ready(source, err);

	return rc < 0 ? rc : mirrors_ask(source->mirrors, ask_blobs, &question, err);
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

	mirrors_close(source->mirrors);
	reference_done(&source->ref);
	free(source);
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
	*source = image_source_new(&ops, state);
	return 0;
}
