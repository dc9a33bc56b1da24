/* What goes into the queue comes out of the pipeline in its order, by one thread or two; what fails is told. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "imagefmt/packqueue.h"
#include "imagefmt/tar.h"

#define FILES 1000 /* several rounds of the ring */

static size_t open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t count = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

/* Only one processor from here on, or all of `set` again. */
static void use_one_processor(cpu_set_t *set)
{
	cpu_set_t one;
	size_t first = 0;

	assert_int_equal(sched_getaffinity(0, sizeof(*set), set), 0);
	while (!CPU_ISSET(first, set))
		first++;
	CPU_ZERO(&one);
	CPU_SET(first, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
}

static int collect(const void *data, size_t size, void *context, struct error **err)
{
	buf_append(context, data, size);
	return 0;
}

static int refuse(const void *data, size_t size, void *context, struct error **err)
{
	return error_set(err, ENOSPC, "full");
}

/* A file of `size` bytes that say which one it is. */
static int make_file(size_t number, size_t size)
{
	cleanup_free char *data = mem_alloc(size + 1);

	for (size_t i = 0; i < size; i++)
		data[i] = (char)('a' + (number + i / 7) % 26);
	int fd = fd_from_memory("file", data, size, NULL);
	assert_true(fd >= 0);
	return fd;
}

static size_t size_of(size_t number)
{
	return number % 97 == 0 ? 200000 + number : 1 + number * 37 % 3000;
}

static int put_all(struct pack_queue *queue, size_t wrong)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < FILES; i++) {
		struct buf *bytes = pack_queue_bytes(queue);
		buf_printf(bytes, "[header %zu]", i);
		if (i % 5 == 0) { /* what has no contents */
			rc = pack_queue_put(queue);
			continue;
		}
		if (i % 200 == 1) /* large attributes */
			for (size_t k = 0; k < 40000; k++)
				buf_append_str(bytes, "attributes");
		cleanup_free char *path = mem_printf("dir/file-%zu", i);
		rc = pack_queue_put_file(queue, make_file(i, size_of(i)), size_of(i) + (i == wrong), path);
	}
	return rc;
}

static void expect_all(struct buf *bytes)
{
	static const char zeros[TAR_BLOCK];

	for (size_t i = 0; i < FILES; i++) {
		buf_printf(bytes, "[header %zu]", i);
		if (i % 5 == 0)
			continue;
		if (i % 200 == 1)
			for (size_t k = 0; k < 40000; k++)
				buf_append_str(bytes, "attributes");
		cleanup_close int fd = make_file(i, size_of(i));
		assert_int_equal(fd_read_all(fd, bytes, NULL), 0);
		buf_append(bytes, zeros, tar_padding(size_of(i)));
	}
}

static void assert_order(void)
{
	cleanup(buf_done) struct buf want = BUF_INIT((size_t)1 << 28);
	cleanup(buf_done) struct buf got = BUF_INIT((size_t)1 << 28);
	cleanup(pipeline_free) struct pipeline *pipeline = NULL;
	cleanup(pack_queue_free) struct pack_queue *queue = NULL;
	const struct pipeline_options options = {.plain_sink = collect, .plain_context = &got};
	size_t before = open_files();
	struct digest digest;
	struct digest same;
	uint64_t size;

	expect_all(&want);
	assert_int_equal(pipeline_new(&options, &pipeline, NULL), 0);
	pack_queue_new(pipeline, &queue);
	assert_int_equal(put_all(queue, /* wrong */ SIZE_MAX), 0);
	assert_int_equal(pack_queue_finish(queue, NULL), 0);
	assert_int_equal(pipeline_finish(pipeline, &digest, &size, NULL), 0);
	assert_int_equal(size, want.len);
	assert_memory_equal(got.data, want.data, want.len);
	assert_int_equal(digest_of(want.data, want.len, &same, NULL), 0);
	assert_true(digest_equal(&digest, &same));
	assert_int_equal(open_files(), before);
}

static void pieces_come_in_their_order(void **state)
{
	assert_order();
}

static void one_processor_gives_the_same(void **state)
{
	cpu_set_t before;

	use_one_processor(&before);
	assert_order();
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

/* The `wrong` file is a byte shorter than was said. */
static void assert_told(size_t wrong, const char *name)
{
	size_t before = open_files();
	{
		cleanup(pipeline_free) struct pipeline *pipeline = NULL;
		cleanup(pack_queue_free) struct pack_queue *queue = NULL;
		cleanup_error struct error *error = NULL;
		assert_int_equal(pipeline_new(&(struct pipeline_options){0}, &pipeline, NULL), 0);
		pack_queue_new(pipeline, &queue);
		int rc = put_all(queue, wrong);
		assert_true(rc == 0 || rc == PACK_QUEUE_BROKEN);
		assert_int_equal(pack_queue_finish(queue, &error), -EIO);
		assert_non_null(strstr(error_message(error), name));
	}
	assert_int_equal(open_files(), before);
}

static void a_file_of_another_size_is_told_by_name(void **state)
{
	assert_told(3, "'dir/file-3' changed"); /* before there is a thread */
	assert_told(503, "'dir/file-503' changed");
	assert_told(FILES - 1, "'dir/file-999' changed");
}

static void a_pipeline_that_breaks_ends_the_queue(void **state)
{
	cleanup(pipeline_free) struct pipeline *pipeline = NULL;
	cleanup(pack_queue_free) struct pack_queue *queue = NULL;
	cleanup_error struct error *error = NULL;
	struct digest digest;
	uint64_t size;

	assert_int_equal(pipeline_new(&(struct pipeline_options){.plain_sink = refuse}, &pipeline, NULL), 0);
	pack_queue_new(pipeline, &queue);
	assert_int_equal(put_all(queue, /* wrong */ SIZE_MAX), PACK_QUEUE_BROKEN);
	assert_int_equal(pack_queue_finish(queue, &error), PACK_QUEUE_BROKEN);
	assert_null(error);
	assert_int_equal(pipeline_finish(pipeline, &digest, &size, &error), -ENOSPC);
	assert_string_equal(error_message(error), "full");
}

static void a_walk_that_gives_up_leaves_nothing_open(void **state)
{
	size_t before = open_files();
	{
		cleanup(pipeline_free) struct pipeline *pipeline = NULL;
		cleanup(pack_queue_free) struct pack_queue *queue = NULL;
		assert_int_equal(pipeline_new(&(struct pipeline_options){0}, &pipeline, NULL), 0);
		pack_queue_new(pipeline, &queue);
		assert_int_equal(put_all(queue, /* wrong */ SIZE_MAX), 0);
	}
	assert_int_equal(open_files(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_come_in_their_order),
		cmocka_unit_test(one_processor_gives_the_same),
		cmocka_unit_test(a_file_of_another_size_is_told_by_name),
		cmocka_unit_test(a_pipeline_that_breaks_ends_the_queue),
		cmocka_unit_test(a_walk_that_gives_up_leaves_nothing_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
