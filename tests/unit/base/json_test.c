/* Reading is strict and says where; writing is canonical. */
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"

static json_t *parsed(const char *text)
{
	json_t *root = NULL;
	assert_int_equal(json_parse(text, strlen(text), "doc", &root, NULL), 0);
	return root;
}

static void refuses_what_is_not_strict_json(void **state)
{
	static const char *const bad[] = {"",	      "{",
					  "{} x",     "{\"a\":1,\"a\":2}",
					  "{'a':1}",  "[1,]",
					  "{\"a\"}",  "\"\\u0000\"",
					  "\"\xff\"", "nul",
					  "[1e999]",  "01",
					  "\"a\nb\"", "[99999999999999999999]"};
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		json_t *root = NULL;
		cleanup_error struct error *err = NULL;
		assert_int_equal(json_parse(bad[i], strlen(bad[i]), "doc", &root, &err), -EINVAL);
		assert_null(root);
		assert_memory_equal(error_message(err), "doc: ", 5);
	}
}

static void refuses_a_nul_byte_behind_the_document(void **state)
{
	json_t *root = NULL;
	assert_int_equal(json_parse("{}\0", 3, "doc", &root, NULL), -EINVAL);
}

static void bounds_the_depth_but_not_brackets_in_strings(void **state)
{
	char text[256];
	memset(text, '[', 65);
	memset(text + 65, ']', 65);
	json_t *root = NULL;
	assert_int_equal(json_parse(text, 130, "doc", &root, NULL), -EINVAL);
	assert_int_equal(json_parse(text + 1, 128, "doc", &root, NULL), 0);
	json_decref(root);
	memset(text, '[', 200);
	memcpy(text, "\"\\\"", 3);
	text[200] = '"';
	cleanup_json json_t *string = NULL;
	assert_int_equal(json_parse(text, 201, "doc", &string, NULL), 0);
}

static void keeps_control_characters_of_the_document_out_of_errors(void **state)
{
	json_t *root = NULL;
	cleanup_error struct error *err = NULL;
	assert_int_equal(json_parse("[\"\x1b[2J\"]", 8, "doc", &root, &err), -EINVAL);
	assert_null(strchr(error_message(err), '\x1b'));
}

static void errors_name_the_place(void **state)
{
	cleanup_json json_t *root = parsed("{\"a\":{\"b\":[0,1,{\"c\":7}]},\"l\":{\"x.y/z\":[1]}}");
	struct json_place at = json_root("config", root);
	struct json_place a = json_field(&at, "a");
	struct json_place b = json_field(&a, "b");
	struct json_place element = json_element(&b, 2);
	char *text = NULL;
	cleanup_error struct error *err = NULL;
	assert_int_equal(json_get_string(json_field(&element, "c"), &text, &err), -EINVAL);
	assert_string_equal(error_message(err), "config: a.b[2].c: not a string");
	assert_null(text);
	struct strlist map = {0};
	error_clear(&err);
	assert_int_equal(json_get_map(json_field(&at, "l"), &map, &err), -EINVAL);
	assert_string_equal(error_message(err), "config: l[\"x.y/z\"]: not a string");
	error_clear(&err);
	assert_int_equal(
		json_get_count((struct json_place){.document = "n", .value = json_object_get(a.value, "b")}, &err), 3);
	assert_int_equal(json_get_strlist(at, &map, &err), -EINVAL);
	assert_string_equal(error_message(err), "config: not an array");
}

static void missing_and_null_leave_the_default(void **state)
{
	cleanup_json json_t *root = parsed("{\"n\":null}");
	struct json_place at = json_root("doc", root);
	struct json_place null_field = json_field(&at, "n");
	struct json_place missing = json_field(&null_field, "deeper");
	int64_t number = 7;
	bool flag = true;
	assert_int_equal(json_get_i64(null_field, &number, NULL), 0);
	assert_int_equal(json_get_bool(missing, &flag, NULL), 0);
	assert_int_equal(number, 7);
	assert_true(flag);
	assert_false(json_is_present(&null_field));
	cleanup_error struct error *err = NULL;
	assert_int_equal(json_require(&missing, &err), -EINVAL);
	assert_string_equal(error_message(err), "doc: n.deeper: missing");
	assert_int_equal(json_get_count(missing, NULL), 0);
}

static void reads_every_type(void **state)
{
	cleanup_json json_t *root =
		parsed("{\"s\":\"x\",\"i\":-5,\"u\":5,\"b\":true,\"l\":[\"p\",\"q\"],\"m\":{\"k\":\"v\",\"a\":null}}");
	struct json_place at = json_root("doc", root);
	cleanup_free char *text = mem_strdup("old");
	int64_t number = 0;
	uint64_t size = 0;
	bool flag = false;
	cleanup(strlist_done) struct strlist list = {0};
	strlist_append(&list, "default");
	cleanup(strlist_done) struct strlist map = {0};
	assert_int_equal(json_get_string(json_field(&at, "s"), &text, NULL), 0);
	assert_int_equal(json_get_i64(json_field(&at, "i"), &number, NULL), 0);
	assert_int_equal(json_get_u64(json_field(&at, "u"), &size, NULL), 0);
	assert_int_equal(json_get_u64(json_field(&at, "i"), &size, NULL), -EINVAL);
	assert_int_equal(json_get_bool(json_field(&at, "b"), &flag, NULL), 0);
	assert_int_equal(json_get_bool(json_field(&at, "i"), &flag, NULL), -EINVAL);
	assert_int_equal(json_get_i64(json_field(&at, "s"), &number, NULL), -EINVAL);
	assert_int_equal(json_get_strlist(json_field(&at, "l"), &list, NULL), 0);
	assert_int_equal(json_get_map(json_field(&at, "m"), &map, NULL), 0);
	assert_string_equal(text, "x");
	assert_int_equal(number, -5);
	assert_int_equal(size, 5);
	assert_true(flag);
	assert_int_equal(list.count, 2);
	assert_string_equal(list.items[1], "q");
	assert_string_equal(map.items[0], "a=");
	assert_string_equal(map.items[1], "k=v");
	assert_int_equal(json_get_count(json_field(&at, "s"), NULL), -EINVAL);
}

static void a_list_with_a_bad_element_changes_nothing(void **state)
{
	cleanup_json json_t *root = parsed("{\"l\":[\"p\",3],\"m\":{\"a=b\":\"c\"}}");
	struct json_place at = json_root("doc", root);
	cleanup(strlist_done) struct strlist list = {0};
	strlist_append(&list, "default");
	assert_int_equal(json_get_strlist(json_field(&at, "l"), &list, NULL), -EINVAL);
	assert_int_equal(json_get_map(json_field(&at, "m"), &list, NULL), -EINVAL);
	assert_int_equal(list.count, 1);
}

static void writes_canonical_text(void **state)
{
	cleanup_json json_t *root = json_object();
	cleanup(strlist_done) struct strlist map = {0};
	strlist_append(&map, "z=1=2");
	strlist_append(&map, "b");
	json_set_map_opt(root, "map", &map);
	json_set_strlist(root, "list", &map);
	json_set_strlist_opt(root, "none", &(struct strlist){0});
	json_set_string(root, "a", "/\xc3\xa9<");
	json_set_string(root, "null", NULL);
	json_set_string_opt(root, "gone", NULL);
	json_set_i64(root, "n", -1);
	json_set_bool(root, "t", true);
	json_set_string(root, "bad", "a\xff\xc3(");
	cleanup(buf_done) struct buf text = BUF_INIT(4096);
	json_format(root, &text);
	assert_string_equal(buf_str(&text), "{\"a\":\"/\xc3\xa9<\",\"bad\":\"a\xef\xbf\xbd\xef\xbf\xbd(\",\"list\":["
					    "\"z=1=2\",\"b\"],\"map\":{\"b\":\"\",\"z\":\"1=2\"},\"n\":-1,"
					    "\"null\":null,\"t\":true}");
	buf_clear(&text);
	cleanup_json json_t *small = parsed("{\"b\":[],\"a\":1}");
	json_format_pretty(small, 2, &text);
	assert_string_equal(buf_str(&text), "{\n  \"a\": 1,\n  \"b\": []\n}\n");
}

static void loads_a_file_up_to_its_limit(void **state)
{
	char dir[] = "/tmp/json_test.XXXXXX";
	assert_non_null(mkdtemp(dir));
	int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = openat(dirfd, "f.json", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "{\"a\":1}", 7), 7);
	close(fd);
	cleanup_json json_t *root = NULL;
	json_t *other = NULL;
	assert_int_equal(json_load_at(dirfd, "f.json", 7, &root, NULL), 0);
	assert_int_equal(json_load_at(dirfd, "f.json", 6, &other, NULL), -EFBIG);
	assert_int_equal(json_load_at(dirfd, "g.json", 6, &other, NULL), -ENOENT);
	cleanup_free char *link = mem_printf("%s/link.json", dir);
	assert_int_equal(symlinkat("f.json", dirfd, "link.json"), 0);
	assert_int_equal(json_load_at(dirfd, "link.json", 7, &other, NULL), -ELOOP);
	cleanup_json json_t *by_link = NULL;
	assert_int_equal(json_load_user(link, 7, &by_link, NULL), 0);
	assert_true(json_equal(root, by_link));
	assert_int_equal(json_load_user(link, 6, &other, NULL), -EFBIG);
	unlinkat(dirfd, "link.json", 0);
	unlinkat(dirfd, "f.json", 0);
	close(dirfd);
	rmdir(dir);
}

static json_t *random_value(unsigned *seed, unsigned depth)
{
	static const char *const texts[] = {
		"", "plain", "\"quoted\" \\ /", "\x01\x1f\x7f\b\t\n\f\r", "\u00fc\u2028\U0001f600", "sha256:0"};
	unsigned kind = depth > 4 ? 7 : (unsigned)rand_r(seed) % 9;
	json_t *value;

	switch (kind) {
	case 0:
	case 1:
		value = json_array();
		for (int i = rand_r(seed) % 4; i > 0; i--)
			json_array_append_new(value, random_value(seed, depth + 1));
		return value;
	case 2:
	case 3:
	case 4:
		value = json_object();
		for (int i = rand_r(seed) % 5; i > 0; i--) {
			cleanup_free char *key = mem_printf("%s%d", texts[(size_t)rand_r(seed) % 6], rand_r(seed) % 20);
			json_object_set_new(value, key, random_value(seed, depth + 1));
		}
		return value;
	case 5:
		return json_integer(rand_r(seed) - RAND_MAX / 2);
	case 6:
		return rand_r(seed) % 2 ? json_null() : json_boolean(rand_r(seed) % 2);
	case 7:
		return json_string(texts[(size_t)rand_r(seed) % 6]);
	default:
		return json_real(rand_r(seed) / 7.0);
	}
}

static void check_text(const json_t *value, const struct buf *text, size_t flags, const char *end)
{
	char *wanted = json_dumps(value, flags | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	size_t size = strlen(wanted);

	assert_int_equal(text->len, size + strlen(end));
	assert_memory_equal(text->data, wanted, size);
	assert_string_equal(text->data + size, end);
	free(wanted);
}

static void check_both(const json_t *value, unsigned indent)
{
	cleanup(buf_done) struct buf pretty = BUF_INIT(BUF_MAX_DEFAULT);
	cleanup(buf_done) struct buf canonical = BUF_INIT(BUF_MAX_DEFAULT);

	json_format_pretty(value, (int)indent, &pretty);
	check_text(value, &pretty, JSON_INDENT(indent), "\n");
	json_format(value, &canonical);
	check_text(value, &canonical, JSON_COMPACT, "");
}

static void writes_what_jansson_would_write(void **state)
{
	unsigned seed = 1;

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		cleanup_json json_t *value = random_value(&seed, 0);
		check_both(value, 1 + i % 5);
	}
}

static void writes_every_character_as_jansson_would(void **state)
{
	(void)state;
	for (uint32_t character = 1; character <= 0x10ffff; character += character < 0x900 ? 1 : 0x101) {
		char text[3 + UTF8_CHAR_MAX] = "a";
		size_t size = utf8_encode(character, text + 1);
		cleanup_json json_t *value = json_object();
		memcpy(text + 1 + size, "z", 2);
		json_object_set_new(value, "key", json_string(text));
		json_object_set_new(value, text, json_integer(character));
		check_both(value, 4);
	}
}

static void sorts_the_keys_of_large_objects_as_jansson_would(void **state)
{
	unsigned seed = 7;

	(void)state;
	for (int count = 1; count < 200; count += 3) {
		cleanup_json json_t *value = json_object();
		for (int i = 0; i < count; i++) {
			cleanup_free char *key =
				mem_printf("%.*s%d", rand_r(&seed) % 5, "\u00fc\x7f+z", rand_r(&seed) % 500);
			json_object_set_new_nocheck(value, utf8_is_valid(key, strlen(key)) ? key : "k",
						    json_integer(i));
		}
		check_both(value, 2);
	}
}

static void writes_the_edges_of_numbers_as_jansson_would(void **state)
{
	static const char text[] =
		"[0,-1,9223372036854775807,-9223372036854775808,0.1,-0.0,1e300,1.5e-300,1.0,true,false,"
		"null,[],{},[[]],{\"\":{}}]";
	cleanup_json json_t *value = parsed(text);

	(void)state;
	check_both(value, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_what_jansson_would_write),
		cmocka_unit_test(writes_every_character_as_jansson_would),
		cmocka_unit_test(sorts_the_keys_of_large_objects_as_jansson_would),
		cmocka_unit_test(writes_the_edges_of_numbers_as_jansson_would),
		cmocka_unit_test(refuses_what_is_not_strict_json),
		cmocka_unit_test(refuses_a_nul_byte_behind_the_document),
		cmocka_unit_test(bounds_the_depth_but_not_brackets_in_strings),
		cmocka_unit_test(keeps_control_characters_of_the_document_out_of_errors),
		cmocka_unit_test(errors_name_the_place),
		cmocka_unit_test(missing_and_null_leave_the_default),
		cmocka_unit_test(reads_every_type),
		cmocka_unit_test(a_list_with_a_bad_element_changes_nothing),
		cmocka_unit_test(writes_canonical_text),
		cmocka_unit_test(loads_a_file_up_to_its_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
