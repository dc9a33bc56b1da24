/* What is packed unpacks, in pieces of any size; what is damaged is noticed. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "imagefmt/codec.h"

#include <errno.h>
#include <string.h>

#include "imagefmt/pipeline.h"

/* Hands out `size` bytes at a time. */
struct slices {
	const char *data;
	size_t left;
	size_t size;
};

static int next_slice(void *context, const void **data, size_t *size, struct error **err)
{
	struct slices *s = context;

	if (s->left == 0)
		return 0;
	*size = s->left < s->size ? s->left : s->size;
	*data = s->data;
	s->data += *size;
	s->left -= *size;
	return 1;
}

static int append(const void *data, size_t size, void *context, struct error **err)
{
	buf_append(context, data, size);
	return 0;
}

/* Text that compresses, with some that does not. */
static char *sample(size_t size)
{
	char *bytes = mem_alloc(size + 1);
	uint32_t random = 1;

	for (size_t i = 0; i < size; i++) {
		random = random * 1664525 + 1013904223;
		bytes[i] = i / 5000 % 3 == 0 ? (char)(random >> 24) : "the quick brown fox "[i % 20];
	}
	return bytes;
}

static void pack(enum codec codec, int level, const char *data, size_t size, struct buf *into)
{
	struct codec_recipe recipe;
	cleanup(pipeline_free) struct pipeline *pipeline = NULL;
	struct digest digest;
	uint64_t total;

	assert_int_equal(codec_recipe_init(codec, level, &recipe, NULL), 0);
	struct pipeline_options options = {.recipe = &recipe, .sink = append, .context = into};
	assert_int_equal(pipeline_new(&options, &pipeline, NULL), 0);
	assert_true(pipeline_write(pipeline, data, size));
	assert_int_equal(pipeline_finish(pipeline, &digest, &total, NULL), 0);
	assert_int_equal(total, size);
}

static int inflate_all(enum codec codec, const struct buf *packed, size_t slice, struct buf *into)
{
	struct slices slices = {.data = packed->data, .left = packed->len, .size = slice};
	cleanup(inflater_free) struct inflater *inflater = NULL;
	const void *data;
	size_t size;
	int rc = inflater_new(codec, next_slice, &slices, &inflater, NULL);

	while (rc == 0 && (rc = inflater_next(inflater, &data, &size, NULL)) > 0) {
		buf_append(into, data, size);
		rc = 0;
	}
	return rc;
}

static void assert_unpacks(enum codec codec, const struct buf *packed, size_t slice, const char *data, size_t size)
{
	cleanup(buf_done) struct buf plain = BUF_INIT((size_t)64 << 20);

	assert_int_equal(inflate_all(codec, packed, slice, &plain), 0);
	assert_int_equal(plain.len, size);
	assert_memory_equal(plain.data, data, size);
}

static void what_is_packed_unpacks(void **state)
{
	const struct {
		enum codec codec;
		int level;
	} recipes[] = {{CODEC_NONE, -1}, {CODEC_GZIP, -1}, {CODEC_GZIP, 2}, {CODEC_GZIP, 6},
		       {CODEC_GZIP, 0},	 {CODEC_ZSTD, -1}, {CODEC_ZSTD, 1}};
	const size_t sizes[] = {1, 100, CODEC_BLOCK, CODEC_BLOCK + 1, 9 * CODEC_BLOCK + 12345};

	for (size_t r = 0; r < ARRAY_COUNT(recipes); r++) {
		for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
			cleanup_free char *data = sample(sizes[i]);
			cleanup(buf_done) struct buf packed = BUF_INIT((size_t)64 << 20);
			cleanup(buf_done) struct buf again = BUF_INIT((size_t)64 << 20);
			pack(recipes[r].codec, recipes[r].level, data, sizes[i], &packed);
			pack(recipes[r].codec, recipes[r].level, data, sizes[i], &again);
			assert_int_equal(packed.len, again.len);
			assert_memory_equal(packed.data, again.data, packed.len);
			assert_unpacks(recipes[r].codec, &packed, 65536, data, sizes[i]);
		}
	}
}

static void gzip_may_come_in_members_and_any_pieces(void **state)
{
	cleanup_free char *data = sample(60000);
	cleanup(buf_done) struct buf packed = BUF_INIT((size_t)1 << 20);
	static const char zeros[600];

	pack(CODEC_GZIP, -1, data, 20000, &packed);
	pack(CODEC_GZIP, 6, data + 20000, 1, &packed);
	pack(CODEC_GZIP, -1, data + 20001, 39999, &packed);
	for (size_t slice = 1; slice < 20; slice++)
		assert_unpacks(CODEC_GZIP, &packed, slice, data, 60000);
	buf_append(&packed, zeros, sizeof(zeros));
	assert_unpacks(CODEC_GZIP, &packed, 7, data, 60000);
	assert_unpacks(CODEC_GZIP, &packed, 1 << 20, data, 60000);
	buf_append(&packed, "garbage", 7);
	cleanup(buf_done) struct buf plain = BUF_INIT((size_t)1 << 20);
	assert_int_equal(inflate_all(CODEC_GZIP, &packed, 1000, &plain), -EBADMSG);
}

static void zstd_may_have_skippable_frames(void **state)
{
	static const unsigned char skippable[] = {0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'x', 'y', 'z'};
	cleanup_free char *data = sample(50000);
	cleanup(buf_done) struct buf packed = BUF_INIT((size_t)1 << 20);

	buf_append(&packed, skippable, sizeof(skippable));
	pack(CODEC_ZSTD, -1, data, 20000, &packed);
	buf_append(&packed, skippable, sizeof(skippable));
	pack(CODEC_ZSTD, -1, data + 20000, 30000, &packed);
	buf_append(&packed, skippable, sizeof(skippable));
	assert_unpacks(CODEC_ZSTD, &packed, 1, data, 50000);
	assert_unpacks(CODEC_ZSTD, &packed, 1 << 20, data, 50000);
	assert_int_equal(codec_detect(packed.data, packed.len), CODEC_ZSTD);
}

static void what_is_cut_or_damaged_is_noticed(void **state)
{
	const enum codec codecs[] = {CODEC_GZIP, CODEC_ZSTD};
	cleanup_free char *data = sample(3000);

	for (size_t c = 0; c < ARRAY_COUNT(codecs); c++) {
		cleanup(buf_done) struct buf packed = BUF_INIT((size_t)1 << 20);
		cleanup(buf_done) struct buf plain = BUF_INIT((size_t)1 << 20);
		pack(codecs[c], -1, data, 3000, &packed);
		size_t whole = packed.len;
		for (packed.len = 0; packed.len < whole; packed.len += 1 + packed.len / 20) {
			buf_clear(&plain);
			assert_int_equal(inflate_all(codecs[c], &packed, 100, &plain), -EBADMSG);
		}
		packed.len = whole;
		assert_int_equal(codec_detect(packed.data, packed.len), codecs[c]);
		packed.data[0] ^= 1;
		assert_int_equal(inflate_all(codecs[c], &packed, 100, &plain), -EBADMSG);
	}
	cleanup(buf_done) struct buf packed = BUF_INIT((size_t)1 << 20);
	cleanup(buf_done) struct buf plain = BUF_INIT((size_t)1 << 20);
	pack(CODEC_GZIP, -1, data, 3000, &packed);
	packed.data[packed.len - 6] ^= 1; /* in the checksum */
	assert_int_equal(inflate_all(CODEC_GZIP, &packed, 100, &plain), -EBADMSG);
}

static void gzip_with_reserved_flags_is_refused_in_every_member(void **state)
{
	cleanup_free char *data = sample(3000);
	cleanup(buf_done) struct buf packed = BUF_INIT((size_t)1 << 20);

	pack(CODEC_GZIP, -1, data, 1000, &packed);
	size_t second = packed.len;
	pack(CODEC_GZIP, -1, data + 1000, 2000, &packed);
	for (size_t slice = 1; slice < 4000; slice += slice) {
		for (unsigned bit = 0x20; bit <= 0x80; bit <<= 1) {
			for (size_t i = 0; i < 2; i++) {
				cleanup(buf_done) struct buf plain = BUF_INIT((size_t)1 << 20);
				packed.data[3 + i * second] |= (char)bit;
				assert_int_equal(inflate_all(CODEC_GZIP, &packed, slice, &plain), -EBADMSG);
				packed.data[3 + i * second] &= (char)~bit;
			}
		}
		assert_unpacks(CODEC_GZIP, &packed, slice, data, 3000);
	}
}

static void levels_out_of_range_are_refused(void **state)
{
	struct codec_recipe recipe;

	assert_int_equal(codec_recipe_init(CODEC_GZIP, 10, &recipe, NULL), -EINVAL);
	assert_int_equal(codec_recipe_init(CODEC_ZSTD, 23, &recipe, NULL), -EINVAL);
	assert_int_equal(codec_recipe_init(CODEC_ZSTD, 0, &recipe, NULL), -EINVAL);
	assert_int_equal(codec_recipe_init(CODEC_GZIP, 9, &recipe, NULL), 0);
	assert_string_equal(recipe.name, "zlib-9");
	assert_int_equal(codec_recipe_init(CODEC_NONE, -1, &recipe, NULL), 0);
	assert_string_equal(recipe.name, "none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_packed_unpacks),
		cmocka_unit_test(gzip_may_come_in_members_and_any_pieces),
		cmocka_unit_test(zstd_may_have_skippable_frames),
		cmocka_unit_test(what_is_cut_or_damaged_is_noticed),
		cmocka_unit_test(gzip_with_reserved_flags_is_refused_in_every_member),
		cmocka_unit_test(levels_out_of_range_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
