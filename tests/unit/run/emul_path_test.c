/* run/emul_path.c */
#include "tests/unit/run/fake_caller.h"

#include <linux/openat2.h>

/* Opens what the caller names, and says whether it is this file of the directory. */
static int opened(struct fake *fake, int dirfd, const char *path, unsigned flags, const char *name)
{
	const struct trap trap = {.tid = fake->pid, .arch = FAKE_ARCH};
	struct stat found, wanted;
	cleanup_close int fd = emul_open(fake->e, &trap, dirfd, fake_text(fake, path), flags);

	if (fd < 0)
		return fd;
	assert_int_equal(fstat(fd, &found), 0);
	assert_int_equal(fstatat(fake->dir, name, &wanted, AT_SYMLINK_NOFOLLOW), 0);
	return found.st_ino == wanted.st_ino && found.st_dev == wanted.st_dev;
}

static void names_start_where_the_kernel_would_start(void **state)
{
	struct fake *fake = *state;
	cleanup_free char *absolute = mem_printf("%s/file", fake->directory);

	assert_int_equal(opened(fake, AT_FDCWD, "file", 0, "file"), 1);
	assert_int_equal(opened(fake, fake->dir_fd, "dir", 0, "dir"), 1);
	assert_int_equal(opened(fake, AT_FDCWD, absolute, 0, "file"), 1);
	assert_int_equal(opened(fake, 999, absolute, 0, "file"), 1);
	assert_true(opened(fake, 999, "file", 0, "file") < 0);
	assert_int_equal(opened(fake, fake->file_fd, "below", 0, "file"), -ENOTDIR);
	assert_int_equal(opened(fake, AT_FDCWD, "none", 0, "file"), -ENOENT);
}

static void links_are_followed_where_they_are_meant_to_be(void **state)
{
	struct fake *fake = *state;
	cleanup_free char *absolute = mem_printf("%s/file", fake->directory);
	cleanup_free char *round_about = mem_printf("dir/../../%s/file", strrchr(fake->directory, '/') + 1);

	assert_int_equal(symlinkat(absolute, fake->dir, "absolute"), 0);
	assert_int_equal(symlinkat("loop", fake->dir, "loop"), 0);
	assert_int_equal(opened(fake, AT_FDCWD, "link", 0, "link"), 1);
	assert_int_equal(opened(fake, AT_FDCWD, "link", EMUL_FOLLOW, "file"), 1);
	assert_int_equal(opened(fake, AT_FDCWD, "absolute", EMUL_FOLLOW, "file"), 1);
	assert_int_equal(opened(fake, AT_FDCWD, round_about, 0, "file"), 1);
	assert_true(opened(fake, AT_FDCWD, "loop", EMUL_FOLLOW, "loop") < 0);
	assert_int_equal(opened(fake, AT_FDCWD, "loop", 0, "loop"), 1);
}

static void a_descriptor_has_names(void **state)
{
	struct fake *fake = *state;
	cleanup_free char *self = mem_printf("/proc/self/fd/%d", fake->file_fd);
	cleanup_free char *dev = mem_printf("/dev/fd/%d", fake->file_fd);

	assert_int_equal(opened(fake, AT_FDCWD, self, EMUL_FOLLOW, "file"), 1);
	assert_int_equal(opened(fake, AT_FDCWD, dev, EMUL_FOLLOW, "file"), 1);
	assert_int_equal(symlinkat(self, fake->dir, "to-descriptor"), 0);
	assert_int_equal(opened(fake, AT_FDCWD, "to-descriptor", EMUL_FOLLOW, "file"), 1);
	assert_int_equal(opened(fake, fake->path_fd, "", EMUL_EMPTY, "file"), 1);
	assert_int_equal(opened(fake, fake->path_fd, "", 0, "file"), -ENOENT);
	const struct trap trap = {.tid = fake->pid};
	assert_true(emul_fd_is_path(&trap, fake->path_fd));
	assert_false(emul_fd_is_path(&trap, fake->file_fd));
	assert_false(emul_fd_is_path(&trap, 999));
	assert_false(emul_fd_is_path(&trap, fake->ioctl_fd));
}

static int parent_of(struct fake *fake, const char *path, char leaf[NAME_MAX + 1])
{
	const struct trap trap = {.tid = fake->pid, .arch = FAKE_ARCH};
	cleanup_close int fd = emul_open_parent(fake->e, &trap, AT_FDCWD, fake_text(fake, path), leaf);

	return fd < 0 ? fd : 0;
}

static void a_path_goes_through_the_callers_own_links(void **state)
{
	struct fake *fake = *state;
	char leaf[NAME_MAX + 1];
	cleanup_free char *by_root = mem_printf("/proc/self/root%s/file", fake->directory);
	cleanup_free char *by_both = mem_printf("/proc/self/root/proc/thread-self/cwd/./file");
	cleanup_free char *by_fd = mem_printf("/proc/self/fd/%d/file", fake->dir_fd);
	cleanup_free char *is_fd = mem_printf("/dev/fd/%d/", fake->dir_fd);
	cleanup_free char *is_file = mem_printf("/dev/fd/%d/", fake->file_fd);

	assert_int_equal(opened(fake, AT_FDCWD, "/proc/self/cwd/file", 0, "file"), 1);
	assert_int_equal(opened(fake, AT_FDCWD, "/proc/self/cwd/dir/../link", EMUL_FOLLOW, "file"), 1);
	assert_int_equal(opened(fake, AT_FDCWD, "/proc/self/cwd", EMUL_FOLLOW, "."), 1);
	assert_int_equal(opened(fake, AT_FDCWD, by_root, 0, "file"), 1);
	assert_int_equal(opened(fake, AT_FDCWD, by_both, 0, "file"), 1);
	assert_int_equal(opened(fake, AT_FDCWD, by_fd, 0, "file"), 1);
	assert_int_equal(opened(fake, AT_FDCWD, is_fd, EMUL_FOLLOW, "."), 1);
	assert_int_equal(opened(fake, AT_FDCWD, is_file, EMUL_FOLLOW, "."), -ENOTDIR);
	assert_int_equal(opened(fake, AT_FDCWD, "/proc/self/cwd2/file", 0, "file"), -ENOENT);
	/* The link itself is not ours to open. */
	assert_int_not_equal(opened(fake, AT_FDCWD, "/proc/self/cwd", 0, "."), 1);
	assert_int_equal(parent_of(fake, by_fd, leaf), 0);
	assert_string_equal(leaf, "file");
}

static void a_link_may_lead_to_a_place(void **state)
{
	struct fake *fake = *state;
	const struct trap trap = {.tid = fake->pid, .arch = FAKE_ARCH};
	cleanup_free char *up = mem_printf("../%s/dir/new", strrchr(fake->directory, '/') + 1);
	cleanup_free char *absolute = mem_printf("%s/dir/new", fake->directory);
	const char *const targets[] = {"dir/new", up, absolute};
	char path[PATH_MAX], leaf[NAME_MAX + 1];
	struct stat found, wanted;

	assert_int_equal(fstatat(fake->dir, "dir", &wanted, 0), 0);
	for (size_t i = 0; i < ARRAY_COUNT(targets); i++) {
		unlinkat(fake->dir, "dangling", 0);
		assert_int_equal(symlinkat(targets[i], fake->dir, "dangling"), 0);
		snprintf(path, sizeof(path), ".");
		assert_int_equal(emul_follow_leaf(fake->dir, "dangling", path), 0);
		cleanup_close int fd = emul_open_parent_text(fake->e, &trap, AT_FDCWD, path, 0, leaf);
		assert_int_equal(fstat(fd, &found), 0);
		assert_int_equal(found.st_ino, wanted.st_ino);
		assert_string_equal(leaf, "new");
	}
	assert_int_equal(emul_follow_leaf(fake->dir, "file", path), -EINVAL);
	assert_int_equal(emul_follow_leaf(fake->dir, "nothing", path), -ENOENT);
}

static int under(struct fake *fake, uint64_t resolve, const char *text)
{
	const struct trap trap = {.tid = fake->pid, .arch = FAKE_ARCH};
	char path[PATH_MAX], leaf[NAME_MAX + 1];

	snprintf(path, sizeof(path), "%s", text);
	cleanup_close int fd = emul_open_parent_text(fake->e, &trap, fake->dir_fd, path, resolve, leaf);
	return fd < 0 ? fd : 0;
}

static void a_path_keeps_to_the_rules_of_openat2(void **state)
{
	struct fake *fake = *state;
	cleanup_free char *absolute = mem_printf("%s/dir/new", fake->directory);

	assert_int_equal(symlinkat("dir", fake->dir, "to-dir"), 0);
	assert_int_equal(under(fake, RESOLVE_BENEATH, "dir/new"), 0);
	assert_int_equal(under(fake, RESOLVE_BENEATH, "to-dir/new"), 0);
	assert_int_equal(under(fake, RESOLVE_BENEATH, "../new"), -EXDEV);
	assert_int_equal(under(fake, RESOLVE_BENEATH, absolute), -EXDEV);
	assert_int_equal(under(fake, RESOLVE_IN_ROOT, "/dir/new"), 0);
	assert_int_equal(under(fake, RESOLVE_IN_ROOT, "../dir/new"), 0);
	assert_int_equal(under(fake, RESOLVE_IN_ROOT, absolute), -ENOENT);
	assert_int_equal(under(fake, RESOLVE_NO_SYMLINKS, absolute), 0);
	assert_int_equal(under(fake, RESOLVE_NO_SYMLINKS, "to-dir/new"), -ELOOP);
	assert_int_equal(under(fake, RESOLVE_NO_SYMLINKS, "dir/../../new"), 0);
	assert_int_equal(under(fake, RESOLVE_NO_MAGICLINKS, "to-dir/new"), 0);
}

static void a_fifo_is_not_waited_for(void **state)
{
	struct fake *fake = *state;

	assert_int_equal(mkfifoat(fake->dir, "fifo", 0600), 0);
	assert_int_equal(opened(fake, AT_FDCWD, "fifo", EMUL_FOLLOW, "fifo"), 1);
}

static void a_place_is_a_directory_and_a_name(void **state)
{
	struct fake *fake = *state;
	char leaf[NAME_MAX + 1], longest[NAME_MAX + 10];

	assert_int_equal(parent_of(fake, "dir/new", leaf), 0);
	assert_string_equal(leaf, "new");
	assert_int_equal(parent_of(fake, "new", leaf), 0);
	assert_int_equal(parent_of(fake, "/new", leaf), 0);
	assert_int_equal(parent_of(fake, "dir/", leaf), -EINVAL);
	assert_int_equal(parent_of(fake, "dir/.", leaf), -EINVAL);
	assert_int_equal(parent_of(fake, "..", leaf), -EINVAL);
	assert_int_equal(parent_of(fake, "", leaf), -ENOENT);
	assert_int_equal(parent_of(fake, "none/new", leaf), -ENOENT);
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(parent_of(fake, longest, leaf), -EINVAL);
}

static void status_is_the_callers(void **state)
{
	struct fake *fake = *state;
	const struct trap trap = {.tid = fake->pid}, nobody = {.tid = INT32_MAX};
	struct emul_status status;

	assert_int_equal(emul_read_status(&trap, &status), 0);
	assert_int_equal(status.umask, 027);
	assert_int_equal(status.own_tid, fake->pid);
	assert_int_equal(status.fs_uid, 0);
	assert_int_equal(emul_read_status(&nobody, &status), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(names_start_where_the_kernel_would_start),
		FAKE_TEST(links_are_followed_where_they_are_meant_to_be),
		FAKE_TEST(a_descriptor_has_names),
		FAKE_TEST(a_path_goes_through_the_callers_own_links),
		FAKE_TEST(a_link_may_lead_to_a_place),
		FAKE_TEST(a_path_keeps_to_the_rules_of_openat2),
		FAKE_TEST(a_fifo_is_not_waited_for),
		FAKE_TEST(a_place_is_a_directory_and_a_name),
		FAKE_TEST(status_is_the_callers),
	};

	FAKE_MAIN(tests);
}
