/*
 * The list of rules between whoever writes it (seccomp_default.c, seccomp_profile.c) and seccomp_compile.c.
 */
#include "run/seccomp_policy.h"

#include <stdlib.h>

void seccomp_policy_done(struct seccomp_policy *policy)
{
	strlist_done(&policy->arches);
	strlist_done(&policy->known);
	for (size_t i = 0; i < policy->rule_count; i++)
		free(policy->rules[i].name);
	free(policy->rules);
	*policy = (struct seccomp_policy){0};
}

struct seccomp_rule *seccomp_policy_add(struct seccomp_policy *policy, const char *name, uint32_t action)
{
	if (policy->rule_count == policy->rule_cap) {
		policy->rule_cap = policy->rule_cap ? policy->rule_cap * 2 : 64;
		policy->rules = mem_grow(policy->rules, policy->rule_cap, sizeof(*policy->rules));
	}
	struct seccomp_rule *rule = &policy->rules[policy->rule_count++];
	*rule = (struct seccomp_rule){.name = mem_strdup(name), .action = action};
	return rule;
}
