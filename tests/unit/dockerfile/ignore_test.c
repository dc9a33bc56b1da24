/* Docker's rules of ignore files: patternmatcher's own cases, and those of its documentation. */
#include "dockerfile/ignore.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

static bool left_out(const char *text, const char *path)
{
	cleanup(ignore_rules_done) struct ignore_rules rules = {0};

	assert_int_equal(ignore_rules_add_text(&rules, text, NULL), 0);
	return ignore_rules_match(&rules, path);
}

static void leaves_out_what_a_pattern_matches(void **state)
{
	assert_true(left_out("*.o", "a.o"));
	assert_false(left_out("*.o", "d/a.o"));
	assert_true(left_out("**/*.o", "d/e/a.o"));
	assert_true(left_out("*/temp*", "somedir/temporary.txt"));
	assert_false(left_out("*/temp*", "a/b/temp"));
	assert_true(left_out("temp?", "tempa"));
	assert_false(left_out("", "a"));
}

static void leaves_out_all_below_a_directory(void **state)
{
	assert_true(left_out("node_modules", "node_modules/a/b/c"));
	assert_true(left_out("a/b", "a/b/c"));
	assert_false(left_out("a/b", "a/bc"));
	assert_false(left_out("a/b", "a"));
}

static void takes_back_in_what_a_later_exception_names(void **state)
{
	assert_false(left_out("*.md\n!README.md", "README.md"));
	assert_true(left_out("*.md\n!README.md", "OTHER.md"));
	assert_true(left_out("*.md\n!README*.md\nREADME-secret.md", "README-secret.md"));
	assert_false(left_out("*.md\nREADME-secret.md\n!README*.md", "README-secret.md"));
	assert_false(left_out("dir\n!dir/keep", "dir/keep"));
	assert_false(left_out("dir\n!dir/keep", "dir/keep/below"));
	assert_true(left_out("dir\n!dir/keep", "dir/other"));
}

static void reads_lines_as_docker_does(void **state)
{
	assert_true(left_out("\xef\xbb\xbf"
			     "first",
			     "first"));
	assert_false(left_out("#a", "#a"));
	assert_true(left_out(" #a", "#a"));
	assert_true(left_out("  a  \r\n", "a"));
	assert_true(left_out("/a", "a"));
	assert_true(left_out("a/", "a/b"));
	assert_true(left_out("./a/../b", "b"));
	assert_false(left_out("*\n! a", "a"));
	assert_false(left_out(".", "a"));
}

static void refuses_patterns_that_cannot_mean_anything(void **state)
{
	cleanup(ignore_rules_done) struct ignore_rules rules = {0};

	assert_int_equal(ignore_rules_add(&rules, "!", NULL), -EINVAL);
	assert_int_equal(ignore_rules_add(&rules, "a[b", NULL), -EINVAL);
	assert_int_equal(ignore_rules_add(&rules, "a\\", NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaves_out_what_a_pattern_matches),
		cmocka_unit_test(leaves_out_all_below_a_directory),
		cmocka_unit_test(takes_back_in_what_a_later_exception_names),
		cmocka_unit_test(reads_lines_as_docker_does),
		cmocka_unit_test(refuses_patterns_that_cannot_mean_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
