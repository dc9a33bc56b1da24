#include "tests/unit/base/scratch.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/ovlmark.h"
#include "base/strlist.h"
#include "base/tree.h"

static int note(const struct tree_entry *entry, void *context, struct error **err)
{
	struct stat st;

	assert_true(*entry->path == '\0' || fstatat(entry->dirfd, entry->name, &st, AT_SYMLINK_NOFOLLOW) == 0);
	strlist_append(context, entry->path);
	if (strcmp(entry->name, "skip") == 0)
		return TREE_SKIP_CHILDREN;
	return strcmp(entry->name, "stop") == 0 ? TREE_STOP : TREE_GO_ON;
}

static int note_after(const struct tree_entry *entry, void *context, struct error **err)
{
	strlist_printf(context, "<%s", entry->path);
	return TREE_GO_ON;
}

static void visits_parents_first_and_bytewise(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	cleanup(strlist_done) struct strlist seen = {0};

	put_dir(dir.fd, "b");
	put_file(dir.fd, "b/z", "");
	put_file(dir.fd, "b/Y", "");
	put_file(dir.fd, "b-c", "");
	put_file(dir.fd, "\xc3\xa4", "");
	put_dir(dir.fd, "skip");
	put_file(dir.fd, "skip/hidden", "");
	put_link(dir.fd, "link", "b");
	cleanup_close int path_only = open(dir.path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(tree_walk(path_only, note, note_after, &seen, NULL), 0);
	cleanup_free char *order = strlist_join(&seen, "|");
	assert_string_equal(order, "|b|b/Y|b/z|<b|b-c|link|skip|\xc3\xa4|<");
}

static void stops_where_the_visitor_says(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	cleanup(strlist_done) struct strlist seen = {0};

	put_file(dir.fd, "a", "");
	put_file(dir.fd, "stop", "");
	put_file(dir.fd, "z", "");
	assert_int_equal(tree_walk(dir.fd, note, NULL, &seen, NULL), 0);
	assert_int_equal(seen.count, 3);
}

static int fail_at_once(const struct tree_entry *entry, void *context, struct error **err)
{
	return *entry->path ? error_set(err, EDOM, "no") : TREE_GO_ON;
}

static void hands_the_visitors_error_on(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	cleanup_error struct error *err = NULL;

	put_file(dir.fd, "a", "");
	assert_int_equal(tree_walk(dir.fd, fail_at_once, NULL, NULL, &err), -EDOM);
	assert_string_equal(error_message(err), "no");
}

static void make_deep(int dirfd, int depth)
{
	cleanup_close int at = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (int i = 0; i < depth; i++) {
		put_dir(at, "d");
		put_file(at, "f", "x");
		int child = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(child >= 0);
		fd_close(at);
		at = child;
	}
}

static void needs_few_descriptors_for_any_depth(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	struct rlimit before;
	struct rlimit few = {.rlim_cur = 200, .rlim_max = 0};
	struct tree_usage usage;

	put_dir(dir.fd, "from");
	put_dir(dir.fd, "to");
	cleanup_close int from = fd_open_dir(dir.fd, "from", NULL);
	cleanup_close int to = fd_open_dir(dir.fd, "to", NULL);
	make_deep(from, 500);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few.rlim_max = before.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(tree_usage(from, &usage, NULL), 0);
	assert_int_equal(usage.entries, 1000);
	assert_int_equal(tree_copy(from, to, NULL), 0);
	assert_int_equal(tree_usage(to, &usage, NULL), 0);
	assert_int_equal(usage.entries, 1000);
	assert_int_equal(tree_remove(dir.fd, "from", NULL), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void removes_closed_directories_and_what_is_not_there(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	struct stat st;

	put_dir(dir.fd, "t");
	put_dir(dir.fd, "t/work");
	put_file(dir.fd, "t/work/f", "");
	assert_int_equal(fchmodat(dir.fd, "t/work", 0, 0), 0);
	assert_int_equal(fchmodat(dir.fd, "t", 0, 0), 0);
	assert_int_equal(tree_remove(dir.fd, "t", NULL), 0);
	assert_int_equal(fstatat(dir.fd, "t", &st, 0), -1);
	assert_int_equal(tree_remove(dir.fd, "t", NULL), 0);
}

static void removes_a_link_and_not_what_it_points_to(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	struct stat st;

	put_dir(dir.fd, "kept");
	put_file(dir.fd, "kept/f", "");
	put_link(dir.fd, "link", "kept");
	put_dir(dir.fd, "t");
	put_link(dir.fd, "t/link", "../kept");
	assert_int_equal(tree_remove(dir.fd, "link", NULL), 0);
	assert_int_equal(tree_remove(dir.fd, "t", NULL), 0);
	assert_int_equal(fstatat(dir.fd, "kept/f", &st, 0), 0);
}

static void counts_hard_links_once(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	struct tree_usage usage;

	put_file(dir.fd, "a", "12345");
	assert_int_equal(linkat(dir.fd, "a", dir.fd, "b", 0), 0);
	put_file(dir.fd, "c", "1");
	assert_int_equal(tree_usage(dir.fd, &usage, NULL), 0);
	assert_int_equal(usage.bytes, 6);
	assert_int_equal(usage.entries, 3);
}

/* A directory "from" with one of everything, and an empty "to". */
static void make_all_kinds(int dirfd)
{
	const struct timespec times[2] = {{.tv_sec = 11, .tv_nsec = 12}, {.tv_sec = 21, .tv_nsec = 22}};

	put_dir(dirfd, "from");
	put_dir(dirfd, "to");
	put_dir(dirfd, "from/dir");
	put_file(dirfd, "from/dir/file", "text");
	put_link(dirfd, "from/link", "dir/none");
	assert_int_equal(mkfifoat(dirfd, "from/fifo", 0640), 0);
	assert_int_equal(ovlmark_make_whiteout(dirfd, "from/gone", NULL), 0);
	assert_int_equal(linkat(dirfd, "from/dir/file", dirfd, "from/hard", 0), 0);
	assert_int_equal(linkat(dirfd, "from/dir/file", dirfd, "from/dir/hard", 0), 0);
	cleanup_close int file = openat(dirfd, "from/dir/file", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fsetxattr(file, "user.overlay.origin", "o", 1, 0), 0);
	assert_int_equal(fchmod(file, 04751), 0);
	assert_int_equal(futimens(file, times), 0);
	cleanup_close int sub = fd_open_dir(dirfd, "from/dir", NULL);
	assert_int_equal(ovlmark_set_opaque(sub, NULL), 0);
	assert_int_equal(fchmod(sub, 01500), 0);
	assert_int_equal(futimens(sub, times), 0);
	assert_int_equal(utimensat(dirfd, "from/link", times, AT_SYMLINK_NOFOLLOW), 0);
}

static void assert_same_file(int dirfd, const char *name)
{
	cleanup_free char *left_path = mem_printf("from/%s", name);
	cleanup_free char *right_path = mem_printf("to/%s", name);
	struct stat left;
	struct stat right;

	assert_int_equal(fstatat(dirfd, left_path, &left, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(fstatat(dirfd, right_path, &right, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(left.st_mode, right.st_mode);
	assert_int_equal(left.st_uid, right.st_uid);
	assert_int_equal(left.st_rdev, right.st_rdev);
	assert_int_equal(left.st_nlink, right.st_nlink);
	assert_int_equal(left.st_size, right.st_size);
	assert_int_equal(left.st_mtim.tv_sec, right.st_mtim.tv_sec);
	assert_int_equal(left.st_mtim.tv_nsec, right.st_mtim.tv_nsec);
}

static void copies_everything_that_makes_up_a_file(void **state)
{
	static const char *const names[] = {"dir", "dir/file", "dir/hard", "link", "fifo", "gone", "hard"};
	cleanup(scratch_done) struct scratch dir = scratch_make();
	cleanup_error struct error *err = NULL;
	char value;

	make_all_kinds(dir.fd);
	cleanup_close int from = fd_open_dir(dir.fd, "from", NULL);
	cleanup_close int to = fd_open_dir(dir.fd, "to", NULL);
	if (tree_copy(from, to, &err) < 0)
		fail_msg("%s", error_message(err));
	for (size_t i = 0; i < ARRAY_COUNT(names); i++)
		assert_same_file(dir.fd, names[i]);
	cleanup_close int file = openat(to, "dir/file", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fgetxattr(file, "user.overlay.origin", &value, 1), 1);
	cleanup_close int sub = fd_open_dir(to, "dir", NULL);
	assert_true(ovlmark_is_opaque(sub));
	cleanup_free char *text = text_of(to, "hard");
	assert_string_equal(text, "text");
}

static void a_tree_of_links_keeps_the_times_of_its_directories(void **state)
{
	static const char *const names[] = {"dir", "dir/file", "dir/hard", "hard"};
	cleanup(scratch_done) struct scratch dir = scratch_make();
	cleanup(tree_links_done) struct tree_links links = {0};
	cleanup_error struct error *err = NULL;

	make_all_kinds(dir.fd);
	assert_int_equal(fchmodat(dir.fd, "from/dir", 0700, 0), 0);
	cleanup_close int from = fd_open_dir(dir.fd, "from", NULL);
	cleanup_close int to = fd_open_dir(dir.fd, "to", NULL);
	/* "hard" comes when "dir" is finished, and makes all three names one of the copy's. */
	if (tree_link(from, to, &links, &err) < 0)
		fail_msg("%s", error_message(err));
	for (size_t i = 0; i < ARRAY_COUNT(names); i++)
		assert_same_file(dir.fd, names[i]);
}

static void keeps_the_holes_of_a_file(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	struct stat st;

	put_dir(dir.fd, "from");
	put_dir(dir.fd, "to");
	cleanup_close int big = openat(dir.fd, "from/big", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(pwrite(big, "middle", 6, 64 << 20), 6);
	assert_int_equal(ftruncate(big, 128 << 20), 0);
	cleanup_close int from = fd_open_dir(dir.fd, "from", NULL);
	cleanup_close int to = fd_open_dir(dir.fd, "to", NULL);
	assert_int_equal(tree_copy(from, to, NULL), 0);
	cleanup_close int copy = openat(to, "big", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fstat(copy, &st), 0);
	assert_int_equal(st.st_size, 128 << 20);
	assert_true(st.st_blocks * 512 < 1 << 20);
	char text[7] = {0};
	assert_int_equal(pread(copy, text, 6, 64 << 20), 6);
	assert_string_equal(text, "middle");
}

static void does_not_overwrite_when_copying(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();

	put_dir(dir.fd, "from");
	put_dir(dir.fd, "to");
	put_file(dir.fd, "from/f", "new");
	put_file(dir.fd, "kept", "old");
	put_link(dir.fd, "to/f", "../kept");
	cleanup_close int from = fd_open_dir(dir.fd, "from", NULL);
	cleanup_close int to = fd_open_dir(dir.fd, "to", NULL);
	assert_int_equal(tree_copy(from, to, NULL), -EEXIST);
	cleanup_free char *text = text_of(dir.fd, "kept");
	assert_string_equal(text, "old");
}

/* victim/{a,dir/,file}, with source/ mounted on dir and source/precious on file. The child goes there by name: the
 * scratch directory's descriptor shows the mounts of the parent. */
static bool mount_below(const struct scratch *dir)
{
	return enter_namespaces() && chdir(dir->path) == 0 && mount("source", "victim/dir", NULL, MS_BIND, NULL) == 0 &&
	       mount("source/precious", "victim/file", NULL, MS_BIND, NULL) == 0;
}

static void make_mount_points(int dirfd)
{
	put_dir(dirfd, "source");
	put_file(dirfd, "source/precious", "12345");
	put_dir(dirfd, "victim");
	put_file(dirfd, "victim/a", "1");
	put_dir(dirfd, "victim/dir");
	put_file(dirfd, "victim/file", "");
	put_dir(dirfd, "copy");
}

static int remove_below_mounts(const struct scratch *dir)
{
	cleanup_error struct error *err = NULL;
	struct stat st;

	if (!mount_below(dir))
		return CHILD_SKIPS;
	CHILD_CHECK(tree_remove(AT_FDCWD, "victim", &err) == -EBUSY);
	CHILD_CHECK(strcmp(error_message(err), "remove 'victim': 'dir' is a mount point") == 0);
	CHILD_CHECK(tree_remove(AT_FDCWD, "victim/dir", NULL) == -EBUSY);
	CHILD_CHECK(tree_remove(AT_FDCWD, "victim/file", NULL) == -EBUSY);
	CHILD_CHECK(fstatat(AT_FDCWD, "source/precious", &st, 0) == 0 && st.st_size == 5);
	return 0;
}

static void removes_nothing_through_a_mount(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();

	make_mount_points(dir.fd);
	in_child(remove_below_mounts, &dir);
}

static int measure_and_copy_mounts(const struct scratch *dir)
{
	struct tree_usage usage;
	struct stat st;

	if (!mount_below(dir))
		return CHILD_SKIPS;
	cleanup_close int victim = fd_open_dir(AT_FDCWD, "victim", NULL);
	cleanup_close int copy = fd_open_dir(AT_FDCWD, "copy", NULL);
	CHILD_CHECK(tree_usage(victim, &usage, NULL) == 0);
	CHILD_CHECK(usage.entries == 3 && usage.bytes == 1);
	CHILD_CHECK(tree_copy(victim, copy, NULL) == 0);
	CHILD_CHECK(fstatat(copy, "dir", &st, 0) == 0 && S_ISDIR(st.st_mode));
	CHILD_CHECK(fstatat(copy, "dir/precious", &st, 0) < 0);
	CHILD_CHECK(fstatat(copy, "file", &st, 0) == 0 && S_ISREG(st.st_mode) && st.st_size == 0);
	/* What is mounted may be the root itself. */
	cleanup_close int mounted = fd_open_dir(AT_FDCWD, "victim/dir", NULL);
	CHILD_CHECK(tree_usage(mounted, &usage, NULL) == 0);
	CHILD_CHECK(usage.entries == 1 && usage.bytes == 5);
	return 0;
}

static void measures_and_copies_no_mounts_below_the_root(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();

	make_mount_points(dir.fd);
	in_child(measure_and_copy_mounts, &dir);
}

static int remove_below_a_tmpfs(const struct scratch *dir)
{
	struct stat st;

	if (!enter_namespaces() || chdir(dir->path) < 0 || mount("none", "victim/dir", "tmpfs", 0, NULL) < 0)
		return CHILD_SKIPS;
	CHILD_CHECK(mkdirat(AT_FDCWD, "victim/dir/precious", 0755) == 0);
	CHILD_CHECK(refuse_call(SYS_statx, EPERM));
	CHILD_CHECK(tree_remove(AT_FDCWD, "victim", NULL) == -EBUSY);
	CHILD_CHECK(fstatat(AT_FDCWD, "victim/dir/precious", &st, 0) == 0);
	return 0;
}

static void knows_a_mount_by_its_device_where_statx_is_refused(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();

	make_mount_points(dir.fd);
	in_child(remove_below_a_tmpfs, &dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(visits_parents_first_and_bytewise),
		cmocka_unit_test(stops_where_the_visitor_says),
		cmocka_unit_test(hands_the_visitors_error_on),
		cmocka_unit_test(needs_few_descriptors_for_any_depth),
		cmocka_unit_test(removes_closed_directories_and_what_is_not_there),
		cmocka_unit_test(removes_a_link_and_not_what_it_points_to),
		cmocka_unit_test(counts_hard_links_once),
		cmocka_unit_test(copies_everything_that_makes_up_a_file),
		cmocka_unit_test(a_tree_of_links_keeps_the_times_of_its_directories),
		cmocka_unit_test(keeps_the_holes_of_a_file),
		cmocka_unit_test(does_not_overwrite_when_copying),
		cmocka_unit_test(removes_nothing_through_a_mount),
		cmocka_unit_test(measures_and_copies_no_mounts_below_the_root),
		cmocka_unit_test(knows_a_mount_by_its_device_where_statx_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
