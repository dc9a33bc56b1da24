/* registry/endpoint.h, token.h and upload.h: where requests go, and what may go there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>

#include "registry/endpoint.h"
#include "registry/token.h"
#include "registry/upload.h"

static void docker_io_is_served_by_another_host(void **state)
{
	assert_string_equal(endpoint_api_host("docker.io"), "registry-1.docker.io");
	assert_string_equal(endpoint_api_host("quay.io"), "quay.io");
}

static void http_is_only_for_loopback_and_for_those_who_ask(void **state)
{
	assert_true(endpoint_allows_http("localhost:5000", TLS_VERIFY_DEFAULT));
	assert_true(endpoint_allows_http("127.0.0.1:5000", TLS_VERIFY_DEFAULT));
	assert_true(endpoint_allows_http("[::1]:5000", TLS_VERIFY_DEFAULT));
	assert_false(endpoint_allows_http("quay.io", TLS_VERIFY_DEFAULT));
	assert_false(endpoint_allows_http("localhost:5000", TLS_VERIFY_YES));
	assert_true(endpoint_allows_http("quay.io", TLS_VERIFY_NO));
}

static void reads_all_challenges_of_an_answer(void **state)
{
	cleanup(challenge_list_done) struct challenge_list list = {0};
	cleanup(http_answer_done) struct http_answer answer = {.status = 401};

	strlist_append(&answer.headers, "Www-Authenticate: Basic realm=\"x\"");
	strlist_append(&answer.headers, "WWW-Authenticate: =broken");
	strlist_append(&answer.headers, "www-authenticate: Bearer realm=\"y\"");
	endpoint_read_challenges(&answer, &list);
	assert_int_equal(list.count, 2);
}

static void a_push_scope_serves_a_pull_of_the_same_repository(void **state)
{
	assert_true(token_scope_covers("repository:a/b:pull,push", "repository:a/b:pull"));
	assert_true(token_scope_covers("repository:h:5000/b:push,pull", "repository:h:5000/b:pull,push"));
	assert_false(token_scope_covers("repository:a/b:pull", "repository:a/b:pull,push"));
	assert_false(token_scope_covers("repository:a/b:pull", "repository:a/c:pull"));
	assert_false(token_scope_covers("repository:a:pull", "registry:catalog:*"));
	assert_true(token_scope_covers("odd", "odd"));
}

static void an_upload_stays_on_https(void **state)
{
	cleanup_free char *url = NULL;

	assert_int_equal(
		upload_location("https://h", "https://h/v2/x/blobs/uploads/", "http://h/u?_state=a%3D&b", &url, NULL),
		LOCATION_CORRECTED);
	assert_string_equal(url, "https://h/u?_state=a%3D&b");
	assert_int_equal(upload_location("https://h", "https://h/v2/", "http://storage/u", &url, NULL), -EPERM);
}

static void an_upload_goes_where_its_location_says(void **state)
{
	cleanup_free char *absolute = NULL;
	cleanup_free char *relative = NULL;

	assert_int_equal(upload_location("http://h:5000", "http://h:5000/v2/", "https://s/u?a", &absolute, NULL), 0);
	assert_string_equal(absolute, "https://s/u?a");
	assert_int_equal(upload_location("http://h:5000", "http://h:5000/v2/", "/v2/u/1", &relative, NULL), 0);
	assert_string_equal(relative, "http://h:5000/v2/u/1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(docker_io_is_served_by_another_host),
		cmocka_unit_test(http_is_only_for_loopback_and_for_those_who_ask),
		cmocka_unit_test(reads_all_challenges_of_an_answer),
		cmocka_unit_test(a_push_scope_serves_a_pull_of_the_same_repository),
		cmocka_unit_test(an_upload_stays_on_https),
		cmocka_unit_test(an_upload_goes_where_its_location_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
