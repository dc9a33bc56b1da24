/* run/emul_create.c */
#include "tests/unit/run/fake_caller.h"

#include <linux/openat2.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <sys/xattr.h>

#define HERE ((uint64_t)(uint32_t)AT_FDCWD)

/* An open that we answer: the descriptor is closed, its mode and record stay to be looked at. */
#define assert_opens(fake, call)                        \
	do {                                            \
		struct answer got_ = (call);            \
		assert_int_equal(got_.kind, ANSWER_FD); \
		assert_true(got_.fd >= 0);              \
		assert_true(got_.alone);                \
		close(got_.fd);                         \
	} while (0)

static void what_root_makes_the_kernel_makes(void **state)
{
	struct fake *fake = *state;
	uint64_t name = fake_text(fake, "new");

	assert_continues(CALL(fake, emul_open_call, name, O_WRONLY | O_CREAT, 0666));
	assert_continues(CALL(fake, emul_mkdir, name, 0777));
	assert_continues(CALL(fake, emul_symlink, fake_text(fake, "target"), name));
	assert_int_equal(faccessat(fake->dir, "new", F_OK, AT_SYMLINK_NOFOLLOW), -1);
}

static void what_a_user_makes_is_his_and_under_his_umask(void **state)
{
	struct fake *fake = *state;

	fake_become(fake, 100, 200);
	assert_opens(fake, CALL(fake, emul_open_call, fake_text(fake, "new"), O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
	assert_owner(fake, "new", 100, 200);
	assert_int_equal(fake_mode(fake, "new"), S_IFREG | 0640);
	assert_opens(fake, CALL(fake, emul_openat, (uint64_t)fake->dir_fd, fake_text(fake, "dir/in"), O_RDWR | O_CREAT,
				0400));
	assert_owner(fake, "dir/in", 100, 200);
	assert_int_equal(fake_mode(fake, "dir/in"), S_IFREG | 0400);
	assert_opens(fake, CALL(fake, emul_creat, fake_text(fake, "created"), 0777));
	assert_int_equal(fake_mode(fake, "created"), S_IFREG | 0750);
	assert_returns(CALL(fake, emul_mkdirat, HERE, fake_text(fake, "made"), 0777), 0);
	assert_owner(fake, "made", 100, 200);
	assert_int_equal(fake_mode(fake, "made"), S_IFDIR | 0750);
	assert_returns(CALL(fake, emul_symlinkat, fake_text(fake, "target"), HERE, fake_text(fake, "pointer")), 0);
	assert_owner(fake, "pointer", 100, 200);
}

static void what_is_there_is_opened_by_the_kernel(void **state)
{
	struct fake *fake = *state;

	fake_become(fake, 100, 200);
	assert_continues(CALL(fake, emul_open_call, fake_text(fake, "file"), O_WRONLY | O_CREAT, 0666));
	assert_continues(CALL(fake, emul_open_call, fake_text(fake, "file"), O_WRONLY | O_CREAT | O_EXCL, 0666));
	assert_returns(CALL(fake, emul_mkdir, fake_text(fake, "dir"), 0777), -EEXIST);
	assert_returns(CALL(fake, emul_symlink, fake_text(fake, "x"), fake_text(fake, "link")), -EEXIST);
	struct owner_record record;
	assert_false(fake_record(fake, "file", &record));
}

static void a_place_that_is_not_there_is_the_kernels_to_refuse(void **state)
{
	struct fake *fake = *state;

	fake_become(fake, 100, 200);
	assert_continues(CALL(fake, emul_open_call, fake_text(fake, "none/new"), O_WRONLY | O_CREAT, 0666));
	assert_continues(CALL(fake, emul_open_call, fake_text(fake, "new/"), O_WRONLY | O_CREAT, 0666));
	assert_continues(CALL(fake, emul_mkdir, fake_text(fake, ""), 0777));
	assert_continues(CALL(fake, emul_mkdir, 1, 0777));
	assert_continues(CALL(fake, emul_open_call, fake_text(fake, "dir"), O_DIRECTORY | O_RDONLY | O_CREAT, 0));
	assert_continues(CALL(fake, emul_symlink, 1, fake_text(fake, "new")));
}

static void a_directory_hands_its_group_on(void **state)
{
	struct fake *fake = *state;

	fake_give(fake, "dir", 0, 55);
	assert_int_equal(fchmodat(fake->dir, "dir", 02777, 0), 0);
	/* Also what root makes is not root's alone then. */
	assert_opens(fake, CALL(fake, emul_open_call, fake_text(fake, "dir/of-root"), O_WRONLY | O_CREAT, 0666));
	assert_owner(fake, "dir/of-root", 0, 55);
	fake_become(fake, 100, 200);
	assert_returns(CALL(fake, emul_mkdir, fake_text(fake, "dir/sub"), 0777), 0);
	assert_owner(fake, "dir/sub", 100, 55);
	assert_int_equal(fake_mode(fake, "dir/sub"), S_IFDIR | 02750);
}

static void a_file_without_a_name_has_an_owner_when_it_gets_one(void **state)
{
	struct fake *fake = *state;
	struct owner_record record;

	fake_become(fake, 100, 200);
	struct answer answer = CALL(fake, emul_open_call, fake_text(fake, "."), O_TMPFILE | O_RDWR, 0666);
	assert_int_equal(answer.kind, ANSWER_FD);
	assert_true(emul_record_find(fake->e, answer.fd, &record));
	assert_int_equal(record.uid, 100);
	close(answer.fd);
	assert_continues(CALL(fake, emul_open_call, fake_text(fake, "none"), O_TMPFILE | O_RDWR, 0666));
}

static void openat2_is_read_from_memory_and_left_alone_when_it_wants_more(void **state)
{
	struct fake *fake = *state;
	struct open_how *how = fake_room(fake, sizeof(*how));

	fake_become(fake, 100, 200);
	*how = (struct open_how){.flags = O_WRONLY | O_CREAT, .mode = 0666};
	assert_continues(CALL(fake, emul_openat2, HERE, fake_text(fake, "new"), ADDRESS(how), 8));
	assert_continues(CALL(fake, emul_openat2, HERE, fake_text(fake, "new"), 1, sizeof(*how)));
	assert_opens(fake, CALL(fake, emul_openat2, HERE, fake_text(fake, "new"), ADDRESS(how), sizeof(*how)));
	assert_owner(fake, "new", 100, 200);
	how->resolve = RESOLVE_CACHED;
	assert_continues(CALL(fake, emul_openat2, HERE, fake_text(fake, "newer"), ADDRESS(how), sizeof(*how)));
	how->resolve = RESOLVE_BENEATH;
	assert_continues(CALL(fake, emul_openat2, HERE, fake_text(fake, "../newer"), ADDRESS(how), sizeof(*how)));
	assert_opens(fake, CALL(fake, emul_openat2, HERE, fake_text(fake, "newer"), ADDRESS(how), sizeof(*how)));
	assert_owner(fake, "newer", 100, 200);
}

/* Of acl(5): user::rwx,group::r-x,other::r-- */
static void a_default_access_list_stands_for_the_umask(void **state)
{
	struct fake *fake = *state;
	const struct {
		struct posix_acl_xattr_header header;
		struct posix_acl_xattr_entry entries[3];
	} list = {{POSIX_ACL_XATTR_VERSION},
		  {{ACL_USER_OBJ, 7, ACL_UNDEFINED_ID},
		   {ACL_GROUP_OBJ, 5, ACL_UNDEFINED_ID},
		   {ACL_OTHER, 4, ACL_UNDEFINED_ID}}};
	struct stat st;

	assert_int_equal(setxattr(fake->directory, "system.posix_acl_default", &list, sizeof(list), 0), 0);
	fake_become(fake, 100, 200);
	assert_opens(fake, CALL(fake, emul_open_call, fake_text(fake, "listed"), O_CREAT | O_WRONLY, 04666));
	assert_int_equal(fstatat(fake->dir, "listed", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFREG | 04644);
	assert_returns(CALL(fake, emul_mkdir, fake_text(fake, "listed-too//"), 0777), 0);
	assert_int_equal(fstatat(fake->dir, "listed-too", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0754);
	assert_owner(fake, "listed-too", 100, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(what_root_makes_the_kernel_makes),
		FAKE_TEST(what_a_user_makes_is_his_and_under_his_umask),
		FAKE_TEST(what_is_there_is_opened_by_the_kernel),
		FAKE_TEST(a_place_that_is_not_there_is_the_kernels_to_refuse),
		FAKE_TEST(a_directory_hands_its_group_on),
		FAKE_TEST(a_file_without_a_name_has_an_owner_when_it_gets_one),
		FAKE_TEST(a_default_access_list_stands_for_the_umask),
		FAKE_TEST(openat2_is_read_from_memory_and_left_alone_when_it_wants_more),
	};

	FAKE_MAIN(tests);
}
