/*
 * How a layer's tar is packed and unpacked: gzip (igzip of ISA-L when the machine has it, else zlib) and zstd.
 *
 * Reading accepts what others write: gzip of several members, zero padding behind the last, zstd of several frames with
 * skippable ones between. Writing works on exact blocks of CODEC_BLOCK bytes, each compressed on its own (so that
 * several threads can), and gives the same bytes whatever the number of threads:
 *
 *	gzip	one member: each block is raw deflate, primed with the 32 KiB before it and ended by a full flush
 *	zstd	one frame for each block
 */
#ifndef COOPER_IMAGEFMT_CODEC_H
#define COOPER_IMAGEFMT_CODEC_H

#include "base/buf.h"
#include "base/error.h"
#include "imagefmt/manifest.h"
#include "imagefmt/stream.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CODEC_BLOCK ((size_t)1 << 20)
#define CODEC_DICT ((size_t)32 << 10)
#define CODEC_NAME_SIZE 16

/* What the first bytes (at least 6, else CODEC_NONE) look like. */
enum codec codec_detect(const void *data, size_t size);

/* ---- reading: itself a stream_source ---- */
struct inflater;
/* `source` is asked for packed bytes. CODEC_NONE passes them through. */
int inflater_new(enum codec codec, stream_source *source, void *context, struct inflater **inflater,
		 struct error **err);
/* A stream_source. -EBADMSG for damaged bytes, or when they end too early. */
int inflater_next(void *inflater, const void **data, size_t *size, struct error **err);
/* Fills `into` with `size` bytes, or with what is left: the count, 0 at the end. Not to be mixed with inflater_next().
 */
MUST_CHECK ssize_t inflater_read(struct inflater *inflater, void *into, size_t size, struct error **err);
/* Packed bytes taken so far. */
uint64_t inflater_packed_size(const struct inflater *inflater);
void inflater_free(struct inflater *inflater);
CLEANUP_FOR(struct inflater, inflater_free)

/* ---- writing ---- */
/* What packs: chosen once for a stream, the same for all its threads. */
struct codec_recipe {
	enum codec codec;
	int level;
	bool isal;
	char name[CODEC_NAME_SIZE]; /* "isal-1", "zlib-6", "zstd-3", "none" */
};
/* level -1 is the default: isal-1 or zlib-6, zstd-3. Of gzip only levels 1 and 2 are ISA-L's; -EINVAL for a level out
 * of range.
 */
int codec_recipe_init(enum codec codec, int level, struct codec_recipe *recipe, struct error **err);

/* One thread's workspace. */
struct deflater;
/* How large it becomes, about: from less than 1 MiB to 17 MiB for the high levels of zstd. */
size_t deflater_memory(const struct codec_recipe *recipe);
int deflater_new(const struct codec_recipe *recipe, struct deflater **deflater, struct error **err);
/* Packs one block (CODEC_BLOCK bytes, or less for the last). `dict` holds the dict_size bytes before it (CODEC_DICT, 0
 * for the first block). The packed bytes are in `into` (its old contents are replaced, its limit ignored); *crc is the
 * block's own CRC-32, for gzip. */
int deflater_block(struct deflater *deflater, const void *dict, size_t dict_size, const void *data, size_t size,
		   struct buf *into, uint32_t *crc, struct error **err);
void deflater_free(struct deflater *deflater);
CLEANUP_FOR(struct deflater, deflater_free)

/* What stands before the first block and behind the last one, in the order of the blocks. */
struct codec_frame {
	const struct codec_recipe *recipe;
	uint64_t size;
	uint32_t crc;
	unsigned long (*combine)(unsigned long, unsigned long, long); /* of zlib; NULL where no CRC is kept */
};
int codec_frame_begin(struct codec_frame *frame, const struct codec_recipe *recipe, struct buf *into,
		      struct error **err);
/* Counts a block of `size` unpacked bytes. */
void codec_frame_add(struct codec_frame *frame, uint32_t crc, uint64_t size);
void codec_frame_end(struct codec_frame *frame, struct buf *into);

#endif
