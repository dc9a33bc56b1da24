/* Docker's rules of ignore files: patternmatcher's own cases, and those of its documentation. */
#include "dockerfile/ignore.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "base/mem.h"

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

static void matches_as_patternmatcher_does(void **state)
{
	static const struct {
		const char *pattern;
		const char *path;
		bool matches;
	} examples[] = {
		{"**", "file", true},
		{"**", "dir/file", true},
		{"**/", "dir/file", true},
		{"**/**", "dir/file", true},
		{"dir/**", "dir/file", true},
		{"dir/**", "dir/dir2/file", true},
		{"dir/**", "dir", false},
		{"**/dir2/*", "dir/dir2/file", true},
		{"**/dir2/*", "dir/dir2/dir2/file", true},
		{"**/dir2/**", "dir/dir2/dir2/file", true},
		{"**file", "file", true},
		{"**file", "dir/file", true},
		{"**file", "dir/xfile", true},
		{"**/file", "dir/xfile", false},
		{"**/file", "file", true},
		{"**/file", "dir/dir/file", true},
		{"**/file*", "dir/dir/file.txt", true},
		{"**/file*txt", "dir/dir/file.txt", true},
		{"**/file*.txt*", "dir/dir/file.txt", true},
		{"**/**/*.txt", "dir/dir/file.txt", true},
		{"**/**/*.txt2", "dir/dir/file.txt", false},
		{"**/*.txt", "file.txt", true},
		{"**/**/*.txt", "file.txt", true},
		{"a**/*.txt", "a/file.txt", true},
		{"a**/*.txt", "a/dir/file.txt", true},
		{"a/*.txt", "a/dir/file.txt", false},
		{"a/*.txt**", "a/file.txt", true},
		{"a[b-d]e", "ae", false},
		{"a[b-d]e", "ace", true},
		{"a[^b-d]e", "aze", true},
		{".*", ".foo", true},
		{".*", "foo", false},
		{"abc.def", "abcdef", false},
		{"abc.def", "abc.def", true},
		{"abc?def", "abcZdef", true},
		{"a\\\\", "a\\", true},
		{"**/foo/bar", "foo/bar", true},
		{"**/foo/bar", "dir/dir2/foo/bar", true},
		{"abc/**", "abc", false},
		{"abc/**", "abc/def/ghi", true},
		{"**/.foo", ".foo", true},
		{"**/.foo", "bar.foo", false},
		{"a(b)c/def", "a(b)c/def", true},
		{"a.|)$(}+{bc", "a.|)$(}+{bc", true},
		{"foo**", "foobar/x", true},
		{"../a", "a", false},
		{"/../a", "a", true},
	};

	for (size_t i = 0; i < ARRAY_COUNT(examples); i++)
		if (left_out(examples[i].pattern, examples[i].path) != examples[i].matches)
			fail_msg("'%s' on '%s'", examples[i].pattern, examples[i].path);
}

static void the_last_line_that_matches_decides(void **state)
{
	static const struct {
		const char *lines;
		const char *path;
		bool left_out;
	} examples[] = {
		{"*\n!fileutils.go", "fileutils.go", false},
		{"!fileutils.go\n*", "fileutils.go", true},
		{"*.go\n!fileutils.go", "something.go", true},
		{"docs\n!docs/README.md", "docs/README.md", false},
		{"docs/\n!docs/README.md", "docs/README.md", false},
		{"docs/*\n!docs/README.md", "docs/README.md", false},
		{"docs/**\n!docs/README.md", "docs/README.md", false},
		{"docs/**\n!docs/README.md", "docs/sub/x", true},
		{"**\n!util/docker/web", "util/docker/web/foo", false},
		{"**\n!util/docker/web\nutil/docker/web/foo", "util/docker/web/foo", true},
		{"**/.dockerignore\n!.dockerignore", ".dockerignore", false},
		{"**/dir2\n!**/file", "a/dir2/file", false},
		/* What the walk saw of a directory holds below it: there was nothing to take back at "a". */
		{"a/b\n!a", "a/b", true},
		{"a/b\n!a", "a/b/c", true},
		{"a\n!a", "a/b", false},
		{"a\n!a\na/b", "a/b/c", true},
		{"*\n!a/b", "a/b/c", false},
		{"*\n!a/b", "a/c", true},
		{"*\n!**/*.go", "a/b/c.go", false},
	};

	for (size_t i = 0; i < ARRAY_COUNT(examples); i++)
		if (left_out(examples[i].lines, examples[i].path) != examples[i].left_out)
			fail_msg("'%s' on '%s'", examples[i].lines, examples[i].path);
}

static void knows_where_something_may_come_back(void **state)
{
	cleanup(ignore_rules_done) struct ignore_rules rules = {0};

	assert_int_equal(ignore_rules_add_text(&rules, "*\n!a/b/c\n!x*/y", NULL), 0);
	assert_true(ignore_rules_may_return(&rules, "a"));
	assert_true(ignore_rules_may_return(&rules, "a/b"));
	assert_false(ignore_rules_may_return(&rules, "a/c"));
	assert_false(ignore_rules_may_return(&rules, "b"));
	assert_true(ignore_rules_may_return(&rules, "xx"));
	assert_false(ignore_rules_may_return(&rules, "z"));
}

/* Docker looks for the '!' behind the cleaning. */
static void a_rooted_exclamation_mark_takes_back_in(void **state)
{
	cleanup(ignore_rules_done) struct ignore_rules rules = {0};

	assert_int_equal(ignore_rules_add_text(&rules, "*\n/!a/b\n./!c", NULL), 0);
	assert_false(ignore_rules_match(&rules, "a/b"));
	assert_false(ignore_rules_match(&rules, "c"));
	assert_true(ignore_rules_match(&rules, "a/d"));
	assert_true(ignore_rules_may_return(&rules, "a"));
}

static void refuses_patterns_that_cannot_mean_anything(void **state)
{
	cleanup(ignore_rules_done) struct ignore_rules rules = {0};

	assert_int_equal(ignore_rules_add(&rules, "!", NULL), -EINVAL);
	assert_int_equal(ignore_rules_add(&rules, " ! ", NULL), -EINVAL);
	assert_int_equal(ignore_rules_add(&rules, "!/", NULL), -EINVAL);
	assert_int_equal(ignore_rules_add(&rules, "/!", NULL), -EINVAL);
	assert_int_equal(ignore_rules_add(&rules, "a[b", NULL), -EINVAL);
	assert_int_equal(ignore_rules_add(&rules, "a\\", NULL), -EINVAL);
	assert_int_equal(ignore_rules_add(&rules, "*\\", NULL), -EINVAL);
	assert_int_equal(ignore_rules_add(&rules, "\\*\\", NULL), -EINVAL);
}

/* Go does not look so far. */
static void a_backslash_behind_stars_is_itself(void **state)
{
	cleanup(ignore_rules_done) struct ignore_rules rules = {0};

	assert_int_equal(ignore_rules_add(&rules, "a*/b\\", NULL), 0);
	assert_true(ignore_rules_match(&rules, "ax/b\\"));
	assert_false(ignore_rules_match(&rules, "ax/b"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaves_out_what_a_pattern_matches),
		cmocka_unit_test(leaves_out_all_below_a_directory),
		cmocka_unit_test(takes_back_in_what_a_later_exception_names),
		cmocka_unit_test(reads_lines_as_docker_does),
		cmocka_unit_test(matches_as_patternmatcher_does),
		cmocka_unit_test(the_last_line_that_matches_decides),
		cmocka_unit_test(knows_where_something_may_come_back),
		cmocka_unit_test(a_rooted_exclamation_mark_takes_back_in),
		cmocka_unit_test(refuses_patterns_that_cannot_mean_anything),
		cmocka_unit_test(a_backslash_behind_stars_is_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
