#include "base/fields.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void comes_back_as_it_was(void **state)
{
	const char *texts[] = {"", "a", "two\nlines\n", "0123456789", "x 3\nabc\n"};
	cleanup(buf_done) struct buf list = BUF_INIT(1 << 16);
	struct field field;
	size_t at = 0;

	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		field_put(&list, (char)('a' + i), texts[i]);
		field_put(&list, 'z', NULL);
	}
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		assert_int_equal(field_next(&list, &at, &field), 1);
		assert_int_equal(field.key, 'a' + i);
		assert_int_equal(field.size, strlen(texts[i]));
		assert_memory_equal(field.value, texts[i], field.size);
	}
	assert_int_equal(field_next(&list, &at, &field), 0);
}

static void an_empty_list_has_no_field(void **state)
{
	struct buf list = BUF_INIT(16);
	struct field field;
	size_t at = 0;

	assert_int_equal(field_next(&list, &at, &field), 0);
}

static void what_is_no_list_is_refused(void **state)
{
	const char *texts[] = {"a",
			       "a 1",
			       "a 1\n",
			       "a 1\nb",
			       "a 2\nb\n",
			       "a 0\n",
			       "a\n\n",
			       "a x\n\n",
			       "a -1\n\n",
			       "a 1\nbc",
			       "a 99999999999999999999999\nb\n",
			       "a  1\nb\n"};

	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		cleanup(buf_done) struct buf list = BUF_INIT(1 << 16);
		struct field field = {.key = '?'};
		size_t at = 0;
		buf_append_str(&list, texts[i]);
		assert_int_equal(field_next(&list, &at, &field), -EINVAL);
		assert_int_equal(at, 0);
		assert_int_equal(field.key, '?');
	}
	cleanup(buf_done) struct buf list = BUF_INIT(1 << 16);
	struct field field;
	size_t at = 0;
	buf_append(&list, "a 3\nb\0c\n", 8);
	assert_int_equal(field_next(&list, &at, &field), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_back_as_it_was),
		cmocka_unit_test(an_empty_list_has_no_field),
		cmocka_unit_test(what_is_no_list_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
