#include "imagefmt/digest.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "imagefmt/sha256.h"

#define EMPTY_SHA256 "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ABC_SHA256 "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define ABC_SHA512                                                                                                 \
	"sha512:"                                                                                                  \
	"ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423" \
	"643ce80e2a9ac94fa54ca49f"

static void text_comes_back_as_it_was(void **state)
{
	const char *texts[] = {EMPTY_SHA256, ABC_SHA512};
	for (size_t i = 0; i < 2; i++) {
		struct digest digest;
		char text[DIGEST_TEXT_SIZE];
		assert_int_equal(digest_parse(texts[i], &digest, NULL), 0);
		assert_string_equal(digest_format(&digest, text), texts[i]);
		assert_false(digest_is_null(&digest));
	}
}

static void refuses_what_could_be_a_path_or_another_algorithm(void **state)
{
	const char *texts[] = {
		"",
		"sha256",
		"sha256:",
		"sha256:abc",
		"md5:d41d8cd98f00b204e9800998ecf8427e",
		"sha256:../../etc/passwd",
		"SHA256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
		"sha512:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		EMPTY_SHA256 "0",
		EMPTY_SHA256 "\n",
		" " EMPTY_SHA256,
		"sha256:0000000000000000000000000000000000000000000000000000000000000000",
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct digest digest = {.bytes = {42}};
		cleanup_error struct error *err = NULL;
		assert_int_equal(digest_parse(texts[i], &digest, &err), -EINVAL);
		assert_non_null(err);
		assert_int_equal(digest.bytes[0], 42); /* untouched */
	}
}

static void what_is_quoted_begins_no_line(void **state)
{
	struct digest digest;
	cleanup_error struct error *err = NULL;

	assert_int_equal(digest_parse("sha256:ab\n::set-env name=PATH::/evil", &digest, &err), -EINVAL);
	assert_non_null(strstr(error_message(err), "'sha256:ab'"));
	assert_null(strchr(error_message(err), '\n'));
}

static void hashes_the_vectors_of_the_standard(void **state)
{
	struct digest digest;
	char text[DIGEST_TEXT_SIZE];
	assert_int_equal(digest_of("", 0, &digest, NULL), 0);
	assert_string_equal(digest_format(&digest, text), EMPTY_SHA256);
	assert_int_equal(digest_of("abc", 3, &digest, NULL), 0);
	assert_string_equal(digest_format(&digest, text), ABC_SHA256);
	assert_int_equal(digest_of_as(DIGEST_SHA512, "abc", 3, &digest, NULL), 0);
	assert_string_equal(digest_format(&digest, text), ABC_SHA512);
}

static void small_and_large_inputs_are_hashed_alike(void **state)
{
	static uint8_t data[SHA256_SMALL_MAX + 2];
	uint32_t seed = 1;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)((seed = seed * 1664525 + 1013904223) >> 24);
	cleanup(hasher_free) struct hasher *hasher = NULL;
	assert_int_equal(hasher_new(DIGEST_SHA256, &hasher, NULL), 0);
	for (size_t size = 0; size <= sizeof(data); size += size < 300 || size >= SHA256_SMALL_MAX - 2 ? 1 : 4091) {
		struct digest by_library;
		struct digest by_size;
		hasher_reset(hasher);
		hasher_update(hasher, data, size);
		hasher_finish(hasher, &by_library);
		assert_int_equal(digest_of(data, size, &by_size, NULL), 0);
		assert_true(digest_equal(&by_library, &by_size));
		if (size < SHA256_SMALL_MAX - 2 && size + 4091 > SHA256_SMALL_MAX - 2)
			size = SHA256_SMALL_MAX - 2 - 4091; /* the border itself, too */
	}
}

/* The first of all tests: once the library is loaded, every hasher begins with it. */
static void a_stream_is_handed_to_the_library_on_its_way(void **state)
{
	static uint8_t data[3 * SHA256_EARLY_MAX];
	assert_true(sha256_is_available());
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 251);
	cleanup(hasher_free) struct hasher *hasher = NULL;
	assert_int_equal(hasher_new(DIGEST_SHA256, &hasher, NULL), 0);
	for (int i = 0; i < 2; i++) {
		struct digest by_pieces = {0};
		struct digest at_once = {.algorithm = DIGEST_SHA256};
		for (size_t at = 0, size = 1; at < sizeof(data); at += size, size = size * 3 % 4099 + 1) {
			size = size < sizeof(data) - at ? size : sizeof(data) - at;
			hasher_update(hasher, data + at, size);
		}
		hasher_finish(hasher, &by_pieces);
		sha256_small(data, sizeof(data), at_once.bytes);
		assert_true(digest_equal(&by_pieces, &at_once));
		hasher_reset(hasher);
	}
}

static void a_sum_in_pieces_is_that_of_the_whole(void **state)
{
	uint8_t data[300];
	assert_true(sha256_is_available());
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 13);
	for (size_t size = 0; size <= sizeof(data); size++) {
		for (size_t cut = 0; cut <= size; cut += 13) {
			struct sha256 sum;
			uint8_t by_pieces[32];
			uint8_t at_once[32];
			sha256_init(&sum);
			sha256_update(&sum, data, cut);
			sha256_update(&sum, data + cut, size - cut);
			sha256_finish(&sum, by_pieces);
			sha256_small(data, size, at_once);
			assert_memory_equal(by_pieces, at_once, sizeof(at_once));
		}
	}
}

static void a_hasher_is_used_again_after_a_reset(void **state)
{
	cleanup(hasher_free) struct hasher *hasher = NULL;
	struct digest digest;
	char text[DIGEST_TEXT_SIZE];
	assert_int_equal(hasher_new(DIGEST_SHA256, &hasher, NULL), 0);
	for (int i = 0; i < 2; i++) {
		hasher_update(hasher, "a", 1);
		hasher_update(hasher, "bc", 2);
		hasher_finish(hasher, &digest);
		assert_string_equal(digest_format(&digest, text), ABC_SHA256);
		hasher_reset(hasher);
		hasher_update(hasher, "left over", 9);
		hasher_reset(hasher);
	}
}

static void digests_of_two_algorithms_are_never_equal(void **state)
{
	struct digest a = {.algorithm = DIGEST_SHA256, .bytes = {1}};
	struct digest b = {.algorithm = DIGEST_SHA512, .bytes = {1}};
	assert_false(digest_equal(&a, &b));
	assert_true(digest_compare(&a, &b) < 0);
	assert_true(digest_compare(&b, &a) > 0);
	assert_int_equal(digest_compare(&a, &a), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stream_is_handed_to_the_library_on_its_way),
		cmocka_unit_test(a_sum_in_pieces_is_that_of_the_whole),
		cmocka_unit_test(text_comes_back_as_it_was),
		cmocka_unit_test(refuses_what_could_be_a_path_or_another_algorithm),
		cmocka_unit_test(what_is_quoted_begins_no_line),
		cmocka_unit_test(hashes_the_vectors_of_the_standard),
		cmocka_unit_test(small_and_large_inputs_are_hashed_alike),
		cmocka_unit_test(a_hasher_is_used_again_after_a_reset),
		cmocka_unit_test(digests_of_two_algorithms_are_never_equal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
