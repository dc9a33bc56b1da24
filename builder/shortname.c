/*
 * registries.conf, as far as it concerns names without a registry.
 */
#include "builder/shortname.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/parse.h"
#include "base/toml.h"

#define FILE_SIZE_MAX ((size_t)4 << 20)
#define FALLBACK "docker.io"

struct search {
	struct strlist registries;
	char *alias; /* what the path is an alias of; NULL */
};

static int read_conf(const char *file, const char *path, struct search *search, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(FILE_SIZE_MAX);
	cleanup_json json_t *root = NULL;
	/* Opened by a plain path: these files are the administrator's and the user's own. */
	cleanup_close int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : error_set_errno(err, "%s", file);
	int rc = fd_read_all(fd, &text, err);
	if (rc >= 0)
		rc = toml_parse(buf_str(&text), text.len, file, &root, err);
	if (rc < 0)
		return error_prefix(err, "%s", file);
	struct json_place at = json_root(file, root);
	struct json_place registries = json_field(&at, "unqualified-search-registries");
	if (json_is_present(&registries)) {
		strlist_clear(&search->registries);
		rc = json_get_strlist(registries, &search->registries, err);
	}
	struct json_place aliases = json_field(&at, "aliases");
	if (rc >= 0 && json_is_present(&aliases) && json_is_object(aliases.value))
		rc = json_get_string(json_field(&aliases, path), &search->alias, err);
	return rc;
}

static int is_conf(const struct dirent *entry)
{
	return text_has_suffix(entry->d_name, ".conf");
}

/* The drop-ins of a directory, in the order of their names. */
static int read_drop_ins(const char *dir, const char *path, struct search *search, struct error **err)
{
	struct dirent **entries = NULL;
	int count = scandir(dir, &entries, is_conf, alphasort);
	int rc = 0;

	for (int i = 0; i < count; i++) {
		cleanup_free char *file = mem_printf("%s/%s", dir, entries[i]->d_name);
		if (rc >= 0)
			rc = read_conf(file, path, search, err);
		free(entries[i]);
	}
	free(entries);
	return rc;
}

static int read_configuration(const char *path, struct search *search, struct error **err)
{
	const char *only = env_plain("CONTAINERS_REGISTRIES_CONF");
	cleanup_free char *home = env_config_home();
	cleanup_free char *user = mem_printf("%s/containers/registries.conf", home);
	cleanup_free char *user_drop_ins = mem_printf("%s.d", user);

	if (only)
		return read_conf(only, path, search, err);
	/* What is read later counts. */
	int rc = read_conf(COOPER_SYSCONFDIR "/containers/registries.conf", path, search, err);
	if (rc >= 0)
		rc = read_drop_ins(COOPER_SYSCONFDIR "/containers/registries.conf.d", path, search, err);
	if (rc >= 0)
		rc = read_conf(user, path, search, err);
	if (rc >= 0)
		rc = read_drop_ins(user_drop_ins, path, search, err);
	return rc;
}

int shortname_candidates(const char *path, struct strlist *repositories, struct error **err)
{
	struct search search = {0};
	int rc = read_configuration(path, &search, err);

	if (rc >= 0 && search.alias) {
		strlist_append(repositories, search.alias);
	} else if (rc >= 0) {
		if (search.registries.count == 0)
			strlist_append(&search.registries, FALLBACK);
		for (size_t i = 0; i < search.registries.count; i++)
			strlist_printf(repositories, "%s/%s", search.registries.items[i], path);
	}
	strlist_done(&search.registries);
	free(search.alias);
	return rc;
}
