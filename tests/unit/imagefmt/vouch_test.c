/* Which records of ownership count. */
#include "imagefmt/vouch.h"

#include "base/fd.h"
#include "base/ovlmark.h"
#include "tests/unit/imagefmt/tartree.h"

#include <fcntl.h>
#include <sys/stat.h>

static const struct owner_record disk = {.mode = S_IFBLK | 0660, .major = 8, .minor = 3};
static const struct owner_record other = {.mode = S_IFBLK | 0666, .major = 8, .minor = 3};

static void record_at(int dirfd, const char *path, const struct owner_record *record)
{
	cleanup_close int fd = openat(dirfd, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(owner_set(fd, record, NULL), 0);
}

static void the_topmost_layer_that_has_the_path_decides(void **state)
{
	struct tartree *t = *state;

	if (!has_whiteouts(t) || !has_user_xattrs(t))
		skip();
	assert_int_equal(mkdirat(t->dirfd, "high", 0755), 0);
	assert_int_equal(mkdirat(t->dirfd, "low", 0755), 0);
	cleanup_close int high = fd_open_dir(t->dirfd, "high", NULL);
	cleanup_close int low = fd_open_dir(t->dirfd, "low", NULL);
	const int lowers[] = {high, low};
	const struct vouchers vouchers = {.lowers = lowers, .lower_count = 2, .notes = -1};
	assert_int_equal(mkdirat(low, "dev", 0755), 0);
	record_at(low, "dev/seen", &disk);
	record_at(low, "dev/gone", &disk);
	assert_int_equal(mkdirat(high, "dev", 0755), 0);
	assert_int_equal(ovlmark_make_whiteout(high, "dev/gone", NULL), 0);

	assert_true(vouch_check(&vouchers, "dev/seen", &disk));
	assert_false(vouch_check(&vouchers, "dev/seen", &other));
	assert_false(vouch_check(&vouchers, "dev/gone", &disk));
	assert_false(vouch_check(&vouchers, "seen", &disk));
	assert_false(vouch_check(&vouchers, "dev/seen/below", &disk));
	assert_false(vouch_check(&vouchers, "", &disk));
	cleanup_close int opaque = fd_open_dir(high, "dev", NULL);
	assert_int_equal(ovlmark_set_opaque(opaque, NULL), 0);
	assert_false(vouch_check(&vouchers, "dev/seen", &disk));
}

static void a_note_counts_for_its_path_and_its_last_record(void **state)
{
	struct tartree *t = *state;
	const struct vouchers vouchers = {.notes = t->dirfd};

	if (!has_user_xattrs(t))
		skip();
	assert_false(vouch_check(&vouchers, "../a", &disk));
	assert_int_equal(vouch_note(t->dirfd, "../a", &disk, NULL), 0);
	assert_true(vouch_check(&vouchers, "../a", &disk));
	assert_false(vouch_check(&vouchers, "a", &disk));
	assert_int_equal(vouch_note(t->dirfd, "../a", &other, NULL), 0);
	assert_false(vouch_check(&vouchers, "../a", &disk));
	assert_true(vouch_check(&vouchers, "../a", &other));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_topmost_layer_that_has_the_path_decides, tartree_setup,
						tartree_teardown),
		cmocka_unit_test_setup_teardown(a_note_counts_for_its_path_and_its_last_record, tartree_setup,
						tartree_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
