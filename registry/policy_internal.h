/*
 * A policy in memory: policy_parse.c makes it, policy.c searches it.
 */
#ifndef COOPER_REGISTRY_POLICY_INTERNAL_H
#define COOPER_REGISTRY_POLICY_INTERNAL_H

#include "registry/policy.h"

struct policy_scope {
	char *transport;
	char *scope; /* "" for the whole transport */
	struct policy_rules rules;
};

struct trust_policy {
	struct policy_rules fallback;
	struct policy_scope *scopes;
	size_t scope_count;
};

#endif
