#include "tests/unit/base/scratch.h"

#include <errno.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/owner.h"

static void keeps_a_record_of_twenty_little_endian_bytes(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	const struct owner_record device = {
		.uid = 1, .gid = 0x01020304, .mode = S_IFBLK | 0640, .major = 8, .minor = 1};
	struct owner_record back;
	char bytes[21];

	put_file(dir.fd, "f", "");
	cleanup_close int fd = openat(dir.fd, "f", O_PATH | O_CLOEXEC);
	assert_int_equal(owner_get(fd, &back, NULL), -ENODATA);
	assert_int_equal(owner_set(fd, &device, NULL), 0);
	assert_int_equal(owner_get(fd, &back, NULL), 0);
	assert_memory_equal(&back, &device, sizeof(back));
	cleanup_free char *path = mem_printf("%s/f", dir.path);
	assert_int_equal(getxattr(path, OWNER_XATTR, bytes, sizeof(bytes)), 20);
	assert_memory_equal(bytes, "\1\0\0\0\4\3\2\1\xa0\x61\0\0\10\0\0\0\1\0\0\0", 20);
	assert_int_equal(owner_clear(fd, NULL), 0);
	assert_int_equal(owner_clear(fd, NULL), 0);
	assert_int_equal(owner_get(fd, &back, NULL), -ENODATA);
}

static void refuses_records_that_cannot_be_ours(void **state)
{
	static const struct owner_record bad[] = {
		{.uid = UINT32_MAX}, {.gid = UINT32_MAX},	 {.mode = S_IFDIR | 0755},
		{.mode = S_IFREG},   {.mode = 0755, .major = 1}, {.mode = 0x20000},
	};
	cleanup(scratch_done) struct scratch dir = scratch_make();
	struct owner_record record = {.uid = 77};

	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		assert_int_equal(owner_set(dir.fd, &bad[i], NULL), -EINVAL);
	assert_int_equal(setxattr(dir.path, OWNER_XATTR, "short", 5, 0), 0);
	assert_int_equal(owner_get(dir.fd, &record, NULL), -EINVAL);
	assert_int_equal(setxattr(dir.path, OWNER_XATTR, "one byte too many....", 21, 0), 0);
	assert_int_equal(owner_get(dir.fd, &record, NULL), -EINVAL);
	assert_int_equal(setxattr(dir.path, OWNER_XATTR, "\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20, 0), 0);
	assert_int_equal(owner_get(dir.fd, &record, NULL), -EINVAL);
	assert_int_equal(record.uid, 77);
}

static void finds_none_on_a_link_and_does_not_follow_it(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	const struct owner_record owner = {.uid = 1, .gid = 2, .mode = 0644};
	struct owner_record record;

	put_file(dir.fd, "f", "");
	put_link(dir.fd, "link", "f");
	cleanup_close int file = openat(dir.fd, "f", O_PATH | O_CLOEXEC);
	cleanup_close int link = openat(dir.fd, "link", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	assert_int_equal(owner_set(file, &owner, NULL), 0);
	assert_int_equal(owner_get(link, &record, NULL), -ENODATA);
	assert_int_equal(owner_set(link, &owner, NULL), -EPERM);
}

static void puts_the_record_over_what_stat_said(void **state)
{
	struct stat st = {.st_mode = S_IFREG | 04600, .st_uid = 9};
	const struct owner_record file = {.uid = 1, .gid = 2, .mode = OWNER_HAS_MODE | 04755};
	const struct owner_record device = {.mode = S_IFCHR, .major = 1, .minor = 3};

	owner_apply(&file, &st);
	assert_int_equal(st.st_mode, S_IFREG | 04755);
	assert_int_equal(st.st_uid, 1);
	assert_int_equal(st.st_gid, 2);
	owner_apply(&device, &st);
	/* The bits are the file's own where the record does not say. */
	assert_int_equal(st.st_mode, S_IFCHR | 04755);
	assert_int_equal(st.st_rdev, makedev(1, 3));
}

static void does_not_give_set_id_bits_back_that_a_write_has_taken(void **state)
{
	struct stat st = {.st_mode = S_IFREG | 0611};
	const struct owner_record file = {.mode = OWNER_HAS_MODE | 06411};

	owner_apply(&file, &st);
	assert_int_equal(st.st_mode, S_IFREG | 0411);
	st.st_mode = S_IFREG | S_ISGID | 0611;
	owner_apply(&file, &st);
	assert_int_equal(st.st_mode, S_IFREG | 02411);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_a_record_of_twenty_little_endian_bytes),
		cmocka_unit_test(refuses_records_that_cannot_be_ours),
		cmocka_unit_test(finds_none_on_a_link_and_does_not_follow_it),
		cmocka_unit_test(puts_the_record_over_what_stat_said),
		cmocka_unit_test(does_not_give_set_id_bits_back_that_a_write_has_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
