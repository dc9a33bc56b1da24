#include "base/attributes.h"

#include "tests/unit/base/scratch.h"

#include <errno.h>
#include <sys/xattr.h>

/* Two files, `from` with some attributes; false where the file system has none. */
static bool make_pair(const struct scratch *dir, int *from, int *to)
{
	put_file(dir->fd, "from", "");
	put_file(dir->fd, "to", "");
	*from = openat(dir->fd, "from", O_RDONLY | O_CLOEXEC);
	*to = openat(dir->fd, "to", O_PATH | O_CLOEXEC);
	return fsetxattr(*from, "user.one", "1", 1, 0) == 0 && fsetxattr(*from, "user.empty", "", 0, 0) == 0;
}

static ssize_t value_of(const struct scratch *dir, const char *name, char value[16])
{
	char path[80];

	snprintf(path, sizeof(path), "%s/to", dir->path);
	return getxattr(path, name, value, 16);
}

static void copies_names_with_and_without_a_value(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	cleanup_close int from = -1, to = -1;
	char value[16];

	if (!make_pair(&dir, &from, &to))
		skip();
	assert_int_equal(attributes_copy(from, to, NULL, 0, NULL), 0);
	assert_int_equal(value_of(&dir, "user.one", value), 1);
	assert_int_equal(value[0], '1');
	assert_int_equal(value_of(&dir, "user.empty", value), 0);
}

static bool is_one(const char *name)
{
	return strcmp(name, "user.one") == 0;
}

static void copies_only_what_is_wanted(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	cleanup_close int from = -1, to = -1;
	char value[16];

	if (!make_pair(&dir, &from, &to))
		skip();
	assert_int_equal(attributes_copy(from, to, is_one, 0, NULL), 0);
	assert_int_equal(value_of(&dir, "user.one", value), 1);
	assert_int_equal(value_of(&dir, "user.empty", value), -1);
}

/* A pipe takes no attribute of a user's (xattr(7)). */
static void losing_one_of_the_images_is_an_error_unless_it_is_accepted(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	cleanup_close int from = -1, to = -1;
	cleanup_error struct error *err = NULL;

	if (!make_pair(&dir, &from, &to))
		skip();
	assert_int_equal(mkfifoat(dir.fd, "pipe", 0600), 0);
	cleanup_close int fifo = openat(dir.fd, "pipe", O_PATH | O_CLOEXEC);
	assert_true(attributes_copy(from, fifo, is_one, 0, &err) < 0);
	assert_non_null(strstr(error_message(err), "user.one"));
	assert_int_equal(attributes_copy(from, fifo, is_one, ATTRIBUTES_AT_BEST, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_names_with_and_without_a_value),
		cmocka_unit_test(copies_only_what_is_wanted),
		cmocka_unit_test(losing_one_of_the_images_is_an_error_unless_it_is_accepted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
