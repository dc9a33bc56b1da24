/*
 * The sink that signs, and that takes along the signatures which an image has. In a registry the image comes first, by
 * its digest alone; then its signatures; its tag last, so that nobody who asks for the name gets it unsigned. When
 * signing fails the image is there without a name, and the error says so.
 */
#include "registry/sign_image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "registry/sign_bundle.h"
#include "registry/sign_cosign.h"
#include "registry/sign_gpg.h"
#include "registry/sign_places.h"
#include "registry/signature.h"

/* What has gone through, to be signed at the end. */
struct signed_manifest {
	struct descriptor descriptor;
	bool top;
	struct carried_signatures carried;
};

struct signing_state {
	struct image_sink *inner;
	const struct signing *signing; /* NULL: only what comes along */
	struct signature_origin from;  /* location NULL: nothing comes along */
	struct buf top;		       /* the manifest of the name, until the commit */
	char *top_type;
	struct registry_client *client;
	enum transport transport;
	struct reference ref; /* of docker: */
	char *directory;      /* of dir: */
	char *identity;
	struct sign_places places;
	struct public_key *public_key; /* with a sigstore key */
	struct signed_manifest *manifests;
	size_t count;
};

/* ---- one manifest ---- */

/* One format, made by `sign`, stored by the caller. */
static void claim_for(const struct signing_state *state, const struct signed_manifest *manifest, struct claim *claim)
{
	claim->name = mem_strdup(state->identity);
	claim->digest = manifest->descriptor.digest;
}

/* The signature as a file of the directory, or of the lookaside. */
static int store_file(const struct signing_state *state, const struct signed_manifest *manifest,
		      const struct signature *signature, struct error **err)
{
	const struct digest *digest = &manifest->descriptor.digest;

	if (state->transport == TRANSPORT_DIR)
		return sign_dir_store(state->directory, manifest->top ? NULL : digest, signature, err);
	return lookaside_store(state->places.write, digest, signature, err);
}

static int sign_by_gpg(const struct signing_state *state, const struct signed_manifest *manifest, struct error **err)
{
	cleanup(signature_list_done) struct signature_list list = {0};
	cleanup(claim_done) struct claim claim = {0};
	cleanup(buf_done) struct buf text = BUF_INIT(SIGNATURE_SIZE_MAX);
	struct signature *signature = signature_list_add(&list, SIGNATURE_GPG, "new");

	claim_for(state, manifest, &claim);
	claim_format(SIGNATURE_GPG, &claim, &text);
	int rc = gpg_sign(state->signing->gpg_key, state->signing->gpg_passphrase, buf_str(&text), text.len,
			  &signature->bytes, err);
	return rc < 0 ? rc : store_file(state, manifest, signature, err);
}

static int sign_by_cosign(const struct signing_state *state, const struct signed_manifest *manifest, struct error **err)
{
	cleanup(signature_list_done) struct signature_list list = {0};
	cleanup(claim_done) struct claim claim = {0};
	struct signature *signature = signature_list_add(&list, SIGNATURE_COSIGN, "new");

	claim_for(state, manifest, &claim);
	int rc = cosign_sign(state->signing->key, &claim, signature, err);
	if (rc < 0)
		return rc;
	if (state->transport == TRANSPORT_DIR)
		return store_file(state, manifest, signature, err);
	return cosign_push(state->client, &state->ref, &claim.digest, signature, state->public_key, err);
}

static int sign_by_bundle(const struct signing_state *state, const struct signed_manifest *manifest, struct error **err)
{
	cleanup(signature_list_done) struct signature_list list = {0};
	cleanup(claim_done) struct claim claim = {0};
	cleanup_free char *created = format_time(state->signing->now, 0);
	struct signature *signature = signature_list_add(&list, SIGNATURE_BUNDLE, "new");

	claim_for(state, manifest, &claim);
	int rc = sign_bundle_make(state->signing->key, &claim, signature, err);
	return rc < 0 ? rc
		      : sign_bundle_push(state->client, &state->ref, &manifest->descriptor, signature,
					 state->public_key, created, err);
}

static int sign_manifest(const struct signing_state *state, const struct signed_manifest *manifest, struct error **err)
{
	const struct signing *signing = state->signing;
	int rc = 0;

	if (signing->gpg_key)
		rc = sign_by_gpg(state, manifest, err);
	if (rc == 0 && signing->key && (signing->formats & SIGNING_LEGACY))
		rc = sign_by_cosign(state, manifest, err);
	if (rc == 0 && signing->key && (signing->formats & SIGNING_BUNDLE))
		rc = sign_by_bundle(state, manifest, err);
	return rc;
}

/* ---- the sink ---- */

static int signing_send(void *data, const struct descriptor *const *blobs, size_t count, struct store *store,
			struct error **err)
{
	struct signing_state *state = data;

	return image_sink_send(state->inner, blobs, count, store, err);
}

static int signing_send_feed(void *data, const struct descriptor *const *blobs, size_t count, struct blob_feed *feed,
			     struct store *store, struct error **err)
{
	struct signing_state *state = data;

	return image_sink_send_feed(state->inner, blobs, count, feed, store, err);
}

static bool signing_takes_feed(const void *data)
{
	const struct signing_state *state = data;

	return image_sink_takes_feed(state->inner);
}

static int signing_has(void *data, const struct descriptor *const *blobs, size_t count, const struct reference *from,
		       bool *has, struct error **err)
{
	struct signing_state *state = data;

	return image_sink_has(state->inner, blobs, count, from, has, err);
}

static void signed_manifest_done(struct signed_manifest *manifest)
{
	descriptor_done(&manifest->descriptor);
	carried_signatures_done(&manifest->carried);
}

/* A top that is sent again, in another format, stands for the one that was not taken. */
static void forget_top(struct signing_state *state)
{
	buf_clear(&state->top);
	if (state->count > 0 && state->manifests[state->count - 1].top)
		signed_manifest_done(&state->manifests[--state->count]);
}

static int signing_manifest(void *data, const void *text, size_t size, const char *media_type, bool top,
			    struct error **err)
{
	struct signing_state *state = data;
	struct digest digest;
	int rc = image_sink_manifest(state->inner, text, size, media_type, top, err);

	if (rc >= 0)
		rc = digest_of(text, size, &digest, err);
	if (rc < 0)
		return rc;
	if (top) {
		forget_top(state);
		buf_append(&state->top, text, size);
		mem_replace(&state->top_type, media_type);
	}
	state->manifests = mem_grow(state->manifests, state->count + 1, sizeof(*state->manifests));
	state->manifests[state->count++] = (struct signed_manifest){
		.descriptor = {.media_type = mem_strdup(media_type), .digest = digest, .size = size}, .top = top};
	return 0;
}

static int find_carried(struct signing_state *state, size_t *count, struct error **err)
{
	int rc = 0;

	for (size_t i = 0; state->from.location && rc == 0 && i < state->count; i++) {
		struct signed_manifest *manifest = &state->manifests[i];
		rc = signatures_find(&state->from, &manifest->descriptor.digest, &manifest->carried, err);
		*count += carried_signatures_count(&manifest->carried);
	}
	return rc;
}

static int put_carried(const struct signing_state *state, struct error **err)
{
	const struct signature_target to = {
		.transport = state->transport,
		.ref = &state->ref,
		.directory = state->directory,
		.lookaside = state->places.write,
		.client = state->client,
	};
	int rc = 0;

	for (size_t i = 0; i < state->count && rc == 0; i++) {
		const struct signed_manifest *manifest = &state->manifests[i];
		rc = signatures_put(&state->from, &manifest->carried, &manifest->descriptor.digest, manifest->top, &to,
				    err);
	}
	return rc;
}

static int sign_all(const struct signing_state *state, struct error **err)
{
	int rc = 0;

	for (size_t i = 0; state->signing && i < state->count && rc == 0; i++)
		rc = sign_manifest(state, &state->manifests[i], err);
	return rc < 0 ? error_prefix(err, "the image cannot be signed") : 0;
}

static int add_signatures(const struct signing_state *state, size_t carried, struct error **err)
{
	int rc = carried ? put_carried(state, err) : 0;

	return rc < 0 ? rc : sign_all(state, err);
}

static int signing_commit(void *data, struct error **err)
{
	struct signing_state *state = data;
	bool has_top = state->top.len > 0;
	size_t carried = 0;
	int rc = find_carried(state, &carried, err);

	if (rc < 0)
		return rc;
	if (!state->signing && carried == 0)
		return image_sink_commit(state->inner, err);
	/* A directory has no names that come later: its signatures are files beside the manifest. */
	if (state->transport == TRANSPORT_DIR) {
		rc = image_sink_commit(state->inner, err);
		return rc < 0 ? rc : add_signatures(state, carried, err);
	}
	if (has_top)
		rc = image_sink_manifest(state->inner, buf_str(&state->top), state->top.len, state->top_type,
					 /* top */ false, err);
	if (rc < 0)
		return rc;
	rc = add_signatures(state, carried, err);
	if (rc < 0)
		return has_top ? error_prefix(err, "the image has arrived, but gets no name") : rc;
	return image_sink_commit(state->inner, err);
}

static void free_state(struct signing_state *state)
{
	for (size_t i = 0; i < state->count; i++)
		signed_manifest_done(&state->manifests[i]);
	free(state->manifests);
	buf_done(&state->top);
	free(state->top_type);
	reference_done(&state->ref);
	free(state->directory);
	free(state->identity);
	sign_places_done(&state->places);
	public_key_free(state->public_key);
	free(state);
}
CLEANUP_FOR(struct signing_state, free_state)

static void signing_close(void *data)
{
	struct signing_state *state = data;

	image_sink_close(state->inner);
	free_state(state);
}

/* ---- the door ---- */

static int check_identity(const char *text, struct error **err)
{
	cleanup(reference_done) struct reference ref = {0};
	int rc = reference_parse(text, &ref, err);

	if (rc < 0)
		return error_prefix(err, "--sign-identity");
	if (!ref.domain)
		return error_set(err, EINVAL, "--sign-identity '%s': not a full name with a registry", text);
	if (!ref.tag && digest_is_null(&ref.digest))
		return error_set(err, EINVAL, "--sign-identity '%s': neither tag nor digest", text);
	return 0;
}

/* Policies compare names: a signature without one would be accepted nowhere. */
static int choose_identity(const struct signing *signing, const struct location *location, char **identity,
			   struct error **err)
{
	cleanup(reference_done) struct reference ref = {0};

	if (signing->identity) {
		int rc = check_identity(signing->identity, err);
		if (rc == 0)
			*identity = mem_strdup(signing->identity);
		return rc;
	}
	if (location->transport != TRANSPORT_DOCKER)
		return error_set(err, EINVAL,
				 "a signature names an image, and a directory has no such name; use --sign-identity");
	reference_copy(&ref, &location->ref);
	reference_add_default_tag(&ref);
	*identity = reference_format(&ref);
	return 0;
}

static int check_place(const struct signing *signing, const struct location *location, struct error **err)
{
	if (location->transport == TRANSPORT_DOCKER)
		return 0;
	if (location->transport != TRANSPORT_DIR) {
		cleanup_free char *name = location_format(location);
		return error_set(err, ENOTSUP, "%s: there is no place for signatures in it", name);
	}
	if (signing->key && !(signing->formats & SIGNING_LEGACY))
		return error_set(err, ENOTSUP,
				 "a directory has no place for sigstore bundles; use --sign-format legacy");
	return 0;
}

static int find_places(struct signing_state *state, struct error **err)
{
	int rc = sign_places_find(&state->ref, &state->places, err);

	if (rc == 0 && state->signing && state->signing->key && state->places.attachments == ATTACHMENTS_NO)
		return error_set(err, EINVAL,
				 "registries.d says 'use-sigstore-attachments: false' for this repository");
	return rc;
}

/* What only who signs must know. */
static int prepare_signing(struct signing_state *state, const struct location *location, struct error **err)
{
	const struct signing *signing = state->signing;
	int rc = signing ? check_place(signing, location, err) : 0;

	if (rc == 0 && signing)
		rc = choose_identity(signing, location, &state->identity, err);
	if (rc == 0 && signing && signing->key)
		rc = signing_key_public(signing->key, &state->public_key, err);
	return rc;
}

static bool can_carry(const struct signature_origin *from, enum transport to)
{
	return from && from->location && signatures_have_place(from->location->transport) && signatures_have_place(to);
}

int signing_sink_from(const struct signing *signing, const struct signature_origin *from,
		      const struct location *location, struct registry_client *client, struct image_sink **sink,
		      struct error **err)
{
	static const struct image_sink_ops ops = {.send = signing_send,
						  .send_feed = signing_send_feed,
						  .takes_feed = signing_takes_feed,
						  .has = signing_has,
						  .manifest = signing_manifest,
						  .commit = signing_commit,
						  .close = signing_close};
	cleanup(free_state) struct signing_state *state = NULL;
	bool signs = signing && (signing->gpg_key || signing->key);

	if (!signs && !can_carry(from, location->transport))
		return 0;
	state = mem_alloc(sizeof(*state));
	state->signing = signs ? signing : NULL;
	if (can_carry(from, location->transport))
		state->from = *from;
	state->client = client;
	state->transport = location->transport;
	state->directory = mem_strdup(location->path);
	buf_init(&state->top, MANIFEST_SIZE_MAX);
	reference_copy(&state->ref, &location->ref);
	int rc = prepare_signing(state, location, err);
	if (rc == 0 && location->transport == TRANSPORT_DOCKER)
		rc = find_places(state, err);
	if (rc < 0)
		return rc;
	state->inner = *sink;
	*sink = image_sink_new(&ops, take_ptr(&state));
	return 0;
}

int signing_sink(const struct signing *signing, const struct location *location, struct registry_client *client,
		 struct image_sink **sink, struct error **err)
{
	return signing_sink_from(signing, /* from */ NULL, location, client, sink, err);
}

int signing_refuse_store(struct error **err)
{
	error_set(err, ENOTSUP, "an image in the store has no signatures");
	return error_hint(err, "sign it when it is pushed");
}
