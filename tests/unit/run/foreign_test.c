/* Which bytes the kernel is told to look for; that programs then run is tests/cli/build_platforms.bats' to show. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "run/foreign.h"

static void a_registration_names_the_header_of_arm64_programs(void **state)
{
	cleanup_free char *line = foreign_registration("arm64", "/usr/bin/qemu-aarch64-static");

	assert_string_equal(line, ":cooper-aarch64:M::"
				  "\\x7f\\x45\\x4c\\x46\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00"
				  "\\x02\\x00\\xb7\\x00:"
				  "\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff"
				  "\\xfe\\xff\\xff\\xff:/usr/bin/qemu-aarch64-static:POCF");
}

static void numbers_of_big_endian_programs_are_the_other_way_round(void **state)
{
	cleanup_free char *line = foreign_registration("s390x", "/q");

	assert_non_null(strstr(line, "\\x02\\x02\\x01"));
	assert_non_null(strstr(line, "\\x00\\x02\\x00\\x16:"));
	assert_non_null(strstr(line, "\\xff\\xfe\\xff\\xff:/q:"));
}

static void a_name_above_255_has_both_its_bytes(void **state)
{
	cleanup_free char *line = foreign_registration("loong64", "/q");

	assert_non_null(strstr(line, "\\x02\\x00\\x02\\x01:"));
}

static void what_is_not_known_or_would_break_the_line_is_not_registered(void **state)
{
	assert_null(foreign_registration("pdp11", "/q"));
	assert_null(foreign_registration("arm64", "/opt/a:b/qemu"));
}

static void an_unknown_architecture_is_refused(void **state)
{
	cleanup(foreign_end) struct foreign foreign = FOREIGN_INIT;
	cleanup_error struct error *err = NULL;

	assert_int_equal(foreign_begin("pdp11", &foreign, &err), -ENOEXEC);
	assert_non_null(strstr(error_message(err), "'pdp11'"));
	assert_int_equal(foreign.instance, -1);
}

static void nothing_is_done_for_what_runs_here_anyway(void **state)
{
	cleanup(foreign_end) struct foreign foreign = FOREIGN_INIT;
	const char *ours = foreign_is_native("amd64") ? "amd64" : foreign_is_native("arm64") ? "arm64" : NULL;

	if (!ours)
		skip();
	assert_int_equal(foreign_begin(ours, &foreign, NULL), 0);
	assert_int_equal(foreign.instance, -1);
	assert_int_equal(foreign_is_native("386"), foreign_is_native("amd64"));
	assert_false(foreign_is_native("s390x"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_registration_names_the_header_of_arm64_programs),
		cmocka_unit_test(numbers_of_big_endian_programs_are_the_other_way_round),
		cmocka_unit_test(a_name_above_255_has_both_its_bytes),
		cmocka_unit_test(what_is_not_known_or_would_break_the_line_is_not_registered),
		cmocka_unit_test(an_unknown_architecture_is_refused),
		cmocka_unit_test(nothing_is_done_for_what_runs_here_anyway),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
