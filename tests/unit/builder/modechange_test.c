/* What chmod(1) does with the same words. */
#include "builder/modechange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/stat.h>

static mode_t changed(const char *text, mode_t mode)
{
	struct mode_change change;

	if (mode_change_parse(text, &change, NULL) != 0)
		fail_msg("'%s' was refused", text);
	return mode_change_apply(&change, mode);
}

static void leaves_the_mode_when_nothing_is_said(void **state)
{
	assert_int_equal(changed(NULL, S_IFREG | 04755), 04755);
	assert_int_equal(changed("", S_IFDIR | 0700), 0700);
}

static void takes_octal_modes_as_they_are(void **state)
{
	assert_int_equal(changed("0755", S_IFREG | 0600), 0755);
	assert_int_equal(changed("4711", S_IFREG | 0600), 04711);
	assert_int_equal(changed("0", S_IFREG | 0600), 0);
}

static void applies_clauses_in_order(void **state)
{
	assert_int_equal(changed("u=rwx,go=rx", S_IFREG | 0), 0755);
	assert_int_equal(changed("a-w", S_IFREG | 0666), 0444);
	assert_int_equal(changed("+x", S_IFREG | 0644), 0755);
	assert_int_equal(changed("go-rwx,u+x", S_IFREG | 0644), 0700);
	assert_int_equal(changed("g=u", S_IFREG | 0640), 0660);
	assert_int_equal(changed("u+s,g+s,+t", S_IFREG | 0755), 07755);
	assert_int_equal(changed("u=", S_IFREG | 0755), 0055);
}

static void gives_search_permission_only_where_it_makes_sense(void **state)
{
	assert_int_equal(changed("u=rwX,go=rX", S_IFREG | 0600), 0644);
	assert_int_equal(changed("u=rwX,go=rX", S_IFREG | 0700), 0755);
	assert_int_equal(changed("u=rwX,go=rX", S_IFDIR | 0700), 0755);
}

static void refuses_what_is_no_mode(void **state)
{
	static const char *const texts[] = {"888",  "rwx", "u",	       "u=q",	"z+r",
					    "u=r,", ",",   "07777777", "0755x", "u+r go+r"};
	struct mode_change change;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (mode_change_parse(texts[i], &change, NULL) != -EINVAL)
			fail_msg("'%s' was taken", texts[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaves_the_mode_when_nothing_is_said),
		cmocka_unit_test(takes_octal_modes_as_they_are),
		cmocka_unit_test(applies_clauses_in_order),
		cmocka_unit_test(gives_search_permission_only_where_it_makes_sense),
		cmocka_unit_test(refuses_what_is_no_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
