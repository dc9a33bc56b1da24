/* An overlay that has a pile in the place of its members shows the same, whatever lies below it. */
#include "imagefmt/layer_pile.h"

#include "tests/unit/imagefmt/tempstore.h"

#include <errno.h>
#include <sys/xattr.h>

#include "base/ovlmark.h"
#include "imagefmt/layer_internal.h"
#include "imagefmt/vouch.h"

#define LAYERS 6

static uint32_t seed;

static uint32_t dice(uint32_t sides)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % sides;
}

/* A layer with a record, and an empty tree; its descriptor. */
static int make_layer(struct tempstore *t, const char *name, uint64_t size)
{
	struct layer_record record = {.size = size};
	int layers = store_folder(t->store, STORE_LAYERS, NULL);
	cleanup_free char *tree = mem_printf("%s/fs", name);

	assert_int_equal(digest_of(name, strlen(name), &record.diff_id, NULL), 0);
	assert_int_equal(mkdirat(layers, name, 0700), 0);
	assert_int_equal(mkdirat(layers, tree, 0755), 0);
	assert_int_equal(layer_record_save(layers, name, &record, NULL), 0);
	int fd = openat(layers, tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static int open_layer(struct tempstore *t, const char *name)
{
	cleanup_free char *tree = mem_printf("%s/fs", name);
	int fd = fd_open_dir(store_folder(t->store, STORE_LAYERS, NULL), tree, NULL);

	assert_true(fd >= 0);
	return fd;
}

static void put_file(int dirfd, const char *path, const char *text)
{
	cleanup_close int fd = openat(dirfd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text), NULL), 0);
}

static int put_dir(int dirfd, const char *path, bool is_opaque)
{
	assert_int_equal(mkdirat(dirfd, path, 0755), 0);
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	if (is_opaque)
		assert_int_equal(ovlmark_set_opaque(fd, NULL), 0);
	return fd;
}

static void set_attribute(int fd, const char *name, uint32_t value)
{
	assert_int_equal(fsetxattr(fd, name, &value, sizeof(value), 0), 0);
}

static const char *const names[] = {"a", "b", "c"};

/* Some of the names, as all kinds of things. */
static void fill(int dir, unsigned depth)
{
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		uint32_t kind = dice(depth ? 9 : 5);
		if (kind == 1)
			assert_int_equal(ovlmark_make_whiteout(dir, names[i], NULL), 0);
		else if (kind == 2)
			assert_int_equal(symlinkat("a/b", dir, names[i]), 0);
		else if (kind == 3)
			put_file(dir, names[i], names[dice(3)]);
		else if (kind > 4) {
			cleanup_close int made = put_dir(dir, names[i], kind == 5);
			fill(made, depth - 1);
			if (dice(2))
				set_attribute(made, dice(2) ? "user.one" : "user.two", dice(3));
			const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1000 + dice(100), .tv_nsec = 7}};
			assert_int_equal(fchmod(made, 0700 + dice(64)), 0);
			assert_int_equal(futimens(made, times), 0);
		}
	}
}

/* ---- what is seen ---- */

/* What these trees, topmost first, show at a path, as words. */
static char *look(const int *trees, size_t count, const char *path)
{
	for (size_t i = 0; i < count; i++) {
		cleanup_close int fd = -1;
		struct stat st;
		char proc[FD_PROC_PATH_SIZE], attribute[2][4] = {{0}}, link[16] = "";
		enum lower_verdict verdict = lower_find(trees[i], path, &fd);
		if (verdict == LOWER_SAYS_NOTHING)
			continue;
		if (verdict == LOWER_HIDES_IT)
			return mem_strdup("nothing");
		assert_int_equal(fstat(fd, &st), 0);
		if (ovlmark_is_whiteout(&st))
			return mem_strdup("nothing");
		fd_proc_path(fd, proc);
		ssize_t one = getxattr(proc, "user.one", attribute[0], 4),
			two = getxattr(proc, "user.two", attribute[1], 4);
		if (S_ISLNK(st.st_mode))
			assert_true(readlinkat(fd, "", link, sizeof(link) - 1) > 0);
		return mem_printf("%o %u:%u %lld.%ld %lld %d.%zd%.*s.%zd%.*s.%s", st.st_mode, st.st_uid, st.st_gid,
				  (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
				  S_ISDIR(st.st_mode) ? 0LL : (long long)st.st_size,
				  S_ISDIR(st.st_mode) ? 0 : (int)st.st_nlink, one, 1, attribute[0], two, 1,
				  attribute[1], link);
	}
	return mem_strdup("nothing");
}

static void compare(const int *these, size_t count, const int *those, size_t other_count, const char *above,
		    unsigned depth)
{
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		cleanup_free char *path = mem_printf("%s%s%s", above, *above ? "/" : "", names[i]);
		cleanup_free char *one = look(these, count, path);
		cleanup_free char *other = look(those, other_count, path);
		if (strcmp(one, other) != 0)
			fail_msg("%s is '%s' and '%s'", path, one, other);
		if (depth)
			compare(these, count, those, other_count, path, depth - 1);
	}
}

/* What a directory that is no other tree's has of whiteouts, the kernel lists. */
static int hides_something(const struct tree_entry *entry, void *context, struct error **err)
{
	cleanup_free char *seen = look(context, 1, entry->path);

	if (ovlmark_is_whiteout(entry->st) && strcmp(seen, "nothing") == 0)
		fail_msg("the whiteout '%s' hides nothing", entry->path);
	return 0;
}

/* ---- the tests ---- */

#define DEPTH 3

static void an_overlay_shows_the_same_with_a_pile_as_with_its_members(void **state)
{
	struct tempstore *t = *state;

	for (unsigned round = 0; round < 40; round++) {
		struct pile_member members[LAYERS];
		cleanup_free char *below_name = mem_printf("below-%u", round);
		cleanup_free char *pile_name = NULL;
		char name[LAYERS][32];
		int plain[LAYERS + 1], piled[2];
		seed = round;
		for (size_t i = 0; i < LAYERS; i++) {
			snprintf(name[i], sizeof(name[i]), "layer-%u-%zu", round, i);
			members[i] = (struct pile_member){name[i], make_layer(t, name[i], 100)};
			fill(members[i].tree, DEPTH);
			plain[LAYERS - 1 - i] = members[i].tree;
		}
		plain[LAYERS] = make_layer(t, below_name, 100);
		fill(plain[LAYERS], DEPTH);
		const struct pile_member below = {below_name, plain[LAYERS]};
		assert_int_equal(
			layer_pile_make(t->store, &(struct pile){members, LAYERS, &below, 1}, &pile_name, NULL), 0);
		piled[0] = open_layer(t, pile_name);
		piled[1] = plain[LAYERS];
		compare(plain, LAYERS + 1, piled, 2, "", DEPTH);
		assert_true(tree_walk(piled[0], hides_something, NULL, &piled[1], NULL) >= 0);
		fd_close(piled[0]);
		for (size_t i = 0; i <= LAYERS; i++)
			fd_close(plain[i]);
	}
}

static bool has(struct tempstore *t, const char *pile, const char *path)
{
	cleanup_free char *whole = mem_printf("%s/fs/%s", pile, path);

	return faccessat(store_folder(t->store, STORE_LAYERS, NULL), whole, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void a_whiteout_stays_where_it_hides_something_below(void **state)
{
	struct tempstore *t = *state;
	struct pile_member members[2] = {{"one", make_layer(t, "one", 100)}, {"two", make_layer(t, "two", 100)}};
	struct pile_member below = {"below", make_layer(t, "below", 100)};
	cleanup_free char *alone = NULL, *over = NULL;

	for (size_t i = 0; i < 2; i++) {
		const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1000}};
		cleanup_close int dir = put_dir(members[i].tree, "dir", /* is_opaque */ false);
		cleanup_close int opaque = put_dir(members[i].tree, "opaque", /* is_opaque */ i == 0);
		for (size_t k = 0; i == 0 && k < 2; k++)
			put_file(k ? opaque : dir, "x", "");
		for (size_t k = 0; i == 1 && k < 2; k++)
			assert_int_equal(ovlmark_make_whiteout(k ? opaque : dir, "x", NULL), 0);
		assert_int_equal(futimens(dir, times), 0);
	}
	fd_close(put_dir(below.tree, "dir", /* is_opaque */ false));
	fd_close(put_dir(below.tree, "opaque", /* is_opaque */ false));
	put_file(below.tree, "dir/x", "");
	put_file(below.tree, "opaque/x", "");
	assert_int_equal(layer_pile_make(t->store, &(struct pile){members, 2, NULL, 0}, &alone, NULL), 0);
	assert_int_equal(layer_pile_make(t->store, &(struct pile){members, 2, &below, 1}, &over, NULL), 0);
	assert_false(has(t, alone, "dir/x"));
	assert_true(has(t, over, "dir/x"));
	assert_false(has(t, over, "opaque/x"));
	cleanup_close int tree = open_layer(t, alone);
	struct stat st;
	assert_int_equal(fstatat(tree, "dir", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, 1000);
	for (size_t i = 0; i < 2; i++)
		fd_close(members[i].tree);
	fd_close(below.tree);
}

static void what_a_copy_would_show_otherwise_is_no_pile(void **state)
{
	struct tempstore *t = *state;
	struct pile_member members[2] = {{"one", make_layer(t, "one", 100)}, {"two", make_layer(t, "two", 100)}};
	cleanup_free char *name = NULL;

	put_file(members[0].tree, "file", "text");
	assert_int_equal(linkat(members[0].tree, "file", members[0].tree, "again", 0), 0);
	assert_int_equal(layer_pile_make(t->store, &(struct pile){members, 2, NULL, 0}, &name, NULL), -EOPNOTSUPP);
	assert_int_equal(unlinkat(members[0].tree, "again", 0), 0);
	assert_int_equal(mkfifoat(members[1].tree, "pipe", 0600), 0);
	assert_int_equal(layer_pile_make(t->store, &(struct pile){members, 2, NULL, 0}, &name, NULL), -EOPNOTSUPP);
	assert_null(name);
	for (size_t i = 0; i < 2; i++)
		fd_close(members[i].tree);
}

static void only_small_layers_without_anything_beside_them_are_taken(void **state)
{
	struct tempstore *t = *state;
	struct pile_member small = {"small", make_layer(t, "small", 1000)};
	struct pile_member large = {"large", make_layer(t, "large", 1 << 20)};

	assert_true(layer_pile_takes(t->store, &small));
	assert_false(layer_pile_takes(t->store, &large));
	cleanup_free char *owners = tempstore_path(t, "store/layers/small/owners");
	write_file(owners, "", 0);
	assert_false(layer_pile_takes(t->store, &small));
	assert_int_equal(unlink(owners), 0);
	assert_int_equal(fchmod(small.tree, 0700), 0);
	assert_false(layer_pile_takes(t->store, &small));
	fd_close(small.tree);
	fd_close(large.tree);
}

static void it_goes_with_one_of_its_members(void **state)
{
	struct tempstore *t = *state;
	struct pile_member members[2] = {{"one", make_layer(t, "one", 100)}, {"two", make_layer(t, "two", 100)}};
	cleanup(strlist_done) struct strlist trash = {0};
	cleanup(strlist_done) struct strlist gone = {0};
	cleanup_free char *name = NULL, *again = NULL, *anew = NULL;

	assert_int_equal(layer_pile_make(t->store, &(struct pile){members, 2, NULL, 0}, &name, NULL), 0);
	/* Made once. */
	assert_int_equal(layer_pile_make(t->store, &(struct pile){members, 2, NULL, 0}, &again, NULL), 0);
	assert_string_equal(name, again);
	strlist_append(&gone, "three");
	assert_int_equal(layer_piles_take_away(t->store, &gone, &trash, NULL), 0);
	assert_int_equal(layer_piles_take_away(t->store, /* gone */ NULL, &trash, NULL), 0);
	assert_int_equal(trash.count, 0);
	strlist_append(&gone, "two");
	assert_int_equal(layer_piles_take_away(t->store, &gone, &trash, NULL), 0);
	assert_int_equal(trash.count, 1);
	assert_int_equal(faccessat(store_folder(t->store, STORE_LAYERS, NULL), name, F_OK, 0), -1);
	assert_int_equal(layer_pile_make(t->store, &(struct pile){members, 2, NULL, 0}, &anew, NULL), 0);
	cleanup_free char *member = tempstore_path(t, "store/layers/one");
	cleanup_free char *aside = tempstore_path(t, "aside");
	assert_int_equal(rename(member, aside), 0);
	assert_int_equal(layer_piles_take_away(t->store, /* gone */ NULL, &trash, NULL), 0);
	assert_int_equal(trash.count, 2);
	for (size_t i = 0; i < 2; i++)
		fd_close(members[i].tree);
}

static void of_a_layer_that_goes_meanwhile_no_pile_stays(void **state)
{
	struct tempstore *t = *state;
	struct pile_member members[2] = {{"one", make_layer(t, "one", 100)}, {"two", make_layer(t, "two", 100)}};
	cleanup_free char *member = tempstore_path(t, "store/layers/one");
	cleanup_free char *aside = tempstore_path(t, "aside");
	cleanup_free char *name = NULL;

	put_file(members[0].tree, "file", "text");
	assert_int_equal(rename(member, aside), 0);
	assert_int_equal(layer_pile_make(t->store, &(struct pile){members, 2, NULL, 0}, &name, NULL), -ESTALE);
	/* Nor when it is there again by then. */
	fd_close(make_layer(t, "one", 100));
	assert_int_equal(layer_pile_make(t->store, &(struct pile){members, 2, NULL, 0}, &name, NULL), -ESTALE);
	assert_null(name);
	assert_int_equal(tree_remove(store_folder(t->store, STORE_LAYERS, NULL), "one", NULL), 0);
	assert_int_equal(rename(aside, member), 0);
	assert_int_equal(layer_pile_make(t->store, &(struct pile){members, 2, NULL, 0}, &name, NULL), 0);
	for (size_t i = 0; i < 2; i++)
		fd_close(members[i].tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_store(an_overlay_shows_the_same_with_a_pile_as_with_its_members),
		test_with_store(a_whiteout_stays_where_it_hides_something_below),
		test_with_store(what_a_copy_would_show_otherwise_is_no_pile),
		test_with_store(only_small_layers_without_anything_beside_them_are_taken),
		test_with_store(it_goes_with_one_of_its_members),
		test_with_store(of_a_layer_that_goes_meanwhile_no_pile_stays),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
