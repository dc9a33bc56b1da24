#include "tests/unit/base/scratch.h"

#include <errno.h>
#include <math.h>

#include "base/library.h"

#define FUNCTIONS(X) X(cos) X(floor)

struct maths {
	FUNCTIONS(LIBRARY_MEMBER)
};

static const char *const symbols[] = {FUNCTIONS(LIBRARY_SYMBOL)};

static void loads_functions_in_the_order_of_the_table(void **state)
{
	struct maths maths = {0};

	assert_int_equal(library_load("libm.so.6", symbols, ARRAY_COUNT(symbols), &maths, NULL), 0);
	assert_true(maths.floor(2.5) == 2.0);
	assert_true(maths.cos(0.0) == 1.0);
	/* Loaded already: the library is not even looked for. */
	assert_int_equal(library_load("libnothing.so", symbols, ARRAY_COUNT(symbols), &maths, NULL), 0);
}

static void leaves_the_table_empty_when_a_function_is_missing(void **state)
{
	static const char *const wrong[] = {"cos", "no_such_function"};
	struct maths maths = {0};
	cleanup_error struct error *err = NULL;

	assert_int_equal(library_load("libm.so.6", wrong, ARRAY_COUNT(wrong), &maths, &err), -ENOENT);
	assert_null(maths.cos);
	assert_non_null(strstr(error_message(err), "no_such_function"));
}

static void names_the_package_to_install(void **state)
{
	struct maths maths = {0};
	cleanup_error struct error *err = NULL;

	assert_int_equal(library_load("libcurl.so.99", symbols, ARRAY_COUNT(symbols), &maths, &err), -ENOENT);
	assert_non_null(strstr(error_message(err), "apt install libcurl4"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loads_functions_in_the_order_of_the_table),
		cmocka_unit_test(leaves_the_table_empty_when_a_function_is_missing),
		cmocka_unit_test(names_the_package_to_install),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
