/* run/emul_move.c: nothing is answered, and what moves keeps its record. */
#include "tests/unit/run/fake_caller.h"

#define HERE ((uint64_t)(uint32_t)AT_FDCWD)

static void a_link_that_is_moved_keeps_its_owner(void **state)
{
	struct fake *fake = *state;

	fake_give(fake, "link", 5, 6);
	assert_continues(CALL(fake, emul_move, fake_text(fake, "link"), fake_text(fake, "moved")));
	assert_int_equal(renameat(fake->dir, "link", fake->dir, "moved"), 0);
	assert_owner(fake, "moved", 5, 6);
	assert_continues(CALL(fake, emul_linkat, HERE, fake_text(fake, "moved"), HERE, fake_text(fake, "hard"), 0));
	assert_int_equal(linkat(fake->dir, "moved", fake->dir, "hard", 0), 0);
	assert_owner(fake, "hard", 5, 6);
	assert_continues(CALL(fake, emul_utimensat, HERE, fake_text(fake, "moved"), 0, AT_SYMLINK_NOFOLLOW));
	assert_owner(fake, "moved", 5, 6);
}

static void an_exchange_moves_both(void **state)
{
	struct fake *fake = *state;

	assert_int_equal(mkfifoat(fake->dir, "fifo", 0600), 0);
	fake_give(fake, "link", 5, 6);
	fake_give(fake, "fifo", 7, 8);
	assert_continues(CALL(fake, emul_moveat, HERE, fake_text(fake, "link"), HERE, fake_text(fake, "fifo"), 2));
	assert_int_equal(renameat2(fake->dir, "link", fake->dir, "fifo", RENAME_EXCHANGE), 0);
	assert_owner(fake, "fifo", 5, 6);
	assert_owner(fake, "link", 7, 8);
}

/* An overlay copies it up then, which is another inode (tests/cli/emulation.bats). */
static void what_is_changed_keeps_its_owner(void **state)
{
	struct fake *fake = *state;

	assert_int_equal(mkfifoat(fake->dir, "fifo", 0600), 0);
	fake_give(fake, "fifo", 5, 6);
	fake->e->options.scope = EMULATE_IDS_AND_MOVES;
	uint64_t name = fake_text(fake, "user.a");
	assert_continues(CALL(fake, emul_change, fake_text(fake, "fifo"), 0644));
	assert_continues(CALL(fake, emul_changeat, HERE, fake_text(fake, "fifo"), 0644));
	assert_continues(CALL(fake, emul_changeat, HERE, 0, 0));
	assert_continues(CALL(fake, emul_fchmod, (uint64_t)fake->file_fd, 0644));
	assert_continues(CALL(fake, emul_fchmod, UINT64_MAX, 0644));
	assert_continues(CALL(fake, emul_lsetxattr, fake_text(fake, "fifo"), name));
	assert_continues(CALL(fake, emul_setxattr, fake_text(fake, "fifo"), name));
	assert_continues(CALL(fake, emul_fsetxattr, (uint64_t)fake->file_fd, name));
	assert_continues(CALL(fake, emul_lremovexattr, fake_text(fake, "fifo"), name));
	assert_continues(CALL(fake, emul_removexattr, fake_text(fake, "fifo"), name));
	assert_continues(CALL(fake, emul_fremovexattr, UINT64_MAX, name));
	assert_owner(fake, "fifo", 5, 6);
	assert_int_equal(fchmodat(fake->dir, "fifo", 06711, 0), 0);
	assert_continues(CALL(fake, emul_change, fake_text(fake, "fifo"), 0));
	struct stat st;
	assert_int_equal(fstatat(fake->dir, "fifo", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 06711);
}

static void what_has_no_record_gets_none(void **state)
{
	struct fake *fake = *state;
	struct owner_record record;

	assert_continues(CALL(fake, emul_move, fake_text(fake, "link"), fake_text(fake, "moved")));
	assert_continues(CALL(fake, emul_move, fake_text(fake, "none"), fake_text(fake, "moved")));
	assert_continues(CALL(fake, emul_move, 1, 1));
	assert_false(fake_record(fake, "link", &record));
	assert_int_equal(fake->e->kept.count + fake->owners.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(a_link_that_is_moved_keeps_its_owner),
		FAKE_TEST(an_exchange_moves_both),
		FAKE_TEST(what_is_changed_keeps_its_owner),
		FAKE_TEST(what_has_no_record_gets_none),
	};

	FAKE_MAIN(tests);
}
