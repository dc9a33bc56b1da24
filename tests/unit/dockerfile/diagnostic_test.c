/* Places, excerpts and suggestions. */
#include "dockerfile/diagnostic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

static void make_source(struct source *source, size_t lines)
{
	source->name = mem_strdup("Dockerfile");
	for (size_t i = 1; i <= lines; i++)
		strlist_printf(&source->lines, "line %zu", i);
}

static void an_error_gets_a_place_once(void **state)
{
	cleanup(source_done) struct source source = {0};
	cleanup_error struct error *err = NULL;
	const struct source_range inner = {2, 2, 0, 0};
	const struct source_range outer = {4, 5, 0, 0};

	make_source(&source, 5);
	error_set(&err, ENOENT, "no such file 'x'");
	assert_int_equal(source_error(&source, &inner, &err), -ENOENT);
	assert_int_equal(source_error(&source, &outer, &err), -ENOENT);
	assert_int_equal(strncmp(error_message(err), "Dockerfile:2: no such file 'x'\n", 31), 0);
	assert_non_null(strstr(error_message(err), "   2 | >>> line 2\n"));
	assert_null(strstr(error_message(err), ">>> line 4"));
}

static void without_an_error_the_code_is_kept(void **state)
{
	cleanup(source_done) struct source source = {0};
	const struct source_range range = {1, 1, 0, 0};

	make_source(&source, 1);
	error_set(NULL, EFBIG, "too large");
	assert_int_equal(source_error(&source, &range, NULL), -EFBIG);
}

static void no_place_gives_no_excerpt(void **state)
{
	cleanup(source_done) struct source source = {0};
	cleanup(buf_done) struct buf text = BUF_INIT(1000);
	static const struct source_range ranges[] = {{0, 0, 0, 0}, {9, 9, 0, 0}};

	make_source(&source, 3);
	for (size_t i = 0; i < ARRAY_COUNT(ranges); i++)
		source_excerpt(&source, &ranges[i], &text);
	assert_int_equal(text.len, 0);
}

static void long_ranges_and_lines_are_cut(void **state)
{
	cleanup(source_done) struct source source = {0};
	cleanup(buf_done) struct buf text = BUF_INIT(1 << 16);
	cleanup(buf_done) struct buf line = BUF_INIT(1 << 16);
	const struct source_range range = {3, 80, 0, 0};

	make_source(&source, 100);
	while (line.len < 5000)
		buf_append_str(&line, "\xc3\xa4\x1b");
	mem_replace(&source.lines.items[2], buf_str(&line));
	source_excerpt(&source, &range, &text);
	assert_true(text.len < 2000);
	assert_null(strchr(buf_str(&text), '\x1b'));
	assert_non_null(strstr(buf_str(&text), "     | >>> ...\n  81 |     line 81\n  82 |     line 82\n"));
	assert_null(strstr(buf_str(&text), "line 50"));
}

static void finds_a_word_in_its_lines(void **state)
{
	cleanup(source_done) struct source source = {0};
	const struct source_range range = {2, 4, 0, 0};

	make_source(&source, 5);
	struct source_range found = source_find(&source, &range, "ne 3");
	assert_int_equal(found.first_line, 3);
	assert_int_equal(found.first_column, 3);
	assert_int_equal(found.last_column, 6);
	found = source_find(&source, &range, "line 5");
	assert_int_equal(found.first_line, 2);
	assert_int_equal(found.last_line, 4);
	assert_int_equal(found.first_column, 0);
}

static void suggests_the_nearest_word(void **state)
{
	static const char *const words[] = {"from", "chown", "chmod", "link", "keep-git-dir"};
	static const struct {
		const char *word;
		const char *nearest;
	} examples[] = {
		{"form", "from"},
		{"chonw", "chown"},
		{"chmo", "chmod"},
		{"LINK", "link"},
		{"keepgitdir", "keep-git-dir"},
		{"zzzzzzzz", NULL},
		{"", NULL},
		{"from", NULL},
	};

	for (size_t i = 0; i < ARRAY_COUNT(examples); i++) {
		const char *nearest = suggest(examples[i].word, words, ARRAY_COUNT(words));
		if ((nearest == NULL) != (examples[i].nearest == NULL) ||
		    (nearest && strcmp(nearest, examples[i].nearest) != 0))
			fail_msg("'%s' gave '%s'", examples[i].word, nearest ? nearest : "nothing");
	}
	assert_null(suggest("x", NULL, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_gets_a_place_once), cmocka_unit_test(without_an_error_the_code_is_kept),
		cmocka_unit_test(no_place_gives_no_excerpt),  cmocka_unit_test(long_ranges_and_lines_are_cut),
		cmocka_unit_test(finds_a_word_in_its_lines),  cmocka_unit_test(suggests_the_nearest_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
