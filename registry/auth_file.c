/*
 * One file of credentials: text in, what it says about a repository out.
 */
#include "registry/auth_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"

void credentials_done(struct credentials *credentials)
{
	mem_free_secret(&credentials->username);
	mem_free_secret(&credentials->password);
	mem_free_secret(&credentials->identity_token);
	mem_free_secret(&credentials->registry_token);
	free(take_ptr(&credentials->source));
}

bool credentials_are_set(const struct credentials *credentials)
{
	return (credentials->username && *credentials->username) || credentials->identity_token ||
	       credentials->registry_token;
}

void auth_lookup_done(struct auth_lookup *lookup)
{
	credentials_done(&lookup->credentials);
	free(lookup->helper);
	*lookup = (struct auth_lookup){0};
}

/* docker.io has been written under all of these. */
static bool is_hub(const char *host)
{
	return strcmp(host, "docker.io") == 0 || strcmp(host, "index.docker.io") == 0 ||
	       strcmp(host, "registry-1.docker.io") == 0;
}

char *auth_host(const char *repository)
{
	cleanup_free char *host = mem_strndup(repository, strcspn(repository, "/"));

	return is_hub(host) ? mem_strdup("docker.io") : take_ptr(&host);
}

/* What a key of `auths` stands for: "host[/path]". Docker's keys are addresses ("https://host/v1/"): of them, and of
 * all in a .dockercfg, only the host counts. */
static char *normal_key(const char *key, bool host_only)
{
	static const char *const schemes[] = {"https://", "http://"};

	for (size_t i = 0; i < ARRAY_COUNT(schemes); i++) {
		if (text_has_prefix(key, schemes[i])) {
			key += strlen(schemes[i]);
			host_only = true;
		}
	}
	cleanup_free char *host = auth_host(key);
	const char *path = key + strcspn(key, "/");
	return mem_printf("%s%s", host, host_only ? "" : path);
}

/* Docker's own keys beside those of registries: what `docker login` by browser has got, and knows how to renew. */
static bool is_dockers_own(const char *key)
{
	return text_has_suffix(key, "/v1/access-token") || text_has_suffix(key, "/v1/refresh-token");
}

/* The entry for a name: the key as it stands first, so that a key that is exact beats one that is only equivalent. An
 * empty one, which docker leaves where a helper has the password, hides no other. */
static const json_t *find_entry(json_t *auths, const char *name, bool host_only)
{
	const json_t *found = json_object_get(auths, name);
	const char *key = NULL;
	json_t *value = NULL;

	json_object_foreach(auths, key, value)
	{
		cleanup_free char *normal = normal_key(key, host_only);
		bool is_free = !found || json_object_size(found) == 0;
		if (is_free && strcmp(normal, name) == 0 && !is_dockers_own(key))
			found = value;
	}
	return found;
}

/* "auth": base64 of user:password, split at the first colon; NULs at the end are left over from old padding. */
static int decode_auth(const char *auth, const char *what, struct credentials *credentials, struct error **err)
{
	cleanup_free void *data = NULL;
	size_t size = 0;
	int rc = parse_base64(auth, what, &data, &size, NULL);

	/* Not passing on the parser's own text, which quotes what it was given. */
	if (rc < 0)
		return error_set(err, EINVAL, "%s: not base64", what);
	while (size > 0 && ((const char *)data)[size - 1] == '\0')
		size--;
	char *colon = memchr(data, ':', size);
	if (!colon) {
		mem_wipe(data, size);
		return error_set(err, EINVAL, "%s: no ':' between user and password", what);
	}
	size_t user = (size_t)(colon - (char *)data);
	mem_free_secret(&credentials->username);
	mem_free_secret(&credentials->password);
	credentials->username = mem_strndup(data, user);
	credentials->password = mem_strndup(colon + 1, size - user - 1);
	mem_wipe(data, size);
	return 0;
}

static int read_entry(const json_t *entry, const char *file, const char *name, struct credentials *credentials,
		      struct error **err)
{
	cleanup(credentials_done) struct credentials found = {0};
	cleanup_free char *what = mem_printf("%s: auths '%s'", file, name);
	cleanup_free char *auth = NULL;
	struct json_place at = json_root(what, entry);
	int rc = json_get_string(json_field(&at, "username"), &found.username, err);

	if (rc == 0)
		rc = json_get_string(json_field(&at, "password"), &found.password, err);
	if (rc == 0)
		rc = json_get_string(json_field(&at, "auth"), &auth, err);
	if (rc == 0)
		rc = json_get_string(json_field(&at, "identitytoken"), &found.identity_token, err);
	if (rc == 0)
		rc = json_get_string(json_field(&at, "registrytoken"), &found.registry_token, err);
	if (rc == 0 && auth && *auth)
		rc = decode_auth(auth, what, &found, err);
	mem_free_secret(&auth);
	if (rc < 0)
		return rc;
	if (found.identity_token && *found.identity_token == '\0')
		mem_free_secret(&found.identity_token);
	if (found.registry_token && *found.registry_token == '\0')
		mem_free_secret(&found.registry_token);
	if (credentials_are_set(&found)) { /* docker leaves {} where a helper has the password */
		found.source = mem_strdup(file);
		*credentials = found;
		found = (struct credentials){0};
	}
	return 0;
}

/* The longest of "host/a/b", "host/a", "host" that has an entry with something in it. */
static int search_auths(json_t *auths, const char *file, const char *repository, bool host_only,
			struct credentials *credentials, struct error **err)
{
	cleanup_free char *name = normal_key(repository, /* host_only */ false);
	int rc = 0;

	while (rc == 0) {
		const json_t *entry = find_entry(auths, name, host_only);
		if (entry)
			rc = read_entry(entry, file, name, credentials, err);
		char *slash = strrchr(name, '/');
		if (credentials_are_set(credentials) || !slash)
			break;
		*slash = '\0';
	}
	return rc;
}

static int find_helper(const json_t *root, const char *file, const char *host, struct auth_lookup *lookup,
		       struct error **err)
{
	struct json_place at = json_root(file, root);
	struct json_place helpers = json_field(&at, "credHelpers");
	const char *key = NULL;
	json_t *value = NULL;

	if (json_is_present(&helpers)) {
		json_object_foreach((json_t *)helpers.value, key, value)
		{
			cleanup_free char *normal = normal_key(key, /* host_only */ true);
			if (strcmp(normal, host) != 0)
				continue;
			lookup->helper_is_explicit = true;
			return json_get_string(json_field(&helpers, key), &lookup->helper, err);
		}
	}
	return json_get_string(json_field(&at, "credsStore"), &lookup->helper, err);
}

/* .dockercfg: no section at the top, only hosts. */
static bool is_old_form(const json_t *root, const char *file)
{
	return text_has_suffix(file, ".dockercfg") && !json_object_get(root, "auths");
}

int auth_file_lookup(const char *text, size_t size, const char *file, const char *repository,
		     struct auth_lookup *lookup, struct error **err)
{
	cleanup_json json_t *root = NULL;
	cleanup(auth_lookup_done) struct auth_lookup found = {0};
	cleanup_free char *host = auth_host(repository);

	if (strspn(text, " \t\r\n") >= size) /* `: > auth.json` is how scripts make an empty one */
		return 0;
	int rc = json_parse(text, size, file, &root, err);
	if (rc < 0)
		return rc;
	if (!json_is_object(root))
		return error_set(err, EINVAL, "%s: not a JSON object", file);
	bool old = is_old_form(root, file);
	json_t *auths = old ? root : json_object_get(root, "auths");
	if (auths && !json_is_null(auths) && !json_is_object(auths))
		return error_set(err, EINVAL, "%s: auths: not an object", file);
	if (!old)
		rc = find_helper(root, file, host, &found, err);
	if (rc == 0 && json_is_object(auths))
		rc = search_auths(auths, file, repository, old, &found.credentials, err);
	if (rc < 0)
		return rc;
	if (found.helper && *found.helper == '\0')
		free(take_ptr(&found.helper));
	*lookup = found;
	found = (struct auth_lookup){0};
	return 0;
}
