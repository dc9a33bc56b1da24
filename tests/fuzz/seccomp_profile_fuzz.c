/*
 * A user's seccomp profile: any bytes give rules or an error, and rules that libseccomp can be asked for.
 */
#include "run/seccomp_profile.h"

#include <assert.h>
#include <linux/capability.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct seccomp_subject subjects[] = {
		{.capabilities = 0, .kernel_major = 5, .kernel_minor = 11},
		{.capabilities = UINT64_C(1) << CAP_SYS_ADMIN, .kernel_major = 6, .kernel_minor = 1},
	};
	for (size_t i = 0; i < ARRAY_COUNT(subjects); i++) {
		cleanup(seccomp_policy_done) struct seccomp_policy policy = {0};
		cleanup_error struct error *err = NULL;
		int rc = seccomp_profile_parse((const char *)data, size, "fuzz", &subjects[i], &policy, &err);
		assert((rc < 0) == (err != NULL));
		for (size_t r = 0; r < policy.rule_count; r++) {
			const struct seccomp_rule *rule = &policy.rules[r];
			assert(rule->condition_count <= SECCOMP_ARGS);
			for (unsigned c = 0; c < rule->condition_count; c++)
				assert(rule->conditions[c].arg < SECCOMP_ARGS);
		}
	}
	return 0;
}
