#include "imagefmt/blob.h"

#include "tests/unit/imagefmt/tempstore.h"

#include <errno.h>

static void what_was_put_is_read_again(void **state)
{
	struct tempstore *t = *state;
	struct digest digest;
	uint64_t size = 0;
	cleanup(buf_done) struct buf text = BUF_INIT(100);
	assert_int_equal(blob_put(t->store, "hello", 5, &digest, NULL), 0);
	assert_int_equal(blob_put(t->store, "hello", 5, NULL, NULL), 0);
	assert_true(blob_exists(t->store, &digest, &size));
	assert_int_equal(size, 5);
	assert_int_equal(blob_read(t->store, &digest, 5, &text, NULL), 0);
	assert_string_equal(buf_str(&text), "hello");
	assert_int_equal(blob_read(t->store, &digest, 4, &text, NULL), -EFBIG);
	assert_int_equal(blob_remove(t->store, &digest, NULL), 0);
	assert_false(blob_exists(t->store, &digest, NULL));
	assert_int_equal(blob_open(t->store, &digest, NULL, NULL), -ENOENT);
	assert_int_equal(blob_remove(t->store, &digest, NULL), -ENOENT);
}

static void an_empty_blob_is_a_blob(void **state)
{
	struct tempstore *t = *state;
	struct digest digest;
	cleanup(buf_done) struct buf text = BUF_INIT(100);
	assert_int_equal(blob_put(t->store, "", 0, &digest, NULL), 0);
	assert_int_equal(blob_read(t->store, &digest, 100, &text, NULL), 0);
	assert_int_equal(text.len, 0);
}

static void bytes_that_were_changed_on_disk_are_noticed(void **state)
{
	struct tempstore *t = *state;
	struct digest digest;
	char hex[DIGEST_HEX_SIZE];
	cleanup(buf_done) struct buf text = BUF_INIT(100);
	assert_int_equal(blob_put(t->store, "hello", 5, &digest, NULL), 0);
	cleanup_free char *path = mem_printf("%s/store/oci/blobs/sha256/%s", t->dir, digest_hex(&digest, hex));
	write_file(path, "hullo", 5);
	assert_int_equal(blob_read(t->store, &digest, 100, &text, NULL), -EBADMSG);
	assert_int_equal(text.len, 0);
}

static int write_as(struct store *store, const struct digest *want, uint64_t size, const char *data)
{
	cleanup(blob_writer_free) struct blob_writer *w = NULL;
	int rc = blob_writer_new(store, want, size, &w, NULL);
	if (rc == 0)
		rc = blob_writer_write(w, data, strlen(data), NULL);
	if (rc == 0)
		rc = blob_writer_commit(w, NULL, NULL, NULL);
	return rc;
}

static void a_wrong_size_or_digest_leaves_nothing(void **state)
{
	struct tempstore *t = *state;
	struct digest want;
	assert_int_equal(digest_of("hello", 5, &want, NULL), 0);
	assert_int_equal(write_as(t->store, &want, 5, "hullo"), -EBADMSG);
	assert_int_equal(write_as(t->store, &want, 6, "hello"), -EBADMSG);
	assert_int_equal(write_as(t->store, &want, 4, "hello"), -EFBIG);
	assert_int_equal(write_as(t->store, &want, BLOB_SIZE_UNKNOWN, "hello "), -EBADMSG);
	assert_false(blob_exists(t->store, &want, NULL));
	assert_int_equal(write_as(t->store, &want, 5, "hello"), 0);
	assert_true(blob_exists(t->store, &want, NULL));
}

static void a_download_starts_anew_after_a_restart(void **state)
{
	struct tempstore *t = *state;
	struct digest want, got;
	uint64_t size = 0;
	cleanup(blob_writer_free) struct blob_writer *w = NULL;
	assert_int_equal(digest_of("hello", 5, &want, NULL), 0);
	assert_int_equal(blob_writer_new(t->store, &want, 5, &w, NULL), 0);
	assert_int_equal(blob_writer_write(w, "xxx", 3, NULL), 0);
	assert_int_equal(blob_writer_size(w), 3);
	assert_int_equal(blob_writer_restart(w, NULL), 0);
	assert_int_equal(blob_writer_size(w), 0);
	assert_int_equal(blob_writer_write(w, "hel", 3, NULL), 0);
	assert_int_equal(blob_writer_write(w, "lo", 2, NULL), 0);
	assert_int_equal(blob_writer_commit(w, &got, &size, NULL), 0);
	assert_true(digest_equal(&got, &want));
	assert_int_equal(size, 5);
}

static void sha512_blobs_have_a_folder_of_their_own(void **state)
{
	struct tempstore *t = *state;
	struct digest want;
	assert_int_equal(digest_of_as(DIGEST_SHA512, "hello", 5, &want, NULL), 0);
	assert_int_equal(write_as(t->store, &want, 5, "hello"), 0);
	assert_true(blob_exists(t->store, &want, NULL));
}

static void a_file_is_copied_and_still_checked(void **state)
{
	struct tempstore *t = *state;
	struct digest want;
	cleanup_free char *path = tempstore_path(t, "file");
	write_file(path, "hello", 5);
	assert_int_equal(digest_of("hello", 5, &want, NULL), 0);
	for (uint64_t size = 4; size <= 6; size++) {
		cleanup(blob_writer_free) struct blob_writer *w = NULL;
		cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
		assert_int_equal(blob_writer_new(t->store, &want, size, &w, NULL), 0);
		int rc = blob_writer_copy(w, fd, size, NULL);
		assert_int_equal(rc, size == 6 ? -EBADMSG : 0);
		if (rc == 0)
			rc = blob_writer_commit(w, NULL, NULL, NULL);
		assert_int_equal(rc, size == 5 ? 0 : -EBADMSG);
	}
	assert_true(blob_exists(t->store, &want, NULL));
}

static void a_blob_that_is_lent_is_read_where_it_lies(void **state)
{
	struct tempstore *t = *state;
	cleanup(store_close) struct store *scratch = NULL;
	cleanup(buf_done) struct buf text = BUF_INIT(100);
	struct digest want;
	uint64_t size = 0;
	cleanup_free char *path = tempstore_path(t, "file");
	write_file(path, "hello", 5);
	assert_int_equal(digest_of("hello", 5, &want, NULL), 0);
	assert_int_equal(store_open_scratch(t->store, &scratch, NULL), 0);
	store_allow_loans(scratch);
	assert_int_equal(blob_lend(scratch, &want, 5, open(path, O_RDONLY | O_CLOEXEC), NULL), 0);
	assert_true(blob_exists(scratch, &want, &size));
	assert_int_equal(size, 5);
	for (int i = 0; i < 2; i++) { /* each reader from the start */
		buf_clear(&text);
		assert_int_equal(blob_read(scratch, &want, 5, &text, NULL), 0);
		assert_string_equal(buf_str(&text), "hello");
	}
	assert_false(blob_give(scratch, &want, AT_FDCWD, path, true));
	assert_int_equal(blob_remove(scratch, &want, NULL), 0);
	assert_false(blob_exists(scratch, &want, NULL));
	assert_int_equal(access(path, F_OK), 0);
}

static void a_file_with_other_bytes_is_not_lent(void **state)
{
	struct tempstore *t = *state;
	cleanup(store_close) struct store *scratch = NULL;
	struct digest want;
	cleanup_free char *path = tempstore_path(t, "file");
	write_file(path, "hullo", 5);
	assert_int_equal(digest_of("hello", 5, &want, NULL), 0);
	assert_int_equal(store_open_scratch(t->store, &scratch, NULL), 0);
	store_allow_loans(scratch);
	assert_int_equal(blob_lend(scratch, &want, 5, open(path, O_RDONLY | O_CLOEXEC), NULL), -EBADMSG);
	assert_int_equal(blob_lend(scratch, &want, 6, open(path, O_RDONLY | O_CLOEXEC), NULL), -EBADMSG);
	assert_false(blob_exists(scratch, &want, NULL));
}

static void only_a_scratch_store_gives_its_files_away_and_only_once(void **state)
{
	struct tempstore *t = *state;
	cleanup(store_close) struct store *scratch = NULL;
	struct digest digest;
	struct stat st;
	cleanup_free char *one = tempstore_path(t, "one");
	cleanup_free char *two = tempstore_path(t, "two");
	assert_int_equal(store_open_scratch(t->store, &scratch, NULL), 0);
	assert_int_equal(blob_put(t->store, "hello", 5, &digest, NULL), 0);
	assert_int_equal(blob_put(scratch, "hello", 5, NULL, NULL), 0);
	assert_false(blob_give(t->store, &digest, AT_FDCWD, one, true));
	assert_true(blob_give(scratch, &digest, AT_FDCWD, one, true));
	assert_int_equal(stat(one, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_false(blob_give(scratch, &digest, AT_FDCWD, two, false));
	assert_int_equal(access(two, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_store(what_was_put_is_read_again),
		test_with_store(an_empty_blob_is_a_blob),
		test_with_store(bytes_that_were_changed_on_disk_are_noticed),
		test_with_store(a_wrong_size_or_digest_leaves_nothing),
		test_with_store(a_download_starts_anew_after_a_restart),
		test_with_store(sha512_blobs_have_a_folder_of_their_own),
		test_with_store(a_file_is_copied_and_still_checked),
		test_with_store(a_blob_that_is_lent_is_read_where_it_lies),
		test_with_store(a_file_with_other_bytes_is_not_lent),
		test_with_store(only_a_scratch_store_gives_its_files_away_and_only_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
