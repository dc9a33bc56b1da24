/* What is UTF-8 and what is not (RFC 3629). */
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static void every_character_goes_both_ways(void **state)
{
	for (uint32_t character = 0; character <= 0x10ffff; character++) {
		if (character >= 0xd800 && character <= 0xdfff)
			continue;
		char bytes[UTF8_CHAR_MAX];
		uint32_t back = 0;
		size_t length = utf8_encode(character, bytes);
		if (utf8_decode(bytes, length, &back) != length || back != character || !utf8_is_valid(bytes, length))
			fail_msg("U+%04X does not come back", character);
	}
}

static void bad_bytes_count_one_by_one(void **state)
{
	static const char *const bad[] = {
		"\x80", "\xc0\xaf",	    "\xc1\xbf",		"\xe0\x80\xaf", "\xed\xa0\x80", "\xf5",
		"\xff", "\xf4\x90\x80\x80", "\xf0\x80\x80\xaf", "\xe2\x82",	"\xc3(",	"\xf0\x9f\x98"};
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		uint32_t character = 0;
		assert_int_equal(utf8_decode(bad[i], strlen(bad[i]), &character), 1);
		assert_int_equal(character, UTF8_REPLACEMENT);
		assert_false(utf8_is_valid(bad[i], strlen(bad[i])));
	}
}

static void what_is_no_character_is_written_as_the_replacement(void **state)
{
	char bytes[UTF8_CHAR_MAX];
	assert_int_equal(utf8_encode(0xd800, bytes), 3);
	assert_memory_equal(bytes, "\xef\xbf\xbd", 3);
	assert_int_equal(utf8_encode(0x110000, bytes), 3);
	assert_memory_equal(bytes, "\xef\xbf\xbd", 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_character_goes_both_ways),
		cmocka_unit_test(bad_bytes_count_one_by_one),
		cmocka_unit_test(what_is_no_character_is_written_as_the_replacement),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
