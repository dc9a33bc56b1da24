/* registry/patience.h: the account of lost time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "registry/patience.h"

static void waits_add_up_until_there_is_no_time_left(void **state)
{
	struct patience patience = {.max_ms = 1000};

	assert_true(patience_wait(&patience, 10000, 600));
	assert_true(patience_wait(&patience, 20000, 400));
	assert_false(patience_wait(&patience, 30000, 1));
	assert_int_equal(patience.lost_ms, 1000);
}

static void a_wait_that_is_refused_costs_nothing(void **state)
{
	struct patience patience = {.max_ms = 1000};

	assert_false(patience_wait(&patience, 10000, 1001));
	assert_true(patience_wait(&patience, 10000, 1000));
}

static void hours_that_go_well_cost_nothing(void **state)
{
	struct patience patience = {.max_ms = 1000};

	for (int64_t hour = 0; hour < 9; hour++)
		assert_true(patience_wait(&patience, hour * 3600000, 100));
	assert_int_equal(patience.lost_ms, 900);
}

static void waits_side_by_side_count_once(void **state)
{
	struct patience patience = {.max_ms = 1000};

	assert_true(patience_wait(&patience, 10000, 900));
	assert_true(patience_wait(&patience, 10100, 800));
	assert_true(patience_wait(&patience, 10200, 800)); /* 100 more */
	assert_int_equal(patience.lost_ms, 1000);
}

static void attempts_that_fail_count_with_the_wait_behind_them(void **state)
{
	struct patience patience = {.max_ms = 1000};

	patience_lose(&patience, 10000, 10700);
	patience_lose(&patience, 10500, 10600); /* beside it */
	assert_int_equal(patience.lost_ms, 700);
	assert_true(patience_wait(&patience, 10700, 300));
	patience_lose(&patience, 11000, 11001);
	assert_false(patience_wait(&patience, 11001, 1));
}

static void a_refusal_tells_what_was_lost(void **state)
{
	struct patience patience = {.max_ms = 10000};

	patience_lose(&patience, 1000, 3500);
	assert_false(patience_wait(&patience, 3500, 8000));
	char *text = patience_explain(&patience, 3500, 8000);
	assert_non_null(strstr(text, "waiting 8.0 s more would pass --retry-deadline"));
	assert_non_null(strstr(text, "2.5 s of 10.0 s"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waits_add_up_until_there_is_no_time_left),
		cmocka_unit_test(a_wait_that_is_refused_costs_nothing),
		cmocka_unit_test(hours_that_go_well_cost_nothing),
		cmocka_unit_test(waits_side_by_side_count_once),
		cmocka_unit_test(attempts_that_fail_count_with_the_wait_behind_them),
		cmocka_unit_test(a_refusal_tells_what_was_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
