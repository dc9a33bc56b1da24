/* What a stage read when it was built last. */
#include "builder/explain.h"
#include "tests/unit/imagefmt/tempstore.h"

#include "base/atomicfile.h"

static const struct digest place = {.algorithm = DIGEST_SHA256, .bytes = {1}};

static struct digest key_number(uint8_t number)
{
	return (struct digest){.algorithm = DIGEST_SHA256, .bytes = {number}};
}

/* A step whose command is `value`. */
static void note(struct explain *explain, size_t number, const char *text, const char *value)
{
	const struct digest key = key_number((uint8_t)*value);
	const struct explain_step step = {.number = number, .text = text, .key = &key};
	cleanup(key_parts_done) struct key_parts parts = KEY_PARTS_INIT;

	key_parts_add_value(&parts, "the command", value);
	key_parts_end(&parts);
	explain_note(explain, &step, explain_knows(explain, &step) ? NULL : &parts);
}

static enum explain_verdict compare(const struct explain *explain, size_t number, const char *text, const char *value)
{
	const struct digest key = key_number((uint8_t)*value);
	const struct explain_step step = {.number = number, .text = text, .key = &key};
	cleanup(key_changes_done) struct key_changes changes = {0};
	const char *before;

	return explain_compare(explain, &step, &changes, &before);
}

static void three_steps(struct tempstore *t)
{
	cleanup(explain_close) struct explain *explain = explain_open(t->store, &place, 3);

	note(explain, 0, "RUN a", "a");
	note(explain, 1, "RUN b", "b");
	note(explain, 2, "COPY c", "c");
	explain_save(explain, /* is_whole */ true);
}

static void a_step_is_compared_with_the_one_of_the_same_text(void **state)
{
	three_steps(*state);
	struct tempstore *t = *state;
	cleanup(explain_close) struct explain *explain = explain_open(t->store, &place, 4);

	note(explain, 0, "RUN new", "n");
	note(explain, 1, "RUN a", "a");
	note(explain, 2, "RUN b", "x");
	note(explain, 3, "WORKDIR w", "w");
	/* In its place stood another RUN. */
	assert_int_equal(compare(explain, 0, "RUN new", "n"), EXPLAIN_CHANGED);
	assert_int_equal(compare(explain, 1, "RUN a", "a"), EXPLAIN_SAME);
	assert_int_equal(compare(explain, 2, "RUN b", "x"), EXPLAIN_CHANGED);
	assert_int_equal(compare(explain, 3, "WORKDIR w", "w"), EXPLAIN_NEW);
}

static void a_stage_that_was_never_built_is_the_first(void **state)
{
	struct tempstore *t = *state;
	const struct digest other = key_number(77);
	cleanup(explain_close) struct explain *explain = explain_open(t->store, &other, 1);

	note(explain, 0, "RUN a", "a");
	assert_int_equal(compare(explain, 0, "RUN a", "a"), EXPLAIN_FIRST);
}

static void a_build_that_fails_keeps_what_was_known_of_the_steps_behind(void **state)
{
	three_steps(*state);
	struct tempstore *t = *state;
	{
		cleanup(explain_close) struct explain *failed = explain_open(t->store, &place, 3);
		note(failed, 0, "RUN a", "z");
		explain_save(failed, /* is_whole */ false);
	}
	cleanup(explain_close) struct explain *explain = explain_open(t->store, &place, 3);
	note(explain, 0, "RUN a", "z");
	note(explain, 1, "RUN b", "b");
	note(explain, 2, "COPY c", "d");
	assert_int_equal(compare(explain, 0, "RUN a", "z"), EXPLAIN_SAME);
	assert_int_equal(compare(explain, 1, "RUN b", "b"), EXPLAIN_SAME);
	assert_int_equal(compare(explain, 2, "COPY c", "d"), EXPLAIN_CHANGED);
}

static void a_broken_file_is_no_record(void **state)
{
	struct tempstore *t = *state;
	char hex[DIGEST_HEX_SIZE];

	three_steps(t);
	cleanup_free char *name = mem_printf(EXPLAIN_FOLDER "/%s", digest_hex(&place, hex));
	cleanup_free char *path = store_path(t->store, STORE_CACHE, name);
	cleanup(buf_done) struct buf bytes = BUF_INIT(BUF_MAX_DEFAULT);
	assert_int_equal(fd_read_file(AT_FDCWD, path, &bytes, NULL), 0);
	for (size_t size = 0; size < bytes.len; size++) {
		assert_int_equal(atomic_file_write(AT_FDCWD, path, 0600, bytes.data, size, /* flags */ 0, NULL), 0);
		cleanup(explain_close) struct explain *explain = explain_open(t->store, &place, 1);
		note(explain, 0, "RUN a", "a");
		assert_int_equal(compare(explain, 0, "RUN a", "a"), EXPLAIN_FIRST);
	}
}

static void a_build_goes_on_where_the_last_one_did(void **state)
{
	three_steps(*state);
	struct tempstore *t = *state;
	cleanup(explain_close) struct explain *explain = explain_open(t->store, &place, 4);

	/* What is below the first is not known. */
	assert_false(explain_goes_on(explain, 0, "RUN a"));
	assert_false(explain_goes_on(explain, 1, "RUN b"));
	note(explain, 0, "RUN a", "a");
	assert_true(explain_goes_on(explain, 1, "RUN b"));
	assert_false(explain_goes_on(explain, 1, "RUN c"));
	assert_false(explain_goes_on(explain, 2, "COPY c"));
	note(explain, 1, "RUN b", "x");
	assert_false(explain_goes_on(explain, 2, "COPY c"));
	note(explain, 1, "RUN b", "b");
	assert_true(explain_goes_on(explain, 2, "COPY c"));
	assert_false(explain_goes_on(explain, 3, "COPY d"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_store(a_build_goes_on_where_the_last_one_did),
		cmocka_unit_test_setup_teardown(a_step_is_compared_with_the_one_of_the_same_text, tempstore_setup,
						tempstore_teardown),
		cmocka_unit_test_setup_teardown(a_stage_that_was_never_built_is_the_first, tempstore_setup,
						tempstore_teardown),
		cmocka_unit_test_setup_teardown(a_build_that_fails_keeps_what_was_known_of_the_steps_behind,
						tempstore_setup, tempstore_teardown),
		cmocka_unit_test_setup_teardown(a_broken_file_is_no_record, tempstore_setup, tempstore_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
