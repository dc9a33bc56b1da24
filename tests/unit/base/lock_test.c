#include "tests/unit/base/scratch.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>

#include "base/lock.h"
#include "base/log.h"

static int take(int dirfd, enum lock_mode mode, enum lock_wait wait)
{
	return lock_take(dirfd, "lock", mode, wait, "container 'web'", NULL);
}

static void shares_with_readers_and_excludes_writers(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	cleanup_close int one = take(dir.fd, LOCK_SHARED, LOCK_TRY);
	cleanup_close int two = take(dir.fd, LOCK_SHARED, LOCK_TRY);

	assert_true(one >= 0 && two >= 0);
	assert_int_equal(take(dir.fd, LOCK_EXCLUSIVE, LOCK_TRY), -EWOULDBLOCK);
}

static void names_what_is_in_use(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	cleanup_close int held = take(dir.fd, LOCK_EXCLUSIVE, LOCK_WAIT);
	cleanup_error struct error *err = NULL;

	assert_true(held >= 0);
	assert_int_equal(lock_take(dir.fd, "lock", LOCK_SHARED, LOCK_TRY, "container 'web'", &err), -EWOULDBLOCK);
	assert_string_equal(error_message(err), "container 'web' is in use by another process");
}

/* A child that holds the lock for so long, then removes its file or not, and ends. */
static pid_t hold_in_child(int dirfd, int ms, int remove_file)
{
	const struct timespec pause = {.tv_nsec = ms * 1000000L};
	int ready[2];
	char byte;

	assert_int_equal(pipe(ready), 0);
	pid_t child = fork();
	if (child == 0) {
		int fd = take(dirfd, LOCK_EXCLUSIVE, LOCK_WAIT);
		if (fd < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		nanosleep(&pause, NULL);
		if (remove_file)
			unlinkat(dirfd, "lock", 0);
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return child;
}

static void waits_until_the_holder_is_dead(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	pid_t child = hold_in_child(dir.fd, 120, 0);
	cleanup_close int fd = take(dir.fd, LOCK_EXCLUSIVE, LOCK_WAIT);

	assert_true(fd >= 0);
	waitpid(child, NULL, 0);
}

static void takes_the_new_file_when_the_old_one_was_removed(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	pid_t child = hold_in_child(dir.fd, 120, 1);
	cleanup_close int fd = take(dir.fd, LOCK_EXCLUSIVE, LOCK_WAIT);
	struct stat held;
	struct stat by_path;

	assert_true(fd >= 0);
	waitpid(child, NULL, 0);
	assert_int_equal(fstat(fd, &held), 0);
	assert_int_equal(fstatat(dir.fd, "lock", &by_path, 0), 0);
	assert_int_equal(held.st_ino, by_path.st_ino);
}

static void says_once_what_it_waits_for(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	cleanup_close int said = openat(dir.fd, "said", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	cleanup_close int before = dup(STDERR_FILENO);
	pid_t child = hold_in_child(dir.fd, 800, 0);

	dup2(said, STDERR_FILENO);
	int fd = take(dir.fd, LOCK_EXCLUSIVE, LOCK_WAIT);
	dup2(before, STDERR_FILENO);
	assert_true(fd >= 0);
	fd_close(fd);
	waitpid(child, NULL, 0);
	cleanup_free char *text = text_of(dir.fd, "said");
	assert_string_equal(text, "waiting for container 'web', which another cooper is using\n");
}

static void follows_no_link_to_the_lock(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();

	put_link(dir.fd, "lock", "elsewhere");
	assert_int_equal(take(dir.fd, LOCK_SHARED, LOCK_TRY), -ELOOP);
}

static void locks_a_directory_without_a_file_in_it(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	cleanup_close int one = lock_take_directory(dir.fd, ".", LOCK_SHARED, "the layout", NULL);
	cleanup_close int two = lock_take_directory(dir.fd, ".", LOCK_SHARED, "the layout", NULL);
	cleanup_close int writer = openat(dir.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(one >= 0 && two >= 0);
	assert_int_equal(flock(writer, LOCK_EX | LOCK_NB), -1);
	assert_int_equal(errno, EWOULDBLOCK);
	assert_int_equal(lock_take_directory(dir.fd, "none", LOCK_SHARED, "the layout", NULL), -ENOENT);
	assert_int_equal(rmdir(dir.path), 0); /* it is empty */
	assert_int_equal(mkdir(dir.path, 0700), 0);
}

static int share_on_a_read_only_file_system(const struct scratch *dir)
{
	const unsigned long read_only = MS_REMOUNT | MS_BIND | MS_RDONLY;
	cleanup_error struct error *err = NULL;

	if (!enter_namespaces() || mount(dir->path, dir->path, NULL, MS_BIND, NULL) < 0 ||
	    mount(NULL, dir->path, NULL, read_only, NULL) < 0)
		return CHILD_SKIPS;
	cleanup_close int dirfd = fd_open_dir(AT_FDCWD, dir->path, NULL);
	cleanup_close int held = take(dirfd, LOCK_SHARED, LOCK_TRY);
	CHILD_CHECK(held >= 0);
	/* It is a lock like any other: through the writable mount it excludes. */
	CHILD_CHECK(take(dir->fd, LOCK_EXCLUSIVE, LOCK_TRY) == -EWOULDBLOCK);
	CHILD_CHECK(take(dirfd, LOCK_EXCLUSIVE, LOCK_TRY) == -EROFS);
	CHILD_CHECK(lock_take(dirfd, "none", LOCK_SHARED, LOCK_TRY, "the store", &err) == -EROFS);
	CHILD_CHECK(strcmp(error_message(err), "the store has no lock yet, and it cannot be made here: "
					       "Read-only file system") == 0);
	return 0;
}

static void shares_what_it_may_only_read(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();

	put_file(dir.fd, "lock", "");
	in_child(share_on_a_read_only_file_system, &dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_with_readers_and_excludes_writers),
		cmocka_unit_test(names_what_is_in_use),
		cmocka_unit_test(waits_until_the_holder_is_dead),
		cmocka_unit_test(takes_the_new_file_when_the_old_one_was_removed),
		cmocka_unit_test(says_once_what_it_waits_for),
		cmocka_unit_test(shares_what_it_may_only_read),
		cmocka_unit_test(follows_no_link_to_the_lock),
		cmocka_unit_test(locks_a_directory_without_a_file_in_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
