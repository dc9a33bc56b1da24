/* Configuration files and their drop-ins. */
#include "base/conffile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/strlist.h"
#include "base/tree.h"

struct place {
	char dir[32];
	char *file;
};

static int set_up(void **state)
{
	struct place *place = mem_alloc(sizeof(*place));

	*place = (struct place){.dir = "/tmp/conffile-XXXXXX"};
	assert_non_null(mkdtemp(place->dir));
	place->file = mem_printf("%s/a.conf", place->dir);
	*state = place;
	return 0;
}

static int tear_down(void **state)
{
	struct place *place = *state;
	int rc = tree_remove(AT_FDCWD, place->dir, NULL);

	free(place->file);
	free(place);
	return rc;
}

static void write_file(const struct place *place, const char *name, const char *text)
{
	cleanup_free char *drop_ins = mem_printf("%s.d", place->file);
	cleanup_free char *path = mem_printf("%s/%s", place->dir, name);

	assert_true(mkdir(drop_ins, 0700) == 0 || errno == EEXIST);
	assert_int_equal(atomic_file_write(AT_FDCWD, path, 0600, text, strlen(text), /* flags */ 0, NULL), 0);
}

/* Collects what the files say about "word". */
static int take(const struct json_place *root, void *context, struct error **err)
{
	cleanup_free char *word = NULL;
	int rc = json_get_string(json_field(root, "word"), &word, err);

	if (rc == 0 && word)
		strlist_append(context, word);
	return rc;
}

static void reads_drop_ins_behind_the_file_in_the_order_of_names(void **state)
{
	const struct place *place = *state;
	cleanup(strlist_done) struct strlist words = {0};

	write_file(place, "a.conf.d/20.conf", "word = \"three\"");
	write_file(place, "a.conf.d/10.conf", "word = \"two\"");
	write_file(place, "a.conf.d/15.toml", "word = \"not me\"");
	write_file(place, "a.conf", "word = \"one\"");
	assert_int_equal(conf_file_read(place->file, CONF_FILE_DROP_INS, take, &words, NULL), 0);
	cleanup_free char *all = strlist_join(&words, " ");
	assert_string_equal(all, "one two three");
	strlist_clear(&words);
	assert_int_equal(conf_file_read(place->file, /* flags */ 0, take, &words, NULL), 0);
	assert_int_equal(words.count, 1);
}

static void a_missing_file_is_nothing_unless_it_is_required(void **state)
{
	const struct place *place = *state;
	cleanup(strlist_done) struct strlist words = {0};
	cleanup_error struct error *err = NULL;

	assert_int_equal(conf_file_read(place->file, CONF_FILE_DROP_INS, take, &words, NULL), 0);
	assert_int_equal(conf_file_read(place->file, CONF_FILE_REQUIRED, take, &words, &err), -ENOENT);
	assert_non_null(strstr(error_message(err), place->file));
	assert_int_equal(words.count, 0);
}

static void errors_name_the_file_once(void **state)
{
	const struct place *place = *state;
	cleanup(strlist_done) struct strlist words = {0};
	cleanup_error struct error *syntax = NULL;
	cleanup_error struct error *type = NULL;

	write_file(place, "a.conf", "word = ");
	assert_int_equal(conf_file_read(place->file, /* flags */ 0, take, &words, &syntax), -EINVAL);
	assert_ptr_equal(strstr(error_message(syntax), place->file), error_message(syntax));
	assert_null(strstr(error_message(syntax) + 1, place->file));
	write_file(place, "a.conf", "word = 1");
	assert_int_equal(conf_file_read(place->file, /* flags */ 0, take, &words, &type), -EINVAL);
	assert_non_null(strstr(error_message(type), "word"));
}

static void drop_ins_that_cannot_be_listed_are_an_error(void **state)
{
	const struct place *place = *state;
	cleanup(strlist_done) struct strlist words = {0};
	cleanup_error struct error *err = NULL;
	cleanup_free char *dir = mem_printf("%s.d", place->file);

	/* A loop, because root may list what is forbidden to others. */
	assert_int_equal(symlink(dir, dir), 0);
	assert_int_equal(conf_file_read(place->file, CONF_FILE_DROP_INS, take, &words, &err), -ELOOP);
	assert_non_null(strstr(error_message(err), dir));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(reads_drop_ins_behind_the_file_in_the_order_of_names, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_missing_file_is_nothing_unless_it_is_required, set_up, tear_down),
		cmocka_unit_test_setup_teardown(errors_name_the_file_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(drop_ins_that_cannot_be_listed_are_an_error, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
