#include "tests/unit/base/scratch.h"

#include "base/strlist.h"

static void assert_list(const struct strlist *list, const char *joined)
{
	cleanup_free char *text = strlist_join(list, "|");

	assert_string_equal(text, joined);
	if (list->items)
		assert_null(list->items[list->count]);
}

static void inserts_and_removes_in_order(void **state)
{
	cleanup(strlist_done) struct strlist list = {0};

	assert_list(&list, "");
	strlist_append(&list, "b");
	strlist_insert(&list, 0, "a");
	strlist_insert(&list, 2, "d");
	strlist_insert(&list, 2, "c");
	assert_list(&list, "a|b|c|d");
	strlist_remove(&list, 3);
	strlist_remove(&list, 0);
	assert_list(&list, "b|c");
}

static void ends_in_null_at_every_size(void **state)
{
	cleanup(strlist_done) struct strlist list = {0};

	assert_null(strlist_argv(&list)[0]);
	for (size_t i = 1; i <= 100; i++) {
		strlist_printf(&list, "%zu", i);
		assert_int_equal(list.count, i);
		assert_null(strlist_argv(&list)[i]);
	}
}

static void splits_with_empty_fields_but_nothing_from_nothing(void **state)
{
	cleanup(strlist_done) struct strlist list = {0};

	strlist_split(&list, "", ',');
	assert_int_equal(list.count, 0);
	strlist_split(&list, "a,,b", ',');
	assert_list(&list, "a||b");
	strlist_clear(&list);
	strlist_split(&list, ",", ',');
	assert_int_equal(list.count, 2);
}

static void appends_and_copies_also_from_itself(void **state)
{
	cleanup(strlist_done) struct strlist list = {0};

	strlist_split(&list, "a,b,c,d,e,f,g", ',');
	strlist_append_all(&list, &list);
	assert_list(&list, "a|b|c|d|e|f|g|a|b|c|d|e|f|g");
	strlist_copy(&list, &list);
	assert_int_equal(list.count, 14);
}

static void sorts_bytewise(void **state)
{
	cleanup(strlist_done) struct strlist list = {0};

	strlist_split(&list, "b,\xc3\xa4,B,a-b,a", ',');
	strlist_sort(&list);
	assert_list(&list, "B|a|a-b|b|\xc3\xa4");
	assert_true(strlist_contains(&list, "a-b"));
	assert_false(strlist_contains(&list, "a-"));
}

static void matches_a_key_as_a_whole(void **state)
{
	cleanup(strlist_done) struct strlist env = {0};

	strlist_split(&env, "PATHS=1,PATH=2,BARE,EMPTY=", ',');
	assert_string_equal(strlist_env_get(&env, "PATH"), "2");
	assert_string_equal(strlist_env_get(&env, "EMPTY"), "");
	assert_null(strlist_env_get(&env, "BARE"));
	assert_null(strlist_env_get(&env, "PAT"));
}

static void sets_a_variable_in_its_place_and_once(void **state)
{
	cleanup(strlist_done) struct strlist env = {0};

	strlist_split(&env, "A=1,B=2,A=3,BARE", ',');
	strlist_env_set(&env, "A", strlist_env_get(&env, "A"));
	assert_list(&env, "A=1|B=2|BARE");
	strlist_env_set(&env, "BARE", "x=y");
	strlist_env_set(&env, "C", "");
	assert_list(&env, "A=1|B=2|BARE=x=y|C=");
	strlist_env_unset(&env, "B");
	strlist_env_unset(&env, "NONE");
	assert_list(&env, "A=1|BARE=x=y|C=");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inserts_and_removes_in_order),
		cmocka_unit_test(ends_in_null_at_every_size),
		cmocka_unit_test(splits_with_empty_fields_but_nothing_from_nothing),
		cmocka_unit_test(appends_and_copies_also_from_itself),
		cmocka_unit_test(sorts_bytewise),
		cmocka_unit_test(matches_a_key_as_a_whole),
		cmocka_unit_test(sets_a_variable_in_its_place_and_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
