/* Places to mount on, made in a plain directory as root and record at once, and taken away again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/tree.h"
#include "run/channel.h"
#include "run/stubs.h"

struct image {
	char path[32];
	int root;
	struct stubs made, held; /* the child's and the parent's side */
};

static int make_image(void **state)
{
	struct image *image = mem_alloc(sizeof(*image));

	memcpy(image->path, "/tmp/cooper-stubs-XXXXXX", sizeof("/tmp/cooper-stubs-XXXXXX"));
	if (!mkdtemp(image->path))
		return -1;
	image->root = open(image->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	mkdirat(image->root, "etc", 0755);
	*state = image;
	return 0;
}

static int remove_image(void **state)
{
	struct image *image = *state;

	stubs_done(&image->made);
	stubs_done(&image->held);
	close(image->root);
	tree_remove(AT_FDCWD, image->path, NULL);
	free(image);
	return 0;
}

static void place(struct image *image, const char *path, mode_t type)
{
	cleanup_close int fd = stub_place(&image->made, image->root, image->root, path, type, NULL);

	assert_true(fd >= 0);
}

/* What stubs_send() would send, received on the other side. */
static void hand_over(struct image *image)
{
	int parent = -1;
	int child = -1;
	size_t count = image->made.count;

	assert_int_equal(channel_open(&parent, &child, NULL), 0);
	assert_int_equal(stubs_send(&image->made, child, NULL), 0);
	for (size_t i = 0; i < count; i++) {
		struct channel_message message;
		struct stub_record record;
		assert_int_equal(channel_receive(parent, &message, NULL), 0);
		assert_int_equal(message.kind, CHANNEL_STUB);
		assert_int_equal(message.size, sizeof(record));
		memcpy(&record, message.data, sizeof(record));
		stubs_add(&image->held, &record, message.fd);
	}
	close(parent);
	close(child);
	stubs_done(&image->made);
}

static bool has(const struct image *image, const char *path)
{
	return faccessat(image->root, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void set_old_time(const struct image *image, const char *path)
{
	const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};

	assert_int_equal(utimensat(image->root, path, times, 0), 0);
}

static int64_t time_of(const struct image *image, const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(image->root, path, &st, 0), 0);
	return st.st_mtim.tv_sec;
}

static void leaves_nothing_behind(void **state)
{
	struct image *image = *state;

	set_old_time(image, "etc");
	set_old_time(image, ".");
	place(image, "/proc", S_IFDIR);
	place(image, "/etc/hosts", S_IFREG);
	place(image, "/etc/resolv.conf", S_IFREG);
	place(image, "/run/deep/er/.containerenv", S_IFREG);
	assert_true(has(image, "run/deep/er/.containerenv"));
	hand_over(image);
	stubs_undo(&image->held);
	assert_false(has(image, "proc"));
	assert_false(has(image, "run"));
	assert_false(has(image, "etc/hosts"));
	assert_true(has(image, "etc"));
	assert_int_equal(time_of(image, "etc"), 1000);
	assert_int_equal(time_of(image, "."), 1000);
}

static void leaves_what_the_step_has_put_there(void **state)
{
	struct image *image = *state;

	place(image, "/data/volume", S_IFDIR);
	place(image, "/etc/hosts", S_IFREG);
	hand_over(image);
	assert_int_equal(mkdirat(image->root, "data/kept", 0755), 0);
	unlinkat(image->root, "etc/hosts", 0);
	assert_int_equal(symlinkat("elsewhere", image->root, "etc/hosts"), 0);
	stubs_undo(&image->held);
	assert_false(has(image, "data/volume"));
	assert_true(has(image, "data/kept"));
	assert_true(has(image, "etc/hosts"));
}

static void keeps_the_time_that_the_step_has_left(void **state)
{
	struct image *image = *state;

	place(image, "/etc/hosts", S_IFREG);
	hand_over(image);
	set_old_time(image, "etc");
	stubs_undo(&image->held);
	assert_false(has(image, "etc/hosts"));
	assert_int_equal(time_of(image, "etc"), 1000);
}

/* CVE-2024-23652: the parent is exchanged for a link while the step runs. */
static void does_not_follow_a_parent_that_became_a_link(void **state)
{
	struct image *image = *state;

	place(image, "/mnt/x", S_IFDIR);
	hand_over(image);
	assert_int_equal(mkdirat(image->root, "victim", 0755), 0);
	assert_int_equal(mkdirat(image->root, "victim/x", 0755), 0);
	assert_int_equal(renameat(image->root, "mnt", image->root, "moved"), 0);
	assert_int_equal(symlinkat("victim", image->root, "mnt"), 0);
	stubs_undo(&image->held);
	assert_true(has(image, "victim/x"));
	assert_false(has(image, "moved/x"));
}

static void follows_links_of_the_image_inside_of_it(void **state)
{
	struct image *image = *state;

	assert_int_equal(symlinkat("../../../elsewhere", image->root, "dev"), 0);
	place(image, "/dev", S_IFDIR);
	assert_true(has(image, "elsewhere"));
	hand_over(image);
	stubs_undo(&image->held);
	assert_false(has(image, "elsewhere"));
	assert_true(has(image, "dev"));
}

static void refuses_a_link_that_leads_nowhere(void **state)
{
	struct image *image = *state;

	assert_int_equal(symlinkat("/missing/../elsewhere", image->root, "dev"), 0);
	assert_int_equal(stub_place(&image->made, image->root, image->root, "/dev", S_IFDIR, NULL), -ENOENT);
	hand_over(image);
	stubs_undo(&image->held);
	assert_false(has(image, "elsewhere"));
}

static void refuses_a_place_of_another_type(void **state)
{
	struct image *image = *state;

	assert_int_equal(mknodat(image->root, "proc", S_IFREG | 0644, 0), 0);
	assert_int_equal(stub_place(&image->made, image->root, image->root, "/proc", S_IFDIR, NULL), -ENOTDIR);
	assert_int_equal(stub_place(&image->made, image->root, image->root, "/etc", S_IFREG, NULL), -EISDIR);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_image, remove_image)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(leaves_nothing_behind),
		TEST(leaves_what_the_step_has_put_there),
		TEST(keeps_the_time_that_the_step_has_left),
		TEST(does_not_follow_a_parent_that_became_a_link),
		TEST(follows_links_of_the_image_inside_of_it),
		TEST(refuses_a_link_that_leads_nowhere),
		TEST(refuses_a_place_of_another_type),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
