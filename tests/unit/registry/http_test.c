/* registry/http.h: what answers mean, and how long to wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "registry/http.h"

static struct http_answer answer_with(int status, const char *header, const char *body)
{
	struct http_answer answer = {.status = status, .body = BUF_INIT(4096)};

	if (header)
		strlist_append(&answer.headers, header);
	buf_append_str(&answer.body, body);
	answer.url = mem_strdup("https://u:p@h/v2/x?token=t");
	return answer;
}

static void a_refusal_has_the_registrys_words_and_no_secrets(void **state)
{
	cleanup(http_answer_done) struct http_answer answer =
		answer_with(403, NULL, "{\"errors\":[{\"code\":\"DENIED\",\"message\":\"not\\u001b yours\"}]}");
	cleanup_error struct error *error = NULL;

	assert_int_equal(http_answer_error("GET", &answer, &error), -EACCES);
	assert_string_equal(error_message(error), "GET https://h/v2/x?token=xxx: HTTP 403 (DENIED: not? yours)");
	assert_true(http_answer_has_code(&answer, "DENIED"));
	assert_false(http_answer_has_code(&answer, "UNKNOWN"));
}

static void a_foreign_body_is_shown_in_part(void **state)
{
	cleanup(http_answer_done) struct http_answer answer = answer_with(502, NULL, "<html>\nbad gateway");
	cleanup_error struct error *error = NULL;

	assert_int_equal(http_answer_error("PUT", &answer, &error), -EREMOTEIO);
	assert_non_null(strstr(error_message(error), "HTTP 502 (<html> bad gateway)"));
}

static void details_that_are_no_text_are_shown_in_part(void **state)
{
	cleanup(buf_done) struct buf body = BUF_INIT(65536);
	cleanup_error struct error *error = NULL;

	buf_append_str(
		&body,
		"{\"errors\":[{\"code\":\"X\",\"detail\":{\"Tag\":\"1\",\"a\":\"\\u009b31m\"}},{\"code\":\"Y\",");
	buf_append_str(&body, "\"message\":7,\"detail\":[\"");
	for (int i = 0; i < 2000; i++)
		buf_append_char(&body, 'z');
	buf_append_str(&body, "\"]}]}");
	cleanup(http_answer_done) struct http_answer answer = {.status = 400, .body = BUF_INIT(65536)};
	buf_append(&answer.body, body.data, body.len);
	assert_int_equal(http_answer_error("GET", &answer, &error), -EREMOTEIO);
	assert_non_null(strstr(error_message(error), "(X, {\"Tag\":\"1\",\"a\":\"??31m\"}; Y, [\"zzz"));
	assert_in_range(strlen(error_message(error)), 1024, 1200);
}

static void the_next_page_is_found_among_links(void **state)
{
	static const struct {
		const char *link;
		const char *url; /* NULL: none */
	} cases[] = {
		{"Link: </v2/x?last=a>; rel=\"next\"", "https://h/v2/x?last=a"},
		{"Link: <y?last=a>; rel=next", "https://h/v2/y?last=a"},
		{"link: </first>; rel=\"first\", </next>; title=\"a, b\"; rel=\"next\"", "https://h/next"},
		{"Link: </next>; rel=\"next\", </first>; rel=\"first\"", "https://h/next"},
		{"Link: </prev>; rel=\"prev\"", NULL},
		{"Link: <https://elsewhere/next>; rel=\"next\"", NULL},
		{"Link: </next", NULL},
		{"Link: rel=\"next\"", NULL},
		{"X-Link: </next>; rel=\"next\"", NULL},
	};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		cleanup(http_answer_done) struct http_answer answer = answer_with(200, cases[i].link, "");
		cleanup_free char *next = NULL;
		mem_replace(&answer.url, "https://h/v2/x");
		next = http_answer_next_page(&answer);
		if (cases[i].url)
			assert_string_equal(next, cases[i].url);
		else
			assert_null(next);
	}
	cleanup(http_answer_done) struct http_answer two = answer_with(200, "Link: </a>; rel=\"last\"", "");
	strlist_append(&two.headers, "Link: </b>; rel=\"next\"");
	mem_replace(&two.url, "https://h/v2/x");
	cleanup_free char *next = http_answer_next_page(&two);
	assert_string_equal(next, "https://h/b");
}

static void statuses_become_codes_to_branch_on(void **state)
{
	static const struct {
		int status;
		int code;
	} cases[] = {{401, EACCES}, {403, EACCES}, {404, ENOENT}, {429, EBUSY}, {500, EREMOTEIO}, {418, EREMOTEIO}};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		cleanup(http_answer_done) struct http_answer answer = answer_with(cases[i].status, NULL, "");
		assert_int_equal(http_answer_error("GET", &answer, NULL), -cases[i].code);
	}
}

static void only_what_may_pass_is_asked_again(void **state)
{
	static const int temporary[] = {408, 425, 429, 499, 500, 502, 503, 504, 520, 527};
	static const int final[] = {200, 301, 400, 401, 403, 404, 405, 409, 413, 501, 505, 519, 528};

	for (size_t i = 0; i < ARRAY_COUNT(temporary); i++)
		assert_true(http_status_is_temporary(temporary[i]));
	for (size_t i = 0; i < ARRAY_COUNT(final); i++)
		assert_false(http_status_is_temporary(final[i]));
}

static void retry_after_is_seconds_or_a_date(void **state)
{
	static const struct {
		const char *header;
		int64_t wait_ms; /* -1: none */
	} cases[] = {
		{"Retry-After: 7", 7000},
		{"retry-after:0", 0},
		{"Retry-After: Sun, 06 Nov 1994 08:49:37 GMT", 37000},
		{"Retry-After: Sun, 06 Nov 1994 08:48:00 GMT", 0},
		{"Retry-After: soon", -1},
		{"Retry-After: -5", -1},
		{"Retry-After: 1.5", -1},
		{"Retry-After:", -1},
		{"Retry-After: 99999999999999999999", (int64_t)INT32_MAX * 1000},
		{"X-Retry-After: 7", -1},
	};
	const int64_t now = 784111740; /* 08:49:00 that day */

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		cleanup(http_answer_done) struct http_answer answer = answer_with(503, cases[i].header, "");
		int64_t wait_ms = -1;
		bool found = http_retry_after(&answer, now, &wait_ms);
		assert_int_equal(found, cases[i].wait_ms >= 0);
		assert_int_equal(wait_ms, cases[i].wait_ms);
	}
}

static void the_wait_doubles_up_to_its_limit(void **state)
{
	assert_int_equal(http_backoff(1000, 1, 1000), 1000);
	assert_int_equal(http_backoff(1000, 3, 4000), 4000);
	assert_int_equal(http_backoff(1000, 60, HTTP_BACKOFF_MAX_MS), HTTP_BACKOFF_MAX_MS);
	assert_int_equal(http_backoff(1000, 1, 0), 0);
	for (uint64_t random = 0; random < 5000; random += 7)
		assert_in_range(http_backoff(1000, 2, random), 0, 2000);
}

static void dates_are_read_exactly(void **state)
{
	int64_t seconds = 0;

	assert_int_equal(http_date_parse("Thu, 01 Jan 1970 00:00:01 GMT", &seconds), 0);
	assert_int_equal(seconds, 1);
	assert_int_equal(http_date_parse("Thu, 01 Foo 1970 00:00:01 GMT", &seconds), -EINVAL);
	assert_int_equal(http_date_parse("Thu, 01 anF 1970 00:00:01 GMT", &seconds), -EINVAL);
	assert_int_equal(http_date_parse("Thu, 01 Jan 1970 25:00:01 GMT", &seconds), -EINVAL);
	assert_int_equal(http_date_parse("Thu, 01 Jan 1970 00:00:01 GMT+1", &seconds), -EINVAL);
	assert_int_equal(http_date_parse("", &seconds), -EINVAL);
}

static void ranges_of_downloads_and_uploads(void **state)
{
	uint64_t first = 0;
	uint64_t last = 0;

	assert_int_equal(http_range_parse("bytes 100-199/200", &first, &last), 0);
	assert_int_equal(first, 100);
	assert_int_equal(last, 199);
	assert_int_equal(http_range_parse("0-99", &first, &last), 0);
	assert_int_equal(last, 99);
	assert_int_equal(http_range_parse("bytes=0-9", &first, &last), 0);
	assert_int_equal(http_range_parse("bytes */200", &first, &last), -EINVAL);
	assert_int_equal(http_range_parse("0-", &first, &last), -EINVAL);
	assert_int_equal(http_range_parse("0-99999999999999999999", &first, &last), -EINVAL);
}

static void a_header_is_replaced_and_removed(void **state)
{
	cleanup(http_request_done) struct http_request request = {0};

	http_request_init(&request, "GET", mem_strdup("https://h/"), 0);
	http_request_set_header(&request, "Range", "bytes=1-");
	http_request_set_header(&request, "range", "bytes=2-");
	assert_int_equal(request.headers.count, 1);
	assert_string_equal(request.headers.items[0], "range: bytes=2-");
	http_request_set_header(&request, "Range", NULL);
	assert_int_equal(request.headers.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_refusal_has_the_registrys_words_and_no_secrets),
		cmocka_unit_test(a_foreign_body_is_shown_in_part),
		cmocka_unit_test(details_that_are_no_text_are_shown_in_part),
		cmocka_unit_test(the_next_page_is_found_among_links),
		cmocka_unit_test(statuses_become_codes_to_branch_on),
		cmocka_unit_test(only_what_may_pass_is_asked_again),
		cmocka_unit_test(retry_after_is_seconds_or_a_date),
		cmocka_unit_test(the_wait_doubles_up_to_its_limit),
		cmocka_unit_test(dates_are_read_exactly),
		cmocka_unit_test(ranges_of_downloads_and_uploads),
		cmocka_unit_test(a_header_is_replaced_and_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
