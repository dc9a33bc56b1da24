/*
 * Plain blocks to packed ones. Each block is packed alone, so that threads can share the work and the result does not
 * depend on their number.
 *
 * gzip: a block is raw deflate, begun with the 32 KiB before it as the dictionary (matches may reach back into what
 * the reader has already seen) and ended by a full flush, which leaves the stream at a byte's border. Put behind each
 * other they are one deflate stream, which an empty final block ends; the CRC of the whole is combined from theirs.
 * ISA-L gives other bytes when the same block is fed in other slices: it always gets it in one.
 */
#include "imagefmt/codec.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "imagefmt/codec_internal.h"

/* What incompressible data may grow by: stored blocks of at most 64 KiB with 5 bytes each, and the flush. */
#define SLACK ((size_t)64 << 10)

struct deflater {
	struct codec_recipe recipe;
	struct isal_library isal;
	struct zlib_library zlib;
	struct zstd_library zstd;
	struct isal_zstream *isal_state;
	uint8_t *level_buffer;
	size_t level_buffer_size;
	z_stream zlib_state;
	bool has_zlib;
	ZSTD_CCtx *zstd_state;
};

static int open_isal(struct deflater *d, struct error **err)
{
	int rc = codec_load_isal(&d->isal, err);

	if (rc < 0)
		return rc;
	d->level_buffer_size = d->recipe.level == 1 ? ISAL_DEF_LVL1_DEFAULT : ISAL_DEF_LVL2_DEFAULT;
	d->level_buffer = mem_alloc(d->level_buffer_size);
	d->isal_state = mem_alloc(sizeof(*d->isal_state));
	return 0;
}

static int open_zlib(struct deflater *d, struct error **err)
{
	int rc = codec_load_zlib(&d->zlib, err);

	if (rc < 0)
		return rc;
	if (d->zlib.deflateInit2_(&d->zlib_state, d->recipe.level, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
				  sizeof(z_stream)) != Z_OK)
		return error_set(err, ENOMEM, "zlib refuses to start");
	d->has_zlib = true;
	return 0;
}

static int open_zstd(struct deflater *d, struct error **err)
{
	int rc = codec_load_zstd(&d->zstd, err);

	if (rc < 0)
		return rc;
	d->zstd_state = d->zstd.ZSTD_createCCtx();
	return d->zstd_state != NULL ? 0 : error_set(err, ENOMEM, "zstd refuses to start");
}

size_t deflater_memory(const struct codec_recipe *recipe)
{
	/* As zstd 1.5 chooses its tables for blocks of CODEC_BLOCK, in KiB: measured. */
	static const struct {
		int up_to_level;
		size_t size;
	} zstd[] = {{3, 1300}, {4, 2500}, {6, 3600}, {8, 6600}, {12, 12800}, {INT_MAX, 17500}};
	size_t i = 0;

	if (recipe->codec != CODEC_ZSTD)
		return (size_t)512 << 10;
	while (recipe->level > zstd[i].up_to_level)
		i++;
	return zstd[i].size << 10;
}

int deflater_new(const struct codec_recipe *recipe, struct deflater **deflater, struct error **err)
{
	cleanup(deflater_free) struct deflater *d = mem_alloc(sizeof(*d));
	int rc = 0;

	d->recipe = *recipe;
	if (recipe->codec == CODEC_GZIP)
		rc = recipe->isal ? open_isal(d, err) : open_zlib(d, err);
	else if (recipe->codec == CODEC_ZSTD)
		rc = open_zstd(d, err);
	if (rc < 0)
		return rc;
	*deflater = take_ptr(&d);
	return 0;
}

void deflater_free(struct deflater *d)
{
	if (d == NULL)
		return;
	if (d->has_zlib)
		d->zlib.deflateEnd(&d->zlib_state);
	if (d->zstd_state != NULL)
		d->zstd.ZSTD_freeCCtx(d->zstd_state);
	free(d->isal_state);
	free(d->level_buffer);
	free(d);
}

/* Room for `more` bytes behind what is there. Blocks come from ourselves: the buffer's limit is not for them. */
static void make_room(struct buf *into, size_t more)
{
	if (into->len + more <= into->cap)
		return;
	into->cap = into->len + more;
	into->data = mem_grow(into->data, into->cap, 1);
}

static int block_isal(struct deflater *d, const void *dict, size_t dict_size, const void *data, size_t size,
		      struct buf *into, uint32_t *crc, struct error **err)
{
	struct isal_zstream *state = d->isal_state;

	d->isal.isal_deflate_init(state);
	state->level = (uint32_t)d->recipe.level;
	state->level_buf = d->level_buffer;
	state->level_buf_size = (uint32_t)d->level_buffer_size;
	state->flush = FULL_FLUSH;
	if (dict_size > 0 && d->isal.isal_deflate_set_dict(state, (uint8_t *)dict, (uint32_t)dict_size) != COMP_OK)
		return error_set(err, EIO, "ISA-L refuses a dictionary");
	state->next_in = (uint8_t *)data;
	state->avail_in = (uint32_t)size;
	do {
		make_room(into, size + SLACK);
		size_t room = into->cap - into->len;
		state->next_out = (uint8_t *)into->data + into->len;
		state->avail_out = (uint32_t)room;
		if (d->isal.isal_deflate(state) != COMP_OK)
			return error_set(err, EIO, "ISA-L could not compress");
		into->len += room - state->avail_out;
	} while (state->avail_out == 0);
	*crc = d->isal.crc32_gzip_refl(0, data, size);
	return 0;
}

static int block_zlib(struct deflater *d, const void *dict, size_t dict_size, const void *data, size_t size,
		      struct buf *into, uint32_t *crc, struct error **err)
{
	z_stream *state = &d->zlib_state;

	d->zlib.deflateReset(state);
	if (dict_size > 0 && d->zlib.deflateSetDictionary(state, dict, (uInt)dict_size) != Z_OK)
		return error_set(err, EIO, "zlib refuses a dictionary");
	state->next_in = (Bytef *)data;
	state->avail_in = (uInt)size;
	do {
		make_room(into, size + SLACK);
		size_t room = into->cap - into->len;
		state->next_out = (Bytef *)into->data + into->len;
		state->avail_out = (uInt)room;
		int code = d->zlib.deflate(state, Z_FULL_FLUSH);
		if (code != Z_OK && code != Z_BUF_ERROR)
			return error_set(err, EIO, "zlib could not compress");
		into->len += room - state->avail_out;
	} while (state->avail_out == 0);
	*crc = (uint32_t)d->zlib.crc32(0, data, (uInt)size);
	return 0;
}

static int block_zstd(struct deflater *d, const void *data, size_t size, struct buf *into, struct error **err)
{
	make_room(into, d->zstd.ZSTD_compressBound(size));
	size_t n = d->zstd.ZSTD_compressCCtx(d->zstd_state, into->data, into->cap, data, size, d->recipe.level);

	if (d->zstd.ZSTD_isError(n))
		return error_set(err, EIO, "zstd could not compress: %s", d->zstd.ZSTD_getErrorName(n));
	into->len = n;
	return 0;
}

int deflater_block(struct deflater *d, const void *dict, size_t dict_size, const void *data, size_t size,
		   struct buf *into, uint32_t *crc, struct error **err)
{
	into->len = 0;
	*crc = 0;
	if (d->recipe.codec == CODEC_ZSTD)
		return block_zstd(d, data, size, into, err);
	if (d->recipe.codec == CODEC_GZIP && d->recipe.isal)
		return block_isal(d, dict, dict_size, data, size, into, crc, err);
	if (d->recipe.codec == CODEC_GZIP)
		return block_zlib(d, dict, dict_size, data, size, into, crc, err);
	make_room(into, size);
	memcpy(into->data, data, size);
	into->len = size;
	return 0;
}

/* ---- what stands around the blocks ---- */

int codec_frame_begin(struct codec_frame *frame, const struct codec_recipe *recipe, struct buf *into,
		      struct error **err)
{
	/* RFC 1952: deflate, no flags, no time, unknown system: nothing of this machine. */
	static const unsigned char header[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255};

	*frame = (struct codec_frame){.recipe = recipe};
	if (recipe->codec != CODEC_GZIP)
		return 0;
	struct zlib_library zlib = {0};
	int rc = codec_load_zlib(&zlib, err);
	if (rc < 0)
		return rc;
	frame->combine = zlib.crc32_combine;
	buf_append(into, header, sizeof(header));
	return 0;
}

void codec_frame_add(struct codec_frame *frame, uint32_t crc, uint64_t size)
{
	if (frame->combine != NULL)
		frame->crc = (uint32_t)frame->combine(frame->crc, crc, (long)size);
	frame->size += size;
}

static void append_le32(struct buf *into, uint32_t value)
{
	unsigned char bytes[4] = {value & 0xff, value >> 8 & 0xff, value >> 16 & 0xff, value >> 24};

	buf_append(into, bytes, sizeof(bytes));
}

void codec_frame_end(struct codec_frame *frame, struct buf *into)
{
	/* An empty final block with fixed codes (RFC 1951, 3.2.6). */
	static const unsigned char last[2] = {0x03, 0x00};

	if (frame->recipe->codec != CODEC_GZIP)
		return;
	buf_append(into, last, sizeof(last));
	append_le32(into, frame->crc);
	append_le32(into, (uint32_t)frame->size);
}
