/* What is different between two keys. */
#include "builder/key_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static struct digest content(uint8_t byte)
{
	struct digest digest = {.algorithm = DIGEST_SHA256};

	memset(digest.bytes, byte, BUILD_KEY_CONTENT_SIZE);
	return digest;
}

static void add_file(struct build_key *key, const char *path, uint32_t mode, uint32_t uid, uint8_t byte)
{
	const struct digest digest = content(byte);
	const struct build_key_file file = {
		.path = path, .mode = 0100000 | mode, .has_owner = true, .uid = uid, .content = &digest};

	build_key_file(key, &file);
}

static void fill(struct build_key *key, const char *command, const char *variable)
{
	cleanup(strlist_done) struct strlist env = {0};

	strlist_append(&env, "SAME=1");
	strlist_append(&env, variable);
	build_key_text(key, "the command", command);
	build_key_env(key, "env", &env);
}

/* The changes as "kind name: change" lines. */
static char *changes_of(const struct key_parts *before, const struct key_parts *now)
{
	cleanup(key_changes_done) struct key_changes changes = {0};
	cleanup(strlist_done) struct strlist lines = {0};

	assert_true(
		key_parts_compare(before->bytes.data, before->bytes.len, now->bytes.data, now->bytes.len, &changes));
	for (size_t i = 0; i < changes.count; i++)
		strlist_printf(&lines, "%d %s: %s", changes.items[i].kind, changes.items[i].name,
			       changes.items[i].change);
	return strlist_join(&lines, "\n");
}

#define KEY_WITH(parts_)                                                   \
	{                                                                  \
		.chunk = BUF_INIT(2 * BUILD_KEY_CHUNK), .parts = &(parts_) \
	}

static void equal_keys_have_no_changes(void **state)
{
	cleanup(key_parts_done) struct key_parts parts = KEY_PARTS_INIT;
	cleanup(build_key_done) struct build_key key = KEY_WITH(parts);

	fill(&key, "make", "V=1");
	add_file(&key, "a", 0644, 0, 1);
	key_parts_end(&parts);
	cleanup_free char *changes = changes_of(&parts, &parts);
	assert_string_equal(changes, "");
}

static void says_what_is_different_and_never_a_value(void **state)
{
	cleanup(key_parts_done) struct key_parts one = KEY_PARTS_INIT, other = KEY_PARTS_INIT;
	cleanup(build_key_done) struct build_key a = KEY_WITH(one), b = KEY_WITH(other);

	fill(&a, "make", "TOKEN=hunter2");
	fill(&b, "make all", "TOKEN=hunter3");
	add_file(&a, "dir/content", 0644, 0, 1);
	add_file(&b, "dir/content", 0644, 0, 2);
	add_file(&a, "dir/gone", 0644, 0, 1);
	add_file(&b, "dir/come", 0644, 0, 1);
	add_file(&a, "dir/mode", 0644, 0, 1);
	add_file(&b, "dir/mode", 04755, 0, 1);
	add_file(&a, "dir/owner", 0644, 0, 1);
	add_file(&b, "dir/owner", 0644, 7, 1);
	key_parts_end(&one);
	key_parts_end(&other);
	cleanup_free char *changes = changes_of(&one, &other);
	assert_string_equal(changes, "0 the command: changed\n1 TOKEN: changed\n2 dir/come: added\n"
				     "2 dir/content: content changed\n2 dir/gone: removed\n"
				     "2 dir/mode: mode 0644 -> 4755\n2 dir/owner: owner 0:0 -> 7:0");
	assert_null(memmem(one.bytes.data, one.bytes.len, "hunter", 6));
}

static void values_of_one_name_are_matched_in_their_order(void **state)
{
	cleanup(key_parts_done) struct key_parts one = KEY_PARTS_INIT, other = KEY_PARTS_INIT;

	key_parts_add_value(&one, "target", "/a");
	key_parts_add_value(&one, "target", "/b");
	key_parts_add_value(&other, "target", "/a");
	key_parts_add_value(&other, "target", NULL);
	key_parts_add_value(&other, "target", "/c");
	cleanup_free char *changes = changes_of(&one, &other);
	assert_string_equal(changes, "0 target: changed\n0 target: added");
}

static void what_does_not_fit_is_one_part(void **state)
{
	cleanup(key_parts_done) struct key_parts one = KEY_PARTS_INIT, other = KEY_PARTS_INIT;
	cleanup(build_key_done) struct build_key a = KEY_WITH(one), b = KEY_WITH(other);

	for (unsigned i = 0; i < 100000; i++) {
		cleanup_free char *path = mem_printf("%08x-%u", i * 2654435761u, i);
		add_file(&a, path, 0644, 0, 1);
		add_file(&b, path, 0644, 0, i == 99999 ? 2 : 1);
	}
	key_parts_end(&one);
	key_parts_end(&other);
	assert_true(one.bytes.len <= KEY_PARTS_MAX);
	cleanup_free char *changes = changes_of(&one, &other);
	assert_string_equal(changes, "3 the rest of the files: changed");
}

static void broken_bytes_are_refused(void **state)
{
	cleanup(key_parts_done) struct key_parts parts = KEY_PARTS_INIT;
	cleanup(key_changes_done) struct key_changes changes = {0};

	key_parts_add_value(&parts, "name", "value");
	for (size_t size = 1; size < parts.bytes.len; size++)
		assert_false(key_parts_compare(parts.bytes.data, size, parts.bytes.data, parts.bytes.len, &changes));
	parts.bytes.data[0] = 9;
	assert_false(key_parts_compare(parts.bytes.data, parts.bytes.len, NULL, 0, &changes));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_keys_have_no_changes),
		cmocka_unit_test(says_what_is_different_and_never_a_value),
		cmocka_unit_test(values_of_one_name_are_matched_in_their_order),
		cmocka_unit_test(what_does_not_fit_is_one_part),
		cmocka_unit_test(broken_bytes_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
