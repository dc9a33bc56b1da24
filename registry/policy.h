/*
 * Which images may be used: containers-policy.json(5). A policy is a list of requirements for each scope (a part of the
 * name space of one transport) and a default; the most specific scope decides, and all of its requirements must be met.
 *
 * Reading is strict, because a policy that is read wrongly protects nobody: unknown or duplicate fields, unknown types
 * and empty lists make the whole file invalid. What is written correctly but cannot be checked here (fulcio, rekor,
 * X.509) is kept as POLICY_UNSUPPORTED and refuses every image it applies to.
 *
 * This is the text and its meaning; trust.h applies it to images.
 */
#ifndef COOPER_REGISTRY_POLICY_H
#define COOPER_REGISTRY_POLICY_H

#include "base/error.h"
#include "base/strlist.h"
#include "imagefmt/reference.h"

#include <stdbool.h>

#define POLICY_SIZE_MAX ((size_t)4 << 20)

/* How the name that a signature was made for must relate to the name the image is asked for by. */
enum identity_kind {
	IDENTITY_MATCH_REPO_DIGEST_OR_EXACT, /* the default */
	IDENTITY_MATCH_EXACT,
	IDENTITY_MATCH_REPOSITORY,
	IDENTITY_EXACT_REFERENCE,
	IDENTITY_EXACT_REPOSITORY,
	IDENTITY_REMAP
};

struct policy_identity {
	enum identity_kind kind;
	char *name;	     /* of the two "exact" kinds: the reference or repository that must be signed */
	char *prefix;	     /* of "remap": what our names begin with */
	char *signed_prefix; /* and what stands there in signed names */
};

enum policy_kind { POLICY_ACCEPT, POLICY_REJECT, POLICY_SIGNED_BY_GPG, POLICY_SIGNED_BY_SIGSTORE, POLICY_UNSUPPORTED };

struct policy_requirement {
	enum policy_kind kind;
	struct strlist key_paths; /* of the two "signed" kinds: files with one or more keys */
	struct strlist key_data;  /* or the keys themselves, base64; one of the two lists is empty */
	struct policy_identity identity;
	char *unsupported; /* what it is that cannot be checked */
};

struct policy_rules {
	struct policy_requirement *items;
	size_t count; /* never 0 in a policy that was read */
};

struct trust_policy;

/* `what` names the document in errors. -EINVAL. */
int trust_policy_parse(const char *text, size_t size, const char *what, struct trust_policy **policy,
		       struct error **err);
/* Reads the file that $COOPER_SIGNATURE_POLICY names (which is also what --signature-policy sets), else
 * ~/.config/containers/policy.json, else the system's. No file at all in the two known places accepts everything
 * (`*policy` stays NULL); one that was named must exist: -ENOENT. */
int trust_policy_load(struct trust_policy **policy, struct error **err);
void trust_policy_free(struct trust_policy *policy);
CLEANUP_FOR(struct trust_policy, trust_policy_free)

/* The rules for an image, borrowed from the policy. *scope says which they are, newly allocated: "docker:quay.io/x" or
 * "default". */
const struct policy_rules *trust_policy_find(const struct trust_policy *policy, const struct location *location,
					     char **scope);

/* The scopes under which a location may be listed, most specific first, as containers-policy.json(5) orders them:
 * docker's names with tag or digest, repository, its parents, the host, "*.domain"; paths and their parents. "" (the
 * whole transport) is not among them. */
void policy_scopes(const struct location *location, struct strlist *scopes);

/* Whether a signature for `signed_name` serves an image asked for as `ref` (NULL: an image without a name, of which
 * only the two "exact" kinds can be true). On false *why (newly allocated) says what was expected. */
bool policy_identity_accepts(const struct policy_identity *identity, const struct reference *ref,
			     const char *signed_name, char **why);

#endif
