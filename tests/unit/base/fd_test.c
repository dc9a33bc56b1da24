#include "tests/unit/base/scratch.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "base/strlist.h"
#include "tests/unit/base/failing_readdir.h"

#define BIG ((size_t)3 << 20)

static void reads_and_writes_whole_through_a_pipe(void **state)
{
	int ends[2];
	char text[10] = {0};

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(fd_write_all(ends[1], "abcdef", 6, NULL), 0);
	close(ends[1]);
	assert_int_equal(fd_read_full(ends[0], text, 4, NULL), 4);
	assert_int_equal(fd_read_full(ends[0], text, 9, NULL), 2);
	assert_memory_equal(text, "efcd", 4);
	close(ends[0]);
}

static void reads_a_file_up_to_the_limit(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	cleanup(buf_done) struct buf exact = BUF_INIT(4);
	cleanup(buf_done) struct buf small = BUF_INIT(3);

	put_file(dir.fd, "f", "text");
	assert_int_equal(fd_read_file(dir.fd, "f", &exact, NULL), 0);
	assert_string_equal(buf_str(&exact), "text");
	assert_int_equal(fd_read_file(dir.fd, "f", &small, NULL), -EFBIG);
}

static void reads_no_links_directories_or_fifos(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	cleanup(buf_done) struct buf text = BUF_INIT(100);

	put_link(dir.fd, "link", "/etc/hostname");
	assert_int_equal(mkfifoat(dir.fd, "fifo", 0600), 0);
	assert_int_equal(fd_read_file(dir.fd, "link", &text, NULL), -ELOOP);
	assert_int_equal(fd_read_file(dir.fd, ".", &text, NULL), -EISDIR);
	assert_int_equal(fd_read_file(dir.fd, "fifo", &text, NULL), -EINVAL);
	assert_int_equal(fd_read_file(dir.fd, "none", &text, NULL), -ENOENT);
}

static void follows_the_links_of_the_user(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	cleanup(buf_done) struct buf text = BUF_INIT(100);
	cleanup(buf_done) struct buf small = BUF_SECRET(3);
	cleanup_free char *link = mem_printf("%s/auth.json", dir.path);
	cleanup_free char *none = mem_printf("%s/none", dir.path);

	put_dir(dir.fd, "..data");
	put_file(dir.fd, "..data/auth.json", "text");
	put_link(dir.fd, "auth.json", "..data/auth.json");
	assert_int_equal(fd_read_user_file(link, &text, NULL), 0);
	assert_string_equal(buf_str(&text), "text");
	assert_int_equal(fd_read_user_file("/dev/null", &text, NULL), 0);
	assert_int_equal(fd_read_user_file(link, &small, NULL), -EFBIG);
	assert_int_equal(fd_read_user_file("/dev/zero", &small, NULL), -EFBIG);
	assert_int_equal(fd_read_user_file(dir.path, &text, NULL), -EISDIR);
	assert_int_equal(fd_read_user_file(none, &text, NULL), -ENOENT);
}

/* BIG bytes that differ, in an unlinked file at offset 0. */
static int make_big(const char *where)
{
	int fd = open(where, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	cleanup_free uint32_t *words = mem_grow(NULL, BIG, 1);

	assert_true(fd >= 0);
	for (size_t i = 0; i < BIG / sizeof(*words); i++)
		words[i] = (uint32_t)(i * 2654435761u);
	assert_int_equal(fd_write_all(fd, words, BIG, NULL), 0);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static void assert_same(int left, int right)
{
	void *a = mmap(NULL, BIG, PROT_READ, MAP_SHARED, left, 0);
	void *b = mmap(NULL, BIG, PROT_READ, MAP_SHARED, right, 0);

	assert_true(a != MAP_FAILED && b != MAP_FAILED);
	assert_memory_equal(a, b, BIG);
	munmap(a, BIG);
	munmap(b, BIG);
}

static void copies_within_and_between_file_systems(void **state)
{
	static const char *const targets[] = {"/tmp", "/dev/shm"};

	for (size_t i = 0; i < ARRAY_COUNT(targets); i++) {
		cleanup_close int from = make_big("/tmp");
		cleanup_close int to = open(targets[i], O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		uint64_t copied = 0;
		assert_true(to >= 0);
		assert_int_equal(fd_copy(from, to, &copied, NULL), 0);
		assert_int_equal(copied, BIG);
		assert_same(from, to);
		assert_int_equal(lseek(to, 0, SEEK_CUR), BIG);
		assert_int_equal(lseek(from, 0, SEEK_CUR), BIG);
	}
}

static void copies_the_rest_and_not_more(void **state)
{
	cleanup_close int from = fd_from_memory("from", "0123456789", 10, NULL);
	cleanup_close int to = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	char text[11] = {0};

	lseek(from, 4, SEEK_SET);
	assert_int_equal(fd_copy_range(from, to, 3, NULL), 0);
	assert_int_equal(fd_copy(from, to, NULL, NULL), 0);
	assert_int_equal(pread(to, text, 10, 0), 6);
	assert_string_equal(text, "456789");
	assert_int_equal(fd_copy_range(from, to, 1, NULL), -EIO);
}

static void copies_files_that_claim_to_be_empty(void **state)
{
	cleanup_close int from = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	cleanup_close int to = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	uint64_t copied = 0;

	assert_int_equal(fd_copy(from, to, &copied, NULL), 0);
	assert_true(copied > 100);
}

static void seals_a_memory_file(void **state)
{
	cleanup_close int fd = fd_from_memory("x", "abc", 3, NULL);
	char text[4] = {0};

	assert_int_equal(read(fd, text, 3), 3);
	assert_string_equal(text, "abc");
	assert_int_equal(write(fd, "d", 1), -1);
	assert_int_equal(ftruncate(fd, 1), -1);
}

static void opens_no_directory_through_a_link(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();

	put_link(dir.fd, "link", "/etc");
	assert_int_equal(fd_open_dir(dir.fd, "link", NULL), -ENOTDIR);
}

static void knows_its_own_output_by_any_name(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	struct stat st;

	put_file(dir.fd, "f", "");
	assert_int_equal(stat("/dev/stdout", &st), 0);
	assert_int_equal(fd_own_output(&st), STDOUT_FILENO);
	assert_int_equal(fstatat(dir.fd, "f", &st, 0), 0);
	assert_int_equal(fd_own_output(&st), -1);
}

static void a_directory_is_read_to_its_end_or_not_at_all(void **state)
{
	cleanup(scratch_done) struct scratch dir = scratch_make();
	cleanup(strlist_done) struct strlist names = {0};
	cleanup_free char *file = mem_printf("%s/b", dir.path);
	cleanup_free char *none = mem_printf("%s/none", dir.path);

	put_file(dir.fd, "b", "");
	put_file(dir.fd, ".a", "");
	for (entries_left = 0; entries_left < 4; entries_left++) {
		int left = entries_left;
		assert_int_equal(fd_read_user_dir(dir.path, &names, NULL), -EIO);
		assert_int_equal(names.count, 0);
		entries_left = left;
	}
	entries_left = -1;
	assert_int_equal(fd_read_user_dir(dir.path, &names, NULL), 0);
	assert_int_equal(names.count, 2);
	assert_string_equal(names.items[0], ".a");
	assert_string_equal(names.items[1], "b");
	assert_int_equal(fd_read_user_dir(file, &names, NULL), -ENOTDIR);
	assert_int_equal(fd_read_user_dir(none, &names, NULL), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_its_own_output_by_any_name),
		cmocka_unit_test(reads_and_writes_whole_through_a_pipe),
		cmocka_unit_test(reads_a_file_up_to_the_limit),
		cmocka_unit_test(reads_no_links_directories_or_fifos),
		cmocka_unit_test(follows_the_links_of_the_user),
		cmocka_unit_test(copies_within_and_between_file_systems),
		cmocka_unit_test(copies_the_rest_and_not_more),
		cmocka_unit_test(copies_files_that_claim_to_be_empty),
		cmocka_unit_test(seals_a_memory_file),
		cmocka_unit_test(opens_no_directory_through_a_link),
		cmocka_unit_test(a_directory_is_read_to_its_end_or_not_at_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
