/*
 * A layer tree as a tar stream, deterministically: the same tree gives the same bytes on every machine, and what is
 * written unpacks to an equal tree. The rules (docs/store.md, "Packing is deterministic"): ustar with pax records only
 * where needed, entries sorted bytewise, no names of owners, whole seconds, whiteouts as .wh. entries, hard links
 * inside the layer kept. PACK_RECIPE counts the versions of these rules; it stands in every layer's record.
 *
 * The tree's own root has an entry only where the layer says something of it (layerroot.h). Sockets are left out; a
 * file whose name begins with ".wh." is an error that names it, and so is one that changes while it is read.
 *
 * Walking, reading, hashing, compression and writing overlap in threads that end before the function returns, joined by
 * a queue of pieces (packqueue.h) and a ring of 1 MiB blocks (ring.h); small layers use none. Memory stays under 40 MiB
 * for any size.
 */
#ifndef COOPER_IMAGEFMT_PACK_H
#define COOPER_IMAGEFMT_PACK_H

#include "base/error.h"
#include "base/ownertable.h"
#include "imagefmt/blob.h"
#include "imagefmt/codec.h"
#include "imagefmt/digest.h"
#include "imagefmt/manifest.h"
#include "imagefmt/store.h"
#include "imagefmt/vouch.h"

#include <stdbool.h>
#include <stdint.h>

#define PACK_RECIPE 1
#define PACK_LEVEL_DEFAULT (-1)

/* CRC-32 (checksum.h) of a tar. That of a small one may be unknown: hashing it is cheaper. */
struct pack_crc {
	bool is_known;
	uint32_t value;
};

struct pack_result {
	struct digest diff_id;
	uint64_t size; /* of the tar stream */
	struct pack_crc crc;
	uint64_t entries;
};

/* The tar that a tree gave when its digest was made. That it still does is asked to notice that the tree has changed by
 * accident: a broken disk, a file edited in the store. Nobody but the user can write there, who could as well commit
 * what he likes, so nobody is to be kept from cheating. Where the CRC is known it is compared with the size, and nothing
 * is hashed, which was a seventh of the CPU time of pushing 1 GiB. What is sent has a sha256 of its own in any case, and
 * who pulls it compares the diff_id. */
struct pack_want {
	struct digest diff_id;
	uint64_t size; /* these two count with a known CRC only */
	struct pack_crc crc;
};

/* Called with consecutive pieces of the tar stream, from one thread at a time. */
typedef int pack_sink(const void *data, size_t size, void *context, struct error **err);

/* Reads the tree below dirfd; `sink` may be NULL when only the digest is wanted. `owners` has the records of what
 * cannot carry them; NULL: there are none. */
int pack_tree(int dirfd, const struct owner_table *owners, pack_sink *sink, void *context, struct pack_result *result,
	      struct error **err);

struct pack_blob {
	struct digest digest;
	uint64_t size;
	char codec[16]; /* what made the bytes: "isal-1", "zlib-6", "zstd-3", "none"; equal codecs give equal bytes */
};

/* The same, compressed into a blob of the store. With `want` the tar must come out as that: -EBADMSG otherwise, with no
 * blob left. */
int pack_to_blob(struct store *store, int dirfd, const struct owner_table *owners, enum codec codec, int level,
		 const struct pack_want *want, struct pack_result *result, struct pack_blob *blob, struct error **err);
/* The same through a writer of the caller's, which is new, and then only good for freeing. */
int pack_into_blob(struct blob_writer *writer, int dirfd, const struct owner_table *owners,
		   const struct codec_recipe *recipe, const struct pack_want *want, struct pack_result *result,
		   struct pack_blob *blob, struct error **err);

struct pack_ahead;

struct normalise_options {
	const int *lowers; /* the trees below, topmost first */
	size_t lower_count;
	bool root_is_unsaid;		 /* none of them says anything of the root (layerroot.h) */
	int64_t clamp_mtime;		 /* seconds; negative: none */
	bool set_mtime;			 /* all get clamp_mtime, also what is older */
	const struct vouchers *vouchers; /* NULL: all records of ownership count */
	/* Of this tree, and perhaps of others. Devices that it has get their record in the tree; what is left in it
	 * afterwards is what the tree has and cannot carry. NULL: none. */
	struct owner_table *owners;
	struct pack_ahead *ahead; /* the tar as it was made with the tree (packahead.h); NULL */
};

/* What a finished upper directory needs before it is a layer, and its digest, in one walk: opaque marks on directories
 * that no lower layer has are removed, attributes of overlayfs' bookkeeping, records that nobody vouches for and access
 * lists (with a warning) dropped, mtimes past `clamp_mtime` set to it; and it is marked whether it says something of its
 * root. What failed can be done again. With options->ahead the contents are not read where the rest of the tree is what was said. */
int pack_finish(int upper, const struct normalise_options *options, struct pack_result *result, struct error **err);
/* The same, and on the way what is read is packed into a writer of the caller's, who commits it when he wants it. */
int pack_finish_packed(int upper, const struct normalise_options *options, const struct codec_recipe *recipe,
		       struct blob_writer *writer, struct pack_result *result, struct error **err);

#endif
