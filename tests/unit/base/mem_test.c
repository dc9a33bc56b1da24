#include "tests/unit/base/scratch.h"

#include <sys/wait.h>

#include "base/mem.h"

static void gives_zeroed_memory_also_of_size_zero(void **state)
{
	cleanup_free char *bytes = mem_alloc(64);
	cleanup_free char *nothing = mem_alloc(0);

	for (int i = 0; i < 64; i++)
		assert_int_equal(bytes[i], 0);
	assert_non_null(nothing);
}

static void keeps_null_when_copying(void **state)
{
	assert_null(mem_strdup(NULL));
	assert_null(mem_strndup(NULL, 3));
	assert_null(mem_dup(NULL, 3));
}

static void copies_at_most_the_given_length(void **state)
{
	cleanup_free char *part = mem_strndup("abcdef", 3);
	cleanup_free char *all = mem_strndup("abc", 100);

	assert_string_equal(part, "abc");
	assert_string_equal(all, "abc");
}

static void replaces_a_string_by_a_part_of_itself(void **state)
{
	cleanup_free char *text = mem_strdup("prefix-rest");

	mem_replace(&text, text + 7);
	assert_string_equal(text, "rest");
	mem_replace(&text, NULL);
	assert_null(text);
}

static void hands_a_pointer_on(void **state)
{
	char *text = mem_strdup("x");
	cleanup_free char *taken = take_ptr(&text);

	assert_null(text);
	assert_string_equal(taken, "x");
}

static void ends_the_process_with_125_when_a_product_overflows(void **state)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		close(STDERR_FILENO);
		free(mem_grow(NULL, SIZE_MAX / 2, 4));
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 125);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_zeroed_memory_also_of_size_zero),
		cmocka_unit_test(keeps_null_when_copying),
		cmocka_unit_test(copies_at_most_the_given_length),
		cmocka_unit_test(replaces_a_string_by_a_part_of_itself),
		cmocka_unit_test(hands_a_pointer_on),
		cmocka_unit_test(ends_the_process_with_125_when_a_product_overflows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
