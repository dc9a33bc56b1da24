/* Package URLs of images. */
#include "builder/materials.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void images_are_named_as_buildkit_names_them(void **state)
{
	static const struct {
		const char *name, *platform, *uri;
	} examples[] = {
		{"debian:12", "linux/arm64", "pkg:docker/debian@12?platform=linux%2Farm64"},
		{"debian", NULL, "pkg:docker/debian@latest"},
		{"docker.io/library/debian:12", NULL, "pkg:docker/debian@12"},
		{"docker.io/me/app:1", NULL, "pkg:docker/me/app@1"},
		{"quay.io:5000/me/app:1", "linux/arm/v7", "pkg:docker/quay.io:5000/me/app@1?platform=linux%2Farm%2Fv7"},
		{"Not A Name?", NULL, "pkg:docker/Not%20A%20Name%3F"},
	};

	for (size_t i = 0; i < ARRAY_COUNT(examples); i++) {
		cleanup_free char *uri = material_image_uri(examples[i].name, examples[i].platform);
		assert_string_equal(uri, examples[i].uri);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(images_are_named_as_buildkit_names_them)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
