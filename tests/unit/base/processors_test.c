#include "base/processors.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/tree.h"

static char mounted[] = "/tmp/cooper-unit-XXXXXX";

static int make_hierarchies(void **state)
{
	static const char *const dirs[] = {"a", "a/b", "cpu", "cpu/x", "cpu/x/y"};
	static const struct {
		const char *path, *text;
	} files[] = {
		{"a/cpu.max", "350000 100000\n"},	  {"a/b/cpu.max", "max 100000\n"},
		{"cpu/cpu.cfs_quota_us", "-1\n"},	  {"cpu/cpu.cfs_period_us", "100000\n"},
		{"cpu/x/cpu.cfs_quota_us", "50000\n"},	  {"cpu/x/cpu.cfs_period_us", "100000\n"},
		{"cpu/x/y/cpu.cfs_quota_us", "400000\n"}, {"cpu/x/y/cpu.cfs_period_us", "100000\n"},
	};

	if (!mkdtemp(mounted))
		return -1;
	for (size_t i = 0; i < ARRAY_COUNT(dirs); i++) {
		cleanup_free char *path = mem_printf("%s/%s", mounted, dirs[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	for (size_t i = 0; i < ARRAY_COUNT(files); i++) {
		cleanup_free char *path = mem_printf("%s/%s", mounted, files[i].path);
		FILE *file = fopen(path, "we");
		assert_non_null(file);
		assert_true(fputs(files[i].text, file) >= 0);
		assert_int_equal(fclose(file), 0);
	}
	return 0;
}

static int remove_hierarchies(void **state)
{
	return tree_remove(AT_FDCWD, mounted, NULL);
}

static void a_group_grants_what_the_least_above_it_does(void **state)
{
	assert_int_equal(processors_granted("0::/a/b\n", mounted), 4);
	assert_int_equal(processors_granted("0::/a\n", mounted), 4);
	assert_int_equal(processors_granted("3:cpu,cpuacct:/x/y\n0::/\n", mounted), 1);
	assert_int_equal(processors_granted("3:cpu,cpuacct:/x/y\n0::/a\n", mounted), 1);
}

static void a_group_without_a_limit_grants_all(void **state)
{
	assert_true(processors_granted("0::/\n", mounted) == SIZE_MAX);
	assert_true(processors_granted("5:cpu:/\n", mounted) == SIZE_MAX);
	assert_true(processors_granted("7:memory:/x\n", mounted) == SIZE_MAX);
	assert_true(processors_granted("", mounted) == SIZE_MAX);
	assert_true(processors_granted("0::\nnothing\n:\n::\n", mounted) == SIZE_MAX);
}

/* A container sees its own group as the topmost, under a name of the host's. */
static void a_name_of_the_host_is_looked_for_from_above(void **state)
{
	assert_int_equal(processors_granted("2:cpu:/x/kubepods/pod1\n", mounted), 1);
	assert_int_equal(processors_granted("0::/a/kubepods/pod1\n", mounted), 4);
}

static void there_is_at_least_one(void **state)
{
	assert_true(process_processors() >= 1);
	assert_int_equal(process_processors(), process_processors());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_group_grants_what_the_least_above_it_does),
		cmocka_unit_test(a_group_without_a_limit_grants_all),
		cmocka_unit_test(a_name_of_the_host_is_looked_for_from_above),
		cmocka_unit_test(there_is_at_least_one),
	};

	return cmocka_run_group_tests(tests, make_hierarchies, remove_hierarchies);
}
