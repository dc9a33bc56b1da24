/* A tar that was made ahead of the walk is taken where it is the tree's, and else made anew: the layer is the same. */
#include "tests/unit/imagefmt/tartree.h"

#include "base/owner.h"
#include "imagefmt/packahead.h"

#define SECONDS 1600000000

static struct pack_ahead *new_ahead(void)
{
	struct pack_ahead *ahead = NULL;

	assert_int_equal(pack_ahead_new(/* clamp_mtime */ -1, /* set_mtime */ false, &ahead, NULL), 0);
	return ahead;
}

static void set_time(int dirfd, const char *path)
{
	const struct timespec times[2] = {{.tv_sec = SECONDS}, {.tv_sec = SECONDS}};

	assert_int_equal(utimensat(dirfd, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

/* Of a file that is ours, as the walk shows it. */
static struct tar_entry entry_at(const char *path, enum tar_type type, mode_t mode, uint64_t size)
{
	struct stat own = {.st_uid = getuid(), .st_gid = getgid()};

	owner_see(&own);
	return (struct tar_entry){.path = path,
				  .type = type,
				  .mode = mode,
				  .uid = own.st_uid,
				  .gid = own.st_gid,
				  .size = size,
				  .mtime = SECONDS};
}

static void say(struct pack_ahead *ahead, const char *path, enum tar_type type, mode_t mode, uint64_t size)
{
	const struct tar_entry entry = entry_at(path, type, mode, size);

	pack_ahead_entry(ahead, &entry);
}

/* Fills as much as is wanted. */
static void give(struct pack_ahead *ahead, const char *data, size_t size)
{
	size_t room_size;
	char *room;

	while (size > 0 && (room = pack_ahead_room(ahead, &room_size)) != NULL) {
		size_t part = size < room_size ? size : room_size;
		memcpy(room, data, part);
		pack_ahead_filled(ahead, part);
		data += part;
		size -= part;
	}
}

static void make_file(int dirfd, const char *path, const char *data, size_t size)
{
	cleanup_close int fd = openat(dirfd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, 0644), 0);
	assert_int_equal(fd_write_all(fd, data, size, NULL), 0);
	set_time(dirfd, path);
}

static void make_dir(int dirfd, const char *path)
{
	assert_int_equal(mkdirat(dirfd, path, 0755), 0);
	assert_int_equal(fchmodat(dirfd, path, 0755, 0), 0);
}

/* With `ahead` (may be NULL). */
static struct pack_result finish(int root, struct pack_ahead *ahead)
{
	const struct normalise_options options = {.clamp_mtime = -1, .ahead = ahead};
	struct pack_result result;
	cleanup_error struct error *error = NULL;

	if (pack_finish(root, &options, &result, &error) < 0)
		fail_msg("%s", error_message(error));
	return result;
}

static void assert_is_walk(int root, const struct pack_result *result)
{
	struct pack_result walked;

	assert_int_equal(pack_tree(root, /* owners */ NULL, /* sink */ NULL, NULL, &walked, NULL), 0);
	assert_true(digest_equal(&walked.diff_id, &result->diff_id));
	assert_int_equal(walked.size, result->size);
	assert_int_equal(walked.entries, result->entries);
}

/* A tree and what is said of it: "b" with files of many sizes, and what sorts around a directory of that name. */
static void make_tree(int root, struct pack_ahead *ahead)
{
	static const size_t sizes[] = {0, 1, 511, 512, 513, 70000, (size_t)3 << 20};
	cleanup_free char *data = mem_alloc((size_t)3 << 20);

	make_dir(root, "b");
	say(ahead, "b", TAR_DIRECTORY, 0755, 0);
	for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
		cleanup_free char *path = mem_printf("b/%zu", i);
		memset(data, 'a' + (int)i, sizes[i]);
		make_file(root, path, data, sizes[i]);
		say(ahead, path, TAR_FILE, 0644, sizes[i]);
		give(ahead, data, sizes[i]);
	}
	set_time(root, "b");
	make_file(root, "b-c", "x", 1);
	say(ahead, "b-c", TAR_FILE, 0644, 1);
	give(ahead, "x", 1);
	assert_int_equal(symlinkat("b", root, "c"), 0);
	set_time(root, "c");
	struct tar_entry link = entry_at("c", TAR_SYMLINK, 0777, 0);
	link.link = "b";
	pack_ahead_entry(ahead, &link);
	assert_int_equal(linkat(root, "b-c", root, "d", 0), 0);
	struct tar_entry hard = entry_at("d", TAR_HARDLINK, 0644, 0);
	hard.link = "b-c";
	pack_ahead_entry(ahead, &hard);
}

static void what_was_said_is_taken_without_reading(void **state)
{
	struct tartree *t = *state;
	cleanup(pack_ahead_free) struct pack_ahead *ahead = new_ahead();

	make_tree(t->root, ahead);
	assert_true(pack_ahead_is_on(ahead));
	struct pack_result result = finish(t->root, ahead);
	assert_is_walk(t->root, &result);
	/* The same headers, and nobody has looked behind them. */
	cleanup(pack_ahead_free) struct pack_ahead *blind = new_ahead();
	say(blind, "f", TAR_FILE, 0644, 1);
	give(blind, "x", 1);
	cleanup_close int other = -1;
	make_dir(t->dirfd, "other");
	other = fd_open_dir(t->dirfd, "other", NULL);
	make_file(other, "f", "y", 1);
	struct pack_result seen = finish(other, NULL), unseen = finish(other, blind);
	assert_false(digest_equal(&seen.diff_id, &unseen.diff_id));
}

static void any_other_header_is_packed_by_the_walk(void **state)
{
	struct tartree *t = *state;

	for (int wrong = 0; wrong < 6; wrong++) {
		cleanup(pack_ahead_free) struct pack_ahead *ahead = new_ahead();
		struct tar_entry entry =
			entry_at(wrong == 0 ? "other" : "f", wrong == 1 ? TAR_FIFO : TAR_FILE, wrong == 2 ? 0600 : 0644,
				 wrong == 1   ? 0
				 : wrong == 3 ? 2
					      : 3);
		entry.mtime += wrong == 4;
		entry.uid += wrong == 5;
		make_file(t->root, "f", "abc", 3);
		pack_ahead_entry(ahead, &entry);
		give(ahead, "abc", 3);
		struct pack_result result = finish(t->root, ahead);
		assert_is_walk(t->root, &result);
		assert_false(pack_ahead_is_on(ahead));
	}
}

static void what_was_not_said_is_packed_by_the_walk(void **state)
{
	struct tartree *t = *state;
	cleanup(pack_ahead_free) struct pack_ahead *ahead = new_ahead();

	make_tree(t->root, ahead);
	make_file(t->root, "z", "one more", 8);
	struct pack_result result = finish(t->root, ahead);
	assert_is_walk(t->root, &result);
}

static void a_file_that_came_short_is_packed_by_the_walk(void **state)
{
	struct tartree *t = *state;
	cleanup(pack_ahead_free) struct pack_ahead *ahead = new_ahead();

	make_file(t->root, "f", "abc", 3);
	say(ahead, "f", TAR_FILE, 0644, 3);
	give(ahead, "ab", 2);
	struct pack_result result = finish(t->root, ahead);
	assert_is_walk(t->root, &result);
	/* Nor may anything follow it. */
	cleanup(pack_ahead_free) struct pack_ahead *again = new_ahead();
	say(again, "f", TAR_FILE, 0644, 3);
	give(again, "ab", 2);
	say(again, "g", TAR_FILE, 0644, 0);
	assert_false(pack_ahead_is_on(again));
}

static void another_order_than_the_walks_is_given_up(void **state)
{
	static const char *const pairs[][2] = {{"b", "a"}, {"b-c", "b/x"}, {"b/x", "b"}, {"a", "a"}, {"b.c", "b/x/y"}};

	for (size_t i = 0; i < ARRAY_COUNT(pairs); i++) {
		cleanup(pack_ahead_free) struct pack_ahead *ahead = new_ahead();
		say(ahead, pairs[i][0], TAR_FILE, 0644, 0);
		say(ahead, pairs[i][1], TAR_FILE, 0644, 0);
		assert_false(pack_ahead_is_on(ahead));
		cleanup(pack_ahead_free) struct pack_ahead *right = new_ahead();
		if (i == 3)
			continue;
		say(right, pairs[i][1], TAR_FILE, 0644, 0);
		say(right, pairs[i][0], TAR_FILE, 0644, 0);
		assert_true(pack_ahead_is_on(right));
	}
}

static void times_are_clamped_as_the_walk_does(void **state)
{
	struct tartree *t = *state;

	for (int set = 0; set < 2; set++) {
		int64_t limit = set ? SECONDS + 100 : SECONDS - 100;
		struct pack_ahead *made = NULL;
		assert_int_equal(pack_ahead_new(limit, set, &made, NULL), 0);
		cleanup(pack_ahead_free) struct pack_ahead *ahead = made;
		make_file(t->root, "f", "abc", 3);
		say(ahead, "f", TAR_FILE, 0644, 3);
		give(ahead, "abd", 3); /* to see which of the two it was */
		const struct normalise_options options = {.clamp_mtime = limit, .set_mtime = set, .ahead = ahead};
		struct pack_result result, walked;
		assert_int_equal(pack_finish(t->root, &options, &result, NULL), 0);
		assert_int_equal(pack_tree(t->root, NULL, NULL, NULL, &walked, NULL), 0);
		assert_false(digest_equal(&result.diff_id, &walked.diff_id));
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, tartree_setup, tartree_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_was_said_is_taken_without_reading),   T(any_other_header_is_packed_by_the_walk),
		T(what_was_not_said_is_packed_by_the_walk),  T(a_file_that_came_short_is_packed_by_the_walk),
		T(another_order_than_the_walks_is_given_up), T(times_are_clamped_as_the_walk_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
