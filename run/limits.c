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

static struct run_limit *find_limit(struct run_limit *limits, size_t count, int resource)
{
	for (size_t i = 0; i < count; i++)
		if (limits[i].resource == resource)
			return &limits[i];
	return NULL;
}

static int clip_default(const struct run_limit *wanted, struct run_limit *clipped, struct error **err)
{
	struct rlimit ours;

	if (getrlimit((__rlimit_resource_t)wanted->resource, &ours) < 0)
		return error_set_errno(err, "read the limit '%s'", limit_name(wanted->resource));
	/* A hard limit can only go down: CAP_SYS_RESOURCE in a user namespace does not count (getrlimit(2)). */
	*clipped = *wanted;
	if (clipped->hard > ours.rlim_max)
		clipped->hard = ours.rlim_max;
	if (clipped->soft > clipped->hard)
		clipped->soft = clipped->hard;
	return 0;
}

int limits_resolve(const struct run_limit *limits, size_t count, struct run_limit **resolved, size_t *resolved_count,
		   struct error **err)
{
	cleanup_free struct run_limit *made = mem_grow(NULL, ARRAY_COUNT(defaults) + count, sizeof(*made));
	size_t made_count = 0;

	for (; made_count < ARRAY_COUNT(defaults); made_count++) {
		int rc = clip_default(&defaults[made_count], &made[made_count], err);
		if (rc < 0)
			return rc;
	}
	/* The later over the earlier. */
	for (size_t i = 0; i < count; i++) {
		struct run_limit *known = find_limit(made, made_count, limits[i].resource);
		if (!known)
			known = &made[made_count++];
		*known = limits[i];
	}
	*resolved = take_ptr(&made);
	*resolved_count = made_count;
	return 0;
}

int limits_apply(const struct run_limit *limits, size_t count, enum limits_part part, struct error **err)
{
	cleanup_free struct run_limit *resolved = NULL;
	size_t resolved_count = 0;
	int rc = limits_resolve(limits, count, &resolved, &resolved_count, err);

	for (size_t i = 0; rc == 0 && i < resolved_count; i++) {
		struct rlimit limit = {.rlim_cur = resolved[i].soft, .rlim_max = resolved[i].hard};

		if ((resolved[i].resource == RLIMIT_NOFILE) != (part == LIMITS_FILES))
			continue;
		if (setrlimit((__rlimit_resource_t)resolved[i].resource, &limit) == 0)
			continue;
		rc = error_set_errno(err, "set the limit '%s'", limit_name(resolved[i].resource));
		if (rc == -EPERM)
			error_hint(err, "our own hard limit is lower; raise it with ulimit -H or limits.conf(5)");
	}
	return rc;
}
