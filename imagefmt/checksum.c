/* Which library counts. */
#include "imagefmt/checksum.h"

#include "imagefmt/codec_internal.h"

int checksum_init(struct checksum *checksum, struct error **err)
{
	struct isal_library isal = {0};
	struct zlib_library zlib = {0};

	*checksum = (struct checksum){0};
	if (codec_load_isal(&isal, NULL) == 0) {
		checksum->isal = isal.crc32_gzip_refl;
		return 0;
	}
	int rc = codec_load_zlib(&zlib, err);
	checksum->zlib = zlib.crc32;
	return rc;
}

void checksum_update(struct checksum *checksum, const void *data, size_t size)
{
	checksum->value = checksum->isal ? checksum->isal(checksum->value, data, size)
					 : (uint32_t)checksum->zlib(checksum->value, data, (unsigned)size);
}
