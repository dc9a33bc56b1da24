/*
 * The one place where the trust policy meets images. Whoever opens a source of images passes it through here before its
 * first use; from then on the source gives out no manifest of an image that the policy does not accept, whoever asks
 * and for whatever purpose. Blobs need no check of their own: the manifest that was verified names them by digest.
 *
 *	rc = registry_source_open(client, ref, &source, err);
 *	if (rc == 0)
 *		rc = trust_source(&trust, &source, err);
 *
 * Which signatures there are is only looked up when the policy asks for them. A policy that accepts everything costs
 * reading one small file.
 */
#ifndef COOPER_REGISTRY_TRUST_H
#define COOPER_REGISTRY_TRUST_H

#include "imagefmt/reference.h"
#include "imagefmt/transport.h"
#include "registry/client.h"

struct trust_options {
	const struct location *location; /* as the user named the image: what scopes and identities are compared with */
	/* For docker: to look for signatures with, outlives the source. NULL for the transports that are files. */
	struct registry_client *client;
	bool check_indexes; /* also indexes themselves must be signed, for who copies them whole */
};

/* Replaces *source by one that gives out only what the policy accepts, or leaves it as it is when that is everything.
 * -EPERM, before anything is asked, when the policy refuses the location altogether; the refusals later have the same
 * code. -EINVAL for a policy that cannot be read. On failure the source stays the caller's, unchanged. */
int trust_source(const struct trust_options *options, struct image_source **source, struct error **err);

#endif
