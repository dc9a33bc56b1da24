/* The name servers that a step in a private network gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "run/network.h"

static void gives(enum run_network network, const char *helper, const char *text, const char *expected)
{
	cleanup_free char *got = network_resolv_conf(network, helper, text);

	assert_string_equal(got, expected);
}

static void leaves_the_text_outside_of_a_private_network(void **state)
{
	gives(RUN_NETWORK_HOST, NULL, "nameserver 127.0.0.53\n", "nameserver 127.0.0.53\n");
	gives(RUN_NETWORK_NONE, NULL, "nameserver 127.0.0.53\n", "nameserver 127.0.0.53\n");
	assert_null(network_resolv_conf(RUN_NETWORK_PRIVATE, "pasta", NULL));
}

static void replaces_servers_on_the_loopback(void **state)
{
	gives(RUN_NETWORK_PRIVATE, "pasta", "search lan\nnameserver 127.0.0.53\noptions edns0\n",
	      "search lan\nnameserver 169.254.1.1\noptions edns0\n");
	gives(RUN_NETWORK_PRIVATE, "slirp4netns", "nameserver 127.0.0.1\nnameserver ::1\nnameserver 9.9.9.9\n",
	      "nameserver 10.0.2.3\nnameserver 9.9.9.9\n");
	gives(RUN_NETWORK_PRIVATE, "pasta", "nameserver 192.0.2.1\n", "nameserver 192.0.2.1\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaves_the_text_outside_of_a_private_network),
		cmocka_unit_test(replaces_servers_on_the_loopback),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
