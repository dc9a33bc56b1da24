/*
 * Finding the policy file, and the rules for an image in it.
 */
#include "registry/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "base/fd.h"
#include "registry/policy_internal.h"

/* ---- the file ---- */

static int load_file(const char *path, struct trust_policy **policy, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(POLICY_SIZE_MAX);
	int rc = fd_read_user_file(path, &text, err);

	if (rc < 0)
		return rc;
	return trust_policy_parse(buf_str(&text), text.len, path, policy, err);
}

int trust_policy_load(struct trust_policy **policy, struct error **err)
{
	cleanup_free char *config = env_config_home();
	cleanup_free char *own = mem_printf("%s/containers/policy.json", config);
	const char *places[] = {own, COOPER_SYSCONFDIR "/containers/policy.json"};
	const char *named = env_get("SIGNATURE_POLICY");

	if (named) {
		int rc = load_file(named, policy, err);
		return rc == -ENOENT ? error_prefix(err, "--signature-policy") : rc;
	}
	for (size_t i = 0; i < ARRAY_COUNT(places); i++) {
		cleanup_error struct error *trouble = NULL;
		int rc = load_file(places[i], policy, &trouble);
		/* What is there but cannot be read must not count as "everything goes". */
		if (rc < 0 && rc != -ENOENT)
			return error_set(err, -rc, "%s", error_message(trouble));
		if (rc == 0)
			return 0;
	}
	return 0;
}

/* ---- scopes ---- */

/* "docker", "oci", "dir" …: how policies call a transport. Static. */
static const char *transport_name(enum transport transport)
{
	static const char *const names[] = {
		[TRANSPORT_STORE] = "containers-storage",
		[TRANSPORT_DOCKER] = "docker",
		[TRANSPORT_OCI] = "oci",
		[TRANSPORT_OCI_ARCHIVE] = "oci-archive",
		[TRANSPORT_DIR] = "dir",
		[TRANSPORT_DOCKER_ARCHIVE] = "docker-archive",
	};

	return names[transport];
}

/* A path and its parents, without "/". */
static void add_parents(struct strlist *scopes, const char *path)
{
	cleanup_free char *rest = mem_strdup(path);

	for (char *slash; rest[0] == '/' && rest[1] != '\0'; *slash = '\0') {
		strlist_append(scopes, rest);
		slash = strrchr(rest, '/');
	}
}

static void path_scopes(const struct location *location, struct strlist *scopes)
{
	/* As the kernel sees it, so that no symlink leads around a scope. */
	cleanup_free char *real = realpath(location->path, NULL);
	const char *path = real ? real : location->path;

	if (location->transport != TRANSPORT_DIR && location->name)
		strlist_printf(scopes, "%s:%s", path, location->name);
	add_parents(scopes, path);
}

static void name_scopes(const struct reference *ref, struct strlist *scopes)
{
	cleanup_free char *name = reference_repository(ref);
	char digest[DIGEST_TEXT_SIZE];

	if (!digest_is_null(&ref->digest))
		strlist_printf(scopes, "%s@%s", name, digest_format(&ref->digest, digest));
	if (ref->tag)
		strlist_printf(scopes, "%s:%s", name, ref->tag);
	for (char *slash; (slash = strrchr(name, '/')); *slash = '\0')
		strlist_append(scopes, name);
	strlist_append(scopes, name);
	/* Of what is left, the host, the port does not count for wildcards. */
	name[strcspn(name, ":")] = '\0';
	for (const char *dot = strchr(name, '.'); dot; dot = strchr(dot + 1, '.'))
		strlist_printf(scopes, "*%s", dot);
}

void policy_scopes(const struct location *location, struct strlist *scopes)
{
	switch (location->transport) {
	case TRANSPORT_DOCKER:
		name_scopes(&location->ref, scopes);
		break;
	case TRANSPORT_OCI:
	case TRANSPORT_OCI_ARCHIVE:
	case TRANSPORT_DIR:
		path_scopes(location, scopes);
		break;
	case TRANSPORT_DOCKER_ARCHIVE: /* "only the "" scope is supported" */
	case TRANSPORT_STORE:
		break;
	}
}

static const struct policy_rules *find_scope(const struct trust_policy *policy, const char *transport,
					     const char *scope)
{
	for (size_t i = 0; i < policy->scope_count; i++) {
		const struct policy_scope *entry = &policy->scopes[i];
		if (strcmp(entry->transport, transport) == 0 && strcmp(entry->scope, scope) == 0)
			return &entry->rules;
	}
	return NULL;
}

const struct policy_rules *trust_policy_find(const struct trust_policy *policy, const struct location *location,
					     char **scope)
{
	cleanup(strlist_done) struct strlist scopes = {0};
	const char *transport = transport_name(location->transport);

	policy_scopes(location, &scopes);
	strlist_append(&scopes, "");
	for (size_t i = 0; i < scopes.count; i++) {
		const struct policy_rules *rules = find_scope(policy, transport, scopes.items[i]);
		if (rules) {
			*scope = mem_printf("%s:%s", transport, scopes.items[i]);
			return rules;
		}
	}
	*scope = mem_strdup("default");
	return &policy->fallback;
}
