/* Names of rungs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "run/ladder.h"

static void names_and_parses_every_rung(void **state)
{
	for (enum rung rung = RUNG_1; rung <= RUNG_4; rung++) {
		enum rung parsed = RUNG_NONE;
		assert_int_equal(rung_parse(rung_name(rung), &parsed, NULL), 0);
		assert_int_equal(parsed, rung);
	}
	assert_string_equal(rung_name(RUNG_NONE), "none");
	assert_string_equal(rung_name(RUNG_2P), "2p");
}

static void refuses_other_words(void **state)
{
	static const char *const bad[] = {"", "0", "5", "1P", "none", "1 "};

	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		enum rung rung = RUNG_3;
		assert_int_equal(rung_parse(bad[i], &rung, NULL), -EINVAL);
		assert_int_equal(rung, RUNG_3);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_parses_every_rung),
		cmocka_unit_test(refuses_other_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
