#include "imagefmt/images_internal.h"

#include "tests/unit/imagefmt/tempstore.h"

#include <time.h>

#include "imagefmt/dirstate.h"

static void add(struct tempstore *t, unsigned number)
{
	cleanup_free char *folder = mem_printf("%s/by-id/%02x", t->dir, number % 256);
	cleanup_free char *path = mem_printf("%s/%02x-%u", folder, number % 256, number);

	mkdir(folder, 0700);
	write_file(path, "", 0);
}

static void drop(struct tempstore *t, unsigned number)
{
	cleanup_free char *path = mem_printf("%s/by-id/%02x/%02x-%u", t->dir, number % 256, number % 256, number);

	assert_int_equal(unlink(path), 0);
}

static size_t number_of(struct tempstore *t)
{
	cleanup_close int table = open(t->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t number = 0;

	assert_int_equal(images_number(table, &number, NULL), 0);
	return number;
}

static struct tempstore *begin(void **state)
{
	struct tempstore *t = *state;
	cleanup_free char *folder = tempstore_path(t, "by-id");

	assert_int_equal(mkdir(folder, 0700), 0);
	return t;
}

static void each_change_is_counted_also_within_one_tick(void **state)
{
	struct tempstore *t = begin(state);

	assert_int_equal(number_of(t), 0);
	for (unsigned i = 0; i < 600; i++) {
		add(t, i);
		if (i % 16 == 0)
			assert_int_equal(number_of(t), i + 1);
	}
	for (unsigned i = 0; i < 100; i++) {
		drop(t, i);
		assert_int_equal(number_of(t), 599 - i);
		add(t, i);
		assert_int_equal(number_of(t), 600 - i);
		drop(t, i);
	}
}

static void what_has_settled_is_not_listed_again(void **state)
{
	struct tempstore *t = begin(state);
	const struct timespec some = {.tv_nsec = 25 * 1000 * 1000};
	cleanup_free char *numbers = tempstore_path(t, "numbers");
	cleanup_close int fd = open(t->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (unsigned i = 0; i < 512; i++)
		add(t, i);
	nanosleep(&some, NULL);
	assert_int_equal(number_of(t), 512);
	if (!dir_state_counts(fd))
		return;
	/* The count of the first folder, behind what it looks like: it is believed. */
	uint64_t wrong = 1002;
	cleanup_close int file = open(numbers, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(file, &wrong, sizeof(wrong), 8 + sizeof(struct dir_state)), sizeof(wrong));
	assert_int_equal(number_of(t), 512 - 2 + 1002);
	/* Until something changes there. */
	add(t, 512);
	assert_int_equal(number_of(t), 513);
	drop(t, 512);
	assert_int_equal(number_of(t), 512);
	/* What is no such file is nothing. */
	assert_int_equal(truncate(numbers, 100), 0);
	assert_int_equal(number_of(t), 512);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_store(each_change_is_counted_also_within_one_tick),
		test_with_store(what_has_settled_is_not_listed_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
