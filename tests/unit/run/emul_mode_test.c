/* run/emul_mode.c, run/emul_unmapped.c and run/emul_kept.c: a session where no user namespace has made us root. */
#include "tests/unit/run/fake_caller.h"

#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <sys/xattr.h>

#define HERE ((uint64_t)(uint32_t)AT_FDCWD)

/* All of the caller's directory is a tree of the store's, but what is in "elsewhere". */
static bool find_place(void *context, const char *path, struct emulation_place *place)
{
	struct fake *fake = context;

	if (!strstr(path, "cooper-unit.") || strstr(path, "/elsewhere"))
		return false;
	*place = (struct emulation_place){.owners = &fake->owners, .upper = -1, .path = path};
	return true;
}

static int set_up(void **state)
{
	if (fake_set_up(state) < 0)
		return -1;
	struct fake *fake = *state;
	fake->e->options.scope = EMULATE_IDS_AND_MOVES;
	fake->e->options.without_namespace = true;
	fake->e->options.find_place = find_place;
	fake->e->options.place_context = fake;
	cleanup(credentials_free) struct credentials *root =
		credentials_new(0, 0, NULL, 0, FAKE_CAPS | UINT64_C(1) << CAP_FOWNER);
	tasks_free(fake->e->tasks);
	fake->e->tasks = tasks_new(fake->pid, root);
	return mkdirat(fake->dir, "elsewhere", 0755);
}

#define SESSION_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fake_tear_down)

static mode_t shown_mode(struct fake *fake, const char *name)
{
	cleanup_close int fd = openat(fake->dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	bool is_recorded;

	assert_true(fd >= 0);
	assert_int_equal(emul_stat(fake->e, fd, &st, &is_recorded), 0);
	return st.st_mode & 07777;
}

static void a_mode_that_would_shut_us_out_is_written_down(void **state)
{
	struct fake *fake = *state;
	struct owner_record record;

	assert_returns(CALL(fake, emul_chmod, fake_text(fake, "link"), 0444), 0);
	assert_int_equal(fake_mode(fake, "file"), S_IFREG | 0644);
	assert_int_equal(shown_mode(fake, "file"), 0444);
	assert_returns(CALL(fake, emul_fchmodat, (uint64_t)fake->dir_fd, fake_text(fake, "dir"), 02050), 0);
	assert_int_equal(fake_mode(fake, "dir"), S_IFDIR | 02750);
	assert_int_equal(shown_mode(fake, "dir"), 02050);
	assert_returns(CALL(fake, emul_fchmod, (uint64_t)fake->file_fd, 04711), 0);
	assert_int_equal(fake_mode(fake, "file"), S_IFREG | 04711);
	assert_false(fake_record(fake, "file", &record));
}

static void a_mode_leaves_the_owner_and_an_owner_the_mode(void **state)
{
	struct fake *fake = *state;

	fake_give(fake, "file", 5, 6);
	assert_returns(CALL(fake, emul_chmod, fake_text(fake, "file"), 0), 0);
	assert_owner(fake, "file", 5, 6);
	assert_returns(CALL(fake, emul_lchown, fake_text(fake, "file"), 7, 8), 0);
	assert_owner(fake, "file", 7, 8);
	assert_int_equal(shown_mode(fake, "file"), 0);
	assert_returns(CALL(fake, emul_fchmodat2, HERE, fake_text(fake, "file"), 0640, AT_SYMLINK_NOFOLLOW), 0);
	assert_owner(fake, "file", 7, 8);
	assert_int_equal(shown_mode(fake, "file"), 0640);
}

static void elsewhere_modes_are_the_kernels(void **state)
{
	struct fake *fake = *state;
	struct owner_record record = {.uid = 3, .gid = 4, .mode = OWNER_HAS_MODE | 0444};

	cleanup_close int fd = openat(fake->dir, "elsewhere/f", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(emul_record_set(fake->e, fd, &record), 0);
	assert_continues(CALL(fake, emul_chmod, fake_text(fake, "elsewhere/f"), 0400));
	assert_int_equal(fake_mode(fake, "elsewhere/f"), S_IFREG | 0644);
	/* What was written down is not to win over what the kernel does now. */
	assert_true(fake_record(fake, "elsewhere/f", &record));
	assert_int_equal(record.mode, 0);
	assert_int_equal(record.uid, 3);
}

static void who_may_not_change_a_mode_does_not(void **state)
{
	struct fake *fake = *state;

	assert_continues(CALL(fake, emul_fchmod, (uint64_t)fake->path_fd, 0444));
	assert_continues(CALL(fake, emul_fchmodat2, HERE, fake_text(fake, "link"), 0444, AT_SYMLINK_NOFOLLOW));
	assert_continues(CALL(fake, emul_chmod, fake_text(fake, "none"), 0444));
	fake_become(fake, 33, 44);
	assert_returns(CALL(fake, emul_chmod, fake_text(fake, "file"), 0444), -EPERM);
	fake_give(fake, "file", 33, 6);
	/* Not of its group. */
	assert_returns(CALL(fake, emul_chmod, fake_text(fake, "file"), 02755), 0);
	assert_int_equal(shown_mode(fake, "file"), 0755);
}

static void what_is_made_shut_is_open_to_us(void **state)
{
	struct fake *fake = *state;

	struct answer answer =
		CALL(fake, emul_openat, HERE, fake_text(fake, "made"), O_CREAT | O_EXCL | O_WRONLY, 0444);
	assert_int_equal(answer.kind, ANSWER_FD);
	close(answer.fd);
	assert_int_equal(fake_mode(fake, "made"), S_IFREG | 0640); /* the caller's umask is 027 */
	assert_int_equal(shown_mode(fake, "made"), 0440);
	assert_returns(CALL(fake, emul_mkdirat, HERE, fake_text(fake, "closed"), 0), 0);
	assert_int_equal(fake_mode(fake, "closed"), S_IFDIR | 0700);
	assert_int_equal(shown_mode(fake, "closed"), 0);
	/* All else is made by the kernel. */
	assert_continues(CALL(fake, emul_openat, HERE, fake_text(fake, "plain"), O_CREAT | O_WRONLY, 0666));
	assert_continues(CALL(fake, emul_mkdirat, HERE, fake_text(fake, "elsewhere/closed"), 0));
	assert_returns(CALL(fake, emul_mknodat, HERE, fake_text(fake, "mark"), S_IFCHR, 0), -EPERM);
	assert_continues(CALL(fake, emul_mknodat, HERE, fake_text(fake, "elsewhere/mark"), S_IFCHR, 0));
}

static void what_is_ours_is_roots_and_all_else_nobodys(void **state)
{
	struct fake *fake = *state;
	struct stat *st = fake_room(fake, sizeof(*st));
	struct statx *stx = fake_room(fake, sizeof(*stx));

	fake->e->shows_others = true;
	assert_returns(CALL(fake, emul_stat_call, fake_text(fake, "file"), ADDRESS(st)), 0);
	assert_int_equal(st->st_uid, 0);
	assert_int_equal(st->st_size, 4);
	if (fchownat(fake->dir, "dir", 1, 1, 0) == 0) { /* where there is a second id */
		assert_returns(CALL(fake, emul_statx, HERE, fake_text(fake, "dir"), 0, STATX_BASIC_STATS, ADDRESS(stx)),
			       0);
		assert_int_equal(stx->stx_uid, 65534);
		assert_int_equal(stx->stx_gid, 65534);
	}
	struct stat proc;
	assert_int_equal(stat("/proc", &proc), 0);
	fake->e->proc_device = proc.st_dev;
	assert_continues(CALL(fake, emul_stat_call, fake_text(fake, "/proc/self/stat"), ADDRESS(st)));
}

static void an_access_list_gives_the_mode(void **state)
{
	struct fake *fake = *state;
	struct {
		struct posix_acl_xattr_header head;
		struct posix_acl_xattr_entry entries[3];
	} list = {
		.head = {POSIX_ACL_XATTR_VERSION},
		.entries = {{ACL_USER_OBJ, 0, ACL_UNDEFINED_ID},
			    {ACL_GROUP_OBJ, 05, ACL_UNDEFINED_ID},
			    {ACL_OTHER, 04, ACL_UNDEFINED_ID}},
	};
	uint64_t name = fake_text(fake, "system.posix_acl_access");
	uint64_t value = fake_put(fake, &list, sizeof(list));

	fake_give(fake, "file", 5, 6);
	assert_returns(CALL(fake, emul_fsetxattr, (uint64_t)fake->file_fd, name, value, sizeof(list), 0), 0);
	assert_int_equal(shown_mode(fake, "file"), 054);
	assert_int_equal(fake_mode(fake, "file"), S_IFREG | 0654);
	assert_owner(fake, "file", 5, 6);
	assert_continues(CALL(fake, emul_fremovexattr, (uint64_t)fake->file_fd, name));
}

static void names_that_an_overlay_would_obey_are_data(void **state)
{
	struct fake *fake = *state;
	uint64_t name = fake_text(fake, "user.overlay.opaque");
	char *value = fake_room(fake, 16);
	char kept[16];

	assert_returns(CALL(fake, emul_setxattr, fake_text(fake, "dir"), name, fake_text(fake, "y"), 1, 0), 0);
	cleanup_close int dir = openat(fake->dir, "dir", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fgetxattr(dir, "user.overlay.opaque", kept, sizeof(kept)), -1);
	assert_returns(CALL(fake, emul_getxattr, fake_text(fake, "dir"), name, ADDRESS(value), 16), 1);
	assert_int_equal(*value, 'y');
	assert_returns(CALL(fake, emul_listxattr, fake_text(fake, "dir"), ADDRESS(value), 0),
		       (int)sizeof("user.overlay.opaque"));
	assert_returns(CALL(fake, emul_removexattr, fake_text(fake, "dir"), name), 0);
	assert_returns(CALL(fake, emul_getxattr, fake_text(fake, "dir"), name, ADDRESS(value), 16), -ENODATA);
	assert_continues(CALL(fake, emul_setxattr, fake_text(fake, "elsewhere"), name, fake_text(fake, "y"), 1, 0));
	assert_continues(CALL(fake, emul_setxattr, fake_text(fake, "dir"), fake_text(fake, "user.a"), 0, 0, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SESSION_TEST(a_mode_that_would_shut_us_out_is_written_down),
		SESSION_TEST(a_mode_leaves_the_owner_and_an_owner_the_mode),
		SESSION_TEST(elsewhere_modes_are_the_kernels),
		SESSION_TEST(who_may_not_change_a_mode_does_not),
		SESSION_TEST(what_is_made_shut_is_open_to_us),
		SESSION_TEST(what_is_ours_is_roots_and_all_else_nobodys),
		SESSION_TEST(an_access_list_gives_the_mode),
		SESSION_TEST(names_that_an_overlay_would_obey_are_data),
	};

	FAKE_MAIN(tests);
}
