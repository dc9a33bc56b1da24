/* Names of capabilities. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "run/capability.h"

static uint64_t set_of(const char *names)
{
	cleanup(strlist_done) struct strlist list = {0};
	uint64_t set = 0;

	strlist_split(&list, names, ',');
	assert_int_equal(capability_add(&set, &list, NULL), 0);
	return set;
}

static void knows_names_in_every_form(void **state)
{
	assert_int_equal(set_of("CAP_CHOWN"), 1);
	assert_int_equal(set_of("cap_chown"), 1);
	assert_int_equal(set_of("chown"), 1);
	assert_int_equal(set_of("Chown,CAP_KILL"), 1 | 1 << 5);
	assert_true(set_of("all") > (uint64_t)1 << 37);
	assert_int_equal(set_of("ALL"), set_of("all"));
}

static void refuses_unknown_names_and_changes_nothing(void **state)
{
	static const char *const bad[] = {"CAP_NOSUCH", "", "5", "cap_", "CAP_CAP_CHOWN"};

	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		cleanup(strlist_done) struct strlist list = {0};
		uint64_t set = 7;

		strlist_append(&list, "chown");
		strlist_append(&list, bad[i]);
		assert_int_equal(capability_drop(&set, &list, NULL), -EINVAL);
		assert_int_equal(set, 7);
	}
}

static void has_the_eleven_defaults(void **state)
{
	cleanup(strlist_done) struct strlist names = {0};

	capability_names(capability_defaults(), &names);
	cleanup_free char *text = strlist_join(&names, " ");
	assert_int_equal(names.count, 11);
	assert_string_equal(text, "CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID "
				  "CAP_SETPCAP CAP_NET_BIND_SERVICE CAP_SYS_CHROOT CAP_SETFCAP");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_names_in_every_form),
		cmocka_unit_test(refuses_unknown_names_and_changes_nothing),
		cmocka_unit_test(has_the_eleven_defaults),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
