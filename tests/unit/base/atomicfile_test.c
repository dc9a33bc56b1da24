#include "tests/unit/base/scratch.h"

#include <errno.h>
#include <sys/syscall.h>

#include "base/atomicfile.h"
#include "base/strlist.h"

static int note(const struct tree_entry *entry, void *context, struct error **err)
{
	if (*entry->path)
		strlist_append(context, entry->path);
	return TREE_GO_ON;
}

static void assert_names(int dirfd, const char *expected)
{
	cleanup(strlist_done) struct strlist names = {0};

	assert_int_equal(tree_walk(dirfd, note, NULL, &names, NULL), 0);
	cleanup_free char *joined = strlist_join(&names, "|");
	assert_string_equal(joined, expected);
}

static void appears_with_the_commit_and_the_exact_mode(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	cleanup(atomic_file_free) struct atomic_file *file = NULL;
	struct stat st;

	mode_t mask = umask(077);
	assert_int_equal(atomic_file_open(dir.fd, "f", 0644, &file, NULL), 0);
	umask(mask);
	assert_int_equal(fd_write_all(atomic_file_fd(file), "new", 3, NULL), 0);
	assert_int_equal(fstatat(dir.fd, "f", &st, 0), -1);
	assert_int_equal(atomic_file_commit(file, ATOMIC_FILE_SYNC, NULL), 0);
	assert_int_equal(fstatat(dir.fd, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_names(dir.fd, "f");
}

static void vanishes_without_a_commit(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	struct atomic_file *file = NULL;

	put_file(dir.fd, "f", "old");
	assert_int_equal(atomic_file_open(dir.fd, "f", 0644, &file, NULL), 0);
	assert_int_equal(fd_write_all(atomic_file_fd(file), "new", 3, NULL), 0);
	atomic_file_free(file);
	assert_names(dir.fd, "f");
	cleanup_free char *text = text_of(dir.fd, "f");
	assert_string_equal(text, "old");
}

static void replaces_a_link_and_not_what_it_points_to(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	struct stat st;

	put_file(dir.fd, "kept", "old");
	put_link(dir.fd, "f", "kept");
	assert_int_equal(atomic_file_write(dir.fd, "f", 0600, "new", 3, 0, NULL), 0);
	assert_int_equal(fstatat(dir.fd, "f", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISREG(st.st_mode));
	cleanup_free char *text = text_of(dir.fd, "kept");
	assert_string_equal(text, "old");
}

static void does_not_replace_when_told_so(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();

	put_dir(dir.fd, "d");
	assert_int_equal(atomic_file_write(dir.fd, "d/f", 0600, "1", 1, ATOMIC_FILE_NO_REPLACE, NULL), 0);
	assert_int_equal(atomic_file_write(dir.fd, "d/f", 0600, "2", 1, ATOMIC_FILE_NO_REPLACE, NULL), -EEXIST);
	assert_names(dir.fd, "d|d/f");
	cleanup_free char *text = text_of(dir.fd, "d/f");
	assert_string_equal(text, "1");
}

static int write_without_noreplace(const struct scratch *dir)
{
	CHILD_CHECK(refuse_call(SYS_renameat2, EINVAL));
	CHILD_CHECK(atomic_file_write(dir->fd, "f", 0600, "1", 1, ATOMIC_FILE_NO_REPLACE, NULL) == 0);
	CHILD_CHECK(atomic_file_write(dir->fd, "f", 0600, "2", 1, ATOMIC_FILE_NO_REPLACE, NULL) == -EEXIST);
	return 0;
}

static void does_not_replace_where_rename_knows_no_flags(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();

	in_child(write_without_noreplace, &dir);
	assert_names(dir.fd, "f");
	cleanup_free char *text = text_of(dir.fd, "f");
	assert_string_equal(text, "1");
}

static void refuses_what_is_no_name_or_has_no_directory(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();

	assert_int_equal(atomic_file_write(dir.fd, "a/", 0600, "", 0, 0, NULL), -EINVAL);
	assert_int_equal(atomic_file_write(dir.fd, "..", 0600, "", 0, 0, NULL), -EINVAL);
	assert_int_equal(atomic_file_write(dir.fd, "none/f", 0600, "", 0, 0, NULL), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(appears_with_the_commit_and_the_exact_mode),
		cmocka_unit_test(vanishes_without_a_commit),
		cmocka_unit_test(replaces_a_link_and_not_what_it_points_to),
		cmocka_unit_test(does_not_replace_when_told_so),
		cmocka_unit_test(does_not_replace_where_rename_knows_no_flags),
		cmocka_unit_test(refuses_what_is_no_name_or_has_no_directory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
