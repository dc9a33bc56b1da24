/*
 * Packed bytes to plain ones, from a source that hands out pieces of any size. One loop serves the three libraries:
 * each has a step that moves bytes from `in` to the caller's room and says whether a member (gzip) or frame (zstd) has
 * ended; between members the loop decides whether another follows.
 */
#include "imagefmt/codec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "imagefmt/codec_internal.h"

#define ROOM ((size_t)256 << 10)
/* RFC 1952, 2.3: the fourth byte of a member has its flags, and "reserved bits must be zero". */
#define GZIP_FLAGS_AT 3
#define GZIP_FLAGS_RESERVED 0xe0
#define STEP_MAX ((size_t)1 << 30) /* the libraries count in 32 bits */

enum state {
	BETWEEN, /* nothing of a member has been read */
	INSIDE,
	ENDED, /* only zeros may follow */
};

struct inflater {
	enum codec codec;
	enum state state;
	stream_source *source;
	void *context;
	const char *in; /* what the source gave and nobody has taken */
	size_t in_size;
	uint64_t packed_size;
	uint64_t member_size; /* what has been taken of the open member */
	bool source_ended;
	char *room; /* of inflater_next() */

	bool has_isal, has_zlib;
	struct isal_library isal;
	struct zlib_library zlib;
	struct zstd_library zstd;
	struct inflate_state *isal_state;
	z_stream zlib_state;
	ZSTD_DStream *zstd_state;
};

static int open_gzip(struct inflater *f, struct error **err)
{
	if (codec_load_isal(&f->isal, NULL) == 0) {
		f->has_isal = true;
		f->isal_state = mem_alloc(sizeof(*f->isal_state));
		f->isal.isal_inflate_init(f->isal_state);
		f->isal_state->crc_flag = ISAL_GZIP;
		return 0;
	}
	int rc = codec_load_zlib(&f->zlib, err);
	if (rc < 0)
		return rc;
	if (f->zlib.inflateInit2_(&f->zlib_state, 15 + 16, ZLIB_VERSION, sizeof(z_stream)) != Z_OK)
		return error_set(err, ENOMEM, "zlib refuses to start");
	f->has_zlib = true;
	return 0;
}

static int open_zstd(struct inflater *f, struct error **err)
{
	int rc = codec_load_zstd(&f->zstd, err);

	if (rc < 0)
		return rc;
	f->zstd_state = f->zstd.ZSTD_createDStream();
	return f->zstd_state != NULL ? 0 : error_set(err, ENOMEM, "zstd refuses to start");
}

int inflater_new(enum codec codec, stream_source *source, void *context, struct inflater **inflater, struct error **err)
{
	cleanup(inflater_free) struct inflater *f = mem_alloc(sizeof(*f));
	int rc = 0;

	f->codec = codec;
	f->source = source;
	f->context = context;
	if (codec == CODEC_GZIP)
		rc = open_gzip(f, err);
	else if (codec == CODEC_ZSTD)
		rc = open_zstd(f, err);
	if (rc < 0)
		return rc;
	*inflater = take_ptr(&f);
	return 0;
}

void inflater_free(struct inflater *f)
{
	if (f == NULL)
		return;
	if (f->has_zlib)
		f->zlib.inflateEnd(&f->zlib_state);
	if (f->zstd_state != NULL)
		f->zstd.ZSTD_freeDStream(f->zstd_state);
	free(f->isal_state);
	free(f->room);
	free(f);
}

uint64_t inflater_packed_size(const struct inflater *f)
{
	return f->packed_size;
}

/* Makes sure that there is input: 1, or 0 at its end. */
static int fill(struct inflater *f, struct error **err)
{
	if (f->in_size > 0)
		return 1;
	if (f->source_ended)
		return 0;
	const void *data;
	int rc = f->source(f->context, &data, &f->in_size, err);
	if (rc <= 0) {
		f->in_size = 0;
		f->source_ended = rc == 0;
		return rc;
	}
	f->in = data;
	f->packed_size += f->in_size;
	return 1;
}

static void take_input(struct inflater *f, size_t size)
{
	f->in += size;
	f->in_size -= size;
}

static int damaged(const char *why, struct error **err)
{
	return error_set(err, EBADMSG, "damaged compressed data (%s)", why);
}

/* ---- one step of each library: reads f->in, writes to `out`, gives the bytes written or -EBADMSG ---- */

static const char *isal_reason(int code)
{
	return code == ISAL_INCORRECT_CHECKSUM	 ? "gzip: wrong checksum"
	       : code == ISAL_INVALID_WRAPPER	 ? "gzip: bad header"
	       : code == ISAL_UNSUPPORTED_METHOD ? "gzip: unknown method"
						 : "gzip: bad block";
}

static ssize_t step_isal(struct inflater *f, char *out, size_t size, struct error **err)
{
	struct inflate_state *state = f->isal_state;
	size_t in_size = f->in_size < STEP_MAX ? f->in_size : STEP_MAX;

	state->next_in = (uint8_t *)f->in;
	state->avail_in = (uint32_t)in_size;
	state->next_out = (uint8_t *)out;
	state->avail_out = (uint32_t)size;
	int code = f->isal.isal_inflate(state);
	if (code < 0 || code == ISAL_NEED_DICT)
		return damaged(isal_reason(code), err);
	take_input(f, in_size - state->avail_in);
	if (state->block_state == ISAL_BLOCK_FINISH) {
		f->state = BETWEEN;
		f->isal.isal_inflate_reset(state);
		state->crc_flag = ISAL_GZIP;
	}
	return (ssize_t)(size - state->avail_out);
}

static ssize_t step_zlib(struct inflater *f, char *out, size_t size, struct error **err)
{
	z_stream *state = &f->zlib_state;
	size_t in_size = f->in_size < STEP_MAX ? f->in_size : STEP_MAX;

	state->next_in = (Bytef *)f->in;
	state->avail_in = (uInt)in_size;
	state->next_out = (Bytef *)out;
	state->avail_out = (uInt)size;
	int code = f->zlib.inflate(state, Z_NO_FLUSH);
	if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
		return damaged(state->msg != NULL ? state->msg : "gzip", err);
	take_input(f, in_size - state->avail_in);
	if (code == Z_STREAM_END) {
		f->state = BETWEEN;
		f->zlib.inflateReset(state);
	}
	return (ssize_t)(size - state->avail_out);
}

static ssize_t step_zstd(struct inflater *f, char *out, size_t size, struct error **err)
{
	ZSTD_inBuffer in = {.src = f->in, .size = f->in_size};
	ZSTD_outBuffer room = {.dst = out, .size = size};
	size_t code = f->zstd.ZSTD_decompressStream(f->zstd_state, &room, &in);

	if (f->zstd.ZSTD_isError(code))
		return damaged(f->zstd.ZSTD_getErrorName(code), err);
	take_input(f, in.pos);
	if (code == 0)
		f->state = BETWEEN;
	return (ssize_t)room.pos;
}

/* isal takes them all; to zlib they are an error. What they would mean, nobody knows: bytes may follow that are none of
 * the compressed data. */
static bool has_reserved_flags(const struct inflater *f)
{
	return f->member_size <= GZIP_FLAGS_AT && f->in_size > GZIP_FLAGS_AT - f->member_size &&
	       (f->in[GZIP_FLAGS_AT - f->member_size] & GZIP_FLAGS_RESERVED) != 0;
}

static ssize_t step(struct inflater *f, char *out, size_t size, struct error **err)
{
	if (f->codec == CODEC_ZSTD)
		return step_zstd(f, out, size, err);
	if (has_reserved_flags(f))
		return damaged("gzip: reserved flags", err);
	return f->has_isal ? step_isal(f, out, size, err) : step_zlib(f, out, size, err);
}

/* ---- members ---- */

/* Input is there and no member is open: begins one, or sees that only padding is left. */
static void begin_member(struct inflater *f, bool first)
{
	/* Zeros behind the last member are padding to a tape's block, as gzip(1) takes them. */
	f->state = !first && *f->in == '\0' ? ENDED : INSIDE;
	f->member_size = 0;
}

static int skip_padding(struct inflater *f, struct error **err)
{
	for (size_t i = 0; i < f->in_size; i++)
		if (f->in[i] != '\0')
			return damaged("bytes behind the end", err);
	take_input(f, f->in_size);
	return 0;
}

/* Moves on by one step; the bytes written to `out`, maybe none. *ended when there will be no more. */
static ssize_t advance(struct inflater *f, char *out, size_t size, bool *ended, struct error **err)
{
	int rc = fill(f, err);

	if (rc < 0)
		return rc;
	/* Inside a member the library may still hold output when the input has ended. */
	if (rc == 0 && f->state != INSIDE) {
		*ended = true;
		return f->packed_size > 0 ? 0 : damaged("it is empty", err);
	}
	if (f->state == ENDED)
		return skip_padding(f, err);
	if (f->state == BETWEEN) {
		begin_member(f, f->packed_size == f->in_size);
		if (f->state == ENDED)
			return 0;
	}
	size_t before = f->in_size;
	ssize_t n = step(f, out, size, err);
	f->member_size += before - f->in_size;
	if (n == 0 && rc == 0 && before == 0 && f->state == INSIDE)
		return damaged("it ends too early", err);
	return n;
}

static int pass_through(struct inflater *f, const void **data, size_t *size, struct error **err)
{
	int rc = fill(f, err);

	if (rc <= 0)
		return rc;
	*data = f->in;
	*size = f->in_size;
	f->in_size = 0;
	return 1;
}

ssize_t inflater_read(struct inflater *f, void *into, size_t size, struct error **err)
{
	size_t done = 0;
	bool ended = false;

	while (done < size && !ended) {
		ssize_t n;
		if (f->codec == CODEC_NONE) {
			n = fill(f, err);
			ended = n == 0;
			if (n > 0) {
				n = (ssize_t)(f->in_size < size - done ? f->in_size : size - done);
				memcpy((char *)into + done, f->in, (size_t)n);
				take_input(f, (size_t)n);
			}
		} else {
			n = advance(f, (char *)into + done, size - done, &ended, err);
		}
		if (n < 0)
			return n;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int inflater_next(void *context, const void **data, size_t *size, struct error **err)
{
	struct inflater *f = context;

	if (f->codec == CODEC_NONE)
		return pass_through(f, data, size, err);
	if (f->room == NULL)
		f->room = mem_grow(NULL, ROOM, 1);
	ssize_t n = inflater_read(f, f->room, ROOM, err);
	if (n <= 0)
		return (int)n;
	*data = f->room;
	*size = (size_t)n;
	return 1;
}
