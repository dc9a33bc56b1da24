/*
 * One manifest before the policy: what trust.c asks trust_check.c.
 */
#ifndef COOPER_REGISTRY_TRUST_INTERNAL_H
#define COOPER_REGISTRY_TRUST_INTERNAL_H

#include "imagefmt/reference.h"
#include "registry/client.h"
#include "registry/policy.h"

struct trust_subject {
	const char *manifest;
	size_t size;
	struct digest digest; /* sha256 of it */
	bool is_instance;     /* it was asked for by digest, as a child of an index */
	const struct location *location;
	struct registry_client *client;
};

/* Whether a signature that meets the requirement exists: 0, or -EPERM with the reasons of those that do not. Other
 * codes: it could not be found out. */
int trust_check_gpg(const struct policy_requirement *requirement, const struct trust_subject *subject,
		    struct error **err);
int trust_check_sigstore(const struct policy_requirement *requirement, const struct trust_subject *subject,
			 struct error **err);

#endif
