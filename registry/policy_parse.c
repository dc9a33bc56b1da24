/*
 * The text of a policy, strictly (containers-policy.json(5)). Each object has a list of the fields it may have; a
 * function for each type of requirement says which of them it must have.
 */
#include "registry/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "registry/policy_internal.h"

/* ---- strictness ---- */

/* -EINVAL unless it is an object, and has no fields but these (a list that ends in NULL; NULL: any). */
static int check_object(const struct json_place *at, const char *const *fields, struct error **err)
{
	const char *key;
	json_t *value;

	if (!json_is_object(at->value))
		return json_error(at, err, "not an object");
	json_object_foreach((json_t *)at->value, key, value)
	{
		size_t i = 0;
		while (fields && fields[i] && strcmp(fields[i], key) != 0)
			i++;
		if (fields && !fields[i])
			return json_error(at, err, "unknown field '%s'", key);
		if (json_is_null(value))
			return json_error(at, err, "'%s' is null", key);
	}
	return 0;
}

static int require_string(const struct json_place *object, const char *key, char **text, struct error **err)
{
	struct json_place at = json_field(object, key);
	int rc = json_require(&at, err);

	if (rc == 0)
		rc = json_get_string(at, text, err);
	if (rc == 0 && **text == '\0')
		return json_error(&at, err, "empty");
	return rc;
}

/* ---- signedIdentity ---- */

struct identity_type {
	const char *name;
	enum identity_kind kind;
	const char *fields[4]; /* "type" first; the others are required */
};

static const struct identity_type identity_types[] = {
	{"matchRepoDigestOrExact", IDENTITY_MATCH_REPO_DIGEST_OR_EXACT, {"type"}},
	{"matchExact", IDENTITY_MATCH_EXACT, {"type"}},
	{"matchRepository", IDENTITY_MATCH_REPOSITORY, {"type"}},
	{"exactReference", IDENTITY_EXACT_REFERENCE, {"type", "dockerReference"}},
	{"exactRepository", IDENTITY_EXACT_REPOSITORY, {"type", "dockerRepository"}},
	{"remapIdentity", IDENTITY_REMAP, {"type", "prefix", "signedPrefix"}},
};

/* What a policy names must be a name: it would otherwise refuse all images, and nobody would know why. */
static int check_name(const struct json_place *at, const struct policy_identity *identity, struct error **err)
{
	cleanup(reference_done) struct reference ref = {0};
	struct error *why = NULL;

	if (identity->kind != IDENTITY_EXACT_REFERENCE && identity->kind != IDENTITY_EXACT_REPOSITORY)
		return 0;
	int rc = reference_parse(identity->name, &ref, &why);
	if (rc < 0) {
		json_error(at, err, "%s", error_message(why));
		error_free(why);
		return rc;
	}
	if (identity->kind == IDENTITY_EXACT_REFERENCE && !ref.tag && digest_is_null(&ref.digest))
		return json_error(at, err, "'%s' has neither tag nor digest", identity->name);
	return 0;
}

static int parse_identity(struct json_place at, struct policy_identity *identity, struct error **err)
{
	cleanup_free char *name = NULL;
	const struct identity_type *type = identity_types;

	if (!at.value)
		return 0;
	int rc = check_object(&at, /* fields: as its type says */ NULL, err);
	if (rc == 0)
		rc = require_string(&at, "type", &name, err);
	if (rc < 0)
		return rc;
	while (strcmp(type->name, name) != 0)
		if (++type == identity_types + ARRAY_COUNT(identity_types))
			return json_error(&at, err, "unknown type '%s'", name);
	identity->kind = type->kind;
	rc = check_object(&at, type->fields, err);
	if (rc == 0 && type->kind == IDENTITY_REMAP) {
		rc = require_string(&at, "prefix", &identity->prefix, err);
		if (rc == 0)
			rc = require_string(&at, "signedPrefix", &identity->signed_prefix, err);
	} else if (rc == 0 && type->fields[1]) {
		rc = require_string(&at, type->fields[1], &identity->name, err);
	}
	return rc < 0 ? rc : check_name(&at, identity, err);
}

/* ---- requirements ---- */

/* The key fields of a requirement: just one of them is there, unless something that is not supported stands for it. */
static int parse_keys(const struct json_place *at, struct policy_requirement *into, struct error **err)
{
	static const char *const fields[] = {"keyPath", "keyPaths", "keyData", "keyDatas"};
	size_t found = 0;
	int rc = 0;

	for (size_t i = 0; i < ARRAY_COUNT(fields) && rc == 0; i++) {
		struct json_place field = json_field(at, fields[i]);
		struct strlist *list = i < 2 ? &into->key_paths : &into->key_data;
		cleanup_free char *one = NULL;
		if (!field.value)
			continue;
		found++;
		if (i % 2 == 1) {
			rc = json_get_strlist(field, list, err);
			if (rc == 0 && list->count == 0)
				rc = json_error(&field, err, "empty");
		} else {
			rc = require_string(at, fields[i], &one, err);
			if (rc == 0)
				strlist_append(list, one);
		}
	}
	if (rc < 0)
		return rc;
	if (found + (into->unsupported ? 1 : 0) != 1)
		return json_error(at, err, "%s", found ? "more than one source of keys" : "no key");
	return 0;
}

static int parse_bare(const struct json_place *at, struct policy_requirement *into, struct error **err)
{
	return 0;
}

static int parse_signed_by(const struct json_place *at, struct policy_requirement *into, struct error **err)
{
	static const char *const key_types[] = {"GPGKeys", "signedByGPGKeys", "X509Certificates", "signedByX509CAs"};
	cleanup_free char *key_type = NULL;
	size_t i = 0;
	int rc = require_string(at, "keyType", &key_type, err);

	while (rc == 0 && i < ARRAY_COUNT(key_types) && strcmp(key_types[i], key_type) != 0)
		i++;
	if (rc == 0 && i == ARRAY_COUNT(key_types))
		return json_error(at, err, "unknown keyType '%s'", key_type);
	if (rc == 0)
		rc = parse_keys(at, into, err);
	if (rc == 0)
		rc = parse_identity(json_field(at, "signedIdentity"), &into->identity, err);
	if (rc == 0 && i != 0) {
		into->kind = POLICY_UNSUPPORTED;
		into->unsupported = mem_printf("signedBy with keyType %s", key_type);
	}
	return rc;
}

/* A field that asks for what is not checked here makes the whole requirement one that nobody can meet. */
static int parse_sigstore_signed(const struct json_place *at, struct policy_requirement *into, struct error **err)
{
	static const char *const others[] = {"fulcio",
					     "pki",
					     "rekorPublicKeyPath",
					     "rekorPublicKeyPaths",
					     "rekorPublicKeyData",
					     "rekorPublicKeyDatas"};

	for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
		/* The first two stand for a key, the rest come beside one. */
		if (json_field(at, others[i]).value && (i < 2 || !into->unsupported)) {
			free(into->unsupported);
			into->unsupported = mem_strdup(others[i]);
		}
	}
	bool stands_for_key = into->unsupported && strncmp(into->unsupported, "rekor", 5) != 0;
	cleanup_free char *beside = stands_for_key ? NULL : take_ptr(&into->unsupported);
	int rc = parse_keys(at, into, err);
	if (rc == 0)
		rc = parse_identity(json_field(at, "signedIdentity"), &into->identity, err);
	if (beside)
		into->unsupported = take_ptr(&beside);
	if (rc == 0 && into->unsupported) {
		cleanup_free char *field = take_ptr(&into->unsupported);
		into->unsupported = mem_printf("sigstoreSigned with %s", field);
		into->kind = POLICY_UNSUPPORTED;
	}
	return rc;
}

static int parse_base_layer(const struct json_place *at, struct policy_requirement *into, struct error **err)
{
	into->unsupported = mem_strdup("signedBaseLayer");
	return parse_identity(json_field(at, "baseLayerIdentity"), &into->identity, err);
}

struct requirement_type {
	const char *name;
	enum policy_kind kind;
	int (*parse)(const struct json_place *at, struct policy_requirement *into, struct error **err);
	const char *fields[14];
};

static const struct requirement_type requirement_types[] = {
	{"insecureAcceptAnything", POLICY_ACCEPT, parse_bare, {"type"}},
	{"reject", POLICY_REJECT, parse_bare, {"type"}},
	{"signedBy",
	 POLICY_SIGNED_BY_GPG,
	 parse_signed_by,
	 {"type", "keyType", "keyPath", "keyPaths", "keyData", "signedIdentity"}},
	{"sigstoreSigned",
	 POLICY_SIGNED_BY_SIGSTORE,
	 parse_sigstore_signed,
	 {"type", "keyPath", "keyPaths", "keyData", "keyDatas", "fulcio", "pki", "rekorPublicKeyPath",
	  "rekorPublicKeyPaths", "rekorPublicKeyData", "rekorPublicKeyDatas", "signedIdentity"}},
	{"signedBaseLayer", POLICY_UNSUPPORTED, parse_base_layer, {"type", "baseLayerIdentity"}},
};

static int parse_requirement(const struct json_place *at, struct policy_requirement *into, struct error **err)
{
	cleanup_free char *name = NULL;
	const struct requirement_type *type = requirement_types;
	int rc = check_object(at, /* fields: as its type says */ NULL, err);

	if (rc == 0)
		rc = require_string(at, "type", &name, err);
	if (rc < 0)
		return rc;
	while (strcmp(type->name, name) != 0)
		if (++type == requirement_types + ARRAY_COUNT(requirement_types))
			return json_error(at, err, "unknown type '%s'", name);
	into->kind = type->kind;
	rc = check_object(at, type->fields, err);
	return rc < 0 ? rc : type->parse(at, into, err);
}

static int parse_rules(struct json_place at, struct policy_rules *rules, struct error **err)
{
	int rc = json_require(&at, err);
	ssize_t count = rc < 0 ? rc : json_get_count(at, err);

	if (count < 0)
		return (int)count;
	if (!json_is_array(at.value))
		return json_error(&at, err, "not an array");
	if (count == 0)
		return json_error(&at, err, "no requirements (for no restriction say insecureAcceptAnything)");
	rules->items = mem_alloc((size_t)count * sizeof(*rules->items));
	for (size_t i = 0; i < (size_t)count && rc == 0; i++) {
		struct json_place item = json_element(&at, i);
		rules->count = i + 1;
		rc = parse_requirement(&item, &rules->items[i], err);
	}
	return rc;
}

/* ---- scopes ---- */

/* A scope that no image can have is a mistake that would leave the default in force. */
static int check_scope(const struct json_place *at, const char *transport, const char *scope, struct error **err)
{
	bool is_path =
		strcmp(transport, "dir") == 0 || strcmp(transport, "oci") == 0 || strcmp(transport, "oci-archive") == 0;
	size_t len = strlen(scope);

	if (!is_path || len == 0)
		return 0;
	if (scope[0] != '/')
		return json_error(at, err, "scope '%s' is not an absolute path", scope);
	if (len == 1)
		return json_error(at, err, "scope '/': use \"\" for the whole transport");
	if (scope[len - 1] == '/' || strstr(scope, "//") || strstr(scope, "/./") || strstr(scope, "/../"))
		return json_error(at, err, "scope '%s' is not a clean path", scope);
	return 0;
}

static int parse_transport(const struct json_place *at, const char *transport, struct trust_policy *policy,
			   struct error **err)
{
	const char *scope;
	json_t *value;
	int rc = check_object(at, /* fields: any scope */ NULL, err);

	if (rc < 0)
		return rc;
	json_object_foreach((json_t *)at->value, scope, value)
	{
		rc = check_scope(at, transport, scope, err);
		if (rc < 0)
			return rc;
		policy->scopes = mem_grow(policy->scopes, policy->scope_count + 1, sizeof(*policy->scopes));
		struct policy_scope *entry = &policy->scopes[policy->scope_count++];
		*entry = (struct policy_scope){.transport = mem_strdup(transport), .scope = mem_strdup(scope)};
		rc = parse_rules(json_field(at, scope), &entry->rules, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int parse_policy(const struct json_place *top, struct trust_policy *policy, struct error **err)
{
	static const char *const fields[] = {"default", "transports", NULL};
	struct json_place transports = json_field(top, "transports");
	const char *name;
	json_t *value;
	int rc = check_object(top, fields, err);

	if (rc == 0)
		rc = parse_rules(json_field(top, "default"), &policy->fallback, err);
	if (rc < 0 || !transports.value)
		return rc;
	rc = check_object(&transports, /* fields: any transport, also of other tools */ NULL, err);
	if (rc < 0)
		return rc;
	json_object_foreach((json_t *)transports.value, name, value)
	{
		struct json_place at = json_field(&transports, name);
		rc = parse_transport(&at, name, policy, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int trust_policy_parse(const char *text, size_t size, const char *what, struct trust_policy **policy,
		       struct error **err)
{
	cleanup_json json_t *root = NULL;
	cleanup(trust_policy_free) struct trust_policy *made = mem_alloc(sizeof(*made));
	int rc = json_parse(text, size, what, &root, err);

	if (rc < 0)
		return rc;
	struct json_place top = json_root(what, root);
	rc = parse_policy(&top, made, err);
	if (rc == 0)
		*policy = take_ptr(&made);
	return rc;
}

/* ---- the end ---- */

static void rules_done(struct policy_rules *rules)
{
	for (size_t i = 0; i < rules->count; i++) {
		struct policy_requirement *item = &rules->items[i];
		strlist_done(&item->key_paths);
		strlist_done(&item->key_data);
		free(item->identity.name);
		free(item->identity.prefix);
		free(item->identity.signed_prefix);
		free(item->unsupported);
	}
	free(rules->items);
}

void trust_policy_free(struct trust_policy *policy)
{
	if (!policy)
		return;
	rules_done(&policy->fallback);
	for (size_t i = 0; i < policy->scope_count; i++) {
		free(policy->scopes[i].transport);
		free(policy->scopes[i].scope);
		rules_done(&policy->scopes[i].rules);
	}
	free(policy->scopes);
	free(policy);
}
