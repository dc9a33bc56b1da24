#include "tests/unit/base/scratch.h"

#include "base/buf.h"

static void is_an_empty_text_before_anything_is_appended(void **state)
{
	cleanup(buf_done) struct buf b = BUF_INIT(10);
	cleanup_free char *taken = buf_take(&b);

	assert_string_equal(buf_str(&b), "");
	assert_string_equal(taken, "");
}

static void grows_and_stays_terminated(void **state)
{
	cleanup(buf_done) struct buf b = BUF_INIT(BUF_MAX_DEFAULT);

	for (int i = 0; i < 1000; i++)
		buf_printf(&b, "%03d,", i);
	assert_int_equal(b.len, 4000);
	assert_string_equal(buf_str(&b) + 3996, "999,");
	buf_clear(&b);
	buf_append_char(&b, 'x');
	assert_string_equal(buf_str(&b), "x");
}

static void keeps_what_fits_and_remembers_the_overflow(void **state)
{
	cleanup(buf_done) struct buf b = BUF_INIT(5);

	buf_append_str(&b, "abc");
	assert_false(b.overflow);
	buf_append_str(&b, "defg");
	assert_true(b.overflow);
	assert_string_equal(buf_str(&b), "abcde");
	buf_append_str(&b, "h");
	assert_string_equal(buf_str(&b), "abcde");
}

static void holds_exactly_its_limit(void **state)
{
	cleanup(buf_done) struct buf b = BUF_INIT(3);

	buf_append(&b, "a\0b", 3);
	assert_false(b.overflow);
	assert_memory_equal(b.data, "a\0b\0", 4);
}

static void wipes_a_secret(void **state)
{
	cleanup(buf_done) struct buf b = BUF_INIT(100);

	buf_append_str(&b, "token");
	buf_wipe(&b);
	assert_int_equal(b.len, 0);
	for (size_t i = 0; i < b.cap; i++)
		assert_int_equal(b.data[i], 0);
}

static void prints_a_secret_as_any_other_text(void **state)
{
	cleanup(buf_done) struct buf b = BUF_SECRET(BUF_MAX_DEFAULT);
	cleanup(buf_done) struct buf small = BUF_SECRET(5);

	for (int i = 0; i < 1000; i++)
		buf_printf(&b, "%03d,", i);
	assert_int_equal(b.len, 4000);
	assert_string_equal(buf_str(&b) + 3996, "999,");
	buf_printf(&small, "%s", "");
	assert_false(small.overflow);
	buf_printf(&small, "abc%s", "defg");
	assert_true(small.overflow);
	assert_string_equal(buf_str(&small), "abcde");
}

static void stays_secret_after_it_is_emptied(void **state)
{
	cleanup(buf_done) struct buf b = BUF_SECRET(100);

	buf_append_str(&b, "token");
	buf_done(&b);
	assert_true(b.secret);
	buf_append_str(&b, "token");
	free(buf_take(&b));
	assert_true(b.secret);
	buf_append_str(&b, "again");
	buf_wipe(&b);
	assert_string_equal(buf_str(&b), "");
}

static void hands_its_bytes_over(void **state)
{
	cleanup(buf_done) struct buf b = BUF_INIT(100);

	buf_append_str(&b, "text");
	cleanup_free char *taken = buf_take(&b);
	assert_string_equal(taken, "text");
	assert_int_equal(b.len, 0);
	buf_append_str(&b, "more");
	assert_string_equal(buf_str(&b), "more");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_an_empty_text_before_anything_is_appended),
		cmocka_unit_test(grows_and_stays_terminated),
		cmocka_unit_test(keeps_what_fits_and_remembers_the_overflow),
		cmocka_unit_test(holds_exactly_its_limit),
		cmocka_unit_test(wipes_a_secret),
		cmocka_unit_test(prints_a_secret_as_any_other_text),
		cmocka_unit_test(stays_secret_after_it_is_emptied),
		cmocka_unit_test(hands_its_bytes_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
