/* USER against passwd and group files, honest and hostile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/tree.h"
#include "run/user.h"

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
			     "+nis\n"
			     "broken:x:12\n"
			     "odd:x:notanumber:5::/:\n"
			     "far:x:4294967296:5::/:\n"
			     "bob:x:1000:1000::/home/bob:/bin/sh\n"
			     "nohome:x:1001:1001:::\n"
			     "bob:x:2000:2000::/second:/bin/sh\n"
			     "42:x:4242:4242::/digits:\n";
static const char group[] = "root:x:0:\n"
			    "staff:x:50:bob,alice\n"
			    "bob:x:1000:bob\n"
			    "wheel:x:10:alice,bob\n"
			    "wheel2:x:10:bob\n"
			    "bobby:x:11:bobby,xbob,bob2\n"
			    "bad:x:-1:bob\n";

struct image {
	char path[32];
	int root;
};

static void put(const struct image *image, const char *path, const char *text)
{
	cleanup_close int fd = openat(image->root, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text), NULL), 0);
}

static int make_image(void **state)
{
	struct image *image = mem_alloc(sizeof(*image));

	memcpy(image->path, "/tmp/cooper-user-XXXXXX", sizeof("/tmp/cooper-user-XXXXXX"));
	if (!mkdtemp(image->path))
		return -1;
	image->root = open(image->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	mkdirat(image->root, "etc", 0755);
	put(image, "etc/passwd", passwd);
	put(image, "etc/group", group);
	*state = image;
	return 0;
}

static int remove_image(void **state)
{
	struct image *image = *state;

	close(image->root);
	tree_remove(AT_FDCWD, image->path, NULL);
	free(image);
	return 0;
}

static void expect(const struct image *image, const char *text, uint32_t uid, uint32_t gid, size_t groups,
		   const char *home)
{
	cleanup(user_done) struct user user = {0};

	assert_int_equal(user_find(image->root, text, &user, NULL), 0);
	assert_int_equal(user.uid, uid);
	assert_int_equal(user.gid, gid);
	assert_int_equal(user.group_count, groups);
	assert_string_equal(user.home, home);
}

static void finds_users_by_name_and_number(void **state)
{
	expect(*state, NULL, 0, 0, 0, "/root");
	expect(*state, "", 0, 0, 0, "/root");
	expect(*state, "bob", 1000, 1000, 2, "/home/bob");
	expect(*state, "1000", 1000, 1000, 2, "/home/bob");
	expect(*state, "01", 1, 0, 0, "/");
	expect(*state, "7", 7, 0, 0, "/");
	expect(*state, "nohome", 1001, 1001, 0, "/");
	expect(*state, "42", 42, 0, 0, "/");
	expect(*state, "4294967294", 4294967294U, 0, 0, "/");
}

static void takes_no_supplementary_groups_when_a_group_is_given(void **state)
{
	expect(*state, "bob:staff", 1000, 50, 0, "/home/bob");
	expect(*state, "bob:7", 1000, 7, 0, "/home/bob");
	expect(*state, ":staff", 0, 50, 0, "/root");
	expect(*state, "1:2", 1, 2, 0, "/");
}

static void refuses(const struct image *image, const char *text, int rc)
{
	struct user user = {0};

	assert_int_equal(user_find(image->root, text, &user, NULL), rc);
	assert_null(user.home);
}

static void refuses_what_is_no_user(void **state)
{
	refuses(*state, "alice", -ENOENT);
	refuses(*state, "-1", -ENOENT);
	refuses(*state, "4294967295", -EINVAL);
	refuses(*state, "4294967296", -EINVAL);
	refuses(*state, "99999999999999999999", -EINVAL);
	refuses(*state, "odd", -ENOENT);
	refuses(*state, "far", -ENOENT);
	refuses(*state, "broken", -ENOENT);
	refuses(*state, "bob:nogroup", -ENOENT);
	refuses(*state, "bob:4294967295", -EINVAL);
}

static void owners_without_an_entry_take_their_number_as_group(void **state)
{
	const struct image *image = *state;
	uint32_t uid = 0;
	uint32_t gid = 0;

	assert_int_equal(user_find_owner(image->root, "77", &uid, &gid, NULL), 0);
	assert_int_equal(uid, 77);
	assert_int_equal(gid, 77);
	assert_int_equal(user_find_owner(image->root, "bob", &uid, &gid, NULL), 0);
	assert_int_equal(gid, 1000);
	assert_int_equal(user_find_owner(image->root, "bob:staff", &uid, &gid, NULL), 0);
	assert_int_equal(gid, 50);
}

static void finds_groups_once_each(void **state)
{
	const struct image *image = *state;
	cleanup(strlist_done) struct strlist names = {0};
	uint32_t *gids = NULL;
	size_t count = 0;

	strlist_split(&names, "staff,50,wheel,9", ',');
	assert_int_equal(user_find_groups(image->root, &names, &gids, &count, NULL), 0);
	assert_int_equal(count, 3);
	assert_int_equal(gids[2], 9);
	free(gids);
}

static void an_image_without_accounts_has_numbers(void **state)
{
	const struct image *image = *state;

	unlinkat(image->root, "etc/passwd", 0);
	unlinkat(image->root, "etc/group", 0);
	expect(image, "12", 12, 0, 0, "/");
	expect(image, NULL, 0, 0, 0, "/");
	refuses(image, "root", -ENOENT);
}

static void is_not_held_up_by_a_fifo(void **state)
{
	const struct image *image = *state;

	unlinkat(image->root, "etc/passwd", 0);
	assert_int_equal(mkfifoat(image->root, "etc/passwd", 0644), 0);
	refuses(image, "root", -EINVAL);
}

static void never_reads_the_hosts_file_through_a_link(void **state)
{
	const struct image *image = *state;

	unlinkat(image->root, "etc/passwd", 0);
	assert_int_equal(symlinkat("/etc/host-passwd", image->root, "etc/passwd"), 0);
	refuses(image, "root", -ENOENT);
	put(image, "etc/host-passwd", "inside:x:5:5::/:\n");
	expect(image, "inside", 5, 5, 0, "/");
	unlinkat(image->root, "etc/passwd", 0);
	assert_int_equal(symlinkat("../../../../../../etc/passwd", image->root, "etc/passwd"), 0);
	refuses(image, "root", -ENOENT);
}

static void refuses_a_file_that_is_too_large(void **state)
{
	const struct image *image = *state;
	cleanup_close int fd = openat(image->root, "etc/passwd", O_WRONLY | O_CLOEXEC);

	assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0);
	refuses(image, "root", -EFBIG);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_image, remove_image)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(finds_users_by_name_and_number),	TEST(takes_no_supplementary_groups_when_a_group_is_given),
		TEST(refuses_what_is_no_user),		TEST(owners_without_an_entry_take_their_number_as_group),
		TEST(finds_groups_once_each),		TEST(an_image_without_accounts_has_numbers),
		TEST(is_not_held_up_by_a_fifo),		TEST(never_reads_the_hosts_file_through_a_link),
		TEST(refuses_a_file_that_is_too_large),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
