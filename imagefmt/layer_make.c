/*
 * How an unpacked layer comes to be: from a blob, or from the tree of a container or a step; and again, after a reboot,
 * when what was in memory has not reached the disk. It is made whole in tmp/ and gets its name by rename, under its
 * lock.
 */
#include "imagefmt/layer_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/env.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/nursery.h"
#include "base/ovlmark.h"
#include "base/parse.h"
#include "base/tree.h"
#include "imagefmt/blob.h"
#include "imagefmt/codec.h"
#include "imagefmt/layer_origin.h"
#include "imagefmt/layerroot.h"
#include "imagefmt/store_internal.h"
#include "imagefmt/unpack.h"

/* ---- making ---- */

static int sync_tree(int fd, struct error **err)
{
	return syncfs(fd) < 0 ? error_set_errno(err, "sync the layer's file system") : 0;
}

/* Gives the finished directory dirfd/<made> (with `fs` in it) its record and its name. The lock is held; what stood
 * under the name is not to be trusted any more. */
static int publish(struct store *store, int dirfd, const char *made, const char *name, struct layer_record *record,
		   struct error **err)
{
	int layers = store_folder(store, STORE_LAYERS, err);

	if (layers < 0)
		return layers;
	if (store_is_durable(store))
		record->durable = true;
	record->id_map = mem_strdup(store_id_map(store));
	record->boot_id = mem_strdup(store_boot_id(store));
	if (record->durable) {
		int rc = sync_tree(dirfd, err);
		if (rc < 0)
			return rc;
	}
	int rc = layer_record_save(dirfd, made, record, err);
	if (rc == 0)
		rc = layer_remove_named(store, name, err);
	if (rc < 0)
		return rc;
	trace(STORE, "layer %s", name);
	store_is_no_longer_clean(store);
	if (renameat2(dirfd, made, layers, name, RENAME_NOREPLACE) < 0)
		return error_set_errno(err, "put the layer '%s' into its place", name);
	return record->durable && fsync(layers) < 0 ? error_set_errno(err, "sync the store's layers") : 0;
}

/* A new directory in tmp/; its name is newly allocated. */
static int make_tmp(struct store *store, char **name, struct error **err)
{
	int tmp = store_tmp(store, err);
	cleanup_free char *made = tmp < 0 ? NULL : store_tmp_name(store, "layer");

	if (tmp < 0)
		return tmp;
	if (mkdirat(tmp, made, 0700) < 0)
		return error_set_errno(err, "make '%s'", made);
	*name = take_ptr(&made);
	return tmp;
}

/* The root of a layer is as no tar says it: 0755, root's, with nothing below it to hide. */
static int reset_root(int fs, struct error **err)
{
	if (layer_root_is_said(fs))
		return ovlmark_clear_opaque(fs, err);
	if (fchown(fs, 0, 0) < 0 && geteuid() == 0)
		return error_set_errno(err, "give the layer's root to root");
	if (fchmod(fs, 0755) < 0)
		return error_set_errno(err, "set the mode of the layer's root");
	return ovlmark_clear_opaque(fs, err);
}

/* Beside the tree. */
static int save_owners(int fs, struct owner_table *owners, struct error **err)
{
	cleanup_close int dir = owners->count > 0 ? openat(fs, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (owners->count == 0)
		return 0;
	if (dir < 0)
		return error_set_errno(err, "open the layer's directory");
	int rc = owner_table_bind(owners, fs, err);
	return rc < 0 ? rc : owner_table_save(dir, OWNER_TABLE_FILE, owners, err);
}

static int unpack_origin(struct layer_origin *origin, int fs, enum codec *codec, const struct unpack_options *options,
			 struct unpack_result *result, struct error **err)
{
	int rc = layer_origin_begin(origin, codec, err);

	if (rc == 0)
		rc = unpack_layer_from(layer_origin_next, origin, origin->packed->size, *codec, fs, options, result,
				       err);
	return rc < 0 ? rc : layer_origin_wait(origin, err);
}

static int unpack_into(struct layer_origin *origin, const struct digest *diff_id, int fs, struct layer_record *record,
		       struct error **err)
{
	struct store *store = origin->store;
	const struct descriptor *packed = origin->packed;
	char wanted[DIGEST_TEXT_SIZE];
	cleanup(owner_table_done) struct owner_table owners = {0};
	cleanup(nursery_done) struct nursery nursery = nursery_at(store_tmp(store, NULL));
	struct unpack_options options = {.algorithm = diff_id->algorithm,
					 .single_id = store_has_single_id(store),
					 .owners = &owners,
					 .nursery = &nursery};
	struct unpack_result result;
	enum codec codec;
	int rc = layer_origin_limit(&options.max_bytes, err);

	if (rc == 0)
		rc = unpack_origin(origin, fs, &codec, &options, &result, err);
	if (rc < 0)
		return error_prefix(err, "layer %s", digest_format(diff_id, wanted));
	rc = layer_origin_compare(origin, &result.diff_id, diff_id, err);
	if (rc == 0)
		rc = save_owners(fs, &owners, err);
	if (rc < 0)
		return rc;
	record->diff_id = *diff_id;
	record->size = result.size;
	layer_record_add_blob(record, &(struct layer_blob){
					      .digest = packed->digest,
					      .size = packed->size,
					      .codec = codec,
				      });
	return 0;
}

/* What is known about a tree before it is made. */
struct trust {
	int recipe;	     /* it packs to its diff_id by this one; 0 when that is not known */
	struct pack_crc crc; /* of that tar; what is unpacked is compared with the diff_id of the same */
	bool durable;
};

/* Unpacks the blob as layers/<name>, under the lock. */
static int unpack_as(struct store *store, const struct digest *diff_id, const struct descriptor *packed,
		     const struct layer_arrival *arrival, const char *name, const struct trust *trust,
		     struct error **err)
{
	cleanup(layer_origin_done) struct layer_origin origin = {
		.store = store, .packed = packed, .arrival = arrival, .fd = -1};
	cleanup(layer_record_done) struct layer_record record = {
		.recipe = trust->recipe, .crc = trust->crc, .durable = trust->durable};
	cleanup_free char *tmp_name = NULL;
	int tmp = make_tmp(store, &tmp_name, err);

	if (tmp < 0)
		return tmp;
	cleanup_free char *fs_name = mem_printf("%s/fs", tmp_name);
	if (mkdirat(tmp, fs_name, 0700) < 0)
		return error_set_errno(err, "make '%s'", fs_name);
	cleanup_close int fs = fd_open_dir(tmp, fs_name, err);
	int rc = fs < 0 ? fs : reset_root(fs, err);
	if (rc == 0)
		rc = unpack_into(&origin, diff_id, fs, &record, err);
	if (rc == 0)
		rc = publish(store, tmp, tmp_name, name, &record, err);
	if (rc < 0)
		tree_remove(tmp, tmp_name, /* what stays is swept */ NULL);
	return rc;
}

/* ---- again, after a reboot ---- */

/* Whether the tree packs to its diff_id. What came from a foreign tar packs to something else: nothing can be said. */
static bool is_whole(struct store *store, const char *name, const struct layer_record *record)
{
	struct pack_result packed;

	if (record->recipe != PACK_RECIPE)
		return false;
	cleanup(owner_table_done) struct owner_table owners = {0};
	cleanup_close int fs = layer_open_tree(store, name, NULL);
	return fs >= 0 && layer_load_owners_of(store, name, &owners, NULL) == 0 &&
	       pack_tree(fs, &owners, /* sink */ NULL, NULL, &packed, NULL) == 0 &&
	       digest_equal(&packed.diff_id, &record->diff_id);
}

/* The records of a whole tree are right, whatever tree they were saved for. */
static int bind_owners(struct store *store, const char *name, struct error **err)
{
	cleanup(owner_table_done) struct owner_table owners = {0};
	cleanup_close int fs = layer_open_tree(store, name, err);
	int rc = fs < 0 ? fs : layer_load_owners_of(store, name, &owners, err);

	return rc < 0 || owner_table_is_of(&owners, fs) ? rc : save_owners(fs, &owners, err);
}

/* Makes the tree again from the first of its blobs that gives it. */
static int restore(struct store *store, const struct digest *diff_id, const char *name,
		   const struct layer_record *record, struct error **err)
{
	char text[DIGEST_TEXT_SIZE];

	for (size_t i = 0; i < record->blob_count; i++) {
		const struct layer_blob *blob = &record->blobs[i];
		struct descriptor packed = {
			.media_type = (char *)layer_media_type(FORMAT_OCI, blob->codec),
			.digest = blob->digest,
			.size = blob->size,
		};
		if (!blob_exists(store, &blob->digest, NULL))
			continue;
		log_debug("layer %s is unpacked again: it was not on disk when the machine went down",
			  digest_format(diff_id, text));
		/* Durable this time: the next start must not do this again. */
		return unpack_as(store, diff_id, &packed, /* arrival */ NULL, name,
				 &(struct trust){.recipe = record->recipe, .crc = record->crc, .durable = true}, err);
	}
	return error_set(
		err, EUCLEAN,
		"layer %s is lost: it was not yet on disk when the machine went down, and the store has no blob "
		"to make it from",
		digest_format(diff_id, text));
}

int layer_check(struct store *store, const struct digest *diff_id, const char *name, struct error **err)
{
	cleanup(layer_record_done) struct layer_record record = {0};
	int layers = store_folder(store, STORE_LAYERS, err);

	if (layers < 0)
		return layers;
	/* A record that was cut off says nothing; then there is no blob to know either. */
	if (layer_record_load(layers, name, &record, NULL) < 0)
		record.boot_id = mem_strdup("");
	else if (layer_is_trusted(store, &record) && !layer_is_copy(store, name))
		return 0; /* somebody was faster */
	if (!is_whole(store, name, &record))
		return restore(store, diff_id, name, &record, err);
	int rc = bind_owners(store, name, err);
	if (rc < 0)
		return rc;
	record.durable = true; /* what was read after the start is on disk */
	return layer_record_save(layers, name, &record, err);
}

/* ---- the doors ---- */

/* The layer is there: a blob that it also comes in is worth knowing, for a push or a repair. */
static void note_blob(struct store *store, const struct digest *diff_id, const struct descriptor *packed)
{
	struct layer_blob blob = {.digest = packed->digest, .size = packed->size};

	if (layer_codec(packed->media_type, &blob.codec, NULL) < 0 || !blob_exists(store, &blob.digest, NULL))
		return;
	if (layer_add_blob(store, diff_id, &blob, NULL) < 0)
		log_debug("the record of layer %.12s… could not be completed",
			  digest_hex(diff_id, (char[DIGEST_HEX_SIZE]){0}));
}

/* A layer that was made here and never packed is of no use under another id map: not ENOENT, which would mean that the
 * image can be had elsewhere. */
static int check_source(struct store *store, const struct digest *diff_id, const struct descriptor *packed,
			const char *name, struct error **err)
{
	char text[DIGEST_TEXT_SIZE];

	if (!strchr(name, '.') || blob_exists(store, &packed->digest, NULL))
		return 0;
	return error_set(err, EUCLEAN,
			 "layer %s was made here for other ids than this command has, and was never packed (use the "
			 "isolation and the subordinate ids that it was made with, or another --root)",
			 digest_format(diff_id, text));
}

int layer_unpack_arriving(struct store *store, const struct digest *diff_id, const struct descriptor *packed,
			  const struct layer_arrival *arrival, struct error **err)
{
	cleanup_free char *before = NULL;
	int rc = layer_place(store, diff_id, &before, err);

	if (rc == 0)
		note_blob(store, diff_id, packed);
	if (rc != -ENOENT)
		return rc;
	cleanup_close int lock = layer_lock(store, diff_id, err);
	if (lock < 0)
		return lock;
	cleanup_free char *name = NULL;
	rc = layer_place(store, diff_id, &name, err); /* somebody may have been faster */
	if (rc != -ENOENT)
		return rc;
	rc = arrival != NULL ? 0 : check_source(store, diff_id, packed, name, err);
	return rc < 0 ? rc : unpack_as(store, diff_id, packed, arrival, name, &(struct trust){0}, err);
}

int layer_unpack(struct store *store, const struct digest *diff_id, const struct descriptor *packed, struct error **err)
{
	return layer_unpack_arriving(store, diff_id, packed, /* arrival */ NULL, err);
}

/* True when layers/<name> can be left as it is. */
static bool is_good(struct store *store, const char *name)
{
	cleanup(layer_record_done) struct layer_record record = {0};

	return layer_record_load(store_folder(store, STORE_LAYERS, NULL), name, &record, NULL) == 0 &&
	       layer_is_trusted(store, &record);
}

/* tmp/<tree> becomes tmp/<new>/fs, with a record, and that layers/<name>. */
static int adopt_as(struct store *store, int tmp, const char *tree, struct owner_table *owners,
		    const struct pack_result *packed, const char *name, struct error **err)
{
	cleanup(layer_record_done) struct layer_record record = {
		.diff_id = packed->diff_id, .size = packed->size, .recipe = PACK_RECIPE, .crc = packed->crc};
	cleanup_free char *tmp_name = NULL;
	int rc = make_tmp(store, &tmp_name, err);

	if (rc < 0)
		return rc;
	cleanup_free char *fs_name = mem_printf("%s/fs", tmp_name);
	if (renameat(tmp, tree, tmp, fs_name) < 0)
		return error_set_errno(err, "move the layer's tree");
	cleanup_close int fs = fd_open_dir(tmp, fs_name, err);
	rc = fs < 0 ? fs : reset_root(fs, err);
	if (rc == 0 && owners != NULL)
		rc = save_owners(fs, owners, err);
	if (rc == 0)
		rc = publish(store, tmp, tmp_name, name, &record, err);
	/* On failure the tree goes back: it may be all that is left of a container's work. */
	if (rc < 0 && renameat(tmp, fs_name, tmp, tree) < 0)
		log_debug("'%s' stays in the temporary directory", fs_name);
	return rc;
}

int layer_adopt(struct store *store, const char *tmp_name, struct owner_table *owners, const struct pack_result *packed,
		struct error **err)
{
	cleanup_close int lock = layer_lock(store, &packed->diff_id, err);
	int tmp = lock < 0 ? lock : store_tmp(store, err);
	cleanup_free char *name = NULL;

	if (tmp < 0)
		return tmp;
	int rc = layer_place(store, &packed->diff_id, &name, err);
	if (rc < 0 && rc != -ENOENT)
		return rc;
	if (rc == 0 && is_good(store, name))
		return tree_remove(tmp, tmp_name, err);
	return adopt_as(store, tmp, tmp_name, owners, packed, name, err);
}

/* Removes a tree that is not needed: gone in one step, so that nobody takes half of it for all. */
static int discard(struct store *store, int dirfd, const char *made, struct error **err)
{
	int tmp = store_tmp(store, err);

	if (tmp < 0)
		return tmp;
	cleanup_free char *trash = store_tmp_name(store, "same-layer");
	if (renameat(dirfd, made, tmp, trash) < 0)
		return error_set_errno(err, "discard a layer that is there already");
	return tree_remove(tmp, trash, err);
}

int layer_adopt_prepared(struct store *store, int dirfd, const char *made, const struct pack_result *packed,
			 struct error **err)
{
	cleanup(layer_record_done) struct layer_record record = {
		.diff_id = packed->diff_id, .size = packed->size, .recipe = PACK_RECIPE, .crc = packed->crc};
	cleanup_close int lock = layer_lock(store, &packed->diff_id, err);
	cleanup_free char *name = NULL;

	if (lock < 0)
		return lock;
	int rc = layer_place(store, &packed->diff_id, &name, err);
	if (rc < 0 && rc != -ENOENT)
		return rc;
	if (rc == 0 && is_good(store, name))
		return discard(store, dirfd, made, err);
	cleanup_free char *fs_name = mem_printf("%s/fs", made);
	cleanup_close int fs = fd_open_dir(dirfd, fs_name, err);
	rc = fs < 0 ? fs : reset_root(fs, err);
	return rc < 0 ? rc : publish(store, dirfd, made, name, &record, err);
}
