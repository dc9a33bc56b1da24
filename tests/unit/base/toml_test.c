/* What containers.conf, registries.conf and storage.conf are written in. */
#include "base/toml.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void check(const char *toml, const char *json)
{
	cleanup_json json_t *root = NULL;
	cleanup_error struct error *err = NULL;
	if (toml_parse(toml, strlen(toml), "f", &root, &err) < 0)
		fail_msg("%s\n%s", error_message(err), toml);
	cleanup(buf_done) struct buf text = BUF_INIT(1 << 20);
	json_format(root, &text);
	assert_string_equal(buf_str(&text), json);
}

static void refuse(const char *toml, const char *message)
{
	json_t *root = NULL;
	cleanup_error struct error *err = NULL;
	if (toml_parse(toml, strlen(toml), "f", &root, &err) != -EINVAL)
		fail_msg("should be refused: %s", toml);
	assert_string_equal(error_message(err), message);
}

static void reads_registries_conf(void **state)
{
	check("# comment\r\nunqualified-search-registries = [\"docker.io\", 'quay.io', ]\n"
	      "[[registry]]\nprefix = \"*.example.com\"\ninsecure = true\n"
	      "[[registry.mirror]]\nlocation = \"m1\"\n[[registry.mirror]]\nlocation = \"m2\"\n"
	      "[[registry]]\nlocation = \"b\"\nmirror = [{location=\"x\", insecure = false}]\n"
	      "[aliases]\n\"debian\" = \"docker.io/library/debian\"\n",
	      "{\"aliases\":{\"debian\":\"docker.io/library/debian\"},\"registry\":[{\"insecure\":true,\"mirror\":[{"
	      "\"location\":\"m1\"},{\"location\":\"m2\"}],\"prefix\":\"*.example.com\"},{\"location\":\"b\","
	      "\"mirror\":"
	      "[{\"insecure\":false,\"location\":\"x\"}]}],\"unqualified-search-registries\":[\"docker.io\",\"quay."
	      "io\"]}");
}

static void reads_all_kinds_of_strings(void **state)
{
	check("a = \"\\t\\\"\\u00e9\\U0001F600\"\nb = 'C:\\x'\nc = \"\"\"\nl1\n  l2 \\\n   x\"\"\"\"\"\nd = "
	      "'''\na'b'''''\ne=\"\"",
	      "{\"a\":\"\\t\\\"\xc3\xa9\xf0\x9f\x98\x80\",\"b\":\"C:\\\\x\",\"c\":\"l1\\n  l2 "
	      "x\\\"\\\"\",\"d\":\"a'b''\","
	      "\"e\":\"\"}");
}

static void reads_numbers_and_keeps_floats_and_dates_as_text(void **state)
{
	check("a=[0,-17,+9,1_000,0xDEADBEEF,0o755,0b11,9223372036854775807,-9223372036854775808]",
	      "{\"a\":[0,-17,9,1000,3735928559,493,3,9223372036854775807,-9223372036854775808]}");
	check("f=[1.5,-1e10,6.6E-3,+inf,nan]\nd=[1979-05-27T07:32:00.5Z,1979-05-27 07:32:00-07:00,1979-05-27,07:32:00]",
	      "{\"d\":[\"1979-05-27T07:32:00.5Z\",\"1979-05-27 07:32:00-07:00\",\"1979-05-27\",\"07:32:00\"],"
	      "\"f\":[\"1.5\",\"-1e10\",\"6.6E-3\",\"+inf\",\"nan\"]}");
}

static void reads_dotted_keys_and_tables_in_any_order(void **state)
{
	check("a.b.c = 1\na.'x y' = 2\n[t.u.v]\nk = 1\n[t.u]\nk = 2\n[t]\nk = 3\n",
	      "{\"a\":{\"b\":{\"c\":1},\"x y\":2},\"t\":{\"k\":3,\"u\":{\"k\":2,\"v\":{\"k\":1}}}}");
	check("[fruit]\napple.color = 1\n[fruit.apple.texture]\nx = 1\n[ a . \"b.c\" ]\n",
	      "{\"a\":{\"b.c\":{}},\"fruit\":{\"apple\":{\"color\":1,\"texture\":{\"x\":1}}}}");
	check("[containers]\nenv = [ # why\n  \"A=1\", # one\n\n  \"B=2\" ]\nm = { a.b = 1, a.c = {} }",
	      "{\"containers\":{\"env\":[\"A=1\",\"B=2\"],\"m\":{\"a\":{\"b\":1,\"c\":{}}}}}");
	check("", "{}");
	check("\xef\xbb\xbf"
	      "a=1",
	      "{\"a\":1}");
}

static void refuses_what_is_defined_twice(void **state)
{
	refuse("a = 1\nb = 2\na = 3", "f:3: 'a' is defined twice");
	refuse("[a]\n[a]", "f:2: 'a' is defined twice");
	refuse("a.b = 1\n[a]", "f:2: 'a' is defined twice");
	refuse("[a]\nb.c=1\n[a.b]", "f:3: 'b' is defined twice");
	refuse("a = {}\n[a.b]", "f:2: 'a' is a value already and takes no tables");
	refuse("a = {}\na.b = 1", "f:2: 'a' is defined already and takes no more keys");
	refuse("a = []\n[[a]]", "f:2: 'a' is defined twice, and not always as [[a]]");
	refuse("a = [{}]\n[a.b]", "f:2: 'a' is a value already and takes no tables");
	refuse("[[a]]\n[a]", "f:2: 'a' is defined twice");
	refuse("[a.b.c]\nz=9\n[a]\nb.c.t=1", "f:4: 'b' is defined already and takes no more keys");
	refuse("a = { b = 1, b = 2 }", "f:1: 'b' is defined twice");
}

static void refuses_bad_syntax_with_its_line(void **state)
{
	refuse("a = 1\n\nb = x\n", "f:3: 'x' is not a value (strings need quotes)");
	refuse("a = \"x", "f:1: a string is not closed");
	refuse("a = \"\"\"x\n", "f:2: a string is not closed");
	refuse("a = 1 b = 2", "f:1: more text where the line should end");
	refuse("a", "f:1: no '=' behind the key 'a'");
	refuse("= 1", "f:1: no key where one is expected");
	refuse("a. = 1", "f:1: no key where one is expected");
	refuse("a =", "f:1: no value where one is expected");
	refuse("a = [1 2]", "f:1: neither ',' nor ']' behind an element of an array");
	refuse("a = [1,,2]", "f:1: no value where one is expected");
	refuse("a = { b = 1, }", "f:1: a ',' at the end of an inline table");
	refuse("a = { b = 1\n }", "f:1: neither ',' nor '}' behind a value of an inline table");
	refuse("[a", "f:1: a table header without its ']'");
	refuse("[[a]", "f:1: a table header without its ']]'");
	refuse("[]", "f:1: no key where one is expected");
	refuse("a = 01", "f:1: the number '01' begins with 0");
	refuse("a = 1__0", "f:1: '1__0' is not a value (strings need quotes)");
	refuse("a = 9223372036854775808", "f:1: the number '9223372036854775808' does not fit 64 bits");
	refuse("a = \"\\x41\"", "f:1: an unknown escape in a string");
	refuse("a = \"\\ud800\"", "f:1: an escape for a character that no text may hold");
	refuse("a = \"\\u0000\"", "f:1: an escape for a character that no text may hold");
	refuse("a = 'b\x01'", "f:1: a control character in a string");
	refuse("# \x7f", "f:1: a control character in a comment");
	refuse("a = 1\rb = 2", "f:1: more text where the line should end");
	refuse("a = \"\xff\"", "f: not UTF-8 text");
	refuse("a = truex", "f:1: 'truex' is not a value (strings need quotes)");
	refuse("a = 1.", "f:1: '1.' is not a value (strings need quotes)");
	refuse("a = .5", "f:1: '.5' is not a value (strings need quotes)");
	refuse("\"\"\"a\"\"\" = 1", "f:1: no '=' behind the key ''");
}

static void bounds_depth_and_size(void **state)
{
	char deep[400] = "a = ";
	memset(deep + 4, '[', 300);
	refuse(deep, "f:1: values nest deeper than 64 levels");
	for (size_t i = 0; i < 199; i++)
		memcpy(deep + 2 * i, "a.", 2);
	refuse(deep, "f:1: a key of more than 64 parts");
	size_t size = (size_t)5 << 20;
	cleanup_free char *large = mem_alloc(size);
	memset(large, '\n', size);
	json_t *root = NULL;
	assert_int_equal(toml_parse(large, size, "f", &root, NULL), -EFBIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_registries_conf),
		cmocka_unit_test(reads_all_kinds_of_strings),
		cmocka_unit_test(reads_numbers_and_keeps_floats_and_dates_as_text),
		cmocka_unit_test(reads_dotted_keys_and_tables_in_any_order),
		cmocka_unit_test(refuses_what_is_defined_twice),
		cmocka_unit_test(refuses_bad_syntax_with_its_line),
		cmocka_unit_test(bounds_depth_and_size),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
