/* What patterns stand for. */
#include "builder/copy_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/tree.h"
#include "tests/unit/base/failing_readdir.h"

struct place {
	char path[32];
	int root;
};

static void put(int root, const char *path)
{
	fd_close(openat(root, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
}

static int set_up(void **state)
{
	static struct place place;

	memcpy(place.path, "/tmp/expandXXXXXX", sizeof("/tmp/expandXXXXXX"));
	if (!mkdtemp(place.path))
		return -1;
	place.root = open(place.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	mkdirat(place.root, "d", 0755);
	mkdirat(place.root, "d/sub", 0755);
	mkdirat(place.root, "d/sub/deep", 0755);
	put(place.root, "a.txt");
	put(place.root, "b.txt");
	put(place.root, "odd[1]");
	put(place.root, "d/c.txt");
	put(place.root, "d/sub/deep/e.txt");
	*state = &place;
	/* Out of the root, and round and round. */
	return symlinkat("/etc", place.root, "out") < 0 || symlinkat("..", place.root, "d/loop") < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	struct place *place = *state;

	fd_close(place->root);
	return tree_remove(AT_FDCWD, place->path, NULL);
}

static void check(void **state, const char *pattern, const char *want)
{
	const struct place *place = *state;
	cleanup(strlist_done) struct strlist paths = {0};

	assert_int_equal(copy_expand(place->root, pattern, &paths, NULL), 0);
	cleanup_free char *text = strlist_join(&paths, " ");
	assert_string_equal(text, want);
}

static void gives_plain_names_back_whether_they_exist_or_not(void **state)
{
	check(state, "/a.txt", "/a.txt");
	check(state, "/nosuch", "/nosuch");
	check(state, "/odd[1]", "/odd[1]");
}

static void matches_within_a_directory(void **state)
{
	check(state, "/*.txt", "/a.txt /b.txt");
	check(state, "/[ab].txt", "/a.txt /b.txt");
	check(state, "/d/*", "/d/c.txt /d/loop /d/sub");
	check(state, "/*/sub/deep/e.txt", "/d/sub/deep/e.txt");
	check(state, "/no*", "");
}

static void crosses_directories_with_two_stars_but_follows_no_link(void **state)
{
	check(state, "/**/e.txt", "/d/sub/deep/e.txt");
	check(state, "/**/*.txt", "/a.txt /b.txt /d/c.txt /d/sub/deep/e.txt");
	check(state, "/d/**/**/e.txt", "/d/sub/deep/e.txt");
}

static void stays_inside_the_root(void **state)
{
	check(state, "/out/pass*", "");
	check(state, "/../../et*/passwd", "");
}

/* A layer without the files that nobody has seen would be a wrong one. */
static void half_a_directory_is_no_match(void **state)
{
	static const char *const patterns[] = {"/*.txt", "/d/*", "/**/e.txt", "/**"};
	const struct place *place = *state;

	for (size_t i = 0; i < ARRAY_COUNT(patterns); i++)
		for (int left = 0; left < 5; left++) {
			cleanup(strlist_done) struct strlist paths = {0};
			entries_left = left;
			assert_int_equal(copy_expand(place->root, patterns[i], &paths, NULL), -EIO);
		}
	entries_left = -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(gives_plain_names_back_whether_they_exist_or_not, set_up, tear_down),
		cmocka_unit_test_setup_teardown(matches_within_a_directory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(crosses_directories_with_two_stars_but_follows_no_link, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(stays_inside_the_root, set_up, tear_down),
		cmocka_unit_test_setup_teardown(half_a_directory_is_no_match, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
