/* Which codec and which library: what packed bytes look like, and the recipe by which we pack. */
#include "imagefmt/codec.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "imagefmt/codec_internal.h"

#define GZIP_LEVEL_MAX 9
#define ZSTD_LEVEL_MAX 22
/* ISA-L's level 3 gives other bytes with AVX-512 than without. */
#define ISAL_LEVEL_MAX 2

int codec_load_isal(struct isal_library *isal, struct error **err)
{
	static const char *const symbols[] = {ISAL_FUNCTIONS(LIBRARY_SYMBOL)};

	return library_load("libisal.so.2", symbols, ARRAY_COUNT(symbols), isal, err);
}

int codec_load_zlib(struct zlib_library *zlib, struct error **err)
{
	static const char *const symbols[] = {ZLIB_FUNCTIONS(LIBRARY_SYMBOL)};

	return library_load("libz.so.1", symbols, ARRAY_COUNT(symbols), zlib, err);
}

int codec_load_zstd(struct zstd_library *zstd, struct error **err)
{
	static const char *const symbols[] = {ZSTD_FUNCTIONS(LIBRARY_SYMBOL)};

	return library_load("libzstd.so.1", symbols, ARRAY_COUNT(symbols), zstd, err);
}

enum codec codec_detect(const void *data, size_t size)
{
	const unsigned char *bytes = data;

	if (size >= 6 && bytes[0] == 0x1f && bytes[1] == 0x8b && bytes[2] == 8)
		return CODEC_GZIP;
	if (size >= 6 && memcmp(bytes, "\x28\xb5\x2f\xfd", 4) == 0)
		return CODEC_ZSTD;
	/* A skippable frame may come first (zstd format, "Skippable Frames"). */
	if (size >= 6 && (bytes[0] & 0xf0) == 0x50 && memcmp(bytes + 1, "\x2a\x4d\x18", 3) == 0)
		return CODEC_ZSTD;
	return CODEC_NONE;
}

static int choose_gzip(int level, struct codec_recipe *recipe, struct error **err)
{
	struct isal_library isal = {0};

	if (level > GZIP_LEVEL_MAX)
		return error_set(err, EINVAL, "gzip has no level %d (0 to %d)", level, GZIP_LEVEL_MAX);
	/* Without ISA-L zlib does it: slower, smaller, and under another name, because the bytes differ. */
	recipe->isal = (level < 0 || (level > 0 && level <= ISAL_LEVEL_MAX)) && codec_load_isal(&isal, NULL) == 0;
	recipe->level = level >= 0 ? level : recipe->isal ? 1 : 6;
	snprintf(recipe->name, sizeof(recipe->name), "%s-%d", recipe->isal ? "isal" : "zlib", recipe->level);
	return 0;
}

static int choose_zstd(int level, struct codec_recipe *recipe, struct error **err)
{
	if (level > ZSTD_LEVEL_MAX || level == 0)
		return error_set(err, EINVAL, "zstd has no level %d (1 to %d)", level, ZSTD_LEVEL_MAX);
	recipe->level = level >= 0 ? level : 3;
	snprintf(recipe->name, sizeof(recipe->name), "zstd-%d", recipe->level);
	return 0;
}

int codec_recipe_init(enum codec codec, int level, struct codec_recipe *recipe, struct error **err)
{
	*recipe = (struct codec_recipe){.codec = codec};
	switch (codec) {
	case CODEC_GZIP:
		return choose_gzip(level, recipe, err);
	case CODEC_ZSTD:
		return choose_zstd(level, recipe, err);
	case CODEC_NONE:
		break;
	}
	snprintf(recipe->name, sizeof(recipe->name), "none");
	return 0;
}
