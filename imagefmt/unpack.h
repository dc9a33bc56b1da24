/*
 * A layer's blob into a directory, in overlayfs' own form, verified while it streams.
 *
 * The tar is hostile: every name is resolved inside the root,
 * nothing is followed out of it, whiteouts become character devices 0:0, opaque markers become user.overlay.opaque;
 * overlay marks, cooper's own attributes and 0:0 devices that come as data are escaped, recorded or refused. Formats
 * read: ustar, pax (also global), GNU long names, base-256, GNU and pax sparse files; gzip of several members, zstd
 * with skippable frames.
 */
#ifndef COOPER_IMAGEFMT_UNPACK_H
#define COOPER_IMAGEFMT_UNPACK_H

#include "base/error.h"
#include "base/nursery.h"
#include "base/ownertable.h"
#include "imagefmt/digest.h"
#include "imagefmt/manifest.h"
#include "imagefmt/stream.h"

#include <stdbool.h>
#include <stdint.h>

struct unpack_options {
	enum digest_algorithm algorithm; /* of the diff_id */
	bool single_id;			 /* record owners that cannot be given instead of failing */
	bool plain;	      /* whiteouts act on `dirfd` itself (remove what they name) instead of leaving marks */
	uint64_t max_bytes;   /* most bytes the tar may hold; 0 = UNPACK_BYTES_MAX */
	uint64_t max_entries; /* 0 = UNPACK_ENTRIES_MAX */
	struct owner_table *owners; /* gets the records of what cannot carry one; NULL: they are lost */
	struct nursery *nursery;    /* for directories, on the same file system; NULL: none */
};
#define UNPACK_BYTES_MAX ((uint64_t)1 << 40)
#define UNPACK_ENTRIES_MAX ((uint64_t)20000000)
#define UNPACK_RATIO_MAX 2000 /* inflated to packed, past 1 GiB */

struct unpack_result {
	struct digest diff_id; /* of the whole tar stream, trailing bytes included */
	uint64_t size;	       /* of the tar stream */
	uint64_t entries;
	uint64_t recorded; /* entries whose owner or device could only be recorded */
	uint64_t lost;	   /* links and FIFOs whose owner was not: options.owners was NULL */
};

/* Reads blob_fd from its position to the end. On failure what was written is left for the caller to remove. */
int unpack_layer(int blob_fd, enum codec codec, int dirfd, const struct unpack_options *options,
		 struct unpack_result *result, struct error **err);
/* The same for a blob of `packed_size` bytes from a source, which a thread may ask. */
int unpack_layer_from(stream_source *source, void *context, uint64_t packed_size, enum codec codec, int dirfd,
		      const struct unpack_options *options, struct unpack_result *result, struct error **err);
/* Only verifies: inflates and hashes, writes nothing. */
int unpack_verify(int blob_fd, enum codec codec, const struct unpack_options *options, struct unpack_result *result,
		  struct error **err);
/* The same of bytes from a source, in the caller's thread alone. */
int unpack_verify_from(stream_source *source, void *context, enum codec codec, const struct unpack_options *options,
		       struct unpack_result *result, struct error **err);

#endif
