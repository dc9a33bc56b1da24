#include "tests/unit/base/scratch.h"

#include <errno.h>
#include <sys/xattr.h>

#include "base/ovlmark.h"

static void makes_whiteouts_that_it_knows_again(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	struct stat st;

	assert_int_equal(ovlmark_make_whiteout(dir.fd, "gone", NULL), 0);
	assert_int_equal(fstatat(dir.fd, "gone", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(ovlmark_is_whiteout(&st));
	assert_int_equal(stat("/dev/null", &st), 0);
	assert_false(ovlmark_is_whiteout(&st));
	assert_int_equal(ovlmark_make_whiteout(dir.fd, "gone", NULL), -EEXIST);
	/* As they are in a tree on an overlay; a socket that somebody may open is one. */
	assert_int_equal(mknodat(dir.fd, "closed", S_IFSOCK, 0), 0);
	assert_int_equal(fstatat(dir.fd, "closed", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(ovlmark_is_whiteout(&st));
	assert_int_equal(mknodat(dir.fd, "open", S_IFSOCK | 0600, 0), 0);
	assert_int_equal(fstatat(dir.fd, "open", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_false(ovlmark_is_whiteout(&st));
	assert_true(ovlmark_kernel_reads(dir.fd));
}

static void marks_a_directory_opaque_through_a_path_descriptor(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	cleanup_close int fd = open(dir.path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	assert_false(ovlmark_is_opaque(fd));
	assert_int_equal(ovlmark_clear_opaque(fd, NULL), 0);
	assert_int_equal(ovlmark_set_opaque(fd, NULL), 0);
	assert_true(ovlmark_is_opaque(fd));
	assert_int_equal(ovlmark_clear_opaque(fd, NULL), 0);
	assert_false(ovlmark_is_opaque(fd));
	assert_int_equal(setxattr(dir.path, "user.overlay.opaque", "yes", 3, 0), 0);
	assert_false(ovlmark_is_opaque(fd));
}

static void tells_data_from_bookkeeping(void **state)
{
	static const struct {
		const char *name;
		enum ovlmark_xattr kind;
	} cases[] = {
		{"user.mime", OVLMARK_PLAIN},
		{"user.overlayx", OVLMARK_PLAIN},
		{"security.capability", OVLMARK_PLAIN},
		{"user.overlay.opaque", OVLMARK_KERNEL},
		{"user.overlay.", OVLMARK_KERNEL},
		{"trusted.overlay.origin", OVLMARK_KERNEL},
		{"user.cooper.o", OVLMARK_KERNEL},
		{"user.overlay.overlay.opaque", OVLMARK_ESCAPED},
		{"user.cooper.cooper.o", OVLMARK_ESCAPED},
		{"trusted.overlay.overlay.origin", OVLMARK_ESCAPED},
	};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
		assert_int_equal(ovlmark_classify(cases[i].name), cases[i].kind);
}

static void keeps_data_under_a_name_that_means_nothing_and_gives_it_back(void **state)
{
	static const char *const names[] = {
		"user.mime",
		"user.overlay.opaque",
		"user.overlay.overlay.opaque",
		"user.overlay.overlay",
		"user.cooper.o",
		"user.cooper.cooper.o",
		"user.overlay.",
		"trusted.overlay.opaque",
		"trusted.overlay.overlay.opaque",
		"security.capability",
	};

	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		cleanup_free char *kept = ovlmark_escape(names[i]);
		cleanup_free char *back = ovlmark_unescape(kept);
		assert_int_not_equal(ovlmark_classify(kept), OVLMARK_KERNEL);
		assert_string_equal(back, names[i]);
	}
	cleanup_free char *kept = ovlmark_escape("user.overlay.opaque");
	assert_string_equal(kept, "user.overlay.overlay.opaque");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_whiteouts_that_it_knows_again),
		cmocka_unit_test(marks_a_directory_opaque_through_a_path_descriptor),
		cmocka_unit_test(tells_data_from_bookkeeping),
		cmocka_unit_test(keeps_data_under_a_name_that_means_nothing_and_gives_it_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
