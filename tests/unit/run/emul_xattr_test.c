/* run/emul_xattr.c */
#include "tests/unit/run/fake_caller.h"

#include <sys/xattr.h>

static void records_are_not_there(void **state)
{
	struct fake *fake = *state;
	uint64_t file = fake_text(fake, "file"), own = fake_text(fake, OWNER_XATTR);

	fake_give(fake, "file", 33, 44);
	assert_returns(CALL(fake, emul_getxattr, file, own), -ENODATA);
	assert_returns(CALL(fake, emul_setxattr, file, own), -EPERM);
	assert_returns(CALL(fake, emul_removexattr, file, own), -ENODATA);
	assert_returns(CALL(fake, emul_setxattr, file, fake_text(fake, "user.cooper.other")), -EPERM);
	assert_owner(fake, "file", 33, 44);
}

static void all_other_names_are_the_kernels(void **state)
{
	struct fake *fake = *state;
	uint64_t file = fake_text(fake, "file"), name = fake_text(fake, "user.coopery");

	assert_continues(CALL(fake, emul_getxattr, file, name));
	assert_continues(CALL(fake, emul_setxattr, file, name));
	assert_continues(CALL(fake, emul_removexattr, file, name));
	assert_continues(CALL(fake, emul_getxattr, file, 1));
	assert_continues(CALL(fake, emul_listxattr, fake_text(fake, "none"), 0, 0));
	/* Nothing to hide. */
	assert_int_equal(fsetxattr(fake->file_fd, "user.one", "1", 1, 0), 0);
	assert_continues(CALL(fake, emul_listxattr, file, 0, 0));
}

static void a_list_is_shown_without_records(void **state)
{
	struct fake *fake = *state;
	uint64_t file = fake_text(fake, "file"), link = fake_text(fake, "link");
	char *list = fake_room(fake, 64);

	fake_give(fake, "file", 33, 44);
	assert_int_equal(fsetxattr(fake->file_fd, "user.one", "1", 1, 0), 0);
	assert_returns(CALL(fake, emul_listxattr, file, 0, 0), 9);
	assert_returns(CALL(fake, emul_listxattr, file, ADDRESS(list), 3), -ERANGE);
	assert_returns(CALL(fake, emul_listxattr, file, 1, 64), -EFAULT);
	assert_returns(CALL(fake, emul_listxattr, link, ADDRESS(list), 64), 9);
	assert_string_equal(list, "user.one");
	assert_returns(CALL(fake, emul_flistxattr, (uint64_t)fake->file_fd, ADDRESS(list), 64), 9);
	assert_continues(CALL(fake, emul_llistxattr, link, ADDRESS(list), 64));
	assert_continues(CALL(fake, emul_flistxattr, 999, ADDRESS(list), 64));
}

static void capabilities_of_files_are_given_by_who_may(void **state)
{
	struct fake *fake = *state;
	uint64_t file = fake_text(fake, "file"), name = fake_text(fake, "security.capability");

	assert_continues(CALL(fake, emul_setxattr, file, name));
	fake_become(fake, 100, 100);
	assert_returns(CALL(fake, emul_setxattr, file, name), -EPERM);
	assert_returns(CALL(fake, emul_removexattr, file, name), -EPERM);
	assert_continues(CALL(fake, emul_getxattr, file, name));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(records_are_not_there),
		FAKE_TEST(all_other_names_are_the_kernels),
		FAKE_TEST(a_list_is_shown_without_records),
		FAKE_TEST(capabilities_of_files_are_given_by_who_may),
	};

	FAKE_MAIN(tests);
}
