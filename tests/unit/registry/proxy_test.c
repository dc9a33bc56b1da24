/* registry/proxy.h: NO_PROXY and its relatives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>

#include "registry/proxy.h"

static void a_name_excludes_itself_and_what_is_below(void **state)
{
	assert_true(proxy_is_excluded("a.example, b.example", "b.example", 443));
	assert_true(proxy_is_excluded("b.example", "x.B.example", 443));
	assert_false(proxy_is_excluded("b.example", "xb.example", 443));
	assert_false(proxy_is_excluded(".b.example", "b.example", 443));
	assert_true(proxy_is_excluded(".b.example", "x.b.example", 443));
	assert_true(proxy_is_excluded("*.b.example", "x.b.example", 443));
	assert_true(proxy_is_excluded("*", "anything", 80));
	assert_false(proxy_is_excluded("", "anything", 80));
	assert_false(proxy_is_excluded(",. ,", "anything", 80));
}

static void a_port_must_be_the_same(void **state)
{
	assert_true(proxy_is_excluded("b.example:5000", "b.example", 5000));
	assert_false(proxy_is_excluded("b.example:5000", "b.example", 443));
	assert_true(proxy_is_excluded("10.1.2.3:5000", "10.1.2.3", 5000));
	assert_false(proxy_is_excluded("10.1.2.3:5001", "10.1.2.3", 5000));
	assert_true(proxy_is_excluded("[fd00::1]:5000", "[fd00::1]", 5000));
	assert_false(proxy_is_excluded("b.example:", "b.example", 443));
}

static void networks_are_compared_by_bits(void **state)
{
	assert_true(proxy_is_excluded("10.0.0.0/8", "10.255.0.1", 443));
	assert_false(proxy_is_excluded("10.0.0.0/8", "11.0.0.1", 443));
	assert_true(proxy_is_excluded("192.168.1.128/25", "192.168.1.200", 443));
	assert_false(proxy_is_excluded("192.168.1.128/25", "192.168.1.100", 443));
	assert_true(proxy_is_excluded("fd00::/8", "[fdab::1]", 443));
	assert_false(proxy_is_excluded("fd00::/8", "10.0.0.1", 443));
	assert_false(proxy_is_excluded("10.0.0.0/33", "10.0.0.1", 443));
	assert_false(proxy_is_excluded("10.0.0.0/8", "ten.example", 443));
	assert_true(proxy_is_excluded("0.0.0.0/0", "10.0.0.1", 443));
}

static void clear_variables(void)
{
	static const char *const names[] = {"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY",	"all_proxy",
					    "ALL_PROXY",  "no_proxy",	"NO_PROXY",    "REQUEST_METHOD"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		unsetenv(names[i]);
}

static const char *proxy_of(const char *address)
{
	cleanup(url_done) struct url url = {0};

	assert_int_equal(url_parse(address, &url, NULL), 0);
	return proxy_find(&url);
}

static void each_scheme_has_its_own(void **state)
{
	clear_variables();
	assert_null(proxy_of("https://r.example/"));
	setenv("HTTPS_PROXY", "http://upper:1", 1);
	setenv("http_proxy", "http://plain:1", 1);
	assert_string_equal(proxy_of("https://r.example/"), "http://upper:1");
	assert_string_equal(proxy_of("http://r.example/"), "http://plain:1");
	setenv("https_proxy", "http://lower:1", 1);
	assert_string_equal(proxy_of("https://r.example/"), "http://lower:1");
	clear_variables();
	setenv("ALL_PROXY", "socks5://all:1", 1);
	assert_string_equal(proxy_of("https://r.example/"), "socks5://all:1");
}

static void loopback_and_no_proxy_go_direct(void **state)
{
	clear_variables();
	setenv("HTTPS_PROXY", "http://p:1", 1);
	setenv("HTTP_PROXY", "http://p:1", 1);
	assert_null(proxy_of("https://localhost:5000/"));
	assert_null(proxy_of("http://127.0.0.2:5000/"));
	assert_null(proxy_of("http://[::1]:5000/"));
	setenv("NO_PROXY", "r.example", 1);
	assert_null(proxy_of("https://r.example/"));
	assert_non_null(proxy_of("https://q.example/"));
	clear_variables();
}

static void a_cgi_script_does_not_believe_http_proxy(void **state)
{
	clear_variables();
	setenv("HTTP_PROXY", "http://evil:1", 1);
	setenv("REQUEST_METHOD", "GET", 1);
	assert_null(proxy_of("http://r.example/"));
	clear_variables();
}

static void assert_proxy_host(const char *proxy, const char *host)
{
	cleanup_free char *found = proxy_host(proxy);

	assert_string_equal(found, host);
}

static void the_host_of_a_proxy_is_found(void **state)
{
	assert_proxy_host("http://p.example:3128", "p.example");
	assert_proxy_host("p.example:3128", "p.example");
	assert_proxy_host("https://me:a@b/c@p.example/",
			  "b"); /* what is no part of a password: curl reads it so, too */
	assert_proxy_host("socks5h://me:a@b@p.example", "p.example");
	assert_proxy_host("http://me:pw@[::1]:3128", "::1");
	assert_null(proxy_host(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_excludes_itself_and_what_is_below),
		cmocka_unit_test(a_port_must_be_the_same),
		cmocka_unit_test(networks_are_compared_by_bits),
		cmocka_unit_test(each_scheme_has_its_own),
		cmocka_unit_test(loopback_and_no_proxy_go_direct),
		cmocka_unit_test(a_cgi_script_does_not_believe_http_proxy),
		cmocka_unit_test(the_host_of_a_proxy_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
