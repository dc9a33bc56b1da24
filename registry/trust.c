/*
 * A source that asks the policy. Each requirement of the rules must be met; one signature that meets it is enough. A
 * signature that does not is no reason to refuse by itself: many may have signed, and we trust only some of them.
 */
#include "registry/trust.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "registry/policy.h"
#include "registry/trust_internal.h"

struct trusted_source {
	struct image_source *inner;
	struct trust_policy *policy;
	const struct policy_rules *rules; /* borrowed from the policy */
	char *scope;
	char *name;		  /* of the location, for messages */
	struct location location; /* a copy */
	struct registry_client *client;
	bool check_indexes;
};

/* ---- the rules ---- */

static int check_requirement(const struct trusted_source *source, const struct policy_requirement *requirement,
			     const struct trust_subject *subject, struct error **err)
{
	switch (requirement->kind) {
	case POLICY_ACCEPT:
		return 0;
	case POLICY_REJECT:
		return error_set(err, EPERM, "rejected");
	case POLICY_UNSUPPORTED:
		return error_set(err, EPERM, "it wants %s, which cooper cannot check", requirement->unsupported);
	case POLICY_SIGNED_BY_GPG:
		return trust_check_gpg(requirement, subject, err);
	case POLICY_SIGNED_BY_SIGSTORE:
		return trust_check_sigstore(requirement, subject, err);
	}
	return error_set(err, EPERM, "an unknown requirement");
}

static int check_rules(const struct trusted_source *source, const struct trust_subject *subject, struct error **err)
{
	for (size_t i = 0; i < source->rules->count; i++) {
		int rc = check_requirement(source, &source->rules->items[i], subject, err);
		if (rc < 0)
			return error_prefix(err, "%s: the trust policy for '%s' does not accept the image",
					    source->name, source->scope);
	}
	return 0;
}

static int check_manifest(struct trusted_source *source, const struct buf *text, size_t from, const struct digest *want,
			  const char *media_type, struct error **err)
{
	enum manifest_kind kind;
	struct trust_subject subject = {
		.manifest = buf_str(text) + from,
		.size = text->len - from,
		.location = &source->location,
		.client = source->client,
	};
	int rc = manifest_kind(subject.manifest, subject.size, media_type, &kind, err);

	if (rc < 0)
		return rc;
	if (kind == MANIFEST_INDEX && !source->check_indexes)
		return 0; /* what is chosen from it comes through here as well */
	rc = digest_of(subject.manifest, subject.size, &subject.digest, err);
	if (rc < 0)
		return rc;
	subject.is_instance = want != NULL;
	return check_rules(source, &subject, err);
}

/* ---- the source ---- */

static int trusted_manifest(void *state, const struct digest *want, struct buf *text, char **media_type,
			    struct error **err)
{
	struct trusted_source *source = state;
	cleanup_free char *type = NULL;
	size_t before = text->len;
	int rc = image_source_manifest(source->inner, want, text, &type, err);

	if (rc >= 0)
		rc = check_manifest(source, text, before, want, type, err);
	if (rc < 0) {
		if (text->data) {
			text->len = before;
			text->data[before] = '\0';
		}
		return rc;
	}
	if (media_type)
		*media_type = take_ptr(&type);
	return rc;
}

static int trusted_fetch(void *state, const struct descriptor *const *blobs, size_t count, struct store *store,
			 struct error **err)
{
	struct trusted_source *source = state;

	return image_source_fetch(source->inner, blobs, count, store, err);
}

static char *trusted_name(void *state)
{
	struct trusted_source *source = state;

	return image_source_name(source->inner);
}

static void free_state(struct trusted_source *source)
{
	trust_policy_free(source->policy);
	location_done(&source->location);
	free(source->scope);
	free(source->name);
	free(source);
}
CLEANUP_FOR(struct trusted_source, free_state)

static void trusted_close(void *state)
{
	struct trusted_source *source = state;

	image_source_close(source->inner);
	free_state(source);
}

/* ---- the door ---- */

static bool accepts_everything(const struct policy_rules *rules)
{
	for (size_t i = 0; i < rules->count; i++)
		if (rules->items[i].kind != POLICY_ACCEPT)
			return false;
	return true;
}

/* What no signature could change is told before anything is asked. */
static int check_hopeless(const struct trusted_source *source, struct error **err)
{
	for (size_t i = 0; i < source->rules->count; i++) {
		enum policy_kind kind = source->rules->items[i].kind;
		const struct trust_subject none = {0};
		if (kind != POLICY_REJECT && kind != POLICY_UNSUPPORTED)
			continue;
		check_requirement(source, &source->rules->items[i], &none, err);
		return error_prefix(err, "%s: the trust policy for '%s' does not accept the image", source->name,
				    source->scope);
	}
	return 0;
}

static void copy_location(struct location *to, const struct location *from)
{
	to->transport = from->transport;
	to->path = mem_strdup(from->path);
	to->name = mem_strdup(from->name);
	reference_copy(&to->ref, &from->ref);
}

int trust_source(const struct trust_options *options, struct image_source **source, struct error **err)
{
	static const struct image_source_ops ops = {
		.manifest = trusted_manifest, .fetch = trusted_fetch, .name = trusted_name, .close = trusted_close};
	cleanup(trust_policy_free) struct trust_policy *policy = NULL;
	cleanup(free_state) struct trusted_source *state = mem_alloc(sizeof(*state));

	int rc = trust_policy_load(&policy, err);
	if (rc < 0 || !policy) /* no policy at all: everything goes */
		return rc;
	copy_location(&state->location, options->location);
	state->name = location_format(options->location);
	state->rules = trust_policy_find(policy, options->location, &state->scope);
	state->policy = take_ptr(&policy);
	state->client = options->client;
	state->check_indexes = options->check_indexes;
	if (accepts_everything(state->rules))
		return 0;
	log_debug("%s: the trust policy for '%s' decides", state->name, state->scope);
	rc = check_hopeless(state, err);
	if (rc < 0)
		return rc;
	state->inner = *source;
	*source = image_source_new(&ops, take_ptr(&state));
	return 0;
}
