/* A file that was read is known by what stat(2) says of it: asked for in a directory that has no such file, it is not
 * read. */
#include "builder/build_memo.h"

#include "tests/unit/imagefmt/tempstore.h"

#include <errno.h>
#include <time.h>

#include "builder/build_question.h"

#define COUNT 200

static int open_dir(const struct tempstore *t, const char *name)
{
	cleanup_free char *path = tempstore_path(t, name);

	assert_int_equal(mkdir(path, 0755), 0);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/* Writes it, as of an hour ago. */
static void put(int dirfd, const char *name, const char *text, struct stat *st)
{
	const struct timespec then = {.tv_sec = time(NULL) - 3600};
	cleanup_close int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text), NULL), 0);
	assert_int_equal(futimens(fd, (const struct timespec[2]){then, then}), 0);
	assert_int_equal(fstat(fd, st), 0);
}

/* What has changed in this tick of the clock is not trusted: ctime cannot be set back. */
static void let_it_be_old(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
}

static void one_build_reads_a_file_once(void **state)
{
	struct tempstore *t = *state;
	cleanup_close int files = open_dir(t, "files");
	cleanup_close int none = open_dir(t, "none");
	cleanup(build_memo_close) struct build_memo *memo = build_memo_open(t->store, files);
	struct digest first[COUNT], again;
	struct stat st[COUNT];
	char name[16];

	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "%d", i);
		put(files, name, name, &st[i]);
	}
	let_it_be_old();
	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "%d", i);
		assert_int_equal(build_memo_file(memo, files, name, &st[i], &first[i], NULL), 0);
	}
	for (int i = COUNT; i-- > 0;) {
		snprintf(name, sizeof(name), "%d", i);
		assert_int_equal(build_memo_file(memo, none, name, &st[i], &again, NULL), 0);
		assert_true(digest_equal(&again, &first[i]));
		assert_int_equal(digest_of(name, strlen(name), &again, NULL), 0);
		assert_true(digest_equal(&again, &first[i]));
	}
}

static void the_next_build_knows_it(void **state)
{
	struct tempstore *t = *state;
	cleanup_close int files = open_dir(t, "files");
	cleanup_close int none = open_dir(t, "none");
	struct digest first, again;
	struct stat st;

	put(files, "a", "text", &st);
	let_it_be_old();
	struct build_memo *memo = build_memo_open(t->store, files);
	assert_int_equal(build_memo_file(memo, files, "a", &st, &first, NULL), 0);
	build_memo_close(memo);
	memo = build_memo_open(t->store, files);
	assert_int_equal(build_memo_file(memo, none, "a", &st, &again, NULL), 0);
	assert_true(digest_equal(&again, &first));
	build_memo_close(memo);
}

static void what_has_changed_is_read_again(void **state)
{
	struct tempstore *t = *state;
	cleanup_close int files = open_dir(t, "files");
	cleanup_close int none = open_dir(t, "none");
	cleanup(build_memo_close) struct build_memo *memo = build_memo_open(t->store, files);
	struct digest digest, wanted;
	struct stat st;

	put(files, "a", "text", &st);
	let_it_be_old();
	assert_int_equal(build_memo_file(memo, files, "a", &st, &digest, NULL), 0);
	put(files, "a", "longer text", &st);
	assert_int_equal(build_memo_file(memo, none, "a", &st, &digest, NULL), -ENOENT);
	let_it_be_old();
	assert_int_equal(build_memo_file(memo, files, "a", &st, &digest, NULL), 0);
	assert_int_equal(digest_of("longer text", strlen("longer text"), &wanted, NULL), 0);
	assert_true(digest_equal(&digest, &wanted));
	assert_int_equal(build_memo_file(memo, none, "a", &st, &digest, NULL), 0);
	assert_true(digest_equal(&digest, &wanted));
}

static void what_may_change_without_a_trace_is_not_believed(void **state)
{
	struct tempstore *t = *state;
	cleanup_close int files = open_dir(t, "files");
	cleanup_close int none = open_dir(t, "none");
	cleanup(build_memo_close) struct build_memo *memo = build_memo_open(t->store, files);
	const struct timespec later = {.tv_sec = time(NULL) + 3600};
	struct digest digest;
	struct stat st;

	put(files, "a", "text", &st);
	assert_int_equal(utimensat(files, "a", (const struct timespec[2]){later, later}, 0), 0);
	assert_int_equal(fstatat(files, "a", &st, 0), 0);
	assert_int_equal(build_memo_file(memo, files, "a", &st, &digest, NULL), 0);
	assert_int_equal(build_memo_file(memo, none, "a", &st, &digest, NULL), -ENOENT);
}

/* What is swept before it may change errno. */
static void where_none_was_ever_written_there_is_nothing_to_sweep(void **state)
{
	struct tempstore *t = *state;
	struct digest question;
	uint64_t bytes = 0;

	assert_int_equal(build_memo_sweep(t->store, time(NULL), &bytes, NULL), 0);
	assert_int_equal(digest_of("q", 1, &question, NULL), 0);
	build_question_note(t->store, &question);
	errno = 0;
	assert_int_equal(build_memo_sweep(t->store, time(NULL), &bytes, NULL), 0);
	assert_true(build_question_is_known(t->store, &question, time(NULL)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_store(one_build_reads_a_file_once),
		test_with_store(the_next_build_knows_it),
		test_with_store(what_has_changed_is_read_again),
		test_with_store(what_may_change_without_a_trace_is_not_believed),
		test_with_store(where_none_was_ever_written_there_is_nothing_to_sweep),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
