/* run/emul_stat.c and the struct of run/emul_compat.c */
#include "tests/unit/run/fake_caller.h"

#include <sys/sysmacros.h>

#include "run/emul_compat.h"

static void what_has_no_record_is_the_kernels_to_tell(void **state)
{
	struct fake *fake = *state;
	struct stat *st = fake_room(fake, sizeof(*st));

	assert_continues(CALL(fake, emul_stat_call, fake_text(fake, "file"), ADDRESS(st)));
	assert_continues(CALL(fake, emul_fstat, (uint64_t)fake->file_fd, ADDRESS(st)));
	assert_continues(CALL(fake, emul_fstat, 999, ADDRESS(st)));
	assert_continues(CALL(fake, emul_stat_call, fake_text(fake, "none"), ADDRESS(st)));
	assert_continues(
		CALL(fake, emul_fstatat, (uint64_t)fake->file_fd, fake_text(fake, ""), ADDRESS(st), AT_EMPTY_PATH));
}

static void a_record_is_shown_in_every_form(void **state)
{
	struct fake *fake = *state;
	struct stat *st = fake_room(fake, sizeof(*st));
	struct statx *stx = fake_room(fake, sizeof(*stx));

	fake_give(fake, "file", 33, 44);
	assert_returns(CALL(fake, emul_stat_call, fake_text(fake, "link"), ADDRESS(st)), 0);
	assert_int_equal(st->st_uid, 33);
	assert_int_equal(st->st_gid, 44);
	assert_int_equal(st->st_size, 4);
	st->st_uid = 0;
	assert_returns(CALL(fake, emul_fstat, (uint64_t)fake->file_fd, ADDRESS(st)), 0);
	assert_int_equal(st->st_uid, 33);
	assert_returns(CALL(fake, emul_fstatat, (uint64_t)fake->dir_fd, fake_text(fake, "file"), ADDRESS(st), 0), 0);
	assert_returns(
		CALL(fake, emul_fstatat, (uint64_t)fake->path_fd, fake_text(fake, ""), ADDRESS(st), AT_EMPTY_PATH), 0);
	assert_returns(
		CALL(fake, emul_statx, (uint32_t)AT_FDCWD, fake_text(fake, "file"), 0, STATX_BASIC_STATS, ADDRESS(stx)),
		0);
	assert_int_equal(stx->stx_uid, 33);
	assert_int_equal(stx->stx_gid, 44);
	/* The link itself has none. */
	assert_continues(CALL(fake, emul_lstat, fake_text(fake, "link"), ADDRESS(st)));
}

static void a_device_is_shown_as_one(void **state)
{
	struct fake *fake = *state;
	struct stat *st = fake_room(fake, sizeof(*st));
	struct statx *stx = fake_room(fake, sizeof(*stx));
	const struct owner_record device = {.mode = S_IFBLK, .major = 259, .minor = 70000};
	cleanup_close int fd = openat(fake->dir, "file", O_RDONLY | O_CLOEXEC);

	assert_int_equal(emul_record_set(fake->e, fd, &device), 0);
	assert_returns(CALL(fake, emul_stat_call, fake_text(fake, "file"), ADDRESS(st)), 0);
	assert_true(S_ISBLK(st->st_mode));
	assert_int_equal(st->st_mode & 07777, 0644);
	assert_int_equal(st->st_rdev, makedev(259, 70000));
	assert_returns(
		CALL(fake, emul_statx, (uint32_t)AT_FDCWD, fake_text(fake, "file"), 0, STATX_BASIC_STATS, ADDRESS(stx)),
		0);
	assert_int_equal(stx->stx_rdev_major, 259);
	assert_int_equal(stx->stx_rdev_minor, 70000);
}

static void wrong_arguments_are_the_kernels_or_fail_as_its_own(void **state)
{
	struct fake *fake = *state;
	struct stat *st = fake_room(fake, sizeof(*st));

	fake_give(fake, "file", 33, 44);
	assert_returns(CALL(fake, emul_stat_call, fake_text(fake, "file"), 1), -EFAULT);
	assert_continues(CALL(fake, emul_stat_call, 1, ADDRESS(st)));
	assert_continues(CALL(fake, emul_fstatat, (uint32_t)AT_FDCWD, fake_text(fake, "file"), ADDRESS(st), 0x8));
	assert_continues(
		CALL(fake, emul_statx, (uint32_t)AT_FDCWD, fake_text(fake, "file"), 0x8, STATX_ALL, ADDRESS(st)));
	assert_continues(CALL(fake, emul_fstatat, (uint32_t)AT_FDCWD, fake_text(fake, ""), ADDRESS(st), 0));
}

static void a_program_for_i386_gets_its_own_struct(void **state)
{
	struct fake *fake = *state;
	struct emul_compat_stat *st = fake_room(fake, sizeof(*st));

	assert_int_equal(sizeof(*st), 96);
	fake_give(fake, "file", 33, 44);
	const uint64_t args[6] = {fake_text(fake, "file"), ADDRESS(st)};
	assert_returns(fake_call_of(fake, AUDIT_ARCH_I386, emul_stat_call, args), 0);
	assert_int_equal(st->uid, 33);
	assert_int_equal(st->gid, 44);
	assert_int_equal(st->size, 4);
	assert_int_equal(st->mode, S_IFREG | 0644);
	assert_int_equal((uint32_t)st->ino, st->low_ino);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(what_has_no_record_is_the_kernels_to_tell),
		FAKE_TEST(a_record_is_shown_in_every_form),
		FAKE_TEST(a_device_is_shown_as_one),
		FAKE_TEST(wrong_arguments_are_the_kernels_or_fail_as_its_own),
		FAKE_TEST(a_program_for_i386_gets_its_own_struct),
	};

	FAKE_MAIN(tests);
}
