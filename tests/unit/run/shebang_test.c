/* run/shebang.c */
#include "run/shebang.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int parse(const char *line, char head[SHEBANG_SIZE], char **interpreter, char **argument)
{
	snprintf(head, SHEBANG_SIZE, "%s", line);
	return shebang_parse(head, interpreter, argument);
}

static void a_line_is_an_interpreter_and_one_argument(void **state)
{
	static const struct {
		const char *line, *interpreter, *argument;
	} rows[] = {
		{"#!/bin/sh\necho", "/bin/sh", NULL},
		{"#!/bin/sh", "/bin/sh", NULL},
		{"#! \t/bin/sh  -e -x \t\n", "/bin/sh", "-e -x"},
		{"#!/bin/sh \n", "/bin/sh", NULL},
		{"#!a\tb", "a", "b"},
	};
	char head[SHEBANG_SIZE];
	char *interpreter, *argument;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(parse(rows[i].line, head, &interpreter, &argument), 0);
		assert_string_equal(interpreter, rows[i].interpreter);
		if (rows[i].argument)
			assert_string_equal(argument, rows[i].argument);
		else
			assert_null(argument);
	}
}

static void a_line_without_a_name_runs_nothing(void **state)
{
	static const char *const lines[] = {"#!", "#!\n/bin/sh\n", "#! \t \n", "#!  "};
	char head[SHEBANG_SIZE];
	char *interpreter, *argument;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_int_equal(parse(lines[i], head, &interpreter, &argument), -ENOEXEC);
}

static void a_name_that_is_cut_off_runs_nothing_an_argument_may_be(void **state)
{
	char head[SHEBANG_SIZE], line[SHEBANG_SIZE + 50];
	char *interpreter, *argument;

	memset(line, 'x', sizeof(line));
	memcpy(line, "#!/bin/", 7);
	line[sizeof(line) - 1] = '\0';
	assert_int_equal(parse(line, head, &interpreter, &argument), -ENOEXEC);
	line[20] = ' ';
	assert_int_equal(parse(line, head, &interpreter, &argument), 0);
	assert_int_equal(strlen(interpreter), 18);
	assert_int_equal(strlen(argument), SHEBANG_SIZE - 1 - 21);
}

static void only_two_bytes_make_a_script(void **state)
{
	char head[SHEBANG_SIZE] = "#!";

	assert_true(shebang_is_script(head));
	snprintf(head, sizeof(head), "# !");
	assert_false(shebang_is_script(head));
	head[0] = '\0';
	assert_false(shebang_is_script(head));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_an_interpreter_and_one_argument),
		cmocka_unit_test(a_line_without_a_name_runs_nothing),
		cmocka_unit_test(a_name_that_is_cut_off_runs_nothing_an_argument_may_be),
		cmocka_unit_test(only_two_bytes_make_a_script),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
