/* Keys, records, and what is remembered of a context's files. */
#include "builder/build_cache.h"
#include "builder/build_gotext.h"
#include "builder/build_memo.h"
#include "builder/build_selection.h"
#include "tests/unit/imagefmt/tempstore.h"

#include <errno.h>
#include <sys/xattr.h>
#include <time.h>

static struct digest key_of(void (*fill)(struct build_key *key))
{
	cleanup(build_key_done) struct build_key key = BUILD_KEY_INIT;
	struct digest digest;

	fill(&key);
	assert_int_equal(build_key_finish(&key, &digest, NULL), 0);
	return digest;
}

static void one_text(struct build_key *key)
{
	build_key_text(key, "a", "b\nc 1:d");
}

static void two_texts(struct build_key *key)
{
	build_key_text(key, "a", "b");
	build_key_text(key, "c", "d");
}

static void no_text(struct build_key *key)
{
	build_key_text(key, "a", NULL);
}

static void empty_text(struct build_key *key)
{
	build_key_text(key, "a", "");
}

static void many_texts(struct build_key *key)
{
	for (int i = 0; i < 50000; i++)
		build_key_number(key, "number", (uint64_t)i);
}

static void values_cannot_be_mistaken_for_each_other(void **state)
{
	const struct digest digests[] = {key_of(one_text), key_of(two_texts), key_of(no_text), key_of(empty_text)};

	for (size_t i = 0; i < ARRAY_COUNT(digests); i++)
		for (size_t k = 0; k < i; k++)
			assert_false(digest_equal(&digests[i], &digests[k]));
}

static void a_long_key_is_the_same_each_time(void **state)
{
	const struct digest one = key_of(many_texts), other = key_of(many_texts);

	assert_true(digest_equal(&one, &other));
}

static void a_record_comes_back_and_one_without_a_layer_does_not(void **state)
{
	struct tempstore *t = *state;
	struct build_record record = {.size = 12, .created = 34}, read = {0};
	const struct digest key = key_of(one_text);

	record.diff_id = key_of(two_texts);
	assert_int_equal(build_cache_peek(t->store, &key, &read, NULL), -ENOENT);
	assert_int_equal(build_cache_save(t->store, &key, &record, "RUN make", NULL), 0);
	assert_int_equal(build_cache_peek(t->store, &key, &read, NULL), 0);
	assert_true(digest_equal(&read.diff_id, &record.diff_id));
	assert_int_equal(read.size, 12);
	assert_int_equal(read.created, 34);
	assert_int_equal(build_cache_load(t->store, &key, &read, NULL), -ENOENT);
	struct digest *layers = NULL;
	size_t count = 0;
	assert_int_equal(build_cache_layers(t->store, &layers, &count, NULL), 0);
	assert_int_equal(count, 1);
	assert_true(digest_equal(&layers[0], &record.diff_id));
	free(layers);
	assert_int_equal(build_cache_clear(t->store, NULL), 0);
	assert_int_equal(build_cache_peek(t->store, &key, &read, NULL), -ENOENT);
}

/* ---- selections ---- */

static void put(int dir, const char *path, const char *text)
{
	cleanup_close int fd = openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_int_equal(fd_write_all(fd, text, strlen(text), NULL), 0);
}

static int context_of(struct tempstore *t)
{
	cleanup_free char *path = mem_printf("%s/context", t->dir);

	assert_int_equal(mkdir(path, 0755), 0);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(fd, "d", 0755), 0);
	put(fd, "a", "1");
	put(fd, "d/b", "2");
	return fd;
}

static struct digest select_from(int root, const char *source, struct build_memo *memo, bool git_modes)
{
	cleanup(build_key_done) struct build_key key = BUILD_KEY_INIT;
	cleanup(strlist_done) struct strlist sources = {0};
	const struct build_selection selection = {
		.root = root, .sources = &sources, .memo = memo, .git_modes = git_modes};
	struct digest digest;

	strlist_append(&sources, source);
	assert_int_equal(build_selection_add(&selection, &key, NULL), 0);
	assert_int_equal(build_key_finish(&key, &digest, NULL), 0);
	return digest;
}

static void a_selection_knows_names_modes_and_contents_but_not_times(void **state)
{
	struct tempstore *t = *state;
	cleanup_close int root = context_of(t);
	const struct timespec old[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
	const struct digest first = select_from(root, ".", NULL, false);

	utimensat(root, "a", old, 0);
	struct digest now = select_from(root, ".", NULL, false);
	assert_true(digest_equal(&first, &now));
	fchmodat(root, "a", 0600, 0);
	now = select_from(root, ".", NULL, false);
	assert_false(digest_equal(&first, &now));
	const struct digest by_git = select_from(root, ".", NULL, true);
	fchmodat(root, "a", 0644, 0);
	now = select_from(root, ".", NULL, true);
	assert_true(digest_equal(&by_git, &now));
	put(root, "d/b", "3");
	now = select_from(root, ".", NULL, false);
	assert_false(digest_equal(&first, &now));
	const struct digest file = select_from(root, "a", NULL, false);
	put(root, "other", "x");
	now = select_from(root, "/x/../a", NULL, false);
	assert_true(digest_equal(&file, &now));
}

static void a_missing_source_is_named(void **state)
{
	struct tempstore *t = *state;
	cleanup_close int root = context_of(t);
	cleanup(build_key_done) struct build_key key = BUILD_KEY_INIT;
	cleanup(strlist_done) struct strlist sources = {0};
	cleanup(ignore_rules_done) struct ignore_rules rules = {0};
	struct build_selection selection = {.root = root, .sources = &sources};
	cleanup_error struct error *error = NULL;

	strlist_append(&sources, "none");
	assert_int_equal(build_selection_add(&selection, &key, &error), -ENOENT);
	assert_string_equal(error_message(error), "\"/none\": not found");
	error_clear(&error);
	strlist_clear(&sources);
	strlist_append(&sources, "none*");
	assert_int_equal(build_selection_add(&selection, &key, NULL), 0);
	strlist_clear(&sources);
	strlist_append(&sources, "a");
	assert_int_equal(ignore_rules_add(&rules, "a", NULL), 0);
	selection.ignore = &rules;
	assert_int_equal(build_selection_add(&selection, &key, NULL), -ENOENT);
}

/* ---- memos ---- */

static struct digest digest_of_file(struct build_memo *memo, int root, const char *name)
{
	struct digest digest;
	struct stat st;

	assert_int_equal(fstatat(root, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(build_memo_file(memo, root, name, &st, &digest, NULL), 0);
	return digest;
}

/* Longer than a tick of the kernel's coarse clock. */
static void wait_a_tick(void)
{
	const struct timespec tick = {.tv_nsec = 20 * 1000 * 1000};

	nanosleep(&tick, NULL);
}

static void a_file_is_remembered_until_it_changes(void **state)
{
	struct tempstore *t = *state;
	cleanup_close int root = context_of(t);

	wait_a_tick();
	struct build_memo *memo = build_memo_open(t->store, root);
	const struct digest first = digest_of_file(memo, root, "a");
	digest_of_file(memo, root, "d/b");
	build_memo_close(memo);
	/* What cannot be read must have been remembered: unless we are root, who can read all. */
	fchmodat(root, "d/b", 0, 0);
	memo = build_memo_open(t->store, root);
	struct digest again = digest_of_file(memo, root, "a");
	assert_true(digest_equal(&first, &again));
	put(root, "a", "9");
	again = digest_of_file(memo, root, "a");
	assert_false(digest_equal(&first, &again));
	build_memo_close(memo);
	fchmodat(root, "d/b", 0644, 0);
}

static void a_file_that_was_just_written_is_read_again(void **state)
{
	struct tempstore *t = *state;
	cleanup_close int root = context_of(t);

	put(root, "a", "x");
	struct build_memo *memo = build_memo_open(t->store, root);
	const struct digest first = digest_of_file(memo, root, "a");
	/* The same size, and if we are quick the same time. */
	put(root, "a", "y");
	const struct digest second = digest_of_file(memo, root, "a");
	assert_false(digest_equal(&first, &second));
	build_memo_close(memo);
	memo = build_memo_open(t->store, root);
	const struct digest third = digest_of_file(memo, root, "a");
	assert_true(digest_equal(&second, &third));
	build_memo_close(memo);
}

static off_t size_of_memo(const struct tempstore *t, int root, const struct timespec *used)
{
	struct stat st;
	int cache = store_folder(t->store, STORE_CACHE, NULL);

	assert_int_equal(fstat(root, &st), 0);
	cleanup_free char *name =
		mem_printf("contexts/%llx-%llx", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	if (used) {
		const struct timespec times[2] = {*used, *used};
		assert_int_equal(utimensat(cache, name, times, 0), 0);
	}
	return fstatat(cache, name, &st, 0) < 0 ? -1 : st.st_size;
}

static void a_large_memo_forgets_files_that_are_gone(void **state)
{
	struct tempstore *t = *state;
	cleanup_close int root = context_of(t);
	enum { MANY = 17000 };

	for (int i = 0; i < MANY; i++) {
		cleanup_free char *name = mem_printf("d/%d", i);
		put(root, name, "");
	}
	wait_a_tick();
	struct build_memo *memo = build_memo_open(t->store, root);
	for (int i = 0; i < MANY; i++) {
		cleanup_free char *name = mem_printf("d/%d", i);
		digest_of_file(memo, root, name);
	}
	build_memo_close(memo);
	off_t large = size_of_memo(t, root, NULL);
	/* One known file and a new one: the rest is not there any more, for all that we see. */
	memo = build_memo_open(t->store, root);
	const struct digest known = digest_of_file(memo, root, "d/5");
	const struct digest new = digest_of_file(memo, root, "a");
	build_memo_close(memo);
	assert_true(size_of_memo(t, root, NULL) < large / 100);
	memo = build_memo_open(t->store, root);
	struct digest again = digest_of_file(memo, root, "d/5");
	assert_true(digest_equal(&known, &again));
	again = digest_of_file(memo, root, "a");
	assert_true(digest_equal(&new, &again));
	build_memo_close(memo);
}

static void memos_that_are_not_used_are_swept(void **state)
{
	struct tempstore *t = *state;
	cleanup_close int root = context_of(t);
	cleanup_close int below = openat(root, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const time_t now = time(NULL);
	const struct timespec old = {.tv_sec = now - (BUILD_MEMO_DAYS + 1) * 24 * 60 * 60};
	uint64_t bytes = 0;

	wait_a_tick();
	struct build_memo *memo = build_memo_open(t->store, root);
	digest_of_file(memo, root, "a");
	build_memo_close(memo);
	assert_true(size_of_memo(t, root, &old) > 0);
	/* Used again, without anything to learn: it counts as new. */
	memo = build_memo_open(t->store, root);
	digest_of_file(memo, root, "a");
	build_memo_close(memo);
	assert_int_equal(build_memo_sweep(t->store, now, &bytes, NULL), 0);
	assert_int_equal(bytes, 0);
	/* Another context is new. */
	off_t size = size_of_memo(t, root, &old);
	memo = build_memo_open(t->store, below);
	digest_of_file(memo, below, "b");
	build_memo_close(memo);
	assert_int_equal(size_of_memo(t, root, NULL), -1);
	assert_int_equal(size_of_memo(t, below, &old), size);
	assert_int_equal(build_memo_sweep(t->store, now, &bytes, NULL), 0);
	assert_int_equal(bytes, size);
}

/* ---- Go's words ---- */

static void durations_are_written_as_go_does(void **state)
{
	static const struct {
		int64_t nanoseconds;
		const char *text;
	} rows[] = {
		{0, "0s"},
		{1, "1ns"},
		{1100, "1.1µs"},
		{300000000, "300ms"},
		{1500000000, "1.5s"},
		{90000000000, "1m30s"},
		{3600000000000, "1h0m0s"},
		{3661001000000, "1h1m1.001s"},
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		cleanup(buf_done) struct buf text = BUF_INIT(100);
		gotext_duration(rows[i].nanoseconds, &text);
		assert_string_equal(buf_str(&text), rows[i].text);
	}
}

static void texts_are_quoted_as_go_does(void **state)
{
	cleanup(buf_done) struct buf text = BUF_INIT(200);
	cleanup(strlist_done) struct strlist list = {0};

	strlist_append(&list, "a\"\\\n\x01\x7f");
	strlist_append(&list, "é\xff");
	strlist_append(&list, "");
	gotext_quoted_list(&list, &text);
	assert_string_equal(buf_str(&text), "[\"a\\\"\\\\\\n\\x01\\x7f\" \"é\\xff\" \"\"]");
}

/* A record of the layer `name`, with a key of its own. */
static struct digest save_step(struct store *store, const char *name, const char *key_name)
{
	struct build_record record = {.size = 1};
	struct digest key;

	assert_int_equal(digest_of(name, strlen(name), &record.diff_id, NULL), 0);
	assert_int_equal(digest_of(key_name, strlen(key_name), &key, NULL), 0);
	assert_int_equal(build_cache_save(store, &key, &record, /* text */ NULL, NULL), 0);
	return key;
}

static size_t count_among(struct store *store, const char *const *layers, size_t count)
{
	cleanup_free struct digest *asked = mem_alloc(count * sizeof(*asked));
	cleanup_free struct digest *kept = NULL;
	size_t found = 0, kept_count = 0;

	for (size_t i = 0; i < count; i++)
		assert_int_equal(digest_of(layers[i], strlen(layers[i]), &asked[i], NULL), 0);
	assert_int_equal(build_cache_layers_among(store, asked, count, &kept, &kept_count, NULL), 0);
	for (size_t i = 0; i < count; i++) {
		bool is_kept = false;
		for (size_t k = 0; k < kept_count; k++)
			is_kept |= digest_equal(&asked[i], &kept[k]);
		found += is_kept;
	}
	return found;
}

static void the_layers_that_records_keep_are_known_without_reading_all_records(void **state)
{
	struct tempstore *t = *state;
	static const char *const asked[] = {"one", "two", "three"};
	cleanup_free char *notes = tempstore_path(t, "store/cache/step-layers");

	assert_int_equal(count_among(t->store, asked, 3), 0);
	struct digest first = save_step(t->store, "one", "first");
	struct digest second = save_step(t->store, "one", "second");
	struct digest third = save_step(t->store, "two", "third");
	for (int again = 0; again < 2; again++) {
		assert_int_equal(count_among(t->store, asked, 3), 2);
		assert_int_equal(unlink(notes), 0); /* it is made anew */
	}
	/* Records that are gone, or are another layer's now, keep nothing. */
	assert_int_equal(build_cache_forget(t->store, &first, NULL), 0);
	assert_int_equal(count_among(t->store, asked, 3), 2);
	assert_int_equal(build_cache_forget(t->store, &second, NULL), 0);
	assert_int_equal(count_among(t->store, asked, 3), 1);
	save_step(t->store, "three", "third");
	assert_int_equal(count_among(t->store, asked, 3), 1);
	assert_int_equal(build_cache_forget(t->store, &third, NULL), 0);
	assert_int_equal(count_among(t->store, asked, 3), 0);
	assert_int_equal(build_cache_clear(t->store, NULL), 0);
	save_step(t->store, "two", "third");
	assert_int_equal(access(notes, F_OK), 0);
	assert_int_equal(count_among(t->store, asked, 3), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_cannot_be_mistaken_for_each_other),
		cmocka_unit_test(a_long_key_is_the_same_each_time),
		cmocka_unit_test_setup_teardown(a_record_comes_back_and_one_without_a_layer_does_not, tempstore_setup,
						tempstore_teardown),
		cmocka_unit_test_setup_teardown(a_selection_knows_names_modes_and_contents_but_not_times,
						tempstore_setup, tempstore_teardown),
		cmocka_unit_test_setup_teardown(a_missing_source_is_named, tempstore_setup, tempstore_teardown),
		cmocka_unit_test_setup_teardown(a_file_is_remembered_until_it_changes, tempstore_setup,
						tempstore_teardown),
		cmocka_unit_test_setup_teardown(a_file_that_was_just_written_is_read_again, tempstore_setup,
						tempstore_teardown),
		cmocka_unit_test_setup_teardown(a_large_memo_forgets_files_that_are_gone, tempstore_setup,
						tempstore_teardown),
		cmocka_unit_test_setup_teardown(memos_that_are_not_used_are_swept, tempstore_setup, tempstore_teardown),
		cmocka_unit_test(durations_are_written_as_go_does),
		cmocka_unit_test(texts_are_quoted_as_go_does),
		test_with_store(the_layers_that_records_keep_are_known_without_reading_all_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
