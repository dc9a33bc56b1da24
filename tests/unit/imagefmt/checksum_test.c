/* CRC-32: the same by either library, in whatever pieces. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "imagefmt/checksum.h"
#include "imagefmt/codec_internal.h"

/* The check value that catalogues of CRCs give for this one. */
static const char check[] = "123456789";
#define CHECK_VALUE 0xcbf43926

static void assert_counts(struct checksum checksum)
{
	assert_int_equal(checksum.value, 0);
	checksum_update(&checksum, check, 4);
	checksum_update(&checksum, "", 0);
	checksum_update(&checksum, check + 4, strlen(check) - 4);
	assert_int_equal(checksum.value, CHECK_VALUE);
}

static void pieces_give_the_checksum_of_the_whole(void **state)
{
	struct checksum checksum;
	(void)state;

	assert_int_equal(checksum_init(&checksum, NULL), 0);
	assert_counts(checksum);
}

static void without_isal_zlib_counts_the_same(void **state)
{
	struct zlib_library zlib = {0};
	(void)state;

	assert_int_equal(codec_load_zlib(&zlib, NULL), 0);
	assert_counts((struct checksum){.zlib = zlib.crc32});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_give_the_checksum_of_the_whole),
		cmocka_unit_test(without_isal_zlib_counts_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
