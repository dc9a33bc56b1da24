/* What --call=targets and --call=outline say. */
#include "dockerfile/outline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static const char text[] = "# BASE which image\n"
			   "ARG BASE=debian:$TAG\n"
			   "ARG TAG=1\n"
			   "ARG OTHER=x\n"
			   "\n"
			   "# build compiles it\n"
			   "FROM $BASE AS build\n"
			   "# FLAGS for the compiler\n"
			   "ARG FLAGS=-O2 ALL=\"$FLAGS -g\"\n"
			   "RUN --mount=type=secret,id=token,required --mount=type=cache,target=/c make\n"
			   "FROM scratch AS unused\n"
			   "ARG NOT\n"
			   "FROM scratch AS final\n"
			   "COPY --from=build /a /\n"
			   "RUN --mount=type=ssh --mount=type=secret,id=token x\n";

static struct dockerfile *parsed(void)
{
	struct dockerfile *file = NULL;

	assert_int_equal(dockerfile_parse(text, strlen(text), "Dockerfile", &file, NULL), 0);
	return file;
}

static void lists_targets(void **state)
{
	cleanup(dockerfile_free) struct dockerfile *file = parsed();
	cleanup(outline_targets_done) struct outline_targets targets = {0};

	outline_targets_list(file, &targets);
	assert_int_equal(targets.count, 3);
	assert_string_equal(targets.items[0].name, "build");
	assert_string_equal(targets.items[0].description, "compiles it");
	assert_string_equal(targets.items[0].base, "$BASE");
	assert_false(targets.items[0].is_default);
	assert_true(targets.items[2].is_default);
	assert_null(targets.items[2].description);
}

static void tells_what_a_target_takes(void **state)
{
	cleanup(dockerfile_free) struct dockerfile *file = parsed();
	cleanup(strlist_done) struct strlist given = {0};
	cleanup(outline_done) struct outline outline = {0};

	strlist_append(&given, "TAG=12");
	strlist_append(&given, "FLAGS=-O3");
	outline_make(file, &file->stages[2], &given, &outline);
	assert_string_equal(outline.name, "final");
	assert_int_equal(outline.arg_count, 4);
	assert_string_equal(outline.args[0].name, "BASE");
	assert_string_equal(outline.args[0].description, "which image");
	assert_string_equal(outline.args[1].name, "TAG");
	assert_string_equal(outline.args[1].value, "12");
	assert_string_equal(outline.args[2].name, "ALL");
	assert_string_equal(outline.args[2].value, "-O3 -g");
	assert_string_equal(outline.args[3].name, "FLAGS");
	assert_string_equal(outline.args[3].description, "for the compiler");
	assert_int_equal(outline.secret_count, 1);
	assert_string_equal(outline.secrets[0].name, "token");
	assert_true(outline.secrets[0].required);
	assert_int_equal(outline.ssh_count, 1);
	assert_string_equal(outline.ssh[0].name, "default");
	assert_int_equal(outline.cache_count, 1);
}

static void leaves_out_stages_that_are_not_needed(void **state)
{
	cleanup(dockerfile_free) struct dockerfile *file = parsed();
	cleanup(outline_done) struct outline outline = {0};

	outline_make(file, &file->stages[1], NULL, &outline);
	assert_int_equal(outline.arg_count, 1);
	assert_string_equal(outline.args[0].name, "NOT");
	assert_null(outline.args[0].value);
	assert_int_equal(outline.secret_count, 0);
}

/* BuildKit's testOutlineRecursiveArgs, in short. */
static void the_last_declaration_of_an_argument_tells(void **state)
{
	static const char recursive[] =
		"ARG A=1\nARG B=b\nARG NOT=x\nARG A=$A$B\nARG C=${A}2\nARG A=$A-$C\nFROM scratch\n"
		"ARG A\nARG IN=3\nARG OUT=${IN}4\nARG IN=$IN-$OUT\n";
	static const char *const expected[][2] = {
		{"B", "b"}, {"C", "1b2"}, {"A", "1b-1b2"}, {"OUT", "34"}, {"IN", "3-34"}};
	cleanup(dockerfile_free) struct dockerfile *file = NULL;
	cleanup(outline_done) struct outline outline = {0};

	assert_int_equal(dockerfile_parse(recursive, strlen(recursive), "Dockerfile", &file, NULL), 0);
	outline_make(file, &file->stages[0], NULL, &outline);
	assert_int_equal(outline.arg_count, ARRAY_COUNT(expected));
	for (size_t i = 0; i < ARRAY_COUNT(expected); i++) {
		assert_string_equal(outline.args[i].name, expected[i][0]);
		assert_string_equal(outline.args[i].value, expected[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_targets),
		cmocka_unit_test(tells_what_a_target_takes),
		cmocka_unit_test(leaves_out_stages_that_are_not_needed),
		cmocka_unit_test(the_last_declaration_of_an_argument_tells),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
