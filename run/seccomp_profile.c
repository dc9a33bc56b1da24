/*
 * Docker's profile format to rules. What a rule depends on (capabilities, architecture, kernel) is decided here, so the
 * policy that leaves is for one subject. Unknown words are errors and not skipped: a rule that is silently not applied
 * is the opposite of what a profile is for.
 */
#include "run/seccomp_profile.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/log.h"
#include "base/parse.h"
#include "run/capability.h"

#define ERRNO_MAX 4095 /* the kernel's MAX_ERRNO: larger ones are cut */

/* ---- Words ---- */

struct word {
	const char *name;
	uint32_t value;
};

static const struct word actions[] = {
	{"SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD},
	{"SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD},
	{"SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS},
	{"SCMP_ACT_TRAP", SECCOMP_RET_TRAP},
	{"SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO},
	{"SCMP_ACT_LOG", SECCOMP_RET_LOG},
	{"SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW},
	{"SCMP_ACT_TRACE", SECCOMP_RET_TRACE},
	{"SCMP_ACT_NOTIFY", SECCOMP_RET_USER_NOTIF},
};

static const struct word operators[] = {
	{"SCMP_CMP_NE", SECCOMP_NE},
	{"SCMP_CMP_LT", SECCOMP_LT},
	{"SCMP_CMP_LE", SECCOMP_LE},
	{"SCMP_CMP_EQ", SECCOMP_EQ},
	{"SCMP_CMP_GE", SECCOMP_GE},
	{"SCMP_CMP_GT", SECCOMP_GT},
	{"SCMP_CMP_MASKED_EQ", SECCOMP_MASKED_EQ},
};

/* libseccomp's names, in capitals and behind SCMP_ARCH_. */
static const char *const arch_names[] = {
	"X86",	  "X86_64",    "X32",	  "ARM",      "AARCH64",     "LOONGARCH64", "M68K",	"MIPS",
	"MIPS64", "MIPS64N32", "MIPSEL",  "MIPSEL64", "MIPSEL64N32", "PARISC",	    "PARISC64", "PPC",
	"PPC64",  "PPC64LE",   "RISCV64", "S390",     "S390X",	     "SH",	    "SHEB",
};

static int find_word(const struct word *words, size_t count, const struct json_place *at, const char *what,
		     uint32_t *value, struct error **err)
{
	cleanup_free char *text = NULL;
	int rc = json_require(at, err);
	if (rc == 0)
		rc = json_get_string(*at, &text, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(words[i].name, text) == 0) {
			*value = words[i].value;
			return 0;
		}
	}
	return json_error(at, err, "unknown %s '%s'", what, text);
}

/* "EPERM", as Podman's profiles say beside the number. */
static int errno_by_name(const char *name)
{
	for (int code = 1; code < 256; code++) {
		const char *known = strerrorname_np(code);
		if (known && strcmp(known, name) == 0)
			return code;
	}
	return -1;
}

/* The name wins over the number where both are given, as in Podman. */
static int read_errno(const struct json_place *number, const struct json_place *name, uint32_t *code,
		      struct error **err)
{
	cleanup_free char *text = NULL;
	uint64_t value = EPERM;
	int rc = json_get_u64(*number, &value, err);
	if (rc == 0)
		rc = json_get_string(*name, &text, err);
	if (rc < 0)
		return rc;
	if (value > ERRNO_MAX)
		return json_error(number, err, "not an error number (0..%d)", ERRNO_MAX);
	if (text && *text) {
		int named = errno_by_name(text);
		if (named < 0)
			return json_error(name, err, "unknown error name '%s'", text);
		value = (uint64_t)named;
	}
	*code = (uint32_t)value;
	return 0;
}

/* An action with its data. */
static int read_action(const struct json_place *at, const struct json_place *number, const struct json_place *name,
		       uint32_t *action, struct error **err)
{
	uint32_t value = 0, code = 0;
	int rc = find_word(actions, ARRAY_COUNT(actions), at, "action", &value, err);
	if (rc == 0)
		rc = read_errno(number, name, &code, err);
	if (rc < 0)
		return rc;
	if (value == SECCOMP_RET_TRACE || value == SECCOMP_RET_USER_NOTIF)
		return json_error(at, err,
				  "'%s' is not supported: nobody would answer the system call (use SCMP_ACT_ERRNO)",
				  value == SECCOMP_RET_TRACE ? "SCMP_ACT_TRACE" : "SCMP_ACT_NOTIFY");
	*action = value == SECCOMP_RET_ERRNO ? value | code : value;
	return 0;
}

static ssize_t count_items(const struct json_place *list, struct error **err)
{
	if (json_is_present(list) && !json_is_array(list->value))
		return json_error(list, err, "not an array");
	return json_get_count(*list, err);
}

/* ---- Architectures ---- */

/* "SCMP_ARCH_X86_64" to "x86_64". */
static int read_arch(const struct json_place *at, char **arch, struct error **err)
{
	static const char prefix[] = "SCMP_ARCH_";
	cleanup_free char *text = NULL;
	int rc = json_require(at, err);
	if (rc == 0)
		rc = json_get_string(*at, &text, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; text_has_prefix(text, prefix) && i < ARRAY_COUNT(arch_names); i++) {
		if (strcmp(text + strlen(prefix), arch_names[i]) != 0)
			continue;
		char *name = mem_strdup(arch_names[i]);
		for (char *c = name; *c; c++)
			if (*c >= 'A' && *c <= 'Z')
				*c = (char)(*c - 'A' + 'a');
		free(*arch);
		*arch = name;
		return 0;
	}
	return json_error(at, err, "unknown architecture '%s'", text);
}

static int read_arch_list(struct json_place list, bool use, struct seccomp_policy *policy, struct error **err)
{
	ssize_t count = count_items(&list, err);
	for (ssize_t i = 0; i < count; i++) {
		cleanup_free char *arch = NULL;
		struct json_place at = json_element(&list, (size_t)i);
		int rc = read_arch(&at, &arch, err);
		if (rc < 0)
			return rc;
		if (use && !strlist_contains(&policy->arches, arch))
			strlist_append(&policy->arches, arch);
	}
	return count < 0 ? (int)count : 0;
}

/* archMap names those that come with ours; an OCI config's list is taken as it stands. */
static int read_arches(const struct json_place *profile, struct seccomp_policy *policy, struct error **err)
{
	struct json_place list = json_field(profile, "architectures"), map = json_field(profile, "archMap");
	ssize_t count = count_items(&map, err);
	if (count < 0)
		return (int)count;
	if (count > 0 && json_get_count(list, /* err */ NULL) > 0)
		return json_error(&list, err, "both 'architectures' and 'archMap' are given (use one)");
	for (ssize_t i = 0; i < count; i++) {
		cleanup_free char *arch = NULL;
		struct json_place entry = json_element(&map, (size_t)i);
		struct json_place name = json_field(&entry, "architecture");
		int rc = read_arch(&name, &arch, err);
		if (rc < 0)
			return rc;
		rc = read_arch_list(json_field(&entry, "subArchitectures"), strcmp(arch, seccomp_native_arch) == 0,
				    policy, err);
		if (rc < 0)
			return rc;
	}
	return read_arch_list(list, /* use */ true, policy, err);
}

/* ---- Whom a rule is for ---- */

struct filter {
	struct strlist caps;
	struct strlist arches;
	bool has_kernel;
	bool kernel_is_reached;
};

static void filter_done(struct filter *filter)
{
	strlist_done(&filter->caps);
	strlist_done(&filter->arches);
}
CLEANUP_FOR_VALUE(struct filter, filter_done)

/* "4.8" */
static int read_kernel(const struct json_place *at, const struct seccomp_subject *subject, struct filter *filter,
		       struct error **err)
{
	cleanup_free char *text = NULL;
	int rc = json_get_string(*at, &text, err);
	if (rc < 0 || !text || !*text)
		return rc;
	cleanup(strlist_done) struct strlist parts = {0};
	uint64_t major = 0, minor = 0;
	strlist_split(&parts, text, '.');
	if (parts.count != 2 || parse_u64(parts.items[0], UINT16_MAX, "minKernel", &major, /* err */ NULL) < 0 ||
	    parse_u64(parts.items[1], UINT16_MAX, "minKernel", &minor, /* err */ NULL) < 0)
		return json_error(at, err, "'%s' is not a kernel version (use MAJOR.MINOR)", text);
	filter->has_kernel = true;
	filter->kernel_is_reached =
		subject->kernel_major > major || (subject->kernel_major == major && subject->kernel_minor >= minor);
	return 0;
}

static int read_filter(struct json_place at, const struct seccomp_subject *subject, struct filter *filter,
		       struct error **err)
{
	if (!json_is_present(&at))
		return 0;
	if (!json_is_object(at.value))
		return json_error(&at, err, "not an object");
	struct json_place kernel = json_field(&at, "minKernel");
	int rc = json_get_strlist(json_field(&at, "caps"), &filter->caps, err);
	if (rc == 0)
		rc = json_get_strlist(json_field(&at, "arches"), &filter->arches, err);
	return rc == 0 ? read_kernel(&kernel, subject, filter, err) : rc;
}

/* A capability that we do not know is one that the step does not have. */
static bool subject_has(const struct seccomp_subject *subject, const char *capability)
{
	int number = capability_number(capability);
	return number >= 0 && (subject->capabilities >> number & 1);
}

static bool is_included(const struct filter *filter, const struct seccomp_subject *subject)
{
	for (size_t i = 0; i < filter->caps.count; i++)
		if (!subject_has(subject, filter->caps.items[i]))
			return false;
	if (filter->arches.count && !strlist_contains(&filter->arches, seccomp_native_go_arch))
		return false;
	return !filter->has_kernel || filter->kernel_is_reached;
}

static bool is_excluded(const struct filter *filter, const struct seccomp_subject *subject)
{
	for (size_t i = 0; i < filter->caps.count; i++)
		if (subject_has(subject, filter->caps.items[i]))
			return true;
	if (strlist_contains(&filter->arches, seccomp_native_go_arch))
		return true;
	return filter->has_kernel && filter->kernel_is_reached;
}

/* ---- Rules ---- */

static int read_condition(const struct json_place *at, struct seccomp_condition *condition, struct error **err)
{
	uint64_t index = 0;
	uint32_t compare = 0;
	struct json_place op = json_field(at, "op"), index_at = json_field(at, "index");
	int rc = json_require(&index_at, err);
	if (rc == 0)
		rc = json_get_u64(index_at, &index, err);
	if (rc == 0)
		rc = json_get_u64(json_field(at, "value"), &condition->value, err);
	if (rc == 0)
		rc = json_get_u64(json_field(at, "valueTwo"), &condition->masked, err);
	if (rc == 0)
		rc = find_word(operators, ARRAY_COUNT(operators), &op, "operator", &compare, err);
	if (rc < 0)
		return rc;
	if (index >= SECCOMP_ARGS)
		return json_error(&index_at, err, "a system call has %d arguments, counted from 0", SECCOMP_ARGS);
	condition->arg = (unsigned)index;
	condition->compare = compare;
	return 0;
}

struct condition_list {
	struct seccomp_condition items[64];
	unsigned count;
	bool repeats; /* an argument stands there twice */
};

static int read_conditions(struct json_place args, struct condition_list *list, struct error **err)
{
	unsigned seen = 0;
	ssize_t count = count_items(&args, err);
	if (count > (ssize_t)ARRAY_COUNT(list->items))
		return json_error(&args, err, "more than %zu conditions", ARRAY_COUNT(list->items));
	for (ssize_t i = 0; i < count; i++) {
		struct json_place at = json_element(&args, (size_t)i);
		struct seccomp_condition *condition = &list->items[list->count];
		int rc = read_condition(&at, condition, err);
		if (rc < 0)
			return rc;
		list->repeats |= seen >> condition->arg & 1;
		seen |= 1U << condition->arg;
		list->count++;
	}
	return count < 0 ? (int)count : 0;
}

/* All conditions of an entry must hold; but where one argument stands there twice, which libseccomp cannot express, any
 * of them, each a rule of its own. That is what runc makes of it, and profiles are written for it. */
static void add_rules(struct seccomp_policy *policy, const char *name, uint32_t action,
		      const struct condition_list *conditions)
{
	if (!conditions->repeats) {
		struct seccomp_rule *rule = seccomp_policy_add(policy, name, action);
		memcpy(rule->conditions, conditions->items, conditions->count * sizeof(conditions->items[0]));
		rule->condition_count = conditions->count;
		return;
	}
	for (unsigned i = 0; i < conditions->count; i++) {
		struct seccomp_rule *rule = seccomp_policy_add(policy, name, action);
		rule->conditions[0] = conditions->items[i];
		rule->condition_count = 1;
	}
}

static int read_names(const struct json_place *entry, struct strlist *names, struct error **err)
{
	cleanup_free char *single = NULL;
	if (!json_is_object(entry->value))
		return json_error(entry, err, "not an object");
	int rc = json_get_strlist(json_field(entry, "names"), names, err);
	if (rc == 0)
		rc = json_get_string(json_field(entry, "name"), &single, err); /* before Docker 1.13 */
	if (rc < 0)
		return rc;
	if (single && *single)
		strlist_append(names, single);
	return names->count ? 0 : json_error(entry, err, "names no system call");
}

static int read_entry(const struct json_place *entry, const struct seccomp_subject *subject,
		      struct seccomp_policy *policy, struct error **err)
{
	cleanup(strlist_done) struct strlist names = {0};
	cleanup(filter_done) struct filter includes = {0}, excludes = {0};
	struct condition_list conditions = {.count = 0};
	uint32_t action = 0;
	struct json_place action_at = json_field(entry, "action"), number = json_field(entry, "errnoRet"),
			  code = json_field(entry, "errno");
	int rc = read_names(entry, &names, err);
	if (rc == 0)
		rc = read_action(&action_at, &number, &code, &action, err);
	if (rc == 0)
		rc = read_conditions(json_field(entry, "args"), &conditions, err);
	if (rc == 0)
		rc = read_filter(json_field(entry, "includes"), subject, &includes, err);
	if (rc == 0)
		rc = read_filter(json_field(entry, "excludes"), subject, &excludes, err);
	if (rc < 0)
		return rc;
	/* Also what does not apply here shows how new the profile is. */
	strlist_append_all(&policy->known, &names);
	if (!is_included(&includes, subject) || is_excluded(&excludes, subject))
		return 0;
	for (size_t i = 0; i < names.count; i++)
		add_rules(policy, names.items[i], action, &conditions);
	return 0;
}

/* ---- The whole ---- */

/* How the filter is loaded is run_step()'s to decide, so a flag can at most be something that changes nothing. */
static int check_flags(struct json_place at, struct error **err)
{
	cleanup(strlist_done) struct strlist flags = {0};
	int rc = json_get_strlist(at, &flags, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < flags.count; i++) {
		const char *flag = flags.items[i];
		if (strcmp(flag, "SECCOMP_FILTER_FLAG_LOG") == 0 || strcmp(flag, "SECCOMP_FILTER_FLAG_SPEC_ALLOW") == 0)
			log_warn("seccomp profile '%s' asks for %s, loading it without that", at.document, flag);
		else if (strcmp(flag, "SECCOMP_FILTER_FLAG_TSYNC") != 0) /* a step starts with one thread */
			return json_error(&at, err, "flag '%s' is not supported", flag);
	}
	return 0;
}

static int check_no_listener(const struct json_place *profile, struct error **err)
{
	static const char *const fields[] = {"listenerPath", "listenerMetadata"};
	for (size_t i = 0; i < ARRAY_COUNT(fields); i++) {
		cleanup_free char *value = NULL;
		struct json_place at = json_field(profile, fields[i]);
		int rc = json_get_string(at, &value, err);
		if (rc < 0)
			return rc;
		if (value && *value)
			return json_error(&at, err, "seccomp listeners are not supported");
	}
	return 0;
}

/* Nothing is refused by a default like these, so nothing needs a bound. */
static bool is_permissive(uint32_t action)
{
	return action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG;
}

static int read_profile(const struct json_place *profile, const struct seccomp_subject *subject,
			struct seccomp_policy *policy, struct error **err)
{
	struct json_place action = json_field(profile, "defaultAction"),
			  number = json_field(profile, "defaultErrnoRet"), code = json_field(profile, "defaultErrno"),
			  calls = json_field(profile, "syscalls");
	int rc = read_action(&action, &number, &code, &policy->default_action, err);
	if (rc == 0)
		rc = read_arches(profile, policy, err);
	if (rc == 0)
		rc = check_flags(json_field(profile, "flags"), err);
	if (rc == 0)
		rc = check_no_listener(profile, err);
	if (rc < 0)
		return rc;
	ssize_t count = count_items(&calls, err);
	for (ssize_t i = 0; i < count; i++) {
		struct json_place entry = json_element(&calls, (size_t)i);
		rc = read_entry(&entry, subject, policy, err);
		if (rc < 0)
			return rc;
	}
	if (is_permissive(policy->default_action) || policy->default_action == (SECCOMP_RET_ERRNO | ENOSYS))
		strlist_clear(&policy->known);
	return count < 0 ? (int)count : 0;
}

int seccomp_profile_parse(const char *text, size_t size, const char *name, const struct seccomp_subject *subject,
			  struct seccomp_policy *policy, struct error **err)
{
	if (size > SECCOMP_PROFILE_SIZE_MAX)
		return error_set(err, EFBIG, "%s: larger than %zu bytes", name, SECCOMP_PROFILE_SIZE_MAX);
	cleanup_json json_t *root = NULL;
	int rc = json_parse(text, size, name, &root, err);
	if (rc < 0)
		return rc;
	struct json_place profile = json_root(name, root);
	if (!json_is_object(root))
		return json_error(&profile, err, "not an object");
	cleanup(seccomp_policy_done) struct seccomp_policy read = {0};
	rc = read_profile(&profile, subject, &read, err);
	if (rc < 0)
		return rc;
	*policy = read;
	read = (struct seccomp_policy){0};
	return 0;
}
