/* run/emul_node.c */
#include "tests/unit/run/fake_caller.h"

#include <sys/sysmacros.h>

#define HERE ((uint64_t)(uint32_t)AT_FDCWD)

static void a_device_is_an_empty_file_with_a_record(void **state)
{
	struct fake *fake = *state;
	struct owner_record record;

	assert_returns(CALL(fake, emul_mknod, fake_text(fake, "null"), S_IFCHR | 0666, makedev(1, 3)), 0);
	assert_int_equal(fake_mode(fake, "null"), S_IFREG | 0640);
	assert_true(fake_record(fake, "null", &record));
	assert_int_equal(record.mode, S_IFCHR);
	assert_int_equal(record.major, 1);
	assert_int_equal(record.minor, 3);
	assert_returns(CALL(fake, emul_mknodat, HERE, fake_text(fake, "disk"), S_IFBLK | 0600, makedev(259, 70000)), 0);
	assert_true(fake_record(fake, "disk", &record));
	assert_int_equal(record.major, 259);
	assert_int_equal(record.minor, 70000);
	assert_returns(CALL(fake, emul_mknod, fake_text(fake, "disk"), S_IFBLK | 0600, makedev(1, 1)), -EEXIST);
}

static void only_root_makes_devices(void **state)
{
	struct fake *fake = *state;

	fake_become(fake, 100, 200);
	assert_returns(CALL(fake, emul_mknod, fake_text(fake, "null"), S_IFCHR | 0666, makedev(1, 3)), -EPERM);
	assert_int_equal(faccessat(fake->dir, "null", F_OK, 0), -1);
}

static void a_mark_of_removal_is_the_kernels_to_make(void **state)
{
	struct fake *fake = *state;

	assert_continues(CALL(fake, emul_mknod, fake_text(fake, "gone"), S_IFCHR, 0));
}

static void what_is_no_device_is_real(void **state)
{
	struct fake *fake = *state;

	assert_continues(CALL(fake, emul_mknod, fake_text(fake, "fifo"), S_IFIFO | 0666, 0));
	fake_become(fake, 100, 200);
	assert_returns(CALL(fake, emul_mknod, fake_text(fake, "fifo"), S_IFIFO | 0666, 0), 0);
	assert_int_equal(fake_mode(fake, "fifo"), S_IFIFO | 0640);
	assert_owner(fake, "fifo", 100, 200);
	assert_returns(CALL(fake, emul_mknod, fake_text(fake, "plain"), 0666, 0), 0);
	assert_int_equal(fake_mode(fake, "plain"), S_IFREG | 0640);
	assert_owner(fake, "plain", 100, 200);
	assert_returns(CALL(fake, emul_mknod, fake_text(fake, "fifo"), S_IFIFO | 0666, 0), -EEXIST);
	assert_continues(CALL(fake, emul_mknod, fake_text(fake, "no/where"), S_IFIFO | 0666, 0));
}

/* Where ids are mapped only devices are made so, and their records lie where no step writes. */
static void with_mapped_ids_a_device_is_recorded_aside(void **state)
{
	struct fake *fake = *state;
	struct owner_record record;

	assert_returns(CALL(fake, emul_record_mknod, fake_text(fake, "null"), S_IFCHR | 0666, makedev(1, 3)), 0);
	cleanup_close int fd = openat(fake->dir, "null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(owner_get(fd, &record, NULL), -ENODATA);
	assert_true(emul_record_find(fake->e, fd, &record));
	assert_int_equal(record.mode, S_IFCHR);
	assert_continues(CALL(fake, emul_record_mknodat, HERE, fake_text(fake, "gone"), S_IFCHR, 0));
	assert_returns(CALL(fake, emul_record_mknod, fake_text(fake, "null"), S_IFBLK | 0666, makedev(1, 3)), -EEXIST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(a_device_is_an_empty_file_with_a_record),    FAKE_TEST(only_root_makes_devices),
		FAKE_TEST(a_mark_of_removal_is_the_kernels_to_make),   FAKE_TEST(what_is_no_device_is_real),
		FAKE_TEST(with_mapped_ids_a_device_is_recorded_aside),
	};

	FAKE_MAIN(tests);
}
