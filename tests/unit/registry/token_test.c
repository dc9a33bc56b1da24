/* registry/token.h: which token serves which question. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "registry/token.h"

static bool serves(const char *have, const char *want)
{
	cleanup(strlist_done) struct strlist held = {0};
	cleanup(strlist_done) struct strlist asked = {0};

	strlist_split(&held, have, ' ');
	strlist_split(&asked, want, ' ');
	return token_scopes_cover(&held, &asked);
}

static void a_token_for_more_serves_less(void **state)
{
	assert_true(serves("repository:a:pull,push", "repository:a:pull"));
	assert_true(serves("repository:a:pull,push repository:b:pull", "repository:a:push"));
	assert_true(serves("repository:a:pull,push repository:b:pull", "repository:b:pull repository:a:pull"));
	assert_false(serves("repository:a:pull", "repository:a:pull,push"));
	assert_false(serves("repository:a:pull", "repository:a:pull repository:b:pull"));
}

static void who_asks_for_nothing_gets_nothing_else(void **state)
{
	assert_true(serves("", ""));
	assert_false(serves("repository:a:pull", ""));
	assert_false(serves("", "repository:a:pull"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_for_more_serves_less),
		cmocka_unit_test(who_asks_for_nothing_gets_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
