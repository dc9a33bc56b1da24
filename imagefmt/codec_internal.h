/*
 * The compression libraries as codec.c loads them, shared by inflate.c and deflate.c.
 */
#ifndef COOPER_IMAGEFMT_CODEC_INTERNAL_H
#define COOPER_IMAGEFMT_CODEC_INTERNAL_H

#include <isa-l/igzip_lib.h>
#include <isa-l/crc.h>
#include <zlib.h>
#include <zstd.h>

#include "base/error.h"
#include "base/library.h"

#define ISAL_FUNCTIONS(X)        \
	X(isal_deflate_init)     \
	X(isal_deflate_set_dict) \
	X(isal_deflate) X(isal_inflate_init) X(isal_inflate_reset) X(isal_inflate) X(crc32_gzip_refl)
struct isal_library {
	ISAL_FUNCTIONS(LIBRARY_MEMBER)
};

#define ZLIB_FUNCTIONS(X)       \
	X(deflateInit2_)        \
	X(deflateReset)         \
	X(deflateSetDictionary) \
	X(deflate) X(deflateEnd) X(inflateInit2_) X(inflateReset) X(inflate) X(inflateEnd) X(crc32) X(crc32_combine)
struct zlib_library {
	ZLIB_FUNCTIONS(LIBRARY_MEMBER)
};

#define ZSTD_FUNCTIONS(X)     \
	X(ZSTD_createCCtx)    \
	X(ZSTD_freeCCtx)      \
	X(ZSTD_compressCCtx)  \
	X(ZSTD_compressBound) \
	X(ZSTD_isError) X(ZSTD_getErrorName) X(ZSTD_createDStream) X(ZSTD_freeDStream) X(ZSTD_decompressStream)
struct zstd_library {
	ZSTD_FUNCTIONS(LIBRARY_MEMBER)
};

int codec_load_isal(struct isal_library *isal, struct error **err);
int codec_load_zlib(struct zlib_library *zlib, struct error **err);
int codec_load_zstd(struct zstd_library *zstd, struct error **err);

#endif
