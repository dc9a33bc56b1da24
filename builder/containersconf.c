/*
 * The part of containers.conf that a step depends on. Keys of engines and daemons are not ours and left alone.
 */
#include "builder/containersconf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/env.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/parse.h"
#include "base/toml.h"

#define FILE_SIZE_MAX ((size_t)1 << 20)

void containers_conf_done(struct containers_conf *conf)
{
	strlist_done(&conf->default_capabilities);
	strlist_done(&conf->default_ulimits);
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

static int read_file(const char *file, struct containers_conf *conf, bool required, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(FILE_SIZE_MAX);
	cleanup_json json_t *root = NULL;
	/* The administrator's and the user's own files: plain paths. */
	cleanup_close int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return !required && (errno == ENOENT || errno == ENOTDIR) ? 0 : error_set_errno(err, "%s", file);
	int rc = fd_read_all(fd, &text, err);
	if (rc >= 0)
		rc = toml_parse(buf_str(&text), text.len, file, &root, err);
	if (rc < 0)
		return error_prefix(err, "%s", file);
	struct json_place at = json_root(file, root);
	struct json_place containers = json_field(&at, "containers");
	rc = json_is_present(&containers) ? read_table(&containers, conf, err) : 0;
	struct json_place engine = json_field(&at, "engine");
	return rc >= 0 && json_is_present(&engine) ? get_text(&engine, "runtime", &conf->runtime, err) : rc;
}

static int is_conf(const struct dirent *entry)
{
	return text_has_suffix(entry->d_name, ".conf");
}

/* A file and its drop-ins, in the order of their names. */
static int read_place(const char *file, struct containers_conf *conf, struct error **err)
{
	cleanup_free char *dir = mem_printf("%s.d", file);
	struct dirent **entries = NULL;
	int rc = read_file(file, conf, /* required */ false, err);
	int count = rc < 0 ? 0 : scandir(dir, &entries, is_conf, alphasort);

	for (int i = 0; i < count; i++) {
		cleanup_free char *path = mem_printf("%s/%s", dir, entries[i]->d_name);
		if (rc >= 0)
			rc = read_file(path, conf, /* required */ false, err);
		free(entries[i]);
	}
	free(entries);
	return rc;
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
		rc = read_file(only, &read, /* required */ true, err);
	} else {
		rc = read_place("/usr/share/containers/containers.conf", &read, err);
		/* What a distribution has put there for other engines is nobody's choice of a runtime for us. */
		mem_replace(&read.runtime, NULL);
		if (rc >= 0)
			rc = read_place(COOPER_SYSCONFDIR "/containers/containers.conf", &read, err);
		if (rc >= 0)
			rc = read_place(user, &read, err);
	}
	if (rc >= 0 && over)
		rc = read_file(over, &read, /* required */ true, err);
	if (rc < 0)
		return rc;
	*conf = read;
	read = (struct containers_conf){0};
	return 0;
}
