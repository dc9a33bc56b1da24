/* What --output says. */
#include "builder/output.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

static void reads_types_and_short_forms(void **state)
{
	static const struct {
		const char *text;
		enum output_type type;
		const char *dest;
	} examples[] = {
		{"out", OUTPUT_LOCAL, "out"},
		{"-", OUTPUT_TAR, "-"},
		{"type=local,dest=out", OUTPUT_LOCAL, "out"},
		{"type=tar,dest=-", OUTPUT_TAR, "-"},
		{"type=oci,dest=a.tar", OUTPUT_OCI, "a.tar"},
		{"dest=a.tar,type=docker", OUTPUT_DOCKER, "a.tar"},
		{"type=docker", OUTPUT_STORE, NULL},
		{"type=image,name=a", OUTPUT_STORE, NULL},
		{"type=image,name=a,push=true", OUTPUT_REGISTRY, NULL},
		{"type=image,push=false", OUTPUT_STORE, NULL},
		{"type=registry", OUTPUT_REGISTRY, NULL},
	};

	for (size_t i = 0; i < ARRAY_COUNT(examples); i++) {
		cleanup(output_done) struct output output = {0};
		cleanup_error struct error *err = NULL;
		if (output_parse(examples[i].text, &output, &err) < 0)
			fail_msg("%s", error_message(err));
		assert_int_equal(output.type, examples[i].type);
		assert_string_equal(output.dest ? output.dest : "", examples[i].dest ? examples[i].dest : "");
	}
}

static void reads_the_keys(void **state)
{
	cleanup(output_done) struct output output = {0};

	assert_int_equal(output_parse("type=oci,dest=d,tar=false,\"name=a,b:1\",compression=zstd,compression-level=7,"
				      "force-compression=true,annotation.a.b=c,annotation-manifest.d=e",
				      &output, NULL),
			 0);
	assert_true(output.is_directory);
	assert_int_equal(output.names.count, 2);
	assert_string_equal(output.names.items[1], "b:1");
	assert_true(output.has_codec);
	assert_int_equal(output.codec, CODEC_ZSTD);
	assert_int_equal(output.level, 7);
	assert_true(output.force_compression);
	assert_string_equal(strlist_env_get(&output.annotations, "a.b"), "c");
	assert_string_equal(strlist_env_get(&output.annotations, "d"), "e");
}

static void refuses_what_it_cannot_do(void **state)
{
	static const char *const bad[] = {
		"type=local",
		"type=tar",
		"type=oci",
		"dest=out",
		"type=nothing,dest=x",
		"type=local,dest=-",
		"type=oci,dest=-,tar=false",
		"type=docker,dest=d,tar=false",
		"type=oci,dest=a:b",
		"type=registry,dest=x",
		"type=local,dest=d,push=true",
		"type=image,push-by-digest=true",
		"type=image,store=false",
		"type=tar,dest=x,mode=delete",
		"type=local,dest=x,mode=move",
		"type=oci,dest=x,compression=lzma",
		"type=oci,dest=x,annotation-index.a=b",
		"type=oci,dest=x,unknown=1",
	};

	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		cleanup(output_done) struct output output = {0};
		cleanup_error struct error *err = NULL;
		if (output_parse(bad[i], &output, &err) != -EINVAL)
			fail_msg("%s is taken", bad[i]);
		assert_non_null(strstr(error_message(err), bad[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_types_and_short_forms),
		cmocka_unit_test(reads_the_keys),
		cmocka_unit_test(refuses_what_it_cannot_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
