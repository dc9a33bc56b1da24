/*
 * Names of devices to settings. In: specifications as the CDI specification 0.8 has them; out: texts of --device,
 * --volume and --env.
 */
#include "builder/cdi.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/yaml.h"

#define SPEC_SIZE_MAX ((size_t)1 << 20)
#define DIRECTORIES "/etc/cdi:/var/run/cdi"

static const char *directories(void)
{
	const char *text = env_get("CDI_SPEC_DIRS");

	return text ? text : DIRECTORIES;
}

bool cdi_is_name(const char *text)
{
	const char *equals = strchr(text, '=');
	const char *slash = strchr(text, '/');

	return text[0] != '/' && equals && equals[1] && slash && slash > text && slash < equals - 1;
}

/* ---- what a container needs -----------------------------------------------------------------------------------------
 */

static int add_node(const struct json_place *at, struct settings *settings, struct error **err)
{
	struct json_place path_at = json_field(at, "path");
	cleanup_free char *path = NULL, *host = NULL, *permissions = NULL;
	int rc = json_require(&path_at, err);

	if (rc >= 0)
		rc = json_get_string(path_at, &path, err);
	if (rc >= 0)
		rc = json_get_string(json_field(at, "hostPath"), &host, err);
	if (rc >= 0)
		rc = json_get_string(json_field(at, "permissions"), &permissions, err);
	if (rc < 0)
		return rc;
	strlist_printf(&settings->devices, "%s:%s%s%s", host && *host ? host : path, path,
		       permissions && *permissions ? ":" : "", permissions && *permissions ? permissions : "");
	return 0;
}

static int add_mount(const struct json_place *at, struct settings *settings, struct error **err)
{
	struct json_place host_at = json_field(at, "hostPath"), inside_at = json_field(at, "containerPath");
	cleanup_free char *host = NULL, *inside = NULL;
	cleanup(strlist_done) struct strlist options = {0};
	int rc = json_require(&host_at, err);

	if (rc >= 0)
		rc = json_require(&inside_at, err);
	if (rc >= 0)
		rc = json_get_string(host_at, &host, err);
	if (rc >= 0)
		rc = json_get_string(inside_at, &inside, err);
	if (rc >= 0)
		rc = json_get_strlist(json_field(at, "options"), &options, err);
	if (rc < 0)
		return rc;
	cleanup_free char *words = strlist_join(&options, ",");
	strlist_printf(&settings->volumes, "%s:%s%s%s", host, inside, *words ? ":" : "", words);
	return 0;
}

typedef int add_one(const struct json_place *at, struct settings *settings, struct error **err);

static int add_each(const struct json_place *edits, const char *key, add_one *add, struct settings *settings,
		    struct error **err)
{
	struct json_place list = json_field(edits, key);
	ssize_t count = json_get_count(list, err);
	int rc = count < 0 ? (int)count : 0;

	for (ssize_t i = 0; rc >= 0 && i < count; i++) {
		struct json_place at = json_element(&list, (size_t)i);
		rc = add(&at, settings, err);
	}
	return rc;
}

static int add_edits(const struct json_place *owner, struct settings *settings, struct error **err)
{
	struct json_place edits = json_field(owner, "containerEdits"), hooks = json_field(&edits, "hooks");
	cleanup(strlist_done) struct strlist env = {0};

	if (!json_is_present(&edits))
		return 0;
	int rc = json_get_strlist(json_field(&edits, "env"), &env, err);
	strlist_append_all(&settings->env, &env);
	if (rc >= 0)
		rc = add_each(&edits, "deviceNodes", add_node, settings, err);
	if (rc >= 0)
		rc = add_each(&edits, "mounts", add_mount, settings, err);
	if (json_is_present(&hooks))
		log_warn("%s: its hooks are not run", owner->document);
	return rc;
}

/* ---- specifications -------------------------------------------------------------------------------------------------
 */

/* What is looked for, and what it stands for as far as it was found. */
struct search {
	char *kind;	  /* vendor.com/class */
	const char *name; /* "all": each */
	struct settings found;
	bool is_found;
};

static void search_done(struct search *search)
{
	free(search->kind);
	settings_done(&search->found);
}
CLEANUP_FOR_VALUE(struct search, search_done)

static int take_devices(const struct json_place *root, struct search *search, struct error **err)
{
	struct json_place list = json_field(root, "devices");
	ssize_t count = json_get_count(list, err);
	cleanup(settings_done) struct settings here = {0};
	bool is_here = false;
	int rc = count < 0 ? (int)count : 0;

	for (ssize_t i = 0; rc >= 0 && i < count; i++) {
		struct json_place at = json_element(&list, (size_t)i);
		cleanup_free char *name = NULL;
		rc = json_get_string(json_field(&at, "name"), &name, err);
		if (rc < 0 || !name || (strcmp(search->name, "all") != 0 && strcmp(search->name, name) != 0))
			continue;
		is_here = true;
		rc = add_edits(&at, &here, err);
	}
	/* What the file says for all of its devices. */
	if (rc >= 0 && is_here)
		rc = add_edits(root, &here, err);
	if (rc < 0 || !is_here)
		return rc;
	/* A later directory's device stands in for an earlier one's. */
	settings_done(&search->found);
	search->found = here;
	here = (struct settings){0};
	search->is_found = true;
	return 0;
}

static int read_spec(const char *path, json_t **root, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(SPEC_SIZE_MAX);
	int rc = fd_read_user_file(path, &text, err);

	if (rc < 0)
		return rc;
	if (text_has_suffix(path, ".json"))
		return json_parse(buf_str(&text), text.len, path, root, err);
	return yaml_parse(buf_str(&text), text.len, path, root, err);
}

static int search_file(const char *path, struct search *search, struct error **err)
{
	cleanup_json json_t *root = NULL;
	cleanup_free char *kind = NULL;
	int rc = read_spec(path, &root, err);

	if (rc < 0)
		return rc;
	struct json_place at = json_root(path, root);
	rc = json_get_string(json_field(&at, "kind"), &kind, err);
	if (rc < 0 || !kind || strcmp(kind, search->kind) != 0)
		return rc;
	return take_devices(&at, search, err);
}

static int search_directory(const char *path, struct search *search, struct error **err)
{
	cleanup(strlist_done) struct strlist names = {0};
	cleanup_error struct error *error = NULL;
	int rc = fd_read_user_dir(path, &names, &error);

	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return error_set(err, error_code(error), "%s", error_message(error));
	for (size_t i = 0; rc >= 0 && i < names.count; i++) {
		const char *name = names.items[i];
		cleanup_free char *file = mem_printf("%s/%s", path, name);
		if (text_has_suffix(name, ".json") || text_has_suffix(name, ".yaml") || text_has_suffix(name, ".yml"))
			rc = search_file(file, search, err);
	}
	return rc;
}

static int search_all(const char *name, struct search *search, struct error **err)
{
	const char *equals = strchr(name, '=');
	cleanup(strlist_done) struct strlist paths = {0};
	int rc = 0;

	search->kind = mem_strndup(name, (size_t)(equals - name));
	search->name = strcmp(equals + 1, "*") == 0 ? "all" : equals + 1;
	strlist_split(&paths, directories(), ':');
	for (size_t i = 0; rc >= 0 && i < paths.count; i++)
		rc = search_directory(paths.items[i], search, err);
	return rc < 0 ? error_prefix(err, "--device %s", name) : 0;
}

/* ---- the door -------------------------------------------------------------------------------------------------------
 */

int cdi_find(const char *name, bool *found, struct error **err)
{
	cleanup(search_done) struct search search = {0};
	int rc = search_all(name, &search, err);

	if (rc >= 0)
		*found = search.is_found;
	return rc;
}

int cdi_expand(struct settings *settings, struct error **err)
{
	for (size_t i = 0; i < settings->devices.count;) {
		cleanup(search_done) struct search search = {0};
		const char *name = settings->devices.items[i];
		if (!cdi_is_name(name)) {
			i++;
			continue;
		}
		int rc = search_all(name, &search, err);
		if (rc < 0)
			return rc;
		if (!search.is_found)
			return error_set(err, ENOENT, "--device %s: no file of %s describes it", name, directories());
		strlist_remove(&settings->devices, i);
		settings_merge(settings, &search.found);
	}
	return 0;
}
