#include "registry/interrupt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

static volatile sig_atomic_t delivered;

static void deliver(int number)
{
	delivered = number;
}

static void a_signal_waits_until_it_is_passed_on(void **state)
{
	struct interrupt interrupt = INTERRUPT_INIT;

	(void)state;
	delivered = 0;
	signal(SIGTERM, deliver);
	interrupt_hold(&interrupt);
	assert_true(interrupt.fd >= 0);
	assert_false(interrupt_take(&interrupt));
	raise(SIGTERM);
	assert_int_equal(delivered, 0);
	assert_true(interrupt_take(&interrupt));
	interrupt_release(&interrupt);
	assert_int_equal(delivered, 0);
	assert_true(interrupt_take(&interrupt)); /* also afterwards */
	interrupt_pass_on(&interrupt);
	assert_int_equal(delivered, SIGTERM);
}

static void a_signal_that_nobody_took_comes_with_the_release(void **state)
{
	struct interrupt interrupt = INTERRUPT_INIT;

	(void)state;
	delivered = 0;
	signal(SIGINT, deliver);
	interrupt_hold(&interrupt);
	raise(SIGINT);
	interrupt_release(&interrupt);
	assert_int_equal(delivered, SIGINT);
	assert_false(interrupt_take(&interrupt));
	interrupt_pass_on(&interrupt);
}

static void what_is_ignored_stays_ignored(void **state)
{
	struct interrupt interrupt = INTERRUPT_INIT;

	(void)state;
	signal(SIGHUP, SIG_IGN);
	interrupt_hold(&interrupt);
	raise(SIGHUP);
	assert_false(interrupt_take(&interrupt));
	interrupt_release(&interrupt);
	interrupt_release(&interrupt);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_signal_waits_until_it_is_passed_on),
		cmocka_unit_test(a_signal_that_nobody_took_comes_with_the_release),
		cmocka_unit_test(what_is_ignored_stays_ignored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
