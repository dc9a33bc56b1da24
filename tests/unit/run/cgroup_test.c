/* Numbers for cgroup files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "run/cgroup.h"

static void converts_shares_to_weights(void **state)
{
	assert_int_equal(cgroup_weight(2), 1);
	assert_int_equal(cgroup_weight(0), 1);
	assert_int_equal(cgroup_weight(1024), 39);
	assert_int_equal(cgroup_weight(262144), 10000);
	assert_int_equal(cgroup_weight(999999999), 10000);
}

static void writes_no_limit_as_max(void **state)
{
	cleanup_free char *max = cgroup_number(UINT64_MAX);
	cleanup_free char *number = cgroup_number(1048576);

	assert_string_equal(max, "max");
	assert_string_equal(number, "1048576");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(converts_shares_to_weights),
		cmocka_unit_test(writes_no_limit_as_max),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
