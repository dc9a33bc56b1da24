#include "imagefmt/manifest.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define D "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define CONFIG "\"config\":{\"digest\":\"" D "\",\"mediaType\":\"" MEDIA_OCI_CONFIG "\",\"size\":2}"
#define LAYER "{\"digest\":\"" D "\",\"mediaType\":\"" MEDIA_OCI_LAYER_GZIP "\",\"size\":7}"

static int parse(const char *text, struct manifest *m)
{
	cleanup_error struct error *err = NULL;
	int rc = manifest_parse(text, strlen(text), "test", m, &err);
	assert_int_equal(rc < 0, err != NULL);
	return rc;
}

static int parse_index(const char *text, struct image_index *index)
{
	cleanup_error struct error *err = NULL;
	int rc = image_index_parse(text, strlen(text), "test", index, &err);
	assert_int_equal(rc < 0, err != NULL);
	return rc;
}

static void a_canonical_manifest_comes_back_byte_for_byte(void **state)
{
	const char *text =
		"{\"annotations\":{\"a\":\"b=c\",\"d\":\"\"},\"artifactType\":\"x/y\"," CONFIG
		",\"future\":{\"x\":[1,2.5,null]},\"layers\":[{\"annotations\":{\"k\":\"v\"},\"data\":\"aGk=\","
		"\"digest\":\"" D "\",\"mediaType\":\"" MEDIA_OCI_LAYER_ZSTD
		"\",\"size\":7,\"urls\":[\"https://a/b\"]}],\"mediaType\":\"" MEDIA_OCI_MANIFEST
		"\",\"schemaVersion\":2,\"subject\":{\"digest\":\"" D "\",\"mediaType\":\"a/b\",\"size\":0}}";
	cleanup(manifest_done) struct manifest m = {0};
	assert_int_equal(parse(text, &m), 0);
	assert_int_equal(m.layer_count, 1);
	assert_int_equal(m.layers[0].size, 7);
	cleanup(buf_done) struct buf out = BUF_INIT(MANIFEST_SIZE_MAX);
	manifest_format(&m, &out);
	assert_string_equal(buf_str(&out), text);
}

static void a_manifest_without_a_media_type_gets_one(void **state)
{
	cleanup(manifest_done) struct manifest m = {0};
	assert_int_equal(parse("{\"schemaVersion\":2," CONFIG ",\"layers\":[]}", &m), 0);
	cleanup(buf_done) struct buf out = BUF_INIT(MANIFEST_SIZE_MAX);
	manifest_format(&m, &out);
	assert_non_null(strstr(buf_str(&out), "\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"schemaVersion\":2"));
}

static void another_format_changes_the_types_of_what_it_names(void **state)
{
	cleanup(manifest_done) struct manifest m = {0};
	assert_int_equal(parse("{\"schemaVersion\":2," CONFIG ",\"layers\":[" LAYER "]}", &m), 0);
	m.format = FORMAT_DOCKER;
	cleanup(buf_done) struct buf out = BUF_INIT(MANIFEST_SIZE_MAX);
	manifest_format(&m, &out);
	assert_non_null(strstr(buf_str(&out), MEDIA_DOCKER_MANIFEST));
	assert_non_null(strstr(buf_str(&out), MEDIA_DOCKER_CONFIG));
	assert_non_null(strstr(buf_str(&out), MEDIA_DOCKER_LAYER_GZIP));
	assert_null(strstr(buf_str(&out), "oci"));
}

static void an_index_keeps_its_platforms_and_what_is_unknown_of_them(void **state)
{
	const char *text = "{\"manifests\":[{\"digest\":\"" D "\",\"mediaType\":\"" MEDIA_DOCKER_MANIFEST
			   "\",\"platform\":{\"architecture\":\"arm\",\"features\":[\"sse4\"],\"os\":\"linux\",\"os."
			   "features\":[\"f\"],"
			   "\"os.version\":\"1\",\"variant\":\"v7\"},\"size\":5}],\"mediaType\":\"" MEDIA_DOCKER_LIST
			   "\",\"schemaVersion\":2}";
	cleanup(image_index_done) struct image_index index = {0};
	assert_int_equal(parse_index(text, &index), 0);
	assert_int_equal(index.format, FORMAT_DOCKER);
	assert_string_equal(index.manifests[0].platform->variant, "v7");
	cleanup(buf_done) struct buf out = BUF_INIT(MANIFEST_SIZE_MAX);
	image_index_format(&index, &out);
	assert_string_equal(buf_str(&out), text);
}

static void refuses_hostile_manifests(void **state)
{
	const char *texts[] = {
		"",
		"null",
		"[]",
		"1",
		"{",
		"{}",
		"{\"schemaVersion\":2}",
		"{\"schemaVersion\":1," CONFIG ",\"layers\":[]}",
		"{\"schemaVersion\":3," CONFIG ",\"layers\":[]}",
		"{\"schemaVersion\":\"2\"," CONFIG ",\"layers\":[]}",
		"{\"schemaVersion\":2,\"layers\":[]}",
		"{\"schemaVersion\":2," CONFIG "}",
		"{\"schemaVersion\":2," CONFIG ",\"layers\":null}",
		"{\"schemaVersion\":2," CONFIG ",\"layers\":{}}",
		"{\"schemaVersion\":2," CONFIG ",\"layers\":[1]}",
		"{\"schemaVersion\":2," CONFIG ",\"layers\":[null]}",
		"{\"schemaVersion\":2," CONFIG ",\"layers\":[{}]}",
		"{\"schemaVersion\":2," CONFIG ",\"layers\":[],\"manifests\":[]}",
		"{\"schemaVersion\":2," CONFIG ",\"layers\":[],\"manifests\":null}",
		"{\"schemaVersion\":2," CONFIG ",\"layers\":[],\"layers\":[]}",
		"{\"schemaVersion\":2," CONFIG ",\"layers\":[],\"Layers\":[]}",
		"{\"schemaVersion\":2," CONFIG ",\"layers\":[]} x",
		"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\"," CONFIG ",\"layers\":[]}",
		"{\"schemaVersion\":2,\"mediaType\":\"text/html\"," CONFIG ",\"layers\":[]}",
		"{\"schemaVersion\":2,\"mediaType\":5," CONFIG ",\"layers\":[]}",
		"{\"schemaVersion\":2," CONFIG
		",\"layers\":[{\"digest\":\"sha256:../x\",\"mediaType\":\"a\",\"size\":1}]}",
		"{\"schemaVersion\":2," CONFIG ",\"layers\":[{\"digest\":\"" D "\",\"mediaType\":\"a\",\"size\":-1}]}",
		"{\"schemaVersion\":2," CONFIG ",\"layers\":[{\"digest\":\"" D "\",\"mediaType\":\"a\",\"size\":1.5}]}",
		"{\"schemaVersion\":2," CONFIG ",\"layers\":[{\"digest\":\"" D
		"\",\"mediaType\":\"a\",\"size\":\"1\"}]}",
		"{\"schemaVersion\":2," CONFIG ",\"layers\":[{\"digest\":\"" D
		"\",\"mediaType\":\"a\",\"size\":99999999999999999999}]}",
		"{\"schemaVersion\":2," CONFIG ",\"layers\":[{\"digest\":\"" D "\",\"size\":1}]}",
		"{\"schemaVersion\":2," CONFIG ",\"layers\":[{\"mediaType\":\"a\",\"size\":1}]}",
		"{\"schemaVersion\":2," CONFIG ",\"layers\":[{\"digest\":\"" D "\",\"digest\":\"" D
		"\",\"mediaType\":\"a\",\"size\":1}]}",
		"{\"schemaVersion\":2," CONFIG ",\"layers\":[],\"annotations\":{\"a\":1}}",
		"{\"schemaVersion\":2," CONFIG ",\"layers\":[],\"annotations\":[]}",
		"{\"schemaVersion\":2," CONFIG ",\"layers\":[],\"subject\":[]}",
		"{\"schemaVersion\":2," CONFIG ",\"layers\":[],\"artifactType\":\"a\\u0000b\"}",
	};
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		cleanup(manifest_done) struct manifest m = {0};
		if (parse(texts[i], &m) != -EINVAL)
			fail_msg("taken: %s", texts[i]);
	}
}

static void refuses_hostile_indexes(void **state)
{
	const char *texts[] = {
		"{\"schemaVersion\":2}",
		"{\"schemaVersion\":2,\"manifests\":[],\"layers\":[]}",
		"{\"schemaVersion\":2,\"manifests\":[],\"config\":{}}",
		"{\"schemaVersion\":2,\"manifests\":[],\"fsLayers\":[]}",
		"{\"schemaVersion\":2,\"manifests\":[],\"mediaType\":\"" MEDIA_OCI_MANIFEST "\"}",
		"{\"schemaVersion\":2,\"manifests\":[{\"digest\":\"" D
		"\",\"mediaType\":\"a\",\"size\":1,\"platform\":1}]}",
		"{\"schemaVersion\":2,\"manifests\":[{\"digest\":\"" D
		"\",\"mediaType\":\"a\",\"size\":1,\"platform\":{\"os\":1}}]}",
	};
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		cleanup(image_index_done) struct image_index index = {0};
		if (parse_index(texts[i], &index) != -EINVAL)
			fail_msg("taken: %s", texts[i]);
	}
}

static void refuses_too_many_layers_and_too_many_bytes(void **state)
{
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX * 2);
	cleanup(manifest_done) struct manifest m = {0};
	buf_append_str(&text, "{\"schemaVersion\":2," CONFIG ",\"layers\":[" LAYER);
	for (int i = 1; i < MANIFEST_LAYERS_MAX; i++)
		buf_append_str(&text, "," LAYER);
	size_t most = text.len;
	buf_append_str(&text, "]}");
	assert_int_equal(parse(buf_str(&text), &m), 0);
	assert_int_equal(m.layer_count, 1000);
	manifest_done(&m);
	m = (struct manifest){0};
	text.len = most;
	buf_append_str(&text, "," LAYER "]}");
	assert_int_equal(parse(buf_str(&text), &m), -EINVAL);

	buf_clear(&text);
	buf_append_str(&text, "{\"schemaVersion\":2," CONFIG ",\"layers\":[]}");
	while (text.len <= MANIFEST_SIZE_MAX)
		buf_append_str(&text, "                                                                ");
	assert_int_equal(parse(buf_str(&text), &m), -EFBIG);
}

static int kind_of(const char *text, const char *media_type)
{
	enum manifest_kind kind;
	cleanup_error struct error *err = NULL;
	int rc = manifest_kind(text, strlen(text), media_type, &kind, &err);
	return rc < 0 ? rc : (int)kind;
}

static void the_kind_is_what_sender_and_document_agree_on(void **state)
{
	const char *bare = "{\"schemaVersion\":2," CONFIG ",\"layers\":[]}";
	const char *image = "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST "\"," CONFIG ",\"layers\":[]}";
	const char *index = "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":[]}";
	const char *both = "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":[],\"layers\":[]}";
	const char *schema1 = "{\"schemaVersion\":1,\"name\":\"x\",\"fsLayers\":[]}";
	assert_int_equal(kind_of(image, NULL), MANIFEST_IMAGE);
	assert_int_equal(kind_of(image, MEDIA_OCI_MANIFEST), MANIFEST_IMAGE);
	assert_int_equal(kind_of(image, "application/octet-stream"), MANIFEST_IMAGE);
	assert_int_equal(kind_of(image, MEDIA_DOCKER_MANIFEST), -EINVAL);
	assert_int_equal(kind_of(index, NULL), MANIFEST_INDEX);
	assert_int_equal(kind_of(index, MEDIA_OCI_MANIFEST), -EINVAL);
	assert_int_equal(kind_of(bare, NULL), -EINVAL);
	assert_int_equal(kind_of(bare, "text/plain"), -EINVAL);
	assert_int_equal(kind_of(bare, MEDIA_OCI_MANIFEST), MANIFEST_IMAGE);
	assert_int_equal(kind_of(both, NULL), -EINVAL);
	assert_int_equal(kind_of(schema1, "application/vnd.docker.distribution.manifest.v1+prettyjws"), -EINVAL);
	assert_int_equal(kind_of("{}", NULL), -EINVAL);
}

static int entry_rc(const char *type, uint64_t size, const char *text, const char *sent_as)
{
	struct descriptor entry = {.media_type = (char *)type, .size = size};
	return manifest_check_entry(&entry, text, strlen(text), sent_as, NULL);
}

static void a_document_is_what_the_index_says_of_it(void **state)
{
	const char *bare = "{\"schemaVersion\":2," CONFIG ",\"layers\":[]}";
	const char *image = "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST "\"," CONFIG ",\"layers\":[]}";
	assert_int_equal(entry_rc(MEDIA_OCI_MANIFEST, strlen(image), image, MEDIA_OCI_MANIFEST), 0);
	assert_int_equal(entry_rc(MEDIA_OCI_MANIFEST, strlen(image), image, "application/octet-stream"), 0);
	assert_int_equal(entry_rc(MEDIA_OCI_MANIFEST, strlen(image), image, NULL), 0);
	assert_int_equal(entry_rc(MEDIA_OCI_MANIFEST, strlen(image) - 1, image, NULL), -EINVAL);
	assert_int_equal(entry_rc(MEDIA_OCI_MANIFEST, strlen(image) + 1, image, NULL), -EINVAL);
	assert_int_equal(entry_rc(MEDIA_DOCKER_MANIFEST, strlen(image), image, NULL), -EINVAL);
	assert_int_equal(entry_rc(MEDIA_OCI_INDEX, strlen(image), image, NULL), -EINVAL);
	assert_int_equal(entry_rc(MEDIA_DOCKER_MANIFEST, strlen(bare), bare, MEDIA_DOCKER_MANIFEST), 0);
	assert_int_equal(entry_rc(MEDIA_DOCKER_MANIFEST, strlen(bare), bare, MEDIA_OCI_MANIFEST), -EINVAL);
}

static void a_bare_document_is_judged_by_its_fields(void **state)
{
	const char *bare = "{\"schemaVersion\":2," CONFIG ",\"layers\":[]}";
	const char *index = "{\"schemaVersion\":2,\"manifests\":[]}";
	assert_string_equal(manifest_guess_media_type(bare, strlen(bare)), MEDIA_OCI_MANIFEST);
	assert_string_equal(manifest_guess_media_type(index, strlen(index)), MEDIA_OCI_INDEX);
	assert_null(manifest_guess_media_type("{}", 2));
	assert_null(manifest_guess_media_type("{", 1));
}

static void codecs_are_known_by_media_type_and_by_name(void **state)
{
	enum codec codec = CODEC_NONE;
	assert_int_equal(layer_codec(MEDIA_DOCKER_LAYER_GZIP, &codec, NULL), 0);
	assert_int_equal(codec, CODEC_GZIP);
	assert_int_equal(layer_codec(MEDIA_OCI_LAYER_ZSTD, &codec, NULL), 0);
	assert_int_equal(codec, CODEC_ZSTD);
	assert_int_equal(layer_codec(MEDIA_OCI_LAYER "+encrypted", &codec, NULL), -EINVAL);
	assert_int_equal(layer_codec("text/plain", &codec, NULL), -EINVAL);
	assert_int_equal(codec_parse("zstd:chunked", &codec, NULL), 0);
	assert_int_equal(codec, CODEC_ZSTD);
	assert_int_equal(codec_parse("lz4", &codec, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_canonical_manifest_comes_back_byte_for_byte),
		cmocka_unit_test(a_manifest_without_a_media_type_gets_one),
		cmocka_unit_test(another_format_changes_the_types_of_what_it_names),
		cmocka_unit_test(an_index_keeps_its_platforms_and_what_is_unknown_of_them),
		cmocka_unit_test(refuses_hostile_manifests),
		cmocka_unit_test(refuses_hostile_indexes),
		cmocka_unit_test(refuses_too_many_layers_and_too_many_bytes),
		cmocka_unit_test(the_kind_is_what_sender_and_document_agree_on),
		cmocka_unit_test(a_document_is_what_the_index_says_of_it),
		cmocka_unit_test(a_bare_document_is_judged_by_its_fields),
		cmocka_unit_test(codecs_are_known_by_media_type_and_by_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
