/* News of blobs from one end of a socket to the other. */
#include "builder/blob_news.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"

struct ends {
	struct growing_blob blobs[2];
	struct blob_feed feed;
	int to;
};

static void open_ends(struct ends *ends)
{
	*ends = (struct ends){.blobs = {{.fd = -1}, {.fd = -1}}};
	ends->feed = (struct blob_feed){.blobs = ends->blobs, .count = 2, .fd = -1};
	assert_int_equal(blob_news_open(&ends->feed, &ends->to, NULL), 0);
}

static void close_ends(struct ends *ends)
{
	fd_close(take_fd(&ends->to));
	blob_news_close(&ends->feed);
}

static void tell(const struct ends *ends, struct blob_news news, int fd)
{
	assert_int_equal(blob_news_send(ends->to, &news, fd, NULL), 0);
}

static void a_file_comes_with_the_message_that_has_it(void **state)
{
	struct ends ends;
	char text[4] = "";
	cleanup_close int file = fd_from_memory("blob", "abc", 3, NULL);

	(void)state;
	open_ends(&ends);
	tell(&ends, (struct blob_news){.index = 1, .size = 2}, file);
	tell(&ends, (struct blob_news){.index = 1, .size = 3, .whole = true}, -1);
	assert_int_equal(ends.feed.take(&ends.feed, NULL), 0);
	assert_int_equal(ends.blobs[1].size, 2);
	assert_int_equal(ends.blobs[1].files, 1);
	assert_false(ends.blobs[1].whole);
	assert_int_equal(pread(ends.blobs[1].fd, text, 3, 0), 3);
	assert_string_equal(text, "abc");
	assert_int_equal(ends.feed.take(&ends.feed, NULL), 0);
	assert_true(ends.blobs[1].whole);
	assert_int_equal(ends.blobs[1].files, 1);
	assert_int_equal(ends.blobs[0].fd, -1);
	close_ends(&ends);
}

static void another_file_takes_the_place_of_the_first_and_is_counted(void **state)
{
	struct ends ends;
	char text[4] = "";
	cleanup_close int first = fd_from_memory("first", "abc", 3, NULL);
	cleanup_close int second = fd_from_memory("second", "xyz", 3, NULL);

	(void)state;
	open_ends(&ends);
	tell(&ends, (struct blob_news){.size = 3}, first);
	tell(&ends, (struct blob_news){.size = 1}, second);
	assert_int_equal(ends.feed.take(&ends.feed, NULL), 0);
	assert_int_equal(ends.feed.take(&ends.feed, NULL), 0);
	assert_int_equal(ends.blobs[0].files, 2);
	assert_int_equal(ends.blobs[0].size, 1);
	assert_int_equal(pread(ends.blobs[0].fd, text, 3, 0), 3);
	assert_string_equal(text, "xyz");
	close_ends(&ends);
}

static void what_is_known_keeps_its_digest(void **state)
{
	struct ends ends;
	struct digest own, other;

	(void)state;
	assert_int_equal(digest_of("own", 3, &own, NULL), 0);
	assert_int_equal(digest_of("other", 5, &other, NULL), 0);
	open_ends(&ends);
	ends.blobs[0].is_known = true;
	ends.blobs[0].digest = own;
	tell(&ends, (struct blob_news){.index = 0, .whole = true, .digest = other}, -1);
	tell(&ends, (struct blob_news){.index = 1, .whole = true, .digest = other}, -1);
	assert_int_equal(ends.feed.take(&ends.feed, NULL), 0);
	assert_int_equal(ends.feed.take(&ends.feed, NULL), 0);
	assert_true(digest_equal(&ends.blobs[0].digest, &own));
	assert_true(digest_equal(&ends.blobs[1].digest, &other));
	close_ends(&ends);
}

static void the_end_is_good_only_when_all_are_whole(void **state)
{
	struct ends ends;

	(void)state;
	open_ends(&ends);
	tell(&ends, (struct blob_news){.index = 0, .whole = true}, -1);
	fd_close(take_fd(&ends.to));
	assert_int_equal(ends.feed.take(&ends.feed, NULL), 0);
	assert_int_equal(ends.feed.take(&ends.feed, NULL), -EPIPE);
	assert_int_equal(ends.feed.fd, -1);
	close_ends(&ends);
	open_ends(&ends);
	tell(&ends, (struct blob_news){.index = 0, .whole = true}, -1);
	tell(&ends, (struct blob_news){.index = 1, .whole = true}, -1);
	fd_close(take_fd(&ends.to));
	assert_int_equal(ends.feed.take(&ends.feed, NULL), 0);
	assert_int_equal(ends.feed.take(&ends.feed, NULL), 0);
	assert_int_equal(ends.feed.take(&ends.feed, NULL), 0);
	assert_int_equal(ends.feed.fd, -1);
	close_ends(&ends);
}

static void a_failure_and_nonsense_are_errors_at_once(void **state)
{
	struct ends ends;

	(void)state;
	open_ends(&ends);
	tell(&ends, (struct blob_news){.failed = true}, -1);
	tell(&ends, (struct blob_news){.index = 2}, -1);
	assert_int_equal(ends.feed.take(&ends.feed, NULL), -EPIPE);
	assert_int_equal(ends.feed.take(&ends.feed, NULL), -EIO);
	close_ends(&ends);
}

static void who_tells_hears_that_nobody_listens(void **state)
{
	struct ends ends;
	const struct blob_news news = {.size = 1};

	(void)state;
	open_ends(&ends);
	fd_close(take_fd(&ends.feed.fd));
	assert_int_equal(blob_news_send(ends.to, &news, -1, NULL), -EPIPE);
	close_ends(&ends);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_comes_with_the_message_that_has_it),
		cmocka_unit_test(another_file_takes_the_place_of_the_first_and_is_counted),
		cmocka_unit_test(what_is_known_keeps_its_digest),
		cmocka_unit_test(the_end_is_good_only_when_all_are_whole),
		cmocka_unit_test(a_failure_and_nonsense_are_errors_at_once),
		cmocka_unit_test(who_tells_hears_that_nobody_listens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
