/* registry/challenge.h: WWW-Authenticate in all the forms that registries send. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>

#include "registry/challenge.h"

static void reads_a_bearer_challenge(void **state)
{
	cleanup(challenge_list_done) struct challenge_list list = {0};

	assert_int_equal(challenge_parse("Bearer realm=\"https://auth/token?x=1,2\",service=\"registry, main\","
					 "scope=\"repository:a/b:pull,push\"",
					 &list, NULL),
			 0);
	assert_int_equal(list.count, 1);
	const struct challenge *bearer = challenge_find(&list, "bearer");
	assert_non_null(bearer);
	assert_string_equal(challenge_get(bearer, "realm"), "https://auth/token?x=1,2");
	assert_string_equal(challenge_get(bearer, "service"), "registry, main");
	assert_string_equal(challenge_get(bearer, "scope"), "repository:a/b:pull,push");
	assert_null(challenge_get(bearer, "error"));
}

static void tells_several_challenges_in_one_header_apart(void **state)
{
	cleanup(challenge_list_done) struct challenge_list list = {0};

	assert_int_equal(challenge_parse("Negotiate, NTLM dGVzdA==, BASIC Realm = \"a\\\"b\" , charset=UTF-8,"
					 "Bearer realm=https://t",
					 &list, NULL),
			 0);
	assert_int_equal(list.count, 4);
	assert_string_equal(challenge_get(challenge_find(&list, "basic"), "realm"), "a\"b");
	assert_string_equal(challenge_get(challenge_find(&list, "basic"), "charset"), "UTF-8");
	assert_string_equal(challenge_get(challenge_find(&list, "bearer"), "realm"), "https://t");
	assert_non_null(challenge_find(&list, "ntlm"));
}

static void collects_over_several_headers(void **state)
{
	cleanup(challenge_list_done) struct challenge_list list = {0};

	assert_int_equal(challenge_parse("Basic", &list, NULL), 0);
	assert_int_equal(challenge_parse("Bearer realm=\"x\"", &list, NULL), 0);
	assert_int_equal(list.count, 2);
}

static void the_first_of_two_equal_parameters_wins(void **state)
{
	cleanup(challenge_list_done) struct challenge_list list = {0};

	assert_int_equal(challenge_parse("Bearer realm=\"good\",realm=\"evil\"", &list, NULL), 0);
	assert_string_equal(challenge_get(&list.items[0], "realm"), "good");
}

static void keeps_what_came_before_a_fault(void **state)
{
	cleanup(challenge_list_done) struct challenge_list list = {0};

	assert_int_equal(challenge_parse("Basic realm=\"x\", Bearer realm=\"open", &list, NULL), -EINVAL);
	assert_non_null(challenge_find(&list, "basic"));
}

static void refuses_what_is_no_challenge(void **state)
{
	static const char *const bad[] = {"\"x\"", "=", "Bearer realm=\"", "a(b"};

	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		cleanup(challenge_list_done) struct challenge_list list = {0};
		if (challenge_parse(bad[i], &list, NULL) != -EINVAL)
			fail_msg("accepted '%s'", bad[i]);
	}
}

static void an_empty_header_holds_nothing(void **state)
{
	cleanup(challenge_list_done) struct challenge_list list = {0};

	assert_int_equal(challenge_parse(" , ", &list, NULL), 0);
	assert_int_equal(list.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_bearer_challenge),
		cmocka_unit_test(tells_several_challenges_in_one_header_apart),
		cmocka_unit_test(collects_over_several_headers),
		cmocka_unit_test(the_first_of_two_equal_parameters_wins),
		cmocka_unit_test(keeps_what_came_before_a_fault),
		cmocka_unit_test(refuses_what_is_no_challenge),
		cmocka_unit_test(an_empty_header_holds_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
