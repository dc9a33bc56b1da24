#include "builder/image_semver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "base/strlist.h"

static void versions_are_in_their_ranges_and_not_in_others(void **state)
{
	static const struct {
		const char *range, *in, *out; /* with blanks between */
	} cases[] = {
		{"1.2.3", "1.2.3 v1.2.3 1.2.3+build", "1.2.4 1.2 1.2.3-rc1"},
		{"1.2", "1.2 1.2.0 1.2.9", "1.3.0 1.1.9"},
		{"1.x", "1.0.0 1.99", "2.0.0 0.9"},
		{"*", "0.0.1 7 1.2.3", "1.2.3-rc1 latest 1.2.3.4 1..2 ''"},
		{"!=1.2", "1.3.0 1.1", "1.2.0 1.2.7"},
		{">1.2", "1.3.0 2", "1.2.9 1.2.0 1.1"},
		{">= 1.2", "1.2.0 1.2.5 9", "1.1.99"},
		{"<2", "1.99.99 0", "2.0.0 2.5"},
		{"<=2", "2.9.9 1", "3.0.0"},
		{"~1.2.3", "1.2.3 1.2.9", "1.2.2 1.3.0"},
		{"~1", "1.0.0 1.9", "2.0"},
		{"~1.2", "1.2.0 1.2.8", "1.3"},
		{"^1.2.3", "1.2.3 1.9.0", "1.2.2 2.0.0"},
		{"^0.2.3", "0.2.3 0.2.9", "0.3.0 1.0.0"},
		{"^0.0.3", "0.0.3", "0.0.4 0.1.0"},
		{"^0", "0.0.1 0.9", "1.0.0"},
		{"1.2 - 1.4", "1.2.0 1.4.0 1.3", "1.1 1.5"},
		{">=1.2, <2 || ^3.1", "1.2 1.9 3.1.0 3.9", "2.0 3.0.9 4.0 1.1"},
		{">= 1.2   < 1.4", "1.3", "1.4 1.1"},
		{">=1.2.3-beta.2", "1.2.3-beta.2 1.2.3-beta.11 1.2.3-rc 1.2.3 1.3.0-alpha",
		 "1.2.3-beta.1 1.2.3-alpha 1.2.3-1"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(semver_check_range(cases[i].range, NULL), 0);
		for (int inside = 0; inside < 2; inside++) {
			cleanup(strlist_done) struct strlist words = {0};
			strlist_split(&words, inside ? cases[i].in : cases[i].out, ' ');
			for (size_t k = 0; k < words.count; k++)
				if (semver_is_in(words.items[k], cases[i].range) != inside)
					fail_msg("%s %s %s", words.items[k], inside ? "is not in" : "is in",
						 cases[i].range);
		}
	}
}

static void what_is_no_range_is_refused(void **state)
{
	static const char *const wrong[] = {"",		  " ",	  "||",	  "1 ||", ">=",	 "one",
					    ">= 1.2.3.4", "1..2", "=>>1", "1.2-", "- 2", "99999999999"};
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		if (semver_check_range(wrong[i], NULL) != -EINVAL)
			fail_msg("'%s' was taken", wrong[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions_are_in_their_ranges_and_not_in_others),
		cmocka_unit_test(what_is_no_range_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
