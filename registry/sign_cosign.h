/*
 * cosign's first format ("legacy"): a claim as a layer of a small image under the tag <algorithm>-<hex>.sig, its
 * signature in the layer's annotation (github.com/sigstore/cosign, specs/SIGNATURE_SPEC.md). podman, skopeo, buildah
 * and most admission controllers read this one.
 */
#ifndef COOPER_REGISTRY_SIGN_COSIGN_H
#define COOPER_REGISTRY_SIGN_COSIGN_H

#include "imagefmt/reference.h"
#include "registry/client.h"
#include "registry/keys.h"
#include "registry/signature.h"

#define COSIGN_PAYLOAD_TYPE "application/vnd.dev.cosign.simplesigning.v1+json"
#define COSIGN_ANNOTATION "dev.cosignproject.cosign/signature"

/* Signs a claim. */
int cosign_sign(const struct signing_key *key, const struct claim *claim, struct signature *signature,
		struct error **err);
/* Whether the key made it. */
MUST_CHECK bool cosign_verifies(const struct signature *signature, const struct public_key *key);

/* Appends the signatures of a manifest in the repository that `ref` names to the list; none is success. */
int cosign_fetch(struct registry_client *client, const struct reference *ref, const struct digest *manifest,
		 struct signature_list *list, struct error **err);
/* Adds one to those of a manifest, in one PUT; nothing is done when the same claim is already signed by `key`
 * (NULL: when this very signature is there). */
int cosign_push(struct registry_client *client, const struct reference *ref, const struct digest *manifest,
		const struct signature *signature, const struct public_key *key, struct error **err);

#endif
