#include "imagefmt/platform.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_parsed(const char *text, const char *expected)
{
	cleanup(platform_done) struct platform p = {0};
	assert_int_equal(platform_parse(text, &p, NULL), 0);
	cleanup_free char *formatted = platform_format(&p);
	assert_string_equal(formatted, expected);
}

static void words_of_kernels_and_debian_become_those_of_images(void **state)
{
	assert_parsed("linux/amd64", "linux/amd64");
	assert_parsed("linux/x86_64", "linux/amd64");
	assert_parsed("Linux/AArch64", "linux/arm64");
	assert_parsed("linux/arm64/v8", "linux/arm64");
	assert_parsed("linux/arm64/8", "linux/arm64");
	assert_parsed("linux/armhf", "linux/arm/v7");
	assert_parsed("linux/armel", "linux/arm/v6");
	assert_parsed("linux/arm", "linux/arm/v7");
	assert_parsed("linux/arm/6", "linux/arm/v6");
	assert_parsed("linux/amd64/v1", "linux/amd64");
	assert_parsed("linux/amd64/v3", "linux/amd64/v3");
	assert_parsed("linux/i686", "linux/386");
	assert_parsed("macos/arm64", "darwin/arm64");
	assert_parsed("arm64", "linux/arm64");
}

static void one_word_may_be_a_system(void **state)
{
	cleanup(platform_done) struct platform host = {0};
	cleanup(platform_done) struct platform p = {0};
	platform_host(&host);
	assert_int_equal(platform_parse("linux", &p, NULL), 0);
	assert_string_equal(p.os, "linux");
	assert_string_equal(p.architecture, host.architecture);
}

static void refuses_what_is_no_platform(void **state)
{
	const char *texts[] = {"",	   "/",		"linux/", "/amd64", "a/b/c/d", "linux/am d64",
			       "nonsense", "linux//v8", "a\nb/c"};
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		cleanup(platform_done) struct platform p = {0};
		cleanup_error struct error *err = NULL;
		assert_int_equal(platform_parse(texts[i], &p, &err), -EINVAL);
	}
}

static int rank(const char *want, const char *os, const char *architecture, const char *variant)
{
	cleanup(platform_done) struct platform wanted = {0};
	assert_int_equal(platform_parse(want, &wanted, NULL), 0);
	struct platform have = {.os = (char *)os, .architecture = (char *)architecture, .variant = (char *)variant};
	return platform_rank(&wanted, &have);
}

static void an_exact_variant_is_best_and_lower_ones_follow(void **state)
{
	int v7 = rank("linux/arm/v7", "linux", "arm", "v7");
	int v6 = rank("linux/arm/v7", "linux", "arm", "v6");
	int v5 = rank("linux/arm/v7", "linux", "arm", "v5");
	int none = rank("linux/arm/v7", "linux", "arm", NULL);
	assert_true(v7 > v6 && v6 > v5 && v5 > none && none > 0);
	assert_int_equal(rank("linux/arm/v7", "linux", "arm", "v8"), 0);
	assert_int_equal(rank("linux/amd64", "linux", "amd64", "v3"), 0);
	assert_true(rank("linux/amd64/v3", "linux", "amd64", "v2") > rank("linux/amd64/v3", "linux", "amd64", NULL));
	assert_true(rank("linux/amd64/v3", "linux", "amd64", NULL) > 0);
	assert_true(rank("linux/arm64", "linux", "arm64", "v8") > 0);
	assert_true(rank("linux/arm64", "linux", "aarch64", NULL) > 0);
}

static void another_system_or_architecture_does_not_serve(void **state)
{
	assert_int_equal(rank("linux/amd64", "windows", "amd64", NULL), 0);
	assert_int_equal(rank("linux/amd64", "linux", "arm64", NULL), 0);
	assert_int_equal(rank("linux/amd64", "unknown", "unknown", NULL), 0);
	assert_int_equal(rank("linux/amd64", NULL, NULL, NULL), 0);
	assert_int_equal(rank("linux/amd64", "", "", ""), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_of_kernels_and_debian_become_those_of_images),
		cmocka_unit_test(one_word_may_be_a_system),
		cmocka_unit_test(refuses_what_is_no_platform),
		cmocka_unit_test(an_exact_variant_is_best_and_lower_ones_follow),
		cmocka_unit_test(another_system_or_architecture_does_not_serve),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
