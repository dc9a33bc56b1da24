/* --ulimit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "run/limits.h"

static void reads(const char *text, int resource, rlim_t soft, rlim_t hard)
{
	struct run_limit limit = {0};
	bool keep = false;

	assert_int_equal(limit_parse(text, &limit, &keep, NULL), 0);
	assert_false(keep);
	assert_int_equal(limit.resource, resource);
	assert_true(limit.soft == soft && limit.hard == hard);
}

static void reads_soft_and_hard(void **state)
{
	reads("nofile=1024:2048", RLIMIT_NOFILE, 1024, 2048);
	reads("nproc=100", RLIMIT_NPROC, 100, 100);
	reads("core=-1", RLIMIT_CORE, RLIM_INFINITY, RLIM_INFINITY);
	reads("core=0:unlimited", RLIMIT_CORE, 0, RLIM_INFINITY);
}

static void refuses_what_makes_no_sense(void **state)
{
	static const char *const bad[] = {"nofile",	  "nofile=",   "nofile=x", "nosuch=1",	  "nofile=2:1",
					  "nofile=1:2:3", "nofile=-2", "=1",	   "nofile=-1:5", "nofil=1"};

	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		struct run_limit limit = {0};
		bool keep = false;
		assert_int_equal(limit_parse(bad[i], &limit, &keep, NULL), -EINVAL);
	}
}

static void host_keeps_ours(void **state)
{
	struct run_limit limit = {0};
	bool keep = false;

	assert_int_equal(limit_parse("host", &limit, &keep, NULL), 0);
	assert_true(keep);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_soft_and_hard),
		cmocka_unit_test(refuses_what_makes_no_sense),
		cmocka_unit_test(host_keeps_ours),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
