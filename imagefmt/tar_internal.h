/*
 * The header block as it lies in an archive, shared by tar.c, tarheader.c, tarpax.c and tarread.c.
 */
#ifndef COOPER_IMAGEFMT_TAR_INTERNAL_H
#define COOPER_IMAGEFMT_TAR_INTERNAL_H

#include "imagefmt/tar.h"

#include <assert.h>
#include <stddef.h>

#define TAR_XATTR_KEY "SCHILY.xattr."

/* Extensions: headers that say something about the next one. */
#define TAR_PAX 'x'
#define TAR_PAX_GLOBAL 'g'
#define TAR_GNU_LONG_NAME 'L'
#define TAR_GNU_LONG_LINK 'K'
#define TAR_GNU_SPARSE 'S'

struct tar_header {
	char name[100];
	char mode[8];
	char uid[8];
	char gid[8];
	char size[12];
	char mtime[12];
	char checksum[8];
	char type;
	char link[100];
	char magic[6]; /* "ustar\0", or "ustar " of old GNU tar */
	char version[2];
	char uname[32];
	char gname[32];
	char major[8];
	char minor[8];
	char prefix[155];
	char unused[12];
};
static_assert(sizeof(struct tar_header) == TAR_BLOCK, "a header is one block");

/* One piece of data in GNU tar's sparse headers: two numbers of 12 bytes. */
struct tar_gnu_piece {
	char offset[12];
	char size[12];
};
/* What old GNU tar has in the place of the prefix, from there on. */
#define TAR_GNU_SPARSE_AT 386 /* four pieces */
#define TAR_GNU_EXTENDED_AT 482
#define TAR_GNU_REAL_SIZE_AT 483
/* An extension block: 21 pieces and a flag whether another follows. */
#define TAR_GNU_EXTENSION_PIECES 21
#define TAR_GNU_EXTENSION_MORE_AT 504

/* The sum of the header's bytes with the checksum field taken as blanks. */
static inline unsigned tar_checksum(const struct tar_header *header)
{
	const unsigned char *bytes = (const unsigned char *)header;
	unsigned sum = 0;

	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += bytes[i];
	for (size_t i = 0; i < sizeof(header->checksum); i++)
		sum += ' ' - (unsigned char)header->checksum[i];
	return sum;
}

/* ---- tarheader.c ---- */
/* Octal with blanks or NULs around it, or base-256 when the first bit is set (GNU tar, star). */
bool tar_parse_number(const char *field, size_t size, int64_t *value);
/* -EBADMSG names the field: "tar: bad user id". */
int tar_parse_u32(const char *field, size_t size, const char *what, uint32_t *value, struct error **err);
/* Of a field of 12 bytes. */
int tar_parse_size(const char *field, const char *what, uint64_t *value, struct error **err);
bool tar_is_zero_block(const void *block);
bool tar_has_good_checksum(const struct tar_header *header);
/* How much of the prefix field is a prefix: none in old formats, less in star's. */
size_t tar_prefix_size(const struct tar_header *header);
/* Types that we do not know are files, as POSIX wants. */
enum tar_type tar_type_of(const struct tar_header *header, const char *path);

#endif
