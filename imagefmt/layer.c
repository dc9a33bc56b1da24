/*
 * Unpacked layers: where they lie, how they get there, and whether they may still be trusted. A layer's directory is
 * made whole in tmp/ and gets its name by rename; whoever makes, replaces or removes one, or rewrites its record, holds
 * its lock; readers hold none.
 */
#include "imagefmt/layer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/ovlmark.h"
#include "base/tree.h"
#include "imagefmt/blob.h"
#include "imagefmt/codec.h"
#include "imagefmt/layer_internal.h"
#include "imagefmt/unpack.h"

#define LOCK_KIND "layer"
#define MAP_HASH_DIGITS 12

/* ---- names ---- */

int layer_lock(struct store *store, const struct digest *diff_id, struct error **err)
{
	char hex[DIGEST_HEX_SIZE];
	cleanup_free char *what = mem_printf("layer %.12s", digest_hex(diff_id, hex));

	return store_lock(store, LOCK_KIND, hex, LOCK_EXCLUSIVE, LOCK_WAIT, what, err);
}

/* "<hex>.<hash of the id map>": the second and further trees of a layer. */
static int other_name(struct store *store, const char *hex, char **name, struct error **err)
{
	const char *map = store_id_map(store);
	struct digest digest;
	char map_hex[DIGEST_HEX_SIZE];
	int rc = digest_of(map, strlen(map), &digest, err);

	if (rc == 0)
		*name = mem_printf("%s.%.*s", hex, MAP_HASH_DIGITS, digest_hex(&digest, map_hex));
	return rc;
}

static bool has_map(const struct layer_record *record, const char *map)
{
	return *map == '\0' || strcmp(record->id_map, map) == 0;
}

/* Where the layer is, or (-ENOENT) where it is to be made; both in *name. */
static int place(struct store *store, const struct digest *diff_id, char **name, struct error **err)
{
	cleanup(layer_record_done) struct layer_record record = {0};
	int layers = store_folder(store, STORE_LAYERS, err);
	char hex[DIGEST_HEX_SIZE];

	if (layers < 0)
		return layers;
	digest_hex(diff_id, hex);
	int rc = layer_record_load(layers, hex, &record, NULL);
	if (rc == 0 && !has_map(&record, store_id_map(store))) {
		rc = other_name(store, hex, name, err);
		if (rc < 0)
			return rc;
		return faccessat(layers, *name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : -ENOENT;
	}
	*name = mem_strdup(hex);
	if (rc == 0)
		return 0;
	/* A record that cannot be read: the layer is there, but nothing can be said for it. */
	return rc == -ENOENT && faccessat(layers, hex, F_OK, AT_SYMLINK_NOFOLLOW) < 0 ? -ENOENT : 0;
}

int layer_find(struct store *store, const struct digest *diff_id, char **name, struct error **err)
{
	cleanup_free char *found = NULL;
	char text[DIGEST_TEXT_SIZE];
	int rc = place(store, diff_id, &found, err);

	if (rc == -ENOENT && found && strchr(found, '.'))
		return error_set(err, ENOENT,
				 "layer %s is unpacked for other ids than there are now (see idMappings in 'cooper "
				 "info'): have newuidmap, /etc/subuid or /etc/subgid changed?",
				 digest_format(diff_id, text));
	if (rc == -ENOENT)
		return error_set(err, ENOENT, "layer %s is not unpacked", digest_format(diff_id, text));
	if (rc == 0)
		*name = take_ptr(&found);
	return rc;
}

char *layer_tree_path(struct store *store, const struct digest *diff_id)
{
	cleanup_free char *name = NULL;
	char hex[DIGEST_HEX_SIZE];
	int rc = place(store, diff_id, &name, NULL);

	/* Whether it is there or not: the path is where it would be. */
	if (rc < 0 && name == NULL)
		name = mem_strdup(digest_hex(diff_id, hex));
	cleanup_free char *tree = mem_printf("%s/fs", name);
	return store_path(store, STORE_LAYERS, tree);
}

int layer_load_record(struct store *store, const struct digest *diff_id, struct layer_record *record,
		      struct error **err)
{
	cleanup_free char *name = NULL;
	int rc = layer_find(store, diff_id, &name, err);

	return rc < 0 ? rc : layer_record_load(store_folder(store, STORE_LAYERS, NULL), name, record, err);
}

/* ---- taking away ---- */

/* Moves layers/<name> out of sight and removes it there, so that nobody sees half of it. */
static int remove_named(struct store *store, const char *name, struct error **err)
{
	int layers = store_folder(store, STORE_LAYERS, err);
	int tmp = layers < 0 ? layers : store_tmp(store, err);
	cleanup_free char *trash = tmp < 0 ? NULL : store_tmp_name(store, "old-layer");

	if (tmp < 0)
		return tmp;
	if (renameat(layers, name, tmp, trash) < 0)
		return errno == ENOENT ? 0 : error_set_errno(err, "take away the layer '%s'", name);
	return tree_remove(tmp, trash, err);
}

/* True for <hex> itself and its trees under other id maps. */
static bool is_tree_of(const char *name, const char *hex)
{
	size_t length = strlen(hex);

	return strncmp(name, hex, length) == 0 && (name[length] == '\0' || name[length] == '.');
}

/* Opens layers/ for reading names. The caller closes it. */
static int open_layers(struct store *store, DIR **dir, struct error **err)
{
	int layers = store_folder(store, STORE_LAYERS, err);

	if (layers < 0)
		return layers;
	int fd = openat(layers, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*dir = fd < 0 ? NULL : fdopendir(fd);
	if (*dir != NULL)
		return 0;
	int rc = error_set_errno(err, "read the store's layers");
	fd_close(fd);
	return rc;
}

static int remove_trees(struct store *store, const char *hex, struct error **err)
{
	DIR *dir = NULL;
	int rc = open_layers(store, &dir, err);

	if (rc < 0)
		return rc;
	for (struct dirent *entry; rc == 0 && (entry = readdir(dir)) != NULL;)
		if (is_tree_of(entry->d_name, hex))
			rc = remove_named(store, entry->d_name, err);
	closedir(dir);
	return rc;
}

int layer_remove(struct store *store, const struct digest *diff_id, struct error **err)
{
	char hex[DIGEST_HEX_SIZE];
	int lock = layer_lock(store, diff_id, err);

	if (lock < 0)
		return lock;
	int rc = remove_trees(store, digest_hex(diff_id, hex), err);
	fd_close(lock);
	if (rc == 0 && store_forget_lock(store, LOCK_KIND, hex) < 0)
		log_debug("the lock of layer %.12s stays: somebody waits for it", hex);
	return rc;
}

static int compare_digests(const void *a, const void *b)
{
	return digest_compare(a, b);
}

/* Sorts and drops the second of equals. */
static size_t sort_unique(struct digest *digests, size_t count)
{
	size_t kept = 0;

	if (count > 1)
		qsort(digests, count, sizeof(*digests), compare_digests);
	for (size_t i = 0; i < count; i++)
		if (kept == 0 || !digest_equal(&digests[kept - 1], &digests[i]))
			digests[kept++] = digests[i];
	return kept;
}

/* "<hex>" or "<hex>.<map>" to a digest; false for names of another kind ("k-…"). */
static bool parse_name(const char *name, struct digest *digest)
{
	size_t length = strcspn(name, ".");
	cleanup_free char *text = mem_printf("%s:%.*s", length == 128 ? "sha512" : "sha256", (int)length, name);

	return digest_parse(text, digest, NULL) == 0;
}

int layer_list(struct store *store, struct digest **diff_ids, size_t *count, struct error **err)
{
	cleanup_free struct digest *found = mem_alloc(0);
	size_t found_count = 0;
	DIR *dir = NULL;
	int rc = open_layers(store, &dir, err);

	if (rc < 0)
		return rc;
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		struct digest digest;
		if (!parse_name(entry->d_name, &digest))
			continue;
		found = mem_grow(found, found_count + 1, sizeof(*found));
		found[found_count++] = digest;
	}
	closedir(dir);
	*count = sort_unique(found, found_count);
	*diff_ids = take_ptr(&found);
	return 0;
}

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
	record->boot_id = layer_boot_id();
	if (record->durable) {
		int rc = sync_tree(dirfd, err);
		if (rc < 0)
			return rc;
	}
	int rc = layer_record_save(dirfd, made, record, err);
	if (rc == 0)
		rc = remove_named(store, name, err);
	if (rc < 0)
		return rc;
	trace(STORE, "layer %s", name);
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
	if (fchown(fs, 0, 0) < 0 && geteuid() == 0)
		return error_set_errno(err, "give the layer's root to root");
	if (fchmod(fs, 0755) < 0)
		return error_set_errno(err, "set the mode of the layer's root");
	return ovlmark_clear_opaque(fs, err);
}

/* What the bytes are: some label gzip as plain tar, or zstd as gzip. */
static int codec_of(int blob_fd, const struct descriptor *packed, enum codec *codec, struct error **err)
{
	char head[6];
	int rc = layer_codec(packed->media_type, codec, err);

	if (rc < 0)
		return rc;
	ssize_t n = pread(blob_fd, head, sizeof(head), 0);
	if (n < 0)
		return error_set_errno(err, "read");
	enum codec seen = codec_detect(head, (size_t)n);
	if (seen != *codec && (seen != CODEC_NONE || *codec == CODEC_NONE))
		*codec = seen;
	return 0;
}

static int unpack_into(struct store *store, const struct digest *diff_id, const struct descriptor *packed, int fs,
		       struct layer_record *record, struct error **err)
{
	char wanted[DIGEST_TEXT_SIZE];
	char got[DIGEST_TEXT_SIZE];
	struct unpack_options options = {.single_id = store_has_single_id(store)};
	struct unpack_result result;
	enum codec codec;
	cleanup_close int blob_fd = blob_open(store, &packed->digest, NULL, err);
	int rc = blob_fd < 0 ? blob_fd : codec_of(blob_fd, packed, &codec, err);

	if (rc == 0)
		rc = unpack_layer(blob_fd, codec, fs, &options, &result, err);
	if (rc < 0)
		return error_prefix(err, "layer %s", digest_format(diff_id, wanted));
	if (!digest_equal(&result.diff_id, diff_id))
		return error_set(err, EBADMSG, "layer %s: its blob %.19s… holds %s", digest_format(diff_id, wanted),
				 digest_format(&packed->digest, (char[DIGEST_TEXT_SIZE]){0}),
				 digest_format(&result.diff_id, got));
	if (result.lost > 0)
		log_debug("layer %s: %llu links and special files lost their owners", wanted,
			  (unsigned long long)result.lost);
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
	int recipe; /* it packs to its diff_id by this one; 0 when that is not known */
	bool durable;
};

/* Unpacks the blob as layers/<name>, under the lock. */
static int unpack_as(struct store *store, const struct digest *diff_id, const struct descriptor *packed,
		     const char *name, const struct trust *trust, struct error **err)
{
	cleanup(layer_record_done) struct layer_record record = {.recipe = trust->recipe, .durable = trust->durable};
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
		rc = unpack_into(store, diff_id, packed, fs, &record, err);
	if (rc == 0)
		rc = publish(store, tmp, tmp_name, name, &record, err);
	if (rc < 0)
		tree_remove(tmp, tmp_name, /* what stays is swept */ NULL);
	return rc;
}

/* ---- trust ---- */

/* A tree that was written in this boot is in the kernel's memory if not on disk; a durable one is on disk. */
static bool is_trusted(const struct layer_record *record)
{
	cleanup_free char *boot_id = layer_boot_id();

	return record->durable || strcmp(record->boot_id, boot_id) == 0;
}

static int open_tree(struct store *store, const char *name, struct error **err)
{
	cleanup_free char *path = mem_printf("%s/fs", name);

	return fd_open_dir(store_folder(store, STORE_LAYERS, NULL), path, err);
}

/* Whether the tree packs to its diff_id. What came from a foreign tar packs to something else: nothing can be said. */
static bool is_whole(struct store *store, const char *name, const struct layer_record *record)
{
	struct pack_result packed;

	if (record->recipe != PACK_RECIPE)
		return false;
	cleanup_close int fs = open_tree(store, name, NULL);
	return fs >= 0 && pack_tree(fs, /* sink */ NULL, NULL, &packed, NULL) == 0 &&
	       digest_equal(&packed.diff_id, &record->diff_id);
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
		return unpack_as(store, diff_id, &packed, name,
				 &(struct trust){.recipe = record->recipe, .durable = true}, err);
	}
	return error_set(
		err, EUCLEAN,
		"layer %s is lost: it was not yet on disk when the machine went down, and the store has no blob "
		"to make it from",
		digest_format(diff_id, text));
}

/* Under the lock: checks a tree of an earlier boot, once. */
static int check(struct store *store, const struct digest *diff_id, const char *name, struct error **err)
{
	cleanup(layer_record_done) struct layer_record record = {0};
	int layers = store_folder(store, STORE_LAYERS, err);

	if (layers < 0)
		return layers;
	/* A record that was cut off says nothing; then there is no blob to know either. */
	if (layer_record_load(layers, name, &record, NULL) < 0)
		record.boot_id = mem_strdup("");
	else if (is_trusted(&record))
		return 0; /* somebody was faster */
	if (!is_whole(store, name, &record))
		return restore(store, diff_id, name, &record, err);
	record.durable = true; /* what was read after the start is on disk */
	return layer_record_save(layers, name, &record, err);
}

int layer_open(struct store *store, const struct digest *diff_id, struct error **err)
{
	cleanup(layer_record_done) struct layer_record record = {0};
	cleanup_free char *name = NULL;
	char hex[DIGEST_HEX_SIZE];
	const char *known = store_known_layer(store, digest_hex(diff_id, hex));
	int fd = known ? open_tree(store, known, NULL) : -ENOENT;

	if (fd >= 0)
		return fd;
	int rc = layer_find(store, diff_id, &name, err);
	if (rc < 0)
		return rc;
	if (layer_record_load(store_folder(store, STORE_LAYERS, NULL), name, &record, NULL) < 0 ||
	    !is_trusted(&record)) {
		cleanup_close int lock = layer_lock(store, diff_id, err);
		rc = lock < 0 ? lock : check(store, diff_id, name, err);
		if (rc < 0)
			return rc;
	}
	store_know_layer(store, hex, name);
	return open_tree(store, name, err);
}

/* ---- the doors ---- */

int layer_change_record(struct store *store, const struct digest *diff_id,
			bool (*change)(struct layer_record *record, const void *context), const void *context,
			struct error **err)
{
	cleanup(layer_record_done) struct layer_record record = {0};
	cleanup_close int lock = layer_lock(store, diff_id, err);
	cleanup_free char *name = NULL;
	int rc = lock < 0 ? lock : layer_find(store, diff_id, &name, err);

	if (rc < 0)
		return rc;
	int layers = store_folder(store, STORE_LAYERS, err);
	rc = layer_record_load(layers, name, &record, err);
	if (rc < 0 || !change(&record, context))
		return rc;
	return layer_record_save(layers, name, &record, err);
}

static bool add_blob(struct layer_record *record, const void *context)
{
	return layer_record_add_blob(record, context);
}

/* The layer is there: a blob that it also comes in is worth knowing, for a push or a repair. */
static void note_blob(struct store *store, const struct digest *diff_id, const struct descriptor *packed)
{
	struct layer_blob blob = {.digest = packed->digest, .size = packed->size};

	if (layer_codec(packed->media_type, &blob.codec, NULL) < 0 || !blob_exists(store, &blob.digest, NULL))
		return;
	if (layer_change_record(store, diff_id, add_blob, &blob, NULL) < 0)
		log_debug("the record of layer %.12s… could not be completed",
			  digest_hex(diff_id, (char[DIGEST_HEX_SIZE]){0}));
}

int layer_unpack(struct store *store, const struct digest *diff_id, const struct descriptor *packed, struct error **err)
{
	cleanup_free char *before = NULL;
	int rc = place(store, diff_id, &before, err);

	if (rc == 0)
		note_blob(store, diff_id, packed);
	if (rc != -ENOENT)
		return rc;
	cleanup_close int lock = layer_lock(store, diff_id, err);
	if (lock < 0)
		return lock;
	cleanup_free char *name = NULL;
	rc = place(store, diff_id, &name, err); /* somebody may have been faster */
	return rc == -ENOENT ? unpack_as(store, diff_id, packed, name, &(struct trust){0}, err) : rc;
}

/* True when layers/<name> can be left as it is. */
static bool is_good(struct store *store, const char *name)
{
	cleanup(layer_record_done) struct layer_record record = {0};

	return layer_record_load(store_folder(store, STORE_LAYERS, NULL), name, &record, NULL) == 0 &&
	       is_trusted(&record);
}

/* tmp/<tree> becomes tmp/<new>/fs, with a record, and that layers/<name>. */
static int adopt_as(struct store *store, int tmp, const char *tree, const struct pack_result *packed, const char *name,
		    struct error **err)
{
	cleanup(layer_record_done) struct layer_record record = {
		.diff_id = packed->diff_id, .size = packed->size, .recipe = PACK_RECIPE};
	cleanup_free char *tmp_name = NULL;
	int rc = make_tmp(store, &tmp_name, err);

	if (rc < 0)
		return rc;
	cleanup_free char *fs_name = mem_printf("%s/fs", tmp_name);
	if (renameat(tmp, tree, tmp, fs_name) < 0)
		return error_set_errno(err, "move the layer's tree");
	cleanup_close int fs = fd_open_dir(tmp, fs_name, err);
	rc = fs < 0 ? fs : reset_root(fs, err);
	if (rc == 0)
		rc = publish(store, tmp, tmp_name, name, &record, err);
	/* On failure the tree goes back: it may be all that is left of a container's work. */
	if (rc < 0 && renameat(tmp, fs_name, tmp, tree) < 0)
		log_debug("'%s' stays in the temporary directory", fs_name);
	return rc;
}

int layer_adopt(struct store *store, const char *tmp_name, const struct pack_result *packed, struct error **err)
{
	cleanup_close int lock = layer_lock(store, &packed->diff_id, err);
	int tmp = lock < 0 ? lock : store_tmp(store, err);
	cleanup_free char *name = NULL;

	if (tmp < 0)
		return tmp;
	int rc = place(store, &packed->diff_id, &name, err);
	if (rc < 0 && rc != -ENOENT)
		return rc;
	if (rc == 0 && is_good(store, name))
		return tree_remove(tmp, tmp_name, err);
	return adopt_as(store, tmp, tmp_name, packed, name, err);
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
		.diff_id = packed->diff_id, .size = packed->size, .recipe = PACK_RECIPE};
	cleanup_close int lock = layer_lock(store, &packed->diff_id, err);
	cleanup_free char *name = NULL;

	if (lock < 0)
		return lock;
	int rc = place(store, &packed->diff_id, &name, err);
	if (rc < 0 && rc != -ENOENT)
		return rc;
	if (rc == 0 && is_good(store, name))
		return discard(store, dirfd, made, err);
	cleanup_free char *fs_name = mem_printf("%s/fs", made);
	cleanup_close int fs = fd_open_dir(dirfd, fs_name, err);
	rc = fs < 0 ? fs : reset_root(fs, err);
	return rc < 0 ? rc : publish(store, dirfd, made, name, &record, err);
}

static bool set_durable(struct layer_record *record, const void *context)
{
	bool changes = !record->durable;

	record->durable = true;
	return changes;
}

int layer_make_durable(struct store *store, const struct digest *diff_id, struct error **err)
{
	cleanup(layer_record_done) struct layer_record record = {0};
	int rc = layer_load_record(store, diff_id, &record, err);

	if (rc < 0 || record.durable)
		return rc;
	cleanup_close int fs = layer_open(store, diff_id, err);
	if (fs < 0)
		return fs;
	rc = sync_tree(fs, err);
	return rc < 0 ? rc : layer_change_record(store, diff_id, set_durable, /* context */ NULL, err);
}
