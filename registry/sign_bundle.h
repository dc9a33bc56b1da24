/*
 * sigstore's bundle v0.3 (github.com/sigstore/protobuf-specs, sigstore_bundle.proto), as cosign 3 attaches it to
 * images: an artifact that refers to the manifest, one blob of JSON with a DSSE envelope around an in-toto statement.
 * With a key pair there is no certificate and no log entry. The statement's subject also carries the image's name,
 * which cosign leaves out and ignores: without it a policy could not tell for which name an image was signed.
 */
#ifndef COOPER_REGISTRY_SIGN_BUNDLE_H
#define COOPER_REGISTRY_SIGN_BUNDLE_H

#include "imagefmt/manifest.h"
#include "imagefmt/reference.h"
#include "registry/client.h"
#include "registry/keys.h"
#include "registry/signature.h"

#define BUNDLE_TYPE "application/vnd.dev.sigstore.bundle.v0.3+json"

/* Signs a claim: the JSON is in signature->bytes. */
int sign_bundle_make(const struct signing_key *key, const struct claim *claim, struct signature *signature,
		     struct error **err);
/* Reads a bundle, and fills the claim when the key made its one signature. -EINVAL for what is no bundle of an image's
 * signature, -EKEYREJECTED for another key's. */
int sign_bundle_verify(const struct signature *signature, const struct public_key *key, struct claim *claim,
		       struct error **err);

/* Appends the bundles that refer to a manifest in the repository that `ref` names; none is success. */
int sign_bundle_fetch(struct registry_client *client, const struct reference *ref, const struct digest *manifest,
		      struct signature_list *list, struct error **err);
/* `subject` is the manifest's descriptor; `created` RFC 3339. Nothing is done when `key` has signed it for the same
 * name already. */
int sign_bundle_push(struct registry_client *client, const struct reference *ref, const struct descriptor *subject,
		     const struct signature *signature, const struct public_key *key, const char *created,
		     struct error **err);

#endif
