#include "tests/unit/base/scratch.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/nursery.h"

/* As if making directories had been slow. */
static void open_nursery(struct nursery *nursery, int place, const char *name)
{
	put_dir(place, name);
	nursery->fd = openat(place, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(nursery->fd >= 0);
	nursery->name = mem_strdup(name);
}

static bool is_there(int dirfd, const char *path)
{
	struct stat st;

	return fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static ino_t inode(int dirfd, const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_ino;
}

static void makes_directories_where_they_belong(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	cleanup(nursery_done) struct nursery nursery = nursery_at(dir.fd);
	struct stat st;

	assert_int_equal(nursery_mkdir(&nursery, dir.fd, "a", 0750), 0);
	assert_int_equal(fstatat(dir.fd, "a", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0750);
	assert_int_equal(nursery_mkdir(&nursery, dir.fd, "a", 0750), -1);
	assert_int_equal(errno, EEXIST);
	assert_int_equal(nursery_mkdir(&nursery, dir.fd, "no/b", 0750), -1);
	assert_int_equal(errno, ENOENT);
}

static void moves_what_is_born_elsewhere_to_its_place(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	cleanup(nursery_done) struct nursery nursery = nursery_at(dir.fd);
	struct stat st;

	put_dir(dir.fd, "tree");
	open_nursery(&nursery, dir.fd, "nursery-0");
	assert_int_equal(nursery_mkdir(&nursery, dir.fd, "tree/a", 0750), 0);
	assert_int_equal(nursery_mkdir(&nursery, dir.fd, "tree/a/b", 0700), 0);
	assert_int_equal(fstatat(dir.fd, "tree/a", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0750);
	assert_true(is_there(dir.fd, "tree/a/b"));
	assert_false(is_there(dir.fd, "nursery-0/new"));
	nursery_done(&nursery);
	assert_false(is_there(dir.fd, "nursery-0"));
}

/* rename(2) alone would put a directory in the place of an empty one. */
static void never_takes_the_place_of_something(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	cleanup(nursery_done) struct nursery nursery = nursery_at(dir.fd);

	put_dir(dir.fd, "empty");
	put_file(dir.fd, "file", "text");
	put_link(dir.fd, "dangling", "nowhere");
	open_nursery(&nursery, dir.fd, "nursery-0");
	ino_t before = inode(dir.fd, "empty");
	const char *const names[] = {"empty", "file", "dangling"};
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		assert_int_equal(nursery_mkdir(&nursery, dir.fd, names[i], 0755), -1);
		assert_int_equal(errno, EEXIST);
	}
	assert_int_equal(inode(dir.fd, "empty"), before);
	assert_false(is_there(dir.fd, "nowhere"));
	assert_false(is_there(dir.fd, "nursery-0/new"));
}

static void is_of_no_use_on_another_file_system(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	cleanup(nursery_done) struct nursery nursery = nursery_at(dir.fd);
	char other[] = "/dev/shm/cooper-nursery.XXXXXX";

	if (mkdtemp(other) == NULL)
		skip(); /* no /dev/shm */
	cleanup_close int place = open(other, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	nursery.place = place;
	open_nursery(&nursery, place, "nursery-0");
	assert_int_equal(nursery_mkdir(&nursery, dir.fd, "a", 0755), 0);
	assert_true(is_there(dir.fd, "a"));
	assert_false(is_there(place, "nursery-0/new"));
	nursery_done(&nursery);
	assert_int_equal(rmdir(other), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_directories_where_they_belong),
		cmocka_unit_test(moves_what_is_born_elsewhere_to_its_place),
		cmocka_unit_test(never_takes_the_place_of_something),
		cmocka_unit_test(is_of_no_use_on_another_file_system),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
