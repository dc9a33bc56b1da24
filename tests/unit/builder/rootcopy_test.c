/* A root without overlay: what is merged, and that the difference is found again. */
#include "builder/rootcopy.h"

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
#include "base/ovlmark.h"
#include "base/tree.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(merges_layers_as_overlayfs_shows_them, set_up, tear_down),
		cmocka_unit_test_setup_teardown(finds_nothing_where_nothing_has_changed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(takes_over_what_was_in_upper_already, set_up, tear_down),
		cmocka_unit_test_setup_teardown(finds_what_was_changed_added_and_removed, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
