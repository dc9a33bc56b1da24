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
#include "registry/elsewhere.h"
#include "registry/upload.h"

struct docker_sink {
	struct registry_client *client;
	struct reference ref;
	enum tag_rule rule;
	bool has_looked;     /* with TAG_STAYS: what `there` says is known */
	struct digest there; /* what the tag stands for; null: nothing */
	struct session *session;
	struct buf top; /* the manifest of the name, until the commit */
	char *top_media_type;
	bool has_top;
};

/* A layer that is not ours to give away, unless we are told that it is; its descriptor says where it is to be had. */
static bool stays_elsewhere(const struct docker_sink *sink, const struct descriptor *blob)
{
	return !sink->client->sends_foreign && elsewhere_has_its_place(blob);
}

/* `kept` has room for all. */
static size_t leave_out_foreign(const struct docker_sink *sink, const struct descriptor *const *blobs, size_t count,
				const struct descriptor **kept)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		if (!stays_elsewhere(sink, blobs[i]))
			kept[n++] = blobs[i];
	return n;
}

/* ---- Tags that stay ---- */

/* Once, and before anything else: where the tag is there, nothing will have to be sent, whatever it stands for. */
static int look_at_tag(struct docker_sink *sink, struct error **err)
{
	const struct reference by_tag = {.domain = sink->ref.domain, .path = sink->ref.path, .tag = sink->ref.tag};
	cleanup_free char *name = reference_format(&sink->ref);
	cleanup_error struct error *error = NULL;
	struct digest there = {0};

	if (sink->rule != TAG_STAYS || sink->has_looked)
		return 0;
	int rc = docker_resolve(sink->session, &by_tag, &there, &error);
	if (rc < 0 && rc != -ENOENT)
		return error_set(err, -rc, "%s: whether it is there cannot be told: %s", name, error_message(error));
	sink->has_looked = true;
	if (rc == 0)
		sink->there = there;
	return 0;
}

static bool is_taken(const struct docker_sink *sink)
{
	return !digest_is_null(&sink->there);
}

/* 0 when the tag stands for what we have. */
static int compare_with_tag(const struct docker_sink *sink, struct error **err)
{
	struct digest have = {0};
	char ours[DIGEST_TEXT_SIZE];
	char theirs[DIGEST_TEXT_SIZE];
	int rc = digest_of_as(sink->there.algorithm, buf_str(&sink->top), sink->top.len, &have, err);

	if (rc < 0 || digest_equal(&have, &sink->there))
		return rc;
	return error_set(err, EEXIST, "it exists, as %s, and stays so (--if-absent); what was to be pushed is %s",
			 digest_format(&sink->there, theirs), digest_format(&have, ours));
}

/* What is being made is made all the same: only its digest tells whether it is the tag's. */
static int wait_for_feed(struct blob_feed *feed, struct error **err)
{
	int rc = 0;

	while (rc == 0 && feed->fd >= 0)
		rc = feed->take(feed, err);
	return rc;
}

/* ---- Blobs ---- */

static int sink_send_feed(void *state, const struct descriptor *const *blobs, size_t count, struct blob_feed *feed,
			  struct store *store, struct error **err)
{
	struct docker_sink *sink = state;
	cleanup_free const struct descriptor **kept = mem_alloc(count * sizeof(*kept));
	int rc = look_at_tag(sink, err);

	if (rc < 0)
		return rc;
	if (is_taken(sink))
		return feed ? wait_for_feed(feed, err) : 0;
	size_t n = leave_out_foreign(sink, blobs, count, kept);
	return upload_blobs(sink->client, sink->session, kept, n, feed, store, err);
}

static int sink_send(void *state, const struct descriptor *const *blobs, size_t count, struct store *store,
		     struct error **err)
{
	return sink_send_feed(state, blobs, count, /* feed */ NULL, store, err);
}

/* From itself a repository can mount nothing. */
static int sink_has(void *state, const struct descriptor *const *blobs, size_t count, const struct reference *from,
		    bool *has, struct error **err)
{
	struct docker_sink *sink = state;
	bool same_registry = from && from->domain && strcmp(from->domain, sink->ref.domain) == 0 &&
			     strcmp(from->path, sink->ref.path) != 0;

	int rc = look_at_tag(sink, err);
	if (rc == 0 && !is_taken(sink))
		rc = upload_look(sink->client, sink->session, blobs, count, same_registry ? from->path : NULL, has,
				 err);
	for (size_t i = 0; rc >= 0 && i < count; i++)
		has[i] = is_taken(sink) || has[i] || stays_elsewhere(sink, blobs[i]); /* what need not be sent */
	return rc;
}

static int sink_manifest(void *state, const void *text, size_t size, const char *media_type, bool top,
			 struct error **err)
{
	struct docker_sink *sink = state;

	if (size > MANIFEST_SIZE_MAX)
		return error_set(err, EFBIG, "a manifest of %zu bytes is larger than registries take (%zu)", size,
				 MANIFEST_SIZE_MAX);
	struct docker_document document = {text, size, media_type};
	int rc = look_at_tag(sink, err);
	if (rc < 0 || (!top && is_taken(sink)))
		return rc;
	if (!top)
		return docker_put_manifest(sink->session, /* tag */ NULL, &document, /* digest */ NULL, err);
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
	struct docker_document document = {buf_str(&sink->top), sink->top.len, sink->top_media_type,
					   .only_new = sink->rule == TAG_STAYS};
	int rc = check_digest(sink, err);
	if (rc == 0 && is_taken(sink))
		rc = compare_with_tag(sink, err);
	if (rc == 0 && is_taken(sink)) {
		client_tell(sink->client, "%s exists already, with this digest", name);
		return 0;
	}
	if (rc == 0)
		rc = docker_put_manifest(sink->session, by_digest ? NULL : docker_tag(&sink->ref), &document,
					 /* digest */ NULL, err);
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

int registry_sink_open(struct registry_client *client, const struct reference *ref, enum tag_rule rule,
		       struct image_sink **sink, struct error **err)
{
	static const struct image_sink_ops ops = {.send = sink_send,
						  .send_feed = sink_send_feed,
						  .has = sink_has,
						  .manifest = sink_manifest,
						  .commit = sink_commit,
						  .close = sink_close};
	cleanup(session_free) struct session *session = NULL;
	int rc = docker_check_reference(ref, err);

	if (rc == 0 && rule == TAG_STAYS && !ref->tag && !digest_is_null(&ref->digest)) {
		cleanup_free char *name = reference_format(ref);
		rc = error_set(err, EINVAL, "--if-absent: '%s' has no tag", name);
	}
	if (rc == 0)
		rc = session_open(client, ref, "pull,push", &session, err);
	if (rc < 0)
		return rc;
	struct docker_sink *state = mem_alloc(sizeof(*state));
	state->client = client;
	reference_copy(&state->ref, ref);
	state->rule = rule;
	state->session = take_ptr(&session);
	buf_init(&state->top, MANIFEST_SIZE_MAX);
	*sink = image_sink_new(&ops, state);
	return 0;
}
