/* base/ownertable.c */
#include "base/ownertable.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/base/scratch.h"

static struct owner_key key_of(uint64_t ino)
{
	return (struct owner_key){.ino = ino, .born_seconds = 5, .born_nanoseconds = 6};
}

static void finds_what_was_put_and_not_what_was_removed(void **state)
{
	cleanup(owner_table_done) struct owner_table table = {0};

	for (uint32_t i = 1; i <= 1000; i++) {
		const struct owner_key key = key_of(i);
		owner_table_put(&table, &key, &(struct owner_record){.uid = i});
	}
	for (uint32_t i = 1; i <= 1000; i += 2) {
		const struct owner_key key = key_of(i);
		owner_table_remove(&table, &key);
	}
	assert_int_equal(table.count, 500);
	for (uint32_t i = 1; i <= 1000; i++) {
		const struct owner_key key = key_of(i);
		const struct owner_record *record = owner_table_find(&table, &key);
		assert_int_equal(record != NULL, i % 2 == 0);
		if (record)
			assert_int_equal(record->uid, i);
	}
}

/* Key i of three clusters of eight. Equal numbers begin their search at the same slot (the times of birth keep them
 * apart): of a table of 64 at 56, 60 and 2, so that the clusters run into each other and over the table's end. */
static struct owner_key crowded_key(uint32_t i)
{
	static const uint64_t numbers[] = {11, 30, 39};

	return (struct owner_key){.ino = numbers[i / 8], .born_seconds = i};
}

static void finds_the_others_whatever_is_removed(void **state)
{
	enum { KEYS = 24 };

	for (uint32_t removed = 0; removed < KEYS; removed++) {
		cleanup(owner_table_done) struct owner_table table = {0};
		for (uint32_t i = 0; i < KEYS; i++) {
			const struct owner_key key = crowded_key(i);
			owner_table_put(&table, &key, &(struct owner_record){.uid = i});
		}
		for (uint32_t step = 0; step < KEYS; step++) {
			uint32_t gone = (removed + step * 7) % KEYS;
			const struct owner_key key = crowded_key(gone);
			assert_non_null(owner_table_find(&table, &key));
			owner_table_remove(&table, &key);
			assert_null(owner_table_find(&table, &key));
			for (uint32_t later = step + 1; later < KEYS; later++) {
				uint32_t left = (removed + later * 7) % KEYS;
				const struct owner_key other = crowded_key(left);
				const struct owner_record *record = owner_table_find(&table, &other);
				assert_non_null(record);
				assert_int_equal(record->uid, left);
			}
		}
		assert_int_equal(table.count, 0);
	}
}

static void does_not_give_the_record_to_who_gets_the_number_later(void **state)
{
	cleanup(owner_table_done) struct owner_table table = {0};
	struct owner_key key = key_of(7);

	owner_table_put(&table, &key, &(struct owner_record){.uid = 33});
	key.born_nanoseconds++;
	assert_null(owner_table_find(&table, &key));
	assert_null(owner_table_find(NULL, &key));
}

static void comes_back_from_its_file(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	cleanup(owner_table_done) struct owner_table table = {0};
	cleanup(owner_table_done) struct owner_table back = {0};
	const struct owner_key key = key_of(UINT64_MAX);
	const struct owner_record device = {.uid = 1, .gid = 2, .mode = S_IFBLK, .major = 8, .minor = 1};

	assert_int_equal(owner_table_load(dir.fd, "owners", &back, NULL), 0);
	assert_int_equal(back.count, 0);
	owner_table_put(&table, &key, &device);
	assert_true(table.has_changed);
	assert_int_equal(owner_table_save(dir.fd, "owners", &table, NULL), 0);
	assert_false(table.has_changed);
	assert_int_equal(owner_table_load(dir.fd, "owners", &back, NULL), 0);
	assert_false(back.has_changed);
	assert_memory_equal(owner_table_find(&back, &key), &device, sizeof(device));
	owner_table_remove(&table, &key);
	assert_int_equal(owner_table_save(dir.fd, "owners", &table, NULL), 0);
	assert_int_equal(faccessat(dir.fd, "owners", F_OK, 0), -1);
}

static void is_of_the_tree_that_it_was_saved_for_and_not_of_a_copy(void **state)
{
	cleanup(scratch_done) struct scratch tree = scratch_make();
	cleanup(scratch_done) struct scratch copy = scratch_make();
	cleanup(owner_table_done) struct owner_table table = {0};
	const struct owner_key key = key_of(7);

	assert_int_equal(owner_table_bind(&table, tree.fd, NULL), 0);
	assert_int_equal(table.count, 0);
	assert_true(owner_table_is_of(&table, copy.fd));
	owner_table_put(&table, &key, &(struct owner_record){.uid = 33});
	assert_false(owner_table_is_of(&table, tree.fd));
	assert_int_equal(owner_table_bind(&table, tree.fd, NULL), 0);
	assert_int_equal(owner_table_bind(&table, tree.fd, NULL), 0);
	assert_int_equal(table.count, 2);
	assert_true(owner_table_is_of(&table, tree.fd));
	assert_false(owner_table_is_of(&table, copy.fd));
}

static void refuses_a_damaged_file(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	cleanup(owner_table_done) struct owner_table table = {0};
	struct error *err = NULL;

	put_file(dir.fd, "short", "cooper");
	put_file(dir.fd, "torn", "cooper-owners 1 and not forty bytes");
	assert_int_equal(owner_table_load(dir.fd, "short", &table, NULL), -EINVAL);
	assert_int_equal(owner_table_load(dir.fd, "torn", &table, &err), -EINVAL);
	assert_non_null(strstr(error_message(err), "torn"));
	error_free(err);
}

static void tells_a_link_from_what_it_points_at(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	struct owner_key file, link, by_fd;

	put_file(dir.fd, "f", "");
	put_link(dir.fd, "link", "f");
	cleanup_close int fd = openat(dir.fd, "link", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	assert_int_equal(owner_key_of(dir.fd, "f", &file, NULL), 0);
	assert_int_equal(owner_key_of(dir.fd, "link", &link, NULL), 0);
	assert_int_equal(owner_key_of(fd, "", &by_fd, NULL), 0);
	assert_int_not_equal(file.ino, link.ino);
	assert_int_equal(by_fd.ino, link.ino);
	assert_int_equal(by_fd.born_nanoseconds, link.born_nanoseconds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_was_put_and_not_what_was_removed),
		cmocka_unit_test(finds_the_others_whatever_is_removed),
		cmocka_unit_test(does_not_give_the_record_to_who_gets_the_number_later),
		cmocka_unit_test(comes_back_from_its_file),
		cmocka_unit_test(is_of_the_tree_that_it_was_saved_for_and_not_of_a_copy),
		cmocka_unit_test(refuses_a_damaged_file),
		cmocka_unit_test(tells_a_link_from_what_it_points_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
