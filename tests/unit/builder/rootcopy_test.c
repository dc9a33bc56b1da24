/* A root without overlay: what is merged, and that the difference is found again. */
#include "builder/rootcopy.h"

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
#include "base/ovlmark.h"
#include "base/tree.h"
#include "tests/unit/imagefmt/access_list.h"

struct place {
	char path[32];
	int dir;
	int lowers[2]; /* topmost first */
	int upper;
};

static void put(int dir, const char *path, const char *text)
{
	int fd = openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text), NULL), 0);
	fd_close(fd);
}

static int make_dir(int dir, const char *name)
{
	assert_int_equal(mkdirat(dir, name, 0755), 0);
	return openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool has(int dir, const char *path)
{
	return faccessat(dir, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool is_whiteout(int dir, const char *path)
{
	struct stat st;

	return fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && ovlmark_is_whiteout(&st);
}

static int set_up(void **state)
{
	static struct place place;

	memcpy(place.path, "/tmp/rootcopyXXXXXX", sizeof("/tmp/rootcopyXXXXXX"));
	if (!mkdtemp(place.path))
		return -1;
	place.dir = open(place.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	place.lowers[0] = make_dir(place.dir, "top");
	place.lowers[1] = make_dir(place.dir, "bottom");
	place.upper = make_dir(place.dir, "upper");
	fd_close(make_dir(place.lowers[1], "d"));
	put(place.lowers[1], "d/gone", "1");
	put(place.lowers[1], "d/kept", "2");
	fd_close(make_dir(place.lowers[1], "opaque"));
	put(place.lowers[1], "opaque/old", "3");
	put(place.lowers[1], "file", "4");
	fd_close(make_dir(place.lowers[0], "d"));
	assert_int_equal(mknodat(place.lowers[0], "d/gone", S_IFCHR, 0), 0);
	int opaque = make_dir(place.lowers[0], "opaque");
	assert_int_equal(ovlmark_set_opaque(opaque, NULL), 0);
	fd_close(opaque);
	put(place.lowers[0], "opaque/new", "5");
	*state = &place;
	return 0;
}

static int tear_down(void **state)
{
	struct place *place = *state;

	fd_close(place->lowers[0]);
	fd_close(place->lowers[1]);
	fd_close(place->upper);
	fd_close(place->dir);
	return tree_remove(AT_FDCWD, place->path, NULL);
}

static void make(struct place *place)
{
	assert_int_equal(rootcopy_make(place->dir, place->lowers, 2, place->upper, ROOTCOPY_COPIES, NULL), 0);
	assert_true(rootcopy_exists(place->dir));
}

static void merges_layers_as_overlayfs_shows_them(void **state)
{
	struct place *place = *state;

	make(place);
	assert_true(has(place->dir, "copy/d/kept"));
	assert_false(has(place->dir, "copy/d/gone"));
	assert_true(has(place->dir, "copy/opaque/new"));
	assert_false(has(place->dir, "copy/opaque/old"));
	assert_true(has(place->dir, "copy/file"));
}

static void finds_nothing_where_nothing_has_changed(void **state)
{
	struct place *place = *state;

	make(place);
	assert_int_equal(rootcopy_fill_upper(place->dir, NULL), 0);
	assert_false(has(place->dir, "upper/d"));
	assert_false(has(place->dir, "upper/file"));
	assert_false(has(place->dir, "upper/opaque"));
}

static void takes_over_what_was_in_upper_already(void **state)
{
	struct place *place = *state;

	put(place->upper, "before", "6");
	assert_int_equal(mknodat(place->upper, "file", S_IFCHR, 0), 0);
	make(place);
	assert_true(has(place->dir, "copy/before"));
	assert_false(has(place->dir, "copy/file"));
	assert_int_equal(rootcopy_fill_upper(place->dir, NULL), 0);
	assert_true(has(place->dir, "upper/before"));
	assert_true(is_whiteout(place->dir, "upper/file"));
}

static void finds_what_was_changed_added_and_removed(void **state)
{
	struct place *place = *state;

	make(place);
	put(place->dir, "copy/d/kept", "changed");
	put(place->dir, "copy/added", "7");
	/* It looks as a whiteout does where the store is on an overlay. */
	assert_int_equal(mknodat(place->dir, "copy/closed", S_IFSOCK, 0), 0);
	assert_int_equal(unlinkat(place->dir, "copy/file", 0), 0);
	assert_int_equal(unlinkat(place->dir, "copy/opaque/new", 0), 0);
	assert_int_equal(unlinkat(place->dir, "copy/opaque", AT_REMOVEDIR), 0);
	put(place->dir, "copy/opaque", "a file now");
	assert_int_equal(rootcopy_fill_upper(place->dir, NULL), 0);
	assert_true(has(place->dir, "upper/d/kept"));
	assert_true(has(place->dir, "upper/added"));
	assert_true(is_whiteout(place->dir, "upper/file"));
	assert_false(has(place->dir, "upper/closed"));
	struct stat st;
	assert_int_equal(fstatat(place->dir, "upper/opaque", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISREG(st.st_mode));
	/* Once marked, all of it is the unchanged state. */
	assert_int_equal(rootcopy_mark(place->dir, NULL), 0);
	assert_int_equal(rootcopy_fill_upper(place->dir, NULL), 0);
	assert_false(has(place->dir, "upper/d"));
	assert_false(has(place->dir, "upper/file"));
}

/* It is a change, which the next layer does not say again; and what the root has is what the layer has. */
static void an_access_list_is_lost_with_the_layer(void **state)
{
	static const char *const copies[] = {"copy/d", "copy/fifo", "copy/file"};
	static const char *const layer[] = {"upper/d", "upper/fifo", "upper/file"};
	struct place *place = *state;

	make(place);
	assert_int_equal(mkfifoat(place->dir, "copy/fifo", 0600), 0);
	if (!give_list(place->dir, "copy/fifo", ACCESS_LIST) || !give_list(place->dir, "copy/file", ACCESS_LIST) ||
	    !give_list(place->dir, "copy/d", DEFAULT_LIST))
		skip();
	assert_int_equal(rootcopy_fill_upper(place->dir, NULL), 0);
	for (size_t i = 0; i < ARRAY_COUNT(copies); i++) {
		struct stat one, other;
		assert_int_equal(fstatat(place->dir, copies[i], &one, AT_SYMLINK_NOFOLLOW), 0);
		assert_int_equal(fstatat(place->dir, layer[i], &other, AT_SYMLINK_NOFOLLOW), 0);
		assert_int_equal(one.st_mode & 07777, i == 0 ? 0755 : ACCESS_LIST_MODE);
		assert_int_equal(other.st_mode, one.st_mode);
		assert_false(has_list(place->dir, copies[i], ACCESS_LIST) ||
			     has_list(place->dir, layer[i], ACCESS_LIST));
		assert_false(has_list(place->dir, copies[i], DEFAULT_LIST) ||
			     has_list(place->dir, layer[i], DEFAULT_LIST));
	}
	assert_int_equal(rootcopy_mark(place->dir, NULL), 0);
	assert_int_equal(rootcopy_fill_upper(place->dir, NULL), 0);
	for (size_t i = 0; i < ARRAY_COUNT(layer); i++)
		assert_false(has(place->dir, layer[i]));
}

/* ---- of links ---- */

static void make_links(struct place *place)
{
	assert_int_equal(rootcopy_make(place->dir, place->lowers, 2, place->upper, ROOTCOPY_LINKS, NULL), 0);
}

static ino_t inode(int dir, const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_ino;
}

static bool is_shared(int dir, const char *path)
{
	cleanup(rootcopy_links_done) struct rootcopy_links links = {0};
	uint64_t ino = inode(dir, path);
	bool found = false;

	assert_int_equal(rootcopy_load_links(dir, &links, NULL), 1);
	for (size_t i = 0; i < links.count; i++) {
		assert_true(i == 0 || links.inodes[i - 1] < links.inodes[i]);
		found = found || links.inodes[i] == ino;
	}
	return found;
}

/* As the supervisor of a translated root does it. */
static void replace(int dir, const char *path, const char *text)
{
	put(dir, "replacement", text);
	assert_int_equal(renameat(dir, "replacement", dir, path), 0);
}

static void shares_the_files_of_layers(void **state)
{
	struct place *place = *state;

	assert_int_equal(linkat(place->lowers[1], "file", place->lowers[1], "d/twin", 0), 0);
	make_links(place);
	assert_int_equal(inode(place->dir, "copy/d/kept"), inode(place->lowers[1], "d/kept"));
	assert_true(is_shared(place->dir, "copy/d/kept"));
	assert_false(has(place->dir, "copy/d/gone"));
	assert_false(has(place->dir, "copy/opaque/old"));
	/* Two names of one file are that in the root, too, and cannot be told apart from those of other roots. */
	assert_int_equal(inode(place->dir, "copy/file"), inode(place->dir, "copy/d/twin"));
	assert_true(inode(place->dir, "copy/file") != inode(place->lowers[1], "file"));
	assert_int_equal(rootcopy_fill_upper(place->dir, NULL), 0);
	assert_false(has(place->dir, "upper/d"));
	assert_false(has(place->dir, "upper/file"));
}

static void a_second_root_knows_two_names_from_two_roots(void **state)
{
	struct place *place = *state;

	assert_int_equal(linkat(place->lowers[1], "file", place->lowers[1], "d/twin", 0), 0);
	make_links(place);
	assert_int_equal(renameat(place->dir, "copy", place->dir, "first"), 0);
	make_links(place);
	assert_int_equal(inode(place->dir, "copy/d/kept"), inode(place->dir, "first/d/kept"));
	assert_int_equal(inode(place->dir, "copy/file"), inode(place->dir, "copy/d/twin"));
	assert_true(inode(place->dir, "copy/file") != inode(place->dir, "first/file"));
}

static void finds_what_was_replaced_moved_and_removed(void **state)
{
	struct place *place = *state;
	struct stat st;

	make_links(place);
	replace(place->dir, "copy/d/kept", "changed");
	assert_int_equal(renameat(place->dir, "copy/file", place->dir, "copy/d/moved"), 0);
	assert_int_equal(unlinkat(place->dir, "copy/opaque/new", 0), 0);
	put(place->dir, "copy/made", "new");
	assert_int_equal(symlinkat("made", place->dir, "copy/link"), 0);
	assert_int_equal(linkat(place->dir, "copy/made", place->dir, "copy/made2", 0), 0);
	assert_int_equal(rootcopy_fill_upper(place->dir, NULL), 0);
	/* What the layer gets is the root's own file, which is shared from now on … */
	assert_int_equal(inode(place->dir, "upper/d/kept"), inode(place->dir, "copy/d/kept"));
	assert_true(is_shared(place->dir, "copy/d/kept"));
	assert_int_equal(inode(place->dir, "upper/d/moved"), inode(place->lowers[1], "file"));
	assert_true(is_whiteout(place->dir, "upper/file"));
	assert_true(is_whiteout(place->dir, "upper/opaque/new"));
	/* … but for one with two names, which stay names of one file on both sides. */
	assert_int_equal(inode(place->dir, "upper/made"), inode(place->dir, "upper/made2"));
	assert_true(inode(place->dir, "upper/made") != inode(place->dir, "copy/made"));
	assert_false(is_shared(place->dir, "copy/made"));
	assert_int_equal(fstatat(place->dir, "upper/link", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(rootcopy_mark(place->dir, NULL), 0);
	assert_int_equal(rootcopy_fill_upper(place->dir, NULL), 0);
	assert_false(has(place->dir, "upper/d"));
	assert_false(has(place->dir, "upper/made"));
	assert_false(has(place->dir, "upper/file"));
}

/* A container that is not marked says all of it again. */
static void finds_the_same_twice(void **state)
{
	struct place *place = *state;

	make_links(place);
	replace(place->dir, "copy/d/kept", "changed");
	assert_int_equal(rootcopy_fill_upper(place->dir, NULL), 0);
	assert_int_equal(rootcopy_fill_upper(place->dir, NULL), 0);
	assert_true(has(place->dir, "upper/d/kept"));
	assert_false(has(place->dir, "upper/file"));
}

static void a_file_of_its_own_is_looked_at_each_time(void **state)
{
	struct place *place = *state;

	make_links(place);
	put(place->dir, "copy/d/one", "1");
	assert_int_equal(linkat(place->dir, "copy/d/one", place->dir, "copy/d/two", 0), 0);
	assert_int_equal(rootcopy_fill_upper(place->dir, NULL), 0);
	assert_int_equal(rootcopy_mark(place->dir, NULL), 0);
	/* Written in place: the directory does not tell. */
	put(place->dir, "copy/d/one", "2");
	assert_int_equal(rootcopy_fill_upper(place->dir, NULL), 0);
	assert_true(has(place->dir, "upper/d/one"));
	assert_true(has(place->dir, "upper/d/two"));
	assert_false(has(place->dir, "upper/d/kept"));
}

static void finds_changes_far_down(void **state)
{
	struct place *place = *state;
	char path[1024] = "copy/d";

	make_links(place);
	for (int i = 0; i < 200; i++) {
		assert_true(strlen(path) + 3 < sizeof(path));
		memcpy(path + strlen(path), "/x", 3);
		assert_int_equal(mkdirat(place->dir, path, 0755), 0);
	}
	assert_int_equal(rootcopy_fill_upper(place->dir, NULL), 0);
	assert_int_equal(rootcopy_mark(place->dir, NULL), 0);
	memcpy(path + strlen(path), "/f", 3);
	put(place->dir, path, "deep");
	assert_int_equal(rootcopy_fill_upper(place->dir, NULL), 0);
	assert_true(has(place->dir, "upper/d/x/x"));
	assert_false(has(place->dir, "upper/d/kept"));
}

static void shares_nothing_once_it_is_its_own(void **state)
{
	struct place *place = *state;

	make_links(place);
	replace(place->dir, "copy/d/kept", "changed");
	assert_int_equal(rootcopy_own(place->dir, NULL), 0);
	assert_true(inode(place->dir, "copy/file") != inode(place->lowers[1], "file"));
	put(place->dir, "copy/file", "written in place");
	struct stat st;
	assert_int_equal(fstatat(place->lowers[1], "file", &st, 0), 0);
	assert_int_equal(st.st_size, 1);
	assert_int_equal(rootcopy_fill_upper(place->dir, NULL), 0);
	assert_true(has(place->dir, "upper/d/kept"));
	assert_true(has(place->dir, "upper/file"));
	assert_false(has(place->dir, "upper/opaque"));
	assert_true(inode(place->dir, "upper/file") != inode(place->dir, "copy/file"));
	/* Also when the root is made again. */
	assert_int_equal(tree_remove(place->dir, "copy", NULL), 0);
	assert_int_equal(tree_remove(place->dir, "upper", NULL), 0);
	fd_close(place->upper);
	place->upper = make_dir(place->dir, "upper");
	make_links(place);
	assert_true(inode(place->dir, "copy/d/kept") != inode(place->lowers[1], "d/kept"));
}

static void refuses_a_damaged_list(void **state)
{
	struct place *place = *state;
	char byte = 'q';

	make_links(place);
	cleanup_close int fd = openat(place->dir, "copy.list", O_RDWR | O_CLOEXEC);
	struct stat st;
	assert_int_equal(fstat(fd, &st), 0);
	/* Every byte once: an error or a list, never more. */
	for (off_t at = 0; at < st.st_size; at++) {
		char before;
		assert_int_equal(pread(fd, &before, 1, at), 1);
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		int rc = rootcopy_fill_upper(place->dir, NULL);
		assert_true(rc == 0 || rc == -EINVAL);
		assert_int_equal(pwrite(fd, &before, 1, at), 1);
	}
	assert_int_equal(ftruncate(fd, st.st_size / 2), 0);
	assert_int_equal(rootcopy_fill_upper(place->dir, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(merges_layers_as_overlayfs_shows_them, set_up, tear_down),
		cmocka_unit_test_setup_teardown(finds_nothing_where_nothing_has_changed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(takes_over_what_was_in_upper_already, set_up, tear_down),
		cmocka_unit_test_setup_teardown(finds_what_was_changed_added_and_removed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_access_list_is_lost_with_the_layer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(shares_the_files_of_layers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_second_root_knows_two_names_from_two_roots, set_up, tear_down),
		cmocka_unit_test_setup_teardown(finds_what_was_replaced_moved_and_removed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(finds_the_same_twice, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_file_of_its_own_is_looked_at_each_time, set_up, tear_down),
		cmocka_unit_test_setup_teardown(finds_changes_far_down, set_up, tear_down),
		cmocka_unit_test_setup_teardown(shares_nothing_once_it_is_its_own, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refuses_a_damaged_list, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
