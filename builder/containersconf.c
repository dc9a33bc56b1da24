/*
 * The part of containers.conf that a step depends on. Keys of engines and daemons are not ours and left alone.
 */
#include "builder/containersconf.h"

#include <stdlib.h>

#include "base/conffile.h"
#include "base/env.h"
#include "base/json.h"
#include "run/capability.h"

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

#define LISTS 9 /* rows of the table in read_lists() */

/* What the files have said up to here. */
struct reading {
	struct containers_conf conf;
	bool appends[LISTS];
};

static void reading_done(struct reading *reading)
{
	containers_conf_done(&reading->conf);
}
CLEANUP_FOR_VALUE(struct reading, reading_done)

/* {append=true} among the texts (containers.conf(5)): no other attribute is known. */
static int take_attributes(const struct json_place *at, bool *appends, struct error **err)
{
	struct json_place append = json_field(at, "append");

	if (json_object_size(at->value) != 1 || !json_is_present(&append))
		return json_error(at, err, "not {append=true} or {append=false}");
	return json_get_bool(append, appends, err);
}

/* A list replaces the one of an earlier file, unless it is to be appended; that holds for those of later files, too. */
static int get_list(const struct json_place *table, const char *key, struct strlist *list, bool *appends,
		    struct error **err)
{
	struct json_place at = json_field(table, key);
	cleanup_json json_t *texts = json_array();
	cleanup(strlist_done) struct strlist read = {0};
	bool is_list = json_is_array(at.value);
	int rc = 0;

	for (size_t i = 0; rc >= 0 && is_list && i < json_array_size(at.value); i++) {
		struct json_place element = json_element(&at, i);
		if (json_is_object(element.value))
			rc = take_attributes(&element, appends, err);
		else
			json_array_append(texts, (json_t *)element.value);
	}
	if (rc < 0)
		return rc;
	if (is_list)
		at.value = texts;
	rc = json_get_strlist(at, &read, err);
	if (rc < 0 || !json_is_present(&at))
		return rc;
	if (!*appends)
		strlist_clear(list);
	strlist_append_all(list, &read);
	return 1;
}

static int get_text(const struct json_place *table, const char *key, char **text, struct error **err)
{
	cleanup_free char *read = NULL;
	int rc = json_get_string(json_field(table, key), &read, err);

	if (rc >= 0 && read)
		mem_replace(text, *read ? read : NULL);
	return rc;
}

static int read_lists(const struct json_place *at, struct reading *reading, struct error **err)
{
	struct containers_conf *conf = &reading->conf;
	const struct {
		const char *key;
		struct strlist *list;
	} lists[LISTS] = {
		{"default_capabilities", &conf->default_capabilities},
		{"default_ulimits", &conf->default_ulimits},
		{"default_sysctls", &conf->default_sysctls},
		{"dns_servers", &conf->dns_servers},
		{"dns_options", &conf->dns_options},
		{"dns_searches", &conf->dns_searches},
		{"env", &conf->env},
		{"devices", &conf->devices},
		{"volumes", &conf->volumes},
	};

	for (size_t i = 0; i < ARRAY_COUNT(lists); i++) {
		int rc = get_list(at, lists[i].key, lists[i].list, &reading->appends[i], err);
		if (rc < 0)
			return rc;
		if (rc == 0 || lists[i].list != &conf->default_capabilities)
			continue;
		/* The first to add to them adds to ours. */
		if (reading->appends[i] && !conf->has_capabilities)
			capability_names(capability_defaults(), lists[i].list);
		conf->has_capabilities = true;
	}
	return 0;
}

static int read_table(const struct json_place *at, struct reading *reading, struct error **err)
{
	struct containers_conf *conf = &reading->conf;
	int rc = read_lists(at, reading, err);

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
	struct reading *reading = context;
	struct json_place containers = json_field(root, "containers");
	struct json_place engine = json_field(root, "engine");
	int rc = json_is_present(&containers) ? read_table(&containers, reading, err) : 0;

	return rc >= 0 && json_is_present(&engine) ? get_text(&engine, "runtime", &reading->conf.runtime, err) : rc;
}

int containers_conf_load(struct containers_conf *conf, struct error **err)
{
	cleanup(reading_done) struct reading read = {.conf.http_proxy = true};
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
		mem_replace(&read.conf.runtime, NULL);
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
	*conf = read.conf;
	read.conf = (struct containers_conf){0};
	return 0;
}
