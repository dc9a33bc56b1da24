#include "base/directory.h"

#include "tests/unit/base/scratch.h"

#include "base/strlist.h"
#include "tests/unit/base/failing_readdir.h"

static int read_names(int dirfd, const char *path, struct strlist *names, struct error **err)
{
	cleanup_directory DIR *dir = NULL;
	int rc = directory_open(dirfd, path, &dir, err);

	for (const struct dirent *entry; rc == 0 && (entry = directory_next(dir, &rc, err));)
		strlist_append(names, entry->d_name);
	strlist_sort(names);
	return rc;
}

static void gives_every_entry_once_and_no_dots(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	cleanup(strlist_done) struct strlist names = {0};

	put_file(dir.fd, "b", "");
	put_file(dir.fd, "...", "");
	put_dir(dir.fd, "a");
	errno = ENOENT;
	assert_int_equal(read_names(dir.fd, ".", &names, NULL), 0);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(names.count, 3);
	assert_string_equal(names.items[0], "...");
	assert_string_equal(names.items[2], "b");
	assert_int_equal(read_names(dir.fd, "a", &names, NULL), 0);
	assert_int_equal(names.count, 3);
}

static void a_failure_is_not_the_end(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();

	put_file(dir.fd, "a", "");
	put_file(dir.fd, "b", "");
	for (int left = 0; left < 4; left++) { /* the dots are entries as well */
		cleanup(strlist_done) struct strlist names = {0};
		cleanup_error struct error *err = NULL;
		entries_left = left;
		assert_int_equal(read_names(dir.fd, ".", &names, &err), -EIO);
		assert_true(names.count < 3);
		assert_non_null(strstr(error_message(err), dir.path));
	}
	entries_left = -1;
}

static void opens_directories_only_and_follows_no_link(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	DIR *none = NULL;

	put_file(dir.fd, "file", "");
	put_link(dir.fd, "link", "/");
	assert_int_equal(directory_open(dir.fd, "missing", &none, NULL), -ENOENT);
	assert_int_equal(directory_open(dir.fd, "file", &none, NULL), -ENOTDIR);
	assert_true(directory_open(dir.fd, "link", &none, NULL) < 0);
	assert_null(none);
}

static void a_descriptor_that_is_taken_is_gone_in_any_case(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	cleanup_directory DIR *stream = NULL;
	DIR *none = NULL;

	put_file(dir.fd, "file", "");
	int good = fd_open_dir(dir.fd, ".", NULL), bad = openat(dir.fd, "file", O_RDONLY | O_CLOEXEC), old = bad;
	assert_int_equal(directory_take(&good, &stream, NULL), 0);
	assert_int_equal(good, -1);
	assert_int_equal(directory_take(&bad, &none, NULL), -ENOTDIR);
	assert_int_equal(bad, -1);
	assert_int_equal(fcntl(old, F_GETFD), -1);
	assert_null(none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_every_entry_once_and_no_dots),
		cmocka_unit_test(a_failure_is_not_the_end),
		cmocka_unit_test(opens_directories_only_and_follows_no_link),
		cmocka_unit_test(a_descriptor_that_is_taken_is_gone_in_any_case),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
