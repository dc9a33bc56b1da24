/* What --cache-to and --cache-from say. */
#include "builder/cache_place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

static void reads_registries(void **state)
{
	static const struct {
		const char *text, *name;
		enum cache_mode mode;
	} examples[] = {
		{"type=registry,ref=quay.io/me/app:cache", "quay.io/me/app:cache", CACHE_MIN},
		{"type=registry,ref=quay.io/me/app,mode=max", "quay.io/me/app:latest", CACHE_MAX},
		{"ref=me/app:1,type=registry,mode=min,image-manifest=true,oci-mediatypes", "docker.io/me/app:1",
		 CACHE_MIN},
		{"quay.io/me/app", "quay.io/me/app:buildcache", CACHE_MIN},
		{"localhost:5000/app:3", "localhost:5000/app:3", CACHE_MIN},
	};

	for (size_t i = 0; i < ARRAY_COUNT(examples); i++) {
		cleanup(cache_place_done) struct cache_place place = {0};
		cleanup_error struct error *err = NULL;
		if (cache_place_parse(examples[i].text, CACHE_TO, &place, &err) < 0)
			fail_msg("%s", error_message(err));
		cleanup_free char *name = reference_format(&place.where.ref);
		assert_string_equal(name, examples[i].name);
		assert_int_equal(place.mode, examples[i].mode);
		assert_int_equal(place.kind, CACHE_REGISTRY);
		assert_int_equal(place.codec, CODEC_GZIP);
	}
}

static void reads_directories_images_and_flags(void **state)
{
	cleanup(cache_place_done) struct cache_place to = {0}, from = {0}, image = {0}, flags = {0};

	assert_int_equal(
		cache_place_parse("type=local,dest=out,compression=zstd,compression-level=9", CACHE_TO, &to, NULL), 0);
	assert_string_equal(to.where.path, "out");
	assert_string_equal(to.where.name, "latest");
	assert_int_equal(to.codec, CODEC_ZSTD);
	assert_int_equal(to.level, 9);
	assert_int_equal(cache_place_parse("type=local,src=in,tag=main", CACHE_FROM, &from, NULL), 0);
	assert_string_equal(from.where.path, "in");
	assert_string_equal(from.where.name, "main");
	assert_int_equal(cache_place_parse("type=inline", CACHE_TO, &image, NULL), 0);
	assert_int_equal(image.kind, CACHE_INLINE);
	assert_int_equal(cache_place_parse("type=registry,ref=a.b/c,ignore-error=true,registry.insecure=true", CACHE_TO,
					   &flags, NULL),
			 0);
	assert_true(flags.ignore_error && flags.insecure);
}

static void refuses_what_cannot_be_meant(void **state)
{
	static const struct {
		const char *text;
		enum cache_direction direction;
	} bad[] = {
		{"", CACHE_TO},
		{"type=gha", CACHE_TO},
		{"ref=a.b/c", CACHE_TO},
		{"type=registry", CACHE_FROM},
		{"type=registry,ref=A B", CACHE_FROM},
		{"type=registry,ref=a.b/c,dest=d", CACHE_TO},
		{"type=registry,ref=a.b/c,mode=all", CACHE_TO},
		{"type=registry,ref=a.b/c,mode=max", CACHE_FROM},
		{"type=registry,ref=a.b/c,ignore-error=true", CACHE_FROM},
		{"type=registry,ref=a.b/c,image-manifest=false", CACHE_TO},
		{"type=registry,ref=a.b/c,compression=lzma", CACHE_TO},
		{"type=registry,ref=a.b/c,compressions=gzip", CACHE_TO},
		{"type=registry,ref=a.b/c@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		 CACHE_TO},
		{"type=local", CACHE_TO},
		{"type=local,src=d", CACHE_TO},
		{"type=local,dest=d", CACHE_FROM},
		{"type=local,src=d,registry.insecure=true", CACHE_FROM},
		{"type=inline", CACHE_FROM},
		{"type=inline,mode=max", CACHE_TO},
		{"type=inline,compression=gzip", CACHE_TO},
	};

	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		cleanup(cache_place_done) struct cache_place place = {0};
		cleanup_error struct error *err = NULL;
		if (cache_place_parse(bad[i].text, bad[i].direction, &place, &err) != -EINVAL)
			fail_msg("%s is taken", bad[i].text);
		assert_non_null(
			strstr(error_message(err), bad[i].direction == CACHE_TO ? "--cache-to" : "--cache-from"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_registries),
		cmocka_unit_test(reads_directories_images_and_flags),
		cmocka_unit_test(refuses_what_cannot_be_meant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
