/*
 * Any bytes as a layer: packed by the codec that the first byte chooses, unpacked in a directory of its own with a
 * neighbour. No crash, no leak, nothing outside the root, and an error exactly when the result says so.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/tree.h"
#include "imagefmt/tar_internal.h"
#include "imagefmt/unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* tmpfs where there is one: an ext4 journal would be most of what is measured. */
static char dir[] = "/dev/shm/cooper-fuzz-XXXXXX";
static int dirfd = -1;

static void remove_dir(void)
{
	fd_close(dirfd);
	tree_remove(AT_FDCWD, dir, NULL);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	if (mkdtemp(dir) == NULL)
		abort();
	dirfd = fd_open_dir(AT_FDCWD, dir, NULL);
	log_set_level(LOG_ERROR);
	atexit(remove_dir);
	return 0;
}

static int count_entry(const struct tree_entry *entry, void *context, struct error **err)
{
	(*(size_t *)context)++;
	return TREE_GO_ON;
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
	/* Bit 0: what removals mean; bit 1: owners; the codec above. Holes count, so that sparse files stay small. */
	const struct unpack_options options = {
		.plain = data[0] & 1, .single_id = data[0] & 2, .max_bytes = 1 << 22, .max_entries = 1000};
	enum codec codec = (enum codec)(data[0] >> 2) % 3;
	struct unpack_result result;
	cleanup_error struct error *error = NULL;
	size_t entries = 0;

	assert(mkdirat(dirfd, "root", 0755) == 0);
	cleanup_close int root = fd_open_dir(dirfd, "root", NULL);
	cleanup_free uint8_t *bytes = with_checksums(data + 1, size - 1);
	cleanup_close int blob = fd_from_memory("layer", bytes, size - 1, NULL);
	int rc = unpack_layer(blob, codec, root, &options, &result, &error);
	assert((rc == 0) == !error);
	int removed = tree_remove(dirfd, "root", NULL);
	assert(removed == 0);
	int walked = tree_walk(dirfd, count_entry, NULL, &entries, NULL);
	assert(walked == 0 && entries == 1); /* the directory itself: nothing has come to lie beside the root */
	return 0;
}
