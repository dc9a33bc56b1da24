/*
 * Bundles as referrers of a manifest: fetching and attaching them.
 */
#include "registry/sign_bundle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "registry/manage.h"

#define EMPTY_TYPE "application/vnd.oci.empty.v1+json"

/* ---- fetching ---- */

static void repository_at(const struct reference *ref, const struct digest *digest, struct reference *place)
{
	place->domain = mem_strdup(ref->domain);
	place->path = mem_strdup(ref->path);
	if (digest)
		place->digest = *digest;
}

static int fetch_one(struct registry_client *client, enum registry_side side, const struct reference *subject,
		     const struct descriptor *entry, struct signature_list *list, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	cleanup(manifest_done) struct manifest m = {0};
	char name[DIGEST_TEXT_SIZE];
	enum manifest_kind kind;
	int rc = registry_get_manifest(client, side, subject, &entry->digest, &text, /* media_type */ NULL, err);

	digest_format(&entry->digest, name);
	if (rc == 0)
		rc = manifest_kind(buf_str(&text), text.len, entry->media_type, &kind, err);
	if (rc < 0 || kind != MANIFEST_IMAGE)
		return rc;
	rc = manifest_parse(buf_str(&text), text.len, name, &m, err);
	if (rc < 0 || !m.subject || !digest_equal(&m.subject->digest, &subject->digest))
		return rc; /* listed here, but about something else */
	for (size_t i = 0; i < m.layer_count && rc == 0; i++) {
		if (strcmp(m.layers[i].media_type, BUNDLE_TYPE) != 0)
			continue;
		if (m.layers[i].size > signature_list_room(list))
			break;
		struct signature *added = signature_list_add(list, SIGNATURE_BUNDLE, name);
		rc = registry_get_blob(client, subject, &m.layers[i], SIGNATURE_SIZE_MAX, &added->bytes, err);
	}
	return rc;
}

static int fetch_from(struct registry_client *client, enum registry_side side, const struct reference *ref,
		      const struct digest *manifest, struct signature_list *list, struct error **err)
{
	cleanup(image_index_done) struct image_index index = {0};
	cleanup(reference_done) struct reference subject = {0};

	repository_at(ref, manifest, &subject);
	int rc = registry_referrers(client, side, &subject, BUNDLE_TYPE, &index, err);
	/* Who lists them may list any number, with nothing behind them. */
	size_t count = index.manifest_count < SIGNATURES_MAX ? index.manifest_count : SIGNATURES_MAX;
	for (size_t i = 0; i < count && rc == 0 && signature_list_room(list) > 0; i++)
		rc = fetch_one(client, side, &subject, &index.manifests[i], list, err);
	return rc < 0 ? error_prefix(err, "what refers to the manifest") : 0;
}

int sign_bundle_fetch(struct registry_client *client, const struct reference *ref, const struct digest *manifest,
		      struct signature_list *list, struct error **err)
{
	return fetch_from(client, REGISTRY_AND_MIRRORS, ref, manifest, list, err);
}

/* ---- attaching ---- */

/* Whether the key has said the same already. */
static bool is_signed(const struct signature_list *there, const struct signature *signature,
		      const struct public_key *key)
{
	cleanup(claim_done) struct claim wanted = {0};

	if (sign_bundle_verify(signature, key, &wanted, NULL) < 0)
		return false;
	for (size_t i = 0; i < there->count; i++) {
		cleanup(claim_done) struct claim claim = {0};
		if (sign_bundle_verify(&there->items[i], key, &claim, NULL) == 0 &&
		    digest_equal(&claim.digest, &wanted.digest) && claim.name && wanted.name &&
		    strcmp(claim.name, wanted.name) == 0)
			return true;
	}
	return false;
}

static void describe(const struct descriptor *subject, const char *created, struct manifest *m)
{
	char hex[DIGEST_HEX_SIZE];

	m->format = FORMAT_OCI;
	m->artifact_type = mem_strdup(BUNDLE_TYPE);
	m->subject = mem_alloc(sizeof(*m->subject));
	m->subject->media_type = mem_strdup(subject->media_type);
	m->subject->digest = subject->digest;
	m->subject->size = subject->size;
	strlist_env_set(&m->annotations, "dev.sigstore.bundle.content", "dsse-envelope");
	strlist_env_set(&m->annotations, "dev.sigstore.bundle.predicateType", "https://sigstore.dev/cosign/sign/v1");
	strlist_env_set(&m->annotations, "org.opencontainers.image.created", created);
	strlist_sort(&m->annotations);
	m->config.media_type = mem_strdup(EMPTY_TYPE);
	m->config.size = 2;
	m->layers = mem_alloc(sizeof(*m->layers));
	m->layer_count = 1;
	m->layers[0].media_type = mem_strdup(BUNDLE_TYPE);
	cleanup_free char *title = mem_printf("%s-%s.sigstore.json", digest_algorithm_name(subject->digest.algorithm),
					      digest_hex(&subject->digest, hex));
	strlist_env_set(&m->layers[0].annotations, "org.opencontainers.image.title", title);
}

int sign_bundle_push(struct registry_client *client, const struct reference *ref, const struct descriptor *subject,
		     const struct signature *signature, const struct public_key *key, const char *created,
		     struct error **err)
{
	cleanup(signature_list_done) struct signature_list there = {0};
	cleanup(reference_done) struct reference place = {0};
	cleanup(manifest_done) struct manifest m = {0};
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	int rc = fetch_from(client, REGISTRY_ITSELF, ref, &subject->digest, &there, err);

	if (rc < 0 || is_signed(&there, signature, key))
		return rc;
	repository_at(ref, /* digest */ NULL, &place);
	describe(subject, created, &m);
	rc = registry_put_blob(client, &place, "{}", 2, &m.config.digest, err);
	if (rc == 0)
		rc = registry_put_blob(client, &place, buf_str(&signature->bytes), signature->bytes.len,
				       &m.layers[0].digest, err);
	if (rc < 0)
		return rc;
	m.layers[0].size = signature->bytes.len;
	manifest_format(&m, &text);
	return registry_put_manifest(client, &place, buf_str(&text), text.len, manifest_media_type(&m),
				     /* digest */ NULL, err);
}
