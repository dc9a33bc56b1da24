#include "tests/unit/base/scratch.h"

#include "base/env.h"

static void prefers_our_name_and_takes_empty_for_unset(void **state)
{
	setenv("BUILDAH_THING", "theirs", 1);
	assert_string_equal(env_get("THING"), "theirs");
	setenv("COOPER_THING", "", 1);
	assert_string_equal(env_get("THING"), "theirs");
	setenv("COOPER_THING", "ours", 1);
	assert_string_equal(env_get("THING"), "ours");
	unsetenv("COOPER_THING");
	unsetenv("BUILDAH_THING");
	assert_null(env_get("THING"));
}

static void finds_the_users_directories(void **state)
{
	setenv("HOME", "/h", 1);
	setenv("XDG_DATA_HOME", "/d", 1);
	setenv("XDG_CONFIG_HOME", "relative", 1);
	unsetenv("XDG_RUNTIME_DIR");
	cleanup_free char *data = env_data_home();
	cleanup_free char *config = env_config_home();
	assert_string_equal(data, "/d");
	assert_string_equal(config, "/h/.config");
	assert_null(env_runtime_dir());
}

static void has_a_home_without_a_usable_variable(void **state)
{
	unsetenv("HOME");
	cleanup_free char *home = env_home();
	assert_int_equal(*home, '/');
	setenv("HOME", "relative", 1);
	cleanup_free char *absolute = env_home();
	assert_string_equal(absolute, home);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prefers_our_name_and_takes_empty_for_unset),
		cmocka_unit_test(finds_the_users_directories),
		cmocka_unit_test(has_a_home_without_a_usable_variable),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
