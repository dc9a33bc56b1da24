/* Which image of an index is taken. */
#include "builder/fetch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/error.h"

/* An index of these platforms; "" stands for an entry without one. */
static void make_index(struct image_index *index, const char *const *platforms, size_t count)
{
	index->manifests = mem_alloc(count * sizeof(*index->manifests));
	index->manifest_count = count;
	for (size_t i = 0; i < count; i++) {
		index->manifests[i].media_type = mem_strdup(MEDIA_OCI_MANIFEST);
		if (!*platforms[i])
			continue;
		struct platform *platform = mem_alloc(sizeof(*platform));
		const char *slash = strchr(platforms[i], '/');
		platform->os = mem_strndup(platforms[i], (size_t)(slash - platforms[i]));
		platform->architecture = mem_strndup(slash + 1, strcspn(slash + 1, "/"));
		const char *variant = strchr(slash + 1, '/');
		platform->variant = variant ? mem_strdup(variant + 1) : NULL;
		index->manifests[i].platform = platform;
	}
}

static size_t choose(const char *want, const char *const *platforms, size_t count)
{
	cleanup(image_index_done) struct image_index index = {0};
	cleanup(platform_done) struct platform platform = {0};
	size_t chosen = SIZE_MAX;

	make_index(&index, platforms, count);
	assert_int_equal(platform_parse(want, &platform, NULL), 0);
	return fetch_choose(&index, &platform, "x", &chosen, NULL) < 0 ? SIZE_MAX : chosen;
}

static void takes_the_platform_that_fits_best(void **state)
{
	static const char *const platforms[] = {"linux/arm/v6", "linux/amd64", "linux/arm/v7", "linux/arm64"};

	assert_int_equal(choose("linux/amd64", platforms, 4), 1);
	assert_int_equal(choose("linux/arm/v7", platforms, 4), 2);
	assert_int_equal(choose("linux/arm64", platforms, 4), 3);
}

static void the_first_of_equals_is_taken(void **state)
{
	static const char *const platforms[] = {"linux/386", "linux/amd64", "linux/amd64"};

	assert_int_equal(choose("linux/amd64", platforms, 3), 1);
}

static void skips_attestations(void **state)
{
	static const char *const platforms[] = {"unknown/unknown", "linux/amd64", "unknown/unknown"};
	static const char *const nothing_else[] = {"unknown/unknown"};

	assert_int_equal(choose("linux/amd64", platforms, 3), 1);
	assert_int_equal(choose("linux/amd64", nothing_else, 1), SIZE_MAX);
}

static void takes_an_entry_without_a_platform_when_none_fits_better(void **state)
{
	static const char *const with[] = {"", "linux/amd64"};
	static const char *const without[] = {"linux/s390x", ""};

	assert_int_equal(choose("linux/amd64", with, 2), 1);
	assert_int_equal(choose("linux/amd64", without, 2), 1);
}

static void tells_what_there_is_when_nothing_fits(void **state)
{
	static const char *const platforms[] = {"linux/s390x", "linux/ppc64le", "unknown/unknown"};
	cleanup(image_index_done) struct image_index index = {0};
	cleanup(platform_done) struct platform platform = {0};
	cleanup_error struct error *error = NULL;
	size_t chosen;

	make_index(&index, platforms, 3);
	assert_int_equal(platform_parse("linux/amd64", &platform, NULL), 0);
	assert_int_equal(fetch_choose(&index, &platform, "quay.io/x", &chosen, &error), -ENOENT);
	assert_non_null(strstr(error_message(error), "linux/s390x, linux/ppc64le"));
	assert_null(strstr(error_message(error), "unknown"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_the_platform_that_fits_best),
		cmocka_unit_test(the_first_of_equals_is_taken),
		cmocka_unit_test(skips_attestations),
		cmocka_unit_test(takes_an_entry_without_a_platform_when_none_fits_better),
		cmocka_unit_test(tells_what_there_is_when_nothing_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
