/* run/emul_ids.c */
#include "tests/unit/run/fake_caller.h"

static void root_is_told_that_it_is_root_until_it_is_not(void **state)
{
	struct fake *fake = *state;

	assert_returns(CALL(fake, emul_getuid, 0), 0);
	assert_returns(CALL(fake, emul_setresgid, 7, 8, 9), 0);
	assert_returns(CALL(fake, emul_setresuid, 1, 2, 3), 0);
	assert_returns(CALL(fake, emul_getuid, 0), 1);
	assert_returns(CALL(fake, emul_geteuid, 0), 2);
	assert_returns(CALL(fake, emul_getgid, 0), 7);
	assert_returns(CALL(fake, emul_getegid, 0), 8);
	assert_returns(CALL(fake, emul_setuid, 0), -EPERM);
	assert_returns(CALL(fake, emul_setreuid, UINT32_MAX, 3), 0);
	assert_returns(CALL(fake, emul_geteuid, 0), 3);
	assert_returns(CALL(fake, emul_setregid, 9, UINT32_MAX), -EPERM);
	assert_returns(CALL(fake, emul_setgid, 7), 0);
	assert_returns(CALL(fake, emul_getegid, 0), 7);
}

static void three_ids_go_to_three_places(void **state)
{
	struct fake *fake = *state;
	uint32_t *ids = fake_room(fake, 3 * sizeof(*ids));

	CALL(fake, emul_setresgid, 4, 5, 6);
	CALL(fake, emul_setresuid, 1, 2, 3);
	assert_returns(CALL(fake, emul_getresuid, ADDRESS(ids), ADDRESS(ids + 1), ADDRESS(ids + 2)), 0);
	assert_int_equal(ids[0] * 100 + ids[1] * 10 + ids[2], 123);
	assert_returns(CALL(fake, emul_getresgid, ADDRESS(ids), ADDRESS(ids + 1), ADDRESS(ids + 2)), 0);
	assert_int_equal(ids[0] * 100 + ids[1] * 10 + ids[2], 456);
	assert_returns(CALL(fake, emul_getresuid, ADDRESS(ids), 1, ADDRESS(ids)), -EFAULT);
}

static void groups_are_the_callers_own_list(void **state)
{
	struct fake *fake = *state;
	const uint32_t some[] = {30, 10, 20};
	uint32_t *back = fake_room(fake, sizeof(some));

	assert_returns(CALL(fake, emul_setgroups, 3, fake_put(fake, some, sizeof(some))), 0);
	assert_returns(CALL(fake, emul_getgroups, 0), 3);
	assert_returns(CALL(fake, emul_getgroups, 2, ADDRESS(back)), -EINVAL);
	assert_returns(CALL(fake, emul_getgroups, (uint32_t)-1, ADDRESS(back)), -EINVAL);
	assert_returns(CALL(fake, emul_getgroups, 3, 1), -EFAULT);
	assert_returns(CALL(fake, emul_getgroups, 3, ADDRESS(back)), 3);
	assert_int_equal(back[0], 10);
	assert_int_equal(back[2], 30);
}

static void who_may_not_set_groups_is_told_so_before_the_list_is_read(void **state)
{
	struct fake *fake = *state;

	assert_returns(CALL(fake, emul_setgroups, 1, 1), -EFAULT);
	assert_returns(CALL(fake, emul_setgroups, 65537, 1), -EINVAL);
	fake_become(fake, 5, 5);
	assert_returns(CALL(fake, emul_setgroups, 1, 1), -EPERM);
	assert_returns(CALL(fake, emul_setgroups, 65537, 1), -EPERM);
}

static void the_file_systems_ids_answer_what_they_were(void **state)
{
	struct fake *fake = *state;

	assert_returns(CALL(fake, emul_setfsuid, 9), 0);
	assert_returns(CALL(fake, emul_setfsuid, UINT32_MAX), 9);
	assert_returns(CALL(fake, emul_setfsgid, 8), 0);
	assert_returns(CALL(fake, emul_setfsgid, UINT32_MAX), 8);
	assert_returns(CALL(fake, emul_geteuid, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(root_is_told_that_it_is_root_until_it_is_not),
		FAKE_TEST(three_ids_go_to_three_places),
		FAKE_TEST(groups_are_the_callers_own_list),
		FAKE_TEST(who_may_not_set_groups_is_told_so_before_the_list_is_read),
		FAKE_TEST(the_file_systems_ids_answer_what_they_were),
	};

	FAKE_MAIN(tests);
}
