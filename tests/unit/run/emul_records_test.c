/* run/emul_records.c */
#include "tests/unit/run/fake_caller.h"

static int open_of(struct fake *fake, const char *name)
{
	int fd = openat(fake->dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void a_record_that_says_nothing_is_none(void **state)
{
	struct fake *fake = *state;
	cleanup_close int file = open_of(fake, "file"), link = open_of(fake, "link");
	const struct owner_record user = {.uid = 1, .gid = 2}, root = {0};
	struct owner_record found;

	assert_false(emul_record_find(fake->e, file, &found));
	assert_int_equal(emul_record_set(fake->e, file, &user), 0);
	assert_int_equal(emul_record_set(fake->e, link, &user), 0);
	assert_true(emul_record_find(fake->e, file, &found));
	assert_int_equal(found.gid, 2);
	assert_true(emul_record_find(fake->e, link, &found));
	assert_int_equal(emul_record_set(fake->e, file, &root), 0);
	assert_int_equal(emul_record_set(fake->e, link, &root), 0);
	assert_false(emul_record_find(fake->e, file, &found));
	assert_false(emul_record_find(fake->e, link, &found));
}

/* An attribute travels with the file, and what carries none is in a table. */
static void a_file_carries_its_record_and_a_link_does_not(void **state)
{
	struct fake *fake = *state;
	cleanup_close int file = open_of(fake, "file"), link = open_of(fake, "link");
	const struct owner_record user = {.uid = 1, .gid = 2};
	struct owner_record found;

	assert_int_equal(emul_record_set(fake->e, file, &user), 0);
	assert_int_equal(owner_get(file, &found, NULL), 0);
	assert_int_equal(fake->e->kept.count + fake->owners.count, 0);
	assert_int_equal(emul_record_set(fake->e, link, &user), 0);
	assert_true(fake->e->kept.count + fake->owners.count > 0);
	assert_int_equal(owner_get(link, &found, NULL), -ENODATA);
}

static void who_gets_the_number_of_a_removed_link_does_not_inherit(void **state)
{
	struct fake *fake = *state;
	struct owner_record found;

	fake_give(fake, "link", 5, 6);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(unlinkat(fake->dir, "link", 0), 0);
		assert_int_equal(symlinkat("other", fake->dir, "link"), 0);
		assert_false(fake_record(fake, "link", &found));
	}
}

static void a_plain_descriptor_is_known_as_one(void **state)
{
	struct fake *fake = *state;
	const struct trap trap = {.tid = fake->pid};

	assert_true(emul_fd_is_plain(fake->e, &trap, fake->file_fd));
	assert_false(emul_fd_is_plain(fake->e, &trap, -1));
	assert_false(emul_fd_is_plain(fake->e, &trap, 999));
	fake_give(fake, "file", 5, 6);
	assert_false(emul_fd_is_plain(fake->e, &trap, fake->file_fd));
	assert_true(emul_fd_is_plain(fake->e, &trap, fake->dir_fd));
	/* With a table there may be more than an attribute says, but of what is known already. */
	fake_give(fake, "link", 5, 6);
	assert_true(emul_fd_is_plain(fake->e, &trap, fake->dir_fd));
	fake_give(fake, "file", 0, 0);
	assert_false(emul_fd_is_plain(fake->e, &trap, fake->file_fd));
	fake_give(fake, ".", 5, 6);
	assert_false(emul_fd_is_plain(fake->e, &trap, fake->dir_fd));
}

static bool nowhere(void *context, const char *path, struct emulation_place *place)
{
	return false;
}

static void what_no_file_system_has_is_plain(void **state)
{
	struct fake *fake = *state;
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	const struct trap trap = {.tid = getpid()};
	assert_true(emul_fd_is_plain(fake->e, &trap, ends[0]));
	cleanup_close int status = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	assert_true(emul_fd_is_plain(fake->e, &trap, status));
	/* A FIFO of the tree may have a record in its table, when that has any. */
	assert_int_equal(mkfifoat(fake->dir, "fifo", 0600), 0);
	cleanup_close int fifo = openat(fake->dir, "fifo", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(emul_fd_is_plain(fake->e, &trap, fifo));
	fake_give(fake, "link", 5, 6);
	assert_false(emul_fd_is_plain(fake->e, &trap, fifo));
	fake_give(fake, "link", 0, 0);
	assert_true(emul_fd_is_plain(fake->e, &trap, fifo));
	/* Of several trees each has a table. */
	fake->e->options.find_place = nowhere;
	assert_false(emul_fd_is_plain(fake->e, &trap, fifo));
	assert_false(emul_fd_is_plain(fake->e, &trap, ends[0]));
	assert_true(emul_fd_is_plain(fake->e, &trap, status));
	close(ends[0]);
	close(ends[1]);
}

static void a_new_thing_is_its_makers_or_its_directorys_groups(void **state)
{
	struct fake *fake = *state;
	cleanup_close int dir = open_of(fake, "dir");
	struct owner_record owner;

	fake_become(fake, 100, 200);
	const struct credentials *c = fake_task(fake)->credentials;
	assert_int_equal(emul_new_owner(fake->e, c, dir, &owner), 0);
	assert_int_equal(owner.uid, 100);
	assert_int_equal(owner.gid, 200);
	assert_int_equal(fchmodat(fake->dir, "dir", 02755, 0), 0);
	assert_int_equal(emul_new_owner(fake->e, c, dir, &owner), 0);
	assert_int_equal(owner.gid, 0);
	fake_give(fake, "dir", 7, 8);
	assert_int_equal(emul_new_owner(fake->e, c, dir, &owner), 0);
	assert_int_equal(owner.uid, 100);
	assert_int_equal(owner.gid, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(a_record_that_says_nothing_is_none),
		FAKE_TEST(a_file_carries_its_record_and_a_link_does_not),
		FAKE_TEST(who_gets_the_number_of_a_removed_link_does_not_inherit),
		FAKE_TEST(a_plain_descriptor_is_known_as_one),
		FAKE_TEST(what_no_file_system_has_is_plain),
		FAKE_TEST(a_new_thing_is_its_makers_or_its_directorys_groups),
	};

	FAKE_MAIN(tests);
}
