#include "imagefmt/store.h"

#include "tests/unit/imagefmt/tempstore.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/atomicfile.h"
#include "tests/unit/imagefmt/access_list.h"

static bool exists(const struct tempstore *t, const char *name)
{
	cleanup_free char *path = tempstore_path(t, name);
	return access(path, F_OK) == 0;
}

static void folders_are_made_when_first_asked_for(void **state)
{
	struct tempstore *t = *state;
	assert_false(exists(t, "store/layers"));
	assert_true(store_folder(t->store, STORE_LAYERS, NULL) >= 0);
	assert_true(exists(t, "store/layers"));
	assert_int_equal(store_folder(t->store, STORE_LAYERS, NULL), store_folder(t->store, STORE_LAYERS, NULL));
	assert_true(store_folder(t->store, STORE_RUN, NULL) >= 0);
	assert_true(exists(t, "run"));
	cleanup_free char *path = store_path(t->store, STORE_CACHE, "x");
	cleanup_free char *expected = tempstore_path(t, "store/cache/x");
	assert_string_equal(path, expected);
}

static void the_store_belongs_to_the_user_alone(void **state)
{
	struct tempstore *t = *state;
	cleanup_free char *path = tempstore_path(t, "store");
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
}

/* What steps make in a directory that hands lists on has other modes than elsewhere. */
static void folders_hand_no_access_list_on(void **state)
{
	struct tempstore *t = *state;
	cleanup_free char *root = tempstore_path(t, "store");

	if (!give_list(AT_FDCWD, root, DEFAULT_LIST))
		skip();
	int layers = store_folder(t->store, STORE_LAYERS, NULL);
	int tmp = store_tmp(t->store, NULL);
	assert_true(layers >= 0 && tmp >= 0);
	assert_false(has_list(layers, ".", DEFAULT_LIST));
	assert_false(has_list(tmp, ".", DEFAULT_LIST) || has_list(tmp, ".", ACCESS_LIST));
}

static void images_lie_in_a_valid_layout(void **state)
{
	struct tempstore *t = *state;
	assert_true(store_folder(t->store, STORE_OCI, NULL) >= 0);
	assert_true(exists(t, "store/oci/oci-layout"));
	assert_true(exists(t, "store/oci/index.json"));
	assert_true(exists(t, "store/oci/blobs/sha256"));
}

static void a_root_that_cannot_be_made_is_named(void **state)
{
	struct store_options options = {.root = "/proc/nowhere/store", .runroot = "/tmp"};
	struct store *store = NULL;
	cleanup_error struct error *err = NULL;
	assert_true(store_open(&options, &store, &err) < 0);
	assert_non_null(strstr(error_message(err), "/proc/nowhere"));
	assert_null(store);
}

static void a_store_that_is_closed_leaves_nothing_in_tmp(void **state)
{
	struct tempstore *t = *state;
	int tmp = store_tmp(t->store, NULL);
	assert_true(tmp >= 0);
	cleanup_free char *name = store_tmp_name(t->store, "x");
	cleanup_free char *other = store_tmp_name(t->store, "x");
	assert_string_not_equal(name, other);
	assert_int_equal(mkdirat(tmp, name, 0), 0);
	cleanup_free char *path = store_tmp_path(t->store, name);
	assert_int_equal(access(path, F_OK), 0);
	tempstore_reopen(t);
	assert_int_not_equal(access(path, F_OK), 0);
}

/* Runs `body` in a child that ends without closing anything, as kill -9 does. */
static pid_t fork_with_tmp(struct store *store, int *ready)
{
	int pipe_fds[2];
	assert_int_equal(pipe(pipe_fds), 0);
	pid_t pid = fork();
	if (pid == 0) {
		int tmp = store_tmp(store, NULL);
		if (tmp < 0 || atomic_file_write(tmp, "garbage", 0600, "12345", 5, 0, NULL) < 0)
			_exit(1);
		if (write(pipe_fds[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	close(pipe_fds[1]);
	*ready = pipe_fds[0];
	return pid;
}

static void the_work_of_the_dead_is_swept_and_that_of_the_living_kept(void **state)
{
	struct tempstore *t = *state;
	struct store_swept swept;
	char byte;
	int ready;
	assert_true(store_tmp(t->store, NULL) >= 0);
	pid_t pid = fork_with_tmp(t->store, &ready);
	assert_int_equal(read(ready, &byte, 1), 1);
	assert_int_equal(store_sweep(t->store, &swept, NULL), 0);
	assert_int_equal(swept.entries, 0);

	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(ready);
	assert_int_equal(store_sweep(t->store, &swept, NULL), 0);
	assert_int_equal(swept.entries, 1);
	assert_int_equal(swept.bytes, 5);
	cleanup_free char *path = store_tmp_path(t->store, "");
	assert_int_equal(access(path, F_OK), 0);
}

static void locks_exclude_each_other_and_are_freed_by_closing(void **state)
{
	struct tempstore *t = *state;
	int held = store_lock(t->store, "kind", "name", LOCK_EXCLUSIVE, LOCK_TRY, "it", NULL);
	assert_true(held >= 0);
	assert_int_equal(store_lock(t->store, "kind", "name", LOCK_SHARED, LOCK_TRY, "it", NULL), -EWOULDBLOCK);
	assert_int_equal(store_forget_lock(t->store, "kind", "name"), -EWOULDBLOCK);
	close(held);
	assert_int_equal(store_forget_lock(t->store, "kind", "name"), 0);
	assert_false(exists(t, "store/locks/kind-name"));
	assert_int_equal(store_lock(t->store, "kind", "../x", LOCK_SHARED, LOCK_TRY, "it", NULL), -EINVAL);
}

static void many_hold_the_store_but_one_alone(void **state)
{
	struct tempstore *t = *state;
	int one = store_hold(t->store, NULL);
	int two = store_hold(t->store, NULL);
	assert_true(one >= 0 && two >= 0);
	assert_int_equal(store_hold_alone(t->store, LOCK_TRY, NULL), -EWOULDBLOCK);
	close(one);
	close(two);
	int alone = store_hold_alone(t->store, LOCK_TRY, NULL);
	assert_true(alone >= 0);
	close(alone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_store(folders_are_made_when_first_asked_for),
		test_with_store(the_store_belongs_to_the_user_alone),
		test_with_store(folders_hand_no_access_list_on),
		test_with_store(images_lie_in_a_valid_layout),
		test_with_store(a_root_that_cannot_be_made_is_named),
		test_with_store(a_store_that_is_closed_leaves_nothing_in_tmp),
		test_with_store(the_work_of_the_dead_is_swept_and_that_of_the_living_kept),
		test_with_store(locks_exclude_each_other_and_are_freed_by_closing),
		test_with_store(many_hold_the_store_but_one_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
