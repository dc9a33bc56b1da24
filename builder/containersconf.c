/*
 * The part of containers.conf that a step depends on. Keys of engines and daemons are not ours and left alone.
 */
#include "builder/containersconf.h"

#include <stdlib.h>

#include "base/conffile.h"
#include "base/env.h"
#include "base/json.h"

void containers_conf_done(struct containers_conf *conf)
{
	strlist_done(&conf->default_capabilities);
	strlist_done(&conf->default_ulimits);
	strlist_done(&conf->default_sysctls);
	strlist_done(&conf->dns_servers);
	strlist_done(&conf->dns_options);
	strlist_done(&conf->dns_searches);
	strlist_done(&conf->env);
	strlist_done(&conf->devices);
	strlist_done(&conf->volumes);
	free(conf->seccomp_profile);
	free(conf->shm_size);
	free(conf->base_hosts_file);
	free(conf->runtime);
	*conf = (struct containers_conf){0};
}

/* A list replaces the one of an earlier file. */
static int get_list(const struct json_place *table, const char *key, struct strlist *list, bool *is_set,
		    struct error **err)
{
	struct json_place at = json_field(table, key);

	if (!json_is_present(&at))
		return 0;
	strlist_clear(list);
	if (is_set)
		*is_set = true;
	return json_get_strlist(at, list, err);
}

static int get_text(const struct json_place *table, const char *key, char **text, struct error **err)
{
	cleanup_free char *read = NULL;
	int rc = json_get_string(json_field(table, key), &read, err);

	if (rc >= 0 && read)
		mem_replace(text, *read ? read : NULL);
	return rc;
}

static int read_table(const struct json_place *at, struct containers_conf *conf, struct error **err)
{
	const struct {
		const char *key;
		struct strlist *list;
		bool *is_set;
	} lists[] = {
		{"default_capabilities", &conf->default_capabilities, &conf->has_capabilities},
		{"default_ulimits", &conf->default_ulimits, NULL},
		{"default_sysctls", &conf->default_sysctls, NULL},
		{"dns_servers", &conf->dns_servers, NULL},
		{"dns_options", &conf->dns_options, NULL},
		{"dns_searches", &conf->dns_searches, NULL},
		{"env", &conf->env, NULL},
		{"devices", &conf->devices, NULL},
		{"volumes", &conf->volumes, NULL},
	};
	int rc = 0;

	for (size_t i = 0; rc >= 0 && i < ARRAY_COUNT(lists); i++)
		rc = get_list(at, lists[i].key, lists[i].list, lists[i].is_set, err);
	if (rc >= 0)
		rc = get_text(at, "seccomp_profile", &conf->seccomp_profile, err);
	if (rc >= 0)
		rc = get_text(at, "shm_size", &conf->shm_size, err);
	if (rc >= 0)
		rc = get_text(at, "base_hosts_file", &conf->base_hosts_file, err);
	if (rc >= 0)
		rc = json_get_bool(json_field(at, "http_proxy"), &conf->http_proxy, err);
	if (rc >= 0)
		rc = json_get_bool(json_field(at, "no_hosts"), &conf->no_hosts, err);
	return rc;
}

static int take_file(const struct json_place *root, void *context, struct error **err)
{
	struct containers_conf *conf = context;
	struct json_place containers = json_field(root, "containers");
	struct json_place engine = json_field(root, "engine");
	int rc = json_is_present(&containers) ? read_table(&containers, conf, err) : 0;

	return rc >= 0 && json_is_present(&engine) ? get_text(&engine, "runtime", &conf->runtime, err) : rc;
}

int containers_conf_load(struct containers_conf *conf, struct error **err)
{
	cleanup(containers_conf_done) struct containers_conf read = {.http_proxy = true};
	const char *only = env_plain("CONTAINERS_CONF");
	const char *over = env_plain("CONTAINERS_CONF_OVERRIDE");
	cleanup_free char *home = env_config_home();
	cleanup_free char *user = mem_printf("%s/containers/containers.conf", home);
	int rc;

	if (only) {
		rc = conf_file_read(only, CONF_FILE_REQUIRED, take_file, &read, err);
	} else {
		rc = conf_file_read("/usr/share/containers/containers.conf", CONF_FILE_DROP_INS, take_file, &read, err);
		/* What a distribution has put there for other engines is nobody's choice of a runtime for us. */
		mem_replace(&read.runtime, NULL);
		if (rc >= 0)
			rc = conf_file_read(COOPER_SYSCONFDIR "/containers/containers.conf", CONF_FILE_DROP_INS,
					    take_file, &read, err);
		if (rc >= 0)
			rc = conf_file_read(user, CONF_FILE_DROP_INS, take_file, &read, err);
	}
	if (rc >= 0 && over)
		rc = conf_file_read(over, CONF_FILE_REQUIRED, take_file, &read, err);
	if (rc < 0)
		return rc;
	*conf = read;
	read = (struct containers_conf){0};
	return 0;
}
