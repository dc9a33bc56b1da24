/*
 * From one place to another, kind by kind.
 */
#include "registry/sign_carry.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/parse.h"
#include "registry/manage.h"
#include "registry/sign_bundle.h"
#include "registry/sign_cosign.h"
#include "registry/sign_places.h"

#define NOTATION_TYPE "application/vnd.cncf.notary.signature"

void carried_signatures_done(struct carried_signatures *carried)
{
	signature_list_done(&carried->list);
	image_index_done(&carried->artifacts);
}

bool signatures_have_place(enum transport transport)
{
	return transport == TRANSPORT_DOCKER || transport == TRANSPORT_DIR;
}

/* ---- finding ---- */

static void repository_of(const struct reference *ref, const struct digest *manifest, struct reference *place)
{
	place->domain = mem_strdup(ref->domain);
	place->path = mem_strdup(ref->path);
	if (manifest)
		place->digest = *manifest;
}

static bool is_signature_type(const char *type)
{
	return type && (strcmp(type, BUNDLE_TYPE) == 0 || strcmp(type, NOTATION_TYPE) == 0);
}

static int find_artifacts(const struct signature_origin *from, const struct digest *manifest, struct image_index *found,
			  struct error **err)
{
	cleanup(image_index_done) struct image_index index = {0};
	cleanup(reference_done) struct reference subject = {0};

	repository_of(&from->location->ref, manifest, &subject);
	int rc =
		registry_referrers(from->client, REGISTRY_AND_MIRRORS, &subject, /* artifact_type */ NULL, &index, err);
	for (size_t i = 0; rc == 0 && i < index.manifest_count && found->manifest_count < SIGNATURES_MAX; i++)
		if (is_signature_type(index.manifests[i].artifact_type))
			image_index_append(found, &index.manifests[i]);
	return rc;
}

static int find_in_registry(const struct signature_origin *from, const struct digest *manifest,
			    struct carried_signatures *carried, struct error **err)
{
	cleanup(sign_places_done) struct sign_places places = {0};
	const struct reference *ref = &from->location->ref;
	int rc = sign_places_find(ref, &places, err);

	if (rc == 0)
		rc = lookaside_fetch(from->client, places.read, manifest, &carried->list, err);
	if (rc < 0 || places.attachments == ATTACHMENTS_NO)
		return rc;
	rc = cosign_fetch(from->client, ref, manifest, &carried->list, err);
	return rc < 0 ? rc : find_artifacts(from, manifest, &carried->artifacts, err);
}

int signatures_find(const struct signature_origin *from, const struct digest *manifest,
		    struct carried_signatures *carried, struct error **err)
{
	cleanup_error struct error *why = NULL;
	bool is_top = digest_equal(manifest, &from->top);
	int rc = 0;

	if (from->location->transport == TRANSPORT_DIR)
		rc = sign_dir_fetch(from->location->path, is_top ? NULL : manifest, &carried->list, &why);
	else if (from->location->transport == TRANSPORT_DOCKER)
		rc = find_in_registry(from, manifest, carried, &why);
	/* Who may pull need not be allowed to list. */
	if (rc == -EACCES) {
		log_warn("signatures at the source cannot be looked for, copying without: %s", error_message(why));
		return 0;
	}
	if (rc == 0)
		return 0;
	error_set(err, -rc, "%s", error_message(why));
	return error_hint(err, "--remove-signatures copies without them");
}

/* ---- putting ---- */

static bool has_file(const struct signature_list *there, const struct signature *signature)
{
	for (size_t i = 0; i < there->count; i++) {
		const struct buf *bytes = &there->items[i].bytes;
		if (there->items[i].format == signature->format && bytes->len == signature->bytes.len &&
		    memcmp(buf_str(bytes), buf_str(&signature->bytes), bytes->len) == 0)
			return true;
	}
	return false;
}

static int put_in_lookaside(const char *base, const struct digest *manifest, const struct signature *signature,
			    struct error **err)
{
	cleanup(signature_list_done) struct signature_list there = {0};
	int rc = 0;

	if (text_has_prefix(base, "file:///"))
		rc = lookaside_fetch(/* client */ NULL, base, manifest, &there, err);
	return rc < 0 || has_file(&there, signature) ? rc : lookaside_store(base, manifest, signature, err);
}

static int put_signature(const struct signature *signature, const struct digest *manifest, bool top,
			 const struct signature_target *to, struct error **err)
{
	if (to->transport == TRANSPORT_DIR)
		return sign_dir_store(to->directory, top ? NULL : manifest, signature, err);
	if (signature->format == SIGNATURE_GPG)
		return put_in_lookaside(to->lookaside, manifest, signature, err);
	return cosign_push(to->client, to->ref, manifest, signature, /* key */ NULL, err);
}

static int copy_blob(const struct signature_origin *from, const struct reference *here, const struct descriptor *blob,
		     const struct signature_target *to, const struct reference *there, struct error **err)
{
	cleanup(buf_done) struct buf bytes = BUF_INIT(SIGNATURE_SIZE_MAX);
	struct digest digest;
	int rc = registry_get_blob(from->client, here, blob, SIGNATURE_SIZE_MAX, &bytes, err);

	return rc < 0 ? rc : registry_put_blob(to->client, there, buf_str(&bytes), bytes.len, &digest, err);
}

/* As it is, bit for bit: its subject has the same digest there. */
static int put_artifact(const struct signature_origin *from, const struct descriptor *artifact,
			const struct signature_target *to, struct error **err)
{
	cleanup(reference_done) struct reference here = {0}, there = {0};
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	cleanup(manifest_done) struct manifest m = {0};
	cleanup_free char *media_type = NULL;
	char name[DIGEST_TEXT_SIZE];

	repository_of(&from->location->ref, /* manifest */ NULL, &here);
	repository_of(to->ref, /* manifest */ NULL, &there);
	int rc = registry_get_manifest(from->client, REGISTRY_AND_MIRRORS, &here, &artifact->digest, &text, &media_type,
				       err);
	if (rc == 0)
		rc = manifest_parse(buf_str(&text), text.len, digest_format(&artifact->digest, name), &m, err);
	if (rc == 0)
		rc = copy_blob(from, &here, &m.config, to, &there, err);
	if (rc == 0 && m.layer_count > SIGNATURES_MAX)
		rc = error_set(err, E2BIG, "%s has %zu blobs, more than %d", name, m.layer_count, SIGNATURES_MAX);
	for (size_t i = 0; rc == 0 && i < m.layer_count; i++)
		rc = copy_blob(from, &here, &m.layers[i], to, &there, err);
	there.digest = artifact->digest;
	return rc < 0 ? rc
		      : registry_put_manifest(to->client, &there, buf_str(&text), text.len, manifest_media_type(&m),
					      /* digest */ NULL, err);
}

static bool is_same_repository(const struct signature_origin *from, const struct signature_target *to)
{
	const struct reference *ref = &from->location->ref;

	return to->transport == TRANSPORT_DOCKER && from->location->transport == TRANSPORT_DOCKER &&
	       strcmp(ref->domain, to->ref->domain) == 0 && strcmp(ref->path, to->ref->path) == 0;
}

int signatures_put(const struct signature_origin *from, const struct carried_signatures *carried,
		   const struct digest *manifest, bool top, const struct signature_target *to, struct error **err)
{
	size_t artifacts = carried->artifacts.manifest_count;
	int rc = 0;

	if (is_same_repository(from, to))
		return 0; /* a further tag: they are there */
	for (size_t i = 0; rc == 0 && i < carried->list.count; i++)
		rc = put_signature(&carried->list.items[i], manifest, top, to, err);
	if (to->transport == TRANSPORT_DIR) {
		if (rc == 0 && artifacts > 0)
			log_warn("a directory has no place for sigstore bundles, leaving %zu out", artifacts);
		artifacts = 0;
	}
	for (size_t i = 0; rc == 0 && i < artifacts; i++)
		rc = put_artifact(from, &carried->artifacts.manifests[i], to, err);
	if (rc == 0)
		return 0;
	error_prefix(err, "its signatures could not be copied");
	return error_hint(err, "--remove-signatures copies without them");
}
