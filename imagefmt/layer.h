/*
 * Unpacked layers: layers/<diff_id hex>/ holds `fs`, the tree as overlayfs mounts it, and `record`. A layer is
 * immutable once it has its name. Under another id map than the record's the tree is made again as <hex>.<short hash of
 * the map>.
 *
 * Trees are derived from blobs (or, for a layer that was committed here and never pushed, are themselves the only
 * copy). After a reboot a tree not marked durable is checked against its diff_id when first used: whole, it is marked;
 * broken, it is made again from its blob; without a blob it is -EUCLEAN and the error names it as lost.
 */
#ifndef COOPER_IMAGEFMT_LAYER_H
#define COOPER_IMAGEFMT_LAYER_H

#include "imagefmt/blob.h"
#include "imagefmt/manifest.h"
#include "imagefmt/pack.h"
#include "imagefmt/store.h"

/* A blob that a layer is known to be packed in. */
struct layer_blob {
	struct digest digest;
	uint64_t size;
	enum codec codec;
	char *made_by; /* as pack_blob.codec, or "" for one that was pulled */
};

struct layer_record {
	struct digest diff_id;
	uint64_t size;	     /* of the tar stream */
	int recipe;	     /* PACK_RECIPE that gives diff_id again, or 0 when the tree came from a foreign tar */
	struct pack_crc crc; /* of that tar, counted when it was hashed; only with a recipe */
	char *id_map;
	char *boot_id;
	bool durable;
	struct layer_blob *blobs;
	size_t blob_count;
};

void layer_record_done(struct layer_record *record);
CLEANUP_FOR_VALUE(struct layer_record, layer_record_done)

/* Descriptor (O_RDONLY|O_DIRECTORY) of the tree, checked as said above; -ENOENT when it is not unpacked. Needs the
 * user namespace. */
MUST_CHECK int layer_open(struct store *store, const struct digest *diff_id, struct error **err);
/* False when layer_open() would have to check it first, or could not open it. Needs no user namespace. */
bool layer_is_checked(struct store *store, const struct digest *diff_id);
/* The record of the layer whether or not its tree is good. -ENOENT. Readable without the user namespace. */
int layer_load_record(struct store *store, const struct digest *diff_id, struct layer_record *record,
		      struct error **err);
/* Adds what is recorded beside the layer's tree, of what in it cannot carry a record. A layer that is not there has
 * none. */
int layer_load_owners(struct store *store, const struct digest *diff_id, struct owner_table *owners,
		      struct error **err);
/* "<root>/layers/<name>/fs". */
MUST_CHECK char *layer_tree_path(struct store *store, const struct digest *diff_id);

/* Makes sure that the layer is unpacked, from the blob that `packed` describes. Several processes at once unpack it
 * once. The blob's tar must have `diff_id`: -EBADMSG. -EUCLEAN when there is no blob, only a tree under another id
 * map. */
int layer_unpack(struct store *store, const struct digest *diff_id, const struct descriptor *packed,
		 struct error **err);

/* A blob on its way into the store. */
struct layer_arrival {
	int fd; /* a file of what has come so far */
	/* Waits until there may be more: 1 when the blob is in the store, else 0; a failure when it will not come. May
	 * be called from a thread, one at a time. */
	int (*wait)(void *context, struct error **err);
	void *context;
};

/* As layer_unpack() while the blob still arrives. The layer appears when the blob is in the store, checked as any
 * other, and not before. `arrival` is NULL for one that is there. A failure says nothing about the blob, which may be
 * arriving anew: once it is in the store layer_unpack() has the last word. */
int layer_unpack_arriving(struct store *store, const struct digest *diff_id, const struct descriptor *packed,
			  const struct layer_arrival *arrival, struct error **err);

/* Moves the directory tmp/<name> (a finished, normalised upper) into place as the layer `packed->diff_id`, with the
 * records that belong to it (may be NULL). When the layer is there already, the directory is removed instead. */
int layer_adopt(struct store *store, const char *tmp_name, struct owner_table *owners, const struct pack_result *packed,
		struct error **err);

/* The same for dirfd/<made>, which holds the tree as `fs` and its records as OWNER_TABLE_FILE: moved as it is, so that
 * at every instant the tree is either still there or the layer's (what lies in tmp/ is lost with its process). On
 * failure it stays. */
int layer_adopt_prepared(struct store *store, int dirfd, const char *made, const struct pack_result *packed,
			 struct error **err);

/* The blob of a layer in the wanted codec, for push or save: one that is recorded and present, or packed now from the
 * tree and recorded; `watch` (may be NULL) sees it grow then. CODEC_NONE too makes a real blob. */
int layer_make_blob(struct store *store, const struct digest *diff_id, enum codec codec, int level, bool force,
		    const struct blob_watch *watch, struct layer_blob *blob, struct error **err);
/* Digest and size of the blob that layer_make_blob() would only have to find. Needs no user namespace. */
bool layer_find_blob(struct store *store, const struct digest *diff_id, enum codec codec, int level, bool force,
		     struct descriptor *blob);
/* The same of the one that packing the layer's tree would give, when that has been done before: it need not be in the
 * store any more. */
bool layer_recall_blob(struct store *store, const struct digest *diff_id, enum codec codec, int level,
		       struct descriptor *blob);
/* Writes down that the layer is packed in this blob of the store. -ENOENT without such a layer. */
int layer_add_blob(struct store *store, const struct digest *diff_id, const struct layer_blob *blob,
		   struct error **err);
void layer_blob_done(struct layer_blob *blob);
CLEANUP_FOR_VALUE(struct layer_blob, layer_blob_done)

int layer_remove(struct store *store, const struct digest *diff_id, struct error **err);
/* The same but for the trees themselves, which only root of the user namespace may be able to remove: they are moved to
 * store_tmp(), and their names there added to `trash`. 1, or 0 when there was none. */
int layer_take_away(struct store *store, const struct digest *diff_id, struct strlist *trash, struct error **err);
/* The diff_ids of all unpacked layers, newly allocated array. */
int layer_list(struct store *store, struct digest **diff_ids, size_t *count, struct error **err);

#endif
