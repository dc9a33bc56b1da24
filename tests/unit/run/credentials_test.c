/* run/credentials.c */
#include "run/credentials.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>

#define ALL \
	(UINT64_C(1) << CAP_SETUID | UINT64_C(1) << CAP_SETGID | UINT64_C(1) << CAP_CHOWN | UINT64_C(1) << CAP_SETPCAP)

static int set_up(void **state)
{
	const uint32_t groups[] = {7};

	*state = credentials_new(0, 0, groups, 1, ALL);
	return 0;
}

static int tear_down(void **state)
{
	credentials_free(*state);
	return 0;
}

/* The test's own, which calls may exchange. */
#define OF(state) ((struct credentials **)(state))

static void who_has_dropped_root_does_not_get_it_back(void **state)
{
	struct credentials **c = OF(state);

	assert_int_equal(credentials_setgroups(c, NULL, 0), 0);
	assert_int_equal(credentials_setgid(c, 9), 0);
	assert_int_equal(credentials_setuid(c, 8), 0);
	assert_int_equal((*c)->effective, 0);
	assert_int_equal((*c)->permitted, 0);
	assert_int_equal(credentials_setuid(c, 0), -EPERM);
	assert_int_equal(credentials_setreuid(c, ID_KEEP, 0), -EPERM);
	assert_int_equal(credentials_setresuid(c, (uint32_t[]){ID_KEEP, 0, ID_KEEP}), -EPERM);
	assert_int_equal(credentials_setgroups(c, NULL, 0), -EPERM);
	assert_int_equal(credentials_setgid(c, 0), -EPERM);
	assert_int_equal((*c)->uid[ID_SAVED], 8);
}

static void a_user_for_a_while_comes_back_by_the_saved_id(void **state)
{
	struct credentials **c = OF(state);

	assert_int_equal(credentials_setresuid(c, (uint32_t[]){ID_KEEP, 5, ID_KEEP}), 0);
	assert_int_equal((*c)->uid[ID_FS], 5);
	assert_int_equal((*c)->effective, 0);
	assert_true((*c)->permitted == ALL);
	assert_int_equal(credentials_setuid(c, 0), 0);
	assert_true((*c)->effective == ALL);
}

static void keepcaps_keeps_what_is_permitted_until_exec(void **state)
{
	struct credentials **c = OF(state);

	assert_int_equal(credentials_prctl(c, PR_SET_KEEPCAPS, (uint64_t[4]){2, 0}), -EINVAL);
	assert_int_equal(credentials_prctl(c, PR_SET_KEEPCAPS, (uint64_t[4]){1, 0}), 0);
	assert_int_equal(credentials_setuid(c, 5), 0);
	assert_true((*c)->permitted == ALL);
	assert_int_equal((*c)->effective, 0);
	assert_int_equal(credentials_capset(c, ALL, ALL, 0), 0);
	assert_int_equal(credentials_setgid(c, 6), 0);
	credentials_exec(c, NULL, NULL);
	assert_int_equal((*c)->permitted, 0);
	assert_int_equal(credentials_prctl(c, PR_GET_KEEPCAPS, (uint64_t[4]){0, 0}), 0);
}

static void set_user_id_gives_root_and_another_user_does_not(void **state)
{
	struct credentials **c = OF(state);
	const uint32_t root = 0, other = 33;

	assert_int_equal(credentials_setuid(c, 5), 0);
	credentials_exec(c, &other, NULL);
	assert_int_equal((*c)->uid[ID_REAL], 5);
	assert_int_equal((*c)->uid[ID_EFFECTIVE], 33);
	assert_int_equal((*c)->effective, 0);
	credentials_exec(c, &root, &other);
	assert_int_equal((*c)->uid[ID_SAVED], 0);
	assert_int_equal((*c)->gid[ID_EFFECTIVE], 33);
	assert_true((*c)->effective == ALL);
}

static void the_file_systems_user_takes_only_rights_over_files(void **state)
{
	struct credentials **c = OF(state);

	assert_int_equal(credentials_setfsuid(c, 9), 0);
	assert_false(credentials_can(*c, CAP_CHOWN));
	assert_true(credentials_can(*c, CAP_SETUID));
	assert_int_equal(credentials_setfsuid(c, 0), 9);
	assert_true(credentials_can(*c, CAP_CHOWN));
	/* Nothing to change, so the file system's group stays where it is. */
	assert_int_equal(credentials_setfsgid(c, 9), 0);
	assert_int_equal(credentials_setresgid(c, (uint32_t[]){ID_KEEP, ID_KEEP, ID_KEEP}), 0);
	assert_int_equal((*c)->gid[ID_FS], 9);
}

static void capabilities_only_shrink(void **state)
{
	struct credentials **c = OF(state);
	uint64_t one = UINT64_C(1) << CAP_CHOWN;

	assert_int_equal(credentials_capset(c, one, one, one), 0);
	assert_int_equal(credentials_capset(c, ALL, ALL, 0), -EPERM);
	assert_int_equal(credentials_capset(c, one, 0, 0), -EPERM);
	assert_int_equal(credentials_prctl(c, PR_SET_SECUREBITS, (uint64_t[4]){SECBIT_NOROOT, 0}), -EPERM);
	assert_int_equal(credentials_prctl(c, PR_CAP_AMBIENT, (uint64_t[4]){PR_CAP_AMBIENT_RAISE, CAP_CHOWN}), 0);
	assert_int_equal(credentials_prctl(c, PR_CAP_AMBIENT, (uint64_t[4]){PR_CAP_AMBIENT_RAISE, CAP_SETUID}), -EPERM);
	assert_int_equal(credentials_prctl(c, PR_CAP_AMBIENT, (uint64_t[4]){PR_CAP_AMBIENT_IS_SET, CAP_CHOWN}), 1);
	assert_int_equal(credentials_prctl(c, PR_CAP_AMBIENT, (uint64_t[4]){99, CAP_CHOWN}), -EINVAL);
}

static void who_shares_them_does_not_see_a_change(void **state)
{
	struct credentials **c = OF(state);
	cleanup(credentials_free) struct credentials *other = credentials_share(*c);

	assert_int_equal(credentials_setuid(c, 5), 0);
	assert_ptr_not_equal(*c, other);
	assert_int_equal(other->uid[ID_REAL], 0);
	assert_true(credentials_in_group(*c, 7));
	assert_false(credentials_in_group(*c, 8));
	assert_true(credentials_are_plain_root(other));
	assert_false(credentials_are_plain_root(*c));
}

static void groups_are_sorted_and_none_is_the_one_that_is_no_group(void **state)
{
	struct credentials **c = OF(state);
	const uint32_t some[] = {500, 7, 300}, bad[] = {5, UINT32_MAX};

	assert_int_equal(credentials_setgroups(c, some, 3), 0);
	assert_int_equal((*c)->groups[0], 7);
	assert_int_equal((*c)->groups[1], 300);
	assert_int_equal((*c)->groups[2], 500);
	assert_int_equal(credentials_setgroups(c, bad, 2), -EINVAL);
	assert_int_equal((*c)->group_count, 3);
	assert_int_equal(credentials_setgroups(c, some, CREDENTIALS_GROUPS_MAX + 1), -EINVAL);
}

static void what_the_bounding_set_has_lost_no_exec_gives_back(void **state)
{
	struct credentials **c = OF(state);

	assert_int_equal(credentials_prctl(c, PR_CAPBSET_READ, (uint64_t[4]){CAP_CHOWN}), 1);
	assert_int_equal(credentials_prctl(c, PR_CAPBSET_READ, (uint64_t[4]){99}), -EINVAL);
	assert_int_equal(credentials_prctl(c, PR_CAPBSET_DROP, (uint64_t[4]){99}), -EINVAL);
	assert_int_equal(credentials_prctl(c, PR_CAPBSET_DROP, (uint64_t[4]){CAP_CHOWN}), 0);
	assert_int_equal(credentials_prctl(c, PR_CAPBSET_READ, (uint64_t[4]){CAP_CHOWN}), 0);
	assert_true(credentials_can(*c, CAP_CHOWN));
	credentials_exec(c, NULL, NULL);
	assert_false(credentials_can(*c, CAP_CHOWN));
	/* Nor can it be handed on. */
	assert_int_equal(credentials_capset(c, 0, (*c)->permitted, UINT64_C(1) << CAP_CHOWN), -EPERM);
	assert_int_equal(credentials_setuid(c, 5), 0);
	assert_int_equal(credentials_prctl(c, PR_CAPBSET_DROP, (uint64_t[4]){CAP_SETUID}), -EPERM);
}

static void ambient_capabilities_are_asked_for_as_the_kernel_wants_it(void **state)
{
	struct credentials **c = OF(state);
	uint64_t one = UINT64_C(1) << CAP_CHOWN;

	assert_int_equal(credentials_capset(c, ALL, ALL, one), 0);
	assert_int_equal(credentials_prctl(c, PR_CAP_AMBIENT, (uint64_t[4]){PR_CAP_AMBIENT_RAISE, 63}), -EINVAL);
	assert_int_equal(credentials_prctl(c, PR_CAP_AMBIENT, (uint64_t[4]){PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 1}),
			 -EINVAL);
	assert_int_equal(credentials_prctl(c, PR_CAP_AMBIENT, (uint64_t[4]){PR_CAP_AMBIENT_RAISE, CAP_CHOWN}), 0);
	assert_int_equal(credentials_prctl(c, PR_CAP_AMBIENT, (uint64_t[4]){PR_CAP_AMBIENT_CLEAR_ALL, 1}), -EINVAL);
	assert_int_equal(credentials_prctl(c, PR_CAP_AMBIENT, (uint64_t[4]){PR_CAP_AMBIENT_CLEAR_ALL}), 0);
	assert_true((*c)->ambient == 0);
}

static void no_new_privileges_are_never_taken_back(void **state)
{
	struct credentials **c = OF(state);

	assert_int_equal(credentials_prctl(c, PR_GET_NO_NEW_PRIVS, (uint64_t[4]){0}), 0);
	assert_int_equal(credentials_prctl(c, PR_SET_NO_NEW_PRIVS, (uint64_t[4]){0}), -EINVAL);
	assert_int_equal(credentials_prctl(c, PR_SET_NO_NEW_PRIVS, (uint64_t[4]){1}), 0);
	assert_int_equal(credentials_prctl(c, PR_SET_NO_NEW_PRIVS, (uint64_t[4]){0}), -EINVAL);
	credentials_exec(c, NULL, NULL);
	assert_int_equal(credentials_prctl(c, PR_GET_NO_NEW_PRIVS, (uint64_t[4]){0}), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_has_dropped_root_does_not_get_it_back),
		TEST(a_user_for_a_while_comes_back_by_the_saved_id),
		TEST(keepcaps_keeps_what_is_permitted_until_exec),
		TEST(set_user_id_gives_root_and_another_user_does_not),
		TEST(the_file_systems_user_takes_only_rights_over_files),
		TEST(capabilities_only_shrink),
		TEST(who_shares_them_does_not_see_a_change),
		TEST(groups_are_sorted_and_none_is_the_one_that_is_no_group),
		TEST(what_the_bounding_set_has_lost_no_exec_gives_back),
		TEST(ambient_capabilities_are_asked_for_as_the_kernel_wants_it),
		TEST(no_new_privileges_are_never_taken_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
