/* Any bytes as a trust policy: no crash, an error for what is refused, and rules for every image when it is not. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "registry/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const struct trust_policy *policy, const char *place)
{
	cleanup(location_done) struct location location = {0};
	cleanup_free char *scope = NULL;

	if (location_parse(place, &location, NULL) < 0)
		abort();
	const struct policy_rules *rules = trust_policy_find(policy, &location, &scope);
	assert(rules && rules->count > 0 && scope);
	for (size_t i = 0; i < rules->count; i++) {
		const struct policy_requirement *item = &rules->items[i];
		cleanup_free char *why = NULL;
		/* No unsupported requirement may look like one that can be met. */
		assert((item->kind == POLICY_UNSUPPORTED) == (item->unsupported != NULL));
		if (item->kind == POLICY_SIGNED_BY_GPG || item->kind == POLICY_SIGNED_BY_SIGSTORE) {
			assert((item->key_paths.count > 0) != (item->key_data.count > 0));
			policy_identity_accepts(&item->identity, &location.ref, "q.io/a/b:1", &why);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(trust_policy_free) struct trust_policy *policy = NULL;
	cleanup_error struct error *err = NULL;

	if (trust_policy_parse((const char *)data, size, "policy.json", &policy, &err) < 0) {
		assert(err && !policy);
		return 0;
	}
	ask(policy, "docker://q.io/a/b:1");
	ask(policy, "docker://localhost:5000/x");
	ask(policy, "dir:/var/lib/x");
	ask(policy, "oci:/srv/layout:v1");
	return 0;
}
