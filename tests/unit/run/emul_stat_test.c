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

static struct answer stat_by_whole_path(struct fake *fake, const char *name, struct stat *st)
{
	cleanup_free char *path = mem_printf("%s/%s", fake->directory, name);

	return CALL(fake, emul_stat_call, fake_text(fake, path), ADDRESS(st));
}

static struct answer lstat_by_whole_path(struct fake *fake, const char *name, struct stat *st)
{
	cleanup_free char *path = mem_printf("%s/%s", fake->directory, name);

	return CALL(fake, emul_lstat, fake_text(fake, path), ADDRESS(st));
}

static void a_record_is_shown_to_who_is_looked_at_from_inside(void **state)
{
	struct fake *fake = *state;
	struct stat *st = fake_room(fake, sizeof(*st));
	struct stat before, after;

	assert_int_equal(stat(".", &before), 0);
	emulation_row_begin(fake->e);
	assert_continues(stat_by_whole_path(fake, "none", st));
	assert_true(fake->e->is_inside);
	/* The second look finds what is remembered. */
	assert_continues(stat_by_whole_path(fake, "file", st));
	assert_continues(stat_by_whole_path(fake, "link", st));
	assert_true(fake->e->is_inside);
	emul_come_back(fake->e);
	assert_false(fake->e->is_inside);
	fake_give(fake, "file", 33, 44);
	assert_continues(stat_by_whole_path(fake, "dir", st));
	assert_returns(stat_by_whole_path(fake, "link", st), 0);
	assert_int_equal(st->st_uid, 33);
	assert_int_equal(st->st_gid, 44);
	assert_continues(stat_by_whole_path(fake, "dir", st));
	assert_true(fake->e->is_inside);
	assert_int_equal(emulation_row_end(fake->e, NULL), 0);
	assert_false(fake->e->is_inside);
	assert_int_equal(stat(".", &after), 0);
	assert_true(before.st_ino == after.st_ino && before.st_dev == after.st_dev);
}

static void what_is_open_is_looked_at_from_inside(void **state)
{
	struct fake *fake = *state;
	struct stat *st = fake_room(fake, sizeof(*st));
	uint64_t file = (uint64_t)fake->file_fd;

	emulation_row_begin(fake->e);
	assert_continues(stat_by_whole_path(fake, "none", st));
	assert_continues(CALL(fake, emul_fstat, file, ADDRESS(st)));
	assert_continues(CALL(fake, emul_fstatat, file, fake_text(fake, ""), ADDRESS(st), AT_EMPTY_PATH));
	assert_true(fake->e->is_inside);
	assert_continues(CALL(fake, emul_fstat, 999, ADDRESS(st)));
	emul_come_back(fake->e);
	fake_give(fake, "file", 33, 44);
	assert_continues(stat_by_whole_path(fake, "none", st));
	assert_true(fake->e->is_inside);
	assert_returns(CALL(fake, emul_fstat, file, ADDRESS(st)), 0);
	assert_int_equal(st->st_uid, 33);
	assert_int_equal(emulation_row_end(fake->e, NULL), 0);
}

/* With a record in a table the attribute is not all there is to ask for. */
static void a_link_with_a_record_is_shown_to_who_is_looked_at_from_inside(void **state)
{
	struct fake *fake = *state;
	struct stat *st = fake_room(fake, sizeof(*st));

	emulation_row_begin(fake->e);
	assert_continues(lstat_by_whole_path(fake, "link", st));
	assert_continues(lstat_by_whole_path(fake, "dir", st));
	assert_true(fake->e->is_inside);
	emul_come_back(fake->e);
	fake_give(fake, "link", 33, 44);
	assert_returns(lstat_by_whole_path(fake, "link", st), 0);
	assert_int_equal(st->st_uid, 33);
	assert_continues(lstat_by_whole_path(fake, "file", st));
	emul_come_back(fake->e);
	fake_give(fake, "link", 0, 0);
	assert_continues(lstat_by_whole_path(fake, "link", st));
	assert_true(fake->e->is_inside);
	assert_int_equal(emulation_row_end(fake->e, NULL), 0);
}

static void roots_that_differ_are_not_entered(void **state)
{
	struct fake *fake = *state;
	struct stat *st = fake_room(fake, sizeof(*st));

	emulation_row_begin(fake->e);
	fake->e->roots_differ = true;
	assert_continues(stat_by_whole_path(fake, "none", st));
	assert_false(fake->e->is_inside);
	assert_int_equal(emulation_row_end(fake->e, NULL), 0);
}

/* As chroot(2) does where it is filtered, or CAP_SYS_CHROOT is not there: here the root of the step is no directory. */
static void a_root_that_lets_nobody_in_is_looked_at_from_outside(void **state)
{
	struct fake *fake = *state;
	struct stat *st = fake_room(fake, sizeof(*st));
	struct stat before, after;
	int root = fake->e->root;

	assert_int_equal(stat(".", &before), 0);
	fake_give(fake, "file", 33, 44);
	emulation_row_begin(fake->e);
	fake->e->root = fake->file_fd;
	assert_continues(stat_by_whole_path(fake, "none", st));
	fake->e->root = root;
	assert_false(fake->e->is_inside);
	assert_returns(stat_by_whole_path(fake, "link", st), 0);
	assert_int_equal(st->st_uid, 33);
	assert_false(fake->e->is_inside);
	assert_int_equal(emulation_row_end(fake->e, NULL), 0);
	emulation_row_begin(fake->e);
	assert_true(fake->e->own_root < 0);
	assert_int_equal(emulation_row_end(fake->e, NULL), 0);
	assert_int_equal(stat(".", &after), 0);
	assert_true(before.st_ino == after.st_ino && before.st_dev == after.st_dev);
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
		FAKE_TEST(a_record_is_shown_to_who_is_looked_at_from_inside),
		FAKE_TEST(what_is_open_is_looked_at_from_inside),
		FAKE_TEST(a_link_with_a_record_is_shown_to_who_is_looked_at_from_inside),
		FAKE_TEST(roots_that_differ_are_not_entered),
		FAKE_TEST(a_root_that_lets_nobody_in_is_looked_at_from_outside),
		FAKE_TEST(wrong_arguments_are_the_kernels_or_fail_as_its_own),
		FAKE_TEST(a_program_for_i386_gets_its_own_struct),
	};

	FAKE_MAIN(tests);
}
