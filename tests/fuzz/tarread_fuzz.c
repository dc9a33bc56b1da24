/* Any bytes as a tar, in pieces of a size that the first byte gives: no crash, no endless run, and data that add up. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "imagefmt/tar_internal.h"
#include "imagefmt/tarread.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct slices {
	const uint8_t *data;
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

static int read_entry(struct tar_reader *reader, const struct tar_entry *entry)
{
	struct tar_piece piece;
	uint64_t end = 0;
	int rc;

	while ((rc = tar_reader_data(reader, &piece, NULL)) > 0) {
		assert(piece.size > 0 && piece.offset >= end);
		end = piece.offset + piece.size;
		assert(end <= entry->size);
	}
	return rc;
}

/* Makes the checksums of what looks like headers right: guessing them would take the fuzzer all its time. */
static uint8_t *with_checksums(const uint8_t *data, size_t size)
{
	uint8_t *bytes = mem_dup(data, size);

	for (size_t at = 0; at + TAR_BLOCK <= size; at += TAR_BLOCK) {
		struct tar_header *header = (struct tar_header *)(bytes + at);
		if (memcmp(header->magic, "ustar", 5) == 0)
			snprintf(header->checksum, sizeof(header->checksum), "%06o", tar_checksum(header));
	}
	return bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	cleanup_free uint8_t *bytes = with_checksums(data + 1, size - 1);
	struct slices slices = {.data = bytes, .left = size - 1, .size = data[0] % 8 == 0 ? 1 + data[0] : size};
	cleanup(tar_reader_free) struct tar_reader *reader = NULL;
	const struct tar_entry *entry;
	size_t count = 0;
	int rc;

	tar_reader_new(next_slice, &slices, &reader);
	while ((rc = tar_reader_next(reader, &entry, NULL)) > 0) {
		assert(entry->path != NULL && entry->link != NULL);
		/* Some are read, some are skipped. */
		if (count++ % 3 < 2 && read_entry(reader, entry) < 0)
			break;
	}
	assert(count <= size / TAR_BLOCK);
	return 0;
}
