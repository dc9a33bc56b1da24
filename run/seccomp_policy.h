/*
 * What a filter is to do, before it becomes a program: the common form of cooper's own list and of a user's profile.
 * Actions are the kernel's SECCOMP_RET_ values with their data; libseccomp uses the same numbers.
 *
 * A rule is what libseccomp knows: a call, possibly with conditions on its arguments that must all hold, and an action;
 * what no rule names gets the default. A gate is what libseccomp cannot express and a list of allowed calls needs: it
 * refuses a call for some values of one 32-bit argument and leaves all others to the rules. Gates are tried first.
 */
#ifndef COOPER_RUN_SECCOMP_POLICY_H
#define COOPER_RUN_SECCOMP_POLICY_H

#include "base/buf.h"
#include "base/error.h"
#include "base/strlist.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECCOMP_ARGS 6

/* In the order of libseccomp's enum scmp_compare, which starts at 1. */
enum seccomp_compare {
	SECCOMP_NE = 1,
	SECCOMP_LT,
	SECCOMP_LE,
	SECCOMP_EQ,
	SECCOMP_GE,
	SECCOMP_GT,
	SECCOMP_MASKED_EQ /* (argument & value) == masked */
};

struct seccomp_condition {
	unsigned arg; /* 0..5 */
	enum seccomp_compare compare;
	uint64_t value;
	uint64_t masked;
};

struct seccomp_rule {
	char *name;
	uint32_t action;
	struct seccomp_condition conditions[SECCOMP_ARGS]; /* at most one for each argument */
	unsigned condition_count;
};

enum seccomp_gate_kind {
	SECCOMP_GATE_ANY_BIT, /* refused when a bit of values[0] is set */
	SECCOMP_GATE_LISTED,  /* refused when it is one of the values */
	SECCOMP_GATE_UNLISTED /* refused when it is none of them */
};

#define SECCOMP_GATE_VALUES 12

struct seccomp_gate {
	const char *name; /* of the call */
	unsigned arg;
	enum seccomp_gate_kind kind;
	uint32_t action;
	uint32_t values[SECCOMP_GATE_VALUES];
	unsigned value_count;
};

struct seccomp_policy {
	uint32_t default_action;
	struct strlist arches; /* libseccomp's names of those served besides our own, e.g. "x86" */
	struct seccomp_rule *rules;
	size_t rule_count;
	size_t rule_cap;
	const struct seccomp_gate *gates[8]; /* static tables, borrowed */
	size_t gate_count;
	/* A call with a number above all of these gets ENOSYS whatever the default: it is newer than the author of the
	 * list, and programs fall back on ENOSYS but not on EPERM. Empty = no such bound. */
	struct strlist known;
	/* No rule has conditions, what socketcall and ipc stand for is named beside them, each call has one gate at
	 * most, and there is no bound: seccomp_table.h will do. */
	bool is_table;
};

/* Whom the filter is for: what a list of rules may depend on. */
struct seccomp_subject {
	uint64_t capabilities; /* of the step */
	bool allow_nested_userns;
	unsigned kernel_major, kernel_minor;
};

void seccomp_policy_done(struct seccomp_policy *policy);
CLEANUP_FOR_VALUE(struct seccomp_policy, seccomp_policy_done)
/* A new rule without conditions; valid until the next one is added. */
struct seccomp_rule *seccomp_policy_add(struct seccomp_policy *policy, const char *name, uint32_t action);

/* cooper's own list. */
void seccomp_default_policy(const struct seccomp_subject *subject, struct seccomp_policy *policy);
/* Everything that seccomp_default_policy() is made from, as text: a program is made again when it changes. */
void seccomp_default_describe(struct buf *into);

/* The names that profiles use for what we run on ("amd64"), and libseccomp's names of the second architectures that
 * this kernel executes too ({"x86", "x32"}), ended by NULL. */
extern const char *const seccomp_native_go_arch;
extern const char *const seccomp_native_arch;
extern const char *const seccomp_compat_arches[];

/* Appends the program, struct sock_filter[], and what library made it (see seccomp_cache.h). Architectures that the
 * policy does not serve get ENOSYS. -EINVAL names a contradiction in the rules, -E2BIG when the kernel would not take
 * a program of that length, -ENOENT when libseccomp is not installed. */
int seccomp_compile(const struct seccomp_policy *policy, struct buf *program, struct buf *maker, struct error **err);

/* Appends the policy as "linux.seccomp" of an OCI config.json (runtime-spec config-linux.md, "Seccomp"), but for
 * `known`, which that form cannot say. */
void seccomp_policy_format(const struct seccomp_policy *policy, struct buf *json);

#endif
