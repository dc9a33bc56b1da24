/*
 * The fields of one header block, as the many writers of tar have filled them in. Nothing here reads on.
 */
#include "imagefmt/tar_internal.h"

#include <errno.h>
#include <string.h>

static bool parse_base256(const unsigned char *field, size_t size, int64_t *value)
{
	bool negative = (field[0] & 0x40) != 0;
	uint64_t number = negative ? UINT64_MAX : 0;

	for (size_t i = 0; i < size; i++) {
		unsigned char byte = i > 0 ? field[i] : (unsigned char)((field[0] & 0x7f) | (negative ? 0x80 : 0));
		if (number >> 55 != (negative ? UINT64_MAX >> 55 : 0))
			return false; /* another byte would push digits out of an int64_t */
		number = number << 8 | byte;
	}
	*value = (int64_t)number;
	return true;
}

bool tar_parse_number(const char *field, size_t size, int64_t *value)
{
	uint64_t number = 0;
	size_t i = 0;

	if ((unsigned char)field[0] & 0x80)
		return parse_base256((const unsigned char *)field, size, value);
	while (i < size && (field[i] == ' ' || field[i] == '\0'))
		i++;
	for (; i < size && field[i] != ' ' && field[i] != '\0'; i++) {
		if (field[i] < '0' || field[i] > '7')
			return false;
		number = number << 3 | (uint64_t)(field[i] - '0'); /* 12 digits are 36 bits */
	}
	*value = (int64_t)number;
	return true;
}

int tar_parse_u32(const char *field, size_t size, const char *what, uint32_t *value, struct error **err)
{
	int64_t number = 0;

	if (!tar_parse_number(field, size, &number) || number < 0 || number > UINT32_MAX)
		return error_set(err, EBADMSG, "tar: bad %s", what);
	*value = (uint32_t)number;
	return 0;
}

int tar_parse_size(const char *field, const char *what, uint64_t *value, struct error **err)
{
	int64_t number = 0;

	if (!tar_parse_number(field, sizeof(((struct tar_header *)0)->size), &number) || number < 0)
		return error_set(err, EBADMSG, "tar: bad %s", what);
	*value = (uint64_t)number;
	return 0;
}

bool tar_is_zero_block(const void *block)
{
	static const char zeros[TAR_BLOCK];

	return memcmp(block, zeros, TAR_BLOCK) == 0;
}

/* Before 1988 some summed signed chars. */
bool tar_has_good_checksum(const struct tar_header *header)
{
	const signed char *bytes = (const signed char *)header;
	int64_t stored = 0;
	int signed_sum = 0;

	if (!tar_parse_number(header->checksum, sizeof(header->checksum), &stored))
		return false;
	if (stored == (int64_t)tar_checksum(header))
		return true;
	for (size_t i = 0; i < TAR_BLOCK; i++) {
		bool in_field = i >= offsetof(struct tar_header, checksum) && i < offsetof(struct tar_header, type);
		signed_sum += in_field ? ' ' : bytes[i];
	}
	return stored == signed_sum;
}

size_t tar_prefix_size(const struct tar_header *header)
{
	if (memcmp(header->magic, "ustar", 6) != 0)
		return 0;
	const char *end = (const char *)header + TAR_BLOCK;
	return strnlen(header->prefix, memcmp(end - 4, "tar", 4) == 0 ? 131 : sizeof(header->prefix));
}

enum tar_type tar_type_of(const struct tar_header *header, const char *path)
{
	size_t length = strlen(path);

	switch (header->type) {
	case TAR_HARDLINK:
	case TAR_SYMLINK:
	case TAR_CHARDEV:
	case TAR_BLOCKDEV:
	case TAR_DIRECTORY:
	case TAR_FIFO:
		return (enum tar_type)header->type;
	case 'D': /* GNU's directory with a listing as data */
		return TAR_DIRECTORY;
	case '\0':
	case TAR_FILE: /* the oldest format has no other way to say directory */
		return length > 0 && path[length - 1] == '/' ? TAR_DIRECTORY : TAR_FILE;
	default:
		return TAR_FILE;
	}
}
