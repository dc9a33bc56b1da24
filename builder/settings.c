/*
 * What `from` and `run` were told, as texts: merged, copied, and kept in the container's state. What the texts mean is
 * in settings_parse.c.
 */
#include "builder/settings.h"

#include <stddef.h>
#include <stdlib.h>

/* One row for each field: everything below goes through these tables, so that a new setting is one line. */
struct field {
	const char *key;
	size_t offset;
};

#define TEXT(name)                                     \
	{                                              \
#name, offsetof(struct settings, name) \
	}

static const struct field texts[] = {
	TEXT(isolation),   TEXT(network),     TEXT(user),	TEXT(workingdir), TEXT(hostname),   TEXT(runtime),
	TEXT(ipc),	   TEXT(pid),	      TEXT(uts),	TEXT(cgroupns),	  TEXT(userns),	    TEXT(cgroup_parent),
	TEXT(memory),	   TEXT(memory_swap), TEXT(cpu_period), TEXT(cpu_quota),  TEXT(cpu_shares), TEXT(cpuset_cpus),
	TEXT(cpuset_mems), TEXT(pids_limit),  TEXT(shm_size),	TEXT(disk_limit), TEXT(http_proxy), TEXT(no_hosts),
	TEXT(no_hostname), TEXT(no_pivot),    TEXT(read_only),
};

static const struct field lists[] = {
	TEXT(env),	TEXT(volumes),	    TEXT(mounts),     TEXT(cap_add),	   TEXT(cap_drop),
	TEXT(add_host), TEXT(dns),	    TEXT(dns_option), TEXT(dns_search),	   TEXT(devices),
	TEXT(ulimit),	TEXT(security_opt), TEXT(group_add),  TEXT(runtime_flags),
};

static char **text_of(const struct settings *s, const struct field *field)
{
	return (char **)((char *)s + field->offset);
}

static struct strlist *list_of(const struct settings *s, const struct field *field)
{
	return (struct strlist *)((char *)s + field->offset);
}

void settings_done(struct settings *s)
{
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++)
		free(*text_of(s, &texts[i]));
	for (size_t i = 0; i < ARRAY_COUNT(lists); i++)
		strlist_done(list_of(s, &lists[i]));
	*s = (struct settings){0};
}

void settings_merge(struct settings *s, const struct settings *over)
{
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		if (*text_of(over, &texts[i]))
			mem_replace(text_of(s, &texts[i]), *text_of(over, &texts[i]));
	}
	for (size_t i = 0; i < ARRAY_COUNT(lists); i++)
		strlist_append_all(list_of(s, &lists[i]), list_of(over, &lists[i]));
}

void settings_copy(struct settings *to, const struct settings *from)
{
	*to = (struct settings){0};
	settings_merge(to, from);
}

json_t *settings_to_json(const struct settings *s)
{
	json_t *object = json_object();

	for (size_t i = 0; i < ARRAY_COUNT(texts); i++)
		json_set_string_opt(object, texts[i].key, *text_of(s, &texts[i]));
	for (size_t i = 0; i < ARRAY_COUNT(lists); i++)
		json_set_strlist_opt(object, lists[i].key, list_of(s, &lists[i]));
	return object;
}

int settings_from_json(const struct json_place *at, struct settings *s, struct error **err)
{
	cleanup(settings_done) struct settings read = {0};
	int rc = 0;

	if (!json_is_present(at)) {
		*s = read;
		return 0;
	}
	for (size_t i = 0; rc >= 0 && i < ARRAY_COUNT(texts); i++)
		rc = json_get_string(json_field(at, texts[i].key), text_of(&read, &texts[i]), err);
	for (size_t i = 0; rc >= 0 && i < ARRAY_COUNT(lists); i++)
		rc = json_get_strlist(json_field(at, lists[i].key), list_of(&read, &lists[i]), err);
	if (rc < 0)
		return rc;
	*s = read;
	read = (struct settings){0};
	return 0;
}
