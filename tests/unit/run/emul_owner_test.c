/* run/emul_owner.c */
#include "tests/unit/run/fake_caller.h"

#define KEEP ((uint64_t)UINT32_MAX)

static void a_new_owner_is_written_down_and_the_file_stays_ours(void **state)
{
	struct fake *fake = *state;
	struct stat st;

	assert_returns(CALL(fake, emul_chown, fake_text(fake, "file"), 33, 44), 0);
	assert_owner(fake, "file", 33, 44);
	assert_returns(CALL(fake, emul_chown, fake_text(fake, "file"), KEEP, 45), 0);
	assert_owner(fake, "file", 33, 45);
	assert_int_equal(fstatat(fake->dir, "file", &st, 0), 0);
	assert_int_equal(st.st_uid, geteuid());
	/* Back to root: nothing is left to be written down. */
	assert_returns(CALL(fake, emul_chown, fake_text(fake, "file"), 0, 0), 0);
	struct owner_record record;
	assert_false(fake_record(fake, "file", &record) && (record.uid || record.gid));
}

static void a_link_has_an_owner_of_its_own(void **state)
{
	struct fake *fake = *state;

	assert_returns(CALL(fake, emul_lchown, fake_text(fake, "link"), 5, 6), 0);
	assert_owner(fake, "link", 5, 6);
	struct owner_record record;
	assert_false(fake_record(fake, "file", &record));
	assert_returns(CALL(fake, emul_chown, fake_text(fake, "link"), 7, 8), 0);
	assert_owner(fake, "file", 7, 8);
	assert_returns(
		CALL(fake, emul_fchownat, (uint32_t)AT_FDCWD, fake_text(fake, "link"), 9, 9, AT_SYMLINK_NOFOLLOW), 0);
	assert_owner(fake, "link", 9, 9);
}

static void a_descriptor_is_as_good_as_a_name_but_not_one_that_only_names(void **state)
{
	struct fake *fake = *state;
	uint64_t empty = fake_text(fake, "");

	assert_returns(CALL(fake, emul_fchown, (uint64_t)fake->file_fd, 1, 2), 0);
	assert_owner(fake, "file", 1, 2);
	assert_continues(CALL(fake, emul_fchown, (uint64_t)fake->path_fd, 3, 4));
	assert_continues(CALL(fake, emul_fchown, 999, 3, 4));
	assert_returns(CALL(fake, emul_fchownat, (uint64_t)fake->path_fd, empty, 5, 6, AT_EMPTY_PATH), 0);
	assert_owner(fake, "file", 5, 6);
	assert_continues(CALL(fake, emul_fchownat, (uint64_t)fake->path_fd, empty, 5, 6, 0));
	assert_continues(CALL(fake, emul_fchownat, (uint64_t)fake->path_fd, empty, 5, 6, 0x8));
}

static void what_stays_roots_is_the_kernels_to_give(void **state)
{
	struct fake *fake = *state;
	uint64_t fd = (uint64_t)fake->file_fd;

	assert_continues(CALL(fake, emul_fchown, fd, 0, 0));
	assert_continues(CALL(fake, emul_fchown, fd, ID_KEEP, 0));
	assert_continues(CALL(fake, emul_fchown, (uint64_t)fake->path_fd, 0, 0)); /* which says EBADF */
	assert_returns(CALL(fake, emul_fchown, fd, 0, 5), 0);
	assert_owner(fake, "file", 0, 5);
	assert_returns(CALL(fake, emul_fchown, fd, 0, 0), 0);
	assert_continues(CALL(fake, emul_fchown, fd, 0, 0));
	/* For the kernel a user is root still. */
	fake_become(fake, 100, 200);
	assert_returns(CALL(fake, emul_fchown, fd, 0, 0), -EPERM);
}

static void what_is_not_there_the_kernel_refuses(void **state)
{
	struct fake *fake = *state;

	assert_continues(CALL(fake, emul_chown, fake_text(fake, "none"), 1, 1));
	assert_continues(CALL(fake, emul_chown, fake_text(fake, "file/below"), 1, 1));
	assert_continues(CALL(fake, emul_chown, 1, 1, 1));
}

static void a_user_gives_nothing_away(void **state)
{
	struct fake *fake = *state;
	const uint32_t groups[] = {300};

	fake_give(fake, "file", 100, 200);
	assert_returns(CALL(fake, emul_setgroups, 1, fake_put(fake, groups, sizeof(groups))), 0);
	fake_become(fake, 100, 200);
	assert_returns(CALL(fake, emul_chown, fake_text(fake, "file"), 101, KEEP), -EPERM);
	assert_returns(CALL(fake, emul_chown, fake_text(fake, "file"), KEEP, 301), -EPERM);
	assert_returns(CALL(fake, emul_chown, fake_text(fake, "file"), 100, 300), 0);
	assert_owner(fake, "file", 100, 300);
	assert_returns(CALL(fake, emul_chown, fake_text(fake, "dir"), 100, KEEP), -EPERM);
}

static void set_id_bits_go_with_the_owner(void **state)
{
	struct fake *fake = *state;

	assert_int_equal(fchmodat(fake->dir, "file", 06755, 0), 0);
	assert_returns(CALL(fake, emul_chown, fake_text(fake, "file"), 33, 33), 0);
	assert_int_equal(fake_mode(fake, "file") & 07777, 0755);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(a_new_owner_is_written_down_and_the_file_stays_ours),
		FAKE_TEST(a_link_has_an_owner_of_its_own),
		FAKE_TEST(a_descriptor_is_as_good_as_a_name_but_not_one_that_only_names),
		FAKE_TEST(what_stays_roots_is_the_kernels_to_give),
		FAKE_TEST(what_is_not_there_the_kernel_refuses),
		FAKE_TEST(a_user_gives_nothing_away),
		FAKE_TEST(set_id_bits_go_with_the_owner),
	};

	FAKE_MAIN(tests);
}
