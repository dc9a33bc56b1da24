/* registry/url.h: what an address is, whose it is, and what of it may be shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>

#include "registry/url.h"

static void takes_an_address_apart(void **state)
{
	cleanup(url_done) struct url url = {0};

	assert_int_equal(url_parse("HTTPS://u:p@Quay.IO:8443/a/b?x=1#f", &url, NULL), 0);
	assert_true(url.https);
	assert_string_equal(url.userinfo, "u:p");
	assert_string_equal(url.host, "quay.io");
	assert_int_equal(url.port, 8443);
	assert_string_equal(url.rest, "/a/b?x=1");
}

static void knows_ipv6_and_default_ports(void **state)
{
	cleanup(url_done) struct url url = {0};

	assert_int_equal(url_parse("http://[::1]/", &url, NULL), 0);
	assert_string_equal(url.host, "[::1]");
	assert_int_equal(url.port, 80);
	cleanup_free char *origin = url_origin(&url);
	assert_string_equal(origin, "http://[::1]");
}

static void refuses_what_another_parser_could_read_differently(void **state)
{
	static const char *const bad[] = {"ftp://h/",	    "https://",	     "https://a b/", "https://a\\@b/",
					  "https://a@b@c/", "https://h:0/",  "https://h:x/", "https://h:65536/",
					  "https://[::1",   "https://h\n/x", "//h/x",	     "https:/h",
					  "https://h%41/",  "file:///etc",   "https://[]/",  ""};
	struct url url = {0};

	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		if (url_parse(bad[i], &url, NULL) != -EINVAL)
			fail_msg("accepted '%s'", bad[i]);
}

static void an_origin_is_scheme_host_and_port(void **state)
{
	assert_true(url_same_origin("https://h/a", "https://H:443/b"));
	assert_false(url_same_origin("https://h/", "http://h/"));
	assert_false(url_same_origin("https://h/", "https://h:444/"));
	assert_false(url_same_origin("https://h/", "https://h.evil/"));
	assert_false(url_same_origin("https://h/", "https://h@evil/"));
	assert_false(url_same_origin("nonsense", "nonsense"));
}

static void resolves_a_location_without_touching_its_query(void **state)
{
	static const struct {
		const char *location;
		const char *result;
	} cases[] = {
		{"https://o/u?_state=a%2Fb%3D&x", "https://o/u?_state=a%2Fb%3D&x"},
		{"/v2/u?q=%zz", "https://h:5000/v2/u?q=%zz"},
		{"//o/x", "https://o/x"},
		{"other", "https://h:5000/v2/a/other"},
		{"?y=2", "https://h:5000/v2/a/b?y=2"},
		{"https://me:secret@o:1/u?_state=a%2Fb%3D&x", "https://o:1/u?_state=a%2Fb%3D&x"},
		{"//h:5000@o/x", "https://o/x"},
	};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		cleanup_free char *result = NULL;
		assert_int_equal(url_resolve("https://h:5000/v2/a/b?x=1", cases[i].location, &result, NULL), 0);
		assert_string_equal(result, cases[i].result);
	}
}

static void refuses_a_location_of_another_scheme(void **state)
{
	char *result = NULL;

	assert_int_equal(url_resolve("https://h/", "file:///etc/passwd", &result, NULL), -EINVAL);
	assert_int_equal(url_resolve("https://h/", "javascript:x", &result, NULL), -EINVAL);
}

static void appends_to_a_query_or_begins_one(void **state)
{
	cleanup_free char *first = url_add_query("https://h/u", "digest=x");
	cleanup_free char *second = url_add_query("https://h/u?_state=a%3D", "digest=x");

	assert_string_equal(first, "https://h/u?digest=x");
	assert_string_equal(second, "https://h/u?_state=a%3D&digest=x");
}

static void shows_no_secrets(void **state)
{
	cleanup_free char *shown = url_redact("https://u:secret@h/p?X-Signature=secret&digest=sha256%3Aab#secret");

	assert_string_equal(shown, "https://h/p?X-Signature=xxx&digest=sha256%3Aab");
}

static void loopback_is_not_a_matter_of_prefixes(void **state)
{
	assert_true(url_host_is_loopback("localhost"));
	assert_true(url_host_is_loopback("127.0.0.2"));
	assert_true(url_host_is_loopback("[::1]"));
	assert_false(url_host_is_loopback("127.evil.example"));
	assert_false(url_host_is_loopback("localhost.evil.example"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_an_address_apart),
		cmocka_unit_test(knows_ipv6_and_default_ports),
		cmocka_unit_test(refuses_what_another_parser_could_read_differently),
		cmocka_unit_test(an_origin_is_scheme_host_and_port),
		cmocka_unit_test(resolves_a_location_without_touching_its_query),
		cmocka_unit_test(refuses_a_location_of_another_scheme),
		cmocka_unit_test(appends_to_a_query_or_begins_one),
		cmocka_unit_test(shows_no_secrets),
		cmocka_unit_test(loopback_is_not_a_matter_of_prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
