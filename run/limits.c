/*
 * Resource limits: their names, the text of --ulimit, and setting them in the child.
 */
#include "run/limits.h"

#include <errno.h>
#include <string.h>

#include "base/parse.h"

struct limit_entry {
	const char *name;
	int resource;
};

/* The names of Docker's --ulimit (github.com/docker/go-units, ulimit.go). */
static const struct limit_entry entries[] = {
	{"core", RLIMIT_CORE},	       {"cpu", RLIMIT_CPU},
	{"data", RLIMIT_DATA},	       {"fsize", RLIMIT_FSIZE},
	{"locks", RLIMIT_LOCKS},       {"memlock", RLIMIT_MEMLOCK},
	{"msgqueue", RLIMIT_MSGQUEUE}, {"nice", RLIMIT_NICE},
	{"nofile", RLIMIT_NOFILE},     {"nproc", RLIMIT_NPROC},
	{"rss", RLIMIT_RSS},	       {"rtprio", RLIMIT_RTPRIO},
	{"rttime", RLIMIT_RTTIME},     {"sigpending", RLIMIT_SIGPENDING},
	{"stack", RLIMIT_STACK},       {"as", RLIMIT_AS},
};

static const struct run_limit defaults[] = {
	{.resource = RLIMIT_NOFILE, .soft = 1024, .hard = 524288},
	{.resource = RLIMIT_CORE, .soft = 0, .hard = 0},
	/* Counted per user namespace since Linux 5.14: a guard against fork bombs where there is no cgroup. */
	{.resource = RLIMIT_NPROC, .soft = 32768, .hard = 32768},
};

const char *limit_name(int resource)
{
	for (size_t i = 0; i < ARRAY_COUNT(entries); i++)
		if (entries[i].resource == resource)
			return entries[i].name;
	return "?";
}

static int parse_value(const char *text, const char *what, rlim_t *value, struct error **err)
{
	uint64_t number = 0;

	if (strcmp(text, "-1") == 0 || strcmp(text, "unlimited") == 0) {
		*value = RLIM_INFINITY;
		return 0;
	}
	int rc = parse_u64(text, INT64_MAX, what, &number, err);
	if (rc == 0)
		*value = number;
	return rc;
}

static int parse_range(const char *text, const char *what, struct run_limit *limit, struct error **err)
{
	const char *colon = strchr(text, ':');
	cleanup_free char *soft = colon ? mem_strndup(text, (size_t)(colon - text)) : mem_strdup(text);
	int rc = parse_value(soft, what, &limit->soft, err);

	if (rc < 0)
		return rc;
	limit->hard = limit->soft;
	if (colon)
		rc = parse_value(colon + 1, what, &limit->hard, err);
	if (rc < 0)
		return rc;
	if (limit->soft > limit->hard) /* RLIM_INFINITY is the largest rlim_t */
		return error_set(err, EINVAL, "%s: the soft limit is above the hard limit", what);
	return 0;
}

int limit_parse(const char *text, struct run_limit *limit, bool *keep_host, struct error **err)
{
	const char *equals = strchr(text, '=');
	cleanup_free char *what = mem_printf("--ulimit '%s'", text);

	if (strcmp(text, "host") == 0) {
		*keep_host = true;
		return 0;
	}
	if (!equals)
		return error_set(err, EINVAL, "%s: not of the form name=soft[:hard]", what);
	for (size_t i = 0; i < ARRAY_COUNT(entries); i++) {
		struct run_limit found = {.resource = entries[i].resource};

		if (strlen(entries[i].name) != (size_t)(equals - text) ||
		    strncmp(entries[i].name, text, (size_t)(equals - text)) != 0)
			continue;
		int rc = parse_range(equals + 1, what, &found, err);
		if (rc == 0)
			*limit = found;
		return rc;
	}
	return error_set(err, EINVAL, "%s: unknown limit '%.*s'", what, (int)(equals - text), text);
}

static bool is_given(int resource, const struct run_limit *limits, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (limits[i].resource == resource)
			return true;
	return false;
}

static int apply_default(const struct run_limit *wanted, struct error **err)
{
	struct rlimit ours;

	if (getrlimit((__rlimit_resource_t)wanted->resource, &ours) < 0)
		return error_set_errno(err, "read the limit '%s'", limit_name(wanted->resource));
	/* A hard limit can only go down: CAP_SYS_RESOURCE in a user namespace does not count (getrlimit(2)). */
	struct rlimit limit = {.rlim_cur = wanted->soft, .rlim_max = wanted->hard};
	if (limit.rlim_max > ours.rlim_max)
		limit.rlim_max = ours.rlim_max;
	if (limit.rlim_cur > limit.rlim_max)
		limit.rlim_cur = limit.rlim_max;
	if (setrlimit((__rlimit_resource_t)wanted->resource, &limit) < 0)
		return error_set_errno(err, "set the limit '%s'", limit_name(wanted->resource));
	return 0;
}

int limits_apply(const struct run_limit *limits, size_t count, struct error **err)
{
	for (size_t i = 0; i < ARRAY_COUNT(defaults); i++) {
		if (is_given(defaults[i].resource, limits, count))
			continue;
		int rc = apply_default(&defaults[i], err);
		if (rc < 0)
			return rc;
	}
	for (size_t i = 0; i < count; i++) {
		struct rlimit limit = {.rlim_cur = limits[i].soft, .rlim_max = limits[i].hard};

		if (setrlimit((__rlimit_resource_t)limits[i].resource, &limit) == 0)
			continue;
		int rc = error_set_errno(err, "set the limit '%s'", limit_name(limits[i].resource));
		if (rc == -EPERM)
			error_hint(err, "our own hard limit is lower; raise it with ulimit -H or limits.conf(5)");
		return rc;
	}
	return 0;
}
