/*
 * Signatures against one requirement. The order is always the same: who made it, then what it says. Nothing that a
 * signature says is read before it is known to be by a trusted key.
 */
#include "registry/trust_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/parse.h"
#include "registry/keys.h"
#include "registry/sign_bundle.h"
#include "registry/sign_cosign.h"
#include "registry/sign_gpg.h"
#include "registry/sign_places.h"

#define KEYRING_SIZE_MAX ((size_t)8 << 20)
#define REASONS_MAX 5 /* of refused signatures in one message */

/* ---- what a trusted signature says ---- */

/* The reason, newly allocated, why a claim is not about this image; NULL when it is. */
static char *judge_claim(const struct policy_requirement *requirement, const struct trust_subject *subject,
			 const struct claim *claim)
{
	const struct reference *ref = subject->location->transport == TRANSPORT_DOCKER ? &subject->location->ref : NULL;
	struct digest own;
	char *why = NULL;
	char text[DIGEST_TEXT_SIZE];

	if (digest_of_as(claim->digest.algorithm, subject->manifest, subject->size, &own, NULL) < 0)
		return mem_strdup("its digest cannot be compared");
	if (!digest_equal(&own, &claim->digest))
		return mem_printf("it is for the manifest %s", digest_format(&claim->digest, text));
	if (!policy_identity_accepts(&requirement->identity, ref, claim->name, &why))
		return why;
	return NULL;
}

/* ---- collecting reasons ---- */

struct refusals {
	struct strlist reasons;
	size_t count;
};

static void refuse(struct refusals *refusals, const struct signature *signature, const char *why)
{
	if (refusals->count++ < REASONS_MAX)
		strlist_printf(&refusals->reasons, "signature %s: %s", signature->where, why);
}

static int no_signature(struct refusals *refusals, struct error **err)
{
	if (refusals->count == 0)
		return error_set(err, EPERM, "it must be signed, and has no signature");
	if (refusals->count > REASONS_MAX)
		strlist_printf(&refusals->reasons, "and %zu more", refusals->count - REASONS_MAX);
	cleanup_free char *all = strlist_join(&refusals->reasons, "; ");
	return error_set(err, EPERM, "%s", all);
}

/* ---- GPG ---- */

static int add_key_file(struct gpg_keyring *keyring, const char *path, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(KEYRING_SIZE_MAX);
	int rc = fd_read_user_file(path, &text, err);

	return rc < 0 ? error_prefix(err, "keyPath") : gpg_keyring_add(keyring, buf_str(&text), text.len, path, err);
}

static int fill_keyring(const struct policy_requirement *requirement, struct gpg_keyring *keyring, struct error **err)
{
	int rc = 0;

	for (size_t i = 0; i < requirement->key_paths.count && rc == 0; i++)
		rc = add_key_file(keyring, requirement->key_paths.items[i], err);
	for (size_t i = 0; i < requirement->key_data.count && rc == 0; i++) {
		cleanup_free void *data = NULL;
		size_t size = 0;
		rc = parse_base64(requirement->key_data.items[i], "keyData", &data, &size, err);
		if (rc == 0)
			rc = gpg_keyring_add(keyring, data, size, "keyData", err);
	}
	return rc;
}

/* Signatures that lie in files: of OpenPGP, and in dir: also cosign's. */
static int collect_files(const struct trust_subject *subject, struct signature_list *list, struct error **err)
{
	cleanup(sign_places_done) struct sign_places places = {0};

	if (subject->location->transport == TRANSPORT_DIR)
		return sign_dir_fetch(subject->location->path, subject->is_instance ? &subject->digest : NULL, list,
				      err);
	if (subject->location->transport != TRANSPORT_DOCKER)
		return 0; /* layouts and archives have no place for them */
	int rc = sign_places_find(&subject->location->ref, &places, err);
	return rc < 0 ? rc : lookaside_fetch(subject->client, places.read, &subject->digest, list, err);
}

static int check_one_gpg(const struct policy_requirement *requirement, const struct trust_subject *subject,
			 struct gpg_keyring *keyring, const struct signature *signature, struct refusals *refusals,
			 struct error **err)
{
	cleanup(buf_done) struct buf content = BUF_INIT(SIGNATURE_SIZE_MAX);
	cleanup(claim_done) struct claim claim = {0};
	cleanup_error struct error *why = NULL;
	int rc = gpg_keyring_verify(keyring, &signature->bytes, &content, &why);

	if (rc == 0)
		rc = claim_parse(SIGNATURE_GPG, buf_str(&content), content.len, "what it says", &claim, &why);
	if (rc < 0 && rc != -EKEYREJECTED && rc != -EINVAL)
		return error_set(err, -rc, "%s", error_message(why)); /* gpg is missing: no verdict at all */
	if (rc < 0) {
		refuse(refusals, signature, error_message(why));
		return -EKEYREJECTED;
	}
	cleanup_free char *reason = judge_claim(requirement, subject, &claim);
	if (reason)
		refuse(refusals, signature, reason);
	return reason ? -EKEYREJECTED : 0;
}

int trust_check_gpg(const struct policy_requirement *requirement, const struct trust_subject *subject,
		    struct error **err)
{
	cleanup(gpg_keyring_free) struct gpg_keyring *keyring = NULL;
	cleanup(signature_list_done) struct signature_list list = {0};
	struct refusals refusals = {0};

	int rc = collect_files(subject, &list, err);
	if (rc == 0)
		rc = gpg_keyring_new(&keyring, err);
	if (rc == 0)
		rc = fill_keyring(requirement, keyring, err);
	if (rc < 0)
		return rc;
	rc = -EKEYREJECTED;
	for (size_t i = 0; i < list.count && rc == -EKEYREJECTED; i++)
		if (list.items[i].format == SIGNATURE_GPG)
			rc = check_one_gpg(requirement, subject, keyring, &list.items[i], &refusals, err);
	if (rc == -EKEYREJECTED)
		rc = no_signature(&refusals, err);
	strlist_done(&refusals.reasons);
	return rc;
}

/* ---- sigstore ---- */

struct public_keys {
	struct public_key **items;
	size_t count;
};

static void public_keys_done(struct public_keys *keys)
{
	for (size_t i = 0; i < keys->count; i++)
		public_key_free(keys->items[i]);
	free(keys->items);
}
CLEANUP_FOR_VALUE(struct public_keys, public_keys_done)

static struct public_key **next_key(struct public_keys *keys)
{
	keys->items = mem_grow(keys->items, keys->count + 1, sizeof(struct public_key *));
	keys->items[keys->count] = NULL;
	return &keys->items[keys->count++];
}

static int load_keys(const struct policy_requirement *requirement, struct public_keys *keys, struct error **err)
{
	int rc = 0;

	for (size_t i = 0; i < requirement->key_paths.count && rc == 0; i++)
		rc = public_key_load(requirement->key_paths.items[i], next_key(keys), err);
	for (size_t i = 0; i < requirement->key_data.count && rc == 0; i++) {
		cleanup_free void *data = NULL;
		size_t size = 0;
		rc = parse_base64(requirement->key_data.items[i], "keyData", &data, &size, err);
		if (rc == 0)
			rc = public_key_parse(data, size, "keyData", next_key(keys), err);
	}
	return rc;
}

/* Where sigstore's signatures may lie, in the order in which they are looked for: one request each, and the second
 * place is only asked when the first has none that is good. */
enum attachment_place { ATTACHED_LEGACY, ATTACHED_BUNDLES, ATTACHMENT_PLACES };

static int check_attachments_use(const struct trust_subject *subject, struct error **err)
{
	cleanup(sign_places_done) struct sign_places places = {0};
	int rc = sign_places_find(&subject->location->ref, &places, err);

	if (rc == 0 && places.attachments == ATTACHMENTS_NO)
		return error_set(err, EPERM,
				 "it must be signed, and registries.d says 'use-sigstore-attachments: false' for it");
	return rc;
}

static int collect_attachments(const struct trust_subject *subject, enum attachment_place place,
			       struct signature_list *list, struct error **err)
{
	const struct reference *ref = &subject->location->ref;

	if (subject->location->transport != TRANSPORT_DOCKER)
		return place == ATTACHED_LEGACY ? collect_files(subject, list, err) : 0;
	if (place == ATTACHED_BUNDLES)
		return sign_bundle_fetch(subject->client, ref, &subject->digest, list, err);
	return cosign_fetch(subject->client, ref, &subject->digest, list, err);
}

/* The claim of a signature by this key; -EKEYREJECTED or -EINVAL when it is not by this key, or makes none. */
static int read_claim(const struct signature *signature, const struct public_key *key, struct claim *claim,
		      struct error **err)
{
	if (signature->format == SIGNATURE_BUNDLE)
		return sign_bundle_verify(signature, key, claim, err);
	if (!cosign_verifies(signature, key))
		return error_set(err, EKEYREJECTED, "it was not made by a key that the policy trusts");
	return claim_parse(SIGNATURE_COSIGN, buf_str(&signature->bytes), signature->bytes.len, "what it says", claim,
			   err);
}

static bool check_one_sigstore(const struct policy_requirement *requirement, const struct trust_subject *subject,
			       const struct public_keys *keys, const struct signature *signature,
			       struct refusals *refusals)
{
	cleanup_free char *reason = NULL;

	for (size_t i = 0; i < keys->count; i++) {
		cleanup(claim_done) struct claim claim = {0};
		cleanup_error struct error *why = NULL;
		int rc = read_claim(signature, keys->items[i], &claim, &why);
		free(reason);
		reason = rc < 0 ? mem_strdup(error_message(why)) : judge_claim(requirement, subject, &claim);
		if (!reason)
			return true;
		if (rc == 0)
			break; /* this is the key; no other will make it say something else */
	}
	refuse(refusals, signature, reason);
	return false;
}

static int check_place(const struct policy_requirement *requirement, const struct trust_subject *subject,
		       const struct public_keys *keys, enum attachment_place place, struct refusals *refusals,
		       bool *good, struct error **err)
{
	cleanup(signature_list_done) struct signature_list list = {0};
	int rc = collect_attachments(subject, place, &list, err);

	for (size_t i = 0; i < list.count && rc == 0 && !*good; i++)
		if (list.items[i].format != SIGNATURE_GPG)
			*good = check_one_sigstore(requirement, subject, keys, &list.items[i], refusals);
	return rc;
}

int trust_check_sigstore(const struct policy_requirement *requirement, const struct trust_subject *subject,
			 struct error **err)
{
	cleanup(public_keys_done) struct public_keys keys = {0};
	struct refusals refusals = {0};
	cleanup_error struct error *failure = NULL; /* of the first place that could not be looked at */
	int failed = 0;
	bool good = false;

	int rc = load_keys(requirement, &keys, err);
	if (rc == 0 && subject->location->transport == TRANSPORT_DOCKER)
		rc = check_attachments_use(subject, err);
	for (int place = 0; place < ATTACHMENT_PLACES && rc == 0 && !good; place++) {
		struct error *error = NULL;
		int one = check_place(requirement, subject, &keys, place, &refusals, &good, &error);
		if (one < 0 && failed == 0) {
			failed = one;
			failure = take_ptr(&error);
		}
		error_free(error);
	}
	/* Not to know whether there is a signature is no consent; but one good signature is enough. */
	if (rc == 0 && !good && failed < 0) {
		rc = failed;
		if (err)
			*err = take_ptr(&failure);
	}
	if (rc == 0 && !good)
		rc = no_signature(&refusals, err);
	strlist_done(&refusals.reasons);
	return rc;
}
