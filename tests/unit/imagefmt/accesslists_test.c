/* Lists that are taken away: from what, with what left, and who is counted. */
#include "tests/unit/imagefmt/tartree.h"

#include "imagefmt/accesslists.h"
#include "tests/unit/imagefmt/access_list.h"

static mode_t mode_of(const struct tartree *t, const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(t->root, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_mode & 07777;
}

static void make_one_of_each(const struct tartree *t)
{
	cleanup_close int file = openat(t->root, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(file >= 0);
	assert_int_equal(mkdirat(t->root, "dir", 0755), 0);
	assert_int_equal(mkfifoat(t->root, "fifo", 0600), 0);
	assert_int_equal(symlinkat("file", t->root, "link"), 0);
}

static void a_list_goes_and_the_mode_stays(void **state)
{
	static const char *const names[] = {"dir", "fifo", "file"};
	struct tartree *t = *state;
	cleanup(access_lists_done) struct access_lists lost = {0};

	make_one_of_each(t);
	for (size_t i = 0; i < ARRAY_COUNT(names); i++)
		if (!give_list(t->root, names[i], ACCESS_LIST))
			skip();
	assert_true(give_list(t->root, "dir", DEFAULT_LIST));
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		assert_int_equal(mode_of(t, names[i]), ACCESS_LIST_MODE);
		assert_int_equal(access_lists_drop_at(&lost, t->root, names[i], names[i], NULL), 1);
		assert_int_equal(mode_of(t, names[i]), ACCESS_LIST_MODE);
		assert_false(has_list(t->root, names[i], ACCESS_LIST));
		assert_int_equal(access_lists_drop_at(&lost, t->root, names[i], names[i], NULL), 0);
	}
	assert_false(has_list(t->root, "dir", DEFAULT_LIST));
	/* Each counts once, whatever it had. */
	assert_int_equal(lost.count, 3);
	assert_string_equal(lost.first, "/dir");
	access_lists_warn(&lost);
	assert_int_equal(lost.count, 0);
	access_lists_note(&lost, "");
	assert_string_equal(lost.first, "/");
}

static void what_has_none_is_left_alone(void **state)
{
	static const char *const names[] = {"dir", "fifo", "file", "link"};
	struct tartree *t = *state;
	cleanup(access_lists_done) struct access_lists lost = {0};
	struct stat before, after;

	make_one_of_each(t);
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		assert_int_equal(fstatat(t->root, names[i], &before, AT_SYMLINK_NOFOLLOW), 0);
		assert_int_equal(access_lists_drop_at(&lost, t->root, names[i], names[i], NULL), 0);
		assert_int_equal(fstatat(t->root, names[i], &after, AT_SYMLINK_NOFOLLOW), 0);
		assert_memory_equal(&before.st_ctim, &after.st_ctim, sizeof(before.st_ctim));
	}
	assert_int_equal(access_lists_drop_at(&lost, t->root, "none", "none", NULL), -ENOENT);
	assert_int_equal(lost.count, 0);
}

static void a_link_does_not_lead_to_what_has_one(void **state)
{
	struct tartree *t = *state;
	cleanup(access_lists_done) struct access_lists lost = {0};

	make_one_of_each(t);
	if (!give_list(t->root, "file", ACCESS_LIST))
		skip();
	assert_int_equal(access_lists_drop_at(&lost, t->root, "link", "link", NULL), 0);
	assert_true(has_list(t->root, "file", ACCESS_LIST));
}

static void a_directory_hands_on_none_and_keeps_its_own(void **state)
{
	struct tartree *t = *state;

	make_one_of_each(t);
	if (!give_list(t->root, "dir", ACCESS_LIST) || !give_list(t->root, "dir", DEFAULT_LIST))
		skip();
	cleanup_close int dir = fd_open_dir(t->root, "dir", NULL);
	access_lists_hand_on_none(dir);
	assert_int_equal(mkdirat(dir, "below", 0755), 0);
	assert_false(has_list(t->root, "dir/below", ACCESS_LIST));
	assert_false(has_list(t->root, "dir/below", DEFAULT_LIST));
	assert_true(has_list(t->root, "dir", ACCESS_LIST));
}

#define T(name) cmocka_unit_test_setup_teardown(name, tartree_setup, tartree_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_list_goes_and_the_mode_stays),
		T(what_has_none_is_left_alone),
		T(a_link_does_not_lead_to_what_has_one),
		T(a_directory_hands_on_none_and_keeps_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
