/* Numbers, sizes, times and words as people write them. */
#include "base/parse.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void reads_whole_numbers_only(void **state)
{
	uint64_t value = 1;
	assert_int_equal(parse_u64("18446744073709551615", UINT64_MAX, "n", &value, NULL), 0);
	assert_true(value == UINT64_MAX);
	static const char *const bad[] = {
		"", "-1", "+1", " 1", "1 ", "0x1", "1a", "18446744073709551616", "99999999999999999999999"};
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		assert_int_equal(parse_u64(bad[i], UINT64_MAX, "n", &value, NULL), -EINVAL);
	assert_int_equal(parse_u64("11", 10, "n", &value, NULL), -EINVAL);
	int64_t number = 0;
	assert_int_equal(parse_i64("-9223372036854775808", INT64_MIN, INT64_MAX, "n", &number, NULL), 0);
	assert_true(number == INT64_MIN);
	assert_int_equal(parse_i64("9223372036854775808", INT64_MIN, INT64_MAX, "n", &number, NULL), -EINVAL);
	assert_int_equal(parse_i64("-9223372036854775809", INT64_MIN, INT64_MAX, "n", &number, NULL), -EINVAL);
	assert_int_equal(parse_i64("-", INT64_MIN, INT64_MAX, "n", &number, NULL), -EINVAL);
	assert_int_equal(parse_i64("-2", -1, 1, "n", &number, NULL), -EINVAL);
}

static void reads_words_for_true_and_false(void **state)
{
	bool value = false;
	assert_int_equal(parse_bool("TRUE", "b", &value, NULL), 0);
	assert_true(value);
	assert_int_equal(parse_bool("no", "b", &value, NULL), 0);
	assert_false(value);
	assert_int_equal(parse_bool("", "b", &value, NULL), -EINVAL);
	assert_int_equal(parse_bool("2", "b", &value, NULL), -EINVAL);
}

static void reads_sizes_in_powers_of_1024(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {{"32", 32},
		    {"32b", 32},
		    {"32B", 32},
		    {"32k", 32768},
		    {"32KB", 32768},
		    {"32kib", 32768},
		    {"32 MiB", 32 << 20},
		    {"1.5GiB", 1610612736},
		    {"0.5k", 512},
		    {"0", 0},
		    {"1e", (uint64_t)1 << 60},
		    {"32.3kb", 33075},
		    {"1.999999999999k", 2047}};
	for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
		uint64_t bytes = 1;
		assert_int_equal(parse_size(good[i].text, "--memory", &bytes, NULL), 0);
		assert_int_equal(bytes, good[i].bytes);
	}
	static const char *const bad[] = {"",	 "m",	  "-1m", "12q",	 "1.m", ".5m",
					  "1mm", "1 m b", " 1",	 "1kbb", "8e",	"99999999999999999999"};
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		uint64_t bytes = 1;
		assert_int_equal(parse_size(bad[i], "--memory", &bytes, NULL), -EINVAL);
		assert_int_equal(bytes, 1);
	}
	cleanup_error struct error *err = NULL;
	uint64_t bytes = 0;
	parse_size("12q", "--memory", &bytes, &err);
	assert_string_equal(error_message(err), "--memory '12q': not a size (use a number and b, k, m or g)");
}

static void reads_durations_as_go_does(void **state)
{
	static const struct {
		const char *text;
		int64_t nanoseconds;
	} good[] = {{"0", 0},
		    {"1h30m", 5400000000000},
		    {"1.5s", 1500000000},
		    {"300ms", 300000000},
		    {"-1s", -1000000000},
		    {"1\u00b5s", 1000},
		    {"1us2ns", 1002},
		    {".5s", 500000000},
		    {"1.s", 1000000000}};
	for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
		int64_t value = -1;
		assert_int_equal(parse_duration(good[i].text, "d", &value, NULL), 0);
		assert_int_equal(value, good[i].nanoseconds);
	}
	static const char *const bad[] = {"", "1", "s", ".s", "1d", "1h 1m", "-", "9999999999h", "0x1s", "1s1", "00"};
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		int64_t value = -1;
		assert_int_equal(parse_duration(bad[i], "d", &value, NULL), -EINVAL);
	}
}

static void reads_modes_in_octal(void **state)
{
	mode_t mode = 0;
	assert_int_equal(parse_mode("4755", "m", &mode, NULL), 0);
	assert_int_equal(mode, 04755);
	assert_int_equal(parse_mode("0755", "m", &mode, NULL), 0);
	assert_int_equal(mode, 0755);
	assert_int_equal(parse_mode("855", "m", &mode, NULL), -EINVAL);
	assert_int_equal(parse_mode("17777", "m", &mode, NULL), -EINVAL);
	assert_int_equal(parse_mode("", "m", &mode, NULL), -EINVAL);
}

static void check_words(const char *text, const char *joined)
{
	cleanup(strlist_done) struct strlist words = {0};
	assert_int_equal(parse_shell_words(text, "w", &words, NULL), 0);
	cleanup_free char *found = strlist_join(&words, "|");
	assert_string_equal(found, joined);
}

static void splits_words_as_a_shell(void **state)
{
	check_words("a 'b c'  d\\ e", "a|b c|d e");
	check_words("x\"y z\"'w'", "xy zw");
	check_words("\"a\\\"b\\n\\\\\" '\\'", "a\"b\\n\\|\\");
	check_words("  ", "");
	check_words("a '' b", "a||b");
	check_words("a\\\nb \\\n c", "ab|c");
	cleanup(strlist_done) struct strlist words = {0};
	assert_int_equal(parse_shell_words("a 'b", "w", &words, NULL), -EINVAL);
	assert_int_equal(parse_shell_words("a \"b\\", "w", &words, NULL), -EINVAL);
	assert_int_equal(parse_shell_words("a \\", "w", &words, NULL), -EINVAL);
	assert_int_equal(words.count, 0);
}

static void reads_fields_of_csv(void **state)
{
	cleanup(strlist_done) struct strlist fields = {0};
	assert_int_equal(parse_csv("type=bind,\"src=a,b\",x,\"q\"\"r\",", "f", &fields, NULL), 0);
	cleanup_free char *found = strlist_join(&fields, "|");
	assert_string_equal(found, "type=bind|src=a,b|x|q\"r|");
	assert_int_equal(parse_csv("", "f", &fields, NULL), 0);
	assert_int_equal(fields.count, 5);
	static const char *const bad[] = {"\"a", "a\"b", "\"a\"b", "a\nb"};
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		assert_int_equal(parse_csv(bad[i], "f", &fields, NULL), -EINVAL);
}

static void check_time(const char *text, int64_t seconds, int64_t nanoseconds, const char *formatted)
{
	int64_t s = 0;
	int64_t ns = 0;
	assert_int_equal(parse_time(text, "t", &s, &ns, NULL), 0);
	assert_int_equal(s, seconds);
	assert_int_equal(ns, nanoseconds);
	cleanup_free char *back = format_time(s, ns);
	assert_string_equal(back, formatted);
}

static void times_go_both_ways(void **state)
{
	check_time("1970-01-01T00:00:00Z", 0, 0, "1970-01-01T00:00:00Z");
	check_time("2026-11-22T10:33:06.123400Z", 1795343586, 123400000, "2026-11-22T10:33:06.1234Z");
	check_time("2000-02-29T23:59:59+02:00", 951861599, 0, "2000-02-29T21:59:59Z");
	check_time("0001-01-01T00:00:00Z", -62135596800, 0, "0001-01-01T00:00:00Z");
	check_time("1969-12-31T23:59:59.000000001Z", -1, 1, "1969-12-31T23:59:59.000000001Z");
	check_time("9999-12-31T23:59:59Z", 253402300799, 0, "9999-12-31T23:59:59Z");
	static const char *const bad[] = {"",
					  "2026-11-22",
					  "2026-02-29T00:00:00Z",
					  "2026-13-01T00:00:00Z",
					  "2026-11-22T24:00:00Z",
					  "2026-11-22T00:00:60Z",
					  "2026-11-22T00:00:00",
					  "2026-11-22 00:00:00Z",
					  "2026-11-22T00:00:00.Z",
					  "2026-11-22T00:00:00Zx",
					  "2026-11-22T00:00:00+0100",
					  "2026-11-00T00:00:00Z"};
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		int64_t s = 0;
		int64_t ns = 0;
		assert_int_equal(parse_time(bad[i], "t", &s, &ns, NULL), -EINVAL);
	}
}

static void sizes_print_as_buildah_prints_them(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} sizes[] = {{0, "0 B"},	   {999, "999 B"},	  {1000, "1 KB"},
		     {2160000, "2.16 MB"}, {117234567, "117 MB"}, {1090000000, "1.09 GB"},
		     {999600, "1 MB"},	   {999499, "999 KB"},	  {UINT64_MAX, "18.4 EB"}};
	for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
		cleanup_free char *text = format_size(sizes[i].bytes);
		assert_string_equal(text, sizes[i].text);
	}
}

static void ages_print_in_dockers_words(void **state)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} ages[] = {{-5, "Less than a second ago"}, {0, "Less than a second ago"}, {1, "1 second ago"},
		    {59, "59 seconds ago"},	    {60, "About a minute ago"},	   {120, "2 minutes ago"},
		    {3540, "59 minutes ago"},	    {3600, "About an hour ago"},   {5399, "About an hour ago"},
		    {5400, "2 hours ago"},	    {47 * 3600, "47 hours ago"},   {48 * 3600, "2 days ago"},
		    {14 * 86400, "2 weeks ago"},    {23 * 86400, "3 weeks ago"},   {60 * 86400, "2 months ago"},
		    {729 * 86400, "24 months ago"}, {731 * 86400, "2 years ago"}};
	for (size_t i = 0; i < ARRAY_COUNT(ages); i++) {
		cleanup_free char *text = format_age(1000000000, 1000000000 - ages[i].seconds);
		assert_string_equal(text, ages[i].text);
	}
	cleanup_free char *far = format_age(INT64_MAX, INT64_MIN);
	assert_string_equal(far, "Less than a second ago");
}

static void hex_goes_both_ways(void **state)
{
	char text[7];
	format_hex("\x00\xab\xff", 3, text);
	assert_string_equal(text, "00abff");
	unsigned char data[3] = {1, 2, 3};
	assert_int_equal(parse_hex("00ABff", 6, data, 3), -EINVAL);
	assert_int_equal(parse_hex("00abf", 5, data, 3), -EINVAL);
	assert_int_equal(data[0], 1);
	assert_int_equal(parse_hex("00abff", 6, data, 3), 0);
	assert_memory_equal(data, "\x00\xab\xff", 3);
}

static void no_other_byte_is_a_hex_digit(void **state)
{
	(void)state;
	for (int byte = 0; byte < 256; byte++) {
		const char *digits = "0123456789abcdef";
		const char *digit = byte ? strchr(digits, byte) : NULL;
		char high[2] = {(char)byte, '5'}, low[2] = {'a', (char)byte};
		unsigned char data = 0;
		assert_int_equal(parse_hex(high, 2, &data, 1), digit ? 0 : -EINVAL);
		assert_int_equal(data, digit ? (digit - digits) << 4 | 5 : 0);
		data = 0;
		assert_int_equal(parse_hex(low, 2, &data, 1), digit ? 0 : -EINVAL);
		assert_int_equal(data, digit ? 0xa0 | (digit - digits) : 0);
	}
}

static void base64_goes_both_ways(void **state)
{
	static const char *const pairs[][2] = {{"", ""},	{"f", "Zg=="},		{"fo", "Zm8="},
					       {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff", "+/8="}};
	for (size_t i = 0; i < ARRAY_COUNT(pairs); i++) {
		cleanup_free char *text = format_base64(pairs[i][0], strlen(pairs[i][0]));
		assert_string_equal(text, pairs[i][1]);
		cleanup_free void *data = NULL;
		size_t size = 0;
		assert_int_equal(parse_base64(text, "b", &data, &size, NULL), 0);
		assert_int_equal(size, strlen(pairs[i][0]));
		assert_memory_equal(data, pairs[i][0], size);
	}
	cleanup_free void *data = NULL;
	size_t size = 0;
	assert_int_equal(parse_base64("-_8", "b", &data, &size, NULL), 0);
	assert_int_equal(size, 2);
	static const char *const bad[] = {"Z", "Zg=", "Zg===", "Z=g=", "Zm9v=", "Zm 9v", "====", "="};
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		assert_int_equal(parse_base64(bad[i], "b", &data, &size, NULL), -EINVAL);
}

static void knows_the_ends_of_a_text(void **state)
{
	assert_true(text_has_prefix("docker://x", "docker://"));
	assert_false(text_has_prefix("do", "docker"));
	assert_true(text_has_suffix("a.tar", ".tar"));
	assert_false(text_has_suffix("tar", ".tar"));
	assert_true(text_has_suffix("x", ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_whole_numbers_only),
		cmocka_unit_test(reads_words_for_true_and_false),
		cmocka_unit_test(reads_sizes_in_powers_of_1024),
		cmocka_unit_test(reads_durations_as_go_does),
		cmocka_unit_test(reads_modes_in_octal),
		cmocka_unit_test(splits_words_as_a_shell),
		cmocka_unit_test(reads_fields_of_csv),
		cmocka_unit_test(times_go_both_ways),
		cmocka_unit_test(sizes_print_as_buildah_prints_them),
		cmocka_unit_test(ages_print_in_dockers_words),
		cmocka_unit_test(hex_goes_both_ways),
		cmocka_unit_test(no_other_byte_is_a_hex_digit),
		cmocka_unit_test(base64_goes_both_ways),
		cmocka_unit_test(knows_the_ends_of_a_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
