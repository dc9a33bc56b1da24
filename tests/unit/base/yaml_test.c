/* base/yaml.h: configuration files as JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/yaml.h"

static void becomes(const char *text, const char *json)
{
	cleanup_json json_t *root = NULL;
	cleanup_error struct error *err = NULL;
	cleanup(buf_done) struct buf out = BUF_INIT(BUF_MAX_DEFAULT);

	assert_int_equal(yaml_parse(text, strlen(text), "f.yaml", &root, &err), 0);
	if (json_is_object(root) || json_is_array(root)) {
		json_format(root, &out);
		assert_string_equal(buf_str(&out), json);
	} else {
		assert_string_equal(json, "null");
		assert_true(json_is_null(root));
	}
}

static void fails(const char *text, const char *why)
{
	cleanup_json json_t *root = NULL;
	cleanup_error struct error *err = NULL;

	assert_int_equal(yaml_parse(text, strlen(text), "f.yaml", &root, &err), -EINVAL);
	assert_non_null(strstr(error_message(err), why));
	assert_null(root);
}

static void mappings_sequences_and_scalars(void **state)
{
	becomes("docker:\n  reg:5000/ns:\n    lookaside: file:///x\n    use-sigstore-attachments: true\n",
		"{\"docker\":{\"reg:5000/ns\":{\"lookaside\":\"file:///x\",\"use-sigstore-attachments\":true}}}");
	becomes("- 1\n- '1'\n- ~\n- no\n- [a, {b: c}]\n", "[1,\"1\",null,\"no\",[\"a\",{\"b\":\"c\"}]]");
	becomes("# nothing but a comment\n", "null");
	becomes("", "null");
}

static void what_is_not_wanted_has_its_line(void **state)
{
	fails("a: 1\na: 2\n", "f.yaml:2: 'a' is there twice");
	fails("a: &x 1\nb: *x\n", "f.yaml:1: anchors");
	fails("b: *x\n", "f.yaml:1:");
	fails("a: 1\n---\nb: 2\n", "f.yaml:2: a second document");
	fails("a: [1\n", "f.yaml:");
	fails("[a]: b\n", "f.yaml:1: a key");
	fails("a: \"\\0\"\n", "f.yaml:1: not text");
}

static void depth_is_limited(void **state)
{
	char text[201];

	memset(text, '[', sizeof(text));
	text[200] = '\0';
	fails(text, "levels");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mappings_sequences_and_scalars),
		cmocka_unit_test(what_is_not_wanted_has_its_line),
		cmocka_unit_test(depth_is_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
