#include "tests/unit/base/scratch.h"

#include <errno.h>

#include "base/error.h"

static void builds_a_message_from_the_inside_out(void **state)
{
	cleanup_error struct error *err = NULL;

	assert_int_equal(error_set(&err, ENOENT, "no image named '%s'", "x"), -ENOENT);
	assert_int_equal(error_prefix(&err, "push %s", "reg/x"), -ENOENT);
	assert_int_equal(error_hint(&err, "see %s", "images"), -ENOENT);
	assert_string_equal(error_message(err), "push reg/x: no image named 'x' (see images)");
	assert_int_equal(error_code(err), ENOENT);
}

static void appends_what_errno_says(void **state)
{
	cleanup_error struct error *err = NULL;

	errno = EACCES;
	assert_int_equal(error_set_errno(&err, "open '%s'", "f"), -EACCES);
	assert_string_equal(error_message(err), "open 'f': permission denied");
}

static void never_takes_errno_zero_for_success(void **state)
{
	errno = 0;
	assert_int_equal(error_set_errno(NULL, "read"), -EIO);
}

static void works_without_anybody_to_tell(void **state)
{
	assert_int_equal(error_set(NULL, EINVAL, "x"), -EINVAL);
	assert_string_equal(error_message(NULL), "unknown error");
	assert_int_equal(error_code(NULL), 0);
	error_clear(NULL);
	error_free(NULL);
}

static void keeps_the_code_without_anybody_to_tell(void **state)
{
	struct error *none = NULL;

	error_set(NULL, ENOENT, "x");
	assert_int_equal(error_prefix(NULL, "y"), -ENOENT);
	assert_int_equal(error_hint(NULL, "z"), -ENOENT);
	errno = EACCES;
	error_set_errno(NULL, "x");
	assert_int_equal(error_prefix(NULL, "y"), -EACCES);
	/* Who gave a place for the error but got none has not failed for that reason. */
	assert_int_equal(error_prefix(&none, "y"), -EIO);
}

static void replaces_an_error_that_is_set_already(void **state)
{
	cleanup_error struct error *err = NULL;

	error_set(&err, ENOENT, "first");
	error_set(&err, EINVAL, "second, after %s", error_message(err));
	assert_string_equal(error_message(err), "second, after first");
	assert_int_equal(error_code(err), EINVAL);
}

static void cuts_an_endless_message_at_a_character(void **state)
{
	cleanup_error struct error *err = NULL;
	cleanup_free char *text = mem_alloc(30001);

	for (int i = 0; i < 30000; i += 3)
		memcpy(text + i, "\xe2\x82\xac", 3);
	error_set(&err, EINVAL, "a%s", text);
	size_t len = strlen(error_message(err));
	assert_true(len <= 8192);
	assert_string_equal(error_message(err) + len - 6, "\xe2\x82\xac...");
}

static void lets_no_escape_sequence_through(void **state)
{
	cleanup_error struct error *err = NULL;

	error_set(&err, ENOENT, "no tag '%s'", "\033[2J\r\xc3\xa4");
	assert_string_equal(error_message(err), "no tag '?[2J?\xc3\xa4'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(builds_a_message_from_the_inside_out),
		cmocka_unit_test(appends_what_errno_says),
		cmocka_unit_test(never_takes_errno_zero_for_success),
		cmocka_unit_test(works_without_anybody_to_tell),
		cmocka_unit_test(keeps_the_code_without_anybody_to_tell),
		cmocka_unit_test(replaces_an_error_that_is_set_already),
		cmocka_unit_test(lets_no_escape_sequence_through),
		cmocka_unit_test(cuts_an_endless_message_at_a_character),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
