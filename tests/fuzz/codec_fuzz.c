/* Any bytes as packed ones: an end or an error, within the memory of one piece; and what we pack comes back. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "imagefmt/codec.h"

#define PLAIN_MAX ((size_t)8 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inflate_any(enum codec codec, const uint8_t *data, size_t size)
{
	struct stream_memory memory = {.data = data, .size = size};
	cleanup(inflater_free) struct inflater *inflater = NULL;
	const void *piece;
	size_t piece_size;
	size_t total = 0;
	int rc = inflater_new(codec, stream_memory_next, &memory, &inflater, NULL);

	assert(rc == 0);
	while (total < PLAIN_MAX && (rc = inflater_next(inflater, &piece, &piece_size, NULL)) > 0)
		total += piece_size;
	assert(rc >= 0 || rc == -EBADMSG);
}

static void there_and_back(enum codec codec, int level, const uint8_t *data, size_t size)
{
	struct codec_recipe recipe;
	struct codec_frame frame;
	cleanup(deflater_free) struct deflater *deflater = NULL;
	cleanup(buf_done) struct buf packed = BUF_INIT(PLAIN_MAX);
	cleanup(buf_done) struct buf block = BUF_INIT(PLAIN_MAX);
	cleanup(inflater_free) struct inflater *inflater = NULL;
	cleanup_free char *plain = mem_alloc(size + 1);
	uint32_t crc;
	int rc = codec_recipe_init(codec, level, &recipe, NULL);

	if (rc == 0)
		rc = deflater_new(&recipe, &deflater, NULL);
	if (rc == 0)
		rc = codec_frame_begin(&frame, &recipe, &packed, NULL);
	if (rc == 0)
		rc = deflater_block(deflater, NULL, 0, data, size, &block, &crc, NULL);
	assert(rc == 0);
	buf_append(&packed, block.data, block.len);
	codec_frame_add(&frame, crc, size);
	codec_frame_end(&frame, &packed);
	struct stream_memory memory = {.data = packed.data, .size = packed.len};
	rc = inflater_new(codec, stream_memory_next, &memory, &inflater, NULL);
	assert(rc == 0);
	ssize_t n = inflater_read(inflater, plain, size + 1, NULL);
	assert(n == (ssize_t)size && memcmp(plain, data, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	enum codec codec = data[0] & 1 ? CODEC_GZIP : CODEC_ZSTD;
	if (data[0] & 2)
		inflate_any(codec, data + 1, size - 1);
	else
		there_and_back(codec, data[0] & 4 ? 1 : -1, data + 1, size - 1);
	return 0;
}
