/* The walk says of each path what asking for it alone says, whatever was asked before. */
#include "dockerfile/ignore_walk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char *const paths[] = {"",	     "a",	 "a/b",	     "a/b/c.o",	  "a/bc", "ab/c.o", "a/b/d",
				    "x.log", "a/x.log",	 "keep.log", "d/e/f",	  "d/e",  "d",	    "d/e/g",
				    "node",  "d/node/x", "a.tmp",    "a/b/.tmp",  "tmp",  "docs/a", "docs/b/",
				    "z/[",   "d/e/f/g",	 "m/x/n",    "m/x/y/n",	  "m/n",  "**",	    "a/b/c.o",
				    "é/b",   "x/é",	 "README",   "sub/README"};

static const char *const texts[] = {
	"a/b\n!a/b/c.o\n*.log\n!keep.log\n", "**/*.tmp\n**/node\nd/**\n!d/e/f\n",    "**\n!docs\n!**/*.o\n",
	"m/**/n\n?.tmp\n[a-d]/e\n**.o\n",    "é\n**/é\nREADME\n!sub/README\n/tmp\n", "*\n!a\na/b/\n!*/b/d\n",
};

static void a_walk_and_a_single_question_agree(void **state)
{
	for (size_t t = 0; t < ARRAY_COUNT(texts); t++) {
		cleanup(ignore_rules_done) struct ignore_rules rules = {0};
		assert_int_equal(ignore_rules_add_text(&rules, texts[t], NULL), 0);
		cleanup(ignore_walk_done) struct ignore_walk walk = IGNORE_WALK_INIT(&rules);
		/* Each path after each other. */
		for (size_t i = 0; i < ARRAY_COUNT(paths); i++)
			for (size_t k = 0; k < ARRAY_COUNT(paths); k++) {
				bool before = *paths[i] && ignore_rules_match(&rules, paths[i]);
				bool after = *paths[k] && ignore_rules_match(&rules, paths[k]);
				assert_int_equal(ignore_walk_match(&walk, paths[i]), before);
				assert_int_equal(ignore_walk_match(&walk, paths[k]), after);
			}
	}
}

static void the_ends_of_names_are_told_apart(void **state)
{
	cleanup(ignore_rules_done) struct ignore_rules rules = {0};
	assert_int_equal(ignore_rules_add_text(&rules, "**/*.tmp\nsrc\n", NULL), 0);
	cleanup(ignore_walk_done) struct ignore_walk walk = IGNORE_WALK_INIT(&rules);

	assert_true(ignore_walk_match(&walk, "a.tmp"));
	assert_true(ignore_walk_match(&walk, "x/.tmp"));
	assert_true(ignore_walk_match(&walk, "x/y/a.tmp"));
	assert_true(ignore_walk_match(&walk, "a.tmp/inside"));
	assert_false(ignore_walk_match(&walk, "a.tmpx"));
	assert_true(ignore_walk_match(&walk, "src/deep/file"));
	assert_false(ignore_walk_match(&walk, "src2/deep/file"));
	assert_false(ignore_walk_match(&walk, "x/src"));
}

static void without_rules_nothing_is_left_out(void **state)
{
	cleanup(ignore_walk_done) struct ignore_walk walk = IGNORE_WALK_INIT(NULL);

	assert_false(ignore_walk_match(&walk, "a/b"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_walk_and_a_single_question_agree),
		cmocka_unit_test(the_ends_of_names_are_told_apart),
		cmocka_unit_test(without_rules_nothing_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
