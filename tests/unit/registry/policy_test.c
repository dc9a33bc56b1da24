/* registry/policy.h: what a policy may say, which of its rules apply, and which names a signature serves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "registry/policy.h"

#define ACCEPT "[{\"type\":\"insecureAcceptAnything\"}]"
#define REJECT "[{\"type\":\"reject\"}]"

static struct trust_policy *read_policy(const char *text)
{
	struct trust_policy *policy = NULL;
	cleanup_error struct error *err = NULL;

	if (trust_policy_parse(text, strlen(text), "policy.json", &policy, &err) < 0)
		fail_msg("%s", error_message(err));
	return policy;
}

static void refuses(const char *text, const char *why)
{
	struct trust_policy *policy = NULL;
	cleanup_error struct error *err = NULL;

	assert_int_equal(trust_policy_parse(text, strlen(text), "policy.json", &policy, &err), -EINVAL);
	if (!strstr(error_message(err), why))
		fail_msg("'%s' lacks '%s'", error_message(err), why);
	assert_null(policy);
}

/* A policy whose default is one requirement with this text inside. */
static void refuses_requirement(const char *inside, const char *why)
{
	cleanup_free char *text = mem_printf("{\"default\":[{%s}]}", inside);

	refuses(text, why);
}

static void what_is_not_understood_is_refused(void **state)
{
	refuses("", "policy.json");
	refuses("[]", "not an object");
	refuses("{}", "default");
	refuses("{\"default\":[]}", "no requirements");
	refuses("{\"default\":{}}", "not an array");
	refuses("{\"default\":" ACCEPT ",\"default\":" REJECT "}", "duplicate");
	refuses("{\"default\":" ACCEPT ",\"transport\":{}}", "unknown field 'transport'");
	refuses("{\"default\":" ACCEPT ",\"transports\":[]}", "not an object");
	refuses("{\"default\":" ACCEPT ",\"transports\":{\"docker\":{\"\":[]}}}", "no requirements");
	refuses("{\"default\":" ACCEPT ",\"transports\":null}", "is null");
	refuses_requirement("", "type");
	refuses_requirement("\"type\":\"accept\"", "unknown type 'accept'");
	refuses_requirement("\"type\":\"reject\",\"x\":1", "unknown field 'x'");
	refuses_requirement("\"type\":\"signedBy\"", "keyType");
	refuses_requirement("\"type\":\"signedBy\",\"keyType\":\"GPGKeys\"", "no key");
	refuses_requirement("\"type\":\"signedBy\",\"keyType\":\"PGP\",\"keyPath\":\"/k\"", "unknown keyType");
	refuses_requirement("\"type\":\"signedBy\",\"keyType\":\"GPGKeys\",\"keyPath\":\"/k\",\"keyData\":\"eA==\"",
			    "more than one source");
	refuses_requirement("\"type\":\"signedBy\",\"keyType\":\"GPGKeys\",\"keyPath\":\"\"", "empty");
	refuses_requirement("\"type\":\"signedBy\",\"keyType\":\"GPGKeys\",\"keyPaths\":[]", "empty");
	refuses_requirement("\"type\":\"signedBy\",\"keyType\":\"GPGKeys\",\"keyDatas\":[\"eA==\"]", "unknown field");
	refuses_requirement("\"type\":\"sigstoreSigned\"", "no key");
	refuses_requirement("\"type\":\"sigstoreSigned\",\"keyPath\":\"/k\",\"keyType\":\"x\"", "unknown field");
	refuses_requirement("\"type\":\"sigstoreSigned\",\"keyPath\":\"/k\",\"fulcio\":{}", "more than one source");
}

static void identities_are_read_strictly(void **state)
{
#define IDENTITY(inside) "\"type\":\"sigstoreSigned\",\"keyPath\":\"/k\",\"signedIdentity\":{" inside "}"
	refuses_requirement(IDENTITY(""), "type");
	refuses_requirement(IDENTITY("\"type\":\"any\""), "unknown type 'any'");
	refuses_requirement(IDENTITY("\"type\":\"matchExact\",\"dockerReference\":\"x\""), "unknown field");
	refuses_requirement(IDENTITY("\"type\":\"exactReference\""), "dockerReference");
	refuses_requirement(IDENTITY("\"type\":\"exactReference\",\"dockerReference\":\"q.io/x\""), "neither tag");
	refuses_requirement(IDENTITY("\"type\":\"exactReference\",\"dockerReference\":\"Q?\""), "policy.json");
	refuses_requirement(IDENTITY("\"type\":\"exactRepository\",\"dockerReference\":\"q.io/x\""), "unknown field");
	refuses_requirement(IDENTITY("\"type\":\"remapIdentity\",\"prefix\":\"q.io\""), "signedPrefix");
}

static void scopes_that_no_image_can_have_are_refused(void **state)
{
	refuses("{\"default\":" ACCEPT ",\"transports\":{\"dir\":{\"tmp/x\":" REJECT "}}}", "not an absolute path");
	refuses("{\"default\":" ACCEPT ",\"transports\":{\"oci\":{\"/\":" REJECT "}}}", "whole transport");
	refuses("{\"default\":" ACCEPT ",\"transports\":{\"oci\":{\"/a/../b\":" REJECT "}}}", "clean path");
}

static const struct policy_rules *rules_for(const struct trust_policy *policy, const char *place, char **scope)
{
	cleanup(location_done) struct location location = {0};

	assert_int_equal(location_parse(place, &location, NULL), 0);
	return trust_policy_find(policy, &location, scope);
}

static void scope_is(const struct trust_policy *policy, const char *place, const char *expected)
{
	cleanup_free char *scope = NULL;

	assert_non_null(rules_for(policy, place, &scope));
	assert_string_equal(scope, expected);
}

static void the_most_specific_scope_decides(void **state)
{
	cleanup(trust_policy_free) struct trust_policy *policy = read_policy(
		"{\"default\":" REJECT ",\"transports\":{\"docker\":{"
		"\"q.io/a/b:1\":" ACCEPT ",\"q.io/a/b\":" ACCEPT ",\"q.io/a\":" ACCEPT ",\"q.io:5000\":" ACCEPT
		",\"*.x.org\":" ACCEPT ",\"*.org\":" ACCEPT ",\"docker.io/library/debian\":" ACCEPT "},"
		"\"dir\":{\"\":" ACCEPT ",\"/var/lib\":" ACCEPT "},\"oci\":{\"/srv/layout:v1\":" ACCEPT
		",\"/srv/layout\":" ACCEPT "},\"docker-archive\":{\"\":" ACCEPT "},\"other-tool\":{\"x\":" ACCEPT
		"}}}");

	scope_is(policy, "docker://q.io/a/b:1", "docker:q.io/a/b:1");
	scope_is(policy, "docker://q.io/a/b:2", "docker:q.io/a/b");
	scope_is(policy, "docker://q.io/a/bc", "docker:q.io/a");
	scope_is(policy, "docker://q.io/ab", "default");
	scope_is(policy, "docker://q.io:5000/ab", "docker:q.io:5000");
	scope_is(policy, "docker://y.x.org/z", "docker:*.x.org");
	scope_is(policy, "docker://y.x.org:5000/z", "docker:*.x.org");
	scope_is(policy, "docker://x.org/z", "docker:*.org");
	scope_is(policy, "docker://debian", "docker:docker.io/library/debian");
	scope_is(policy, "dir:/var/lib/images", "dir:/var/lib");
	scope_is(policy, "dir:/var/library", "dir:");
	scope_is(policy, "oci:/srv/layout:v1", "oci:/srv/layout:v1");
	scope_is(policy, "oci:/srv/layout:v2", "oci:/srv/layout");
	scope_is(policy, "oci:/srv/other:v1", "default");
	scope_is(policy, "oci-archive:/srv/layout:v1", "default");
	scope_is(policy, "docker-archive:/srv/x.tar", "docker-archive:");
}

static void a_digest_has_its_scope_before_the_tag(void **state)
{
	cleanup(location_done) struct location location = {0};
	cleanup(strlist_done) struct strlist scopes = {0};
	static const char hex[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	cleanup_free char *name = mem_printf("docker://q.io:5000/a/b:1@sha256:%s", hex);

	assert_int_equal(location_parse(name, &location, NULL), 0);
	policy_scopes(&location, &scopes);
	cleanup_free char *all = strlist_join(&scopes, " ");
	cleanup_free char *expected =
		mem_printf("q.io:5000/a/b@sha256:%s q.io:5000/a/b:1 q.io:5000/a/b q.io:5000/a q.io:5000 *.io", hex);
	assert_string_equal(all, expected);
}

static void what_cannot_be_checked_stays_as_a_refusal(void **state)
{
	static const char *const insides[] = {
		"\"type\":\"signedBy\",\"keyType\":\"X509Certificates\",\"keyPath\":\"/k\"",
		"\"type\":\"sigstoreSigned\",\"fulcio\":{\"caPath\":\"/c\"}",
		"\"type\":\"sigstoreSigned\",\"pki\":{}",
		"\"type\":\"sigstoreSigned\",\"keyPath\":\"/k\",\"rekorPublicKeyPath\":\"/r\"",
		"\"type\":\"signedBaseLayer\",\"baseLayerIdentity\":{\"type\":\"matchExact\"}",
	};

	for (size_t i = 0; i < ARRAY_COUNT(insides); i++) {
		cleanup_free char *text = mem_printf("{\"default\":[{%s}]}", insides[i]);
		cleanup(trust_policy_free) struct trust_policy *policy = read_policy(text);
		cleanup_free char *scope = NULL;
		const struct policy_rules *rules = rules_for(policy, "docker://q.io/x", &scope);
		assert_int_equal(rules->items[0].kind, POLICY_UNSUPPORTED);
		assert_non_null(rules->items[0].unsupported);
	}
}

static bool accepts(const struct policy_identity *identity, const char *asked, const char *named)
{
	cleanup(reference_done) struct reference ref = {0};
	cleanup_free char *why = NULL;

	if (asked)
		assert_int_equal(reference_parse(asked, &ref, NULL), 0);
	bool accepted = policy_identity_accepts(identity, asked ? &ref : NULL, named, &why);
	assert_true(accepted == (why == NULL));
	return accepted;
}

#define DIGEST_A "@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void match_exact_wants_the_same_name(void **state)
{
	const struct policy_identity exact = {.kind = IDENTITY_MATCH_EXACT};

	assert_true(accepts(&exact, "q.io/x:1", "q.io/x:1"));
	assert_true(accepts(&exact, "docker.io/library/debian:12", "debian:12"));
	assert_true(accepts(&exact, "q.io/x" DIGEST_A, "q.io/x" DIGEST_A));
	assert_false(accepts(&exact, "q.io/x:1", "q.io/x:2"));
	assert_false(accepts(&exact, "q.io/x:1", "q.io/x"));
	assert_false(accepts(&exact, "q.io/x:1", "q.io/y:1"));
	assert_false(accepts(&exact, "q.io/x" DIGEST_A, "q.io/x:1"));
	assert_false(accepts(&exact, "q.io/x:1", "Not A Name"));
	assert_false(accepts(&exact, "q.io/x:1", NULL));
	assert_false(accepts(&exact, NULL, "q.io/x:1"));
}

static void the_default_forgives_the_tag_to_a_digest(void **state)
{
	const struct policy_identity identity = {.kind = IDENTITY_MATCH_REPO_DIGEST_OR_EXACT};

	assert_true(accepts(&identity, "q.io/x" DIGEST_A, "q.io/x:1"));
	assert_true(accepts(&identity, "q.io/x:1", "q.io/x:1"));
	assert_false(accepts(&identity, "q.io/x" DIGEST_A, "q.io/x"));
	assert_false(accepts(&identity, "q.io/x" DIGEST_A, "q.io/y:1"));
	assert_false(accepts(&identity, "q.io/x:1", "q.io/x:2"));
}

static void match_repository_looks_at_the_repository_alone(void **state)
{
	const struct policy_identity identity = {.kind = IDENTITY_MATCH_REPOSITORY};

	assert_true(accepts(&identity, "q.io/x:1", "q.io/x"));
	assert_true(accepts(&identity, "q.io/x:1", "q.io/x:2"));
	assert_false(accepts(&identity, "q.io/x:1", "q.io/xy:1"));
	assert_false(accepts(&identity, "q.io/x:1", "r.io/x:1"));
}

static void a_signature_without_a_name_serves_digests_where_repositories_match(void **state)
{
	const struct policy_identity repository = {.kind = IDENTITY_MATCH_REPOSITORY};
	const struct policy_identity standard = {.kind = IDENTITY_MATCH_REPO_DIGEST_OR_EXACT};
	char all[] = "q.io/x";
	const struct policy_identity given = {.kind = IDENTITY_EXACT_REPOSITORY, .name = all};

	assert_true(accepts(&repository, "q.io/x" DIGEST_A, NULL));
	assert_true(accepts(&repository, "q.io/x:1" DIGEST_A, NULL));
	assert_false(accepts(&repository, "q.io/x:1", NULL));
	assert_false(accepts(&repository, NULL, NULL));
	assert_false(accepts(&repository, "q.io/x" DIGEST_A, "Not A Name"));
	assert_false(accepts(&standard, "q.io/x" DIGEST_A, NULL));
	assert_false(accepts(&given, "q.io/x" DIGEST_A, NULL));
}

static void exact_kinds_compare_with_the_policy_and_not_with_the_image(void **state)
{
	char one[] = "q.io/x:1", all[] = "q.io/x";
	const struct policy_identity reference = {.kind = IDENTITY_EXACT_REFERENCE, .name = one};
	const struct policy_identity repository = {.kind = IDENTITY_EXACT_REPOSITORY, .name = all};

	assert_true(accepts(&reference, "other.io/z:9", "q.io/x:1"));
	assert_true(accepts(&reference, NULL, "q.io/x:1"));
	assert_false(accepts(&reference, "q.io/x:2", "q.io/x:2"));
	assert_true(accepts(&repository, NULL, "q.io/x:7"));
	assert_false(accepts(&repository, "q.io/y:7", "q.io/y:7"));
}

static void remapping_ends_at_a_component(void **state)
{
	char prefix[] = "mirror:5000/v", host_prefix[] = "mirror", vendor[] = "vendor.org";
	const struct policy_identity identity = {.kind = IDENTITY_REMAP, .prefix = prefix, .signed_prefix = vendor};
	const struct policy_identity host = {.kind = IDENTITY_REMAP, .prefix = host_prefix, .signed_prefix = vendor};

	assert_true(accepts(&identity, "mirror:5000/v/app:1", "vendor.org/app:1"));
	assert_false(accepts(&identity, "mirror:5000/v/app:1", "mirror:5000/v/app:1"));
	assert_true(accepts(&identity, "mirror:5000/vx/app:1", "mirror:5000/vx/app:1"));
	assert_false(accepts(&identity, "mirror:5000/vx/app:1", "vendor.orgx/app:1"));
	assert_false(accepts(&host, "mirror:5000/app:1", "vendor.org:5000/app:1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_understood_is_refused),
		cmocka_unit_test(identities_are_read_strictly),
		cmocka_unit_test(scopes_that_no_image_can_have_are_refused),
		cmocka_unit_test(the_most_specific_scope_decides),
		cmocka_unit_test(a_digest_has_its_scope_before_the_tag),
		cmocka_unit_test(what_cannot_be_checked_stays_as_a_refusal),
		cmocka_unit_test(match_exact_wants_the_same_name),
		cmocka_unit_test(the_default_forgives_the_tag_to_a_digest),
		cmocka_unit_test(match_repository_looks_at_the_repository_alone),
		cmocka_unit_test(a_signature_without_a_name_serves_digests_where_repositories_match),
		cmocka_unit_test(exact_kinds_compare_with_the_policy_and_not_with_the_image),
		cmocka_unit_test(remapping_ends_at_a_component),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
