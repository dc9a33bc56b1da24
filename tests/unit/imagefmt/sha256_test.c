#include "imagefmt/sha256.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "base/library.h"
#include "imagefmt/digest.h"

struct reference {
	LIBRARY_MEMBER(EVP_Q_digest)
};

/* What libcrypto makes of the same. */
static void reference_of(const void *data, size_t size, uint8_t digest[32])
{
	static struct reference library;
	static const char *const symbols[] = {"EVP_Q_digest"};
	size_t length = 0;

	if (!library.EVP_Q_digest)
		assert_int_equal(library_load("libcrypto.so.3", symbols, 1, &library, NULL), 0);
	assert_int_equal(library.EVP_Q_digest(NULL, "SHA256", NULL, data, size, digest, &length), 1);
	assert_int_equal(length, 32);
}

static void fill(uint8_t *data, size_t size)
{
	uint32_t seed = 1;

	for (size_t i = 0; i < size; i++)
		data[i] = (uint8_t)((seed = seed * 1664525 + 1013904223) >> 24);
}

static void every_size_gives_what_libcrypto_gives(void **state)
{
	static uint8_t data[SHA256_SMALL_MAX + 70];
	uint8_t wanted[32], have[32];

	fill(data, sizeof(data));
	assert_true(sha256_is_available());
	for (size_t size = 0; size <= sizeof(data); size += size < 400 || size >= SHA256_SMALL_MAX ? 1 : 911) {
		reference_of(data, size, wanted);
		sha256_small(data, size, have);
		assert_memory_equal(have, wanted, sizeof(wanted));
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

/* The size in bits is counted in 64 bits, and what is hashed at once is not aligned. */
static void more_than_half_a_gigabyte_in_odd_pieces(void **state)
{
	static uint8_t data[(1 << 20) + 3];
	cleanup(hasher_free) struct hasher *hasher = NULL;
	struct digest digest;
	char text[DIGEST_TEXT_SIZE];

	memset(data, 'a', sizeof(data));
	assert_int_equal(hasher_new(DIGEST_SHA256, &hasher, NULL), 0);
	if (!sha256_is_fast())
		skip();
	for (size_t left = (size_t)520 << 20; left > 0;) {
		size_t part = left < sizeof(data) - 1 ? left : sizeof(data) - 1;
		hasher_update(hasher, data + 1, part);
		left -= part;
	}
	hasher_finish(hasher, &digest);
	assert_string_equal(digest_format(&digest, text),
			    "sha256:5a6f9bf6f59c340432f09e927f42a5275d8cefd72798afb86345f1b61c8b09af");
}

static void a_digest_on_the_way_changes_nothing(void **state)
{
	uint8_t data[200], early[32], at_end[32], wanted[32];
	struct sha256 sum;

	fill(data, sizeof(data));
	sha256_init(&sum);
	sha256_update(&sum, data, 130);
	sha256_finish(&sum, early);
	sha256_update(&sum, data + 130, 70);
	sha256_finish(&sum, at_end);
	sha256_small(data, 130, wanted);
	assert_memory_equal(early, wanted, sizeof(wanted));
	sha256_small(data, 200, wanted);
	assert_memory_equal(at_end, wanted, sizeof(wanted));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_size_gives_what_libcrypto_gives),
		cmocka_unit_test(a_sum_in_pieces_is_that_of_the_whole),
		cmocka_unit_test(more_than_half_a_gigabyte_in_odd_pieces),
		cmocka_unit_test(a_digest_on_the_way_changes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
