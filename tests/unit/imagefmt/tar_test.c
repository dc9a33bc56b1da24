/* What the writer writes the reader reads, and ustar is used as long as it can say it. */
#include "tests/unit/imagefmt/tartree.h"

static void header_of(const struct tar_entry *entry, struct buf *bytes)
{
	buf_init(bytes, 1 << 20);
	tar_format_entry(entry, bytes);
}

/* Writes one entry without data and reads it again. */
static void assert_comes_back(const struct tar_entry *entry, size_t blocks)
{
	cleanup(buf_done) struct buf bytes = {0};
	cleanup(tar_reader_free) struct tar_reader *reader = NULL;
	const struct tar_entry *got;

	header_of(entry, &bytes);
	assert_int_equal(bytes.len, blocks * TAR_BLOCK);
	struct stream_memory memory = {.data = bytes.data, .size = bytes.len};
	tar_reader_new(stream_memory_next, &memory, &reader);
	assert_int_equal(tar_reader_next(reader, &got, NULL), 1);
	assert_string_equal(got->path, entry->path);
	assert_string_equal(got->link, entry->link != NULL ? entry->link : "");
	assert_int_equal(got->type, entry->type);
	assert_int_equal(got->mode, entry->mode);
	assert_int_equal(got->uid, entry->uid);
	assert_int_equal(got->gid, entry->gid);
	assert_int_equal(got->size, entry->size);
	assert_int_equal(got->mtime, entry->mtime);
	assert_int_equal(got->xattr_count, entry->xattr_count);
}

static char *repeated(const char *text, size_t count)
{
	struct buf b = BUF_INIT(1 << 20);

	for (size_t i = 0; i < count; i++)
		buf_append_str(&b, text);
	return buf_take(&b);
}

static void small_things_need_one_block(void **state)
{
	cleanup_free char *hundred = repeated("0123456789", 10);
	cleanup_free char *split = repeated("a/2345678/", 15); /* 150 bytes */
	cleanup_free char *file = mem_printf("%sfile", split);

	assert_comes_back(&(struct tar_entry){.path = "a", .type = TAR_FILE, .mode = 07777, .mtime = 1}, 1);
	assert_comes_back(&(struct tar_entry){.path = hundred, .type = TAR_FILE}, 1);
	assert_comes_back(&(struct tar_entry){.path = file, .type = TAR_FILE}, 1);
	assert_comes_back(&(struct tar_entry){.path = split, .type = TAR_DIRECTORY}, 1);
	assert_comes_back(&(struct tar_entry){.path = "l", .type = TAR_SYMLINK, .link = hundred}, 1);
	assert_comes_back(&(struct tar_entry){.path = "n", .type = TAR_FILE, .uid = 07777777, .gid = 07777777}, 1);
	assert_comes_back(&(struct tar_entry){.path = "t", .type = TAR_FILE, .mtime = 077777777777}, 1);
	assert_comes_back(&(struct tar_entry){.path = "d", .type = TAR_CHARDEV, .major = 1, .minor = 3}, 1);
}

static void large_things_need_a_pax_header(void **state)
{
	cleanup_free char *long_name = repeated("0123456789", 11);
	cleanup_free char *deep = repeated("directory/", 1000);

	assert_comes_back(&(struct tar_entry){.path = long_name, .type = TAR_FILE}, 3);
	assert_comes_back(&(struct tar_entry){.path = "l", .type = TAR_SYMLINK, .link = long_name}, 3);
	assert_comes_back(&(struct tar_entry){.path = "\xc3\xa4", .type = TAR_FILE}, 3);
	assert_comes_back(&(struct tar_entry){.path = "\xff", .type = TAR_FILE}, 3);
	assert_comes_back(&(struct tar_entry){.path = "n", .type = TAR_FILE, .uid = 010000000}, 3);
	assert_comes_back(&(struct tar_entry){.path = "t", .type = TAR_FILE, .mtime = -1}, 3);
	assert_comes_back(&(struct tar_entry){.path = "s", .type = TAR_FILE, .size = (uint64_t)1 << 33}, 3);
	assert_comes_back(&(struct tar_entry){.path = deep, .type = TAR_DIRECTORY}, 2 + (10000 + 511 + 13) / 512);
}

static void attributes_are_sorted_and_keep_every_byte(void **state)
{
	const struct tar_xattr xattrs[] = {{"user.b", "\0=\n", 3}, {"user.a", "", 0}};
	const struct tar_entry entry = {.path = "x", .type = TAR_FILE, .xattrs = xattrs, .xattr_count = 2};
	cleanup(buf_done) struct buf bytes = {0};
	cleanup(tar_reader_free) struct tar_reader *reader = NULL;
	const struct tar_entry *got;

	header_of(&entry, &bytes);
	struct stream_memory memory = {.data = bytes.data, .size = bytes.len};
	tar_reader_new(stream_memory_next, &memory, &reader);
	assert_int_equal(tar_reader_next(reader, &got, NULL), 1);
	assert_int_equal(got->xattr_count, 2);
	assert_string_equal(got->xattrs[0].name, "user.a");
	assert_int_equal(got->xattrs[0].size, 0);
	assert_int_equal(got->xattrs[1].size, 3);
	assert_memory_equal(got->xattrs[1].value, "\0=\n", 3);
}

static void the_length_of_a_record_counts_itself(void **state)
{
	/* Around the sizes where the length gets another digit. */
	for (size_t size = 75; size < 110; size++) {
		cleanup_free char *name = repeated("x", size);
		cleanup_free char *path = mem_printf("\xc3\xa4%s", name);
		assert_comes_back(&(struct tar_entry){.path = path, .type = TAR_FILE}, 3);
	}
}

static void data_of_the_wrong_size_are_refused(void **state)
{
	cleanup(buf_done) struct buf bytes = BUF_INIT(1 << 20);
	struct tar_writer w;

	tar_writer_init(&w, tartree_sink, &bytes);
	assert_int_equal(tar_write_entry(&w, &(struct tar_entry){.path = "a", .type = TAR_FILE, .size = 3}, NULL), 0);
	assert_int_equal(tar_write_data(&w, "abcd", 4, NULL), -EINVAL);
	assert_int_equal(tar_write_data(&w, "ab", 2, NULL), 0);
	assert_int_equal(tar_write_end(&w, NULL), -EINVAL);
	assert_int_equal(tar_write_data(&w, "c", 1, NULL), 0);
	assert_int_equal(tar_write_end(&w, NULL), 0);
	assert_int_equal(bytes.len, 4 * TAR_BLOCK);
	assert_int_equal(w.size, bytes.len);
}

static void what_is_no_tar_is_refused(void **state)
{
	cleanup_free char *text = repeated("This is not a tar. ", 100);
	struct stream_memory memory = {.data = text, .size = strlen(text)};
	cleanup(tar_reader_free) struct tar_reader *reader = NULL;
	const struct tar_entry *entry;

	tar_reader_new(stream_memory_next, &memory, &reader);
	assert_int_equal(tar_reader_next(reader, &entry, NULL), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_things_need_one_block),
		cmocka_unit_test(large_things_need_a_pax_header),
		cmocka_unit_test(attributes_are_sorted_and_keep_every_byte),
		cmocka_unit_test(the_length_of_a_record_counts_itself),
		cmocka_unit_test(data_of_the_wrong_size_are_refused),
		cmocka_unit_test(what_is_no_tar_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
