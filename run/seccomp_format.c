/*
 * A policy as JSON, for an OCI runtime that compiles it with libseccomp itself.
 *
 * The hard part are gates, which refuse some values of a 32-bit argument and leave all others to the rules: libseccomp
 * wants each condition positive, has one condition for each argument, and compares 64 bits where the kernel looks at 32
 * (CVE-2019-10063). So "any other value" is cut into prefixes: a value is outside of a set if its first n-1 bits are
 * those of a member and the n-th is not, and no member goes on like that. Each prefix is one MASKED_EQ; for a set of k
 * values there are at most 32 k. Together with the values themselves they cover everything once.
 */
#include "run/seccomp_policy.h"

#include <ctype.h>
#include <linux/seccomp.h>
#include <string.h>

#include "base/json.h"

#define BITS 32
#define LOW_HALF UINT64_C(0xffffffff)

static void set_action(json_t *object, const char *key, const char *errno_key, uint32_t action)
{
	static const struct {
		uint32_t action;
		const char *name;
	} names[] = {
		{SECCOMP_RET_KILL_PROCESS, "SCMP_ACT_KILL_PROCESS"},
		{SECCOMP_RET_KILL_THREAD, "SCMP_ACT_KILL"},
		{SECCOMP_RET_TRAP, "SCMP_ACT_TRAP"},
		{SECCOMP_RET_ERRNO, "SCMP_ACT_ERRNO"},
		{SECCOMP_RET_LOG, "SCMP_ACT_LOG"},
		{SECCOMP_RET_ALLOW, "SCMP_ACT_ALLOW"},
	};

	for (size_t i = 0; i < ARRAY_COUNT(names); i++)
		if (names[i].action == (action & SECCOMP_RET_ACTION_FULL))
			json_set_string(object, key, names[i].name);
	if ((action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO)
		json_set_i64(object, errno_key, action & SECCOMP_RET_DATA);
}

static json_t *new_entry(json_t *entries, uint32_t action)
{
	json_t *entry = json_object();

	json_set_take(entry, "names", json_array());
	set_action(entry, "action", "errnoRet", action);
	json_array_append_new(entries, entry);
	return entry;
}

static void add_name(json_t *entry, const char *name)
{
	json_array_append_new(json_object_get(entry, "names"), json_string(name));
}

static json_t *condition_object(const struct seccomp_condition *condition)
{
	static const char *const compares[] = {
		[SECCOMP_NE] = "SCMP_CMP_NE",
		[SECCOMP_LT] = "SCMP_CMP_LT",
		[SECCOMP_LE] = "SCMP_CMP_LE",
		[SECCOMP_EQ] = "SCMP_CMP_EQ",
		[SECCOMP_GE] = "SCMP_CMP_GE",
		[SECCOMP_GT] = "SCMP_CMP_GT",
		[SECCOMP_MASKED_EQ] = "SCMP_CMP_MASKED_EQ",
	};
	json_t *object = json_object();

	json_set_i64(object, "index", condition->arg);
	json_set_i64(object, "value", (int64_t)condition->value);
	json_set_i64(object, "valueTwo", (int64_t)condition->masked);
	json_set_string(object, "op", compares[condition->compare]);
	return object;
}

static void add_conditional(json_t *entries, const char *name, uint32_t action,
			    const struct seccomp_condition *conditions, size_t count)
{
	json_t *entry = new_entry(entries, action);
	json_t *args = json_array();

	add_name(entry, name);
	for (size_t i = 0; i < count; i++)
		json_array_append_new(args, condition_object(&conditions[i]));
	json_set_take(entry, "args", args);
}

/* ---- Gates ---- */

static void add_masked(json_t *entries, const struct seccomp_gate *gate, uint32_t action, uint64_t mask, uint64_t value)
{
	const struct seccomp_condition condition = {
		.arg = gate->arg, .compare = SECCOMP_MASKED_EQ, .value = mask, .masked = value};

	add_conditional(entries, gate->name, action, &condition, 1);
}

/* True when a value of the gate begins with these bits, or when an earlier one than `before` does. */
static bool has_prefix(const struct seccomp_gate *gate, unsigned before, uint32_t mask, uint32_t bits)
{
	for (unsigned i = 0; i < before; i++)
		if ((gate->values[i] & mask) == bits)
			return true;
	return false;
}

static void add_all_others(json_t *entries, const struct seccomp_gate *gate, uint32_t action)
{
	for (unsigned i = 0; i < gate->value_count; i++) {
		for (unsigned bit = 0; bit < BITS; bit++) {
			uint32_t mask = (uint32_t)(LOW_HALF << (BITS - 1 - bit));
			uint32_t bits = (gate->values[i] ^ (1U << (BITS - 1 - bit))) & mask;
			/* Its parent was cut up for an earlier value already, or a value goes on like that. */
			if (has_prefix(gate, i, (uint32_t)((uint64_t)mask << 1), gate->values[i] & (mask << 1)) ||
			    has_prefix(gate, gate->value_count, mask, bits))
				continue;
			add_masked(entries, gate, action, mask, bits);
		}
	}
}

static void add_listed(json_t *entries, const struct seccomp_gate *gate, uint32_t action)
{
	for (unsigned i = 0; i < gate->value_count; i++)
		add_masked(entries, gate, action, LOW_HALF, gate->values[i]);
}

static void add_gate(json_t *entries, const struct seccomp_gate *gate, uint32_t action)
{
	switch (gate->kind) {
	case SECCOMP_GATE_ANY_BIT:
		add_masked(entries, gate, action, gate->values[0], 0);
		for (unsigned bit = 0; bit < BITS; bit++)
			if (gate->values[0] >> bit & 1)
				add_masked(entries, gate, gate->action, UINT64_C(1) << bit, UINT64_C(1) << bit);
		break;
	case SECCOMP_GATE_LISTED:
		add_listed(entries, gate, gate->action);
		add_all_others(entries, gate, action);
		break;
	case SECCOMP_GATE_UNLISTED:
		add_listed(entries, gate, action);
		add_all_others(entries, gate, gate->action);
		break;
	}
}

static const struct seccomp_gate *find_gate(const struct seccomp_policy *policy, const char *name)
{
	for (size_t i = 0; i < policy->gate_count; i++)
		if (strcmp(policy->gates[i]->name, name) == 0)
			return policy->gates[i];
	return NULL;
}

/* ---- The policy ---- */

static void add_architecture(json_t *list, const char *arch)
{
	cleanup_free char *name = mem_printf("SCMP_ARCH_%s", arch);

	for (char *c = name; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	json_array_append_new(list, json_string(name));
}

static json_t *architectures(const struct seccomp_policy *policy)
{
	json_t *list = json_array();

	add_architecture(list, seccomp_native_arch);
	for (size_t i = 0; i < policy->arches.count; i++)
		add_architecture(list, policy->arches.items[i]);
	return list;
}

static json_t *entry_of(json_t *entries, json_t **plain, size_t *count, uint32_t action, uint32_t *actions, size_t max)
{
	for (size_t i = 0; i < *count; i++)
		if (actions[i] == action)
			return plain[i];
	json_t *entry = new_entry(entries, action);
	if (*count < max) {
		plain[*count] = entry;
		actions[(*count)++] = action;
	}
	return entry;
}

#define PLAIN_MAX 8 /* actions of rules without conditions that are put together; more are only longer */

static json_t *rules(const struct seccomp_policy *policy)
{
	json_t *entries = json_array();
	json_t *plain[PLAIN_MAX];
	uint32_t actions[PLAIN_MAX];
	size_t count = 0;

	for (size_t i = 0; i < policy->rule_count; i++) {
		const struct seccomp_rule *rule = &policy->rules[i];
		const struct seccomp_gate *gate = find_gate(policy, rule->name);
		if (rule->action == policy->default_action)
			continue; /* libseccomp refuses it */
		if (rule->condition_count > 0)
			add_conditional(entries, rule->name, rule->action, rule->conditions, rule->condition_count);
		else if (gate && rule->action == SECCOMP_RET_ALLOW)
			add_gate(entries, gate, rule->action);
		else
			add_name(entry_of(entries, plain, &count, rule->action, actions, PLAIN_MAX), rule->name);
	}
	return entries;
}

void seccomp_policy_format(const struct seccomp_policy *policy, struct buf *json)
{
	cleanup_json json_t *root = json_object();

	set_action(root, "defaultAction", "defaultErrnoRet", policy->default_action);
	json_set_take(root, "architectures", architectures(policy));
	json_set_take(root, "syscalls", rules(policy));
	json_format(root, json);
}
