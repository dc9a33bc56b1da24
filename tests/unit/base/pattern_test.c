/* The rules of Go's filepath.Match and of Docker's "**". */
#include "base/pattern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct example {
	const char *pattern;
	const char *path;
};

static void check(const struct example *examples, size_t count, bool matches)
{
	for (size_t i = 0; i < count; i++)
		if (pattern_match(examples[i].pattern, examples[i].path) != matches)
			fail_msg("'%s' on '%s' should%s match", examples[i].pattern, examples[i].path,
				 matches ? "" : " not");
}

static void matches_within_a_component(void **state)
{
	static const struct example yes[] = {{"abc", "abc"},
					     {"*", "abc"},
					     {"*", ""},
					     {"*c", "abc"},
					     {"a*", "a"},
					     {"a*/b", "abc/b"},
					     {"a?b", "a☺b"},
					     {"a[^a]b", "a☺b"},
					     {"[a-ζ]*", "α"},
					     {"*x", "xxx"},
					     {"[\\]a]", "]"},
					     {"[x\\-]", "-"},
					     {"a\\*b", "a*b"},
					     {"a\\\\", "a\\"},
					     {"ab[b-d]", "abc"},
					     {"a*b*c*d*e*/f", "axbxcxdxexxx/f"},
					     {"a*b?c*x", "abxbbxdbxebxczzx"},
					     {"a.|)$(}+{bc", "a.|)$(}+{bc"},
					     {"a?", "a\xff"}};
	static const struct example no[] = {{"a*", "ab/c"},
					    {"a*/b", "a/c/b"},
					    {"a?b", "a/b"},
					    {"a*b", "a/b"},
					    {"ab[^b-d]", "abc"},
					    {"a???b", "a☺b"},
					    {"a\\*b", "ab"},
					    {"*[a-ζ]", "A"},
					    {"[x\\-]", "z"},
					    {"abc.def", "abcZdef"},
					    {"abc", "abcd"},
					    {"abcd", "abc"},
					    {"?", ""},
					    {"", "a"},
					    {"[c-a]", "b"},
					    {"a*b?c*x", "abxbbxdbxebxczzy"},
					    {"a*b*c*d*e*/f", "axbxcxdxe/xxx/f"}};
	check(yes, ARRAY_COUNT(yes), true);
	check(no, ARRAY_COUNT(no), false);
}

static void two_stars_cross_directories(void **state)
{
	static const struct example yes[] = {{"**", "file"},
					     {"**/", "file"},
					     {"**", "dir/file"},
					     {"**", "/"},
					     {"dir/**", "dir/a/b"},
					     {"**/dir", "dir"},
					     {"**/dir2/*", "dir/dir2/f"},
					     {"**file", "dir/dir/file"},
					     {"**/file*.txt*", "d/d/file.txt"},
					     {"**/**/*.txt", "file.txt"},
					     {"a**/*.txt", "a/d/file.txt"},
					     {"a/*.txt**", "a/file.txt"},
					     {"**/foo/bar", "d/foo/bar"},
					     {"a/**/b", "a/b"},
					     {"a/**/b", "a/x/y/b"},
					     {"**/.foo", ".foo"}};
	static const struct example no[] = {{"abc/**", "abc"},
					    {"**/.foo", "bar.foo"},
					    {"**/dir", "dir/file"},
					    {"a/*.txt", "a/d/f.txt"},
					    {"**/a/b", "xa/b"},
					    {"a/**/b", "a/xb"},
					    {"**/**/*.txt2", "dir/dir/file.txt"}};
	check(yes, ARRAY_COUNT(yes), true);
	check(no, ARRAY_COUNT(no), false);
}

static void malformed_patterns_match_nothing(void **state)
{
	static const char *const bad[] = {"[",	  "[^",	  "[^bc",    "a[", "[]a]", "[-]",
					  "[x-]", "[-x]", "[a-b-c]", "\\", "a\\",  "[\\"};
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		assert_false(pattern_is_valid(bad[i]));
		assert_false(pattern_match(bad[i], bad[i]));
	}
	assert_true(pattern_is_valid("a[b-c]**/?\\*"));
	assert_true(pattern_is_valid(""));
}

static void knows_a_pattern_from_a_name(void **state)
{
	assert_true(pattern_is_glob("a*"));
	assert_true(pattern_is_glob("a[b]"));
	assert_true(pattern_is_glob("a?"));
	assert_true(pattern_is_glob("a\\b"));
	assert_false(pattern_is_glob("a]b{c}"));
}

/* With backtracking this would not end in the life of the machine. */
static void hostile_patterns_end_soon(void **state)
{
	enum { REPEATS = 60, LENGTH = 2000 };
	char pattern[REPEATS * 5 + 2];
	char path[LENGTH + 1];
	for (size_t i = 0; i < REPEATS; i++)
		memcpy(pattern + 5 * i, "**/*a", 5);
	memcpy(pattern + sizeof(pattern) - 2, "b", 2);
	for (size_t i = 0; i < LENGTH; i++)
		path[i] = i % 2 ? '/' : 'a';
	path[LENGTH] = '\0';
	assert_false(pattern_match(pattern, path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches_within_a_component),	    cmocka_unit_test(two_stars_cross_directories),
		cmocka_unit_test(malformed_patterns_match_nothing), cmocka_unit_test(knows_a_pattern_from_a_name),
		cmocka_unit_test(hostile_patterns_end_soon),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
