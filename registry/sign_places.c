/*
 * Reading registries.d. Its files are merged; two of them must not say something about the same scope.
 */
#include "registry/sign_places.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/env.h"
#include "base/fd.h"
#include "base/parse.h"
#include "base/yaml.h"
#include "registry/policy.h"

#define FILE_SIZE_MAX ((size_t)4 << 20)

void sign_places_done(struct sign_places *places)
{
	free(places->read);
	free(places->write);
	*places = (struct sign_places){0};
}

/* ---- the files ---- */

/* Moves the entries of one file's "docker" into the merged one. */
static int merge_scopes(const struct json_place *file, json_t *merged, struct error **err)
{
	struct json_place docker = json_field(file, "docker");
	json_t *scopes = json_object_get(merged, "docker");
	const char *scope;
	json_t *value;

	if (!json_is_present(&docker))
		return 0;
	if (!json_is_object(docker.value))
		return json_error(&docker, err, "not a mapping");
	json_object_foreach((json_t *)docker.value, scope, value)
	{
		if (json_object_get(scopes, scope))
			return json_error(&docker, err, "'%s' is in another file of registries.d as well", scope);
		json_set_take(scopes, scope, json_incref(value));
	}
	return 0;
}

static int merge_file(const char *path, json_t *merged, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(FILE_SIZE_MAX);
	cleanup_json json_t *root = NULL;
	int rc = fd_read_user_file(path, &text, err);

	if (rc == 0)
		rc = yaml_parse(buf_str(&text), text.len, path, &root, err);
	if (rc < 0 || json_is_null(root))
		return rc;
	struct json_place top = json_root(path, root);
	struct json_place fallback = json_field(&top, "default-docker");
	if (!json_is_object(root))
		return json_error(&top, err, "not a mapping");
	if (json_is_present(&fallback)) {
		if (json_object_get(merged, "default-docker"))
			return json_error(&fallback, err, "in another file of registries.d as well");
		json_set_take(merged, "default-docker", json_incref((json_t *)fallback.value));
	}
	return merge_scopes(&top, merged, err);
}

/* -ENOENT when there is no such directory. */
static int read_directory(const char *directory, json_t *merged, struct error **err)
{
	cleanup(strlist_done) struct strlist names = {0};
	int rc = fd_read_user_dir(directory, &names, err);

	for (size_t i = 0; i < names.count && rc == 0; i++) {
		if (!text_has_suffix(names.items[i], ".yaml"))
			continue;
		cleanup_free char *path = mem_printf("%s/%s", directory, names.items[i]);
		rc = merge_file(path, merged, err);
	}
	return rc;
}

static int read_all(json_t *merged, struct error **err)
{
	cleanup_free char *config = env_config_home();
	cleanup_free char *own = mem_printf("%s/containers/registries.d", config);
	const char *named = env_get("REGISTRIES_D");

	if (named)
		return read_directory(named, merged, err);

	if (access(own, F_OK) == 0)
		return read_directory(own, merged, err);
	if (access(COOPER_SYSCONFDIR "/containers/registries.d", F_OK) == 0)
		return read_directory(COOPER_SYSCONFDIR "/containers/registries.d", merged, err);
	return 0;
}

/* ---- what they say about a repository ---- */

static int first_of(const struct json_place *at, const char *const *keys, char **text, struct error **err)
{
	int rc = 0;

	for (; *keys && rc == 0 && !*text; keys++) {
		rc = json_get_string(json_field(at, *keys), text, err);
		if (*text && **text == '\0') {
			free(*text);
			*text = NULL;
		}
	}
	return rc;
}

/* Takes from one scope what no more specific one has said. */
static int take_scope(const struct json_place *at, struct sign_places *places, struct error **err)
{
	/* "sigstore" is what lookaside was called before there was a project of that name. */
	static const char *const reading[] = {"lookaside", "sigstore", NULL};
	static const char *const writing[] = {"lookaside-staging", "sigstore-staging", "lookaside", "sigstore", NULL};
	struct json_place use = json_field(at, "use-sigstore-attachments");
	bool yes = false;
	int rc = 0;

	if (!places->read)
		rc = first_of(at, reading, &places->read, err);
	if (rc == 0 && !places->write)
		rc = first_of(at, writing, &places->write, err);
	if (rc < 0 || places->attachments != ATTACHMENTS_UNSAID || !json_is_present(&use))
		return rc;
	rc = json_get_bool(use, &yes, err);
	places->attachments = yes ? ATTACHMENTS_YES : ATTACHMENTS_NO;
	return rc;
}

/* Root of the machine or of a container; not who only looks like it in his own user namespace, in which the tools of
 * containers go by this variable. */
static bool is_root(void)
{
	const char *outside = env_plain("_CONTAINERS_ROOTLESS_UID");

	return geteuid() == 0 && (!outside || strcmp(outside, "0") == 0);
}

static char *default_base(void)
{
	cleanup_free char *home = env_home();

	return is_root() ? mem_strdup("file:///var/lib/containers/sigstore")
			 : mem_printf("file://%s/.local/share/containers/sigstore", home);
}

/* "base" becomes "base/library/debian". */
static void complete(char **base, const struct reference *ref)
{
	cleanup_free char *top = *base ? *base : default_base();
	size_t len = strlen(top);

	while (len > 0 && top[len - 1] == '/')
		len--;
	*base = mem_printf("%.*s/%s", (int)len, top, ref->path);
}

int sign_places_find(const struct reference *ref, struct sign_places *places, struct error **err)
{
	cleanup_json json_t *merged = json_object();
	cleanup(sign_places_done) struct sign_places found = {0};
	cleanup(strlist_done) struct strlist scopes = {0};
	const struct location location = {.transport = TRANSPORT_DOCKER, .ref = *ref};

	json_set_take(merged, "docker", json_object());
	int rc = read_all(merged, err);
	struct json_place top = json_root("registries.d", merged);
	struct json_place docker = json_field(&top, "docker");
	struct json_place fallback = json_field(&top, "default-docker");
	policy_scopes(&location, &scopes);
	for (size_t i = 0; i < scopes.count && rc == 0; i++) {
		struct json_place scope = json_field(&docker, scopes.items[i]);
		rc = take_scope(&scope, &found, err);
	}
	if (rc == 0)
		rc = take_scope(&fallback, &found, err);
	if (rc < 0)
		return rc;
	complete(&found.read, ref);
	complete(&found.write, ref);
	*places = found;
	found = (struct sign_places){0};
	return 0;
}
