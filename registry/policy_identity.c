/*
 * signedIdentity: whether a signature that was made for one name serves an image asked for by another
 * (containers-policy.json(5), "signedIdentity"). Names in signatures are compared in their full form, docker.io and
 * library/ included; a name with neither tag nor digest is never "exact".
 */
#include "registry/policy.h"

#include <string.h>

/* A name as it stands in a signature or a policy, made full. */
static bool parse_full(const char *text, struct reference *ref)
{
	if (!text || reference_parse(text, ref, NULL) < 0)
		return false;
	reference_set_docker_domain(ref);
	return true;
}

static bool is_name_only(const struct reference *ref)
{
	return !ref->tag && digest_is_null(&ref->digest);
}

static bool same_repository(const struct reference *a, const struct reference *b)
{
	cleanup_free char *first = reference_repository(a);
	cleanup_free char *second = reference_repository(b);

	return strcmp(first, second) == 0;
}

static bool same_reference(const struct reference *a, const struct reference *b)
{
	cleanup_free char *first = reference_format(a);
	cleanup_free char *second = reference_format(b);

	return !is_name_only(a) && !is_name_only(b) && strcmp(first, second) == 0;
}

/* Where the image was asked for by digest, the digest itself is checked elsewhere, and a tag beside it is decoration.
 */
static bool match_repo_digest_or_exact(const struct reference *ref, const struct reference *named)
{
	if (is_name_only(named))
		return false;
	return digest_is_null(&ref->digest) ? same_reference(ref, named) : same_repository(ref, named);
}

/* Our name with one prefix put in the place of another, where it ends at a '/' or with the repository's name: "host" is
 * no prefix of "host:5000/x". */
static char *remap(const struct policy_identity *identity, const struct reference *ref)
{
	cleanup_free char *name = reference_format(ref);
	cleanup_free char *repository = reference_repository(ref);
	size_t len = strlen(identity->prefix);

	if (strncmp(repository, identity->prefix, len) != 0 || (repository[len] != '/' && repository[len] != '\0'))
		return take_ptr(&name);
	return mem_printf("%s%s", identity->signed_prefix, name + len);
}

static bool match_remapped(const struct policy_identity *identity, const struct reference *ref,
			   const struct reference *named)
{
	cleanup_free char *mapped = remap(identity, ref);
	cleanup(reference_done) struct reference expected = {0};

	return parse_full(mapped, &expected) && match_repo_digest_or_exact(&expected, named);
}

/* What the policy names instead of what was asked for. */
static bool match_given(const struct policy_identity *identity, const struct reference *named)
{
	cleanup(reference_done) struct reference given = {0};

	if (!parse_full(identity->name, &given))
		return false;
	return identity->kind == IDENTITY_EXACT_REFERENCE ? same_reference(&given, named)
							  : same_repository(&given, named);
}

static bool matches(const struct policy_identity *identity, const struct reference *ref, const struct reference *named)
{
	switch (identity->kind) {
	case IDENTITY_EXACT_REFERENCE:
	case IDENTITY_EXACT_REPOSITORY:
		return match_given(identity, named);
	case IDENTITY_MATCH_REPO_DIGEST_OR_EXACT:
		return ref && match_repo_digest_or_exact(ref, named);
	case IDENTITY_MATCH_EXACT:
		return ref && same_reference(ref, named);
	case IDENTITY_MATCH_REPOSITORY:
		return ref && same_repository(ref, named);
	case IDENTITY_REMAP:
		return ref && match_remapped(identity, ref, named);
	}
	return false;
}

/* cosign's bundles name no image, only a digest. The default asks for a whole name, as it does of claims that have only
 * half of one. "matchRepository" is what is written in policies for cosign's keys: it is content with a signature that
 * says nothing of the tag; and whoever asks for an image by its digest cannot be given another repository's in its
 * place, so that nothing is left that a name could tell. */
static bool accepts_nameless(const struct policy_identity *identity, const struct reference *ref)
{
	return ref && !digest_is_null(&ref->digest) && identity->kind == IDENTITY_MATCH_REPOSITORY;
}

bool policy_identity_accepts(const struct policy_identity *identity, const struct reference *ref,
			     const char *signed_name, char **why)
{
	cleanup(reference_done) struct reference named = {0};

	if (signed_name ? parse_full(signed_name, &named) && matches(identity, ref, &named)
			: accepts_nameless(identity, ref))
		return true;
	if (!signed_name)
		*why = mem_strdup(
			"it names no image (such a one serves where signedIdentity is matchRepository and the "
			"image is asked for by its digest)");
	else if (!ref && identity->kind != IDENTITY_EXACT_REFERENCE && identity->kind != IDENTITY_EXACT_REPOSITORY)
		*why = mem_printf("it is for '%s', and this image has no name to compare that with", signed_name);
	else
		*why = mem_printf("it is for '%s'", signed_name);
	return false;
}
